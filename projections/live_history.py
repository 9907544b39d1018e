"""
Questions to the history while the agent runs, and followers of it.

**Reading.** The index is brought up first, then a thread answers. When the index is thrown away
under a question, the answer is thrown away with it.

**Following.** Nobody has a queue here. A follower has a position and pulls what is behind it when
it is ready for more: from the newest entries, which are in memory once for all, or from the disk
when it is further behind. A slow one costs nobody else anything.
"""

import asyncio
from collections.abc import Callable, Sequence
from itertools import islice
from typing import TypeVar

from membership.domain.history import Entry, Facet, IndexDamaged
from membership.domain.values import StreamId, UnixUs
from projections.history_reader import HistoryQuery, HistoryReader, Page
from projections.past import Difference, Past, difference
from projections.runner import IndexBehind, IndexRunner

MAX_KEPT_PEERS = 20_000
"""Peers in all past views that are kept for the next question: auditors turn pages."""

T = TypeVar("T")


class History:
    """
    Answers on the event loop.

    Every question raises `IndexBehind` when the index does not catch up within two seconds.

    Attributes:
        runner: Keeps the index; tells when there is more.
    """

    def __init__(self, runner: IndexRunner, reader: HistoryReader) -> None:
        self.runner = runner
        self._reader = reader
        # A past view may be large: one is made at a time.
        self._one_past = asyncio.Lock()
        self._pasts: dict[tuple[int, int], Past] = {}

    @property
    def end(self) -> int:
        """The last position that anybody was shown: what is indexed may not be in the views yet."""
        return max(self.runner.end(), self.runner.position)

    async def page(self, query: HistoryQuery, render: Callable[[Page], T]) -> T:
        """Return the entries that match, as *render* makes them, which runs on a thread."""
        return await self._ask(lambda: render(self._reader.page(query)))

    async def past(self, position: int) -> Past:
        """Return the views as of *position*."""
        async with self._one_past:
            key = (self.runner.generation, position)
            past = self._pasts.pop(key, None)
            if past is None:
                past = await self._ask(lambda: self._reader.past(position))
            self._pasts[key] = past
            self._forget_oldest()
        return past

    def _forget_oldest(self) -> None:
        while sum(len(past.peers) for past in self._pasts.values()) > MAX_KEPT_PEERS:
            del self._pasts[next(iter(self._pasts))]

    async def past_around(self, position: int, subject_id: StreamId) -> Past:
        """Return the views as of *position* of one peer, or one service and its peers."""
        return await self._ask(lambda: self._reader.past_around(position, subject_id))

    async def difference(self, start: int, end: int, render: Callable[[Difference], T]) -> T:
        """Return what differs between the lists as of two positions, as *render* makes it."""
        before, after = await self.past(start), await self.past(end)
        return await asyncio.to_thread(lambda: render(difference(before, after)))

    async def position_before(self, at_us: UnixUs) -> int:
        """Return the last position that was recorded before *at_us*, 0 for none; needs no index."""
        end = self.runner.end()
        return await asyncio.to_thread(self._reader.position_before, at_us, end)

    async def recorded_at(self, position: int) -> UnixUs:
        """Return when the event at *position* was recorded; needs no index."""
        event = await asyncio.to_thread(self._reader.event, position)
        return event.metadata.recorded_at_us

    async def follow(self, facet: Facet, after: int, limit: int) -> tuple[Sequence[Entry], int]:
        """
        Return the next entries behind *after* that match, without waiting for any.

        Returns:
            Up to *limit* entries, and the position up to which there are no others.
        """
        runner = self.runner
        if runner.position <= after:
            return (), after
        tail = runner.tail
        if tail and tail[0].recorded.position <= after + 1:
            behind = islice(tail, after + 1 - tail[0].recorded.position, None)
            entries: Sequence[Entry] = list(islice(filter(facet.matches, behind), limit))
            is_more, position = len(entries) == limit, runner.position
        else:
            query = HistoryQuery(facet=facet, after=after, limit=limit)
            page = await self._answer(lambda: self._reader.page(query))
            entries, is_more, position = page.entries, page.is_more, page.position
        return entries, entries[-1].recorded.position if is_more else position

    async def _ask(self, question: Callable[[], T]) -> T:
        await self.runner.caught_up()
        return await self._answer(question)

    async def _answer(self, question: Callable[[], T]) -> T:
        runner = self.runner
        generation = runner.generation
        try:
            answer = await asyncio.to_thread(question)
        except IndexDamaged as damage:
            if generation == runner.generation:
                runner.condemn(damage)
            raise IndexBehind(runner.position, runner.end()) from damage
        if generation != runner.generation:
            raise IndexBehind(runner.position, runner.end())
        return answer
