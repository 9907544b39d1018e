"""The answering side of a handshake; see `membership.peering.handshake`."""

import asyncio
import hashlib
import hmac

from membership.commands.bus import CommandBus
from membership.commands.messages import AdmitPeer, Origin
from membership.commands.ports import Randomness
from membership.domain.admission import Admission, Candidate
from membership.domain.errors import LicenseMismatch, MembershipError
from membership.domain.events import Actor
from membership.peering import handshake, handshake_frames
from membership.peering.handshake_frames import Challenge, Hello, Proof
from membership.peering.invitations import Invitations
from membership.peering.local import LocalAgent
from membership.peering.refusals import HandshakeRefused, encode_refusal
from membership.peering.wire import NONCE_BYTES, PROTOCOL_VERSION
from membership.store.errors import StoreError
from membership.store.writer import WriterStopped

HANDSHAKE_MS = 10_000
RECEIPT_MS = 60_000
"""How long after its deadline a finish that was recorded may still be repeated."""
MAX_RECEIPTS = 1_024
_KEY_BYTES = 32


class Responder:
    """Answers hellos and finishes; remembers only what it has recorded."""

    def __init__(
        self,
        local: LocalAgent,
        bus: CommandBus,
        randomness: Randomness,
        invitations: Invitations,
        *,
        accepts_discovery: bool,
    ) -> None:
        self._local = local
        self._bus = bus
        self._randomness = randomness
        self._invitations = invitations
        self._accepts_discovery = accepts_discovery
        self._cookie_key = randomness.token(_KEY_BYTES)
        self._receipts: dict[bytes, tuple[int, bytes]] = {}

    def hello(self, frame: bytes) -> bytes:
        """Return a challenge, or a refusal; raises `MalformedFrame`."""
        hello = handshake_frames.open_hello(frame)
        try:
            self._check_hello(hello)
        except (MembershipError, HandshakeRefused) as refusal:
            return encode_refusal(refusal)
        local = self._local
        nonce, record = self._randomness.token(NONCE_BYTES), local.record()
        transcript = handshake.transcript_of(hello.frame, nonce, record)
        proof = handshake.make_proof(
            local.signer, handshake.RESPONDER, local.license_secret, transcript
        )
        deadline_ms = _now_ms() + HANDSHAKE_MS
        cookie = self._cookie(transcript, proof, deadline_ms)
        return handshake_frames.encode_challenge(nonce, record, proof, deadline_ms, cookie)

    async def finish(self, frame: bytes, source: str) -> bytes:
        """Record the initiator and return a receipt, or a refusal; raises `MalformedFrame`."""
        hello, challenge, proof = handshake_frames.open_finish(frame)
        transcript = handshake.transcript_of(hello.frame, challenge.nonce, challenge.record.signed)
        try:
            self._check_challenge(challenge, transcript)
            if challenge.nonce in self._receipts:
                return self._receipts[challenge.nonce][1]
            self._check_finish(hello, challenge, proof, transcript)
            await self._record(hello, challenge, proof, transcript, source)
        except (MembershipError, HandshakeRefused) as refusal:
            return encode_refusal(refusal)
        except (StoreError, WriterStopped):
            return encode_refusal(HandshakeRefused("unavailable"))
        receipt = handshake.make_receipt(self._local.signer, transcript)
        self._remember(challenge, receipt)
        return receipt

    def _check_hello(self, hello: Hello) -> None:
        local = self._local
        if PROTOCOL_VERSION not in hello.versions:
            raise HandshakeRefused("wrong_protocol")
        if hello.record.cluster_id != local.cluster_id:
            raise LicenseMismatch(local.cluster_id.hex(), hello.record.cluster_id.hex())
        if hello.intent == Admission.DISCOVERED and not self._accepts_discovery:
            raise HandshakeRefused("explicit")
        if not local.peer.is_active:
            raise HandshakeRefused("deactivated")
        if hello.record.left:
            raise HandshakeRefused("deactivated_there")

    def _check_challenge(self, challenge: Challenge, transcript: bytes) -> None:
        cookie = self._cookie(transcript, challenge.proof, challenge.deadline_ms)
        if challenge.version != PROTOCOL_VERSION:
            raise HandshakeRefused("wrong_protocol")
        if not hmac.compare_digest(cookie, challenge.cookie):
            raise HandshakeRefused("expired")

    def _check_finish(
        self, hello: Hello, challenge: Challenge, proof: Proof, transcript: bytes
    ) -> None:
        if challenge.deadline_ms <= _now_ms():
            raise HandshakeRefused("expired")
        self._check_hello(hello)
        key, role = hello.record.public_key, handshake.INITIATOR
        if not handshake.is_signature_valid(proof, key, role, transcript):
            raise HandshakeRefused("bad_signature")
        if not handshake.is_license_proved(proof, role, self._local.license_secret, transcript):
            raise HandshakeRefused("bad_proof")

    async def _record(
        self, hello: Hello, challenge: Challenge, proof: Proof, transcript: bytes, source: str
    ) -> None:
        record = hello.record
        command = AdmitPeer(
            candidate=Candidate(
                record=record,
                how=Admission.INBOUND,
                invited=self._invitations.holds(record.peer_id),
            ),
            evidence=handshake.evidence_of(transcript, proof, handshake.INITIATOR),
            told_version=challenge.record.subject_version,
        )
        origin = Origin(
            actor=Actor(kind="peer", id=record.peer_id),
            source=source,
            correlation_id=challenge.nonce[:16].hex(),
        )
        await self._bus.submit(command, origin)
        self._invitations.withdraw(record.peer_id)

    def _cookie(self, transcript: bytes, proof: Proof, deadline_ms: int) -> bytes:
        """Return what proves that a challenge, all of it, is this process's own."""
        return hashlib.blake2b(
            transcript + proof.signature + proof.license_proof + deadline_ms.to_bytes(8, "big"),
            key=self._cookie_key,
            digest_size=handshake_frames.COOKIE_BYTES,
        ).digest()

    def _remember(self, challenge: Challenge, receipt: bytes) -> None:
        if len(self._receipts) >= MAX_RECEIPTS:
            overdue_ms = _now_ms() - RECEIPT_MS
            self._receipts = {
                nonce: entry for nonce, entry in self._receipts.items() if entry[0] > overdue_ms
            }
        if len(self._receipts) < MAX_RECEIPTS:
            self._receipts[challenge.nonce] = (challenge.deadline_ms, receipt)


def _now_ms() -> int:
    return int(asyncio.get_running_loop().time() * 1_000)
