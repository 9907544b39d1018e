"""
What a cluster asks of itself when something is wrong: one agent dead for long, all started at once.

Counted are frames: those that the living send to the dead one while each of them has news for it,
and those that all agents send after all of them were started in the same second. The ideal for an
outage is one probe per wait of the backoff, and nothing else.
"""

import argparse
import asyncio
import logging
import statistics
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from membership.commands.messages import RenamePeer
from tests.peering.virtual_time import run_in_virtual_time
from tests.simulation.convergence import agent_of, mesh_of
from tests.simulation.stage import OPERATOR, Stage

HOURS = (1, 2, 3, 4)
HOUR_S = 3_600.0
START_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """Frames to the dead agent from each of the others: the mean, hour by hour, and the peak."""

    frames_an_hour: Sequence[float]
    peak_frames_a_second: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Frames after all agents were started at once, all together."""

    frames_in_a_minute: int
    peak_frames_a_second: int


async def outage(agents: int) -> Outage:
    """Let the last agent die, give everybody news for it, and count for hours."""
    stage = await mesh_of(0, agents)
    dead = stage.hosts[-1]
    dead.crash()
    for host in stage.hosts[:-1]:
        command = RenamePeer(peer_id=host.peer_id, name=f"renamed {host.number}")
        await agent_of(host).bus.submit(command, OPERATOR)
    sent = _watch(stage, dead.number)
    hours = []
    for _ in HOURS:
        before = sum(sent.values())
        await asyncio.sleep(HOUR_S)
        hours.append((sum(sent.values()) - before) / (agents - 1))
    await _stop(stage)
    return Outage(frames_an_hour=hours, peak_frames_a_second=max(sent.values()))


async def start_at_once(agents: int) -> Start:
    """Kill all agents of a mesh, start all of them in one second, and count for a minute."""
    stage = await mesh_of(0, agents)
    for host in stage.hosts:
        host.crash()
    await asyncio.sleep(HOUR_S)
    sent = _watch(stage, None)
    for host in stage.hosts:
        await host.start()
    await asyncio.sleep(START_S)
    await _stop(stage)
    return Start(
        frames_in_a_minute=sum(sent.values()), peak_frames_a_second=max(sent.values(), default=0)
    )


def _watch(stage: Stage, receiver: int | None) -> Counter[int]:
    """Return a count of the frames a second from now on, to one host or to all."""
    counts: Counter[int] = Counter()
    address = None if receiver is None else stage.hosts[receiver].address
    loop = asyncio.get_running_loop()

    def count(to: str) -> None:
        if address in (None, to):
            counts[int(loop.time())] += 1

    stage.network.on_frame = count
    return counts


async def _stop(stage: Stage) -> None:
    for host in stage.hosts:
        await host.stop()


def main(arguments: Sequence[str]) -> int:
    """Measure clusters of several sizes and print a table."""
    parser = argparse.ArgumentParser(prog="bin/simulate storms", description=__doc__)
    parser.add_argument("--agents", default="10,50,100", help="sizes, with commas between")
    options = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    table = Table(
        *("agents", "frames to a dead agent from each, hour by hour", "their peak a second"),
        *("frames from each in the minute after a start", "their peak a second, all"),
    )
    for agents in map(int, options.agents.split(",")):
        dead = run_in_virtual_time(outage(agents))
        start = run_in_virtual_time(start_at_once(agents))
        table.add_row(
            str(agents),
            ", ".join(f"{frames:.0f}" for frames in dead.frames_an_hour)
            + f" (mean {statistics.mean(dead.frames_an_hour):.0f})",
            str(dead.peak_frames_a_second),
            f"{start.frames_in_a_minute / agents:.1f}",
            str(start.peak_frames_a_second),
        )
    Console(file=sys.stdout, width=100).print(table)
    return 0
