"""Seats kept for handshakes under way, and adds that cross."""

import pytest

from membership.commands.messages import EnsureRoom, Receipt, ReleaseSeat, RemovePeer, RenamePeer
from membership.domain.admission import Admission
from membership.domain.errors import HandshakeFailed, NodeLimitExceeded, PeerAlreadyInCluster
from membership.domain.events import PeerAdded, PeerRenamed
from membership.store.errors import StoreUnavailable
from tests.commands.write_side import WriteSide, admit, facts, founded, reserve
from tests.domain.histories import (
    ANN,
    BOB,
    CAT,
    LOCAL,
    added,
    attested,
    key_of,
    record_of,
    refused,
)
from tests.store.logs import FaultyRecorder

INBOUND = Admission.INBOUND


def _ensure_full(side: WriteSide, limit: int) -> None:
    with refused(NodeLimitExceeded, limit=limit, where="here"):
        side.carry_out(EnsureRoom())


# Kept


def test_a_reserved_seat_counts_like_a_peer() -> None:
    side = founded(max_nodes=2)
    side.carry_out(reserve("r", ANN))
    _ensure_full(side, 2)
    for command in (admit(BOB), reserve("s", BOB)):
        with refused(NodeLimitExceeded, limit=2, where="here"):
            side.carry_out(command)
    assert facts(side.outcomes(admit(ANN, reservation="r"))[0]) == [added(ANN)]


def test_it_is_there_for_its_peer_however_that_comes_in() -> None:
    side = founded(max_nodes=2)
    side.carry_out(reserve("r", ANN))
    assert facts(side.outcomes(admit(ANN, INBOUND))[0]) == [added(ANN, how="inbound")]
    _ensure_full(side, 2)


def test_a_peer_counts_once_however_many_seats_are_kept_for_it() -> None:
    side = founded(max_nodes=3)
    for name in ("r", "s", "t"):
        side.carry_out(reserve(name, ANN))
    side.carry_out(EnsureRoom())
    side.carry_out(admit(ANN, reservation="r"))
    side.carry_out(EnsureRoom())
    side.carry_out(admit(BOB))
    _ensure_full(side, 3)


def test_a_seat_is_kept_to_the_moment_that_voids_it() -> None:
    side = founded(max_nodes=2)
    side.carry_out(reserve("r", ANN, for_s=30))
    side.clock.advance(seconds=29)
    _ensure_full(side, 2)
    side.clock.advance(seconds=1)
    side.carry_out(EnsureRoom())
    assert not side.state.reservations
    side.carry_out(admit(BOB))
    with refused(NodeLimitExceeded, limit=2, where="here"):
        side.carry_out(admit(ANN, reservation="r"))


def test_a_seat_that_is_given_up_is_free() -> None:
    side = founded(max_nodes=2)
    side.carry_out(reserve("r", ANN))
    for name in ("r", "r", "another"):
        receipt = side.carry_out(ReleaseSeat(reservation=name))
        assert not receipt.events
    side.carry_out(EnsureRoom())


def test_a_seat_is_kept_for_nobody_who_could_not_have_it() -> None:
    side = founded(max_nodes=3)
    side.carry_out(admit(ANN))
    for record, kind, details in (
        (ANN, PeerAlreadyInCluster, {"peer_id": ANN.peer_id, "taken": "identity"}),
        (
            record_of("bob", at=ANN.address),
            PeerAlreadyInCluster,
            {"peer_id": ANN.peer_id, "taken": "address"},
        ),
        (
            record_of("ann", key=key_of("eve")),
            HandshakeFailed,
            {"reason": "key_changed", "peer_id": ANN.peer_id},
        ),
    ):
        with refused(kind, **details):
            side.carry_out(reserve("r", record))
    assert not side.state.reservations


def test_reserving_writes_nothing() -> None:
    side = founded()
    before = side.recorder.writes
    side.process(reserve("r", ANN), ReleaseSeat(reservation="r"))
    assert side.recorder.writes == before


# Going back


def test_a_seat_that_was_reserved_in_a_batch_that_failed_is_not_kept() -> None:
    """Whoever asked was told that it failed, and would never have given the seat up."""
    side = founded(max_nodes=2)
    side.recorder.breaks_before = True
    outcomes = side.outcomes(reserve("r", ANN), RenamePeer(peer_id=LOCAL, name="x"))
    assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * 2
    side.carry_out(EnsureRoom())


