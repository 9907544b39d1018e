"""The asking side of a handshake; see `membership.peering.handshake`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from membership.commands.bus import CommandBus
from membership.commands.messages import (
    AdmitPeer,
    EnsureRoom,
    Origin,
    Receipt,
    ReleaseSeat,
    ReserveSeat,
)
from membership.commands.ports import Clock, Randomness
from membership.domain.admission import Admission, Candidate
from membership.domain.errors import (
    HandshakeFailed,
    LicenseMismatch,
    NodeLimitExceeded,
    PeerAlreadyInCluster,
)
from membership.domain.values import Address, PeerId, UnixUs
from membership.peering import handshake, handshake_frames
from membership.peering.handshake_frames import Challenge
from membership.peering.invitations import Invitations
from membership.peering.local import LocalAgent
from membership.peering.refusals import EXPLANATIONS, decode_refusal, is_refusal
from membership.peering.transport import FINISH_PATH, HELLO_PATH, Transport, TransportFailed
from membership.peering.wire import NONCE_BYTES, PROTOCOL_VERSION, MalformedFrame
from membership.store.errors import StoreError
from membership.store.writer import WriterStopped

RESERVATION_US = 30_000_000
RESERVATION_BYTES = 16
FINISH_ATTEMPTS = 3
FINISH_PAUSE_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """
    Whom to add, and why.

    Attributes:
        expected: Who has to answer there; None for whoever does.
        renews: The peer has a seat here, and has lost this agent's there.
    """

    address: Address
    how: Admission
    origin: Origin
    label: str = ""
    introduced_by: PeerId | None = None
    expected: PeerId | None = None
    renews: bool = False


@dataclass(slots=True, kw_only=True)
class Initiator:
    """Makes handshakes with agents at given addresses."""

    local: LocalAgent
    bus: CommandBus
    transport: Transport
    clock: Clock
    randomness: Randomness
    invitations: Invitations

    async def add(self, errand: Errand) -> Receipt:
        """
        Learn who answers at an address, have it record this agent, and record it.

        Raises:
            MembershipError: Refused here or there, or the other side could not be proved.
            StoreUnavailable: This agent cannot write now.
        """
        await self._ensure_room(errand)
        nonce = self.randomness.token(NONCE_BYTES)
        hello = handshake_frames.encode_hello(
            nonce, errand.how.value, errand.address, self.local.record()
        )
        challenge = self._open_challenge(await self._ask(errand.address, HELLO_PATH, hello))
        transcript = handshake.transcript_of(hello, challenge.nonce, challenge.record.signed)
        self._verify(challenge, transcript)
        if errand.expected not in (None, challenge.record.peer_id):
            raise HandshakeFailed("other_identity", "another agent answers there")
        candidate = Candidate(record=challenge.record, how=errand.how)
        async with self._seat_kept(candidate, errand.origin) as reservation:
            await self._finish(errand.address, hello, challenge, transcript)
            return await self.bus.submit(
                AdmitPeer(
                    candidate=candidate,
                    evidence=handshake.evidence_of(
                        transcript, challenge.proof, handshake.RESPONDER
                    ),
                    label=errand.label,
                    introduced_by=errand.introduced_by,
                    reservation=reservation,
                    told_version=handshake_frames.open_hello(hello).record.subject_version,
                ),
                errand.origin,
            )

    async def _ensure_room(self, errand: Errand) -> None:
        """Refuse before anybody is contacted; a full cluster that has the peer says that it has."""
        if errand.renews:
            return
        seated = self.local.views.peers.at_address(errand.address)
        try:
            await self.bus.submit(EnsureRoom(), errand.origin)
        except NodeLimitExceeded:
            if seated is None:
                raise
        if seated is not None:
            raise PeerAlreadyInCluster(seated.peer_id, "address")

    @asynccontextmanager
    async def _seat_kept(self, candidate: Candidate, origin: Origin) -> AsyncIterator[str]:
        name = self.randomness.token(RESERVATION_BYTES).hex()
        until_us = UnixUs(self.clock.now_us() + RESERVATION_US)
        reserve = ReserveSeat(reservation=name, candidate=candidate, expires_at_us=until_us)
        await self.bus.submit(reserve, origin)
        try:
            yield name
        finally:
            # A log that fails now must not hide what became of the add; the seat is void anyway
            # when its time is over.
            with suppress(StoreError, WriterStopped):
                await self.bus.submit(ReleaseSeat(reservation=name), origin)

    async def _ask(self, address: Address, path: str, frame: bytes) -> bytes:
        try:
            answer = await self.transport.post(address, path, frame)
            if is_refusal(answer):
                raise decode_refusal(answer, self.local.cluster_id.hex())
        except TransportFailed as failure:
            raise HandshakeFailed(
                failure.reason, f"no handshake with {address}: {failure}", address=address
            ) from None
        except MalformedFrame:
            raise _failed("wrong_protocol") from None
        return answer

    def _open_challenge(self, answer: bytes) -> Challenge:
        try:
            challenge = handshake_frames.open_challenge(answer)
        except MalformedFrame:
            raise _failed("wrong_protocol") from None
        if challenge.version != PROTOCOL_VERSION:
            raise _failed("wrong_protocol")
        theirs, ours = challenge.record.cluster_id, self.local.cluster_id
        if theirs != ours:
            raise LicenseMismatch(ours.hex(), theirs.hex())
        if challenge.record.left:
            raise _failed("deactivated")
        return challenge

    def _verify(self, challenge: Challenge, transcript: bytes) -> None:
        proof, key, role = challenge.proof, challenge.record.public_key, handshake.RESPONDER
        if not handshake.is_signature_valid(proof, key, role, transcript):
            raise HandshakeFailed("bad_signature", "the remote agent's signature does not verify")
        if not handshake.is_license_proved(proof, role, self.local.license_secret, transcript):
            raise HandshakeFailed(
                "bad_proof", "the remote agent could not prove that it holds this licence"
            )

    async def _finish(
        self, address: Address, hello: bytes, challenge: Challenge, transcript: bytes
    ) -> None:
        proof = handshake.make_proof(
            self.local.signer, handshake.INITIATOR, self.local.license_secret, transcript
        )
        frame = handshake_frames.encode_finish(hello, challenge.frame, proof)
        try:
            answer = await self._insist(address, frame)
            handshake.check_receipt(answer, challenge.record.public_key, transcript)
        except MalformedFrame:
            raise _failed("wrong_protocol") from None
        except HandshakeFailed as failure:
            if failure.reason == "removed":
                self.invitations.offer(challenge.record.peer_id)
            raise

    async def _insist(self, address: Address, frame: bytes) -> bytes:
        """Repeat the finish when its answer is lost: it is idempotent, and half done is worse."""
        for attempt in range(1, FINISH_ATTEMPTS):
            try:
                return await self._ask(address, FINISH_PATH, frame)
            except HandshakeFailed as failure:
                if failure.reason not in ("reset", "timeout"):
                    raise
                await asyncio.sleep(FINISH_PAUSE_S * attempt)
        return await self._ask(address, FINISH_PATH, frame)


def _failed(reason: str) -> HandshakeFailed:
    return HandshakeFailed(reason, EXPLANATIONS[reason])
