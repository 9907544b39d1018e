"""
What this agent knows of every peer, and how to compare it with what another agent knows.

The log holds the newest record of everybody who has or had a seat here. Beside it the book
remembers, in memory, the newest records of peers without one: strangers that a member told of,
and newer records of peers that were removed here. They change nothing; they let this agent pass
them on, find them (see `membership.peering.discovery`) and agree with others on what is known.

Two agents compare by digest. Every peer counts with the hash of its id and standing, added up in
one of 256 buckets by its id. Addition makes the digest independent of order and
lets one change cost one subtraction and one addition. That it is no cryptographic set hash does
not matter: whoever could forge a collision could as well answer with somebody else's digest.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from membership.domain.events import PeerEvent, RecordedEvent
from membership.domain.peer import Peer, PeerStatus
from membership.domain.record import PeerRecord
from membership.domain.values import PeerId, ulid_bytes
from membership.peering.local import LocalAgent

BUCKETS = 256
BUCKET_BYTES = 8
DIGEST_BYTES = 16
MAX_UNSEATED = 4_096
_MODULUS = 1 << (8 * BUCKET_BYTES)


class Standing(NamedTuple):
    """
    How far a peer is known.

    Attributes:
        left: It has left for good; then version and mark are 0, since any farewell will do.
        version: The highest that its records carry.
        mark: 64 bits of the hash of that record. Two marks for one version mean that its key
            signed two records, and that it has to be told (see `membership.peering.lineage`).
    """

    left: bool
    version: int
    mark: int

    def is_newer_than(self, other: "Standing | None") -> bool:
        """Whether this one wins; one that left wins over everything."""
        return other is None or (self.left, self.version) > (other.left, other.version)

    def is_news_to(self, other: "Standing | None") -> bool:
        """Whether somebody with the *other* standing has to hear of this one."""
        if other is None or self.is_newer_than(other):
            return True
        return not other.is_newer_than(self) and self.mark != other.mark


_GONE = Standing(left=True, version=0, mark=0)


@dataclass(frozen=True, slots=True)
class Introduction:
    """A record of a peer without a seat here, and the member that brought it."""

    record: PeerRecord
    bringer: PeerId


class RecordBook:
    """Everybody's newest record, with an incremental digest; on the event loop only."""

    def __init__(self, local: LocalAgent) -> None:
        self._local = local
        self._standings: dict[PeerId, Standing] = {}
        self._members: list[set[PeerId]] = [set() for _ in range(BUCKETS)]
        self._packed_sums = bytearray(BUCKETS * BUCKET_BYTES)
        self._unseated: dict[PeerId, Introduction] = {}

    def start(self) -> None:
        """Read everybody from the views."""
        for peer in self._local.views.peers.everyone():
            self._refresh(peer.peer_id)

    def on_events(self, events: Iterable[RecordedEvent]) -> None:
        """Follow the log."""
        for peer_id in {r.event.peer_id for r in events if isinstance(r.event, PeerEvent)}:
            self._refresh(peer_id)

    def note(self, record: PeerRecord, bringer: PeerId) -> bool:
        """Remember a record of a peer without a seat; return whether it is news."""
        peer_id = record.peer_id
        known = self._standings.get(peer_id)
        if not _standing_of(record).is_newer_than(known):
            return False
        if peer_id not in self._unseated and len(self._unseated) >= MAX_UNSEATED:
            return False
        self._unseated[peer_id] = Introduction(record, bringer)
        self._refresh(peer_id)
        return True

    def introduction(self, peer_id: PeerId) -> Introduction | None:
        """Return the newest record of a peer that has no seat here."""
        return self._unseated.get(peer_id)

    def standing(self, peer_id: PeerId) -> Standing | None:
        """Return how far a peer is known, None for not at all."""
        return self._standings.get(peer_id)

    def signed_record(self, peer_id: PeerId) -> bytes | None:
        """Return a peer's newest record as it travels."""
        unseated = self._unseated.get(peer_id)
        if unseated is not None:
            return unseated.record.signed
        peer = self._local.views.peers.get(peer_id)
        return None if peer is None else self._record_here(peer)

    def digest(self) -> bytes:
        """Return 16 bytes that are equal for agents that know the same."""
        return hashlib.blake2b(self._packed_sums, digest_size=DIGEST_BYTES).digest()

    def buckets(self) -> bytes:
        """Return the sums of all buckets, 8 bytes each."""
        return bytes(self._packed_sums)

    def in_buckets(self, indexes: Sequence[int]) -> Mapping[PeerId, Standing]:
        """Return who is known in some buckets, and how far."""
        return {
            peer_id: self._standings[peer_id]
            for index in indexes
            for peer_id in sorted(self._members[index])
        }

    def differing(self, other_buckets: bytes) -> list[int]:
        """Return the indexes of the buckets that differ from another agent's."""
        ours = self.buckets()
        return [
            index
            for index in range(BUCKETS)
            if ours[index * BUCKET_BYTES : (index + 1) * BUCKET_BYTES]
            != other_buckets[index * BUCKET_BYTES : (index + 1) * BUCKET_BYTES]
        ]

    def _refresh(self, peer_id: PeerId) -> None:
        peer = self._local.views.peers.get(peer_id)
        here = None if peer is None else self._standing_here(peer)
        unseated = self._unseated.get(peer_id)
        if unseated is not None:
            standing = _standing_of(unseated.record)
            is_seated = peer is not None and peer.is_active
            if not is_seated and standing.is_newer_than(here):
                here = standing
            else:
                del self._unseated[peer_id]
        if here is not None:
            self._replace(peer_id, here)

    def _replace(self, peer_id: PeerId, standing: Standing) -> None:
        raw = ulid_bytes(peer_id)
        index = raw[-1]
        before = self._standings.get(peer_id)
        place = slice(index * BUCKET_BYTES, (index + 1) * BUCKET_BYTES)
        total = int.from_bytes(self._packed_sums[place], "big") + _hash_standing(raw, standing)
        if before is not None:
            total -= _hash_standing(raw, before)
        self._packed_sums[place] = (total % _MODULUS).to_bytes(BUCKET_BYTES, "big")
        self._standings[peer_id] = standing
        self._members[index].add(peer_id)

    def _standing_here(self, peer: Peer) -> Standing:
        if peer.status is PeerStatus.LEFT:
            return _GONE
        return Standing(
            left=False, version=peer.subject_version, mark=_hash(self._record_here(peer))
        )

    def _record_here(self, peer: Peer) -> bytes:
        return self._local.record() if peer.is_local else peer.record


def _standing_of(record: PeerRecord) -> Standing:
    if record.left:
        return _GONE
    return Standing(left=False, version=record.subject_version, mark=_hash(record.signed))


def _hash_standing(raw_id: bytes, standing: Standing) -> int:
    numbers = standing.version.to_bytes(8, "big") + standing.mark.to_bytes(8, "big")
    return _hash(raw_id + bytes([standing.left]) + numbers)


def _hash(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=BUCKET_BYTES).digest(), "big")
