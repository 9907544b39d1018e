"""One signed message to one peer, and its signed answer."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from membership.commands.ports import Clock, Randomness
from membership.domain.peer import Peer
from membership.domain.record import Verdict
from membership.domain.values import PeerId, ulid_bytes
from membership.peering.envelope import REQUEST_NONCE_BYTES, Message, open_response, seal_request
from membership.peering.health import Health
from membership.peering.local import LocalAgent
from membership.peering.transport import MESSAGE_PATH, Transport, TransportFailed
from membership.peering.wire import MalformedFrame, check_shape

RECORDS, VERDICTS, REFUSED = "records", "verdicts", "refused"
UNKNOWN_SENDER, NOT_A_MEMBER, UNKNOWN_KIND = "unknown_sender", "not_a_member", "unknown_kind"
_EXPLANATIONS = {
    UNKNOWN_SENDER: "it does not know this agent; add this agent there",
    NOT_A_MEMBER: "it does not count this agent as a peer; add this agent there",
    UNKNOWN_KIND: "it does not understand what it is asked; it may be of an older version",
}
US_PER_MS = 1_000


class DeliveryFailed(Exception):
    """A peer did not acknowledge; the message says why."""


class Messenger:
    """
    Sends requests to known peers at the addresses of their newest records.

    Args:
        on_forgotten: Called when a peer says, signed, that it does not know this agent.
    """

    def __init__(
        self,
        local: LocalAgent,
        transport: Transport,
        health: Health,
        *,
        clock: Clock,
        randomness: Randomness,
        on_forgotten: Callable[[PeerId], None],
    ) -> None:
        self._local = local
        self._transport = transport
        self._health = health
        self._clock = clock
        self._randomness = randomness
        self._on_forgotten = on_forgotten

    async def tell(self, peer_id: PeerId, own_record: bytes) -> bytes:
        """
        Deliver this agent's record; return the one that the peer would not give up for it.

        That is another record of this agent, of the same version or a newer one, or no bytes.

        Raises:
            DeliveryFailed: There was no signed acknowledgement.
        """
        verdicts = await self.ask(peer_id, RECORDS, [own_record], VERDICTS)
        try:
            [verdict] = verdicts
            check_shape(verdict, (bytes, int, str, bytes))
            subject, _, text, held = verdict
            Verdict(text)
        except (ValueError, MalformedFrame):
            subject = held = b""
        if subject != ulid_bytes(self._local.peer.peer_id):
            message = "its acknowledgement makes no sense"
            raise DeliveryFailed(message)
        answer: bytes = held
        return answer

    async def ask(
        self, peer_id: PeerId, kind: str, body: Sequence[Any], expected: str
    ) -> list[Any]:
        """
        Send a request and return the body of its signed response.

        Raises:
            DeliveryFailed: No answer, a bad one, or a refusal.
        """
        peer = self._local.views.peers.get(peer_id)
        if peer is None:
            message = "it is not known here any more"
            raise DeliveryFailed(message)
        sent_s = asyncio.get_running_loop().time()
        try:
            response = await self._exchange(peer, kind, body)
        except DeliveryFailed as failure:
            self._health.failed(peer_id, str(failure))
            raise
        self._health.answered(peer_id, asyncio.get_running_loop().time() - sent_s)
        if response.kind != expected:
            self._refused(peer_id, response)
        return response.body

    def _refused(self, peer_id: PeerId, response: Message) -> NoReturn:
        reason = response.body[0] if response.kind == REFUSED and response.body else ""
        if reason == UNKNOWN_SENDER:
            self._on_forgotten(peer_id)
        explanation = _EXPLANATIONS.get(str(reason), "its answer is none to what it was asked")
        self._health.refused(peer_id, explanation)
        raise DeliveryFailed(explanation)

    async def _exchange(self, peer: Peer, kind: str, body: Sequence[Any]) -> Message:
        request = Message(
            kind=kind,
            sender=self._local.peer.peer_id,
            recipient=peer.peer_id,
            body=list(body),
            sent_at_ms=self._clock.now_us() // US_PER_MS,
            nonce=self._randomness.token(REQUEST_NONCE_BYTES),
        )
        frame = seal_request(self._local.signer, request)
        try:
            answer = await self._transport.post(peer.claimed_address, MESSAGE_PATH, frame)
            key = (peer.peer_id, peer.public_key)
            return open_response(answer, frame, key, request.sender)
        except TransportFailed as failure:
            raise DeliveryFailed(str(failure)) from None
        except MalformedFrame as failure:
            message = f"what answers there is not this peer: {failure}"
            raise DeliveryFailed(message) from None
