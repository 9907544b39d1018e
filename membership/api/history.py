"""The history: a page of it, all of it as JSON Lines, and what differs between two moments."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from aiohttp import web

from membership.api import history_schema, schema
from membership.api.answers import LOG_POSITION, answer
from membership.api.arrivals import parameters, ulid_in_path
from membership.api.context import ApiContext
from membership.api.errors import NotFound
from membership.api.guard import requires
from membership.api.history_query import (
    LIST_PARAMETERS,
    NDJSON,
    facet_in,
    query_in,
    wait_in,
    wants_json_lines,
)
from membership.api.moments import position_of
from membership.api.paging import link_next
from membership.api.scopes import AUDIT_READ
from membership.api.streams import Streams
from membership.domain.errors import InvalidField
from membership.domain.history import Entry, Facet
from projections.history_reader import HistoryQuery, Page

LINES_A_PIECE = 500
JITTER = 1 / 16
_OF_PEER = LIST_PARAMETERS - {"peer"}
_DIFF = frozenset({"from", "to"})


class _Body(NamedTuple):
    """A page in bytes; *last* is the position of its last entry, None when there is none."""

    entries: list[bytes]
    last: int | None
    is_more: bool
    position: int


class HistoryEndpoints:
    """Answers out of the history; nothing that it says can be changed any more."""

    def __init__(self, context: ApiContext, streams: Streams) -> None:
        self._context = context
        self._history = context.history
        self._streams = streams

    @requires(AUDIT_READ)
    async def list_history(self, request: web.Request) -> web.StreamResponse:
        """Answer the entries that match."""
        given = parameters(request, LIST_PARAMETERS)
        return await self._listed(request, given, facet_in(given))

    @requires(AUDIT_READ)
    async def list_history_of_peer(self, request: web.Request) -> web.StreamResponse:
        """Answer the entries that involve a peer, present or gone."""
        given, peer_id = parameters(request, _OF_PEER), ulid_in_path(request)
        if self._context.views.peers.get(peer_id) is None:
            message = "no peer with this id was ever recorded here"
            raise NotFound(message)
        return await self._listed(request, given, facet_in(given, peer_id))

    @requires(AUDIT_READ)
    async def difference(self, request: web.Request) -> web.Response:
        """Answer which peers and services were added, removed or changed between two moments."""
        given = parameters(request, _DIFF)
        if "from" not in given:
            raise InvalidField("from", "it is missing; give a position, or a time")
        start = await position_of(self._context, given, "from")
        end = self._context.views.position
        if "to" in given:
            end = await position_of(self._context, given, "to")
        if start > end:
            raise InvalidField("from", f"position {start} is behind position {end}, where it ends")
        times = [await self._history.recorded_at(position) for position in (start, end)]
        body = await self._history.difference(
            start, end, lambda found: history_schema.encode_difference(found, *times)
        )
        response = answer(body)
        response.headers[LOG_POSITION] = str(end)
        return response

    async def _listed(
        self, request: web.Request, given: Mapping[str, str], facet: Facet
    ) -> web.StreamResponse:
        is_feed = wants_json_lines(request, given)
        query = query_in(given, facet, self._history.end, is_feed=is_feed)
        if is_feed:
            return await self._json_lines(request, query, is_whole="limit" not in given)
        body = await self._awaited(query, wait_in(given))
        response = answer(schema.json_array(body.entries))
        response.headers[LOG_POSITION] = str(body.position)
        if body.is_more and body.last is not None:
            bound = "before" if query.newest_first else "after"
            link_next(request, response, **{bound: body.last})
        return response

    async def _awaited(self, query: HistoryQuery, wait_s: float) -> _Body:
        """Return a page; when there is nothing, look again until there is, or time is up."""
        loop, runner = asyncio.get_running_loop(), self._history.runner
        # Clients that began together shall not come back together.
        jitter_s = self._context.randomness.uniform(0.0, wait_s * JITTER)
        deadline_s = loop.time() + wait_s + jitter_s
        render = partial(_render, history_schema.encode_entry)
        while True:
            body = await self._history.page(query, render)
            left_s = deadline_s - loop.time()
            if body.entries or left_s <= 0 or runner.is_stopping:
                return body
            await runner.beyond(body.position, left_s)

    async def _json_lines(
        self, request: web.Request, query: HistoryQuery, *, is_whole: bool
    ) -> web.StreamResponse:
        local_id = self._context.views.peers.local.peer_id
        render = partial(_render, partial(history_schema.encode_cloud_event, local_id=local_id))
        end = self._context.views.position
        query = replace(query, before=min(query.before or end + 1, end + 1))
        if is_whole:
            query = replace(query, limit=LINES_A_PIECE)
        body = await self._history.page(query, render)
        async with self._streams.opened(request, NDJSON) as response:
            while body.last is not None:
                await self._streams.write(response, b"\n".join([*body.entries, b""]))
                if not (is_whole and body.is_more):
                    break
                if self._history.runner.is_stopping:
                    # Cut off, so that nobody takes it for the whole.
                    raise ConnectionAbortedError
                query = query.behind(body.last)
                body = await self._history.page(query, render)
        return response


def _render(encode: Callable[[Entry], bytes], page: Page) -> _Body:
    last = page.entries[-1].recorded.position if page.entries else None
    return _Body([encode(entry) for entry in page.entries], last, page.is_more, page.position)
