"""
Answers that go on for long: written piece by piece, to readers that may stall.

What is on its way to one reader is bounded: the next piece is made when the one before it has left
for the socket. A reader that takes nothing for a minute is cut off, and when the agent stops, one
that takes nothing at that moment.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from aiohttp import web

from membership.api.answers import REQUEST_ID as REQUEST_ID_HEADER
from membership.api.answers import stream_headers
from membership.api.arrivals import REQUEST_ID

STALLED_S = 60.0
FAREWELL_S = 0.5
PIECE_BYTES = 32_768

log = logging.getLogger(__name__)


class Streams:
    """
    The streams of an application, which it ends together.

    Args:
        stalled_s: How long a reader may take nothing.
    """

    def __init__(self, stalled_s: float = STALLED_S) -> None:
        self._stalled_s = stalled_s
        self._writes: set[asyncio.Timeout] = set()

    def cut(self) -> None:
        """Give up on everybody who does not read right now."""
        now_s = asyncio.get_running_loop().time()
        for write in self._writes:
            write.reschedule(now_s)

    @contextlib.asynccontextmanager
    async def opened(
        self, request: web.Request, content_type: str
    ) -> AsyncIterator[web.StreamResponse]:
        """
        Begin an answer, and end it properly, or else so that the reader notices.

        What goes wrong inside ends here: the status has been sent, nothing else can be answered.
        """
        response = web.StreamResponse(headers=stream_headers(content_type))
        response.headers[REQUEST_ID_HEADER] = request[REQUEST_ID]
        await response.prepare(request)
        try:
            yield response
            async with asyncio.timeout(FAREWELL_S):
                await response.write_eof()
        except (ConnectionError, TimeoutError):
            _abort(request)
        except Exception:
            log.exception("request %s: its stream broke off", request[REQUEST_ID])
            _abort(request)

    async def write(self, response: web.StreamResponse, piece: bytes) -> None:
        """Send a piece; raises `TimeoutError` when the reader takes nothing."""
        async with asyncio.timeout(self._stalled_s) as write:
            self._writes.add(write)
            try:
                await response.write(piece)
            finally:
                self._writes.discard(write)


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
