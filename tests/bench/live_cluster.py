"""A cluster of many agents, each a process with a data directory of its own, on loopback."""

import asyncio
import contextlib
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.meter import Meter
from tests.e2e.agents import AgentProcess, eventually, issue_license

SPARE_SEATS = 50
START_S = 300.0
MESH_S = 1_800.0
POLL_S = 0.5
AT_ONCE = 16
_PAGE_BYTES = 4_096


@dataclass(slots=True)
class LiveCluster:
    """Agents by number of their creation; an agent that left is taken out of the list."""

    directory: Path
    license_file: Path
    agents: list[AgentProcess] = field(default_factory=list)
    _created: int = 0

    def create(self, count: int) -> Sequence[AgentProcess]:
        """Return new agents that are not running yet."""
        made = []
        for _ in range(count):
            self._created += 1
            data_dir = self.directory / f"agent-{self._created}"
            made.append(AgentProcess(data_dir, self.license_file, "--name", data_dir.name))
        self.agents += made
        return made

    async def kill(self) -> None:
        """Kill every agent."""
        await asyncio.gather(*(agent.kill() for agent in self.agents))

    async def form(self) -> None:
        """Let the first agent add all others, and wait for the mesh."""
        first, *others = self.agents
        for other in others:
            await first.add(other)
        await self.until_mesh()

    async def until_mesh(self) -> None:
        """Wait until every agent lists every other one, and all know the same."""
        for agent in self.agents:
            await eventually(lambda agent=agent: self._lists_all(agent), MESH_S, POLL_S)
        await eventually(self._know_the_same, MESH_S, POLL_S)

    async def until_told(self) -> None:
        """Wait until every agent has acknowledged what each other one had to tell it."""
        for agent in self.agents:
            await eventually(lambda agent=agent: _has_told(agent), MESH_S, POLL_S)

    async def _lists_all(self, agent: AgentProcess) -> bool:
        return len(await agent.peers()) == len(self.agents)

    async def _know_the_same(self) -> bool:
        digest = (await self.agents[0].status())["digest"]
        for agent in self.agents:
            # The first that differs decides: to ask a hundred agents is work for them.
            if (await agent.status())["digest"] != digest:
                return False
        return True

    async def move_behind(self, meter: Meter) -> None:
        """Start every agent again, with an address that is the meter's."""
        await self.kill()
        for number, agent in enumerate(self.agents):
            port = int(agent.address.rpartition(":")[2])
            advertised = f"127.0.0.1:{await meter.put_before(port)}"
            moved = AgentProcess(agent.data_dir, None, "--advertise", advertised)
            moved.address = agent.address
            self.agents[number] = moved
        await start(self.agents)
        await self.until_mesh()
        await self.until_told()

    def memory_mb(self) -> float:
        """Return the median of what an agent has in memory."""
        return statistics.median(
            int(Path(f"/proc/{agent.process.pid}/statm").read_text().split()[1]) * _PAGE_BYTES / 1e6
            for agent in self.agents
        )


async def _has_told(agent: AgentProcess) -> bool:
    return not any(peer["is_behind"] for peer in (await agent.status())["peers"])


@contextlib.asynccontextmanager
async def cluster_in(directory: Path, count: int) -> AsyncIterator[LiveCluster]:
    """Yield a cluster of running agents that do not know each other; kill them afterwards."""
    license_file = issue_license(directory, max_nodes=count + SPARE_SEATS)
    cluster = LiveCluster(directory, license_file)
    try:
        await start(cluster.create(count))
        yield cluster
    finally:
        await cluster.kill()


async def start(agents: Sequence[AgentProcess]) -> float:
    """Start agents at once; return after how many seconds the last one was ready."""
    began_s = time.monotonic()
    for agent in agents:
        await agent.spawn()
    for agent in agents:
        await agent.until_ready(START_S)
    return time.monotonic() - began_s
