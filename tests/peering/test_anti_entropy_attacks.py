"""Anti-entropy between honest agents, and with a partner that answers whatever it likes."""

from typing import Any

import pytest

from membership.store.errors import StoreUnavailable
from tests.peering.by_hand import lies
from tests.peering.two_agents import (
    Agent,
    Network,
    leave,
    rename,
    start_agent,
    two_peers,
)
from tests.peering.virtual_time import in_virtual_time


async def _three_peers_that_tell_nobody() -> tuple[Network, Agent, Agent, Agent]:
    network, one, two = await two_peers()
    three = await start_agent(network, 3)
    await three.add(one)
    await three.add(two)
    for agent in (one, two, three):
        agent.peering._book.start()
        agent.bus.subscribe(agent.peering._on_events)
    return network, one, two, three


@in_virtual_time
async def test_a_round_takes_in_what_was_missed_and_gives_what_the_other_missed() -> None:
    _, one, two, _ = await _three_peers_that_tell_nobody()
    await rename(one, "new one")
    await rename(two, "new two")
    report = await one.peering.sync(0)
    assert two.peer_id in report.agreeing
    assert _name(one, two) == "new two"
    assert _name(two, one) == "new one"


def _name(agent: Agent, other: Agent) -> str:
    peer = agent.local.views.peers.get(other.peer_id)
    return peer.own_name if peer else ""


@in_virtual_time
async def test_a_farewell_is_learnt_from_a_third_agent() -> None:
    network, one, two, three = await _three_peers_that_tell_nobody()
    await leave(one)
    await two.peering.sync(0)
    assert not two.knows(one)
    del network.agents[one.address]
    await three.peering.sync(0)
    assert not three.knows(one)


@pytest.mark.parametrize(
    "bodies",
    [
        {"digest": []},
        {"digest": [b"", b""]},
        {"digest": [b"\x00" * 16, b""]},
        {"digest": [b"\x00" * 16, b"\x00" * 2_047]},
        {"digest": ["\x00" * 16, b""]},
        {"digest": [b"\x00" * 16, b"\x00" * 2_048], "summary": []},
        {"digest": [b"\x00" * 16, b"\x00" * 2_048], "summary": [[], [b"short"]]},
        {"digest": [b"\x00" * 16, b"\x00" * 2_048], "summary": [[], [7]]},
        {"digest": [b"\x00" * 16, b"\x00" * 2_048], "summary": [[b"garbage"], []]},
        {"digest": [b"\x00" * 16, b"\x00" * 2_048], "summary": [[7], []]},
        {"digest": [b"\x00" * 16, b"\x00" * 2_048], "summary": [[], [b"\xff" * 16] * 999]},
    ],
    ids=str,
)
def test_a_partner_that_answers_nonsense_changes_nothing(bodies: dict[str, list[Any]]) -> None:
    @in_virtual_time
    async def scenario() -> None:
        network, one, two, _ = await _three_peers_that_tell_nobody()
        await rename(one, "new")
        before = one.rows()
        network.answers = lies(one, two, bodies)
        report = await one.peering.sync(0)
        assert two.peer_id not in report.agreeing
        assert one.rows() == before

    scenario()


@in_virtual_time
async def test_a_partners_good_record_is_not_taken_in_beside_a_malformed_one() -> None:
    network, one, two, _ = await _three_peers_that_tell_nobody()
    await rename(two, "new two")
    records = [two.local.record(), b"garbage"]
    network.answers = lies(
        one, two, {"digest": [b"\x00" * 16, b"\x00" * 2_048], "summary": [records, []]}
    )
    await one.peering.sync(0)
    assert _name(one, two) == "agent 2"


@in_virtual_time
async def test_a_full_disk_is_told_to_whoever_asked_for_a_round() -> None:
    _, one, two, _ = await _three_peers_that_tell_nobody()
    await rename(two, "new two")
    one.disk.refuses = lambda _: True
    with pytest.raises(StoreUnavailable):
        await one.peering.sync(0)
    one.disk.refuses = lambda _: False
    await one.peering.sync(0)
    assert _name(one, two) == "new two"
