"""Peers as people read them."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from membership.cli.output import details, table, to_the_second
from membership.client import Departure, Peer

IPV4_ADDRESS_CHARS = len("255.255.255.255:65535")


def peers_table(peers: Sequence[Peer]) -> Table:
    """Return one line a peer; the agent that answers has a star."""
    rows = [
        (
            Text("*", "green") if peer.is_local else "",
            peer.id,
            peer.name or "-",
            peer.address,
            to_the_second(peer.created_at)[:-3],
        )
        for peer in peers
    ]
    whole = ["", "ID", "RECORDED (UTC)"]
    # Names give way first; an address does so only when it is a long one.
    if all(len(peer.address) <= IPV4_ADDRESS_CHARS for peer in peers):
        whole.append("ADDRESS")
    return table(("", "ID", "NAME", "ADDRESS", "RECORDED (UTC)"), rows, whole)


def peer_details(peer: Peer) -> Table:
    """Return everything about one peer."""
    return details(
        {
            "id": peer.id,
            "name": peer.name or "-",
            "address": peer.address,
            "public key": peer.public_key,
            "is": "the agent that answered" if peer.is_local else "a remote peer",
            "recorded": f"{to_the_second(peer.created_at)} UTC",
        }
    )


def departure_details(departure: Departure) -> Table:
    """Return how a peer left."""
    return details(
        {
            "peer": departure.peer_id,
            "version": str(departure.version),
            "left": f"{to_the_second(departure.deactivated_at)} UTC",
        }
    )
