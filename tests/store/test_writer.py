"""Writers: in the order in which they came, each with its own result, and none after the end."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

import pytest

from membership.store.writer import MAX_BATCH, InlineWriter, ThreadedWriter, WriterStopped

Writer = ThreadedWriter[int, list[int]] | InlineWriter[int, list[int]]


@dataclass(slots=True)
class Desk:
    """
    Doubles numbers, and remembers how they came.

    Attributes:
        gate: Processing waits for it, as for a slow disk.
    """

    batches: list[Sequence[int]] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)
    gate: threading.Event = field(default_factory=threading.Event)

    def process(self, batch: Sequence[int]) -> list[int]:
        self.gate.wait(10)
        self.batches.append(batch)
        self.threads.add(threading.get_ident())
        return [2 * number for number in batch]

    def settle(self, results: list[int], futures: Sequence["asyncio.Future[object]"]) -> None:
        assert asyncio.get_running_loop(), "results are settled on the loop"
        for future, result in zip(futures, results, strict=True):
            future.set_result(result)


@pytest.fixture
def desk() -> Desk:
    """Return a desk that is open."""
    desk = Desk()
    desk.gate.set()
    return desk


@pytest.fixture(params=[ThreadedWriter, InlineWriter])
async def writer(request: pytest.FixtureRequest, desk: Desk) -> AsyncIterator[Writer]:
    """Yield a writer of each kind."""
    kind: Callable[..., Writer] = request.param
    writer = kind(desk.process, desk.settle)
    yield writer
    desk.gate.set()
    await writer.stop()


async def test_every_piece_of_work_gets_its_own_result(writer: Writer) -> None:
    futures = [writer.put(number) for number in range(100)]
    assert await asyncio.gather(*futures) == [2 * number for number in range(100)]


async def test_work_is_processed_in_the_order_in_which_it_came(writer: Writer, desk: Desk) -> None:
    await asyncio.gather(*(writer.put(number) for number in range(100)))
    assert [number for batch in desk.batches for number in batch] == list(range(100))


async def test_a_writer_takes_nothing_after_its_end(writer: Writer, desk: Desk) -> None:
    future = writer.put(1)
    await writer.stop()
    assert await future == 2
    with pytest.raises(WriterStopped):
        writer.put(2)
    await writer.stop()
    assert desk.batches == [[1]]


async def test_work_that_piles_up_is_one_batch() -> None:
    desk = Desk()
    writer: ThreadedWriter[int, list[int]] = ThreadedWriter(desk.process, desk.settle)
    futures = [writer.put(number) for number in range(3 * MAX_BATCH)]
    desk.gate.set()
    await asyncio.gather(*futures)
    sizes = [len(batch) for batch in desk.batches]
    assert sum(sizes) == 3 * MAX_BATCH
    assert max(sizes) == MAX_BATCH
    assert len(sizes) <= 4, "the first one may have begun before the others came"
    await writer.stop()


async def test_work_is_done_beside_the_loop() -> None:
    desk = Desk()
    writer: ThreadedWriter[int, list[int]] = ThreadedWriter(desk.process, desk.settle)
    future = writer.put(1)
    await asyncio.sleep(0)
    assert not future.done(), "the loop goes round while the writer waits for its disk"
    desk.gate.set()
    assert await future == 2
    assert threading.get_ident() not in desk.threads
    await writer.stop()


async def test_what_is_queued_is_finished_before_the_end() -> None:
    desk = Desk()
    writer: ThreadedWriter[int, list[int]] = ThreadedWriter(desk.process, desk.settle)
    futures = [writer.put(number) for number in range(1_000)]
    stopping = asyncio.create_task(writer.stop())
    await asyncio.sleep(0)
    assert not stopping.done()
    desk.gate.set()
    await stopping
    assert [future.result() for future in futures] == [2 * number for number in range(1_000)]
    assert not any(thread.name == "writer" for thread in threading.enumerate())


async def test_whoever_stops_waiting_for_the_end_does_not_take_it_from_others() -> None:
    """A cancelled stop cancelled what every other one waits for, and the thread's last call."""
    desk = Desk()
    writer: ThreadedWriter[int, list[int]] = ThreadedWriter(desk.process, desk.settle)
    future = writer.put(1)
    impatient, patient = (asyncio.create_task(writer.stop()) for _ in range(2))
    await asyncio.sleep(0)
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    desk.gate.set()
    await patient
    assert future.result() == 2
