"""The history of a running agent: its index beside the log, fed whenever the log grows."""

import contextlib
from collections.abc import AsyncIterator

from membership.api.schema import encode_peer
from membership.store.data_directory import DataDirectory
from membership.store.event_store import EventStore
from membership.store.history_index import HistoryIndex
from membership.system import SystemRandomness
from membership.wiring.core import Agent
from projections.history_reader import HistoryReader
from projections.indexer import Indexer
from projections.live_history import History
from projections.runner import IndexRunner


def history_index(directory: DataDirectory) -> HistoryIndex:
    """Return the index of a data directory, which is yet to be opened."""
    return HistoryIndex(directory.history, SystemRandomness().token)


@contextlib.asynccontextmanager
async def running_history(
    directory: DataDirectory, store: EventStore, agent: Agent
) -> AsyncIterator[History]:
    """
    Keep the index of the history up with the log.

    It is opened, or made anew if it has to be, in the background: however long that takes, the
    agent answers everything else meanwhile.
    """
    index, views = history_index(directory), agent.views
    runner = IndexRunner(Indexer(store, index), end=lambda: views.position)
    agent.bus.subscribe(runner.poke)
    runner.start()
    try:
        yield History(runner, HistoryReader(store, index, encode_peer))
    finally:
        await runner.stop()
