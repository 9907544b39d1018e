"""
The log as a Merkle tree: what a leaf is, and how a proof is checked.

A leaf is the array `[1, stream id, version, stored name, state]` in msgpack, the id as its 16
bytes and the state exactly as stored. Nothing is decoded and encoded again on the way to a
hash, so that a proof speaks of the bytes on disk.

Whoever checks a proof has two roots, or a root and a leaf, that he knows from elsewhere; the proof
only connects them. It comes from whoever is being checked, so that everything about it is
suspect: a hash of any length but 32 bytes is refused, since it would let two different trees be
written as the same bytes.

How proofs are made is in `membership.proof.tree`.

Source: RFC 9162, sections 2.1.1, 2.1.3.2 and 2.1.4.2; DESIGN.md, section 7.
"""

import hashlib
from collections.abc import Sequence

import msgpack

LEAF_VERSION = 1
HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()
"""The root of a tree without leaves."""


class InvalidProof(Exception):
    """The proof does not connect what it should; the message says where it ends."""


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


def verify_inclusion(
    index: int, size: int, hashed_leaf: bytes, path: Sequence[bytes], root: bytes
) -> None:
    """
    Check that a leaf stands at *index*, from 0, in the tree of *size* leaves with *root*.

    Raises:
        InvalidProof: It does not follow from *path*.
    """
    _check_lengths([hashed_leaf, root, *path])
    if not 0 <= index < size:
        message = f"a tree of {size} leaves has none with the index {index}"
        raise InvalidProof(message)
    node, last, hashed = index, size - 1, hashed_leaf
    for sibling in path:
        if last == 0:
            raise InvalidProof("the proof has more hashes than the tree has levels")
        if node & 1 or node == last:
            hashed = node_hash(sibling, hashed)
            node, last = _past_missing_siblings(node, last)
        else:
            hashed = node_hash(hashed, sibling)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise InvalidProof("the proof has fewer hashes than the tree has levels")
    if hashed != root:
        raise InvalidProof("the proof leads from this leaf to another root")


def verify_consistency(
    first: int, second: int, first_root: bytes, second_root: bytes, path: Sequence[bytes]
) -> None:
    """
    Check that the tree of *first* leaves is the beginning of the tree of *second* leaves.

    A proof from size 0 is an error: every tree begins with nothing, so that it would prove
    nothing, and whoever asks for one has mislaid what he knew. Equal sizes need equal roots
    and an empty path.

    Raises:
        InvalidProof: It does not follow from *path*.
    """
    _check_lengths([first_root, second_root, *path])
    if not 0 < first <= second:
        message = f"there is no proof from {first} leaves to {second}"
        raise InvalidProof(message)
    if first == second:
        if path or first_root != second_root:
            raise InvalidProof("two trees of one size are the same tree or different ones")
        return
    is_power_of_two = first & (first - 1) == 0
    hashes = [first_root, *path] if is_power_of_two else list(path)
    if not path:
        raise InvalidProof("the proof is empty")
    old, new, is_complete = _climb(first, second, hashes)
    if not is_complete:
        raise InvalidProof("the proof has fewer hashes than the tree has levels")
    if old != first_root:
        raise InvalidProof("the proof does not lead to the root of the smaller tree")
    if new != second_root:
        raise InvalidProof("the proof does not lead to the root of the larger tree")


def _climb(first: int, second: int, hashes: Sequence[bytes]) -> tuple[bytes, bytes, bool]:
    """Return the roots of both trees as *hashes* give them, and whether the top was reached."""
    node, last = first - 1, second - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise InvalidProof("the proof has more hashes than the tree has levels")
        if node & 1 or node == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            node, last = _past_missing_siblings(node, last)
        else:
            new = node_hash(new, sibling)
        node, last = node >> 1, last >> 1
    return old, new, last == 0


def _past_missing_siblings(node: int, last: int) -> tuple[int, int]:
    """Go up, from a node without a right sibling, to the level where it gets a left one."""
    while node and not node & 1:
        node, last = node >> 1, last >> 1
    return node, last


def _check_lengths(hashes: Sequence[bytes]) -> None:
    for hashed in hashes:
        if len(hashed) != HASH_BYTES:
            message = f"a hash has {HASH_BYTES} bytes, not {len(hashed)}"
            raise InvalidProof(message)
