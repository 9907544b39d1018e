"""The frames of a handshake, as bytes and parsed; see `membership.peering.handshake`."""

from dataclasses import dataclass

from membership.domain.admission import Admission
from membership.domain.errors import InvalidAddress
from membership.domain.record import PeerRecord
from membership.domain.values import parse_address
from membership.peering.records import open_record
from membership.peering.wire import (
    NONCE_BYTES,
    PROTOCOL_VERSION,
    MalformedFrame,
    check_shape,
    pack,
    sized,
    unpack,
)
from membership.proof.signing import SIGNATURE_BYTES

PROOF_BYTES = 32
COOKIE_BYTES = 32
_HELLO, _CHALLENGE, _FINISH, _RECEIPT = "hello", "challenge", "finish", "receipt"
_MAX_VERSIONS = 16
_MAX_DEADLINE_MS = 2**53


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """
    The first message, parsed; *frame* holds it exactly as it came.

    Attributes:
        intent: Why the initiator asks: `operator`, somebody named this agent to it, or
            `discovered`, it heard of this agent from another peer.
    """

    versions: list[int]
    nonce: bytes
    intent: str
    dialled: str
    record: PeerRecord
    frame: bytes


def encode_hello(nonce: bytes, intent: str, dialled: str, signed_record: bytes) -> bytes:
    """Return a hello to whoever answers at the address *dialled*."""
    return pack([_HELLO, [PROTOCOL_VERSION], nonce, intent, dialled, signed_record])


def open_hello(frame: bytes) -> Hello:
    """Return the hello in *frame*; raises `MalformedFrame`."""
    kind, versions, nonce, intent, dialled, signed = unpack(
        frame, (str, list, bytes, str, str, bytes)
    )
    _expect(kind, _HELLO)
    if len(versions) > _MAX_VERSIONS:
        message = "it offers too many versions"
        raise MalformedFrame(message)
    check_shape(versions, [int] * len(versions))
    if intent not in (Admission.OPERATOR, Admission.DISCOVERED):
        message = "its intent is unknown"
        raise MalformedFrame(message)
    try:
        parse_address(dialled)
    except InvalidAddress as error:
        raise MalformedFrame(error.message) from None
    return Hello(
        versions=versions,
        nonce=sized(nonce, NONCE_BYTES, "a nonce"),
        intent=intent,
        dialled=dialled,
        record=open_record(signed),
        frame=frame,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What one side adds to the transcript."""

    signature: bytes
    license_proof: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """The responder's answer, parsed; *cookie* means something to the responder alone."""

    version: int
    nonce: bytes
    record: PeerRecord
    proof: Proof
    deadline_ms: int
    cookie: bytes
    frame: bytes


def encode_challenge(
    nonce: bytes, signed_record: bytes, proof: Proof, deadline_ms: int, cookie: bytes
) -> bytes:
    """Return a challenge; *deadline_ms* is on the responder's own monotonic clock."""
    return pack(
        [
            _CHALLENGE,
            PROTOCOL_VERSION,
            nonce,
            signed_record,
            proof.signature,
            proof.license_proof,
            deadline_ms,
            cookie,
        ]
    )


def open_challenge(frame: bytes) -> Challenge:
    """Return the challenge in *frame*; raises `MalformedFrame`."""
    kind, version, nonce, signed, signature, license_proof, deadline_ms, cookie = unpack(
        frame, (str, int, bytes, bytes, bytes, bytes, int, bytes)
    )
    _expect(kind, _CHALLENGE)
    if not 0 <= deadline_ms <= _MAX_DEADLINE_MS:
        message = "the deadline is out of range"
        raise MalformedFrame(message)
    return Challenge(
        version=version,
        nonce=sized(nonce, NONCE_BYTES, "a nonce"),
        record=open_record(signed),
        proof=_proof(signature, license_proof),
        deadline_ms=deadline_ms,
        cookie=sized(cookie, COOKIE_BYTES, "a cookie"),
        frame=frame,
    )


def encode_finish(hello: bytes, challenge: bytes, proof: Proof) -> bytes:
    """Return the message that completes a handshake."""
    return pack([_FINISH, hello, challenge, proof.signature, proof.license_proof])


def open_finish(frame: bytes) -> tuple[Hello, Challenge, Proof]:
    """Return the parts of the finish in *frame*; raises `MalformedFrame`."""
    kind, hello, challenge, signature, license_proof = unpack(
        frame, (str, bytes, bytes, bytes, bytes)
    )
    _expect(kind, _FINISH)
    return open_hello(hello), open_challenge(challenge), _proof(signature, license_proof)


def encode_receipt(signature: bytes) -> bytes:
    """Return the responder's signed statement that it has recorded the initiator."""
    return pack([_RECEIPT, signature])


def open_receipt(frame: bytes) -> bytes:
    """Return the signature in a receipt; raises `MalformedFrame`."""
    kind, signature = unpack(frame, (str, bytes))
    _expect(kind, _RECEIPT)
    checked: bytes = signature
    return checked


def _proof(signature: bytes, license_proof: bytes) -> Proof:
    return Proof(
        signature=sized(signature, SIGNATURE_BYTES, "a signature"),
        license_proof=sized(license_proof, PROOF_BYTES, "a licence proof"),
    )


def _expect(kind: str, expected: str) -> None:
    if kind != expected:
        message = f"a {expected} was expected"
        raise MalformedFrame(message)
