"""A round with everybody, as operators set one off."""

import asyncio

import pytest

from membership.domain.errors import LocalPeerDeactivated
from membership.peering.peering import Remembered
from membership.peering.sync import PAUSE_S
from membership.peering.transport import MESSAGE_PATH
from tests.peering.by_hand import lies
from tests.peering.mesh import health, mesh_of, silence
from tests.peering.two_agents import Agent, Network, leave, remove, rename, start_agent, two_agents
from tests.peering.virtual_time import in_virtual_time, now_s

OTHER_KNOWLEDGE = {"digest": [b"\x00" * 16, b"\x00" * 2_048], "summary": [[], []]}


def _ids(*agents: Agent) -> set[str]:
    return {agent.peer_id for agent in agents}


def _end_lies(network: Network) -> None:
    network.answers = lambda _, answer: answer


@in_virtual_time
async def test_an_agent_that_is_alone_agrees_with_everybody() -> None:
    _, one, _ = await two_agents()
    report = await one.peering.sync(60)
    assert report.agreed
    assert now_s() == 0


@in_virtual_time
async def test_a_round_answers_at_once_when_all_agree() -> None:
    async with mesh_of(5) as (network, [one, *others]):
        began = len(network.posts)
        report = await one.peering.sync(60)
        assert report.agreed
        assert set(report.agreeing) == _ids(*others)
        asked = [post.address for post in network.posts[began:] if post.sender == one.number]
        assert sorted(asked) == sorted(other.address for other in others), "one message a peer"
        assert all(health(one, other).digest_equal for other in others)


@in_virtual_time
async def test_what_one_peer_brings_is_news_to_the_others_in_the_same_round() -> None:
    async with mesh_of(5) as (network, [one, *others]):
        last = others[-1]
        network.loses_request = lambda post: post.sender == last.number
        await rename(last, "new")
        report = await one.peering.sync(0)
        assert report.agreed
        for other in (one, *others[:-1]):
            peer = other.local.views.peers.get(last.peer_id)
            assert peer is not None
            assert peer.own_name == "new"


@in_virtual_time
async def test_a_round_waits_for_those_who_answer_and_differ() -> None:
    async with mesh_of(3) as (network, [one, two, three]):
        network.answers = lies(one, two, OTHER_KNOWLEDGE)
        asyncio.get_running_loop().call_later(7, _end_lies, network)
        report = await one.peering.sync(60)
        assert report.agreed
        assert set(report.agreeing) == _ids(two, three)
        assert 7 <= now_s() <= 7 + 2 * PAUSE_S


@in_virtual_time
async def test_a_round_says_who_differs_when_the_wait_is_over() -> None:
    async with mesh_of(3) as (network, [one, two, three]):
        network.answers = lies(one, two, OTHER_KNOWLEDGE)
        began = len(network.posts)
        report = await one.peering.sync(5)
        assert not report.agreed
        assert (report.agreeing, report.differing) == ([three.peer_id], [two.peer_id])
        assert 5 - PAUSE_S <= now_s() <= 5
        asked = [post for post in network.posts[began:] if post.sender == one.number]
        # Once by the round, and once more in its turn at most: it agreed already.
        assert sum(post.address == three.address for post in asked) <= 2
        assert sum(post.address == two.address for post in asked) > 20


@in_virtual_time
async def test_a_round_does_not_wait_for_a_peer_that_does_not_answer() -> None:
    async with mesh_of(3) as (network, [one, two, three]):
        del network.agents[two.address]
        report = await one.peering.sync(60)
        assert not report.agreed
        assert report.agreeing == [three.peer_id]
        assert report.unreachable == {two.peer_id: "nothing listens there"}
        assert now_s() == 0


@in_virtual_time
async def test_a_peer_that_removed_this_agent_is_told_with_its_reason() -> None:
    async with mesh_of(2) as (_, [one, two]):
        await remove(two, one)
        report = await one.peering.sync(60)
        assert "add this agent there" in report.unreachable[two.peer_id]


@in_virtual_time
async def test_two_rounds_make_an_unreachable_peer_known_as_such() -> None:
    async with mesh_of(2) as (network, [one, two]):
        await one.peering.sync(0)
        silence(network, two)
        await asyncio.gather(one.peering.sync(0), one.peering.sync(0))
        assert health(one, two).reachable is False
        silence(network)
        await one.peering.sync(0)
        assert health(one, two).reachable is True


@in_virtual_time
async def test_a_peer_that_is_removed_meanwhile_is_in_no_report() -> None:
    async with mesh_of(3) as (network, [one, two, three]):
        network.answers = lies(one, two, OTHER_KNOWLEDGE)
        waiting = asyncio.create_task(one.peering.sync(5))
        await asyncio.sleep(1)
        await remove(one, two)
        report = await waiting
        assert (report.agreed, report.agreeing) == (True, [three.peer_id])


@in_virtual_time
async def test_a_peer_that_is_added_meanwhile_is_asked_too() -> None:
    async with mesh_of(2) as (network, [one, two]):
        network.answers = lies(one, two, OTHER_KNOWLEDGE)
        waiting = asyncio.create_task(one.peering.sync(10))
        await asyncio.sleep(1)
        three = await start_agent(network, 3)
        three.peering.start(Remembered())
        await one.add(three)
        _end_lies(network)
        report = await waiting
        await three.peering.stop()
        assert set(report.agreeing) == _ids(two, three)


@in_virtual_time
async def test_an_agent_that_left_is_told_that_nobody_compares_with_it() -> None:
    async with mesh_of(2) as (network, [one, _]):
        await leave(one)
        said = network.count(MESSAGE_PATH)
        with pytest.raises(LocalPeerDeactivated):
            await one.peering.sync(60)
        assert network.count(MESSAGE_PATH) == said
