"""Batches of commands: one commit, one fate; and what happens beside other writers."""

import itertools
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from eventsourcing.persistence import StoredEvent
from hypothesis import given
from hypothesis import strategies as st

from membership.commands.messages import (
    BeginEpoch,
    EnsureRoom,
    ObserveRecord,
    Origin,
    Receipt,
    RecordRefusal,
    RemovePeer,
    RenamePeer,
    Request,
    SaveDeliveries,
    SaveLogSignatures,
    WitnessCheckpoint,
)
from membership.commands.processor import CONFLICT_ATTEMPTS
from membership.domain.errors import NodeLimitExceeded, PeerAlreadyInCluster, PeerNotFound
from membership.domain.events import Actor, PeerAdded, PeerRenamed
from membership.domain.values import UnixUs, ulid_bytes
from membership.store.codec import UnknownEvent
from membership.store.errors import StoreUnavailable
from membership.store.rows import (
    Delivery,
    LogSignatures,
    SeatChanges,
    StoredCheckpoint,
    StoredCosignature,
    WitnessedHead,
)
from tests.commands.random_commands import command_for
from tests.commands.write_side import (
    SOFTWARE,
    WriteSide,
    admit,
    contents,
    creation,
    facts,
    founded,
)
from tests.domain.histories import ANN, BOB, CAT, LOCAL, START_US, id_of, record_of
from tests.domain.random_histories import Ask, asks
from tests.store.logs import FaultyRecorder

NAMED = RenamePeer(peer_id=LOCAL, name="named")
NOBODY = RenamePeer(peer_id=CAT.peer_id, name="nobody")


# Group commit


def test_a_batch_is_one_transaction() -> None:
    side = founded()
    before = side.recorder.writes
    outcomes = side.outcomes(
        *(admit(record_of(f"peer {number}")) for number in range(5)),
        *(RenamePeer(peer_id=LOCAL, name=f"name {number}") for number in range(20)),
        *(admit(record_of(f"peer {number}")) for number in range(10)),
    )
    assert side.recorder.writes - before == 1
    assert sum(isinstance(outcome, Receipt) for outcome in outcomes) == 29
    assert sum(isinstance(outcome, PeerAlreadyInCluster) for outcome in outcomes) == 5
    assert sum(isinstance(outcome, NodeLimitExceeded) for outcome in outcomes) == 1
    assert side.cluster.position == len(side.events()) == 3 + 29
    side.check()


def test_a_command_sees_what_those_before_it_did() -> None:
    side = founded()
    added, renamed, removed, again, gone = side.outcomes(
        admit(ANN),
        RenamePeer(peer_id=ANN.peer_id, name="cellar", expected_version=1),
        RemovePeer(peer_id=ANN.peer_id, expected_version=2),
        admit(record_of("ann", 2)),
        RenamePeer(peer_id=ANN.peer_id, name="attic", expected_version=2),
    )
    assert [facts(o)[0].stored_as for o in (added, renamed, removed, again)] == [
        "peer.added.v1",
        "peer.renamed.v1",
        "peer.removed.v1",
        "peer.added.v1",
    ]
    assert not isinstance(gone, Receipt), "the version is 4 by now"
    side.check()


def test_a_refusal_fails_its_own_command_alone() -> None:
    side = founded()
    first, refused, last = side.outcomes(admit(ANN), NOBODY, NAMED)
    assert isinstance(refused, PeerNotFound)
    assert [type(fact) for fact in (*facts(first), *facts(last))] == [PeerAdded, PeerRenamed]
    assert [event.position for event in side.events()] == [1, 2, 3, 4, 5]


def test_a_batch_that_records_nothing_writes_nothing() -> None:
    side = founded()
    before = side.recorder.writes
    outcomes = side.outcomes(EnsureRoom(), RenamePeer(peer_id=LOCAL, name=None), NOBODY)
    assert side.recorder.writes == before
    assert [outcome.position for outcome in outcomes if isinstance(outcome, Receipt)] == [3, 3]
    assert side.process(EnsureRoom()).events == []


def test_a_receipt_says_where_in_the_log_the_change_is() -> None:
    side = founded()
    first, second, third = side.outcomes(admit(ANN), EnsureRoom(), NAMED)
    positions = [o.position for o in (first, second, third) if isinstance(o, Receipt)]
    assert positions == [4, 4, 5]
    assert isinstance(third, Receipt)
    assert [event.position for event in third.events] == [5]


def test_what_is_committed_is_published_in_the_logs_order() -> None:
    side = founded()
    processed = side.process(admit(ANN), NOBODY, NAMED)
    assert list(processed.events) == side.events()[3:]


# A commit that fails


