"""The promises themselves: each notices what it is there for."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from membership.domain.events import (
    Actor,
    Event,
    HandshakeEvidence,
    Metadata,
    PeerAdded,
    PeerDeactivated,
    PeerRemoved,
    RecordedEvent,
)
from membership.domain.identity import peer_id_for
from membership.domain.values import Address, PublicKey, UnixUs
from membership.peering.peering import DiscoveryMode
from membership.store.event_store import EventStore
from membership.store.rows import Batch, Seat, SeatChanges
from tests.peering.two_agents import START_US
from tests.peering.virtual_time import in_virtual_time
from tests.simulation import promises
from tests.simulation.hosts import Host
from tests.simulation.stage import OPERATOR, Stage, set_up
from tests.simulation.story import Step, shorten
from tests.simulation.telling import settle

KEY = PublicKey(b"\x07" * 32)
SOMEBODY = peer_id_for(KEY, START_US)


async def _one_host() -> tuple[Stage, Host]:
    stage = set_up(0, 1)
    [host] = stage.hosts
    await host.start()
    await host.stop()
    return stage, host


def _added(how: str = "operator") -> PeerAdded:
    return PeerAdded(
        peer_id=SOMEBODY,
        public_key=KEY,
        address=Address("somebody.example:1"),
        name="",
        label="",
        subject_version=1,
        how=how,
        introduced_by=None,
        record=b"",
        evidence=HandshakeEvidence(transcript=b"", signature=b"", remote_role="responder"),
    )


_LEFT = PeerDeactivated(
    peer_id=SOMEBODY,
    public_key=KEY,
    address=Address("somebody.example:1"),
    name="",
    subject_version=2,
    record=b"",
)


def _write(host: Host, events: Sequence[Event], seats: SeatChanges | None = None) -> None:
    """Write into a log what no agent would."""
    log = promises.log_of(host)
    versions = {r.event.stream_id: r.version for r in log}
    recorded = []
    for position, event in enumerate(events, start=len(log) + 1):
        versions[event.stream_id] = versions.get(event.stream_id, 0) + 1
        recorded.append(
            RecordedEvent(
                position=position,
                version=versions[event.stream_id],
                event=event,
                metadata=Metadata(
                    event_id=host.peer_id,
                    occurred_at_us=UnixUs(0),
                    recorded_at_us=START_US,
                    actor=Actor(kind="system", id="test"),
                ),
            )
        )
    EventStore(host.recorder).append(Batch(events=recorded, seats=seats or SeatChanges()))


@in_virtual_time
async def test_who_left_and_is_back_is_noticed() -> None:
    _, host = await _one_host()
    _write(host, [_added(), _LEFT, _added()])

    with pytest.raises(AssertionError, match="left and is back"):
        promises.nobody_comes_back(promises.log_of(host), {SOMEBODY})


@in_virtual_time
async def test_who_was_removed_and_is_back_uninvited_is_noticed() -> None:
    _, host = await _one_host()
    _write(host, [_added(), PeerRemoved(peer_id=SOMEBODY), _added(how="inbound")])

    with pytest.raises(AssertionError, match="removed and is back"):
        promises.nobody_comes_back(promises.log_of(host), set())


@in_virtual_time
async def test_who_was_removed_and_asked_for_may_be_back() -> None:
    _, host = await _one_host()
    _write(host, [_added(), PeerRemoved(peer_id=SOMEBODY), _added(how="inbound")])

    promises.nobody_comes_back(promises.log_of(host), {SOMEBODY})


@in_virtual_time
async def test_a_seat_for_somebody_made_up_is_noticed() -> None:
    _, host = await _one_host()
    _write(host, [_added()])

    with pytest.raises(AssertionError):
        promises.nobody_else_is_seated(host, {host.peer_id})


@in_virtual_time
async def test_a_peer_that_nobody_named_is_noticed_where_only_named_ones_come_in() -> None:
    _, host = await _one_host()
    host.discovery = DiscoveryMode.EXPLICIT
    _write(host, [_added(how="discovered")])

    with pytest.raises(AssertionError):
        promises.nobody_else_is_seated(host, {host.peer_id, SOMEBODY})


@in_virtual_time
async def test_a_lost_acknowledgement_is_noticed() -> None:
    _, host = await _one_host()

    with pytest.raises(AssertionError, match="position 99 was acknowledged"):
        promises.nothing_acknowledged_is_lost(host, {99: host.peer_id})


@in_virtual_time
async def test_a_seat_that_the_log_does_not_give_is_noticed() -> None:
    _, host = await _one_host()
    _write(host, [_added()])  # Without its seat.

    with pytest.raises(AssertionError):
        promises.each_log_is_whole(host)


@in_virtual_time
async def test_more_seats_than_licensed_are_noticed() -> None:
    _, host = await _one_host()
    host.license = replace(host.license, license=replace(host.license.license, max_nodes=1))
    seat = Seat(SOMEBODY, Address("somebody.example:1"), KEY)
    _write(host, [_added()], SeatChanges(taken=[seat], capacity=2))

    with pytest.raises(AssertionError):
        promises.no_duplicates_and_no_more_than_licensed(host)


@in_virtual_time
async def test_agents_that_cannot_talk_do_not_agree_and_that_is_noticed() -> None:
    stage = set_up(0, 2)
    one, other = stage.hosts
    await one.start()
    await other.start()
    assert one.agent is not None
    assert other.agent is not None
    await one.agent.peering.add_peer(other.address, "", OPERATOR)
    assert await settle(stage) >= 0.0
    stage.network.cut |= {(0, 1), (1, 0)}
    await other.stop()
    other.address = Address("moved.example:1")
    await other.start()

    assert "differs" in promises.disagreement(stage.hosts)

    for host in stage.hosts:
        await host.stop()


def test_a_story_is_cut_to_the_steps_that_matter() -> None:
    steps = [Step("add", float(n), 0, 1, 0.0) for n in range(50)]

    short = shorten(steps, lambda kept: {steps[7], steps[31]} <= set(kept))

    assert short == [steps[7], steps[31]]
