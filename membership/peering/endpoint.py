"""Where frames arrive: one function for every path, whatever carries them."""

from membership.peering.anti_entropy import AntiEntropy
from membership.peering.broadcaster import Broadcaster
from membership.peering.inbox import Inbox
from membership.peering.responder import Responder
from membership.peering.transport import FINISH_PATH, HELLO_PATH, MESSAGE_PATH
from membership.peering.wire import MalformedFrame


class PeerEndpoint:
    """Answers the three kinds of frames."""

    def __init__(
        self,
        responder: Responder,
        inbox: Inbox,
        broadcaster: Broadcaster,
        anti_entropy: AntiEntropy,
    ) -> None:
        self._responder = responder
        self._inbox = inbox
        self._broadcaster = broadcaster
        self._anti_entropy = anti_entropy

    async def handle(self, path: str, frame: bytes, source: str) -> bytes:
        """
        Return the answer to a frame.

        Raises:
            MalformedFrame: It is none of this protocol.
            StoreUnavailable: What it asks cannot be written now.
        """
        if path == HELLO_PATH:
            return self._responder.hello(frame)
        if path == FINISH_PATH:
            return await self._responder.finish(frame, source)
        if path == MESSAGE_PATH:
            answer, sender = await self._inbox.receive(frame, source)
            if sender is not None:
                self._broadcaster.sign_of_life(sender)
                self._anti_entropy.sign_of_life(sender)
            return answer
        message = "there is no such path"
        raise MalformedFrame(message)
