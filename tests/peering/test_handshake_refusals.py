"""Every reason for which a handshake is refused: its class, its sub-reason, and nothing left."""

import asyncio

import pytest

from membership.domain.errors import (
    HandshakeFailed,
    LicenseExpired,
    LicenseMismatch,
    LocalPeerDeactivated,
    MembershipError,
    NodeLimitExceeded,
    PeerAlreadyInCluster,
)
from membership.domain.values import Address
from membership.peering.peering import DiscoveryMode
from membership.peering.transport import FINISH_PATH, HELLO_PATH
from membership.peering.wire import pack, unpack
from tests.peering.by_hand import challenge_by, finish_at, finish_of, hello_of, reason_of, verdict
from tests.peering.two_agents import (
    OPERATOR,
    Agent,
    Network,
    SeededChance,
    a_license,
    address_of,
    leave,
    peer_id_of,
    remove,
    start_agent,
    two_agents,
    two_peers,
)
from tests.peering.virtual_time import in_virtual_time


async def _refusal(agent: Agent, address: Address, *others: Agent) -> MembershipError:
    """Return the error of an add, having checked that it left nothing with anybody."""
    everybody = [agent, *others]
    before = [other.rows() for other in everybody]
    with pytest.raises(MembershipError) as caught:
        await agent.peering.add_peer(address, "", OPERATOR)
    assert [other.rows() for other in everybody] == before
    assert not any(other.state.reservations for other in everybody)
    return caught.value


async def _refusal_between(one: Agent, two: Agent) -> MembershipError:
    return await _refusal(one, two.address, two)


def _is_handshake_failure(error: MembershipError, reason: str) -> bool:
    assert isinstance(error, HandshakeFailed)
    assert error.details["reason"] == reason
    assert error.message
    return error.reason == reason


@in_virtual_time
async def test_another_licence_is_a_mismatch_that_names_both_clusters() -> None:
    network = Network()
    one = await start_agent(network, 1)
    two = await start_agent(network, 2, a_license(secret=b"\x54" * 32))
    error = await _refusal_between(one, two)
    assert isinstance(error, LicenseMismatch)
    assert error.details["cluster_id_here"] == one.local.cluster_id.hex()
    assert error.details["cluster_id_there"] == two.local.cluster_id.hex()
    assert network.count(FINISH_PATH) == 0


@in_virtual_time
async def test_a_full_cluster_here_asks_nobody() -> None:
    network = Network()
    one = await start_agent(network, 1, a_license(max_nodes=1))
    two = await start_agent(network, 2)
    error = await _refusal_between(one, two)
    assert isinstance(error, NodeLimitExceeded)
    assert (error.limit, error.details["where"]) == (1, "here")
    assert not network.posts


@in_virtual_time
async def test_a_full_cluster_there_is_told_as_such() -> None:
    network = Network()
    one = await start_agent(network, 1)
    two = await start_agent(network, 2, a_license(max_nodes=1))
    error = await _refusal_between(one, two)
    assert isinstance(error, NodeLimitExceeded)
    assert (error.limit, error.details["where"]) == (1, "remote")


@in_virtual_time
async def test_a_licence_that_is_over_here_asks_nobody() -> None:
    network = Network()
    one = await start_agent(network, 1, a_license(days=-15))
    two = await start_agent(network, 2)
    error = await _refusal_between(one, two)
    assert isinstance(error, LicenseExpired)
    assert error.details["where"] == "here"
    assert not network.posts


@in_virtual_time
async def test_a_licence_that_is_over_there_is_told_as_such() -> None:
    network = Network()
    one = await start_agent(network, 1)
    two = await start_agent(network, 2, a_license(days=-15))
    error = await _refusal_between(one, two)
    assert isinstance(error, LicenseExpired)
    assert error.details["where"] == "remote"
    assert str(error.details["expired_at"]).startswith("2025-12-17T")


@in_virtual_time
async def test_a_licence_in_its_days_of_grace_is_good_for_an_add() -> None:
    network = Network()
    one = await start_agent(network, 1, a_license(days=-13))
    two = await start_agent(network, 2, a_license(days=-13))
    await one.add(two)
    assert two.knows(one)


@in_virtual_time
async def test_an_agent_that_left_adds_nobody() -> None:
    network, one, two = await two_agents()
    await leave(one)
    assert isinstance(await _refusal_between(one, two), LocalPeerDeactivated)
    assert not network.posts


