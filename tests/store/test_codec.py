"""Events to bytes and back: round trips, old shapes, and everything that is no event."""

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any, get_type_hints

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from membership.domain import values
from membership.domain.events import (
    EVENT_TYPES,
    Actor,
    Event,
    HandshakeEvidence,
    Metadata,
    PeerRemoved,
    PeerRenamed,
    RecordedEvent,
)
from membership.store.codec import (
    CorruptEvent,
    UnknownEvent,
    Upcasters,
    decode,
    encode,
)
from tests.store.golden_events import EVERYTHING, NOTHING_MORE, golden_events

PEER = values.PeerId("01KDVDNA3VCQVG71XNAHYWEFV2")
RAW_PEER = values.ulid_bytes(PEER)

_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_ULIDS = st.binary(min_size=16, max_size=16).map(values.ulid_text)
_COUNTS = st.integers(0, 2**63 - 1)
_BY_TYPE: Mapping[Any, st.SearchStrategy[Any]] = {
    str: _TEXTS,
    int: _COUNTS,
    bytes: st.binary(max_size=100),
    tuple[str, ...]: st.lists(_TEXTS, max_size=3).map(tuple),
    values.PeerId: _ULIDS,
    values.ServiceId: _ULIDS,
    values.StreamId: _ULIDS,
    values.PeerId | None: st.none() | _ULIDS,
    values.Address: _TEXTS,
    values.PublicKey: st.binary(min_size=32, max_size=32),
    values.ClusterId: st.binary(min_size=16, max_size=16),
    values.UnixUs: st.integers(-(2**62), 2**62),
}


def _any(cls: type[Any]) -> st.SearchStrategy[Any]:
    """Return instances of a dataclass with any values of its fields' types."""
    fields = {
        name: _any(hint) if hint in (HandshakeEvidence, Actor) else _BY_TYPE[hint]
        for name, hint in get_type_hints(cls).items()
        if name != "stored_as"
    }
    return st.builds(cls, **fields)


_EVENTS = st.one_of([_any(event_type) for event_type in EVENT_TYPES])
_METADATA = st.builds(dataclasses.replace, _any(Metadata), event_id=_ULIDS, actor=_any(Actor))


def _decode(stored_name: str, state: bytes, upcasters: Upcasters | None = None) -> RecordedEvent:
    return decode(1, 1, stored_name, state, *([] if upcasters is None else [upcasters]))


def _state(fields: object, metadata: object = None) -> bytes:
    """Return the state of an event with these fields, as somebody else would write it."""
    if metadata is None:
        metadata = msgpack.unpackb(encode(PeerRemoved(peer_id=PEER), NOTHING_MORE))[0]
    packed: bytes = msgpack.packb([metadata, fields])
    return packed


# There and back


@given(_EVENTS, _METADATA, st.integers(1, 2**40), st.integers(1, 2**40))
def test_every_event_is_read_as_it_was_written(
    event: Event, metadata: Metadata, position: int, version: int
) -> None:
    read = decode(position, version, event.stored_as, encode(event, metadata))
    assert read == RecordedEvent(position=position, version=version, event=event, metadata=metadata)


@given(_EVENTS, _METADATA)
def test_equal_events_are_equal_bytes(event: Event, metadata: Metadata) -> None:
    again = decode(1, 1, event.stored_as, encode(event, metadata))
    assert encode(again.event, again.metadata) == encode(event, metadata)


def test_equal_ids_are_one_text_in_memory() -> None:
    state = encode(PeerRemoved(peer_id=PEER), EVERYTHING)
    one, other = _decode("peer.removed.v1", state), _decode("peer.removed.v1", state)
    assert one.event.stream_id is other.event.stream_id


# Old shapes

_V1, _V2 = "peer.named.v1", "peer.named.v2"
_CHAIN: Upcasters = {
    # In its first shape a peer's new name stood alone; in its second, the old one before it.
    _V1: (_V2, lambda fields: [fields[0], "", fields[1]]),
    _V2: ("peer.renamed.v1", lambda fields: [fields[0], fields[1].title(), fields[2].title()]),
}
"""Two steps that this software never took, on the way to an event that it has."""


def test_an_old_shape_is_upcast() -> None:
    read = _decode(_V2, _state([RAW_PEER, "old", "new"]), _CHAIN)
    assert read.event == PeerRenamed(peer_id=PEER, before="Old", after="New")
    assert read.metadata == NOTHING_MORE


def test_an_older_shape_is_upcast_step_by_step() -> None:
    read = _decode(_V1, _state([RAW_PEER, "new"]), _CHAIN)
    assert read.event == PeerRenamed(peer_id=PEER, before="", after="New")


def test_the_newest_shape_is_left_as_it_is() -> None:
    event = PeerRenamed(peer_id=PEER, before="old", after="new")
    state = encode(event, EVERYTHING)
    assert _decode("peer.renamed.v1", state, _CHAIN).event == event


