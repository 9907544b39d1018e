"""
What every log promises, in memory and on disk.

Seats, positions and versions are guarded by the recorder itself, whatever whoever writes believes:
each of these batches could only come from a bug, or from another writer.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from membership.domain.events import PeerRemoved, PeerRenamed, RecordedEvent
from membership.domain.record import PeerRecord
from membership.domain.values import UnixUs
from membership.store.errors import AppendConflict, LogCorrupt, StoreUnavailable
from membership.store.event_store import PAGE_ROWS
from membership.store.memory import MemoryRecorder
from membership.store.rows import (
    Batch,
    Delivery,
    LogSignatures,
    Seat,
    SeatChanges,
    StoredCheckpoint,
    StoredCosignature,
    StoredRow,
    WitnessedHead,
)
from tests.domain.histories import (
    ANN,
    BOB,
    CAT,
    LOCAL,
    added,
    address_of,
    created,
    credential,
    id_of,
    key_of,
    licensed,
    record_of,
    recorded,
)
from tests.store.logs import FaultyRecorder, Log, open_on_disk, seat_of, seated

LOCALS = record_of("local")
REMOVAL = PeerRemoved(peer_id=ANN.peer_id)


def _found(log: Log, *, max_nodes: int = 10) -> None:
    log.append(created(), licensed(), seats=seated(LOCALS, capacity=max_nodes))


def _add(log: Log, record: PeerRecord, *, capacity: int | None = 10) -> None:
    log.append(added(record), seats=seated(record, capacity=capacity))


def _rename(after: str) -> PeerRenamed:
    return PeerRenamed(peer_id=LOCAL, before="", after=after)


# Written and read


def test_an_empty_log_holds_nothing(log: Log) -> None:
    assert log.everything() == [[]] * 6
    assert log.verified() == []


def test_what_was_appended_is_read_in_order(log: Log) -> None:
    _found(log)
    _add(log, ANN)
    log.append(credential(), REMOVAL)
    assert log.events() == log.written
    assert [event.position for event in log.events()] == [1, 2, 3, 4, 5]
    assert [event.version for event in log.events()] == [1, 1, 1, 1, 2]


def test_a_row_says_where_its_event_belongs(log: Log) -> None:
    _found(log)
    first, second = log.store.rows()
    assert isinstance(first, StoredRow)
    assert (first.position, first.version, first.stored_name) == (1, 1, "peer.created.v1")
    assert (second.position, second.stored_name) == (2, "license.installed.v1")
    assert (len(first.stream_id), len(first.leaf_hash)) == (16, 32)
    assert isinstance(first.state, bytes)


@pytest.mark.parametrize("count", [PAGE_ROWS - 1, PAGE_ROWS, PAGE_ROWS + 1])
def test_a_long_log_is_read_page_by_page(log: Log, count: int) -> None:
    log.append(*(_rename(f"{number}") for number in range(count)))
    assert [row.position for row in log.store.rows()] == list(range(1, count + 1))
    assert [row.position for row in log.store.rows(count - 1)] == [count]
    assert list(log.store.rows(count)) == []


def test_a_log_is_scanned_from_anywhere_in_pages_of_any_size(log: Log) -> None:
    log.append(*(_rename(f"{number}") for number in range(5)))
    positions = [[row.position for row in log.recorder.scan(after, 2)] for after in range(6)]
    assert positions == [[1, 2], [2, 3], [3, 4], [4, 5], [5], []]
    assert [event.position for event in log.store.events(3)] == [4, 5]


def test_rows_are_picked_from_anywhere(log: Log) -> None:
    log.append(*(_rename(f"{number}") for number in range(5)))
    rows = list(log.store.rows())
    assert list(log.recorder.pick([2, 5])) == [rows[1], rows[4]]
    assert list(log.recorder.pick([])) == []


def test_every_event_grows_the_tree(log: Log) -> None:
    log.append(*(_rename(f"{number}") for number in range(11)))
    tree, expected = log.tree(), log.tree()
    assert list(log.store.verified_events(tree)) == log.written
    for hashed in log.store.leaf_hashes(0, 11):
        expected.append(hashed)
    assert [row.leaf_hash for row in log.store.rows()] == list(log.store.leaf_hashes(0, 99))
    assert (tree.size, tree.root()) == (11, expected.root())


def test_an_empty_batch_changes_nothing(log: Log) -> None:
    _found(log)
    before = log.everything()
    log.store.append(Batch())
    assert log.everything() == before


# Places in the log


def test_a_position_is_taken_once(log: Log) -> None:
    _found(log)
    [late] = recorded(added(ANN))
    for position in (1, 2):
        with pytest.raises(AppendConflict):
            log.store.append(Batch(events=[dataclasses.replace(late, position=position)]))
    assert log.events() == log.written


@pytest.mark.parametrize("position", [4, 100])
def test_positions_have_no_gap(log: Log, position: int) -> None:
    """A writer that knows more than the log holds has not lost a race: the log lost its end."""
    _found(log)
    [early] = recorded(added(ANN))
    with pytest.raises(AppendConflict):
        log.store.append(Batch(events=[dataclasses.replace(early, position=position)]))
    assert log.events() == log.written


def test_a_version_of_a_stream_is_taken_once(log: Log) -> None:
    _found(log)
    [again] = log.next(_rename("late"))
    with pytest.raises(AppendConflict):
        log.store.append(Batch(events=[dataclasses.replace(again, version=1)]))
    twice = log.next(_rename("one"), _rename("two"))
    with pytest.raises(AppendConflict):
        log.store.append(Batch(events=[dataclasses.replace(event, version=2) for event in twice]))
    assert log.events() == log.written


# Seats


def test_who_is_seated_is_in_the_table(log: Log) -> None:
    _found(log)
    _add(log, ANN)
    assert log.store.seats() == sorted([seat_of(LOCALS), seat_of(ANN)])
    log.append(REMOVAL, seats=seated(vacated=[ANN.peer_id], capacity=10))
    assert log.store.seats() == [seat_of(LOCALS)]


@pytest.mark.parametrize(
    "record",
    [
        record_of("bob", at=ANN.address),
        record_of("bob", key=ANN.public_key),
        record_of("bob", at=LOCALS.address, key=ANN.public_key),
    ],
    ids=["address", "key", "both"],
)
def test_an_address_and_a_key_are_seated_once(log: Log, record: PeerRecord) -> None:
    _found(log)
    _add(log, ANN)
    before = log.everything()
    for capacity in (10, None):
        with pytest.raises(AppendConflict):
            log.append(added(record), seats=seated(record, capacity=capacity))
    assert log.everything() == before


def test_a_peer_that_was_not_touched_is_not_seated_twice(log: Log) -> None:
    _found(log)
    for taken in ([seat_of(LOCALS)], [seat_of(record_of("local", at=ANN.address))]):
        with pytest.raises(AppendConflict):
            log.append(_rename("x"), seats=SeatChanges(taken=taken))
    assert log.store.seats() == [seat_of(LOCALS)]


def test_seats_are_taken_without_any_being_given_up(log: Log) -> None:
    _found(log)
    log.append(added(ANN), seats=SeatChanges(taken=[seat_of(ANN)]))
    assert log.store.seats() == sorted([seat_of(LOCALS), seat_of(ANN)])


def test_a_seat_is_given_up_and_taken_in_one_batch(log: Log) -> None:
    _found(log)
    _add(log, ANN)
    heir = record_of("bob", at=ANN.address)
    log.append(REMOVAL, added(heir), seats=seated(heir, vacated=[ANN.peer_id], capacity=10))
    assert log.store.seats() == sorted([seat_of(LOCALS), seat_of(heir)])


def test_two_peers_swap_their_addresses_in_one_batch(log: Log) -> None:
    _found(log)
    _add(log, ANN)
    _add(log, BOB)
    anns, bobs = record_of("ann", at=BOB.address), record_of("bob", at=ANN.address)
    log.append(_rename("x"), seats=seated(anns, bobs, capacity=10))
    assert log.store.seats() == sorted(map(seat_of, (LOCALS, anns, bobs)))


# The licence's limit


def test_there_is_one_seat_before_the_first_licence(log: Log) -> None:
    log.append(created(), seats=seated(LOCALS))
    with pytest.raises(AppendConflict):
        log.append(added(ANN), seats=seated(ANN))


def test_no_more_are_seated_than_the_licence_allows(log: Log) -> None:
    _found(log, max_nodes=2)
    _add(log, ANN, capacity=2)
    before = log.everything()
    for capacity in (2, None):
        with pytest.raises(AppendConflict):
            _add(log, BOB, capacity=capacity)
    assert log.everything() == before
    log.append(REMOVAL, seats=seated(vacated=[ANN.peer_id], capacity=2))
    _add(log, BOB, capacity=2)
    _add(log, CAT, capacity=3)
    assert len(log.store.seats()) == 3


def test_a_lower_limit_lets_everybody_stay_and_nobody_in(log: Log) -> None:
    """
    Under a limit below those who are there, a peer could not even change its address or name.

    Its seat was given up before the others were counted, and then there was none for it: every
    change of an active peer was refused for as long as the licence was as small.
    """
    _found(log)
    for record in (ANN, BOB):
        _add(log, record)
    log.append(licensed(max_nodes=2), seats=SeatChanges(capacity=2))
    with pytest.raises(AppendConflict):
        _add(log, CAT, capacity=2)
    moved = record_of("ann", at="elsewhere.example:1")
    log.append(_rename("x"), seats=seated(LOCALS, moved, capacity=2))
    assert log.store.seats() == sorted(map(seat_of, (LOCALS, moved, BOB)))
    for gone in (ANN, BOB):
        replacement = seated(CAT, vacated=[gone.peer_id], capacity=2)
        if gone is ANN:
            with pytest.raises(AppendConflict):
                log.append(REMOVAL, added(CAT), seats=replacement)
            log.append(REMOVAL, seats=seated(vacated=[gone.peer_id], capacity=2))
        else:
            log.append(PeerRemoved(peer_id=gone.peer_id), added(CAT), seats=replacement)
    assert log.store.seats() == sorted(map(seat_of, (LOCALS, CAT)))


# Seats written anew


def test_the_table_is_replaced_whole(log: Log) -> None:
    _found(log)
    _add(log, ANN)
    log.store.replace_seats(SeatChanges(taken=[seat_of(BOB), seat_of(CAT)], capacity=3))
    assert log.store.seats() == sorted([seat_of(BOB), seat_of(CAT)])
    _add(log, ANN, capacity=None)
    with pytest.raises(AppendConflict):
        _add(log, LOCALS, capacity=None)


def test_a_table_that_contradicts_itself_replaces_nothing(log: Log) -> None:
    _found(log)
    wrong = SeatChanges(taken=[seat_of(ANN), seat_of(record_of("bob", at=ANN.address))], capacity=1)
    with pytest.raises(StoreUnavailable):
        log.store.replace_seats(wrong)
    assert log.store.seats() == [seat_of(LOCALS)]
    _add(log, ANN, capacity=None)


def test_a_table_is_replaced_though_the_licence_allows_fewer(log: Log) -> None:
    """`membership rebuild` failed after a licence for fewer nodes than there are."""
    everybody = SeatChanges(taken=[seat_of(r) for r in (LOCALS, ANN, BOB)], capacity=2)
    log.store.replace_seats(everybody)
    assert log.store.seats() == sorted(everybody.taken)
    with pytest.raises(AppendConflict):
        _add(log, CAT, capacity=2)


def test_without_a_licence_a_replaced_table_keeps_its_limit(log: Log) -> None:
    _found(log, max_nodes=2)
    log.store.replace_seats(SeatChanges(taken=[seat_of(LOCALS)]))
    _add(log, ANN, capacity=None)
    with pytest.raises(AppendConflict):
        _add(log, BOB, capacity=None)


# Deliveries


def test_a_delivery_is_one_row_a_destination(log: Log) -> None:
    failing = Delivery(
        peer_id=ANN.peer_id,
        acked_version=2,
        attempts=3,
        failing_since_us=UnixUs(4),
        next_attempt_at_us=UnixUs(2**62),
    )
    log.store.append(Batch(deliveries=[failing, Delivery(peer_id=BOB.peer_id, acked_version=1)]))
    better = Delivery(peer_id=ANN.peer_id, acked_version=9)
    assert failing in log.store.deliveries()
    log.store.append(Batch(deliveries=[better]))
    rows = sorted(log.store.deliveries(), key=lambda row: row.acked_version)
    assert rows == [Delivery(peer_id=BOB.peer_id, acked_version=1), better]


def test_a_delivery_is_forgotten_with_its_destination(log: Log) -> None:
    _found(log)
    rows = [Delivery(peer_id=id_of(name), acked_version=1) for name in ("ann", "bob")]
    log.append(added(ANN), deliveries=rows)
    log.append(REMOVAL, forgotten=[ANN.peer_id, CAT.peer_id])
    assert log.store.deliveries() == [rows[1]]


# What is signed about logs


def test_a_new_epoch_begins_with_nothing_signed(log: Log) -> None:
    head = WitnessedHead(ANN.peer_id, 0, 1, b"root", b"note", UnixUs(1))
    signed = LogSignatures(
        checkpoints=[StoredCheckpoint(size, b"root", b"note", UnixUs(1)) for size in (1, 2)],
        cosignatures=[StoredCosignature(BOB.peer_id, 2, "line", UnixUs(1))],
        witnessed=[head],
    )
    log.store.append(Batch(log_signatures=signed))
    new = StoredCheckpoint(2, b"other", b"note", UnixUs(2))
    log.store.append(Batch(log_signatures=LogSignatures(is_new_epoch=True, checkpoints=[new])))
    assert log.store.checkpoints() == [new]
    assert log.store.cosignatures() == []
    assert log.store.witnessed() == [head], "what was seen of others stays"


def test_of_each_peer_the_head_that_was_seen_last_is_kept(log: Log) -> None:
    first, second = (WitnessedHead(ANN.peer_id, 0, n, b"r", b"n", UnixUs(n)) for n in (9, 2))
    other = WitnessedHead(BOB.peer_id, 1, 5, b"r", b"n", UnixUs(3))
    log.store.append(Batch(log_signatures=LogSignatures(witnessed=[first, other])))
    log.store.append(Batch(log_signatures=LogSignatures(witnessed=[second])))
    assert log.store.witnessed() == sorted([second, other])


# All or nothing


@pytest.mark.parametrize(
    "spoil",
    [
        {"events": recorded(_rename("x"))},
        {"seats": seated(record_of("bob", at=LOCALS.address), capacity=10)},
        {"seats": seated(BOB, CAT, ANN, capacity=2)},
    ],
    ids=["position", "seat", "limit"],
)
def test_a_batch_that_is_refused_leaves_nothing_behind(
    log: Log, spoil: dict[str, Sequence[RecordedEvent]]
) -> None:
    _found(log)
    before = log.everything()
    good = Batch(
        events=log.next(_rename("one"), added(ANN), _rename("two")),
        seats=seated(ANN, vacated=[LOCAL], capacity=99),
        deliveries=[Delivery(peer_id=ANN.peer_id, acked_version=1)],
        forgotten=[LOCAL],
        log_signatures=LogSignatures(checkpoints=[StoredCheckpoint(5, b"r", b"n", UnixUs(1))]),
    )
    with pytest.raises(AppendConflict):
        log.store.append(dataclasses.replace(good, **spoil))  # type: ignore[arg-type]
    assert log.everything() == before
    log.store.append(good)
    assert len(log.events()) == 5
    assert log.store.seats() == [seat_of(ANN)]


_NAMES = st.sampled_from(["local", "ann", "bob", "cat"])
_SEATS = st.builds(
    lambda name, at, key: Seat(id_of(name), address_of(at), key_of(key)), _NAMES, _NAMES, _NAMES
)
_CHANGES = st.builds(
    SeatChanges,
    vacated=st.lists(_NAMES.map(id_of), max_size=3, unique=True),
    taken=st.lists(_SEATS, max_size=3),
    capacity=st.none() | st.integers(1, 4),
)


def _outcome(log: Log, seats: SeatChanges, position: int) -> object:
    [event] = log.next(_rename("x"))
    try:
        log.store.append(Batch(events=[dataclasses.replace(event, position=position)], seats=seats))
    except AppendConflict:
        return "refused"
    log.written.append(event)
    return log.everything()


@settings(max_examples=30)
@given(st.lists(st.tuples(_CHANGES, st.sampled_from([0, 0, 0, 0, -1, 1])), max_size=6))
def test_memory_and_disk_answer_the_same_to_any_batch(
    batches: Sequence[tuple[SeatChanges, int]],
) -> None:
    with TemporaryDirectory() as directory:
        memory, disk = Log(MemoryRecorder()), Log(open_on_disk(Path(directory)))
        for seats, off_by in batches:
            position = len(disk.written) + 1 + off_by
            answers = [_outcome(log, seats, position) for log in (memory, disk)]
            assert answers[0] == answers[1]
        disk.store.close()


# When the connection breaks


@pytest.fixture
def faulty(log: Log) -> tuple[Log, FaultyRecorder]:
    """Return a log behind a connection that can break."""
    recorder = FaultyRecorder(log.recorder)
    return Log(recorder), recorder


def test_a_lost_acknowledgement_is_recognised_by_reading_back(
    faulty: tuple[Log, FaultyRecorder],
) -> None:
    log, recorder = faulty
    _found(log)
    recorder.breaks_after = True
    _add(log, ANN)
    assert log.events() == log.written
    assert recorder.writes == 2


def test_a_write_that_did_not_arrive_is_not_taken_for_one_that_did(
    faulty: tuple[Log, FaultyRecorder],
) -> None:
    log, recorder = faulty
    _found(log)
    recorder.breaks_before = True
    with pytest.raises(StoreUnavailable, match="connection is lost"):
        _add(log, ANN)
    assert log.events() == log.written
    _add(log, ANN)
    assert log.events() == log.written


def test_another_writers_events_are_not_taken_for_ones_own(log: Log) -> None:
    _found(log)
    mine, theirs = log.next(_rename("mine")), log.next(_rename("theirs"))
    log.store.append(Batch(events=theirs))
    with pytest.raises(AppendConflict):
        log.store.append(Batch(events=mine))
    assert log.events()[-1:] == theirs
    log.store.append(Batch(events=theirs))  # Its own again: the answer was lost, and is found.


def test_a_write_whose_fate_cannot_be_read_is_reported_as_failed(
    faulty: tuple[Log, FaultyRecorder],
) -> None:
    log, recorder = faulty
    _found(log)
    recorder.breaks_after = recorder.is_unreadable = True
    with pytest.raises(StoreUnavailable):
        _add(log, ANN)
    recorder.is_unreadable = False
    assert len(log.events()) == 3, "it is in the log all the same, and will be read"


def test_a_delivery_has_no_event_to_be_recognised_by(
    faulty: tuple[Log, FaultyRecorder],
) -> None:
    log, recorder = faulty
    recorder.breaks_after = True
    row = Delivery(peer_id=ANN.peer_id, acked_version=1)
    with pytest.raises(StoreUnavailable):
        log.store.append(Batch(deliveries=[row]))
    assert log.store.deliveries() == [row]


def test_what_cannot_be_read_is_unavailable(faulty: tuple[Log, FaultyRecorder]) -> None:
    log, recorder = faulty
    recorder.is_unreadable = True
    for read in (
        log.events,
        log.store.seats,
        log.store.deliveries,
        lambda: log.store.replace_seats(SeatChanges()),
        log.verified,
        log.store.checkpoints,
        log.store.cosignatures,
        log.store.witnessed,
        lambda: log.store.leaf_hashes(0, 1),
        lambda: log.store.leaves(0, 1),
    ):
        with pytest.raises(StoreUnavailable, match="connection is lost"):
            read()


def test_a_tree_that_is_further_than_the_log_finds_the_log_corrupt(log: Log) -> None:
    _found(log)
    tree = log.tree()
    list(log.store.verified_events(tree))
    with pytest.raises(LogCorrupt, match="position 3 is missing"):
        list(log.store.verified_events(tree))
