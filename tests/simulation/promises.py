"""
What has to hold, whatever happens. Each promise raises `AssertionError` with what broke it.

Those of one host hold at every moment; that all agree holds when faults have ended and some time
has passed. Those of a log hold of real agents too (see `tests.e2e.agreement`).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

from membership.commands.processor import all_seats
from membership.domain.admission import Admission
from membership.domain.events import (
    EpochBegan,
    PeerAdded,
    PeerDeactivated,
    PeerEpochObserved,
    PeerEvent,
    PeerForked,
    PeerRemoved,
    RecordedEvent,
)
from membership.domain.peer import PeerStatus
from membership.domain.values import PeerId
from membership.peering.peering import DiscoveryMode
from membership.store.event_store import EventStore
from tests.simulation.hosts import Host
from tests.simulation.stage import Stage


def all_are_kept(stage: Stage) -> None:
    """Check every promise on every host."""
    real = {host.peer_id for host in stage.hosts}
    for host in stage.hosts:
        each_log_is_whole(host)
        nothing_acknowledged_is_lost(host, stage.acknowledged.get(host.number, {}))
        no_duplicates_and_no_more_than_licensed(host)
        nobody_comes_back(log_of(host), stage.wanted.get(host.number, set()))
        nobody_else_is_seated(host, real)
        nobody_honest_is_accused(host, stage.suspects)


def log_of(host: Host) -> Sequence[RecordedEvent]:
    """Return everything on a host's disk."""
    return list(EventStore(host.recorder).events())


def each_log_is_whole(host: Host) -> None:
    """Positions and versions have no gaps; what is derived equals what is served and guarded."""
    versions_have_no_gaps(log_of(host))
    rebuilt = host.replayed()
    assert sorted(all_seats(rebuilt.cluster).taken) == list(host.recorder.seats())
    if host.agent is not None:
        assert host.agent.views.contents() == rebuilt.views.contents()


def versions_have_no_gaps(log: Sequence[RecordedEvent]) -> None:
    """Positions count from 1, and so do the versions of each stream."""
    assert [event.position for event in log] == list(range(1, len(log) + 1))
    versions: dict[str, int] = {}
    for recorded in log:
        stream = recorded.event.stream_id
        assert recorded.version == versions.get(stream, 0) + 1, recorded
        versions[stream] = recorded.version


def no_duplicates_and_no_more_than_licensed(host: Host) -> None:
    """Active peers differ in identity, address and key, and are no more than the licence allows."""
    seats = host.recorder.seats()
    for column in zip(*seats, strict=True):
        assert len(set(column)) == len(seats)
    assert len(seats) <= host.license.license.max_nodes


def nobody_comes_back(log: Sequence[RecordedEvent], wanted: Collection[PeerId]) -> None:
    """Who left stays gone; who was removed stays away unless an operator here asked for them."""
    status: dict[PeerId, PeerStatus] = {}
    for recorded in log:
        event = recorded.event
        match event:
            case PeerDeactivated():
                status[event.peer_id] = PeerStatus.LEFT
            case PeerRemoved():
                status[event.peer_id] = PeerStatus.REMOVED
            case PeerAdded():
                before = status.get(event.peer_id)
                assert before is not PeerStatus.LEFT, f"{event.peer_id} left and is back"
                is_asked_for = event.how == "operator" or event.peer_id in wanted
                assert before is None or is_asked_for, f"{event.peer_id} was removed and is back"
            case PeerEvent():
                assert status.get(event.peer_id) is not PeerStatus.LEFT, event


def nothing_acknowledged_is_lost(host: Host, acknowledged: Mapping[int, str]) -> None:
    """What operators were told is done is in the log, where they were told."""
    event_ids = {event.position: event.metadata.event_id for event in log_of(host)}
    for position, event_id in acknowledged.items():
        assert event_ids.get(position) == event_id, f"position {position} was acknowledged"


