"""
Messages between agents that know each other.

A request names its type, sender, recipient and time, and carries a nonce; the response names
the request by the hash of its frame. Both are sealed, each under a type of its own. So a message
cannot be redirected to somebody else, turned around, or answered with an answer to another.

Nothing depends on a request being new: what is carried are records, which prove themselves and
are idempotent. The nonce only makes two equal requests two.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from membership.domain.values import PeerId, PublicKey, ulid_bytes, ulid_text
from membership.peering.wire import (
    PROTOCOL_VERSION,
    MalformedFrame,
    open_sealed,
    pack,
    seal,
    sized,
    split_sealed,
    unpack,
)
from membership.proof.signing import Signer, is_signed_by

REQUEST_TYPE = "application/vnd.membership.request.v1+msgpack"
RESPONSE_TYPE = "application/vnd.membership.response.v1+msgpack"
ID_BYTES = 16
REQUEST_NONCE_BYTES = 16
HASH_BYTES = 32
_REQUEST_SHAPE = (int, str, bytes, bytes, int, bytes, list)
_RESPONSE_SHAPE = (int, str, bytes, bytes, bytes, list)


class UnknownSender(Exception):
    """No peer is recorded here under the id that a request names as its sender."""

    def __init__(self, peer_id: PeerId) -> None:
        super().__init__(peer_id)
        self.peer_id = peer_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A request or a response, verified. *sent_at_ms* is 0 in a response."""

    kind: str
    sender: PeerId
    recipient: PeerId
    body: list[Any]
    sent_at_ms: int = 0
    nonce: bytes = b""


def seal_request(signer: Signer, message: Message) -> bytes:
    """Return the frame of a request."""
    payload = pack(
        [
            PROTOCOL_VERSION,
            message.kind,
            ulid_bytes(message.sender),
            ulid_bytes(message.recipient),
            message.sent_at_ms,
            message.nonce,
            message.body,
        ]
    )
    return seal(signer, REQUEST_TYPE, payload)


def open_request(
    frame: bytes, recipient: PeerId, key_of: Callable[[PeerId], PublicKey | None]
) -> Message:
    """
    Return the request in *frame*, verified with the key that is recorded for its sender.

    Raises:
        MalformedFrame: It is no request, is meant for somebody else, or is badly signed.
        UnknownSender: There is no key for its sender.
    """
    payload, signature = split_sealed(frame)
    version, kind, sender_id, recipient_id, sent_at_ms, nonce, body = unpack(
        payload, _REQUEST_SHAPE
    )
    message = Message(
        kind=kind,
        sender=_peer_id(sender_id),
        recipient=_peer_id(recipient_id),
        body=body,
        sent_at_ms=sent_at_ms,
        nonce=sized(nonce, REQUEST_NONCE_BYTES, "a nonce"),
    )
    _check(version, message.recipient, recipient)
    public_key = key_of(message.sender)
    if public_key is None:
        raise UnknownSender(message.sender)
    if not is_signed_by(public_key, REQUEST_TYPE, payload, signature):
        text = "the request is not signed by its sender"
        raise MalformedFrame(text)
    return message


def seal_response(signer: Signer, message: Message, request_frame: bytes) -> bytes:
    """Return the frame of a response to *request_frame*."""
    payload = pack(
        [
            PROTOCOL_VERSION,
            message.kind,
            ulid_bytes(message.sender),
            ulid_bytes(message.recipient),
            _hash(request_frame),
            message.body,
        ]
    )
    return seal(signer, RESPONSE_TYPE, payload)


def open_response(
    frame: bytes, request_frame: bytes, responder: tuple[PeerId, PublicKey], recipient: PeerId
) -> Message:
    """
    Return the response in *frame*, verified to be the responder's, and to this request.

    Raises:
        MalformedFrame: It is not.
    """
    responder_id, public_key = responder
    payload = open_sealed(frame, RESPONSE_TYPE, public_key)
    version, kind, sender_id, recipient_id, request_hash, body = unpack(payload, _RESPONSE_SHAPE)
    message = Message(
        kind=kind, sender=_peer_id(sender_id), recipient=_peer_id(recipient_id), body=body
    )
    _check(version, message.recipient, recipient)
    if message.sender != responder_id or request_hash != _hash(request_frame):
        text = "it answers another request"
        raise MalformedFrame(text)
    return message


def _check(version: int, recipient: PeerId, expected: PeerId) -> None:
    if version != PROTOCOL_VERSION:
        text = f"messages of version {version} are not known here"
        raise MalformedFrame(text)
    if recipient != expected:
        text = "it is meant for another agent"
        raise MalformedFrame(text)


def _peer_id(value: bytes) -> PeerId:
    return PeerId(ulid_text(sized(value, ID_BYTES, "a peer id")))


def _hash(frame: bytes) -> bytes:
    return hashlib.blake2b(frame, digest_size=HASH_BYTES).digest()
