"""The frames of a handshake and of messages, made one by one, so that a test can spoil each."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from membership.domain.values import PeerId
from membership.peering import handshake, handshake_frames
from membership.peering.envelope import (
    Message,
    open_request,
    open_response,
    seal_request,
    seal_response,
)
from membership.peering.handshake import INITIATOR, Role
from membership.peering.refusals import decode_refusal, is_refusal
from membership.peering.transport import FINISH_PATH, HELLO_PATH, MESSAGE_PATH
from membership.peering.wire import PROTOCOL_VERSION, pack
from membership.proof.signing import Signer
from tests.peering.two_agents import START_US, Agent, Post

NONCE = b"\x4e" * 32
ATTACKER = "10.6.6.6"


def hello_of(
    agent: Agent,
    responder: Agent,
    *,
    record: bytes | None = None,
    versions: Sequence[Any] = (PROTOCOL_VERSION,),
    intent: str = "operator",
    nonce: bytes = NONCE,
) -> bytes:
    """Return the hello with which *agent* begins."""
    signed = agent.local.record() if record is None else record
    return pack(["hello", list(versions), nonce, intent, responder.address, signed])


async def challenge_by(responder: Agent, hello: bytes) -> bytes:
    """Return what *responder* answers to a hello."""
    return await responder.peering.endpoint.handle(HELLO_PATH, hello, ATTACKER)


def finish_of(
    agent: Agent,
    hello: bytes,
    challenge: bytes,
    *,
    signer: Signer | None = None,
    secret: bytes | None = None,
    role: Role = INITIATOR,
) -> bytes:
    """Return the finish with which *agent* completes the handshake."""
    opened = handshake_frames.open_challenge(challenge)
    transcript = handshake.transcript_of(hello, opened.nonce, opened.record.signed)
    proof = handshake.make_proof(
        signer or agent.local.signer, role, secret or agent.local.license_secret, transcript
    )
    return handshake_frames.encode_finish(hello, challenge, proof)


async def finish_at(responder: Agent, finish: bytes) -> bytes:
    """Return what *responder* answers to a finish."""
    return await responder.peering.endpoint.handle(FINISH_PATH, finish, ATTACKER)


def reason_of(answer: bytes) -> str:
    """Return the sub-reason of a refusal, or its class; empty when it is none."""
    if not is_refusal(answer):
        return ""
    error = decode_refusal(answer, "00")
    return str(getattr(error, "reason", type(error).__name__))


def request_of(
    sender: Agent,
    recipient: PeerId,
    body: Sequence[Any],
    *,
    kind: str = "records",
    signer: Signer | None = None,
    claims_to_be: PeerId | None = None,
    nonce: bytes = b"\x6e" * 16,
) -> bytes:
    """Return a request frame; *claims_to_be* replaces the sender's id."""
    message = Message(
        kind=kind,
        sender=claims_to_be or sender.peer_id,
        recipient=recipient,
        body=list(body),
        sent_at_ms=START_US // 1_000,
        nonce=nonce,
    )
    return seal_request(signer or sender.local.signer, message)


async def message_at(recipient: Agent, frame: bytes) -> bytes:
    """Return what *recipient* answers to a request frame."""
    return await recipient.peering.endpoint.handle(MESSAGE_PATH, frame, ATTACKER)


async def deliver(sender: Agent, recipient: Agent, records: Sequence[bytes]) -> Sequence[Any]:
    """Deliver records, verify the answer as *sender* does, and return its kind and body."""
    frame = request_of(sender, recipient.peer_id, records)
    answer = await message_at(recipient, frame)
    peer = recipient.local.peer
    key = (peer.peer_id, peer.public_key)
    response = open_response(answer, frame, key, sender.peer_id)
    return [response.kind, *response.body]


async def verdict(sender: Agent, recipient: Agent, record: bytes) -> str:
    """Deliver one record and return what became of it."""
    kind, *body = await deliver(sender, recipient, [record])
    return str(body[0][2]) if kind == "verdicts" else str(body[0])


def lies(one: Agent, two: Agent, bodies: Mapping[str, list[Any]]) -> Callable[[Post, bytes], bytes]:
    """Return what answers one's messages to two with these bodies, by kind, signed by two."""

    def answer(post: Post, honest: bytes) -> bytes:
        if (post.sender, post.address, post.path) != (one.number, two.address, MESSAGE_PATH):
            return honest
        key = one.local.peer.public_key
        request = open_request(post.frame, two.peer_id, lambda _: key)
        if request.kind not in bodies:
            return honest
        lie = Message(
            kind=request.kind,
            sender=two.peer_id,
            recipient=one.peer_id,
            body=bodies[request.kind],
        )
        return seal_response(two.local.signer, lie, post.frame)

    return answer
