"""Events by their positions, out of every recorder."""

from collections.abc import Callable
from pathlib import Path

import pytest

from membership.store.event_store import EventStore
from membership.store.memory import MemoryRecorder
from membership.store.rows import Batch
from membership.store.sqlite import SQLiteRecorder
from tests.properties.histories import Story

RECORDERS: list[Callable[[Path], MemoryRecorder | SQLiteRecorder]] = [
    lambda _: MemoryRecorder(),
    lambda directory: SQLiteRecorder(directory / "membership.db"),
]


@pytest.mark.parametrize("recorder", RECORDERS, ids=["memory", "sqlite"])
@pytest.mark.parametrize("positions", [[], [1], [7, 2, 5], [2, 2], [3, 900], [0], range(1, 10)])
def test_events_are_picked_in_the_order_of_the_log(
    tmp_path: Path,
    recorder: Callable[[Path], MemoryRecorder | SQLiteRecorder],
    positions: list[int],
) -> None:
    story = Story()
    for who in range(5):
        story.tell(("add", who, 0, 1))
        story.tell(("label", who, 2, 1))
    store, events = EventStore(recorder(tmp_path)), story.events()
    store.append(Batch(events=events))
    picked = store.events_at(positions)
    assert picked == [e for e in events if e.position in positions]
    store.close()
