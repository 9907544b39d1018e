"""A handshake that is cut short leaves nothing, or completes when the add is repeated."""

import asyncio
from collections.abc import Callable

import pytest

from membership.commands.reservations import waiting
from membership.domain.errors import HandshakeFailed
from membership.domain.events import PeerAdded
from membership.peering.peering import Remembered
from membership.peering.transport import FINISH_PATH, HELLO_PATH
from membership.store.errors import StoreUnavailable
from tests.peering.two_agents import Agent, Network, Post, a_license, start_agent, two_agents
from tests.peering.virtual_time import in_virtual_time


def _at(path: str) -> Callable[[Post], bool]:
    return lambda post: post.path == path


def _never(_: object) -> bool:
    return False


def _always(_: object) -> bool:
    return True


def _admissions(agent: Agent) -> int:
    return sum(isinstance(recorded.event, PeerAdded) for recorded in agent.events())


async def _complete(one: Agent, two: Agent) -> None:
    await one.add(two)
    assert one.knows(two)
    assert two.knows(one)
    assert (_admissions(one), _admissions(two)) == (1, 1)
    assert not waiting(one.state.reservations, one.state.cluster)


@in_virtual_time
async def test_a_lost_hello_leaves_nothing_and_a_repeat_completes() -> None:
    network, one, two = await two_agents()
    network.loses_request = _at(HELLO_PATH)
    with pytest.raises(HandshakeFailed, match="no answer"):
        await one.add(two)
    assert (_admissions(one), _admissions(two)) == (0, 0)
    network.loses_request = _never
    await _complete(one, two)


@in_virtual_time
async def test_a_lost_challenge_leaves_nothing_and_a_repeat_completes() -> None:
    network, one, two = await two_agents()
    network.loses_answer = _at(HELLO_PATH)
    with pytest.raises(HandshakeFailed, match="no answer"):
        await one.add(two)
    assert (_admissions(one), _admissions(two)) == (0, 0)
    network.loses_answer = _never
    await _complete(one, two)


@in_virtual_time
async def test_a_lost_finish_leaves_nothing_and_a_repeat_from_either_side_completes() -> None:
    for other_side_repeats in (False, True):
        network, one, two = await two_agents()
        network.loses_request = _at(FINISH_PATH)
        with pytest.raises(HandshakeFailed, match="no answer"):
            await one.add(two)
        assert (_admissions(one), _admissions(two)) == (0, 0)
        assert not one.state.reservations
        network.loses_request = _never
        await (_complete(two, one) if other_side_repeats else _complete(one, two))


@in_virtual_time
async def test_a_lost_receipt_is_asked_for_three_times() -> None:
    network, one, two = await two_agents()
    network.loses_answer = _at(FINISH_PATH)
    with pytest.raises(HandshakeFailed, match="no answer"):
        await one.add(two)
    assert network.count(FINISH_PATH) == 3


@in_virtual_time
async def test_after_lost_receipts_a_repeat_completes() -> None:
    network, one, two = await two_agents()
    network.loses_answer = _at(FINISH_PATH)
    with pytest.raises(HandshakeFailed, match="no answer"):
        await one.add(two)
    assert (_admissions(one), _admissions(two)) == (0, 1)
    assert not one.state.reservations
    network.loses_answer = _never
    await _complete(one, two)


@in_virtual_time
async def test_after_lost_receipts_the_side_that_recorded_alone_completes_it() -> None:
    network, one, two = await two_agents()
    two.peering.start(Remembered())
    network.loses_answer = _at(FINISH_PATH)
    with pytest.raises(HandshakeFailed, match="no answer"):
        await one.add(two)
    assert two.knows(one)
    assert not one.knows(two)
    network.loses_answer = _never
    await asyncio.sleep(30)
    assert one.knows(two)
    await two.peering.stop()


@in_virtual_time
async def test_a_responder_that_cannot_write_records_nothing_and_a_repeat_completes() -> None:
    _, one, two = await two_agents()
    two.disk.refuses = _always
    with pytest.raises(HandshakeFailed) as caught:
        await one.add(two)
    assert caught.value.reason == "unavailable"
    assert (_admissions(one), _admissions(two)) == (0, 0)
    assert not one.state.reservations
    two.disk.refuses = _never
    await _complete(one, two)


@in_virtual_time
async def test_an_initiator_that_cannot_write_completes_on_a_repeat() -> None:
    _, one, two = await two_agents()
    one.disk.refuses = _always
    with pytest.raises(StoreUnavailable):
        await one.add(two)
    assert (_admissions(one), _admissions(two)) == (0, 1)
    assert not one.state.reservations
    one.disk.refuses = _never
    await _complete(one, two)


@in_virtual_time
async def test_an_initiator_that_cannot_read_its_log_either_tells_why_it_failed() -> None:
    _, one, two = await two_agents()

    def break_down(_: object) -> bool:
        one.disk.is_unreadable = True
        return True

    one.disk.refuses = break_down
    with pytest.raises(StoreUnavailable, match="full"):
        await one.add(two)
    one.disk.refuses, one.disk.is_unreadable = _never, False
    await _complete(one, two)


@in_virtual_time
async def test_a_crash_of_the_initiator_before_it_recorded_is_completed_by_a_repeat() -> None:
    network, one, two = await two_agents()
    one.disk.refuses = _always
    with pytest.raises(StoreUnavailable):
        await one.add(two)
    one.disk.refuses = _never
    await _complete(await start_agent(network, 1, disk=one.disk), two)


@in_virtual_time
async def test_failed_adds_keep_no_seats() -> None:
    network = Network()
    one, two = await start_agent(network, 1, a_license(max_nodes=2)), await start_agent(network, 2)
    third = await start_agent(network, 3)
    network.loses_request = _at(FINISH_PATH)
    with pytest.raises(HandshakeFailed):
        await one.add(two)
    network.loses_request = _never
    await _complete(one, third)


@in_virtual_time
async def test_an_add_that_is_cancelled_keeps_no_seat() -> None:
    network, one, two = await two_agents()
    network.loses_request = _at(FINISH_PATH)
    task = asyncio.create_task(one.add(two))
    while not one.state.reservations:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not one.state.reservations
    assert _admissions(one) == 0
