"""
Measure what a cluster costs, with real agents on loopback.

    bin/bench cluster [--agents N …] [--trials N] [--idle S] [--outage S] [--json FILE]

For each size: one agent adds all the others, which become a mesh; agents leave, one after the
other, and a fresh one joins for each; then all traffic goes through counting proxies, and there is
quiet, an outage of one agent that all others have news for, and a start of all agents at once.
"""

import argparse
import asyncio
import json
import os
import platform
import signal
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench.live_cluster import AT_ONCE, LiveCluster, cluster_in, start
from tests.bench.meter import Meter, Traffic
from tests.e2e.agents import AgentProcess

STORM_S = 60.0
LEAVE_S = 120.0
MESSAGES = Console(stderr=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """
    One agent left.

    Attributes:
        answered_ms: How long its `DELETE /v1/peers/self` took.
        recorded_ms: From its answer until the last other agent had recorded it, by its own event.
        listed_ms: From its answer until the last other one was seen to list one peer fewer.
    """

    answered_ms: float
    recorded_ms: float
    listed_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Everything that was measured of one size of cluster; see `rows_of`."""

    agents: int
    memory_mb: float
    started_s: float
    added_s: float
    leaves: Sequence[Leave]
    idle: Traffic
    outage: Traffic
    caught_up_s: float
    told_s: float
    storm: Traffic
    storm_ready_s: float


async def measure(directory: Path, count: int, options: argparse.Namespace) -> Cost:
    """Measure one size of cluster."""
    async with AsyncExitStack() as stack:
        began_s = time.monotonic()
        cluster = await stack.enter_async_context(cluster_in(directory, count))
        started_s = time.monotonic() - began_s
        say(f"{count} agents: forming the cluster")
        began_s = time.monotonic()
        await cluster.form()
        added_s = time.monotonic() - began_s
        leaves = [await _leave(cluster, number) for number in range(options.trials)]
        say(f"{count} agents: moving behind the meter")
        meter = Meter()
        stack.callback(meter.close)
        await cluster.move_behind(meter)
        idle = await _idle(meter, count, options.idle)
        outage, caught_up_s, told_s = await _outage(cluster, meter, options.outage)
        storm, storm_ready_s = await _storm(cluster, meter)
        return Cost(
            agents=count,
            memory_mb=cluster.memory_mb(),
            started_s=started_s,
            added_s=added_s,
            leaves=leaves,
            idle=idle,
            outage=outage,
            caught_up_s=caught_up_s,
            told_s=told_s,
            storm=storm,
            storm_ready_s=storm_ready_s,
        )


async def _leave(cluster: LiveCluster, number: int) -> Leave:
    """Let the last agent leave, and a fresh one join in its place."""
    say(f"{len(cluster.agents)} agents: leave {number + 1}")
    leaver, others = cluster.agents[-1], cluster.agents[:-1]
    own_id = (await leaver.local())["id"]
    began_s = time.monotonic()
    status, _ = await leaver.call("DELETE", "/v1/peers/self")
    answered_s, answered_at_s = time.monotonic(), time.time()
    assert status == 200
    await _until_all_know(others, own_id)
    listed_s = time.monotonic()
    recorded_at_s = [await _recorded_at_s(agent, own_id) for agent in others]
    await leaver.kill()
    cluster.agents.remove(leaver)
    [fresh] = cluster.create(1)
    await start([fresh])
    await cluster.agents[0].add(fresh)
    await cluster.until_mesh()
    return Leave(
        answered_ms=(answered_s - began_s) * 1_000,
        recorded_ms=max(0.0, max(recorded_at_s) - answered_at_s) * 1_000,
        listed_ms=(listed_s - answered_s) * 1_000,
    )


async def _until_all_know(agents: Sequence[AgentProcess], gone_id: str) -> None:
    slots = asyncio.Semaphore(AT_ONCE)

    async def still_lists(agent: AgentProcess) -> bool:
        async with slots:
            return gone_id in await agent.peers()

    async with asyncio.timeout(LEAVE_S):
        left = list(agents)
        while left:
            lists = await asyncio.gather(*map(still_lists, left))
            left = [agent for agent, does in zip(left, lists, strict=True) if does]


async def _recorded_at_s(agent: AgentProcess, gone_id: str) -> float:
    _, peer = await agent.call("GET", f"/v1/peers/{gone_id}?include_inactive=true")
    return datetime.fromisoformat(peer["deactivated_at"]).timestamp()


async def _idle(meter: Meter, count: int, seconds: float) -> Traffic:
    say(f"{count} agents: {seconds:.0f} s of quiet")
    meter.begin()
    await asyncio.sleep(seconds)
    return meter.read()


async def _outage(
    cluster: LiveCluster, meter: Meter, seconds: float
) -> tuple[Traffic, float, float]:
    """Kill one agent, give all others news for it, and count what they ask of it."""
    say(f"{len(cluster.agents)} agents: {seconds:.0f} s without one of them")
    *others, victim = cluster.agents
    await victim.kill()
    meter.begin()
    for agent in others:
        await agent.rename(f"renamed {agent.data_dir.name}")
    await asyncio.sleep(max(0.0, seconds - meter.read().seconds))
    outage = meter.read(int(victim.address.rpartition(":")[2]))
    began_s = time.monotonic()
    await start([victim])
    await cluster.until_mesh()
    caught_up_s = time.monotonic() - began_s
    await cluster.until_told()
    return outage, caught_up_s, time.monotonic() - began_s


async def _storm(cluster: LiveCluster, meter: Meter) -> tuple[Traffic, float]:
    """Kill all agents, start them at once, and count their first minute."""
    say(f"{len(cluster.agents)} agents: all started at once")
    await cluster.kill()
    meter.begin()
    ready_s = await start(cluster.agents)
    # A minute from the last one's start, so that nobody's first minute is cut short.
    await asyncio.sleep(STORM_S)
    return meter.read(), ready_s


def say(words: str) -> None:
    """Tell what is going on."""
    MESSAGES.print(words, style="dim")


def rows_of(cost: Cost) -> dict[str, str]:
    """Return what was measured, in words and figures."""
    others = cost.agents - 1
    outage, storm, idle = cost.outage, cost.storm, cost.idle
    recorded = sorted(leave.recorded_ms for leave in cost.leaves)
    listed = sorted(leave.listed_ms for leave in cost.leaves)
    answered = sorted(leave.answered_ms for leave in cost.leaves)
    storm_s = storm.seconds
    return {
        "memory of an agent": f"{cost.memory_mb:.0f} MB",
        "all started": f"{cost.started_s:.1f} s",
        "one adds all, until the mesh is full": f"{cost.added_s:.1f} s",
        "leave: answered": _median_and_worst(answered),
        "leave: recorded by all others": _median_and_worst(recorded),
        "leave: seen in all lists": _median_and_worst(listed),
        "idle: bytes/s of the cluster": f"{idle.carried_bytes / idle.seconds:,.0f}",
        "idle: bytes/s of an agent": f"{idle.carried_bytes / idle.seconds / cost.agents:,.0f}",
        "idle: requests/s of an agent": f"{len(idle.requests) / idle.seconds / cost.agents:.2f}",
        "outage: seconds": f"{outage.seconds:.0f}",
        "outage: requests to the dead one": f"{len(outage.requests)}, peak {outage.peak_per_s}/s",
        "outage: of each other agent": f"{len(outage.requests) / others:.1f}",
        "outage: back, and knows all after": f"{cost.caught_up_s:.1f} s",
        "outage: each has told it itself after": f"{cost.told_s:.1f} s",
        "start at once: all ready after": f"{cost.storm_ready_s:.1f} s",
        "start at once: requests": f"{len(storm.requests)} in {storm_s:.0f} s",
        "start at once: peak": f"{storm.peak_per_s}/s",
        "start at once: of each agent": f"{len(storm.requests) / cost.agents:.1f}",
    }


def _median_and_worst(milliseconds: Sequence[float]) -> str:
    if not milliseconds:
        return "-"
    return f"{statistics.median(milliseconds):,.0f} ms, worst {max(milliseconds):,.0f}"


def table_of(costs: Sequence[Cost]) -> Table:
    """Return a column for each size."""
    table = Table("", *(f"{cost.agents} agents" for cost in costs))
    columns = [rows_of(cost) for cost in costs]
    for name in columns[0]:
        table.add_row(name, *(column[name] for column in columns))
    return table


async def _measure_all(options: argparse.Namespace) -> Sequence[Cost]:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGHUP):
        # Cancelled, it kills its agents on its way out.
        loop.add_signal_handler(number, task.cancel)
    costs = []
    for count in options.agents:
        with tempfile.TemporaryDirectory(prefix=".bench-", dir=Path.cwd()) as directory:
            costs.append(await measure(Path(directory), count, options))
    return costs


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bin/bench cluster", description=__doc__)
    parser.add_argument("--agents", type=int, nargs="+", default=[10, 50])
    parser.add_argument("--trials", type=int, default=5, help="how many agents leave")
    parser.add_argument("--idle", type=float, default=60.0, metavar="S")
    parser.add_argument("--outage", type=float, default=180.0, metavar="S")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    costs = asyncio.run(_measure_all(options))
    machine = f"{platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    Console(width=100).print(table_of(costs), machine)
    if options.json:
        results: dict[str, Any] = {"machine": machine, "costs": [asdict(cost) for cost in costs]}
        options.json.write_text(json.dumps(results, indent=2))
