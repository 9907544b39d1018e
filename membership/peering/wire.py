"""
Frames of the peer protocol: bounded msgpack arrays, opened with suspicion.

Everything that arrives is untrusted until its signature is verified, and a signature is verified
over the bytes as they came, before they are decoded. So a signed structure travels as the array
`[payload, signature]`, with the payload as an opaque byte string.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import msgpack

from membership.proof.signing import SIGNATURE_BYTES, Signer, is_signed_by

PROTOCOL_VERSION = 1
MAX_FRAME_BYTES = 65_536
NONCE_BYTES = 32

T = TypeVar("T")


class MalformedFrame(Exception):
    """The bytes are no frame of this protocol; the message says where they go wrong."""


def pack(value: Sequence[Any]) -> bytes:
    """Return *value* as msgpack."""
    packed: bytes = msgpack.packb(value)
    return packed


def unpack(data: bytes, shape: Sequence[type | tuple[type, ...]]) -> list[Any]:
    """
    Return the array in *data*, which has to have exactly these element types.

    Raises:
        MalformedFrame: It is too long, no msgpack, or of another shape.
    """
    if len(data) > MAX_FRAME_BYTES:
        message = f"a frame has at most {MAX_FRAME_BYTES} bytes, this one {len(data)}"
        raise MalformedFrame(message)
    try:
        array = msgpack.unpackb(data)
    except (ValueError, msgpack.UnpackException, RecursionError):
        message = "it is no msgpack"
        raise MalformedFrame(message) from None
    check_shape(array, shape)
    result: list[Any] = array
    return result


def check_shape(array: object, shape: Sequence[type | tuple[type, ...]]) -> None:
    """Raise `MalformedFrame` unless *array* is a list with these element types."""
    if not isinstance(array, list) or len(array) != len(shape):
        message = f"an array of {len(shape)} was expected"
        raise MalformedFrame(message)
    for index, (element, kind) in enumerate(zip(array, shape, strict=True)):
        # bool is an int to isinstance, and never one on the wire.
        is_stray_bool = isinstance(element, bool) and kind is not bool
        if is_stray_bool or not isinstance(element, kind):
            message = f"element {index} has the wrong type"
            raise MalformedFrame(message)


def sized(value: bytes, length: int, what: str) -> bytes:
    """Return *value* if it has *length* bytes; raises `MalformedFrame`."""
    if len(value) != length:
        message = f"{what} has {length} bytes, not {len(value)}"
        raise MalformedFrame(message)
    return value


def seal(signer: Signer, payload_type: str, payload: bytes) -> bytes:
    """Return `[payload, signature]`, signed under *payload_type*."""
    return pack([payload, signer.sign(payload_type, payload)])


def split_sealed(data: bytes) -> tuple[bytes, bytes]:
    """Return payload and signature of a sealed frame, unverified; raises `MalformedFrame`."""
    payload, signature = unpack(data, [bytes, bytes])
    return payload, sized(signature, SIGNATURE_BYTES, "a signature")


def open_sealed(data: bytes, payload_type: str, public_key: bytes) -> bytes:
    """
    Return the payload of a sealed frame, verified.

    Raises:
        MalformedFrame: It is no sealed frame, or not signed by *public_key* under this type.
    """
    payload, signature = split_sealed(data)
    if not is_signed_by(public_key, payload_type, payload, signature):
        message = "the signature does not verify"
        raise MalformedFrame(message)
    return payload
