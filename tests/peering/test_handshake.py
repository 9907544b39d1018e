"""The handshake between two agents that are what they say."""

import asyncio

from membership.commands.messages import Receipt
from membership.domain.errors import HandshakeFailed, NodeLimitExceeded, PeerAlreadyInCluster
from membership.domain.events import PeerAdded
from membership.domain.values import Address
from membership.peering.handshake import INITIATOR, RESPONDER, version_told
from membership.peering.transport import FINISH_PATH
from membership.proof.signing import is_signed_by
from tests.peering.two_agents import (
    OPERATOR,
    Agent,
    Network,
    a_license,
    remove,
    rename,
    start_agent,
    two_agents,
    two_peers,
)
from tests.peering.virtual_time import in_virtual_time


def _admission(agent: Agent) -> PeerAdded:
    [added] = [r.event for r in agent.events() if isinstance(r.event, PeerAdded)]
    return added


async def _reason_of_add(agent: Agent, other: Agent) -> str:
    try:
        await agent.add(other)
    except HandshakeFailed as failure:
        return failure.reason
    return ""


@in_virtual_time
async def test_both_sides_record_the_other_with_evidence_that_verifies() -> None:
    _, one, two = await two_peers()
    for agent, other, role, how in (
        (one, two, RESPONDER, "operator"),
        (two, one, INITIATOR, "inbound"),
    ):
        added = _admission(agent)
        told = (added.peer_id, added.how, added.record)
        assert told == (other.peer_id, how, other.local.record())
        evidence = added.evidence
        assert evidence.remote_role == role.name
        assert is_signed_by(
            added.public_key, role.signature_type, evidence.transcript, evidence.signature
        )
    assert _admission(one).evidence.transcript == _admission(two).evidence.transcript


@in_virtual_time
async def test_the_licence_secret_is_in_no_frame_and_in_no_log() -> None:
    network, one, two = await two_peers()
    secret = one.local.license_secret
    assert network.posts
    assert not any(secret in post.frame for post in network.posts)
    assert not any(secret in row.state for agent in (one, two) for row in agent.rows())
    assert repr(secret) not in repr(one.local)


@in_virtual_time
async def test_the_add_answers_with_the_event_that_it_recorded() -> None:
    _, one, two = await two_agents()
    receipt = await one.add(two, label="the other one")
    [recorded] = receipt.events
    assert isinstance(recorded.event, PeerAdded)
    assert recorded.event.label == "the other one"
    assert receipt.position == recorded.position == len(one.rows())


@in_virtual_time
async def test_the_evidence_tells_which_version_of_us_the_other_side_saw() -> None:
    _, one, two = await two_agents()
    await rename(one, "first")
    await rename(one, "second")
    await one.add(two)
    assert version_told(_admission(one).evidence) == one.local.peer.version == 3
    assert version_told(_admission(two).evidence) == two.local.peer.version == 1


@in_virtual_time
async def test_a_peer_can_be_added_under_another_address_than_its_record_names() -> None:
    network, one, two = await two_agents()
    alias = Address("alias.example:9000")
    network.agents[alias] = two
    await one.peering.add_peer(alias, "", OPERATOR)
    assert one.knows(two)
    assert _admission(one).address == two.address


@in_virtual_time
async def test_a_renewed_licence_still_matches_one_that_is_not_renewed_yet() -> None:
    network = Network()
    one = await start_agent(network, 1, a_license(revision=2, days=700))
    two = await start_agent(network, 2, a_license(revision=1))
    await one.add(two)
    assert one.knows(two)
    assert two.knows(one)


@in_virtual_time
async def test_a_removed_peer_comes_back_by_an_add_of_the_side_that_removed_it() -> None:
    _, one, two = await two_peers()
    await remove(one, two)
    await one.add(two)
    assert one.knows(two)
    assert two.knows(one)


@in_virtual_time
async def test_after_mutual_removal_the_two_adds_work_in_either_order() -> None:
    for first_is_one in (True, False):
        _, one, two = await two_peers()
        await remove(one, two)
        await remove(two, one)
        first, second = (one, two) if first_is_one else (two, one)
        assert await _reason_of_add(first, second) == "removed"
        assert not first.knows(second)
        await second.add(first)
        assert first.knows(second)
        assert second.knows(first)


