"""
What other agents send, and what this one makes of it.

A known peer delivers records. Every record is verified on its own, whoever brings it; then the
write side decides what it changes. The answer says for each record what became of it, signed, and
only after the change is on disk: it is what the sender's cursor moves on.

An active peer may pass on anybody's record. A peer that was removed here, or has left, may only
speak of itself, and of its leaving at that: everything else is acknowledged and changes nothing,
so that it stops asking. A sender that is unknown here is told so, unsigned in effect, since it has
no key for the answer to matter to.
"""

import logging
from typing import Any

from membership.commands.bus import CommandBus
from membership.commands.messages import ObserveRecord, Origin
from membership.domain.events import Actor
from membership.domain.peer import Peer
from membership.domain.record import PeerRecord, Verdict
from membership.domain.values import PeerId, PublicKey, ulid_bytes
from membership.peering.envelope import Message, UnknownSender, open_request, seal_response
from membership.peering.local import LocalAgent
from membership.peering.records import open_record
from membership.peering.wire import MalformedFrame, check_shape

RECORDS = "records"
VERDICTS = "verdicts"
REFUSED = "refused"
MAX_RECORDS = 128

log = logging.getLogger(__name__)


class Inbox:
    """Opens messages of known peers and carries out what they ask."""

    def __init__(self, local: LocalAgent, bus: CommandBus) -> None:
        self._local = local
        self._bus = bus

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
            return self._respond(frame, unknown.peer_id, REFUSED, ["unknown_sender"]), None
        if request.kind != RECORDS:
            body = ["unknown_kind"]
            return self._respond(frame, request.sender, REFUSED, body), request.sender
        verdicts = await self._take(request, source)
        return self._respond(frame, request.sender, VERDICTS, verdicts), request.sender

    async def _take(self, request: Message, source: str) -> list[Any]:
        if len(request.body) > MAX_RECORDS:
            message = f"a message holds at most {MAX_RECORDS} records"
            raise MalformedFrame(message)
        check_shape(request.body, [bytes] * len(request.body))
        records = [open_record(signed) for signed in request.body]
        return [
            [ulid_bytes(record.peer_id), record.subject_version, verdict.value]
            for record in records
            for verdict in [await self._observe(record, request, source)]
        ]

    async def _observe(self, record: PeerRecord, request: Message, source: str) -> Verdict:
        sender = self._local.views.peers.get(request.sender)
        if sender is None or not _may_bring(sender, record):
            return Verdict.REMOVED_HERE
        origin = Origin(
            actor=Actor(kind="peer", id=request.sender),
            occurred_at_us=record.issued_at_us,
            source=source,
            correlation_id=request.nonce.hex(),
        )
        receipt = await self._bus.submit(ObserveRecord(record=record), origin)
        verdict = Verdict(str(receipt.result))
        if verdict in (Verdict.IDENTITY_CONFLICT, Verdict.EQUIVOCATION):
            log.warning("%s: a record of %s from %s", verdict, record.peer_id, request.sender)
        return verdict

    def _key_of(self, peer_id: PeerId) -> PublicKey | None:
        peer = self._local.views.peers.get(peer_id)
        return None if peer is None or peer.is_local else peer.public_key

    def _respond(self, frame: bytes, recipient: PeerId, kind: str, body: list[Any]) -> bytes:
        response = Message(
            kind=kind, sender=self._local.peer.peer_id, recipient=recipient, body=body
        )
        return seal_response(self._local.signer, response, frame)


def _may_bring(sender: Peer, record: PeerRecord) -> bool:
    return sender.is_active or (record.left and record.peer_id == sender.peer_id)
