"""Hosts on a network that loses, delays and cuts: agents agree, then and afterwards."""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.e2e.agents import AgentProcess, eventually, issue_license
from tests.e2e.agreement import all_agree, disagreement, form_cluster, start_all, stop_and_check
from tests.e2e.hosts import Host, NoNetworks, Router

HOSTS = 3


@pytest.fixture
async def router() -> AsyncIterator[Router]:
    """Yield a network without faults, or skip with the reason why there can be none."""
    async with Router(random.Random(20_260_131)) as router:
        try:
            for _ in range(HOSTS):
                router.add_host()
        except NoNetworks as reason:
            pytest.skip(str(reason))
        yield router


def _hosts(router: Router) -> Sequence[Host]:
    return list(router.hosts.values())


def _agents(directory: Path, router: Router) -> Sequence[AgentProcess]:
    license_file = issue_license(directory)
    return [
        AgentProcess(directory / f"agent-{number}", license_file, host=host)
        for number, host in enumerate(_hosts(router))
    ]


async def test_agents_agree_over_a_network_that_loses_three_packets_in_ten(
    tmp_path: Path, router: Router
) -> None:
    async with AsyncExitStack() as stack:
        a, b, c = agents = _agents(tmp_path, router)
        await start_all(stack, agents)
        router.loss, router.delay_s = 0.3, 0.2
        await _insist_on_adding(a, b)
        await _insist_on_adding(b, c)
        await c.rename("said over a bad line")
        await all_agree(agents)
        await stop_and_check(agents)


async def _insist_on_adding(agent: AgentProcess, other: AgentProcess) -> None:
    """Add another agent as an operator does whose add timed out: again, until it is there."""

    async def is_there() -> bool:
        status, body = await agent.call("POST", "/v1/peers", {"address": other.address})
        assert status in (201, 409, 422), body
        return status in (201, 409)

    await eventually(is_there)


async def test_both_sides_of_a_partition_go_on_and_agree_when_it_is_over(
    tmp_path: Path, router: Router
) -> None:
    async with AsyncExitStack() as stack:
        a, b, c = agents = _agents(tmp_path, router)
        await start_all(stack, agents)
        ids = await form_cluster(agents)
        one, *others = _hosts(router)
        router.part([one], others)
        await a.rename("of this side")
        await c.rename("of the other side")

        async def b_has_heard() -> bool:
            return (await b.peers())[ids[2]]["name"] == "of the other side"

        await eventually(b_has_heard)
        await eventually(lambda: _finds_unreachable(a, ids[1], ids[2]))
        await eventually(lambda: _finds_unreachable(c, ids[0]))
        assert (await a.peers())[ids[2]]["name"] == ""
        for agent in agents:
            assert await agent.lists(*ids), "nobody is removed for being silent"
        router.heal()
        await all_agree(agents)
        await stop_and_check(agents)


async def test_a_network_that_lets_one_direction_through_alone_is_told_and_got_over(
    tmp_path: Path, router: Router
) -> None:
    async with AsyncExitStack() as stack:
        a, *_ = agents = _agents(tmp_path, router)
        await start_all(stack, agents)
        ids = await form_cluster(agents)
        first, second, _ = _hosts(router)
        router.cut.add((first.address, second.address))
        await a.rename("heard by way of the third")
        # What a cannot tell b, and b cannot ask of a, b learns from the third.
        await all_agree(agents)
        await eventually(lambda: _finds_unreachable(a, ids[1]))
        assert (await a.opinion_of(ids[2]))["reachable"]
        router.heal()

        async def a_has_told_b() -> bool:
            opinion = await a.opinion_of(ids[1])
            return opinion["reachable"] is True and not opinion["is_behind"]

        await eventually(a_has_told_b)
        assert not await disagreement(agents)
        await stop_and_check(agents)


async def _finds_unreachable(agent: AgentProcess, *peer_ids: str) -> bool:
    opinions = [await agent.opinion_of(peer_id) for peer_id in peer_ids]
    return all(opinion["reachable"] is False for opinion in opinions)