@in_virtual_time
async def test_an_invitation_is_forgotten_after_an_hour() -> None:
    _, one, two = await two_peers()
    await remove(one, two)
    await remove(two, one)
    assert await _reason_of_add(one, two) == "removed"
    await asyncio.sleep(3_601)
    assert await _reason_of_add(two, one) == "removed"


@in_virtual_time
async def test_an_invitation_serves_once() -> None:
    _, one, two = await two_peers()
    await remove(one, two)
    await remove(two, one)
    assert await _reason_of_add(one, two) == "removed"
    await two.add(one)
    await remove(one, two)
    await remove(two, one)
    assert await _reason_of_add(two, one) == "removed"


@in_virtual_time
async def test_adds_that_cross_seat_both_sides_once() -> None:
    _, one, two = await two_agents()
    outcomes = await asyncio.gather(one.add(two), two.add(one), return_exceptions=True)
    for outcome in outcomes:
        assert isinstance(outcome, Receipt | PeerAlreadyInCluster)
    assert _admission(one).peer_id == two.peer_id
    assert _admission(two).peer_id == one.peer_id
    assert not one.state.reservations
    assert not two.state.reservations


@in_virtual_time
async def test_of_adds_that_cross_both_operators_hear_that_it_worked() -> None:
    _, one, two = await two_agents()
    outcomes = await asyncio.gather(one.add(two, "two"), two.add(one), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Receipt, Receipt]
    known = one.local.views.peers.get(two.peer_id)
    assert known is not None
    assert known.name == "two"
    assert not one.state.reservations
    assert not two.state.reservations


@in_virtual_time
async def test_adds_that_cross_do_so_also_when_each_side_has_one_seat_left() -> None:
    network, document = Network(), a_license(max_nodes=2)
    one, two = await start_agent(network, 1, document), await start_agent(network, 2, document)
    await asyncio.gather(one.add(two), two.add(one), return_exceptions=True)
    assert _admission(one).peer_id == two.peer_id
    assert _admission(two).peer_id == one.peer_id


@in_virtual_time
async def test_the_same_add_twice_at_once_records_one_peer() -> None:
    _, one, two = await two_agents()
    outcomes = await asyncio.gather(one.add(two), one.add(two), return_exceptions=True)
    assert sum(isinstance(outcome, Receipt) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, PeerAlreadyInCluster) for outcome in outcomes) == 1
    assert _admission(one).peer_id == two.peer_id
    assert _admission(two).peer_id == one.peer_id


@in_virtual_time
async def test_many_adds_at_once_never_exceed_the_limit_and_leave_nobody_half_added() -> None:
    network = Network()
    hub = await start_agent(network, 1, a_license(max_nodes=4))
    others = [await start_agent(network, number) for number in range(2, 12)]
    outcomes = await asyncio.gather(*map(hub.add, others), return_exceptions=True)
    admitted = [other for other in others if hub.knows(other)]
    assert len(admitted) == 3
    assert sum(isinstance(outcome, NodeLimitExceeded) for outcome in outcomes) == 7
    assert [other for other in others if other.knows(hub)] == admitted
    assert not hub.state.reservations


@in_virtual_time
async def test_many_adds_at_once_from_others_never_exceed_the_limit_either() -> None:
    network = Network()
    hub = await start_agent(network, 1, a_license(max_nodes=4))
    others = [await start_agent(network, number) for number in range(2, 12)]
    outcomes = await asyncio.gather(*[other.add(hub) for other in others], return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, NodeLimitExceeded)]
    assert len(refused) == 7
    assert {error.details["where"] for error in refused} == {"remote"}
    assert [hub.knows(other) for other in others] == [other.knows(hub) for other in others]
    assert not any(other.state.reservations for other in others)


@in_virtual_time
async def test_a_finish_that_arrives_twice_gets_the_same_receipt_and_records_once() -> None:
    network, one, two = await two_agents()
    lost = [True]
    network.loses_answer = lambda post: post.path == FINISH_PATH and bool(lost) and lost.pop()
    await one.add(two)
    assert network.count(FINISH_PATH) == 2
    assert one.knows(two)
    assert _admission(two).peer_id == one.peer_id
