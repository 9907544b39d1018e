"""
One thread that reads.

What reads much of the log, or computes over it, is handed to a reader, one piece of work at a time.
So state that only such work touches, the Merkle tree for one, needs no lock, a caller that stops
waiting leaves nothing half-done, and a crowd of auditors takes no threads from anybody else.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

T = TypeVar("T")


class Reader(Protocol):
    """Something that carries out blocking work, one piece after the other."""

    async def run(self, work: Callable[[], T]) -> T:
        """Return what *work* returns, or raise what it raises."""

    async def stop(self) -> None:
        """Finish what was begun."""


class ThreadedReader:
    """Works on a thread of its own."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reader")

    async def run(self, work: Callable[[], T]) -> T:
        """Return what *work* returns, or raise what it raises."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    async def stop(self) -> None:
        """Finish what was begun, and end the thread."""
        await asyncio.to_thread(self._executor.shutdown)


class InlineReader:
    """
    Works at once, on the caller's thread.

    For the simulator, as `membership.store.writer.InlineWriter`.
    """

    async def run(self, work: Callable[[], T]) -> T:
        """Return what *work* returns, or raise what it raises."""
        return work()

    async def stop(self) -> None:
        """Nothing is under way, nothing to stop."""
