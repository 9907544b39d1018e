"""
Addresses that are waited for.

A peer may say that it is at an address where another active peer has its seat: for a moment while
machines are renumbered, or for good by mistake. It keeps the seat that it has, and its claim
waits (`Cluster.claims`) until that address is free. It is granted in the events that free it, and
since whoever moves in gives up a seat in turn, one move may lead to the next.

Such a chain may come back to the seat that the first mover wants. That is how two peers swap
their addresses, and three go round in a ring.
"""

from membership.domain.cluster import Cluster
from membership.domain.events import PeerReaddressed
from membership.domain.peer import Peer
from membership.domain.values import Address


def moves_after(
    cluster: Cluster, leaver: Peer, wanted: Address | None = None
) -> list[PeerReaddressed]:
    """
    Return who moves on when *leaver* gives up its seat, in this order.

    Args:
        wanted: Where the leaver itself goes to. The chain ends where that seat becomes free.
    """
    moves: list[PeerReaddressed] = []
    if not leaver.is_active:
        return moves
    holder = None if wanted is None else cluster.seat_by_address.get(wanted)
    freed = leaver.address
    while freed != wanted:
        # What the leaver itself waited for until now is over.
        waiting = [p for p in cluster.claims.get(freed, ()) if p != leaver.peer_id]
        if not waiting:
            break
        claimant = cluster.peers[holder if holder in waiting else waiting[0]]
        moves.append(
            PeerReaddressed(
                peer_id=claimant.peer_id,
                before=claimant.address,
                after=freed,
                subject_version=claimant.subject_version,
                record=claimant.record,
            )
        )
        freed = claimant.address
    return moves


def moves_with(cluster: Cluster, mover: Peer, wanted: Address) -> list[PeerReaddressed] | None:
    """Return who moves on when *mover* goes to *wanted*; None when it has to wait for that seat."""
    moves = moves_after(cluster, mover, wanted)
    is_free = wanted not in cluster.seat_by_address
    is_freed = bool(moves) and moves[-1].before == wanted
    return moves if is_free or is_freed else None
