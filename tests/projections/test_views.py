"""All views together: they follow the log, whole and in order, and could be thrown away."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membership.domain.cluster import Cluster
from membership.domain.events import Event, LicenseRenewed, RecordedEvent
from membership.domain.values import UnixUs
from projections.views import Views
from tests.domain.histories import (
    ANN,
    BOB,
    CAT,
    added,
    created,
    credential,
    id_of,
    license_with,
    licensed,
    recorded,
    serving,
)
from tests.domain.random_histories import NAMES, logs
from tests.projections.watched import body_of, founded, rebuilt


def _read_everything(views: Views) -> None:
    """Fill every cache there is."""
    for is_local in (None, True, False):
        views.peers.list_body(is_local=is_local)
    views.contents()


@given(logs, st.integers(0, 60))
def test_views_that_are_read_all_the_time_equal_rebuilt_ones(
    log: Sequence[RecordedEvent], stop_at: int
) -> None:
    live = Views(body_of)
    for event in log:
        live.apply([event])
        _read_everything(live)
        if event.position == stop_at:
            assert live.contents() == rebuilt(log[:stop_at]).contents()
    assert live.contents() == rebuilt(log).contents()
    for is_local in (None, True, False):
        body = rebuilt(log).peers.list_body(is_local=is_local)
        assert live.peers.list_body(is_local=is_local) == body


@given(logs)
def test_views_and_the_write_model_know_the_same(log: Sequence[RecordedEvent]) -> None:
    views, cluster = rebuilt(log), Cluster()
    for event in log:
        cluster.apply(event)
    assert {peer.peer_id: peer for peer in views.peers.everyone()} == cluster.peers
    active = [peer for peer in cluster.peers.values() if peer.is_active]
    assert len(views.peers) == len(active)
    assert views.peers.local == cluster.local
    for peer in active:
        assert views.peers.at_address(peer.address) == peer
        assert views.peers.with_key(peer.public_key) == peer
    for name in NAMES:
        assert views.peers.get(id_of(name)) == cluster.peers.get(id_of(name))
    assert {service.service_id: service for service in views.services.all()} == cluster.services
    assert views.credentials == cluster.credentials
    assert views.license == cluster.license
    assert views.position == cluster.position


def test_views_begin_with_nothing() -> None:
    views = Views(body_of)
    assert (views.position, len(views.peers), views.credentials) == (0, 0, {})
    assert views.peers.list_body() == b"[]"
    with pytest.raises(LookupError, match="no licence"):
        _ = views.license
    with pytest.raises(LookupError, match="no local peer"):
        _ = views.peers.local


def test_the_newest_licence_is_shown() -> None:
    watched = founded()
    assert watched.views.license == license_with()
    renewal = license_with(revision=2, max_nodes=3, expires_at_us=UnixUs(1))
    watched.happen(LicenseRenewed(**{n: getattr(renewal, n) for n in renewal.__slots__}))
    assert watched.views.license == renewal


def test_credentials_are_found_by_their_client() -> None:
    watched = founded(credential(1), credential(2))
    assert watched.views.credentials == {
        credential(number).client_id: credential(number) for number in (1, 2)
    }


@pytest.mark.parametrize("positions", [[2], [1, 1], [1, 3], [1, 2, 2], [1, 2, 4], [0]])
def test_a_gap_in_the_log_is_refused(positions: list[int]) -> None:
    log = {r.position: r for r in recorded(created(), licensed(), added(ANN), added(BOB))}
    log[0] = replace(log[1], position=0)
    views = Views(body_of)
    with pytest.raises(ValueError, match=f"the event at {positions[-1]}"):
        views.apply(log[position] for position in positions)
    assert views.position == len(positions) - 1, "what came before it is there"
    views.apply(log[position] for position in range(len(positions), 5))
    assert views.contents() == rebuilt([log[n] for n in range(1, 5)]).contents()


def test_nothing_new_changes_nothing() -> None:
    watched = founded(added(ANN))
    before = watched.views.contents()
    watched.views.apply([])
    assert watched.views.contents() == before


def test_contents_tell_different_histories_apart() -> None:
    histories: list[list[Event]] = [
        [],
        [added(ANN)],
        [added(ANN, label="x")],
        [added(ANN), added(BOB)],
        [added(ANN), added(BOB), serving(1, "ann", "bob")],
        [added(ANN), added(BOB), serving(1, "bob", "ann")],
        [added(ANN), added(CAT)],
        [credential(1)],
        [credential(2)],
    ]
    contents = [founded(*history).views.contents() for history in histories]
    for index, content in enumerate(contents):
        assert content not in contents[:index]