def test_a_failed_commit_fails_the_whole_batch_and_the_model_goes_back() -> None:
    side = founded()
    side.carry_out(admit(ANN))
    before, views = contents(side.cluster), side.views.contents()
    side.recorder.breaks_before = True
    processed = side.process(admit(BOB), NOBODY, RemovePeer(peer_id=ANN.peer_id))
    assert [type(outcome) for outcome in processed.outcomes] == [StoreUnavailable] * 3
    assert processed.events == []
    assert contents(side.cluster) == before
    assert side.views.contents() == views
    assert facts(side.outcomes(admit(BOB))[0])
    side.check()


def test_what_was_written_after_all_is_found_before_the_next_batch() -> None:
    side = founded()
    side.recorder.breaks_after = side.recorder.is_unreadable = True
    processed = side.process(admit(ANN))
    assert isinstance(processed.outcomes[0], StoreUnavailable)
    assert processed.events == []
    side.recorder.is_unreadable = False
    processed = side.process(admit(ANN))
    assert isinstance(processed.outcomes[0], PeerAlreadyInCluster)
    assert [type(event.event) for event in processed.events] == [PeerAdded]
    side.check()


def test_a_lost_acknowledgement_is_no_failure() -> None:
    side = founded()
    side.recorder.breaks_after = True
    assert facts(side.outcomes(admit(ANN))[0])
    side.check()


def test_while_the_log_cannot_be_read_nothing_is_decided() -> None:
    side = founded()
    side.recorder.breaks_before = side.recorder.is_unreadable = True
    for command in (admit(ANN), EnsureRoom(), NOBODY):
        assert isinstance(side.outcomes(command)[0], StoreUnavailable)
    side.recorder.is_unreadable = False
    assert isinstance(side.outcomes(NOBODY)[0], PeerNotFound)


def test_a_bug_in_a_decision_fails_its_batch_and_leaves_no_trace(
    caplog: pytest.LogCaptureFixture,
) -> None:
    side = WriteSide()  # Without a local peer, which every rule takes for granted.
    before = contents(side.cluster)
    with caplog.at_level(logging.ERROR):
        outcomes = side.outcomes(SaveDeliveries(), RemovePeer(peer_id=LOCAL), admit(ANN))
    assert [type(outcome) for outcome in outcomes] == [LookupError] * 3
    assert "a batch of 3 commands failed" in caplog.text
    assert contents(side.cluster) == before
    assert facts(side.outcomes(creation())[0])
    side.check()


def test_a_full_disk_is_no_news_in_the_log_output(caplog: pytest.LogCaptureFixture) -> None:
    side = founded()
    side.recorder.breaks_before = True
    with caplog.at_level(logging.ERROR):
        side.process(NAMED)
    assert not caplog.records, "whoever asked is told, and tells"


# Other writers


def _two_writers(**license_changes: Any) -> tuple[WriteSide, WriteSide]:
    one = founded(**license_changes)
    return one, WriteSide(FaultyRecorder(one.recorder.inner))


def test_a_writer_that_was_too_late_catches_up_and_decides_again() -> None:
    one, other = _two_writers()
    one.carry_out(admit(ANN))
    processed = other.process(admit(BOB), NAMED)
    assert [type(fact) for outcome in processed.outcomes for fact in facts(outcome)] == [
        PeerAdded,
        PeerRenamed,
    ]
    assert [event.position for event in processed.events] == [4, 5, 6]
    one.process(RenamePeer(peer_id=LOCAL, name="once more"))
    assert len(one.events()) == 7
    assert one.cluster.is_active(BOB.peer_id)
    one.check()


def test_what_another_writer_did_may_refuse_the_second_decision() -> None:
    one, other = _two_writers(max_nodes=3)
    one.carry_out(admit(ANN))
    assert isinstance(other.outcomes(admit(ANN))[0], PeerAlreadyInCluster)
    one, other = _two_writers(max_nodes=2)
    one.carry_out(admit(ANN))
    assert isinstance(other.outcomes(admit(BOB))[0], NodeLimitExceeded)
    one.check()
    other.check()


