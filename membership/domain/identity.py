"""
Identities that name their key.

A peer's id is a ULID whose 80 random bits are a hash of the peer's public key. So an id cannot be
claimed with another key, by nobody and before anybody: a record proves not only that some key
signed it, but that it is the key of the peer it speaks of, also to agents that never met that
peer. The 48 bits of time stay what they are in every ULID, the moment of creation.
"""

import hashlib

from membership.domain.values import PeerId, PublicKey, UnixUs, ulid_bytes, ulid_text

TIME_BYTES = 6
HASH_BYTES = 10
_PERSON = b"mbr-peer-id"
_US_PER_MS = 1_000


def peer_id_for(public_key: PublicKey, created_at_us: UnixUs) -> PeerId:
    """Return the id of the peer with this key."""
    time = (created_at_us // _US_PER_MS).to_bytes(TIME_BYTES, "big")
    return PeerId(ulid_text(time + _hash(public_key)))


def is_id_of(peer_id: PeerId, public_key: PublicKey) -> bool:
    """Return whether the id may be this key's."""
    return ulid_bytes(peer_id)[TIME_BYTES:] == _hash(public_key)


def _hash(public_key: PublicKey) -> bytes:
    return hashlib.blake2b(public_key, digest_size=HASH_BYTES, person=_PERSON).digest()
