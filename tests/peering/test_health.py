"""What an agent thinks of its peers and of itself, on a loop whose time jumps."""

import asyncio
from collections.abc import Sequence
from typing import cast

from membership.commands.ports import PursuitStatus
from membership.peering.anti_entropy import ROUND_S, ROUND_SPREAD
from membership.peering.health import CUT_OFF_S, SLOW_LAG_S, SLOW_MEMORY_S
from membership.peering.partners import PROBE_INTERVAL_S
from membership.peering.peering import remembered
from membership.peering.transport import MESSAGE_PATH
from tests.peering.by_hand import message_at, request_of
from tests.peering.mesh import always, health, isolate, mesh_of, silence, told, until
from tests.peering.two_agents import Agent, Network, leave, remove, rename, start_agent
from tests.peering.virtual_time import VirtualTimeLoop, in_virtual_time, now_s

LONGEST_ROUND_S = ROUND_S * (1 + ROUND_SPREAD)


# Who answers


@in_virtual_time
async def test_nothing_is_known_of_a_peer_that_was_not_asked_yet() -> None:
    async with mesh_of(2) as (_, [one, two]):
        opinion = health(one, two)
        assert (opinion.reachable, opinion.last_seen_us, opinion.round_trip_s) == (None, 0, None)
        await until(lambda: health(one, two).reachable is True)
        opinion = health(one, two)
        assert opinion.last_seen_us > 0
        assert opinion.round_trip_s is not None


@in_virtual_time
async def test_a_peer_that_is_down_is_found_out_though_there_is_nothing_to_tell_it() -> None:
    async with mesh_of(10) as (network, [one, two, *_]):
        await until(lambda: health(one, two).reachable is True, 600)
        del network.agents[two.address]
        # Its turn comes within as many rounds as there are peers, and the round after that decides.
        took_s = await until(lambda: health(one, two).reachable is False, 2_000)
        assert took_s <= 2 * 9 * LONGEST_ROUND_S + LONGEST_ROUND_S
        assert health(one, two).last_error == "nothing listens there"
        assert not told(one, two).is_behind


@in_virtual_time
async def test_one_lost_message_makes_nobody_unreachable() -> None:
    async with mesh_of(3) as (network, [one, two, _]):
        await until(lambda: health(one, two).reachable is True)
        lost = []

        def lose_one(post: object) -> bool:
            lost.append(post)
            return len(lost) == 1

        network.loses_request = lose_one
        await always(lambda: health(one, two).reachable is True, 120)


@in_virtual_time
async def test_a_peer_that_writes_and_does_not_answer_is_not_reachable() -> None:
    async with mesh_of(3) as (network, [one, two, three]):
        await until(lambda: health(one, two).reachable is True)
        silence(network, two)
        await until(lambda: health(one, two).reachable is False)
        heard_us = health(one, two).last_seen_us
        await always(lambda: health(one, two).reachable is False, 300)
        assert health(one, two).last_seen_us > heard_us, "it is heard from, and yet not reachable"
        assert health(two, one).reachable is True
        assert health(one, three).reachable is True


@in_virtual_time
async def test_a_peer_that_is_back_is_asked_as_soon_as_it_is_heard_from() -> None:
    async with mesh_of(5) as (network, [one, two, *_]):
        isolate(network, two)
        await until(lambda: health(one, two).reachable is False, 600)
        silence(network)
        heard_us = health(one, two).last_seen_us
        await until(lambda: health(one, two).last_seen_us > heard_us, 600)
        assert await until(lambda: health(one, two).reachable is True) <= 1


@in_virtual_time
async def test_two_that_cannot_answer_each_other_wake_each_other_once_a_minute() -> None:
    async with mesh_of(2) as (network, [one, two]):
        network.loses_answer = lambda _: True
        await until(lambda: health(one, two).reachable is False)
        await until(lambda: health(two, one).reachable is False)
        began, began_s = len(network.posts), now_s()
        await always(lambda: True, 600)
        # Each asks once a minute by itself, and what it signed before, and once more because it
        # was heard from.
        assert len(network.posts) - began <= 2 * 3 * (600 / PROBE_INTERVAL_S + 1)
        assert now_s() - began_s >= 600


@in_virtual_time
async def test_a_peer_that_has_removed_this_agent_is_reachable_and_says_why_not() -> None:
    async with mesh_of(2) as (_, [one, two]):
        await until(lambda: health(one, two).digest_equal is True)
        await remove(two, one)
        await until(lambda: "add this agent there" in health(one, two).last_error)
        assert health(one, two).reachable is True
        assert health(one, two).digest_equal is None


@in_virtual_time
async def test_an_agent_that_left_asks_nobody_any_more() -> None:
    async with mesh_of(3) as (network, [one, *_]):
        await leave(one)
        await until(lambda: not any(d.is_behind for d in one.peering.destinations()))
        said = len([post for post in network.posts if post.sender == one.number])
        await always(lambda: True, 120)
        assert len([post for post in network.posts if post.sender == one.number]) == said


# In turns


def _asked(network: Network, agent: Agent, since: int) -> set[str]:
    return {
        post.address
        for post in network.posts[since:]
        if post.sender == agent.number and post.path == MESSAGE_PATH
    }


