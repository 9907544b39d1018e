"""
What other agents send, and how it is answered.

A request is opened with the key that is recorded for its sender, carried out by whoever its kind
concerns, and answered with a signature. The answer to a delivery says for each record what became
of it, after the change is on disk: it is what the sender's cursor moves on. Where a sender's own
record lost against another one of its, the answer holds that one: the sender may have forgotten
it. A sender that is unknown here is told so, and learns nothing else.
"""

from typing import Any

from membership.domain.record import PeerRecord, Verdict
from membership.domain.values import PeerId, PublicKey, ulid_bytes
from membership.peering.anti_entropy import DIGEST, MAX_RECORDS, SUMMARY, AntiEntropy
from membership.peering.book import RecordBook
from membership.peering.envelope import Message, UnknownSender, open_request, seal_response
from membership.peering.health import Health
from membership.peering.intake import RecordIntake
from membership.peering.local import LocalAgent
from membership.peering.messenger import (
    NOT_A_MEMBER,
    RECORDS,
    REFUSED,
    UNKNOWN_KIND,
    UNKNOWN_SENDER,
    VERDICTS,
)
from membership.peering.records import open_record
from membership.peering.wire import MalformedFrame, check_shape
from membership.peering.witnessing import KINDS as WITNESS_KINDS
from membership.peering.witnessing import Witnessing


class Inbox:
    """Opens messages of known peers and carries out what they ask."""

    def __init__(
        self,
        local: LocalAgent,
        book: RecordBook,
        intake: RecordIntake,
        anti_entropy: AntiEntropy,
        witnessing: Witnessing,
        health: Health,
    ) -> None:
        self._local = local
        self._book = book
        self._intake = intake
        self._anti_entropy = anti_entropy
        self._witnessing = witnessing
        self._health = health

    async def receive(self, frame: bytes, source: str) -> tuple[bytes, PeerId | None]:
        """
        Return the response to a request frame, and who sent it when that is certain.

        Raises:
            MalformedFrame: It is no request to this agent; nothing changed.
            StoreUnavailable: What it carries cannot be written now; the sender will come again.
        """
        try:
            request = open_request(frame, self._local.peer.peer_id, self._key_of)
        except UnknownSender as unknown:
            return self._respond(frame, unknown.peer_id, REFUSED, [UNKNOWN_SENDER]), None
        self._health.heard(request.sender)
        kind, body = await self._carry_out(request, source)
        return self._respond(frame, request.sender, kind, body), request.sender

    async def _carry_out(self, request: Message, source: str) -> tuple[str, list[Any]]:
        if request.kind == RECORDS:
            return VERDICTS, await self._take(request, source)
        if request.kind not in (DIGEST, SUMMARY, *WITNESS_KINDS):
            return REFUSED, [UNKNOWN_KIND]
        sender = self._local.views.peers.get(request.sender)
        if sender is None or not sender.is_active:
            return REFUSED, [NOT_A_MEMBER]
        if request.kind in WITNESS_KINDS:
            return await self._witnessing.answer(request.kind, request.sender, request.body)
        if request.kind == DIGEST:
            return DIGEST, self._anti_entropy.answer_digest(request.sender, request.body)
        return SUMMARY, self._anti_entropy.answer_summary(request.body)

    async def _take(self, request: Message, source: str) -> list[Any]:
        if len(request.body) > MAX_RECORDS:
            message = f"a message holds at most {MAX_RECORDS} records"
            raise MalformedFrame(message)
        check_shape(request.body, [bytes] * len(request.body))
        verdicts = []
        for record in [open_record(signed) for signed in request.body]:
            verdict = await self._intake.take(
                record, request.sender, source=source, correlation_id=request.nonce.hex()
            )
            subject = ulid_bytes(record.peer_id)
            held = self._contradiction(record, verdict) if record.peer_id == request.sender else b""
            verdicts.append([subject, record.subject_version, verdict.value, held])
        return verdicts

    def _contradiction(self, record: PeerRecord, verdict: Verdict) -> bytes:
        if verdict not in (Verdict.STALE, Verdict.EQUIVOCATION, Verdict.REMOVED_HERE):
            return b""
        known = self._book.standing(record.peer_id)
        is_older = known is None or (not known.left and known.version < record.subject_version)
        return b"" if is_older else self._book.signed_record(record.peer_id) or b""

    def _key_of(self, peer_id: PeerId) -> PublicKey | None:
        peer = self._local.views.peers.get(peer_id)
        return None if peer is None or peer.is_local else peer.public_key

    def _respond(self, frame: bytes, recipient: PeerId, kind: str, body: list[Any]) -> bytes:
        response = Message(
            kind=kind, sender=self._local.peer.peer_id, recipient=recipient, body=body
        )
        return seal_response(self._local.signer, response, frame)