def test_writers_that_take_turns_lose_nothing() -> None:
    one, other = _two_writers(max_nodes=100)
    for number in range(40):
        side = (one, other)[number // 3 % 2]
        assert facts(side.outcomes(admit(record_of(f"peer {number}")))[0])
    other.process(NAMED)
    one.process(RenamePeer(peer_id=LOCAL, name="last"))
    assert len(one.cluster.seat_by_key) == 41
    one.check()


@dataclass(slots=True)
class _Competitor(FaultyRecorder):
    """A log to which another writer writes first, before every write of ours."""

    rival: Callable[[], object] = lambda: None
    attempts: int = 0

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        self.attempts += 1
        self.rival()
        return super(_Competitor, self).insert_events(stored_events, **kwargs)


def test_a_writer_that_is_always_too_late_gives_up_after_some_attempts() -> None:
    first = founded()
    competitor = _Competitor(first.recorder.inner)
    side, names = WriteSide(competitor), itertools.count()
    competitor.rival = lambda: first.carry_out(RenamePeer(peer_id=LOCAL, name=f"{next(names)}"))
    processed = side.process(admit(ANN), NOBODY)
    assert [type(outcome) for outcome in processed.outcomes] == [StoreUnavailable] * 2
    assert competitor.attempts == CONFLICT_ATTEMPTS
    assert len(processed.events) == CONFLICT_ATTEMPTS - 1, "what was read of the other is shown"
    competitor.rival = lambda: None
    processed = side.process(admit(ANN))
    assert [type(fact) for fact in facts(processed.outcomes[0])] == [PeerAdded]
    side.check()


def test_an_event_that_cannot_be_read_hides_nothing_that_comes_before_it() -> None:
    """
    The model had taken in what came before the unknown event, and the views never got it.

    They refused everything after it as a gap, and whoever wrote waited for ever.
    """
    one, other = _two_writers()
    one.carry_out(admit(ANN))
    one.carry_out(admit(BOB))
    newer = StoredEvent(
        UUID(bytes=ulid_bytes(id_of("local"))), 2, "peer.upgraded.v1", b"\x92\x90\x90"
    )
    one.recorder.insert_events(
        [newer],
        first_position=6,
        leaf_hashes=[bytes(32)],
        seats=SeatChanges(),
        deliveries=[],
        forgotten=[],
    )
    for command in (NAMED, admit(CAT), EnsureRoom()):
        processed = other.process(command)
        assert isinstance(processed.outcomes[0], UnknownEvent)
    assert other.views.position == other.cluster.position == 5
    assert len(other.views.peers) == 3


# Time


def test_a_clock_that_is_set_back_does_not_turn_the_history_round() -> None:
    side = founded()
    times = []
    for seconds in (10, -3_600, 0, 1, 7_200, -1):
        side.clock.advance(seconds=seconds)
        side.carry_out(RecordRefusal(command="c", subject="", code="C", message="m"))
        times.append((side.events()[-1].metadata.recorded_at_us - START_US) // 1_000_000)
    assert times == [10, 10, 10, 10, 3_611, 3_611]
    restarted = WriteSide(side.recorder)
    restarted.clock.advance(days=-1_000)
    restarted.carry_out(NAMED)
    recorded = [event.metadata.recorded_at_us for event in side.events()]
    assert recorded == sorted(recorded)


def test_another_writers_clock_does_not_turn_it_round_either() -> None:
    one, other = _two_writers()
    one.clock.advance(days=10)
    one.carry_out(admit(ANN))
    other.carry_out(NAMED)
    recorded = [event.metadata.recorded_at_us for event in one.events()]
    assert recorded == sorted(recorded)


# Metadata


def test_every_event_says_who_where_when_and_why() -> None:
    side = founded()
    side.clock.advance(seconds=60)
    origin = Origin(
        actor=Actor(kind="client", id="C", scopes=("admin",)),
        occurred_at_us=UnixUs(START_US - 5),
        source="192.0.2.7",
        request_id="req-7",
        correlation_id="ticket:42",
        causation_id="cause-3",
        reason="moved",
    )
    anns = record_of("ann", 2, at="elsewhere.example:1", called="Ann")
    side.carry_out(admit(ANN), origin)
    receipt = side.carry_out(ObserveRecord(record=anns), origin)
    assert len(receipt.events) == 2
    for recorded in side.events()[3:]:
        metadata = recorded.metadata
        assert metadata.actor == origin.actor
        assert metadata.occurred_at_us == START_US - 5
        assert metadata.recorded_at_us == START_US + 60_000_000
        assert (metadata.source, metadata.request_id) == ("192.0.2.7", "req-7")
        assert (metadata.correlation_id, metadata.causation_id) == ("ticket:42", "cause-3")
        assert (metadata.reason, metadata.software) == ("moved", SOFTWARE)
    ids = [recorded.metadata.event_id for recorded in side.events()]
    assert len(set(ids)) == len(ids) == 6


def test_what_the_agent_does_of_itself_says_so() -> None:
    side = founded()
    for recorded in side.events():
        metadata = recorded.metadata
        assert metadata.actor == Actor(kind="system", id="agent")
        assert metadata.occurred_at_us == metadata.recorded_at_us == START_US
        assert (metadata.request_id, metadata.correlation_id, metadata.reason) == ("", "", "")
        assert metadata.software == SOFTWARE


def test_a_request_belongs_together_with_itself() -> None:
    side = founded()
    actor = Actor(kind="operator", id="test")
    side.carry_out(NAMED, Origin(actor=actor, request_id="req-7"))
    assert side.events()[-1].metadata.correlation_id == "req-7"


# Deliveries


def _rows(side: WriteSide) -> dict[str, int]:
    return {row.peer_id: row.acked_version for row in side.store.deliveries()}


def test_who_was_told_in_the_handshake_need_not_be_told_again() -> None:
    side = founded()
    side.process(admit(ANN, told_version=1), admit(BOB, told_version=3))
    assert _rows(side) == {ANN.peer_id: 1, BOB.peer_id: 3}


def test_who_is_gone_is_told_no_more() -> None:
    side = founded()
    side.process(admit(ANN, told_version=1), admit(BOB, told_version=1), admit(CAT))
    side.process(
        RemovePeer(peer_id=ANN.peer_id), ObserveRecord(record=record_of("bob", 2, left=True))
    )
    assert _rows(side) == {CAT.peer_id: 0}
    side.process(admit(record_of("dan")), RemovePeer(peer_id=id_of("dan")))
    assert _rows(side) == {CAT.peer_id: 0}


def test_who_is_removed_and_added_again_in_one_batch_is_told_from_there_on() -> None:
    """The row was written and forgotten in one transaction: the peer was told all once more."""
    side = founded()
    side.process(admit(ANN, told_version=1))
    side.process(RemovePeer(peer_id=ANN.peer_id), admit(record_of("ann", 2), told_version=7))
    assert _rows(side) == {ANN.peer_id: 7}


def test_deliveries_are_saved_without_an_event() -> None:
    side = founded()
    rows = [Delivery(peer_id=ANN.peer_id, acked_version=version) for version in (1, 2)]
    before = side.recorder.writes
    [receipt, _] = side.outcomes(SaveDeliveries(rows=rows[:1]), SaveDeliveries(rows=rows[1:]))
    assert facts(receipt) == []
    assert side.recorder.writes - before == 1
    assert _rows(side) == {ANN.peer_id: 2}, "the later one counts"


# What is signed about the log


def test_what_is_signed_about_the_log_is_saved_without_an_event() -> None:
    side = founded()
    [first, second] = [StoredCheckpoint(size, b"root", b"note", START_US) for size in (3, 4)]
    witnessed = StoredCosignature(ANN.peer_id, 3, "line", START_US)
    before = side.recorder.writes
    outcomes = side.outcomes(
        SaveLogSignatures(signed=LogSignatures(checkpoints=[first])),
        SaveLogSignatures(signed=LogSignatures(cosignatures=[witnessed])),
        SaveLogSignatures(signed=LogSignatures(checkpoints=[second], superseded=[3])),
        NOBODY,
    )
    assert [isinstance(outcome, Receipt) for outcome in outcomes] == [True, True, True, False]
    assert side.recorder.writes - before == 1
    assert side.store.cosignatures() == [witnessed]
    assert side.store.checkpoints() == [second], "the first one was superseded before it was there"
    assert len(side.events()) == 3


def test_what_was_signed_before_a_new_epoch_is_not_taken_for_part_of_it() -> None:
    """In one transaction the old was cleared first and then written after all, with the new."""
    side = founded()
    head = WitnessedHead(ANN.peer_id, 0, 1, b"root", b"note", START_US)
    [old, new] = [StoredCheckpoint(size, b"root", b"note", START_US) for size in (3, 4)]
    cosigned = StoredCosignature(ANN.peer_id, 3, "line", START_US)
    side.process(
        SaveLogSignatures(signed=LogSignatures(checkpoints=[old], superseded=[4])),
        SaveLogSignatures(signed=LogSignatures(cosignatures=[cosigned])),
        WitnessCheckpoint(head=head),
        BeginEpoch(epoch=1, former_checkpoint=b"former"),
        SaveLogSignatures(signed=LogSignatures(checkpoints=[new])),
    )
    assert side.store.checkpoints() == [new]
    assert side.store.cosignatures() == []
    assert side.store.witnessed() == [head], "what was seen of others stays"
    side.check()


# Whatever is asked


@given(asks, st.lists(st.integers(1, 7), max_size=10), st.integers(0, 20))
def test_log_model_views_and_seats_agree_whatever_is_asked(
    asked: Sequence[Ask], sizes: Sequence[int], breaks_at: int
) -> None:
    side = founded(max_nodes=5)
    waiting = list(asked)
    for batch, size in enumerate(itertools.chain(sizes, itertools.repeat(5))):
        if not waiting:
            break
        now, waiting = waiting[:size], waiting[size:]
        side.recorder.breaks_before = batch == breaks_at
        side.recorder.breaks_after = batch == breaks_at + 1
        side.process(*(Request(command_for(side.cluster, ask)) for ask in now))
    side.recorder.breaks_before = side.recorder.breaks_after = False
    side.process(EnsureRoom())
    side.check()