@pytest.mark.parametrize("stored_name", [_V1, _V2])
@pytest.mark.parametrize("fields", [[], [RAW_PEER], [RAW_PEER, 7, 8], 7, None])
def test_an_old_shape_that_is_broken_is_corrupt(stored_name: str, fields: object) -> None:
    chain = {**_CHAIN, _V1: (_V2, lambda fields: [fields[0], fields[1], fields[2]])}
    with pytest.raises(CorruptEvent):
        _decode(stored_name, _state(fields), chain)


def test_an_upcaster_to_nowhere_names_what_the_log_holds() -> None:
    with pytest.raises(UnknownEvent) as caught:
        _decode("peer.named.v0", _state([]), {"peer.named.v0": (_V1, lambda fields: fields)})
    assert caught.value.stored_name == "peer.named.v0"


def test_metadata_and_fields_that_were_appended_later_have_their_defaults() -> None:
    whole = msgpack.unpackb(encode(PeerRemoved(peer_id=PEER), EVERYTHING))[0]
    for known in range(4, len(whole)):
        read = _decode("peer.removed.v1", _state([RAW_PEER], whole[:known]))
        names = [field.name for field in dataclasses.fields(Metadata)]
        for name in names[:known]:
            assert getattr(read.metadata, name) == getattr(EVERYTHING, name)
        for name in names[known:]:
            assert getattr(read.metadata, name) == ""
    read = _decode("peer.renamed.v1", _state([RAW_PEER, "old", "new"]))
    assert read.event == PeerRenamed(peer_id=PEER, before="old", after="new")


# No event at all


@pytest.mark.parametrize("stored_name", ["", "peer.removed", "peer.removed.v2", "Peer.Removed.v1"])
def test_an_event_of_a_newer_version_is_unknown(stored_name: str) -> None:
    with pytest.raises(UnknownEvent, match="start the newer version") as caught:
        _decode(stored_name, _state([RAW_PEER]))
    assert caught.value.stored_name == stored_name


_GOOD = msgpack.unpackb(encode(PeerRemoved(peer_id=PEER), EVERYTHING))[0]


@pytest.mark.parametrize(
    "state",
    [
        b"",
        b"\xc1",
        b"\x92",
        encode(PeerRemoved(peer_id=PEER), EVERYTHING)[:-1],
        encode(PeerRemoved(peer_id=PEER), EVERYTHING) + b"\x00",
        b"\x91" * 2_000,
        b"\xa1\xff",
        msgpack.packb(7),
        msgpack.packb(None),
        msgpack.packb([]),
        msgpack.packb([_GOOD]),
        msgpack.packb([_GOOD, [RAW_PEER], []]),
        msgpack.packb({"metadata": _GOOD, "fields": [RAW_PEER]}),
        msgpack.packb([_GOOD, {"peer_id": RAW_PEER}]),
        msgpack.packb([_GOOD, RAW_PEER]),
        msgpack.packb([_GOOD, []]),
        msgpack.packb([_GOOD, [PEER]]),
        msgpack.packb([_GOOD, [RAW_PEER[1:]]]),
        msgpack.packb([_GOOD, [None]]),
        msgpack.packb([_GOOD, [[]]]),
        msgpack.packb([[None, *_GOOD[1:]], [RAW_PEER]]),
        msgpack.packb([[], [RAW_PEER]]),
        msgpack.packb([_GOOD[:3], [RAW_PEER]]),
        msgpack.packb([{}, [RAW_PEER]]),
        msgpack.packb([["short", *_GOOD[1:]], [RAW_PEER]]),
        msgpack.packb([[*_GOOD[:3], "actor"], [RAW_PEER]]),
        msgpack.packb([[*_GOOD[:3], ["kind"]], [RAW_PEER]]),
        msgpack.packb([[*_GOOD[:3], ["kind", "id", 7]], [RAW_PEER]]),
    ],
    ids=itertools.count(),
)
def test_bytes_that_are_no_event_are_corrupt(state: bytes) -> None:
    with pytest.raises(CorruptEvent, match=r"position 1: the bytes of peer\.removed\.v1"):
        _decode("peer.removed.v1", state)


@given(st.sampled_from(sorted(golden_events())), st.data())
def test_no_damage_is_more_than_corruption(name: str, data: st.DataObject) -> None:
    golden = golden_events()[name]
    state = bytearray(encode(golden.event, golden.metadata))
    at = data.draw(st.integers(0, len(state) - 1))
    state[at] ^= data.draw(st.integers(1, 255))
    del state[data.draw(st.integers(at, len(state))) :]
    try:
        read = _decode(golden.event.stored_as, bytes(state))
    except CorruptEvent:
        return
    assert isinstance(read, RecordedEvent)  # Which of the two it is, the leaf's hash will tell.
