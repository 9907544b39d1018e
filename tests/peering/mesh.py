"""Agents whose every loop runs, and that know each other, on a network in memory."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from membership.commands.ports import DestinationStatus, PeerHealth
from membership.peering.peering import remembered
from tests.peering.two_agents import Agent, Network, a_license, start_agent
from tests.peering.virtual_time import now_s

POLL_S = 0.5
DEADLINE_S = 120.0


@asynccontextmanager
async def mesh_of(count: int) -> AsyncIterator[tuple[Network, Sequence[Agent]]]:
    """Yield that many agents, each a peer of all others."""
    network, document = Network(), a_license(max_nodes=500)
    agents = [await start_agent(network, number, document) for number in range(1, count + 1)]
    for number, agent in enumerate(agents):
        for other in agents[number + 1 :]:
            await agent.add(other)
    for agent in agents:
        agent.peering.start(remembered(agent.store))
    try:
        yield network, agents
    finally:
        for agent in agents:
            await agent.peering.stop()


async def until(condition: Callable[[], bool], within_s: float = DEADLINE_S) -> float:
    """Let time go by until *condition* holds; return how many seconds that took."""
    began_s = now_s()
    while not condition():
        assert now_s() - began_s < within_s, "it does not come true"
        await asyncio.sleep(POLL_S)
    return now_s() - began_s


async def always(condition: Callable[[], bool], for_s: float) -> None:
    """Let time go by, in which *condition* has to hold."""
    began_s = now_s()
    while now_s() - began_s < for_s:
        assert condition(), f"not so after {now_s() - began_s} s"
        await asyncio.sleep(POLL_S)


def health(agent: Agent, other: Agent) -> PeerHealth:
    """Return what one thinks of the other."""
    return agent.peering.status().health[other.peer_id]


def told(agent: Agent, other: Agent) -> DestinationStatus:
    """Return what the other one has heard of an agent."""
    return agent.peering.status().destinations[other.peer_id]


def silence(network: Network, *agents: Agent) -> None:
    """Lose what is sent to these agents and nothing else, until it is called without any."""
    addresses = {agent.address for agent in agents}
    network.loses_request = lambda post: post.address in addresses


def isolate(network: Network, *agents: Agent) -> None:
    """Lose what is sent to or by these agents, also among themselves."""
    numbers, addresses = {a.number for a in agents}, {a.address for a in agents}
    network.loses_request = lambda post: post.address in addresses or post.sender in numbers
