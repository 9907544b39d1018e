"""The cluster as it was: the views of a past moment, and what differs between two of them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from membership.domain.history import State
from membership.domain.peer import Peer
from membership.domain.service import Service
from membership.domain.values import ServiceId
from projections.peers import Encode, PeersView
from projections.services import ServicesView

K = TypeVar("K")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Past:
    """
    The views as they were after the event at *position*.

    Peers have no records: the log alone keeps those.
    """

    position: int
    peers: PeersView
    services: ServicesView


def past_of(
    position: int, states: Iterable[State], encode: Encode, event_id: Callable[[int], str]
) -> Past:
    """
    Return the views that the last states of all subjects amount to.

    Args:
        event_id: Returns the id of the event at a position.
    """
    in_order = sorted(states, key=lambda state: state.position)
    peers = [state for state in in_order if isinstance(state.subject, Peer)]
    view = PeersView(encode)
    view.restore(
        [state.subject for state in peers if isinstance(state.subject, Peer)],
        event_id(peers[-1].position) if peers else "",
    )
    services = ServicesView(view)
    services.restore([s.subject for s in in_order if isinstance(s.subject, Service)])
    return Past(position, view, services)


class ServiceThen(NamedTuple):
    """A service, and why it was inactive; None while it was active."""

    service: Service
    inactive_reason: str | None


class Change(NamedTuple, Generic[T]):
    """One thing at both moments; *after* is None when nothing is known of it then."""

    before: T
    after: T | None


@dataclass(frozen=True, slots=True)
class Differences(Generic[T]):
    """What is in one list and not in the other, by the second one's order; and what changed."""

    added: Sequence[T]
    removed: Sequence[Change[T]]
    changed: Sequence[Change[T]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What happened to the two lists between two moments, all in all."""

    start: int
    end: int
    peers: Differences[Peer]
    services: Differences[ServiceThen]


def difference(start: Past, end: Past) -> Difference:
    """Return what differs between the lists of two moments; what came and went is in neither."""
    return Difference(
        start=start.position,
        end=end.position,
        peers=_differences(
            {peer.peer_id: peer for peer in start.peers.active()},
            {peer.peer_id: peer for peer in end.peers.active()},
            is_same=lambda old, new: start.peers.body(old) == end.peers.body(new),
            afterwards=end.peers.get,
        ),
        services=_differences(
            _services(start),
            _services(end),
            is_same=lambda old, new: old == new,
            afterwards=lambda _: None,
        ),
    )


def _services(past: Past) -> Mapping[ServiceId, ServiceThen]:
    view = past.services
    return {s.service_id: ServiceThen(s, view.inactive_reason(s)) for s in view.all()}


def _differences(
    start: Mapping[K, T],
    end: Mapping[K, T],
    *,
    is_same: Callable[[T, T], bool],
    afterwards: Callable[[K], T | None],
) -> Differences[T]:
    both = [(start[key], end[key]) for key in end if key in start]
    return Differences(
        added=[value for key, value in end.items() if key not in start],
        removed=[Change(v, afterwards(k)) for k, v in start.items() if k not in end],
        changed=[Change(old, new) for old, new in both if not is_same(old, new)],
    )
