"""What both recorders promise about checkpoints, cosignatures and leaf hashes."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from membership.domain.events import Actor, CommandRefused, Metadata, RecordedEvent
from membership.domain.values import PeerId, UnixUs
from membership.proof.merkle import leaf_hash
from membership.proof.tiles import MAX_ENTRY_BYTES
from membership.store.errors import AppendConflict, EventTooLong
from membership.store.event_store import EventStore
from membership.store.memory import MemoryRecorder
from membership.store.rows import (
    Batch,
    LogSignatures,
    StoredCheckpoint,
    StoredCosignature,
)
from membership.store.sqlite import SQLiteRecorder

ALICE, BOB = PeerId("01HXYZ5Y8N3Q4V7W2K9M6T1R0P"), PeerId("01HXYZ9K2P6T4R8V1W3N5Q7Y0M")


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EventStore]:
    """Yield an empty log of either kind."""
    recorders: dict[str, Callable[[], MemoryRecorder | SQLiteRecorder]] = {
        "memory": MemoryRecorder,
        "sqlite": lambda: SQLiteRecorder(tmp_path / "membership.db"),
    }
    store = EventStore(recorders[request.param]())
    yield store
    store.close()


def checkpoint(size: int, *, at_us: int = 0) -> StoredCheckpoint:
    """Return a checkpoint of *size* events."""
    root = size.to_bytes(32, "big")
    return StoredCheckpoint(size, root, b"note of %d" % size, UnixUs(at_us))


def cosignature(witness: PeerId, size: int, *, at_us: int = 0) -> StoredCosignature:
    """Return what a witness said of *size* events."""
    return StoredCosignature(witness, size, f"— witness {size} ü\n", UnixUs(at_us))


def event(position: int, message: str = "no") -> RecordedEvent:
    """Return an event for that position."""
    return RecordedEvent(
        position=position,
        version=position,
        event=CommandRefused(command="c", subject="s", code="C", message=message),
        metadata=Metadata(
            event_id="01HXYZAAAAAAAAAAAAAAAAAAAA",
            occurred_at_us=UnixUs(1),
            recorded_at_us=UnixUs(1),
            actor=Actor(kind="system", id="test"),
        ),
    )


def save(store: EventStore, **signed: list[object]) -> None:
    """Write what was signed in a transaction of its own."""
    store.append(Batch(log_signatures=LogSignatures(**signed)))  # type: ignore[arg-type]


def test_a_new_log_has_no_signatures(store: EventStore) -> None:
    assert list(store.checkpoints()) == []
    assert list(store.cosignatures()) == []


def test_checkpoints_come_back_smallest_first(store: EventStore) -> None:
    save(store, checkpoints=[checkpoint(300)])
    save(store, checkpoints=[checkpoint(7), checkpoint(20)])
    assert list(store.checkpoints()) == [checkpoint(7), checkpoint(20), checkpoint(300)]


def test_a_checkpoint_of_the_same_size_takes_the_place_of_the_other(store: EventStore) -> None:
    save(store, checkpoints=[checkpoint(7)])
    save(store, checkpoints=[checkpoint(7, at_us=9)])
    assert list(store.checkpoints()) == [checkpoint(7, at_us=9)]


def test_what_is_superseded_goes_with_what_supersedes_it(store: EventStore) -> None:
    save(store, checkpoints=[checkpoint(7), checkpoint(8)])
    save(store, checkpoints=[checkpoint(9)], superseded=[7, 99])
    assert list(store.checkpoints()) == [checkpoint(8), checkpoint(9)]


def test_of_each_witness_the_newest_cosignature_is_kept(store: EventStore) -> None:
    save(store, cosignatures=[cosignature(BOB, 7), cosignature(ALICE, 7)])
    save(store, cosignatures=[cosignature(ALICE, 9), cosignature(BOB, 7, at_us=5)])
    expected = [cosignature(ALICE, 9), cosignature(BOB, 7, at_us=5)]
    assert list(store.cosignatures()) == expected


def test_a_cosignature_that_comes_late_does_not_replace_a_newer_one(store: EventStore) -> None:
    save(store, cosignatures=[cosignature(ALICE, 9)])
    save(store, cosignatures=[cosignature(ALICE, 8, at_us=5)])
    assert list(store.cosignatures()) == [cosignature(ALICE, 9)]


def test_signatures_and_events_are_written_together_or_not_at_all(store: EventStore) -> None:
    store.append(
        Batch(events=[event(1)], log_signatures=LogSignatures(checkpoints=[checkpoint(1)]))
    )
    with pytest.raises(AppendConflict):
        store.append(
            Batch(
                events=[event(1, "another")],
                log_signatures=LogSignatures(checkpoints=[checkpoint(2)], superseded=[1]),
            )
        )
    assert list(store.checkpoints()) == [checkpoint(1)]


def test_leaves_and_their_hashes_are_read_by_index(store: EventStore) -> None:
    store.append(Batch(events=[event(position) for position in range(1, 11)]))
    leaves = store.leaves(3, 6)
    assert [leaf_hash(leaf) for leaf in leaves] == list(store.leaf_hashes(3, 6))
    assert list(store.leaf_hashes(0, 10)) == [row.leaf_hash for row in store.rows()]
    assert len(store.leaf_hashes(8, 99)) == 2
    assert list(store.leaf_hashes(10, 99)) == []


def test_an_event_that_no_bundle_has_room_for_is_refused(store: EventStore) -> None:
    room = MAX_ENTRY_BYTES - len(_leaf_of(store, event(1, "")))
    # Both lengths around a longer text are written with more bytes: two here, one there.
    longest = "x" * (room - 3)
    store.append(Batch(events=[event(2, longest)]))
    [leaf] = store.leaves(1, 2)
    assert len(leaf) == MAX_ENTRY_BYTES
    with pytest.raises(EventTooLong, match="at most 65535 bytes"):
        store.append(Batch(events=[event(3, longest + "x")]))
    assert len(store.leaf_hashes(0, 9)) == 2, "nothing of it was written"


def _leaf_of(store: EventStore, recorded: RecordedEvent) -> bytes:
    store.append(Batch(events=[recorded]))
    [leaf] = store.leaves(0, 1)
    return leaf


def test_an_older_database_gets_the_tables(tmp_path: Path) -> None:
    path = tmp_path / "membership.db"
    store = EventStore(SQLiteRecorder(path))
    store.append(Batch(events=[event(1)]))
    store.close()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("DROP TABLE checkpoints")
    connection.execute("DROP TABLE cosignatures")
    connection.execute("PRAGMA user_version = 1")
    connection.close()
    store = EventStore(SQLiteRecorder(path))
    save(store, checkpoints=[checkpoint(1)])
    assert list(store.checkpoints()) == [checkpoint(1)]
    assert len(list(store.rows())) == 1
    store.close()
