"""The bus: first the listeners, then whoever asked."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from membership.commands.bus import CommandBus, Writer
from membership.commands.messages import Command, EnsureRoom, Receipt, RenamePeer, Request
from membership.commands.processor import Processed
from membership.domain.errors import PeerNotFound
from membership.domain.events import RecordedEvent
from membership.store.errors import StoreUnavailable
from membership.store.writer import InlineWriter, ThreadedWriter, WriterStopped
from tests.commands.write_side import WriteSide, admit, founded
from tests.domain.histories import ANN, BOB, LOCAL

NAMED = RenamePeer(peer_id=LOCAL, name="named")


def _inline(side: WriteSide) -> CommandBus:
    return CommandBus(lambda settle: InlineWriter(side.processor.process, settle))


def _threaded(side: WriteSide) -> CommandBus:
    def start(settle: Callable[..., None]) -> Writer:
        return ThreadedWriter(side.processor.process, settle)

    return CommandBus(start)


@dataclass(slots=True)
class _HeldWriter:
    """Holds requests back until they are let go, as a slow disk does."""

    settle: Callable[[Processed, Sequence["asyncio.Future[object]"]], None]
    side: WriteSide
    held: list[tuple[Request, "asyncio.Future[object]"]] = field(default_factory=list)

    def put(self, work: Request) -> "asyncio.Future[object]":
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self.held.append((work, future))
        return future

    async def stop(self) -> None:
        self.let_go()

    def let_go(self) -> None:
        held, self.held = self.held, []
        processed = self.side.processor.process([work for work, _ in held])
        self.settle(processed, [future for _, future in held])


def _held(side: WriteSide) -> tuple[CommandBus, _HeldWriter]:
    writers: list[_HeldWriter] = []

    def start(settle: Callable[..., None]) -> Writer:
        writers.append(_HeldWriter(settle, side))
        return writers[0]

    return CommandBus(start), writers[0]


async def _asked(bus: CommandBus, *commands: Command) -> list["asyncio.Task[Receipt]"]:
    """Return the tasks of callers, each of whom has asked."""
    tasks = [asyncio.create_task(bus.submit(command)) for command in commands]
    await asyncio.sleep(0)
    return tasks


async def test_a_caller_is_answered_with_what_was_recorded() -> None:
    for start in (_inline, _threaded):
        side = founded()
        bus = start(side)
        receipt = await bus.submit(admit(ANN))
        assert list(receipt.events) == side.events()[3:]
        with pytest.raises(PeerNotFound):
            await bus.submit(RenamePeer(peer_id=BOB.peer_id, name="x"))
        side.recorder.breaks_before = True
        with pytest.raises(StoreUnavailable):
            await bus.submit(admit(BOB))
        await bus.stop()


async def test_listeners_have_heard_before_anybody_is_answered() -> None:
    side = founded()
    bus, writer = _held(side)
    bus.subscribe(side.views.apply)
    seen: list[bool] = []

    async def ask() -> None:
        await bus.submit(admit(ANN))
        seen.append(side.views.peers.get(ANN.peer_id) is not None)

    tasks = [asyncio.create_task(ask())]
    await asyncio.sleep(0)
    assert side.views.peers.get(ANN.peer_id) is None
    writer.let_go()
    assert side.views.peers.get(ANN.peer_id) is not None
    assert not seen, "the view is first, in the same turn of the loop"
    await asyncio.gather(*tasks)
    assert seen == [True]


async def test_listeners_hear_in_the_order_in_which_they_came_of_what_happened_alone() -> None:
    side = founded()
    bus = _inline(side)
    heard: list[tuple[str, Sequence[RecordedEvent]]] = []
    bus.subscribe(lambda events: heard.append(("first", events)))
    bus.subscribe(lambda events: heard.append(("second", events)))
    await bus.submit(EnsureRoom())
    with pytest.raises(PeerNotFound):
        await bus.submit(RenamePeer(peer_id=BOB.peer_id, name="x"))
    assert heard == []
    receipt = await bus.submit(NAMED)
    assert heard == [("first", receipt.events), ("second", receipt.events)]


async def test_a_caller_that_is_cancelled_has_asked_all_the_same() -> None:
    side = founded()
    bus, writer = _held(side)
    bus.subscribe(side.views.apply)
    gone, refused, stays = await _asked(
        bus, admit(ANN), RenamePeer(peer_id=BOB.peer_id, name="x"), NAMED
    )
    for task in (gone, refused):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    writer.let_go()
    assert len((await stays).events) == 1
    assert [event.event.stored_as for event in side.events()[3:]] == [
        "peer.added.v1",
        "peer.renamed.v1",
    ]
    assert side.views.peers.get(ANN.peer_id) is not None


async def test_a_listener_that_fails_leaves_nobody_waiting(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With a writer on a thread of its own, every caller of that batch would wait for ever."""
    for start in (_inline, _threaded):
        side = founded()
        bus = start(side)

        def explode(_: object) -> None:
            message = "the views are at 3, the event at 5"
            raise ValueError(message)

        bus.subscribe(explode)
        with caplog.at_level(logging.ERROR), pytest.raises(ValueError, match="the views are at 3"):
            await asyncio.wait_for(bus.submit(admit(ANN)), 10)
        assert "could not be published" in caplog.text
        assert len(side.events()) == 4, "it was recorded"
        await bus.stop()


async def test_a_bus_that_was_stopped_takes_no_more() -> None:
    for start in (_inline, _threaded):
        bus = start(founded())
        await bus.stop()
        with pytest.raises(WriterStopped):
            await bus.submit(NAMED)


async def test_what_was_asked_before_the_end_is_carried_out() -> None:
    side = founded()
    bus = _threaded(side)
    tasks = await _asked(bus, admit(ANN), admit(BOB), NAMED)
    await bus.stop()
    assert [len((await task).events) for task in tasks] == [1, 1, 1]
    assert len(side.events()) == 6


async def test_an_answer_that_is_no_receipt_is_a_bug() -> None:
    bus, writer = _held(founded())
    [task] = await _asked(bus, EnsureRoom())
    [(_, future)] = writer.held
    future.set_result("done")
    with pytest.raises(TypeError, match="receipts"):
        await task
