"""
`GET /v1/history/stream`: the history as it happens, as server-sent events.

Each connection has a position and nothing else. It pulls what is behind it out of the history, as
fast as its reader takes it; so nothing is lost when it lags, nothing comes twice, and a reader
that comes back with `Last-Event-ID` goes on exactly where it was, after whatever time.

Without a position it begins with the present. A line of comment every 15 seconds of silence tells
both sides that the other one is still there. A stream ends when the agent stops, when its token
expires, or with its `until`; that of a restored log, shorter than what the reader has seen, is
refused, since waiting for its end would miss what is written there anew.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

from aiohttp import web

from membership.api import history_schema
from membership.api.arrivals import GRANT, instant, parameters
from membership.api.context import ApiContext
from membership.api.guard import requires
from membership.api.history_query import FOLLOW_PARAMETERS, after_in, facet_in
from membership.api.scopes import AUDIT_READ
from membership.api.streams import PIECE_BYTES, Streams
from membership.domain.history import Entry, Facet
from membership.domain.values import UnixUs
from projections.runner import TAIL_ENTRIES, IndexBehind

EVENT_STREAM = "text/event-stream"
LAST_EVENT_ID = "Last-Event-ID"
HEARTBEAT_S = 15.0
HEARTBEAT = b": still here\n\n"
RETRY_MS = 2_000
ENTRIES_A_PULL = 256


class HistoryStream:
    """
    Streams the history to any number of readers.

    Args:
        heartbeat_s: How long a stream may be silent.
    """

    def __init__(
        self, context: ApiContext, streams: Streams, heartbeat_s: float = HEARTBEAT_S
    ) -> None:
        self._context = context
        self._history = context.history
        self._streams = streams
        self._heartbeat_s = heartbeat_s
        self._frames: dict[int, bytes] = {}

    @requires(AUDIT_READ)
    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Answer the entries that match behind a position, and go on as they come."""
        given = parameters(request, FOLLOW_PARAMETERS)
        facet, until_us = facet_in(given), instant(given, "until")
        position = await self._start(request, given)
        async with self._streams.opened(request, EVENT_STREAM) as response:
            await self._streams.write(response, f"retry: {RETRY_MS}\n\n".encode())
            async for entries in self._followed(request, facet, position):
                wanted = [e for e in entries if until_us is None or _recorded_us(e) < until_us]
                for piece in self._pieces(wanted) if entries else (HEARTBEAT,):
                    await self._streams.write(response, piece)
                if len(wanted) < len(entries) or (not entries and self._is_over(until_us)):
                    break
        return response

    async def _start(self, request: web.Request, given: Mapping[str, str]) -> int:
        """Return the position to begin behind; a reader that comes back says it in a header."""
        end = self._history.end
        seen = request.headers.get(LAST_EVENT_ID)
        if seen:
            return after_in({LAST_EVENT_ID: seen}, end, LAST_EVENT_ID) or 0
        after, since_us = after_in(given, end), instant(given, "since")
        if since_us is None:
            return end if after is None else after
        return max(after or 0, await self._history.position_before(since_us))

    async def _followed(
        self, request: web.Request, facet: Facet, position: int
    ) -> AsyncIterator[Sequence[Entry]]:
        """Yield the next entries again and again, and no entries when it was silent for long."""
        loop, runner = asyncio.get_running_loop(), self._history.runner
        heartbeat_at_s = loop.time() + self._heartbeat_s
        while not self._has_to_end(request):
            with contextlib.suppress(IndexBehind):
                entries, position = await self._history.follow(facet, position, ENTRIES_A_PULL)
                if entries or loop.time() >= heartbeat_at_s:
                    yield entries
                    heartbeat_at_s = loop.time() + self._heartbeat_s
                    continue
            await runner.beyond(position, max(0.0, heartbeat_at_s - loop.time()))

    def _has_to_end(self, request: web.Request) -> bool:
        is_expired = self._context.clock.now_us() >= request[GRANT].expires_at_us
        return is_expired or self._history.runner.is_stopping

    def _is_over(self, until_us: UnixUs | None) -> bool:
        # With some patience: what was recorded before that moment may be on its way to the disk.
        silence_us = int(self._heartbeat_s * 1_000_000)
        return until_us is not None and self._context.clock.now_us() >= until_us + silence_us

    def _pieces(self, entries: Sequence[Entry]) -> Iterator[bytes]:
        """Yield what to send, in pieces of a bounded size."""
        piece: list[bytes] = []
        size = 0
        for entry in entries:
            frame = self._frame(entry)
            piece.append(frame)
            size += len(frame)
            if size >= PIECE_BYTES:
                yield b"".join(piece)
                piece, size = [], 0
        if piece:
            yield b"".join(piece)

    def _frame(self, entry: Entry) -> bytes:
        """Return an entry as it goes to every reader; made once while it is new."""
        position = entry.recorded.position
        frame = self._frames.get(position)
        if frame is None:
            data = history_schema.encode_entry(entry)
            frame = b"id: %d\nevent: %s\ndata: %s\n\n" % (position, entry.type.encode(), data)
            if len(self._frames) >= TAIL_ENTRIES:
                del self._frames[next(iter(self._frames))]
            self._frames[position] = frame
        return frame


def _recorded_us(entry: Entry) -> UnixUs:
    return entry.recorded.metadata.recorded_at_us
