"""
Refusals between agents: one side's error becomes the other side's error, with the same code.

On the wire a refusal is `["refused", code, reason, details]`. It carries no signature: whoever
could forge one could as well drop the answer. So it can end a handshake, and change nothing.
"""

from typing import Any

from membership.domain.errors import (
    HandshakeFailed,
    LicenseExpired,
    LicenseMismatch,
    LocalPeerDeactivated,
    MembershipError,
    NodeLimitExceeded,
    PeerAlreadyInCluster,
)
from membership.peering.wire import MalformedFrame, pack, unpack

REFUSED = "refused"
_SHAPE = (str, str, str, dict)
_MAX_TEXT_CHARS = 128
_MISMATCH, _LIMIT, _EXPIRED, _FAILED = "license_mismatch", "node_limit", "license_expired", "failed"

EXPLANATIONS = {
    "already_there": "the remote agent has another active peer with our identity, key or address",
    "bad_proof": "the remote agent could not verify that this agent holds its licence",
    "bad_signature": "the remote agent could not verify this agent's signature",
    "busy": "the remote agent has too many handshakes under way; try again in a few seconds",
    "deactivated": "the agent there has left its cluster for good; it needs a new identity "
    "(membership init --new-identity)",
    "deactivated_there": "the remote agent knows that this agent's identity has left for good; it "
    "needs a new one (membership init --new-identity)",
    "expired": "the handshake took longer than its 10 seconds; try again",
    "explicit": "that agent takes only peers that an operator names, not discovered ones",
    "key_changed": "the remote agent knows this identity with another key, and keys never change",
    "removed": "this agent was removed there; an operator of that agent has to add it again",
    "unavailable": "the remote agent cannot write to its disk now; try again later",
    "wrong_protocol": "the agents share no version of the protocol, or it is no agent",
}
"""Sub-reasons of `HANDSHAKE_FAILED` that a remote agent may give, as sentences."""


class HandshakeRefused(Exception):
    """The responder's own refusals; *reason* is one of `EXPLANATIONS`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def encode_refusal(error: MembershipError | HandshakeRefused) -> bytes:
    """Return the frame that tells the other side why."""
    match error:
        case LicenseMismatch():
            return _frame(_MISMATCH, "", {"cluster_id": error.details["cluster_id_here"]})
        case NodeLimitExceeded():
            return _frame(_LIMIT, "", {"limit": error.limit})
        case LicenseExpired():
            return _frame(_EXPIRED, "", {"expired_at": error.details["expired_at"]})
        case LocalPeerDeactivated():
            return _frame(_FAILED, "deactivated", {})
        case PeerAlreadyInCluster():
            return _frame(_FAILED, "already_there", {})
        case HandshakeFailed(reason="deactivated"):
            return _frame(_FAILED, "deactivated_there", {})
        case HandshakeFailed() | HandshakeRefused():
            return _frame(_FAILED, error.reason, {})
    return _frame(_FAILED, "wrong_protocol", {})


def _frame(code: str, reason: str, details: dict[str, Any]) -> bytes:
    return pack([REFUSED, code, reason, details])


def is_refusal(frame: bytes) -> bool:
    """Return whether *frame* begins like a refusal."""
    return frame.startswith(pack([REFUSED, "", "", {}])[: 2 + len(REFUSED)])


def decode_refusal(frame: bytes, cluster_id_here: str) -> MembershipError:
    """
    Return the error to raise here for the remote side's refusal.

    Nothing of the remote side's text is repeated but what fits the shape of its code, since
    whoever answers at an address need not be an agent.

    Raises:
        MalformedFrame: It is none.
    """
    _, code, reason, details = unpack(frame, _SHAPE)
    match code:
        case "license_mismatch":
            return LicenseMismatch(cluster_id_here, _text(details, "cluster_id"))
        case "node_limit":
            limit = details.get("limit")
            return NodeLimitExceeded(limit if isinstance(limit, int) else 0, where="remote")
        case "license_expired":
            return LicenseExpired(_text(details, "expired_at"), where="remote")
    explanation = EXPLANATIONS.get(reason)
    if explanation is None:
        message = "the refusal has no known reason"
        raise MalformedFrame(message)
    return HandshakeFailed(reason, explanation)


def _text(details: dict[Any, Any], key: str) -> str:
    value = details.get(key)
    if not isinstance(value, str) or not value.isprintable() or not value.isascii():
        return ""
    return value[:_MAX_TEXT_CHARS]
