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

from membership.domain.events import HandshakeEvidence
from membership.peering import handshake_frames
from membership.peering.handshake_frames import PROOF_BYTES, Proof, open_hello
from membership.peering.records import open_record
from membership.peering.wire import PROTOCOL_VERSION, MalformedFrame, pack, unpack
from membership.proof.signing import Signer, is_signed_by


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


def make_receipt(signer: Signer, transcript: bytes) -> bytes:
    """Return the responder's statement that it has recorded the initiator."""
    return handshake_frames.encode_receipt(signer.sign(RECEIPT_TYPE, transcript))


def check_receipt(frame: bytes, public_key: bytes, transcript: bytes) -> None:
    """Raise `MalformedFrame` unless *frame* is the receipt of the key's holder."""
    signature = handshake_frames.open_receipt(frame)
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
