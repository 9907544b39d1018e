"""
Events to bytes and back.

The state of an event is the msgpack array `[metadata, fields]`, both positional, in the order
in which the dataclasses declare them. Ids are stored as their 128-bit value, times as integers.
The plan for each class is made once, at import, from its annotations.

The shape of an event is named by its stored name (`peer.renamed.v1`). When a shape changes, the
class takes the next number and `UPCASTERS` holds the function that turns the old fields into the
new ones; nothing stored is ever rewritten. New metadata is appended, with a default.
"""

import dataclasses
import typing
from collections.abc import Callable, Mapping
from enum import StrEnum
from types import UnionType

import msgpack

from membership.domain import values
from membership.domain.events import (
    EVENT_TYPES,
    Actor,
    Event,
    HandshakeEvidence,
    Metadata,
    RecordedEvent,
)

Convert = Callable[[typing.Any], typing.Any]
Upcasters = Mapping[str, tuple[str, Callable[[list[typing.Any]], list[typing.Any]]]]
"""Old stored name → (the next name, old fields → new fields), applied until a class is found."""

UPCASTERS: Upcasters = {}


class UnknownEvent(Exception):
    """The log holds an event that this version cannot read; a newer one wrote it."""

    def __init__(self, stored_name: str) -> None:
        super().__init__(
            f"the log holds an event {stored_name!r} that this version does not know; "
            "start the newer version that wrote it"
        )
        self.stored_name = stored_name


class CorruptEvent(Exception):
    """The bytes of an event cannot be decoded."""


def _same(value: typing.Any) -> typing.Any:
    return value


_ULID_TYPES = (values.PeerId, values.ServiceId, values.StreamId)
_ulid_cache: dict[bytes, str] = {}
_bytes_cache: dict[str, bytes] = {}
_CACHE_ENTRIES = 1 << 18


def ulid_to_bytes(text: str) -> bytes:
    """Return the 16 bytes of a ULID; remembered, since a log repeats its ids."""
    value = _bytes_cache.get(text)
    if value is None:
        if len(_bytes_cache) >= _CACHE_ENTRIES:
            _bytes_cache.clear()
        value = _bytes_cache[text] = values.ulid_bytes(text)
    return value


def ulid_from_bytes(value: bytes) -> str:
    """Return the text of a ULID; remembered, so that equal ids are one string in memory."""
    text = _ulid_cache.get(value)
    if text is None:
        if len(_ulid_cache) >= _CACHE_ENTRIES:
            _ulid_cache.clear()
        text = _ulid_cache[value] = _ulid_text(value)
    return text


def _ulid_text(value: typing.Any) -> str:
    # The library makes a new id of None.
    if not isinstance(value, bytes):
        message = "an id is stored as 16 bytes"
        raise TypeError(message)
    return values.ulid_text(value)


def _converters(annotation: typing.Any) -> tuple[Convert, Convert]:
    """Return (to msgpack, from msgpack) for a field of this type."""
    if annotation in _ULID_TYPES:
        return ulid_to_bytes, ulid_from_bytes
    if annotation in (HandshakeEvidence, Actor):
        plan = Plan(annotation)
        return plan.pack, plan.unpack
    if typing.get_origin(annotation) is tuple:
        return list, tuple
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return str, annotation
    # What `PeerId | None` is an instance of differs between Python's versions.
    if typing.get_origin(annotation) in (typing.Union, UnionType):
        to_stored, from_stored = _converters(typing.get_args(annotation)[0])
        return (
            lambda value: None if value is None else to_stored(value),
            lambda value: None if value is None else from_stored(value),
        )
    return _same, _same


class Plan:
    """How one dataclass becomes a positional array."""

    def __init__(self, cls: type[typing.Any]) -> None:
        hints = typing.get_type_hints(cls)
        self._cls = cls
        self._names = tuple(field.name for field in dataclasses.fields(cls))
        converters = [_converters(hints[name]) for name in self._names]
        self._to = tuple(pair[0] for pair in converters)
        self._from = tuple(pair[1] for pair in converters)

    def pack(self, instance: object) -> list[typing.Any]:
        """Return the fields in their order, each as msgpack takes it."""
        return [
            convert(getattr(instance, name))
            for name, convert in zip(self._names, self._to, strict=True)
        ]

    def unpack(self, fields: list[typing.Any]) -> typing.Any:
        """Return the instance that `pack` was given; raises `ValueError` or `TypeError`."""
        if not isinstance(fields, list):
            message = "fields are stored as an array"
            raise TypeError(message)
        # Shorter arrays are older ones: what was appended since has a default.
        pairs = zip(self._names, self._from, fields, strict=False)
        return self._cls(**{name: convert(value) for name, convert, value in pairs})


class _MetadataPlan(Plan):
    """The event id is a ULID too; it is not remembered, since it will not be seen again."""

    def __init__(self) -> None:
        super().__init__(Metadata)
        self._to = (values.ulid_bytes, *self._to[1:])
        self._from = (_ulid_text, *self._from[1:])


# The last ones are what an upcaster meets in fields that are not what they should be.
_UNDECODABLE = (msgpack.UnpackException, ValueError, TypeError, LookupError, AttributeError)
_PLANS: Mapping[str, Plan] = {cls.stored_as: Plan(cls) for cls in EVENT_TYPES}
_METADATA = _MetadataPlan()


def encode(event: Event, metadata: Metadata) -> bytes:
    """Return the state bytes of an event."""
    plan = _PLANS[event.stored_as]
    packed: bytes = msgpack.packb([_METADATA.pack(metadata), plan.pack(event)])
    return packed


def decode(
    position: int,
    version: int,
    stored_name: str,
    state: bytes,
    upcasters: Upcasters = UPCASTERS,
) -> RecordedEvent:
    """
    Return the event that *state* holds, upcast to its newest shape.

    Raises:
        UnknownEvent: No version of this software up to this one wrote such an event.
        CorruptEvent: The bytes are not what `encode` writes.
    """
    try:
        metadata, fields = msgpack.unpackb(state)
        name = stored_name
        while name in upcasters:
            name, upcast = upcasters[name]
            fields = upcast(fields)
        plan = _PLANS.get(name)
        if plan is None:
            raise UnknownEvent(stored_name)
        return RecordedEvent(
            position=position,
            version=version,
            event=plan.unpack(fields),
            metadata=_METADATA.unpack(metadata),
        )
    except _UNDECODABLE as error:
        message = f"position {position}: the bytes of {stored_name} cannot be decoded"
        raise CorruptEvent(message) from error
