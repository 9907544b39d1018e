"""
The log as a Merkle tree: what a leaf is.

A leaf is the array `[1, stream id, version, stored name, state]` in msgpack, the id as its 16
bytes and the state exactly as stored. Nothing is decoded and encoded again on the way to a
hash, so that a proof speaks of the bytes on disk.

Source: RFC 9162, section 2.1.1; DESIGN.md, section 7.
"""

import hashlib

import msgpack

LEAF_VERSION = 1
HASH_BYTES = 32


def leaf_bytes(stream_id: bytes, version: int, stored_name: str, state: bytes) -> bytes:
    """Return the leaf's input: *stream_id* has 16 bytes, *version* counts from 1."""
    packed: bytes = msgpack.packb([LEAF_VERSION, stream_id, version, stored_name, state])
    return packed


def leaf_hash(leaf: bytes) -> bytes:
    """Return SHA-256(0x00 ‖ leaf), 32 bytes."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return SHA-256(0x01 ‖ left ‖ right), 32 bytes."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """
    The right edge of a growing tree: enough to know its root, O(log n) hashes.

    Attributes:
        size: How many leaves were added.
    """

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []

    def append(self, hashed_leaf: bytes) -> None:
        """Add the hash of the next leaf."""
        node, size = hashed_leaf, self.size
        while size & 1:
            node = node_hash(self._peaks.pop(), node)
            size >>= 1
        self._peaks.append(node)
        self.size += 1

    def root(self) -> bytes:
        """Return the root hash; that of an empty tree is SHA-256 of nothing."""
        if not self._peaks:
            return hashlib.sha256(b"").digest()
        root = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            root = node_hash(peak, root)
        return root
