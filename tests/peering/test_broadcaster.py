"""The broadcast, on a loop whose time jumps: everybody hears of it, however long it takes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest

from membership.commands.messages import RenamePeer
from membership.commands.ports import DestinationStatus
from membership.domain.events import PeerDeactivated, PeerRenamed
from membership.domain.values import Address, PeerId, UnixUs, ulid_bytes
from membership.peering.backoff import (
    BASE_S,
    CAP_S,
    LONG_OUTAGE_CAP_S,
    LONG_OUTAGE_S,
    backoff_s,
)
from membership.peering.broadcaster import (
    MAX_IN_FLIGHT,
    PROBE_INTERVAL_S,
    STAGGER_S,
    Broadcaster,
)
from membership.peering.envelope import Message, seal_response
from membership.peering.health import Health
from membership.peering.messenger import Messenger
from membership.peering.peering import Remembered, remembered
from membership.peering.transport import MESSAGE_PATH, Transport, TransportFailed
from membership.store.rows import Delivery
from tests.peering.by_hand import deliver
from tests.peering.two_agents import (
    START_US,
    Agent,
    Network,
    Post,
    SeededChance,
    a_license,
    leave,
    peer_id_of,
    remove,
    rename,
    start_agent,
)
from tests.peering.virtual_time import in_virtual_time, now_s


@dataclass(slots=True)
class _Hub:
    """An agent with a broadcaster of its own and nothing else that sends, and its peers."""

    network: Network
    agent: Agent
    peers: Sequence[Agent]
    broadcaster: Broadcaster

    def status(self, peer: Agent) -> DestinationStatus:
        return next(d for d in self.broadcaster.destinations() if d.peer_id == peer.peer_id)

    def messages(self, peer: Agent) -> list[Post]:
        return [
            post
            for post in self.network.posts
            if post.path == MESSAGE_PATH and post.address == peer.address and post.sender == 1
        ]

    def saved(self, peer: Agent) -> Delivery:
        return next(row for row in self.agent.store.deliveries() if row.peer_id == peer.peer_id)

    def has_heard(self, peer: Agent, name: str) -> bool:
        known = peer.local.views.peers.get(self.agent.peer_id)
        return known is not None and known.own_name == name


@dataclass(frozen=True, slots=True)
class _Line:
    """A way out that a test makes up."""

    carry: Callable[[Address, str, bytes], Awaitable[bytes]]

    async def post(self, address: Address, path: str, frame: bytes) -> bytes:
        return await self.carry(address, path, frame)


def _broadcaster(agent: Agent, line: Transport | None = None) -> Broadcaster:
    clock, chance = agent.clock, agent.chance
    messenger = Messenger(
        agent.local,
        line or agent.line,
        Health(clock),
        clock=clock,
        randomness=chance,
        on_forgotten=lambda _: None,
    )

    async def take_own(held: bytes, _: PeerId) -> None:
        raise AssertionError(held)

    return Broadcaster(
        agent.local, agent.bus, messenger, take_own=take_own, clock=clock, randomness=chance
    )


@asynccontextmanager
async def _hub(peers: int = 1) -> AsyncIterator[_Hub]:
    """Return a hub whose peers know its newest record."""
    network = Network()
    agent = await start_agent(network, 1, a_license(max_nodes=500))
    others = [await start_agent(network, number) for number in range(2, 2 + peers)]
    broadcaster = _broadcaster(agent)
    broadcaster.start([])
    for other in others:
        await agent.add(other)
    yield _Hub(network, agent, others, broadcaster)
    await broadcaster.stop()


def _down(network: Network, *peers: Agent) -> None:
    addresses = {peer.address for peer in peers}
    network.loses_request = lambda post: post.address in addresses


async def _settle() -> None:
    await asyncio.sleep(0.001)


# Reaching everybody


@in_virtual_time
async def test_a_new_name_reaches_every_peer() -> None:
    async with _hub(peers=5) as hub:
        await rename(hub.agent, "new")
        await _settle()
        assert all(hub.has_heard(peer, "new") for peer in hub.peers)
        assert not any(d.is_behind for d in hub.broadcaster.destinations())
        assert [len(hub.messages(peer)) for peer in hub.peers] == [1] * 5


@in_virtual_time
async def test_leaving_reaches_every_peer_and_is_in_their_logs_with_the_signed_record() -> None:
    async with _hub(peers=3) as hub:
        await leave(hub.agent)
        await _settle()
        for peer in hub.peers:
            assert not peer.knows(hub.agent)
            event = peer.events()[-1].event
            assert isinstance(event, PeerDeactivated)
            assert event.record == hub.agent.local.record()


@in_virtual_time
async def test_a_peer_that_was_added_a_moment_ago_is_told_nothing_that_it_knows() -> None:
    async with _hub() as hub:
        await asyncio.sleep(600)
        assert hub.messages(hub.peers[0]) == []
        assert not hub.status(hub.peers[0]).is_behind


@in_virtual_time
async def test_a_change_during_the_handshake_is_told_after_it() -> None:
    async with _hub(peers=0) as hub:
        other = await start_agent(hub.network, 9)
        adding = asyncio.create_task(hub.agent.add(other))
        while not hub.network.posts:
            await asyncio.sleep(0)
        await rename(hub.agent, "in between")
        await adding
        await _settle()
        assert hub.has_heard(other, "in between")


@in_virtual_time
async def test_a_label_for_a_remote_peer_is_told_nobody() -> None:
    async with _hub(peers=2) as hub:
        await hub.agent.bus.submit(RenamePeer(peer_id=hub.peers[0].peer_id, name="a label"))
        await asyncio.sleep(10)
        assert hub.messages(hub.peers[1]) == []


@in_virtual_time
async def test_ten_changes_while_a_peer_was_down_are_one_message_when_it_is_back() -> None:
    async with _hub() as hub:
        [peer] = hub.peers
        _down(hub.network, peer)
        for number in range(10):
            await rename(hub.agent, f"name {number}")
        await asyncio.sleep(60)
        failed = len(hub.messages(peer))
        _down(hub.network)
        await asyncio.sleep(CAP_S)
        assert len(hub.messages(peer)) == failed + 1
        assert hub.has_heard(peer, "name 9")
        renamed = [r for r in peer.events() if isinstance(r.event, PeerRenamed)]
        assert len(renamed) == 1


@in_virtual_time
async def test_a_change_while_a_message_is_under_way_is_told_too() -> None:
    async with _hub() as hub:
        await rename(hub.agent, "first")
        await asyncio.sleep(0)
        await rename(hub.agent, "second")
        await _settle()
        assert hub.has_heard(hub.peers[0], "second")
        assert not hub.status(hub.peers[0]).is_behind


# Failing


@in_virtual_time
async def test_a_failed_attempt_is_tried_again_within_the_bounds_of_the_backoff() -> None:
    async with _hub() as hub:
        [peer] = hub.peers
        _down(hub.network, peer)
        await rename(hub.agent, "new")
        await asyncio.sleep(LONG_OUTAGE_S - 60)
        times = [post.at_s for post in hub.messages(peer)]
        assert len(times) > 10
        for attempt, (before, after) in enumerate(pairwise(times), start=1):
            assert after - before <= min(CAP_S, BASE_S * 2 ** (attempt - 1)) + 0.001
        status = hub.status(peer)
        assert status.attempts == len(times)
        assert status.last_error == "no answer within 5 seconds"
        assert status.failing_since_us == hub.saved(peer).failing_since_us


@in_virtual_time
async def test_a_peer_is_never_given_up() -> None:
    async with _hub() as hub:
        [peer] = hub.peers
        _down(hub.network, peer)
        await rename(hub.agent, "new")
        await asyncio.sleep(30 * 86_400)
        times = [post.at_s for post in hub.messages(peer)]
        gaps = [after - before for before, after in pairwise(times)]
        assert max(gaps) <= LONG_OUTAGE_CAP_S + 0.001
        assert max(gaps) > CAP_S
        assert len(times) < 30 * 86_400 / (LONG_OUTAGE_CAP_S / 4)
        _down(hub.network)
        await asyncio.sleep(LONG_OUTAGE_CAP_S)
        assert hub.has_heard(peer, "new")
        assert hub.status(peer).attempts == 0
        assert hub.saved(peer).attempts == 0


@pytest.mark.parametrize("attempts", [1, 2, 5, 9, 10, 17, 1_000, 10**9])
def test_the_backoff_stays_within_its_bounds(attempts: int) -> None:
    chance = SeededChance(1)
    for failing_for_s, cap_s in ((-5.0, CAP_S), (0.0, CAP_S), (LONG_OUTAGE_S, LONG_OUTAGE_CAP_S)):
        ceiling_s = min(cap_s, BASE_S * 2 ** min(attempts - 1, 16))
        waits = [backoff_s(attempts, failing_for_s, chance) for _ in range(200)]
        assert 0.0 <= min(waits) < ceiling_s * 0.2
        assert ceiling_s * 0.8 < max(waits) <= ceiling_s


@in_virtual_time
async def test_the_next_attempt_is_on_disk_before_an_attempt_is_made() -> None:
    async with _hub() as hub:
        [peer] = hub.peers
        seen: list[tuple[int, UnixUs]] = []

        def lose(post: Post) -> bool:
            if post.path == MESSAGE_PATH and len(hub.messages(peer)) > 1:
                row = hub.saved(peer)
                seen.append((row.attempts, row.next_attempt_at_us))
                assert row.next_attempt_at_us >= START_US + int(now_s() * 1e6)
            return True

        hub.network.loses_request = lose
        await rename(hub.agent, "new")
        await asyncio.sleep(600)
        assert [attempts for attempts, _ in seen] == list(range(2, len(seen) + 2))
        assert len(seen) > 5


@in_virtual_time
async def test_at_most_one_request_is_under_way_to_a_peer() -> None:
    async with _hub(peers=2) as hub:
        under_way: dict[Address, int] = {}
        most = [0]

        async def slow(address: Address, path: str, frame: bytes) -> bytes:
            under_way[address] = under_way.get(address, 0) + 1
            most[0] = max(most[0], under_way[address])
            await asyncio.sleep(3)
            try:
                return await hub.agent.line.post(address, path, frame)
            finally:
                under_way[address] -= 1

        await hub.broadcaster.stop()
        broadcaster = _broadcaster(hub.agent, _Line(slow))
        broadcaster.start([])
        for number in range(20):
            await rename(hub.agent, f"name {number}")
            for peer in hub.peers:
                broadcaster.sign_of_life(peer.peer_id)
            await asyncio.sleep(0.5)
        await asyncio.sleep(30)
        assert most == [1]
        await broadcaster.stop()


# Starting again


@in_virtual_time
async def test_a_restart_takes_up_the_deliveries_on_disk() -> None:
    async with _hub(peers=2) as hub:
        down, up = hub.peers
        _down(hub.network, down)
        await rename(hub.agent, "new")
        await asyncio.sleep(1_000)
        await hub.broadcaster.stop()
        row = hub.saved(down)
        assert row.attempts > 3
        restarted = await start_agent(hub.network, 1, disk=hub.agent.disk)
        _down(hub.network)
        sent_up, sent_down, started_s = len(hub.messages(up)), len(hub.messages(down)), now_s()
        broadcaster = _broadcaster(restarted)
        broadcaster.start(restarted.store.deliveries())
        await asyncio.sleep(LONG_OUTAGE_CAP_S)
        assert len(hub.messages(up)) == sent_up
        [message] = hub.messages(down)[sent_down:]
        assert message.at_s >= min(started_s, (row.next_attempt_at_us - START_US) / 1e6 - 0.001)
        assert hub.has_heard(down, "new")
        await broadcaster.stop()


@in_virtual_time
async def test_after_a_restart_nobody_is_told_before_its_next_attempt_is_due() -> None:
    async with _hub() as hub:
        [peer] = hub.peers
        await rename(hub.agent, "new")
        await _settle()
        await hub.broadcaster.stop()
        restarted = await start_agent(hub.network, 1, disk=hub.agent.disk)
        due_us = UnixUs(START_US + int((now_s() + 120) * 1e6))
        row = Delivery(
            peer_id=peer.peer_id,
            acked_version=1,
            attempts=7,
            failing_since_us=START_US,
            next_attempt_at_us=due_us,
        )
        sent, broadcaster = len(hub.messages(peer)), _broadcaster(restarted)
        broadcaster.start([row])
        await asyncio.sleep(119)
        assert len(hub.messages(peer)) == sent
        await asyncio.sleep(2)
        assert len(hub.messages(peer)) == sent + 1
        await broadcaster.stop()


@in_virtual_time
async def test_a_clock_that_jumped_while_the_agent_was_down_delays_nobody_for_ever() -> None:
    async with _hub() as hub:
        [peer] = hub.peers
        await hub.broadcaster.stop()
        await rename(hub.agent, "new")
        restarted = await start_agent(hub.network, 1, disk=hub.agent.disk)
        row = Delivery(
            peer_id=peer.peer_id,
            acked_version=1,
            attempts=7,
            failing_since_us=UnixUs(START_US * 2),
            next_attempt_at_us=UnixUs(START_US * 2),
        )
        broadcaster = _broadcaster(restarted)
        broadcaster.start([row])
        await asyncio.sleep(LONG_OUTAGE_CAP_S + 1)
        assert hub.has_heard(peer, "new")
        await broadcaster.stop()


@in_virtual_time
async def test_after_a_restart_the_peers_are_told_one_after_the_other() -> None:
    async with _hub(peers=30) as hub:
        await hub.broadcaster.stop()
        await rename(hub.agent, "new")
        restarted = await start_agent(hub.network, 1, disk=hub.agent.disk)
        started_s, sent = now_s(), len(hub.network.posts)
        broadcaster = _broadcaster(restarted)
        broadcaster.start(restarted.store.deliveries())
        await asyncio.sleep(STAGGER_S + 0.1)
        times = sorted(post.at_s - started_s for post in hub.network.posts[sent:])
        assert len(times) == 30
        assert times[0] < STAGGER_S / 4
        assert times[-1] > STAGGER_S / 2
        assert len(set(times)) == 30
        await broadcaster.stop()


@in_virtual_time
async def test_an_agent_that_left_goes_on_telling_so_after_a_restart() -> None:
    async with _hub() as hub:
        [peer] = hub.peers
        _down(hub.network, peer)
        await leave(hub.agent)
        await asyncio.sleep(10)
        await hub.broadcaster.stop()
        restarted = await start_agent(hub.network, 1, disk=hub.agent.disk)
        _down(hub.network)
        broadcaster = _broadcaster(restarted)
        broadcaster.start(restarted.store.deliveries())
        await asyncio.sleep(60)
        assert not peer.knows(restarted)
        await broadcaster.stop()


# Peers that go


@in_virtual_time
async def test_a_removed_peer_is_told_nothing_and_forgotten_on_disk() -> None:
    async with _hub(peers=2) as hub:
        gone, here = hub.peers
        _down(hub.network, gone)
        await rename(hub.agent, "new")
        await asyncio.sleep(30)
        await remove(hub.agent, gone)
        sent = len(hub.messages(gone))
        await asyncio.sleep(3_600)
        assert len(hub.messages(gone)) == sent
        assert [d.peer_id for d in hub.broadcaster.destinations()] == [here.peer_id]
        assert gone.peer_id not in {row.peer_id for row in hub.agent.store.deliveries()}


@in_virtual_time
async def test_a_peer_that_left_is_told_nothing_any_more() -> None:
    async with _hub() as hub:
        [peer] = hub.peers
        await leave(peer)
        await deliver(peer, hub.agent, [peer.local.record()])
        await rename(hub.agent, "new")
        await asyncio.sleep(3_600)
        assert hub.messages(peer) == []
        assert hub.broadcaster.destinations() == []


@in_virtual_time
async def test_a_peer_that_removed_this_agent_acknowledges_and_is_not_asked_again() -> None:
    async with _hub() as hub:
        [peer] = hub.peers
        await remove(peer, hub.agent)
        before = peer.rows()
        await rename(hub.agent, "new")
        await asyncio.sleep(3_600)
        assert len(hub.messages(peer)) == 1
        assert peer.rows() == before


@in_virtual_time
async def test_a_removed_peer_that_is_added_again_is_told_from_then_on() -> None:
    async with _hub() as hub:
        [peer] = hub.peers
        await remove(hub.agent, peer)
        await rename(hub.agent, "while away")
        await hub.agent.add(peer)
        await rename(hub.agent, "back")
        await _settle()
        assert hub.has_heard(peer, "back")


# Signs of life


@in_virtual_time
async def test_a_sign_of_life_is_reason_for_one_attempt_at_once() -> None:
    async with _hub() as hub:
        [peer] = hub.peers
        _down(hub.network, peer)
        await rename(hub.agent, "new")
        await asyncio.sleep(3_000)
        _down(hub.network)
        sent = len(hub.messages(peer))
        hub.broadcaster.sign_of_life(peer.peer_id)
        hub.broadcaster.sign_of_life(peer.peer_id)
        await _settle()
        assert len(hub.messages(peer)) == sent + 1
        assert hub.has_heard(peer, "new")


@in_virtual_time
async def test_signs_of_life_of_a_peer_that_does_not_answer_are_bounded() -> None:
    async with _hub() as hub:
        [peer] = hub.peers
        _down(hub.network, peer)
        await rename(hub.agent, "new")
        await asyncio.sleep(20_000)
        sent = len(hub.messages(peer))
        for _ in range(600):
            hub.broadcaster.sign_of_life(peer.peer_id)
            await asyncio.sleep(0.1)
        assert 1 <= len(hub.messages(peer)) - sent <= 3


@in_virtual_time
async def test_a_sign_of_life_of_a_stranger_or_of_a_healthy_peer_does_nothing() -> None:
    async with _hub() as hub:
        hub.broadcaster.sign_of_life(PeerId("01KC0000000000000000000009"))
        hub.broadcaster.sign_of_life(hub.peers[0].peer_id)
        await asyncio.sleep(60)
        assert hub.messages(hub.peers[0]) == []


@in_virtual_time
async def test_two_agents_that_cannot_answer_each_other_wake_each_other_at_a_bounded_pace() -> None:
    network = Network()
    one, two = await start_agent(network, 1), await start_agent(network, 2)
    await one.add(two)
    network.loses_answer = lambda post: post.path == MESSAGE_PATH
    one.peering.start(Remembered())
    two.peering.start(Remembered())
    await rename(one, "new one")
    await rename(two, "new two")
    await asyncio.sleep(600)
    sent = len(network.posts)
    await asyncio.sleep(600)
    probes, rounds = 2 * 600 / PROBE_INTERVAL_S, 2 * 600 / 8
    assert len(network.posts) - sent <= probes + rounds
    await one.peering.stop()
    await two.peering.stop()


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("verdicts", []),
        ("verdicts", ["applied"]),
        ("verdicts", [[b"\x00" * 16, 2, "applied", b""]]),
        ("verdicts", [[ulid_bytes(peer_id_of(1)), 2, "whatever", b""]]),
        ("verdicts", [[ulid_bytes(peer_id_of(1)), 2, None, b""]]),
        ("verdicts", [[ulid_bytes(peer_id_of(1)), 2, "applied"]]),
        ("verdicts", [None]),
        ("refused", ["unknown_sender"]),
        ("digest", [[ulid_bytes(peer_id_of(1)), 2, "applied", b""]]),
    ],
    ids=str,
)
def test_only_an_acknowledgement_that_makes_sense_moves_the_cursor(
    kind: str, body: list[Any]
) -> None:
    @in_virtual_time
    async def scenario() -> None:
        async with _hub() as hub:
            [peer] = hub.peers
            nonsense = Message(
                kind=kind, sender=peer.peer_id, recipient=hub.agent.peer_id, body=body
            )
            hub.network.answers = lambda post, _: seal_response(
                peer.local.signer, nonsense, post.frame
            )
            await rename(hub.agent, "new")
            await asyncio.sleep(10)
            assert hub.status(peer).is_behind
            assert hub.status(peer).last_error

    scenario()


# This agent's own troubles


@in_virtual_time
async def test_a_full_disk_delays_the_broadcast_and_does_not_end_it() -> None:
    async with _hub() as hub:
        [peer] = hub.peers
        _down(hub.network, peer)
        await rename(hub.agent, "new")
        await asyncio.sleep(30)
        hub.agent.disk.refuses = lambda events: not events
        sent = len(hub.messages(peer))
        await asyncio.sleep(1_200)
        assert len(hub.messages(peer)) == sent
        assert "log" in hub.status(peer).last_error
        hub.agent.disk.refuses = lambda _: False
        _down(hub.network)
        await asyncio.sleep(CAP_S)
        assert hub.has_heard(peer, "new")


@in_virtual_time
async def test_a_peer_with_a_full_disk_is_told_again_later() -> None:
    async with _hub() as hub:
        [peer] = hub.peers
        peer.disk.refuses = lambda _: True
        await rename(hub.agent, "new")
        await asyncio.sleep(60)
        assert hub.status(peer).is_behind
        peer.disk.refuses = lambda _: False
        await asyncio.sleep(CAP_S)
        assert hub.has_heard(peer, "new")


@in_virtual_time
async def test_stopping_cancels_every_attempt() -> None:
    async with _hub(peers=5) as hub:
        _down(hub.network, *hub.peers)
        await rename(hub.agent, "new")
        await asyncio.sleep(30)
        await hub.broadcaster.stop()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        sent = len(hub.network.posts)
        await rename(hub.agent, "newer")
        await asyncio.sleep(3_600)
        assert len(hub.network.posts) == sent


@in_virtual_time
async def test_stopping_the_whole_peering_leaves_no_task() -> None:
    network = Network()
    one, two = await start_agent(network, 1), await start_agent(network, 2)
    await one.add(two)
    for agent in (one, two):
        agent.peering.start(remembered(agent.store))
    await rename(one, "new")
    await asyncio.sleep(100)
    for agent in (one, two):
        await agent.peering.stop()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@in_virtual_time
async def test_requests_under_way_are_bounded_overall() -> None:
    async with _hub(peers=MAX_IN_FLIGHT + 20) as hub:
        under_way, most = [0], [0]

        async def slow(_: Address, __: str, ___: bytes) -> bytes:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
            await asyncio.sleep(5)
            under_way[0] -= 1
            raise TransportFailed("timeout")

        broadcaster = _broadcaster(hub.agent, _Line(slow))
        broadcaster.start([])
        await asyncio.sleep(STAGGER_S * 2)
        assert most == [MAX_IN_FLIGHT]
        await broadcaster.stop()