@in_virtual_time
async def test_every_peer_is_asked_within_as_many_rounds_as_there_are_peers() -> None:
    async with mesh_of(10) as (network, [one, *others]):
        for _ in range(2):
            since = len(network.posts)
            await asyncio.sleep(2 * 9 * LONGEST_ROUND_S)
            assert _asked(network, one, since) == {other.address for other in others}


# Who agrees


@in_virtual_time
async def test_whether_a_peer_agrees_is_unknown_after_a_change_here_until_they_compare() -> None:
    async with mesh_of(2) as (network, [one, two]):
        await until(lambda: health(one, two).digest_equal is True)
        network.loses_request = lambda post: post.path == MESSAGE_PATH
        await rename(one, "new")
        assert health(one, two).digest_equal is None
        silence(network)
        await until(lambda: health(one, two).digest_equal is True)


@in_virtual_time
async def test_a_peer_that_knows_something_else_is_told_as_such() -> None:
    async with mesh_of(2) as (network, [one, two]):
        await until(lambda: health(one, two).digest_equal is True)
        # Only the comparison gets through: what differs stays so.
        network.loses_request = lambda post: b"summary" in post.frame or b"records" in post.frame
        await rename(one, "new")
        await until(lambda: health(one, two).digest_equal is False)
        silence(network)
        await until(lambda: health(one, two).digest_equal is True)


# Oneself


@in_virtual_time
async def test_an_agent_that_nobody_answers_says_that_it_is_cut_off_itself() -> None:
    async with mesh_of(5) as (network, [one, two, *_]):
        await until(lambda: health(one, two).reachable is True, 600)
        isolate(network, one)
        took_s = await until(lambda: one.peering.status().agent.is_cut_off)
        assert took_s <= CUT_OFF_S + 2 * LONGEST_ROUND_S
        assert not two.peering.status().agent.is_cut_off
        silence(network)
        await until(lambda: not one.peering.status().agent.is_cut_off)


@in_virtual_time
async def test_some_peers_that_are_down_do_not_make_an_agent_cut_off() -> None:
    async with mesh_of(10) as (network, [one, two, three, four, *_]):
        for agent in (two, three, four):
            await agent.peering.stop()
        silence(network, two, three, four)
        await rename(one, "news that they do not hear")
        await always(lambda: not one.peering.status().agent.is_cut_off, 600)


@in_virtual_time
async def test_a_late_loop_is_told_and_forgotten_after_a_while() -> None:
    async with mesh_of(1) as (_, [one]):
        await asyncio.sleep(10)
        assert not one.peering.status().agent.is_slow
        loop = cast("VirtualTimeLoop", asyncio.get_running_loop())
        loop.pass_time(2 * SLOW_LAG_S)
        took_s = await until(lambda: one.peering.status().agent.is_slow)
        assert took_s <= 2
        assert one.peering.status().agent.loop_lag_s >= SLOW_LAG_S
        assert await until(lambda: not one.peering.status().agent.is_slow) <= SLOW_MEMORY_S + 1


# What is undelivered


@in_virtual_time
async def test_undelivered_since_is_the_oldest_change_not_acknowledged() -> None:
    async with mesh_of(2) as (network, [one, two]):
        assert told(one, two).undelivered_since_us is None
        silence(network, two)
        await rename(one, "first")
        changed_us = one.local.peer.changed_at_us
        await asyncio.sleep(60)
        await rename(one, "second")
        assert told(one, two).undelivered_since_us == changed_us
        await one.peering.stop()
        again = await start_agent(network, 1, disk=one.disk)
        again.peering.start(remembered(again.store))
        assert told(again, two).undelivered_since_us == changed_us, "also after a restart"
        silence(network)
        await until(lambda: told(again, two).undelivered_since_us is None, 600)
        await again.peering.stop()


# Introductions


@in_virtual_time
async def test_a_stranger_that_cannot_be_reached_is_named_with_the_reason() -> None:
    async with mesh_of(2) as (network, [one, two]):
        three = await start_agent(network, 3)
        network.loses_request = lambda post: post.sender == 1 and post.address == three.address
        await two.add(three)
        await until(lambda: bool(_pursuits(one)) and _pursuits(one)[0].attempts > 1)
        [pursuit] = _pursuits(one)
        assert (pursuit.peer_id, pursuit.address) == (three.peer_id, three.address)
        assert pursuit.introduced_by == two.peer_id
        assert "no answer within 5 seconds" in pursuit.last_error
        silence(network)
        await until(lambda: one.knows(three), 600)
        await until(lambda: not _pursuits(one), 600)


def _pursuits(agent: Agent) -> Sequence[PursuitStatus]:
    return agent.peering.status().pursuits


# The end


@in_virtual_time
async def test_an_agent_stops_also_in_the_moment_in_which_it_hears_of_somebody() -> None:
    async with mesh_of(2) as (network, [one, two]):
        silence(network, two)
        await rename(one, "new")
        await until(lambda: told(one, two).attempts > 2 and health(one, two).reachable is False)
        await two.peering.stop()
        await asyncio.sleep(2 * PROBE_INTERVAL_S)
        # It waits for its next round, and for its next attempt, and both waits end here.
        await message_at(one, request_of(two, one.peer_id, [bytes(16)], kind="digest"))
        await asyncio.wait_for(one.peering.stop(), 1)
