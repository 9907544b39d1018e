"""Services: as active as their peers, in the same event."""

import pytest

from membership.domain.events import Event, PeerDeactivated, PeerRemoved, ServiceRemoved
from membership.domain.service import Service
from membership.domain.values import PeerId
from projections.services import ServicesView
from tests.domain.histories import (
    ANN,
    BOB,
    CAT,
    LOCAL,
    added,
    address_of,
    id_of,
    key_of,
    left,
    record_of,
    recorded_at,
    service_id_of,
    serving,
)
from tests.projections.watched import Watched, founded

FAREWELL = PeerDeactivated(
    peer_id=LOCAL,
    public_key=key_of("local"),
    address=address_of("local"),
    name="",
    subject_version=2,
    record=b"",
)
ANN_LEFT = left(record_of("ann", 2, left=True))


def _numbers(view: ServicesView, involving: PeerId | None = None) -> list[int]:
    known = {service_id_of(number): number for number in range(10)}
    return [known[service.service_id] for service in view.all(involving)]


def _reasons(watched: Watched) -> dict[int, str | None]:
    view = watched.views.services
    services = {number: view.get(service_id_of(number)) for number in range(10)}
    return {n: view.inactive_reason(service) for n, service in services.items() if service}


def test_a_service_is_shown_as_it_was_registered() -> None:
    view = founded(added(ANN), serving(1, "local", "ann", called="backup")).views.services
    assert view.get(service_id_of(1)) == Service(
        service_id=service_id_of(1),
        name="backup",
        source_peer_id=LOCAL,
        target_peer_id=ANN.peer_id,
        created_at_us=recorded_at(4),
    )
    assert view.get(service_id_of(2)) is None


def test_services_come_in_the_order_of_their_registration() -> None:
    watched = founded(added(ANN), *(serving(number, "local", "ann") for number in (3, 1, 2)))
    assert _numbers(watched.views.services) == [3, 1, 2]


def test_services_are_picked_by_a_peer_on_either_side() -> None:
    watched = founded(
        *(added(record) for record in (ANN, BOB, CAT)),
        *(serving(1, "local", "ann"), serving(2, "ann", "bob"), serving(3, "bob", "local")),
    )
    view = watched.views.services
    assert _numbers(view, LOCAL) == [1, 3]
    assert _numbers(view, ANN.peer_id) == [1, 2]
    assert _numbers(view, CAT.peer_id) == []


@pytest.mark.parametrize(
    ("event", "source_reason", "target_reason"),
    [
        (
            PeerRemoved(peer_id=ANN.peer_id),
            "the source peer was removed",
            "the target peer was removed",
        ),
        (ANN_LEFT, "the source peer left the cluster", "the target peer left the cluster"),
    ],
    ids=["removed", "left"],
)
def test_a_service_turns_inactive_in_the_same_event_as_its_peer(
    event: Event, source_reason: str, target_reason: str
) -> None:
    watched = founded(
        added(ANN),
        added(BOB),
        *(serving(1, "ann", "local"), serving(2, "bob", "ann"), serving(3, "local", "bob")),
    )
    assert _reasons(watched) == {1: None, 2: None, 3: None}
    watched.happen(event)
    assert _reasons(watched) == {1: source_reason, 2: target_reason, 3: None}
    assert _numbers(watched.views.services) == [1, 2, 3], "they stay listed"


def test_an_agent_that_leaves_takes_its_services_out() -> None:
    watched = founded(added(ANN), added(BOB), serving(1, "local", "ann"), serving(2, "ann", "bob"))
    watched.happen(FAREWELL)
    assert _reasons(watched) == {1: "the source peer left the cluster", 2: None}


def test_of_two_peers_that_are_gone_the_source_is_named() -> None:
    watched = founded(added(ANN), added(BOB), serving(1, "ann", "bob"))
    watched.happen(PeerRemoved(peer_id=BOB.peer_id), ANN_LEFT)
    assert _reasons(watched) == {1: "the source peer left the cluster"}


def test_a_removed_peer_that_then_leaves_has_left() -> None:
    watched = founded(added(ANN), serving(1, "ann", "local"), PeerRemoved(peer_id=ANN.peer_id))
    watched.happen(ANN_LEFT)
    assert _reasons(watched) == {1: "the source peer left the cluster"}


def test_a_service_is_active_again_with_its_peer() -> None:
    watched = founded(added(ANN), serving(1, "ann", "local"), PeerRemoved(peer_id=ANN.peer_id))
    watched.happen(added(record_of("ann", 2)))
    assert _reasons(watched) == {1: None}


def test_a_service_of_a_peer_that_was_never_here_is_inactive() -> None:
    watched = founded(serving(1, "local", "nobody"))
    assert _reasons(watched) == {1: "the target peer was removed"}
    assert _numbers(watched.views.services, id_of("nobody")) == [1]


def test_a_removed_service_is_gone_and_removing_it_again_is_nothing() -> None:
    removal = ServiceRemoved(service_id=service_id_of(1))
    watched = founded(added(ANN), serving(1, "ann", "local"), serving(2, "ann", "local"))
    watched.happen(removal, removal)
    assert _numbers(watched.views.services) == [2]
    assert watched.views.services.get(service_id_of(1)) is None
