"""
The subjects of the history's entries, to bytes and back.

As in `membership.store.codec`, positional msgpack, but with a checksum in front: SQLite has none,
and what an auditor is told was so must not be a flipped bit. Nothing here is kept for ever. When
the fields of a class change, `FINGERPRINT` does too, and with it the index is made anew.
"""

import dataclasses
import zlib
from collections.abc import Mapping

import msgpack

from membership.domain.history import IndexDamaged, Subject
from membership.domain.license import License
from membership.domain.peer import Peer
from membership.domain.service import Service
from membership.store.codec import Plan

CHECKSUM_BYTES = 4

_KINDS: tuple[type[Subject], ...] = (Peer, Service, License)
_PLANS: Mapping[int, Plan] = {kind: Plan(cls) for kind, cls in enumerate(_KINDS)}
_KIND_OF: Mapping[type[Subject], int] = {cls: kind for kind, cls in enumerate(_KINDS)}

FINGERPRINT = " ".join(field.name for cls in _KINDS for field in dataclasses.fields(cls))
"""What the bytes consist of."""


def encode_subject(subject: Subject | None) -> bytes:
    """Return a subject, or that there is none any more, under its checksum."""
    packed: bytes = msgpack.packb(subject and _packed(subject))
    return zlib.crc32(packed).to_bytes(CHECKSUM_BYTES, "big") + packed


def decode_subject(data: bytes) -> Subject | None:
    """Return what `encode_subject` was given; raises `IndexDamaged`."""
    checksum, packed = data[:CHECKSUM_BYTES], data[CHECKSUM_BYTES:]
    if zlib.crc32(packed).to_bytes(CHECKSUM_BYTES, "big") != checksum:
        message = "a state of a subject is not the one that was written"
        raise IndexDamaged(message)
    unpacked = msgpack.unpackb(packed)
    if unpacked is None:
        return None
    kind, fields = unpacked
    subject: Subject = _PLANS[kind].unpack(fields)
    return subject


def _packed(subject: Subject) -> list[object]:
    kind = _KIND_OF[type(subject)]
    return [kind, _PLANS[kind].pack(subject)]
