"""Agents that hang, die, start together or exist twice: afterwards all is as it should be."""

import asyncio
import shutil
from contextlib import AsyncExitStack
from pathlib import Path

from tests.e2e.agents import AgentProcess, eventually, issue_license
from tests.e2e.agreement import all_agree, form_cluster, start_all, stop_and_check


def _agents(directory: Path, count: int, *flags: str) -> list[AgentProcess]:
    license_file = issue_license(directory)
    return [AgentProcess(directory / name, license_file, *flags) for name in "abcd"[:count]]


async def test_an_agent_that_hangs_is_waited_for_and_nobody_is_removed(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        a, b, c = agents = _agents(tmp_path, 3)
        await start_all(stack, agents)
        ids = await form_cluster(agents)
        c.pause()
        await a.rename("a change that c does not hear")
        # Longer than every timeout of a request: two of them have failed.
        await eventually(lambda: _is_unreachable(a, ids[2]))
        undelivered = await a.opinion_of(ids[2])
        assert undelivered["is_behind"]
        assert undelivered["undelivered_since"] is not None
        assert undelivered["last_error"] == "no answer within 5 seconds"
        report = await b.sync()
        assert [peer["peer_id"] for peer in report["unreachable"]] == [ids[2]]
        assert report["agreeing"] == [ids[0]]
        c.resume()
        await eventually(lambda: _is_slow(c))
        assert await a.lists(*ids)
        assert await b.lists(*ids)
        await all_agree(agents)
        await stop_and_check(agents)


async def _is_slow(agent: AgentProcess) -> bool:
    is_slow: bool = (await agent.status())["health"]["is_slow"]
    return is_slow


async def _is_unreachable(agent: AgentProcess, peer_id: str) -> bool:
    return (await agent.opinion_of(peer_id))["reachable"] is False


async def test_a_broadcast_survives_the_death_of_its_sender_and_of_a_receiver(
    tmp_path: Path,
) -> None:
    async with AsyncExitStack() as stack:
        a, b, c = agents = _agents(tmp_path, 3)
        await start_all(stack, agents)
        ids = await form_cluster(agents)
        await b.kill()
        # Acknowledged, and dead before anybody can have been told for certain.
        await a.rename("said with its last breath")
        await a.kill()
        await asyncio.gather(a.start(), b.start())
        await all_agree(agents)
        assert (await c.peers())[ids[0]]["name"] == "said with its last breath"
        await stop_and_check(agents)


async def test_who_left_while_others_were_dead_is_gone_when_all_start_at_once(
    tmp_path: Path,
) -> None:
    async with AsyncExitStack() as stack:
        a, b, c = agents = _agents(tmp_path, 3)
        await start_all(stack, agents)
        ids = await form_cluster(agents)
        await asyncio.gather(b.kill(), c.kill())
        status, _ = await a.call("DELETE", "/v1/peers/self")
        assert status == 200
        await a.kill()
        await asyncio.gather(*(agent.start() for agent in agents))
        for agent in (b, c):
            await eventually(lambda agent=agent: agent.lists(*ids[1:]))
        await all_agree(agents)
        await stop_and_check(agents)


async def test_two_agents_with_one_identity_are_told_apart_and_told(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        a, b = _agents(tmp_path, 2)
        await start_all(stack, [a, b])
        await form_cluster([a, b])
        await a.kill()
        shutil.copytree(a.data_dir, tmp_path / "twin")
        twin = AgentProcess(tmp_path / "twin")
        await start_all(stack, [a, twin])

        async def somebody_says_so() -> bool:
            # The two answer each other through b; a round makes each listen at once.
            for agent in (a, twin):
                await agent.sync()
                if (await agent.status())["health"]["identity_conflict"]:
                    return True
            return False

        await eventually(somebody_says_so)


async def test_with_explicit_discovery_nobody_is_added_but_by_an_operator(tmp_path: Path) -> None:
    config = tmp_path / "explicit.toml"
    config.write_text('[cluster]\ndiscovery = "explicit"\n')
    async with AsyncExitStack() as stack:
        a, b, c = agents = _agents(tmp_path, 3, "--config", str(config))
        await start_all(stack, agents)
        await a.add(b)
        await b.add(c)
        a_id, b_id, c_id = [(await agent.local())["id"] for agent in agents]
        assert (await b.sync(30))["agreed"], "all three have heard of each other"
        digests = {(await agent.status())["digest"] for agent in agents}
        assert len(digests) == 1
        assert await a.lists(a_id, b_id)
        assert await b.lists(a_id, b_id, c_id)
        assert await c.lists(b_id, c_id)
        assert (await a.status())["introductions"] == []
