"""One frame of every kind, from fixed keys, nonces and times: the same bytes for ever."""

from collections.abc import Mapping

from membership.domain.errors import (
    HandshakeFailed,
    LicenseExpired,
    LicenseMismatch,
    LocalPeerDeactivated,
    NodeLimitExceeded,
    PeerAlreadyInCluster,
)
from membership.domain.identity import peer_id_for
from membership.domain.peer import Peer, PeerStatus
from membership.domain.values import Address, ClusterId, PeerId, PublicKey, UnixUs, ulid_bytes
from membership.peering import handshake, handshake_frames
from membership.peering.envelope import Message, seal_request, seal_response
from membership.peering.handshake import INITIATOR, RESPONDER
from membership.peering.records import sign_record
from membership.peering.refusals import HandshakeRefused, encode_refusal
from membership.proof.signing import Signer

INITIATOR_KEY, RESPONDER_KEY = Signer(b"\x01" * 32), Signer(b"\x02" * 32)
CREATED_AT_US = UnixUs(1_767_225_600_000_000)
INITIATOR_ID = peer_id_for(PublicKey(INITIATOR_KEY.public_key), CREATED_AT_US)
RESPONDER_ID = peer_id_for(PublicKey(RESPONDER_KEY.public_key), CREATED_AT_US)
CLUSTER_ID = ClusterId(bytes(range(16)))
SECRET = b"\x53" * 32
INITIATOR_NONCE, RESPONDER_NONCE, REQUEST_NONCE = b"\x0a" * 32, b"\x0b" * 32, b"\x0c" * 16
COOKIE, DEADLINE_MS = b"\x0d" * 32, 1_234_567
SENT_AT_MS = 1_767_225_600_000
DIALLED = Address("two.example:8080")


def _peer(peer_id: PeerId, signer: Signer, address: str, status: PeerStatus) -> Peer:
    at_us = UnixUs(SENT_AT_MS * 1_000)
    return Peer(
        peer_id=peer_id,
        public_key=PublicKey(signer.public_key),
        address=Address(address),
        own_name="Zoë 🛰",
        label="",
        is_local=True,
        created_at_us=at_us,
        changed_at_us=at_us,
        version=3,
        subject_version=3,
        record=b"",
        claimed_address=Address(address),
        status=status,
        ended_at_us=UnixUs(0),
    )


def _record(status: PeerStatus = PeerStatus.ACTIVE) -> bytes:
    peer = _peer(INITIATOR_ID, INITIATOR_KEY, "[2001:db8::1]:8080", status)
    return sign_record(INITIATOR_KEY, CLUSTER_ID, peer)


def golden_frames() -> Mapping[str, bytes]:
    """Return every frame by its name."""
    return _records() | _handshake() | _refusals() | _messages()


def _records() -> dict[str, bytes]:
    return {"record-active": _record(), "record-left": _record(PeerStatus.LEFT)}


def transcript() -> bytes:
    """Return what both sides of the golden handshake sign."""
    return handshake.transcript_of(_hello(), RESPONDER_NONCE, _responder_record())


def _hello() -> bytes:
    return handshake_frames.encode_hello(INITIATOR_NONCE, "operator", DIALLED, _record())


def _responder_record() -> bytes:
    peer = _peer(RESPONDER_ID, RESPONDER_KEY, DIALLED, PeerStatus.ACTIVE)
    return sign_record(RESPONDER_KEY, CLUSTER_ID, peer)


def _handshake() -> dict[str, bytes]:
    signed = transcript()
    answer = handshake.make_proof(RESPONDER_KEY, RESPONDER, SECRET, signed)
    challenge = handshake_frames.encode_challenge(
        RESPONDER_NONCE, _responder_record(), answer, DEADLINE_MS, COOKIE
    )
    proof = handshake.make_proof(INITIATOR_KEY, INITIATOR, SECRET, signed)
    return {
        "hello": _hello(),
        "challenge": challenge,
        "finish": handshake_frames.encode_finish(_hello(), challenge, proof),
        "receipt": handshake.make_receipt(RESPONDER_KEY, signed),
    }


def _refusals() -> dict[str, bytes]:
    there = ClusterId(b"\xff" * 16)
    refusals = {
        "license-mismatch": LicenseMismatch(CLUSTER_ID.hex(), there.hex()),
        "node-limit": NodeLimitExceeded(100),
        "license-expired": LicenseExpired("2026-01-01T00:00:00.000000Z"),
        "deactivated": LocalPeerDeactivated(RESPONDER_ID),
        "already-there": PeerAlreadyInCluster(INITIATOR_ID, "key"),
        "deactivated-there": HandshakeFailed("deactivated", "it left"),
        "key-changed": HandshakeFailed("key_changed", "it is known with another key"),
        "removed": HandshakeFailed("removed", "it was removed"),
    }
    own = (
        "bad_proof",
        "bad_signature",
        "busy",
        "expired",
        "explicit",
        "unavailable",
        "wrong_protocol",
    )
    return {f"refusal-{name}": encode_refusal(error) for name, error in refusals.items()} | {
        f"refusal-{reason.replace('_', '-')}": encode_refusal(HandshakeRefused(reason))
        for reason in own
    }


def _messages() -> dict[str, bytes]:
    request = Message(
        kind="records",
        sender=INITIATOR_ID,
        recipient=RESPONDER_ID,
        body=[_record()],
        sent_at_ms=SENT_AT_MS,
        nonce=REQUEST_NONCE,
    )
    frame = seal_request(INITIATOR_KEY, request)
    response = Message(
        kind="verdicts",
        sender=RESPONDER_ID,
        recipient=INITIATOR_ID,
        body=[[ulid_bytes(INITIATOR_ID), 3, "applied", b""]],
    )
    return {"request": frame, "response": seal_response(RESPONDER_KEY, response, frame)}