def nobody_else_is_seated(host: Host, real: Collection[PeerId]) -> None:
    """Nobody whom an attacker made up has a seat, and nobody came in uninvited."""
    for recorded in log_of(host):
        event = recorded.event
        if isinstance(event, PeerAdded):
            assert event.peer_id in real, recorded
            is_explicit = host.discovery is DiscoveryMode.EXPLICIT
            assert not (is_explicit and event.how == Admission.DISCOVERED), recorded


def nobody_honest_is_accused(host: Host, suspects: Collection[PeerId]) -> None:
    """Who never lost or rewrote a log is not said to have contradicted one, nor says so itself."""
    for recorded in log_of(host):
        event = recorded.event
        if isinstance(event, PeerForked | PeerEpochObserved):
            assert event.peer_id in suspects, recorded
        if isinstance(event, EpochBegan):
            assert host.peer_id in suspects, recorded


def active_peers(host: Host) -> frozenset[PeerId]:
    """Return the remote peers that a host lists."""
    assert host.agent is not None
    return frozenset(p.peer_id for p in host.agent.views.peers.active() if not p.is_local)


def groups(hosts: Sequence[Host]) -> Iterator[Sequence[Host]]:
    """Yield the hosts that are connected by peers in touch, group by group."""
    left = [host for host in hosts if host.agent is not None and host.agent.local.peer.is_active]
    while left:
        group, edge = [left[0]], [left.pop(0)]
        while edge:
            here = edge.pop()
            near = [other for other in left if _are_in_touch(here, other)]
            left = [host for host in left if host not in near]
            group += near
            edge += near
        yield group


def _are_in_touch(one: Host, other: Host) -> bool:
    """
    Whether they list each other, and at least one of them knows where the other one is.

    Two who both moved while they could not talk, and have no common peer, have lost each other;
    nothing but an operator can tell one of them.
    """
    return (
        other.peer_id in active_peers(one)
        and one.peer_id in active_peers(other)
        and (_knows_address(one, other) or _knows_address(other, one))
    )


def _knows_address(one: Host, other: Host) -> bool:
    assert one.agent is not None
    peer = one.agent.views.peers.get(other.peer_id)
    return peer is not None and peer.claimed_address == other.address


def disagreement(hosts: Sequence[Host]) -> str:
    """Return what connected hosts do not agree on yet, empty when they agree."""
    for group in groups(hosts):
        digests = {host.number: _digest(host) for host in group}
        if len(set(digests.values())) > 1:
            return f"what is known differs: {digests}"
        for one in group:
            for other in group:
                if one is not other and not _is_settled(one, other):
                    return f"host {one.number} does not list host {other.number}"
                if one is not other and not _is_right_about(one, other):
                    return f"host {one.number} is wrong about host {other.number}"
    return ""


def _digest(host: Host) -> str:
    assert host.agent is not None
    return host.agent.peering.digest().hex()


def _is_settled(one: Host, other: Host) -> bool:
    """Whether one lists the other, or has a reason not to."""
    if other.peer_id in active_peers(one) or one.discovery is DiscoveryMode.EXPLICIT:
        return True
    return _is_full(one) or _is_full(other) or _is_gone(one, other) or _is_gone(other, one)


def _is_full(host: Host) -> bool:
    return len(host.recorder.seats()) >= host.license.license.max_nodes


def _is_gone(host: Host, other: Host) -> bool:
    assert host.agent is not None
    peer = host.agent.views.peers.get(other.peer_id)
    return peer is not None and not peer.is_active


def _is_right_about(one: Host, other: Host) -> bool:
    """Whether what one says of the other, if it lists it, is what the other says of itself."""
    assert one.agent is not None
    assert other.agent is not None
    peer, itself = one.agent.views.peers.get(other.peer_id), other.agent.local.peer
    if peer is None or not peer.is_active:
        return True
    return (peer.own_name, peer.claimed_address) == (itself.own_name, itself.address)
