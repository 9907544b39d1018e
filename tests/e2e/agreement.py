"""
What has to hold of real agents when faults have ended: the simulation's promises, from outside.

While they run, agents are compared by what they answer; once they are stopped, by what is on disk,
and there the very functions check it that check simulated hosts.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from membership.store.event_store import EventStore
from membership.store.sqlite import SQLiteRecorder
from tests.e2e.agents import AgentProcess, eventually
from tests.simulation import promises


async def start_all(stack: AsyncExitStack, agents: Sequence[AgentProcess]) -> None:
    """Start agents at the same time, and kill them when *stack* is left."""
    for agent in agents:
        stack.push_async_callback(agent.kill)
    await asyncio.gather(*(agent.start() for agent in agents))


async def form_cluster(agents: Sequence[AgentProcess]) -> Sequence[str]:
    """Let the first one add all others and wait for the mesh; return all ids, in order."""
    first, *others = agents
    for other in others:
        await first.add(other)
    ids = [(await agent.local())["id"] for agent in agents]
    await all_agree(agents)
    return ids


async def all_agree(agents: Sequence[AgentProcess]) -> None:
    """Wait until active agents list each other, rightly, nobody else, and know the same."""
    why = "nothing was compared"

    async def is_so() -> bool:
        nonlocal why
        why = await disagreement(agents)
        return not why

    try:
        await eventually(is_so)
    except TimeoutError:
        raise AssertionError(why) from None


async def disagreement(agents: Sequence[AgentProcess]) -> str:
    """Return what agents do not agree on yet, empty when they agree; see `promises`."""
    statuses = await asyncio.gather(*(agent.status() for agent in agents))
    active = [status for status in statuses if status["peer"]["is_active"]]
    digests = {status["peer"]["address"]: status["digest"] for status in active}
    if len(set(digests.values())) > 1:
        return f"what is known differs: {digests}"
    themselves = sorted((_shown(status["peer"]) for status in active), key=str)
    for status in active:
        others = [(peer["peer_id"], peer["name"], peer["address"]) for peer in status["peers"]]
        listed = sorted([_shown(status["peer"]), *others], key=str)
        if listed != themselves:
            return f"{status['peer']['address']} lists {listed}, not {themselves}"
    return ""


def _shown(peer: dict[str, Any]) -> tuple[str, str, str]:
    return peer["id"], peer["name"], peer["address"]


async def stop_and_check(agents: Sequence[AgentProcess]) -> None:
    """Kill the agents, and check that what they leave behind is whole and keeps its promises."""
    for agent in agents:
        await agent.kill()
        await asyncio.to_thread(_check_log, agent.data_dir)


def _check_log(data_dir: Path) -> None:
    store = EventStore(SQLiteRecorder(data_dir / "membership.db"))
    try:
        log = list(store.events())
    finally:
        store.close()
    promises.versions_have_no_gaps(log)
    promises.nobody_comes_back(log, wanted=())
