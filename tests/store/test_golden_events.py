"""The bytes in the log: an event that was written once is read for ever."""

import dataclasses
import hashlib
from pathlib import Path
from typing import NamedTuple

import msgpack
import pytest

from membership.domain.events import EVENT_TYPES
from membership.domain.values import ulid_bytes
from membership.store.codec import decode, encode
from membership.store.event_store import EventStore
from membership.store.memory import MemoryRecorder
from membership.store.rows import Batch, StoredRow
from tests.store.golden_events import EVERYTHING, golden_events

DIRECTORY = Path(__file__).parent.parent / "golden" / "events"
NAMES = sorted(path.stem for path in DIRECTORY.glob("*.hex"))


class Golden(NamedTuple):
    """What a golden file holds; it is only ever added, never written again."""

    state: bytes
    leaf_hash: bytes


def read_golden(path: Path) -> Golden:
    """Return what is in a file: lines of the state in hexadecimal, a blank one, the leaf's hash."""
    state, leaf_hash = path.read_text(encoding="ascii").split("\n\n")
    return Golden(bytes.fromhex(state), bytes.fromhex(leaf_hash))


def stored(name: str) -> StoredRow:
    """Return the row that the log makes of a golden event."""
    store = EventStore(MemoryRecorder())
    store.append(Batch(events=[dataclasses.replace(golden_events()[name], position=1)]))
    [row] = store.rows()
    return row


def test_there_is_a_golden_file_for_every_event() -> None:
    assert sorted(golden_events()) == NAMES
    assert {event_type.stored_as for event_type in EVENT_TYPES} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_event_is_stored_as_exactly_these_bytes(name: str) -> None:
    golden, row = read_golden(DIRECTORY / f"{name}.hex"), stored(name)
    assert row.state == golden.state
    assert row.leaf_hash == golden.leaf_hash


@pytest.mark.parametrize("name", NAMES)
def test_stored_bytes_are_read_as_the_event_that_they_were(name: str) -> None:
    event, golden = golden_events()[name], read_golden(DIRECTORY / f"{name}.hex")
    stored_name = event.event.stored_as
    read = decode(event.position, event.version, stored_name, golden.state)
    assert read == event
    assert encode(read.event, read.metadata) == golden.state


@pytest.mark.parametrize("name", NAMES)
def test_a_leaf_is_hashed_as_rfc_9162_says(name: str) -> None:
    """Made here from the published recipe alone, as an auditor in another language would."""
    event, golden = golden_events()[name], read_golden(DIRECTORY / f"{name}.hex")
    stream_id = ulid_bytes(event.event.stream_id)
    leaf = msgpack.packb([1, stream_id, event.version, event.event.stored_as, golden.state])
    assert golden.leaf_hash == hashlib.sha256(b"\x00" + leaf).digest()


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_the_golden_event_has_every_field_set(event_type: type[object]) -> None:
    golden = golden_events()[event_type.stored_as]  # type: ignore[attr-defined]
    for instance in (golden.event, golden.metadata, golden.metadata.actor):
        for field in dataclasses.fields(instance):
            assert getattr(instance, field.name), f"{field.name} shows nothing of how it is stored"
    assert golden.metadata == EVERYTHING


def test_ids_are_stored_as_their_16_bytes() -> None:
    """
    An id that may be absent was stored as text, and by later Pythons it would not have been.

    What `PeerId | None` is to `typing` changed with 3.14; the bytes of a log must not.
    """
    golden = read_golden(DIRECTORY / "peer.added.v1.hex")
    introduced_by = golden_events()["peer.added.v1"].event.introduced_by  # type: ignore[attr-defined]
    assert ulid_bytes(introduced_by) in golden.state
    assert introduced_by.encode() not in golden.state