@in_virtual_time
async def test_an_agent_that_left_cannot_be_added() -> None:
    _, one, two = await two_agents()
    await leave(two)
    assert _is_handshake_failure(await _refusal_between(one, two), "deactivated")


async def _two_where_one_forgot_that_it_left() -> tuple[Agent, Agent]:
    """Return an agent that was restored from before its leaving, and one that knows better."""
    network, one, two = await two_peers()
    await leave(one)
    farewell = one.local.record()
    assert await verdict(one, two, farewell) == "applied"
    return await start_agent(network, 1), two


@in_virtual_time
async def test_an_identity_that_is_known_there_to_have_left_is_refused() -> None:
    restored, two = await _two_where_one_forgot_that_it_left()
    error = await _refusal_between(restored, two)
    assert _is_handshake_failure(error, "deactivated_there")


@in_virtual_time
async def test_an_identity_that_is_known_here_to_have_left_is_refused() -> None:
    restored, two = await _two_where_one_forgot_that_it_left()
    error = await _refusal_between(two, restored)
    assert _is_handshake_failure(error, "deactivated")
    assert error.details["peer_id"] == restored.peer_id


@in_virtual_time
async def test_a_peer_that_was_removed_there_is_refused_there() -> None:
    network, one, two = await two_peers()
    await remove(two, one)
    fresh = await start_agent(network, 1)
    assert _is_handshake_failure(await _refusal_between(fresh, two), "removed")


@in_virtual_time
async def test_a_known_identity_with_another_key_is_refused_there() -> None:
    network, _, two = await two_peers()
    impostor = await start_agent(network, 1, seed=b"\x66" * 32, peer_id=peer_id_of(1))
    assert _is_handshake_failure(await _refusal_between(impostor, two), "wrong_protocol")


@in_virtual_time
async def test_a_known_identity_with_another_key_is_refused_here() -> None:
    network, one, two = await two_peers()
    await remove(one, two)
    impostor = await start_agent(network, 2, seed=b"\x66" * 32, peer_id=peer_id_of(2))
    assert _is_handshake_failure(await _refusal_between(one, impostor), "wrong_protocol")


@in_virtual_time
async def test_an_address_that_another_peer_is_seated_at_there_is_refused_there() -> None:
    network, _, two = await two_peers()
    third = await start_agent(network, 3, address=address_of(1))
    assert _is_handshake_failure(await _refusal_between(third, two), "already_there")


@in_virtual_time
async def test_a_key_that_another_peer_has_here_is_refused_here() -> None:
    network, one, _ = await two_peers()
    twin = await start_agent(network, 3, seed=(2).to_bytes(32, "big"))
    error = await _refusal_between(one, twin)
    assert isinstance(error, PeerAlreadyInCluster)
    assert error.details["taken"] == "key"


@in_virtual_time
async def test_its_own_address_is_refused_without_asking() -> None:
    network, one, _ = await two_agents()
    error = await _refusal(one, one.address)
    assert isinstance(error, PeerAlreadyInCluster)
    assert error.details == {"peer_id": one.peer_id, "taken": "address"}
    assert not network.posts


@in_virtual_time
async def test_itself_under_another_address_is_refused() -> None:
    network, one, _ = await two_agents()
    alias = Address("alias.example:9000")
    network.agents[alias] = one
    error = await _refusal(one, alias)
    assert isinstance(error, PeerAlreadyInCluster)
    assert error.details == {"peer_id": one.peer_id, "taken": "identity"}
    assert network.count(FINISH_PATH) == 0


@in_virtual_time
async def test_an_active_peer_is_refused_at_its_address_without_asking() -> None:
    network, one, two = await two_peers()
    sent = len(network.posts)
    error = await _refusal_between(one, two)
    assert isinstance(error, PeerAlreadyInCluster)
    assert error.details == {"peer_id": two.peer_id, "taken": "address"}
    assert len(network.posts) == sent


@in_virtual_time
async def test_an_active_peer_is_refused_under_another_address_too() -> None:
    network, one, two = await two_peers()
    alias = Address("alias.example:9000")
    network.agents[alias] = two
    error = await _refusal(one, alias, two)
    assert isinstance(error, PeerAlreadyInCluster)
    assert error.details == {"peer_id": two.peer_id, "taken": "identity"}


@in_virtual_time
async def test_an_active_peer_is_already_there_also_when_all_seats_are_taken() -> None:
    network = Network()
    one = await start_agent(network, 1, a_license(max_nodes=2))
    two = await start_agent(network, 2)
    await one.add(two)
    assert isinstance(await _refusal_between(one, two), PeerAlreadyInCluster)


