"""
How fast a healed cluster agrees, and what an idle one costs.

A full mesh of real agents is split in two halves; in both of them agents are renamed and one
leaves, which the other half cannot hear. Then the network heals. Counted are the rounds of
anti-entropy, 10 seconds each, until every single agent knows everything, and the frames that it
took. Before that the mesh is left alone for a while, and its traffic counted.
"""

import argparse
import asyncio
import logging
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rich.console import Console
from rich.progress import track
from rich.table import Table

from membership.commands.messages import LeaveCluster, RenamePeer
from membership.peering.anti_entropy import ROUND_S
from membership.wiring.core import Agent
from tests.peering.virtual_time import run_in_virtual_time
from tests.simulation.hosts import Host
from tests.simulation.promises import active_peers
from tests.simulation.stage import OPERATOR, Stage, set_up

IDLE_S = 600.0
SPLIT_S = 300.0
POLL_S = 1.0
SETTLED_S = 3_600.0
RENAMED_SHARE = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Convergence:
    """
    One trial; *rounds* has one entry an agent, *frames* counts those of all agents.

    Attributes:
        meshed_s: Seconds from a chain of adds to a full mesh.
        idle_bytes_per_s: What one agent of the idle mesh sends and receives.
    """

    rounds: Sequence[float]
    frames: int
    meshed_s: float
    idle_bytes_per_s: float
    idle_frames_per_s: float


async def _measure(seed: int, agents: int) -> Convergence:
    stage = await mesh_of(seed, agents)
    meshed_s = asyncio.get_running_loop().time()
    await _until(lambda: len({agent_of(h).peering.digest() for h in stage.hosts}) == 1)
    network = stage.network
    frames, bytes_ = network.carried, network.carried_bytes
    await asyncio.sleep(IDLE_S)
    idle_frames, idle_bytes = network.carried - frames, network.carried_bytes - bytes_
    await _change_both_halves(stage)
    frames = network.carried
    rounds = await _heal(stage)
    outcome = Convergence(
        rounds=rounds,
        frames=network.carried - frames,
        meshed_s=meshed_s,
        idle_bytes_per_s=2 * idle_bytes / IDLE_S / agents,
        idle_frames_per_s=2 * idle_frames / IDLE_S / agents,
    )
    for host in stage.hosts:
        await host.stop()
    return outcome


async def mesh_of(seed: int, agents: int) -> Stage:
    """Return a cluster that has grown from a chain of adds to a full mesh."""
    stage = set_up(seed, agents, max_nodes=agents)
    for host in stage.hosts:
        await host.start()
    for host, other in pairwise(stage.hosts):
        await agent_of(host).peering.add_peer(other.address, "", OPERATOR)
    await _until(lambda: all(len(active_peers(h)) == agents - 1 for h in stage.hosts))
    return stage


def agent_of(host: Host) -> Agent:
    """Return the agent that runs on a host."""
    assert host.agent is not None
    return host.agent


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SETTLED_S):
        while not condition():
            await asyncio.sleep(POLL_S)


async def _change_both_halves(stage: Stage) -> None:
    """Split the mesh; rename one agent in ten and let one leave on either side."""
    half = len(stage.hosts) // 2
    sides = stage.hosts[:half], stage.hosts[half:]
    stage.network.cut.update(
        pair for a in sides[0] for b in sides[1] for pair in _both(a.number, b.number)
    )
    for side in sides:
        for host in side[: max(1, len(side) // RENAMED_SHARE)]:
            command = RenamePeer(peer_id=host.peer_id, name=f"renamed {host.number}")
            await agent_of(host).bus.submit(command, OPERATOR)
        await agent_of(side[-1]).bus.submit(LeaveCluster(), OPERATOR)
    await asyncio.sleep(SPLIT_S)


def _both(one: int, other: int) -> tuple[tuple[int, int], tuple[int, int]]:
    return (one, other), (other, one)


async def _heal(stage: Stage) -> Sequence[float]:
    """Heal the network; return after how many rounds each agent knew everything."""
    loop = asyncio.get_running_loop()
    active = [host for host in stage.hosts if agent_of(host).local.peer.is_active]
    expected = _everything(active)
    stage.network.cut.clear()
    began_s = loop.time()
    rounds: list[float] = []
    waiting = active
    while waiting:
        assert loop.time() - began_s < SETTLED_S, "no agreement"
        await asyncio.sleep(POLL_S)
        waiting = [host for host in waiting if _known(host) != expected]
        settled = len(active) - len(waiting) - len(rounds)
        rounds += [(loop.time() - began_s) / ROUND_S] * settled
    return rounds


def _everything(active: Sequence[Host]) -> frozenset[tuple[str, str]]:
    return frozenset((h.peer_id, agent_of(h).local.peer.own_name) for h in active)


def _known(host: Host) -> frozenset[tuple[str, str]]:
    return frozenset((p.peer_id, p.own_name) for p in agent_of(host).views.peers.active())


def main(arguments: Sequence[str]) -> int:
    """Measure clusters of several sizes and print a table."""
    parser = argparse.ArgumentParser(prog="bin/simulate convergence", description=__doc__)
    parser.add_argument("--agents", default="10,100,300", help="sizes, with commas between")
    parser.add_argument("--trials", type=int, default=3)
    options = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    console = Console(stderr=True)
    table = Table("agents", "mesh", "rounds: mean", "p99", "frames", "idle B/s", "idle frames/s")
    for agents in map(int, options.agents.split(",")):
        began_s = time.monotonic()
        trials = [
            run_in_virtual_time(_measure(seed, agents))
            for seed in track(range(options.trials), f"{agents} agents", console=console)
        ]
        rounds = sorted(r for trial in trials for r in trial.rounds)
        table.add_row(
            str(agents),
            f"{statistics.mean(t.meshed_s for t in trials):.0f} s",
            f"{statistics.mean(rounds):.1f}",
            f"{rounds[int(len(rounds) * 0.99)]:.1f}",
            f"{statistics.mean(t.frames for t in trials):,.0f}",
            f"{statistics.mean(t.idle_bytes_per_s for t in trials):.0f}",
            f"{statistics.mean(t.idle_frames_per_s for t in trials):.2f}",
        )
        console.print(f"{agents} agents took {time.monotonic() - began_s:.0f} s")
    Console(file=sys.stdout, width=100).print(table)
    return 0
