"""
The handshake: how two agents that hold one licence come to know each other.

    initiator                                        responder
      │  hello: versions, nonce, intent, address, record │
      ├─────────────────────────────────────────────────►│
      │  challenge: version, nonce, record,              │  remembers nothing
      │             signature, licence proof, cookie     │
      │◄─────────────────────────────────────────────────┤
      │  verifies; keeps a seat free                     │
      │  finish: hello, challenge, signature, proof      │
      ├─────────────────────────────────────────────────►│
      │                                                  │  verifies; records the initiator
      │  receipt: signature                              │
      │◄─────────────────────────────────────────────────┤
      │  records the responder                           │

Both sign the *transcript*: the hello exactly as sent, the version chosen, the responder's nonce
and record. So it binds both identities, keys, addresses and names, both nonces, the address that
was dialled, every version that was offered, and through the records the cluster. Each signs it
under a type of its own role, and proves with a keyed BLAKE2b over transcript and signature that
it holds the licence's secret. A signature without that proof, or a proof made for the other
role, is worth nothing.

The responder keeps no state for a stranger. Its challenge carries a cookie, a keyed hash with
a key that lives as long as the process; the finish brings everything back. Only a finish that
verified is remembered, until it expires, so that a repeat is answered with the same receipt and
a replay records nothing.

The initiator keeps a seat free before it sends the finish. Past that point it cannot refuse for
reasons of its own what the other side may have recorded already. What remains is a crash or a
network that fails between finish and receipt; then the responder may have recorded alone. Adding
it again completes it, and so does the responder itself, when it first writes to its new peer and
hears that it is unknown there (see `membership.peering.discovery`).
"""

import hashlib
import hmac
from dataclasses import dataclass

from membership.domain.admission import Admission
from membership.domain.errors import InvalidAddress
from membership.domain.events import HandshakeEvidence
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
from membership.proof.signing import SIGNATURE_BYTES, Signer, is_signed_by

PROOF_BYTES = 32
COOKIE_BYTES = 32
_HELLO, _CHALLENGE, _FINISH, _RECEIPT = "hello", "challenge", "finish", "receipt"
_MAX_VERSIONS = 16
_MAX_DEADLINE_MS = 2**53


@dataclass(frozen=True, slots=True)
class Role:
    """One side of a handshake: the type of its signature, the person of its licence proof."""

    name: str
    signature_type: str
    proof_person: bytes


INITIATOR = Role(
    "initiator", "application/vnd.membership.handshake-initiator.v1+msgpack", b"mbr-hs-initiator"
)
RESPONDER = Role(
    "responder", "application/vnd.membership.handshake-responder.v1+msgpack", b"mbr-hs-responder"
)
RECEIPT_TYPE = "application/vnd.membership.handshake-receipt.v1+msgpack"


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


def encode_receipt(signer: Signer, transcript: bytes) -> bytes:
    """Return the responder's statement that it has recorded the initiator."""
    return pack([_RECEIPT, signer.sign(RECEIPT_TYPE, transcript)])


def check_receipt(frame: bytes, public_key: bytes, transcript: bytes) -> None:
    """Raise `MalformedFrame` unless *frame* is the receipt of the key's holder."""
    kind, signature = unpack(frame, (str, bytes))
    _expect(kind, _RECEIPT)
    if not is_signed_by(public_key, RECEIPT_TYPE, transcript, signature):
        message = "the receipt's signature does not verify"
        raise MalformedFrame(message)


def transcript_of(hello: bytes, responder_nonce: bytes, responder_record: bytes) -> bytes:
    """Return the bytes that both sides sign."""
    return pack([PROTOCOL_VERSION, hello, responder_nonce, responder_record])


def make_proof(signer: Signer, role: Role, secret: bytes, transcript: bytes) -> Proof:
    """Sign the transcript in *role* and prove the licence's *secret* over it."""
    signature = signer.sign(role.signature_type, transcript)
    return Proof(
        signature=signature, license_proof=_license_proof(role, secret, transcript, signature)
    )


def is_signature_valid(proof: Proof, public_key: bytes, role: Role, transcript: bytes) -> bool:
    """Return whether the key's holder signed *transcript* in *role*."""
    return is_signed_by(public_key, role.signature_type, transcript, proof.signature)


def is_license_proved(proof: Proof, role: Role, secret: bytes, transcript: bytes) -> bool:
    """Return whether whoever signed holds the licence's *secret*; in constant time."""
    expected = _license_proof(role, secret, transcript, proof.signature)
    return hmac.compare_digest(expected, proof.license_proof)


def evidence_of(transcript: bytes, remote_proof: Proof, remote_role: Role) -> HandshakeEvidence:
    """Return what the log keeps of a handshake."""
    return HandshakeEvidence(
        transcript=transcript, signature=remote_proof.signature, remote_role=remote_role.name
    )


def version_told(evidence: HandshakeEvidence) -> int:
    """Return the version of our own record that the remote side saw in the handshake."""
    _, hello, _, responder_record = unpack(evidence.transcript, (int, bytes, bytes, bytes))
    if evidence.remote_role == INITIATOR.name:
        return open_record(responder_record).subject_version
    return open_hello(hello).record.subject_version


def _license_proof(role: Role, secret: bytes, transcript: bytes, signature: bytes) -> bytes:
    return hashlib.blake2b(
        transcript + signature, key=secret, digest_size=PROOF_BYTES, person=role.proof_person
    ).digest()


def _proof(signature: bytes, license_proof: bytes) -> Proof:
    return Proof(
        signature=sized(signature, SIGNATURE_BYTES, "a signature"),
        license_proof=sized(license_proof, PROOF_BYTES, "a licence proof"),
    )


def _expect(kind: str, expected: str) -> None:
    if kind != expected:
        message = f"a {expected} was expected"
        raise MalformedFrame(message)