@in_virtual_time
async def test_nobody_at_the_address_is_told_as_such() -> None:
    _, one, _ = await two_agents()
    error = await _refusal(one, address_of(9))
    assert _is_handshake_failure(error, "refused")
    assert error.details["address"] == address_of(9)


@in_virtual_time
async def test_a_finish_after_ten_seconds_is_refused() -> None:
    _, one, two = await two_agents()
    hello = hello_of(one, two)
    finish = finish_of(one, hello, await challenge_by(two, hello))
    before = two.rows()
    await asyncio.sleep(10.0)
    assert reason_of(await finish_at(two, finish)) == "expired"
    assert two.rows() == before


@in_virtual_time
async def test_a_finish_just_before_ten_seconds_is_welcome() -> None:
    _, one, two = await two_agents()
    hello = hello_of(one, two)
    finish = finish_of(one, hello, await challenge_by(two, hello))
    await asyncio.sleep(9.9)
    assert reason_of(await finish_at(two, finish)) == ""
    assert two.knows(one)


@in_virtual_time
async def test_a_cookie_of_another_process_is_refused() -> None:
    network, one, two = await two_agents()
    hello = hello_of(one, two)
    finish = finish_of(one, hello, await challenge_by(two, hello))
    restarted = await start_agent(network, 2, disk=two.disk, chance=SeededChance(77))
    before = restarted.rows()
    assert reason_of(await finish_at(restarted, finish)) == "expired"
    assert restarted.rows() == before


@in_virtual_time
async def test_an_initiator_of_unknown_versions_only_is_told_so() -> None:
    _, one, two = await two_agents()
    answer = await challenge_by(two, hello_of(one, two, versions=(2, 3)))
    assert reason_of(answer) == "wrong_protocol"


@in_virtual_time
async def test_an_initiator_that_offers_more_versions_is_answered_in_ours() -> None:
    _, one, two = await two_agents()
    answer = await challenge_by(two, hello_of(one, two, versions=(2, 1)))
    assert unpack(answer, (str, int, bytes, bytes, bytes, bytes, int, bytes))[1] == 1


@in_virtual_time
async def test_a_responder_that_chose_a_version_which_was_not_offered_is_refused() -> None:
    network, one, two = await two_agents()

    def choose_two(_: object, answer: bytes) -> bytes:
        parts = unpack(answer, (str, int, bytes, bytes, bytes, bytes, int, bytes))
        return pack([parts[0], 2, *parts[2:]])

    network.answers = choose_two
    assert _is_handshake_failure(await _refusal_between(one, two), "wrong_protocol")
    assert network.count(FINISH_PATH) == 0


@in_virtual_time
async def test_what_is_no_agent_is_told_as_such_and_nothing_of_it_is_repeated() -> None:
    network, one, two = await two_agents()
    for answer in (b"", b"<html>secret page</html>", pack(["refused", "failed", "secret", {}])):
        network.answers = lambda _, __, answer=answer: answer  # type: ignore[misc]
        error = await _refusal_between(one, two)
        assert _is_handshake_failure(error, "wrong_protocol")
        assert "secret" not in f"{error.message}{error.details}"


@in_virtual_time
async def test_a_refusal_repeats_nothing_that_does_not_fit_its_shape() -> None:
    network, one, two = await two_agents()
    refusal = pack(["refused", "license_expired", "", {"expired_at": "\x1b[31m" + "x" * 999}])
    network.answers = lambda _, __: refusal
    error = await _refusal_between(one, two)
    assert isinstance(error, LicenseExpired)
    assert error.details["expired_at"] == ""


@in_virtual_time
async def test_an_agent_that_takes_named_peers_only_refuses_one_that_discovered_it() -> None:
    network, one, _ = await two_agents()
    two = await start_agent(network, 2, discovery=DiscoveryMode.EXPLICIT)
    discovered = hello_of(one, two, intent="discovered")
    assert reason_of(await challenge_by(two, discovered)) == "explicit"
    assert reason_of(await challenge_by(two, hello_of(one, two))) == ""


@in_virtual_time
async def test_a_busy_agent_is_told_as_overloaded() -> None:
    network, one, two = await two_agents()
    assert network.count(HELLO_PATH) == 0
    network.answers = lambda _, __: pack(["refused", "failed", "busy", {}])
    assert _is_handshake_failure(await _refusal_between(one, two), "busy")
