"""What carries frames between agents: HTTP between machines, memory in the simulator."""

from typing import Protocol

from membership.domain.values import Address

HELLO_PATH = "/peer/v1/hello"
FINISH_PATH = "/peer/v1/finish"
MESSAGE_PATH = "/peer/v1/message"

EXPLANATIONS = {
    "address_refused": "this agent's settings or rules do not let it connect there",
    "overloaded": "that agent cannot take it now; try again later",
    "refused": "nothing listens there",
    "reset": "the connection broke",
    "timeout": "no answer within 5 seconds",
    "tls": "the connection could not be secured",
    "unreachable": "there is no way to that host from here",
    "unresolved": "the host name cannot be resolved",
    "wrong_protocol": "what answers there is no agent of this protocol",
}
"""Why a frame got no answer, as sentences; the keys are stable sub-reasons."""


class TransportFailed(Exception):
    """A frame got no answer; *reason* is one of `EXPLANATIONS`."""

    def __init__(self, reason: str) -> None:
        super().__init__(EXPLANATIONS[reason])
        self.reason = reason


class Transport(Protocol):
    """Sends one frame and waits for the answer."""

    async def post(self, address: Address, path: str, frame: bytes) -> bytes:
        """Return the answer to *frame*, at most `MAX_FRAME_BYTES`; raises `TransportFailed`."""


class Endpoint(Protocol):
    """Answers frames that arrive."""

    async def handle(self, path: str, frame: bytes, source: str) -> bytes:
        """Return the answer; raises `MalformedFrame`. *source* is the sender's network address."""
