"""
The index of the history keeps up with the log while the agent runs.

**Order.** New events are on disk and in the views before this module hears of them. A poke says no
more than that there are some; the index pulls them out of the log, in order, on a thread of its
own, and remembers how far it is. It does so at once when somebody waits for it, and else within
half a second, so that a burst of writes costs a few large transactions and not many small ones.

**Waiting.** A question waits until the index is where the log was when it was asked, so that
whoever wrote finds what it wrote. While the index is made anew that takes too long, and the
question is refused with `IndexBehind`, which says how far it is.

**Failure.** An index that contradicts itself is thrown away, and made anew out of the log. A disk
that does not serve is asked again after a second. Neither touches the log or the writes.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence

from membership.domain.events import RecordedEvent
from membership.domain.history import Entry, IndexDamaged
from projections.indexer import Indexer

CATCH_UP_S = 2.0
IDLE_S = 0.5
RETRY_S = 1.0
TAIL_ENTRIES = 1_024
PROGRESS_EVENTS = 100_000

log = logging.getLogger(__name__)


class IndexBehind(Exception):
    """The index has not caught up with the log yet; *position* of *end* events are in it."""

    def __init__(self, position: int, end: int) -> None:
        super().__init__(f"the index of the history is at {position:,} of {end:,} events")
        self.position = position
        self.end = end


class IndexRunner:
    """
    Runs an indexer on the event loop.

    Args:
        end: Returns the last position of the log.

    Attributes:
        position: The last position that is in the index.
        tail: The newest entries, without a gap up to *position*.
        generation: Counts the indexes that were thrown away.
        waiting: How many wait for news.
    """

    def __init__(self, indexer: Indexer, *, end: Callable[[], int]) -> None:
        self._indexer = indexer
        self.end = end
        self.position = 0
        self.tail: deque[Entry] = deque(maxlen=TAIL_ENTRIES)
        self.generation = 0
        self._is_damaged = False
        self.waiting = 0
        self._poked = asyncio.Event()
        self._wanted = asyncio.Event()
        self._moved = asyncio.Event()
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_stopping(self) -> bool:
        """Whether those who wait are to give up: the agent is stopping."""
        return self._stopping.is_set()

    def start(self) -> None:
        """Open the index and follow the log from now on."""
        self._task = asyncio.create_task(self._run(), name="history")

    def release(self) -> None:
        """Let everybody who waits go, with what there is."""
        self._stopping.set()
        for event in (self._moved, self._poked, self._wanted):
            event.set()

    async def stop(self) -> None:
        """End after the step that is under way, and close the index."""
        self.release()
        if self._task is not None:
            await self._task
        await asyncio.to_thread(self._indexer.close)

    def poke(self, _: Sequence[RecordedEvent] = ()) -> None:
        """Hear that the log has grown."""
        self._poked.set()
        if self.waiting:
            self._wanted.set()

    async def beyond(self, position: int, timeout_s: float) -> None:
        """Return when the index is beyond *position*, after *timeout_s*, or when stopping."""
        self.waiting += 1
        try:
            async with asyncio.timeout(timeout_s):
                while self.position <= position and not self.is_stopping:
                    await self._next_move()
        except TimeoutError:
            pass
        finally:
            self.waiting -= 1

    async def caught_up(self) -> None:
        """Return when the index has everything that the log has now; raises `IndexBehind`."""
        end = self.end()
        if self.position < end:
            await self.beyond(end - 1, CATCH_UP_S)
        if self.position < end:
            raise IndexBehind(self.position, end)

    def condemn(self, damage: IndexDamaged) -> None:
        """Have the index thrown away and made anew."""
        log.warning("the index of the history is made anew, since it is damaged: %s", damage)
        self._is_damaged = True
        self.generation += 1
        self.position = 0
        self.tail.clear()
        self._poked.set()
        self._wanted.set()

    async def _next_move(self) -> None:
        if self.position < self.end():
            self._poked.set()
            self._wanted.set()
        await self._moved.wait()

    async def _run(self) -> None:
        is_open = is_failing = False
        while not self.is_stopping:
            try:
                is_open = is_open or await self._open()
                await self._step()
            except IndexDamaged as damage:
                self.condemn(damage)
            except Exception:
                # Said once, and tried until it works: the disk may be full for hours.
                if not is_failing:
                    log.exception("the index of the history cannot follow the log now")
                is_failing = True
                await _wait(self._stopping, RETRY_S)
            else:
                is_failing = False

    async def _open(self) -> bool:
        trouble = await asyncio.to_thread(self._indexer.open)
        if trouble:
            log.warning("the index of the history is made anew: %s", trouble)
        self._move_to(self._indexer.position)
        return True

    async def _step(self) -> None:
        if self._is_damaged:
            await asyncio.to_thread(self._indexer.begin_anew)
            self._is_damaged = False
        generation = self.generation
        entries = await asyncio.to_thread(self._indexer.step)
        if generation != self.generation:
            return
        if entries:
            self.tail.extend(entries)
            self._move_to(entries[-1].recorded.position)
        else:
            await self._until_wanted()

    def _move_to(self, position: int) -> None:
        if position // PROGRESS_EVENTS > self.position // PROGRESS_EVENTS:
            log.info("the index of the history is at %d of %d events", position, self.end())
        self.position = position
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def _until_wanted(self) -> None:
        await self._poked.wait()
        self._poked.clear()
        await _wait(self._wanted, IDLE_S)
        self._wanted.clear()


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        pass
