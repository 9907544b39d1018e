"""
The peers, as the API shows them.

Each peer's body is encoded once, when it changes; a list is the join of ready bodies, made once
after a change and kept until the next. So a read costs a dictionary look-up, and a change among
ten thousand peers costs one encoding and one join, not ten thousand encodings.
"""

from array import array
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Sequence

from membership.domain.events import PeerEvent, RecordedEvent
from membership.domain.peer import Peer, evolve_peer
from membership.domain.values import Address, PeerId, PublicKey, UnixUs

Encode = Callable[[Peer], bytes]
_Order = tuple[int, PeerId]


class PeersView:
    """
    Every peer that was ever recorded, and the active ones in order.

    Args:
        encode: Renders the public object of a peer as JSON bytes.

    Attributes:
        changed_by: The event id of the last change to any peer; the list's `ETag`.
    """

    def __init__(self, encode: Encode) -> None:
        self._encode = encode
        self._peers: dict[PeerId, Peer] = {}
        self._bodies: dict[PeerId, bytes] = {}
        self._order: list[_Order] = []
        self._by_address: dict[Address, PeerId] = {}
        self._by_key: dict[PublicKey, PeerId] = {}
        self._lists: dict[bool | None, bytes] = {}
        self._local_id: PeerId | None = None
        self._local_versions = array("q")
        self._local_changes_us = array("q")
        self.changed_by = ""

    def __len__(self) -> int:
        """Return how many peers are active."""
        return len(self._order)

    @property
    def local(self) -> Peer:
        """The local peer; raises `LookupError` before `peer.created`."""
        if self._local_id is None:
            message = "the log holds no local peer yet"
            raise LookupError(message)
        return self._peers[self._local_id]

    def local_changed_at_us(self, above: int) -> UnixUs:
        """Return when the local peer's oldest subject version above a lower one was recorded."""
        index = bisect_right(self._local_versions, above)
        return UnixUs(self._local_changes_us[min(index, len(self._local_versions) - 1)])

    def apply(self, recorded: RecordedEvent) -> None:
        """Fold one event in; events of other streams change nothing here."""
        event = recorded.event
        if not isinstance(event, PeerEvent):
            return
        before = self._peers.get(event.peer_id)
        after = evolve_peer(before, recorded)
        if before is not None and before.is_active:
            self._take_out(before)
        self._peers[after.peer_id] = after
        if after.is_local:
            self._local_id = after.peer_id
            self._local_versions.append(after.subject_version)
            self._local_changes_us.append(after.changed_at_us)
        if after.is_active:
            self._put_in(after)
        self._lists.clear()
        self.changed_by = recorded.metadata.event_id

    def restore(self, peers: Iterable[Peer], changed_by: str) -> None:
        """
        Take over what another fold came to, instead of its events; the view is empty before.

        Args:
            peers: In the order of their last changes.
            changed_by: The event id of the last of these.
        """
        for peer in peers:
            self._peers[peer.peer_id] = peer
            if peer.is_local:
                self._local_id = peer.peer_id
            if peer.is_active:
                self._seat(peer)
        # Sorted once: one by one they would move each other, a hundred thousand times.
        self._order = sorted(_order(self._peers[peer_id]) for peer_id in self._bodies)
        self.changed_by = changed_by

    def get(self, peer_id: PeerId) -> Peer | None:
        """Return a peer, active or not."""
        return self._peers.get(peer_id)

    def at_address(self, address: Address) -> Peer | None:
        """Return the active peer that is seated at *address*."""
        peer_id = self._by_address.get(address)
        return None if peer_id is None else self._peers[peer_id]

    def with_key(self, public_key: PublicKey) -> Peer | None:
        """Return the active peer with this key."""
        peer_id = self._by_key.get(public_key)
        return None if peer_id is None else self._peers[peer_id]

    def body(self, peer: Peer) -> bytes:
        """Return the JSON of an active peer, encoded when it last changed."""
        return self._bodies[peer.peer_id]

    def active(self) -> Iterator[Peer]:
        """Yield the active peers by time of creation, then id."""
        for _, peer_id in self._order:
            yield self._peers[peer_id]

    def everyone(self) -> Sequence[Peer]:
        """Return every peer, also those that left or were removed, in the same order."""
        return sorted(self._peers.values(), key=_order)

    def page(self, after: Peer | None, limit: int) -> Sequence[Peer]:
        """Return up to *limit* active peers that come behind *after*."""
        start = 0 if after is None else bisect_left(self._order, _order_behind(after))
        return [self._peers[peer_id] for _, peer_id in self._order[start : start + limit]]

    def list_body(self, *, is_local: bool | None = None) -> bytes:
        """Return the JSON array of all active peers, or of one side of them."""
        body = self._lists.get(is_local)
        if body is None:
            body = self._lists[is_local] = self._join(is_local=is_local)
        return body

    def _join(self, *, is_local: bool | None) -> bytes:
        bodies = self._bodies
        if is_local is None:
            return b"[" + b",".join([bodies[peer_id] for _, peer_id in self._order]) + b"]"
        if is_local:
            local = self._local_id
            return b"[" + (bodies.get(local, b"") if local else b"") + b"]"
        remote = [bodies[peer_id] for _, peer_id in self._order if peer_id != self._local_id]
        return b"[" + b",".join(remote) + b"]"

    def _put_in(self, peer: Peer) -> None:
        insort(self._order, _order(peer))
        self._seat(peer)

    def _seat(self, peer: Peer) -> None:
        self._bodies[peer.peer_id] = self._encode(peer)
        self._by_address[peer.address] = peer.peer_id
        self._by_key[peer.public_key] = peer.peer_id

    def _take_out(self, peer: Peer) -> None:
        del self._order[bisect_left(self._order, _order(peer))]
        del self._bodies[peer.peer_id]
        # Two peers that swap addresses overlap for one event; see membership.domain.cluster.
        if self._by_address.get(peer.address) == peer.peer_id:
            del self._by_address[peer.address]
        del self._by_key[peer.public_key]


def _order(peer: Peer) -> _Order:
    return peer.created_at_us, peer.peer_id


def _order_behind(peer: Peer) -> _Order:
    # The next possible key: no ULID sorts behind its own text with a character appended.
    return peer.created_at_us, PeerId(peer.peer_id + "~")