def test_a_seat_stays_kept_when_taking_it_fails() -> None:
    side = founded(max_nodes=2)
    side.carry_out(reserve("r", ANN))
    side.recorder.breaks_before = True
    assert isinstance(side.outcomes(admit(ANN, reservation="r"))[0], StoreUnavailable)
    with refused(NodeLimitExceeded, limit=2, where="here"):
        side.carry_out(admit(BOB))
    side.carry_out(admit(ANN, reservation="r"))


# Crossing


def _crossed(label: str = "") -> WriteSide:
    """Return a write side whose operator is adding Ann, whose own add has come in meanwhile."""
    side = founded()
    side.carry_out(reserve("r", ANN))
    side.carry_out(admit(ANN, INBOUND, label=label))
    return side


def test_two_adds_that_cross_both_succeed() -> None:
    side = _crossed()
    receipt = side.carry_out(admit(ANN, reservation="r"))
    assert (receipt.events, receipt.result) == ([], ANN.peer_id)
    assert not side.state.reservations


def test_the_label_that_the_operator_gave_is_kept_in_a_crossing() -> None:
    receipt = _crossed().carry_out(admit(ANN, reservation="r", label="cellar"))
    assert facts(receipt) == [PeerRenamed(peer_id=ANN.peer_id, before="", after="cellar")]


def test_of_several_adds_here_one_crosses() -> None:
    """That is true for one add on each side: a second one here came when it was so already."""
    side = founded()
    for name in ("r", "s"):
        side.carry_out(reserve(name, ANN))
    side.carry_out(admit(ANN, INBOUND))
    side.carry_out(admit(ANN, reservation="r"))
    with refused(PeerAlreadyInCluster, peer_id=ANN.peer_id, taken="identity"):
        side.carry_out(admit(ANN, reservation="s"))


def test_an_add_that_began_when_the_peer_was_here_does_not_cross() -> None:
    side = founded()
    side.carry_out(admit(ANN, INBOUND))
    with refused(PeerAlreadyInCluster, peer_id=ANN.peer_id, taken="identity"):
        side.carry_out(reserve("r", ANN))
    with refused(PeerAlreadyInCluster, peer_id=ANN.peer_id, taken="identity"):
        side.carry_out(admit(ANN, reservation="r"))


def test_another_peers_coming_overtakes_nobody() -> None:
    side = founded()
    side.carry_out(reserve("r", ANN))
    side.carry_out(admit(BOB, INBOUND))
    assert facts(side.carry_out(admit(ANN, reservation="r"))) == [added(ANN)]


def test_a_peer_that_was_overtaken_and_removed_again_is_added_as_any_other() -> None:
    side = _crossed()
    side.carry_out(RemovePeer(peer_id=ANN.peer_id))
    assert [type(f) for f in facts(side.carry_out(admit(ANN, reservation="r")))] == [PeerAdded]


def test_a_crossing_survives_a_conflict_with_another_writer() -> None:
    """
    The first attempt used the reservation up, and the second one found the peer here before.

    So the operator was told that the peer is in the cluster already, which the same operator had
    just brought about.
    """
    side = _crossed()
    other = WriteSide(FaultyRecorder(side.recorder.inner))
    other.carry_out(RenamePeer(peer_id=ANN.peer_id, name="attic"))
    receipt = side.carry_out(admit(ANN, reservation="r", label="cellar"))
    assert facts(receipt) == [PeerRenamed(peer_id=ANN.peer_id, before="attic", after="cellar")]
    side.check()


# At the door again


@pytest.mark.parametrize("how", [INBOUND, Admission.DISCOVERED])
def test_a_peer_at_the_door_again_brings_its_newest_record(how: Admission) -> None:
    side = founded()
    side.carry_out(admit(ANN, told_version=1))
    newer = record_of("ann", 2)
    receipt = side.carry_out(admit(newer, how, told_version=5))
    assert facts(receipt) == [attested(newer)]
    assert receipt.result == ANN.peer_id
    assert [row.acked_version for row in side.store.deliveries()] == [5]
    receipt = side.carry_out(admit(newer, how, told_version=9))
    assert (receipt.events, receipt.result) == ([], ANN.peer_id)
    assert [row.acked_version for row in side.store.deliveries()] == [5]


def test_a_full_agent_lets_those_in_who_are_in() -> None:
    side = founded(max_nodes=2)
    side.carry_out(admit(ANN))
    assert isinstance(side.outcomes(admit(ANN, INBOUND))[0], Receipt)
    assert isinstance(side.outcomes(admit(CAT, INBOUND))[0], NodeLimitExceeded)
