"""
Seats kept for handshakes that this agent began.

A reservation counts like a peer, until its peer has the seat, it is given up, or its time is over.
They are in the writer's memory alone: a handshake does not survive a restart either.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from membership.domain.cluster import Cluster
from membership.domain.values import PeerId, UnixUs


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """
    A seat kept for a handshake that this agent began.

    Attributes:
        expires_at_us: The moment that voids it.
        is_overtaken: The peer's own handshake, begun on the other side, has seated it meanwhile.
    """

    peer_id: PeerId
    expires_at_us: UnixUs
    is_overtaken: bool = False


Reservations = Mapping[str, Reservation]
"""Seats kept for handshakes under way, by the names of these."""


def in_time(reservations: Reservations, now_us: UnixUs) -> dict[str, Reservation]:
    """Return those that are not void yet."""
    return {name: r for name, r in reservations.items() if r.expires_at_us > now_us}


def waiting(reservations: Reservations, cluster: Cluster) -> frozenset[PeerId]:
    """Return who has a seat kept, and none yet."""
    kept = {reservation.peer_id for reservation in reservations.values()}
    return frozenset(peer_id for peer_id in kept if not cluster.is_active(peer_id))


def overtaken(
    reservations: Reservations, peer_id: PeerId, *, is_overtaken: bool
) -> dict[str, Reservation]:
    """Return the reservations, those for *peer_id* marked as overtaken or as not."""
    return {
        name: replace(r, is_overtaken=is_overtaken) if r.peer_id == peer_id else r
        for name, r in reservations.items()
    }
