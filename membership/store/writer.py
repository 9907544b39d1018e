"""
One thread that writes.

Callers put work on a queue and wait for a future. The thread takes everything that has piled up
while the last commit was on its way to the disk, at most `MAX_BATCH`, and processes it as one
batch: group commit, without a timer, because the disk's own delay makes the batch. Results go
back to the event loop in one call, where they are published (to the views) before any waiting
caller is answered, so that whoever wrote reads its own write.

A caller that stops waiting does not stop its command: once queued, it is carried out.
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

MAX_BATCH = 512

W = TypeVar("W")
R = TypeVar("R")
Process = Callable[[Sequence[W]], R]
Settle = Callable[[R, Sequence["asyncio.Future[object]"]], None]


class WriterStopped(Exception):
    """The writer takes no more work: the agent is stopping."""


class ThreadedWriter(Generic[W, R]):
    """
    Processes work in batches on a thread of its own.

    Args:
        process: Called on the thread with a batch; must not raise.
        settle: Called on the loop with the result and the batch's futures, in batch order.
    """

    def __init__(self, process: Process[W, R], settle: Settle[R]) -> None:
        self._process = process
        self._settle = settle
        self._queue: queue.SimpleQueue[tuple[W, asyncio.Future[object]] | None]
        self._queue = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._loop = asyncio.get_running_loop()
        self._is_open = True
        self._stopped: asyncio.Future[None] = self._loop.create_future()
        self._thread.start()

    def put(self, work: W) -> "asyncio.Future[object]":
        """Queue *work*; the future is settled when its batch is. Raises `WriterStopped`."""
        if not self._is_open:
            raise WriterStopped
        future: asyncio.Future[object] = self._loop.create_future()
        self._queue.put((work, future))
        return future

    async def stop(self) -> None:
        """Finish what is queued, then end the thread."""
        if self._is_open:
            self._is_open = False
            self._queue.put(None)
        # Whoever stops waiting for the end does not take it from others.
        await asyncio.shield(self._stopped)
        self._thread.join()

    def _run(self) -> None:
        open_ = True
        while open_:
            batch = [self._queue.get()]
            while len(batch) < MAX_BATCH and not self._queue.empty():
                batch.append(self._queue.get())
            open_ = None not in batch
            pairs = [pair for pair in batch if pair is not None]
            if pairs:
                result = self._process([work for work, _ in pairs])
                futures = [future for _, future in pairs]
                self._loop.call_soon_threadsafe(self._settle, result, futures)
        self._loop.call_soon_threadsafe(self._stopped.set_result, None)


class InlineWriter(Generic[W, R]):
    """
    Processes each piece of work at once, on the caller's thread.

    For the simulator, where the disk is virtual and threads would make time real.
    """

    def __init__(self, process: Process[W, R], settle: Settle[R]) -> None:
        self._process = process
        self._settle = settle
        self._is_open = True

    def put(self, work: W) -> "asyncio.Future[object]":
        """Process *work* now. Raises `WriterStopped`."""
        if not self._is_open:
            raise WriterStopped
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._settle(self._process([work]), [future])
        return future

    async def stop(self) -> None:
        """Take no more work; nothing is queued."""
        self._is_open = False
