"""The write model: whole after every decision, and able to go back to the last committed one."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membership.domain.cluster import Cluster
from membership.domain.events import PeerRemoved, RecordedEvent, ServiceRemoved
from membership.domain.license import license_of
from membership.domain.peer import PeerStatus
from tests.domain import histories
from tests.domain.histories import (
    ANN,
    BOB,
    LOCAL,
    added,
    attested,
    created,
    credential,
    left,
    licensed,
    record_of,
    recorded,
    recorded_at,
    service_id_of,
    serving,
)
from tests.domain.random_histories import logs

LOCAL_KEY = histories.key_of("local")


def _contents(cluster: Cluster) -> dict[str, Any]:
    """Return a copy of everything but the way back."""
    return {
        name: dict(value) if isinstance(value, dict) else value
        for name, value in vars(cluster).items()
        if name != "_journal"
    }


def _applied(log: Sequence[RecordedEvent]) -> Cluster:
    cluster = Cluster()
    for event in log:
        cluster.apply(event)
    return cluster


# What it holds


def test_an_empty_log_has_no_local_peer() -> None:
    cluster = Cluster()
    assert (cluster.position, cluster.license, cluster.local_id) == (0, None, None)
    with pytest.raises(LookupError, match="no local peer"):
        _ = cluster.local


def test_everything_that_happened_is_found_again() -> None:
    farewell = record_of("eve", 4, left=True)
    events = [
        *(created(), licensed(), added(ANN), added(BOB)),
        *(serving(1, "local", "ann"), serving(2, "ann", "bob"), credential()),
        *(PeerRemoved(peer_id=BOB.peer_id), left(farewell)),
        ServiceRemoved(service_id=service_id_of(1)),
    ]
    cluster = histories.cluster_of(*events)
    assert cluster.local.peer_id == LOCAL
    assert cluster.license == license_of(licensed())
    assert [p.status for p in cluster.peers.values()] == [
        PeerStatus.ACTIVE,
        PeerStatus.ACTIVE,
        PeerStatus.REMOVED,
        PeerStatus.LEFT,
    ]
    assert cluster.is_active(ANN.peer_id)
    assert not cluster.is_active(BOB.peer_id)
    assert not cluster.is_active(record_of("nobody").peer_id)
    assert cluster.seat_by_key == {LOCAL_KEY: LOCAL, ANN.public_key: ANN.peer_id}
    assert cluster.credentials == {credential().client_id: credential()}
    [service] = cluster.services.values()
    assert (service.service_id, service.created_at_us) == (service_id_of(2), recorded_at(6))
    assert (cluster.position, cluster.versions[added(BOB).stream_id]) == (len(events), 2)
    assert cluster.next_version(added(ANN)) == 2
    assert cluster.next_version(added(record_of("cat"))) == 1


def test_only_tombstones_of_peers_that_never_had_a_seat_are_strangers() -> None:
    cluster = histories.given(
        added(ANN),
        left(record_of("ann", 2, left=True)),
        left(record_of("bob", 2, left=True)),
        left(record_of("cat", 2, left=True)),
    )
    assert cluster.strangers == 2


# What always holds


@given(logs)
def test_active_peers_have_one_seat_each_and_no_two_the_same(log: Sequence[RecordedEvent]) -> None:
    cluster = _applied(log)
    active = [peer for peer in cluster.peers.values() if peer.is_active]
    assert cluster.seat_by_key == {peer.public_key: peer.peer_id for peer in active}
    assert cluster.seat_by_address == {peer.address: peer.peer_id for peer in active}
    assert len(cluster.seat_by_address) == len(cluster.seat_by_key) == len(active)


@given(logs)
def test_who_waits_waits_for_a_seat_that_somebody_has(log: Sequence[RecordedEvent]) -> None:
    cluster = _applied(log)
    waiting = {
        peer.peer_id: peer.claimed_address
        for peer in cluster.peers.values()
        if peer.is_active and peer.claimed_address != peer.address
    }
    queued = [(peer_id, address) for address, ids in cluster.claims.items() for peer_id in ids]
    assert dict(queued) == waiting
    assert len(queued) == len(waiting)
    assert set(waiting.values()) <= cluster.seat_by_address.keys()


@given(logs)
def test_who_left_stays_gone(log: Sequence[RecordedEvent]) -> None:
    cluster, gone = Cluster(), set()
    for event in log:
        cluster.apply(event)
        gone |= {p.peer_id for p in cluster.peers.values() if p.status is PeerStatus.LEFT}
        assert not gone & set(cluster.seat_by_key.values())


@given(logs)
def test_the_highest_version_that_was_seen_never_falls(log: Sequence[RecordedEvent]) -> None:
    cluster = Cluster()
    highest: dict[str, int] = {}
    for event in log:
        cluster.apply(event)
        for peer in cluster.peers.values():
            if peer.status is not PeerStatus.LEFT:
                assert peer.subject_version >= highest.get(peer.peer_id, 0)
                highest[peer.peer_id] = peer.subject_version


# The way back


@given(logs, st.data())
def test_taking_back_restores_the_last_kept_state_exactly(
    log: Sequence[RecordedEvent], data: st.DataObject
) -> None:
    kept = data.draw(st.integers(0, len(log)), label="kept")
    tried = data.draw(st.integers(kept, len(log)), label="tried")
    cluster = _applied(log[:kept])
    cluster.keep()
    before = _contents(cluster)
    for event in log[kept:tried]:
        cluster.apply(event)
    cluster.take_back()
    assert _contents(cluster) == before == _contents(_applied(log[:kept]))
    for event in log[kept:]:
        cluster.apply(event)
    assert _contents(cluster) == _contents(_applied(log))


@given(logs)
def test_what_was_never_kept_is_taken_back_to_nothing(log: Sequence[RecordedEvent]) -> None:
    cluster = _applied(log)
    cluster.take_back()
    assert _contents(cluster) == _contents(Cluster())
    cluster.take_back()
    assert _contents(cluster) == _contents(Cluster())


def test_a_service_that_is_not_there_is_removed_without_a_trace() -> None:
    """Two removals that crossed, on an agent with several writers, fold like one."""
    cluster = _applied(recorded(created(), licensed(), ServiceRemoved(service_id=service_id_of(1))))
    assert not cluster.services
    cluster.take_back()
    assert _contents(cluster) == _contents(Cluster())


def test_a_claim_is_taken_back_with_its_place_in_the_queue() -> None:
    first, second = record_of("cat", 2, at=ANN.address), record_of("bob", 2, at=ANN.address)
    cluster = histories.given(added(ANN), added(BOB), added(record_of("cat")), attested(first))
    before = _contents(cluster)
    log = recorded(
        *(created(), licensed(), added(ANN), added(BOB), added(record_of("cat"))),
        *(attested(first), attested(second), PeerRemoved(peer_id=first.peer_id)),
    )
    for event in log[-2:]:
        cluster.apply(event)
    assert cluster.claims == {ANN.address: (BOB.peer_id,)}
    cluster.take_back()
    assert _contents(cluster) == before
