"""The node limit under fire: many adds at once, the real writer, the real disk."""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from membership.commands.bus import CommandBus, Writer
from membership.commands.messages import Command, EnsureRoom
from membership.domain.admission import Admission
from membership.domain.errors import MembershipError
from membership.store.sqlite import SQLiteRecorder
from membership.store.writer import ThreadedWriter
from tests.commands.write_side import WriteSide, admit, founded, reserve
from tests.domain.histories import record_of
from tests.store.logs import FaultyRecorder

ADDS, LIMIT = 500, 120


def _start(side: WriteSide) -> CommandBus:
    def start(settle: Callable[..., None]) -> Writer:
        return ThreadedWriter(side.processor.process, settle)

    bus = CommandBus(start)
    bus.subscribe(side.views.apply)
    return bus


async def _outcome(bus: CommandBus, command: Command) -> str:
    try:
        await bus.submit(command)
    except MembershipError as refusal:
        return type(refusal).__name__
    return "done"


async def _outcomes(side: WriteSide, *commands: Command) -> Counter[str]:
    bus = _start(side)
    outcomes = await asyncio.gather(*(_outcome(bus, command) for command in commands))
    await bus.stop()
    return Counter(outcomes)


async def test_exactly_as_many_are_seated_as_the_licence_allows(tmp_path: Path) -> None:
    recorder = FaultyRecorder(SQLiteRecorder(tmp_path / "membership.db"))
    side = founded(recorder, max_nodes=LIMIT)
    commands = [admit(record_of(f"peer {number}")) for number in range(ADDS)]
    outcomes = await _outcomes(side, *commands)
    assert outcomes == {"done": LIMIT - 1, "NodeLimitExceeded": ADDS - LIMIT + 1}
    assert len(side.store.seats()) == len(side.views.peers) == LIMIT
    assert recorder.writes < 20, "many adds share a transaction"
    side.check()
    side.store.close()


async def test_whoever_comes_twice_is_seated_once(tmp_path: Path) -> None:
    side = founded(FaultyRecorder(SQLiteRecorder(tmp_path / "membership.db")), max_nodes=LIMIT)
    records = [record_of(f"peer {number % 50}") for number in range(ADDS)]
    outcomes = await _outcomes(side, *map(admit, records))
    assert outcomes == {"done": 50, "PeerAlreadyInCluster": ADDS - 50}
    side.check()
    side.store.close()


async def test_seats_that_are_kept_are_never_given_to_others(tmp_path: Path) -> None:
    """Every add reserves first, as an initiator does, while others come in from outside."""
    side = founded(FaultyRecorder(SQLiteRecorder(tmp_path / "membership.db")), max_nodes=LIMIT)
    bus = _start(side)

    async def add(number: int) -> str:
        record, name = record_of(f"mine {number}"), f"{number}"
        reserved = await _outcome(bus, reserve(name, record))
        if reserved == "done":
            assert await _outcome(bus, admit(record, reservation=name)) == "done"
        return reserved

    strangers = [
        _outcome(bus, admit(record_of(f"other {number}"), Admission.INBOUND))
        for number in range(ADDS // 2)
    ]
    outcomes = await asyncio.gather(*map(add, range(ADDS // 2)), *strangers)
    assert Counter(outcomes) == {"done": LIMIT - 1, "NodeLimitExceeded": ADDS - LIMIT + 1}
    assert await _outcome(bus, EnsureRoom()) == "NodeLimitExceeded"
    await bus.stop()
    side.check()
    side.store.close()
