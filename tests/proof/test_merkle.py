"""Proofs as RFC 9162 has them: made, checked, and refused when anything about them is wrong."""

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membership.proof.merkle import (
    EMPTY_ROOT,
    InvalidProof,
    leaf_bytes,
    leaf_hash,
    node_hash,
    verify_consistency,
    verify_inclusion,
)
from membership.proof.tree import MerkleTree

SMALL = 300


def tree_of(hashes: Sequence[bytes]) -> MerkleTree:
    """Return the tree over leaf hashes that are read from where they lie."""
    tree = MerkleTree(lambda start, stop: hashes[start:stop])
    for hashed in hashes:
        tree.append(hashed)
    return tree


class Definition:
    """RFC 9162, sections 2.1.1, 2.1.3.1 and 2.1.4.1, word for word, over leaf hashes."""

    def __init__(self, hashes: Sequence[bytes]) -> None:
        self._hashes = hashes
        self._roots: dict[tuple[int, int], bytes] = {}

    def root(self, start: int, stop: int) -> bytes:
        """MTH(D[start:stop])."""
        if start == stop:
            return hashlib.sha256().digest()
        if stop - start == 1:
            return self._hashes[start]
        if (start, stop) not in self._roots:
            middle = start + self._split(stop - start)
            left, right = self.root(start, middle), self.root(middle, stop)
            self._roots[start, stop] = hashlib.sha256(b"\x01" + left + right).digest()
        return self._roots[start, stop]

    def path(self, index: int, start: int, stop: int) -> list[bytes]:
        """PATH(index, D[start:stop])."""
        if stop - start == 1:
            return []
        middle = start + self._split(stop - start)
        if index < middle - start:
            return [*self.path(index, start, middle), self.root(middle, stop)]
        return [*self.path(index - (middle - start), middle, stop), self.root(start, middle)]

    def subproof(self, first: int, start: int, stop: int, *, is_known: bool) -> list[bytes]:
        """SUBPROOF(first, D[start:stop], is_known)."""
        if first == stop - start:
            return [] if is_known else [self.root(start, stop)]
        middle = start + self._split(stop - start)
        if first <= middle - start:
            below = self.subproof(first, start, middle, is_known=is_known)
            return [*below, self.root(middle, stop)]
        below = self.subproof(first - (middle - start), middle, stop, is_known=False)
        return [*below, self.root(start, middle)]

    @staticmethod
    def _split(width: int) -> int:
        largest = 1
        while largest * 2 < width:
            largest *= 2
        return largest


HASHES = [leaf_hash(b"entry %d" % number) for number in range(SMALL)]
TREE = tree_of(HASHES)
DEFINITION = Definition(HASHES)


def test_the_root_of_nothing_is_the_hash_of_nothing() -> None:
    assert tree_of([]).root() == EMPTY_ROOT == hashlib.sha256(b"").digest()


@pytest.mark.parametrize("size", range(1, SMALL + 1))
def test_every_proof_is_the_one_of_the_definition_and_verifies(size: int) -> None:
    root = TREE.root(size)
    assert root == DEFINITION.root(0, size) == tree_of(HASHES[:size]).root()
    for index in range(size):
        path = TREE.inclusion_proof(index, size)
        assert path == DEFINITION.path(index, 0, size)
        verify_inclusion(index, size, HASHES[index], path, root)
    for first in range(1, size + 1):
        path = TREE.consistency_proof(first, size)
        assert path == DEFINITION.subproof(first, 0, size, is_known=True)
        verify_consistency(first, size, DEFINITION.root(0, first), root, path)


def test_the_example_of_the_rfc() -> None:
    a, b, c, d, e, f, j = HASHES[:7]
    g, h, i = node_hash(a, b), node_hash(c, d), node_hash(e, f)
    k, ell = node_hash(g, h), node_hash(i, j)
    assert TREE.root(7) == node_hash(k, ell)
    assert TREE.inclusion_proof(0, 7) == [b, h, ell]
    assert TREE.inclusion_proof(3, 7) == [c, g, ell]
    assert TREE.inclusion_proof(4, 7) == [f, j, k]
    assert TREE.inclusion_proof(6, 7) == [i, k]
    assert TREE.consistency_proof(3, 7) == [c, d, g, ell]
    assert TREE.consistency_proof(4, 7) == [ell]
    assert TREE.consistency_proof(6, 7) == [i, j, k]


@pytest.mark.parametrize("size", [255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 66_000])
def test_a_tree_of_several_levels_of_tiles_is_the_same_tree(size: int) -> None:
    hashes = [number.to_bytes(32, "big") for number in range(66_000)]
    tree, definition = tree_of(hashes), Definition(hashes)
    assert tree.root(size) == definition.root(0, size)
    for index in {0, size // 3, size - 1}:
        assert tree.inclusion_proof(index, size) == definition.path(index, 0, size)
    for first in {1, 256, size // 2, size - 1}:
        expected = definition.subproof(min(first, size), 0, size, is_known=True)
        assert tree.consistency_proof(min(first, size), size) == expected


def test_what_is_kept_in_memory_is_one_hash_for_a_full_tile() -> None:
    reads: list[tuple[int, int]] = []
    hashes = [number.to_bytes(32, "big") for number in range(100_000)]

    def read(start: int, stop: int) -> Sequence[bytes]:
        reads.append((start, stop))
        return hashes[start:stop]

    tree = MerkleTree(read)
    for hashed in hashes:
        tree.append(hashed)
    kept = sum(map(len, tree._levels)) + len(tree._filling)
    assert kept < len(hashes) / 256 + 512
    tree.root()
    assert reads == [], "the whole tree's root needs nothing from the disk"
    tree.inclusion_proof(12_345, 90_000)
    assert len(reads) == 2, "one tile with the leaf, one at the edge"
    assert all(stop - start <= 256 for start, stop in reads)


@pytest.mark.parametrize(
    "ask",
    [
        lambda tree: tree.root(11),
        lambda tree: tree.root(-1),
        lambda tree: tree.inclusion_proof(10, 10),
        lambda tree: tree.inclusion_proof(-1, 10),
        lambda tree: tree.inclusion_proof(0, 11),
        lambda tree: tree.consistency_proof(0, 10),
        lambda tree: tree.consistency_proof(6, 5),
        lambda tree: tree.consistency_proof(5, 11),
    ],
)
def test_what_the_tree_has_not_got_it_does_not_prove(ask: object) -> None:
    with pytest.raises(IndexError):
        ask(tree_of(HASHES[:10]))  # type: ignore[operator]


def test_leaves_that_cannot_be_read_any_more_are_not_made_up() -> None:
    tree = MerkleTree(lambda start, stop: HASHES[start : stop - 1])
    for hashed in HASHES:
        tree.append(hashed)
    with pytest.raises(LookupError):
        tree.inclusion_proof(3, 300)


def test_a_proof_from_nothing_is_an_error() -> None:
    with pytest.raises(InvalidProof, match="no proof from 0 leaves"):
        verify_consistency(0, 7, EMPTY_ROOT, TREE.root(7), [])
    with pytest.raises(InvalidProof, match="no proof from 0 leaves"):
        verify_consistency(0, 0, EMPTY_ROOT, EMPTY_ROOT, [])


sizes = st.integers(1, SMALL)


@given(st.data(), sizes)
def test_an_inclusion_proof_that_was_changed_anywhere_proves_nothing(
    data: st.DataObject, size: int
) -> None:
    index = data.draw(st.integers(0, size - 1))
    path, root = TREE.inclusion_proof(index, size), TREE.root(size)
    parts = [HASHES[index], root, *path]
    which = data.draw(st.integers(0, len(parts) - 1))
    bit = data.draw(st.integers(0, 255))
    parts[which] = (int.from_bytes(parts[which], "big") ^ 1 << bit).to_bytes(32, "big")
    with pytest.raises(InvalidProof):
        verify_inclusion(index, size, parts[0], parts[2:], parts[1])


@given(st.data(), sizes)
def test_an_inclusion_proof_is_one_of_its_place_alone(data: st.DataObject, size: int) -> None:
    index, other = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size))
    path, root = TREE.inclusion_proof(index, size), TREE.root(size)
    if other != index:
        with pytest.raises(InvalidProof):
            verify_inclusion(other, size, HASHES[index], path, root)


@given(st.data(), sizes)
def test_a_consistency_proof_that_was_changed_anywhere_proves_nothing(
    data: st.DataObject, size: int
) -> None:
    first = data.draw(st.integers(1, size))
    path = TREE.consistency_proof(first, size)
    parts = [TREE.root(first), TREE.root(size), *path]
    which = data.draw(st.integers(0, len(parts) - 1))
    bit = data.draw(st.integers(0, 255))
    parts[which] = (int.from_bytes(parts[which], "big") ^ 1 << bit).to_bytes(32, "big")
    with pytest.raises(InvalidProof):
        verify_consistency(first, size, parts[0], parts[1], parts[2:])


@given(st.data(), sizes, st.binary(max_size=64).filter(lambda value: len(value) != 32))
def test_a_hash_of_another_length_is_refused_wherever_it_stands(
    data: st.DataObject, size: int, wrong: bytes
) -> None:
    index = data.draw(st.integers(0, size - 1))
    parts = [HASHES[index], TREE.root(size), *TREE.inclusion_proof(index, size)]
    parts[data.draw(st.integers(0, len(parts) - 1))] = wrong
    with pytest.raises(InvalidProof, match="a hash has 32 bytes"):
        verify_inclusion(index, size, parts[0], parts[2:], parts[1])
    parts = [TREE.root(index + 1), TREE.root(size), *TREE.consistency_proof(index + 1, size)]
    parts[data.draw(st.integers(0, len(parts) - 1))] = wrong
    with pytest.raises(InvalidProof, match="a hash has 32 bytes"):
        verify_consistency(index + 1, size, parts[0], parts[1], parts[2:])


def test_a_leaf_is_a_fixed_array() -> None:
    leaf = leaf_bytes(bytes(range(16)), 7, "peer.renamed.v1", b"state")
    expected = "9501c410" + bytes(range(16)).hex() + "07af" + b"peer.renamed.v1".hex() + "c405"
    assert leaf == bytes.fromhex(expected) + b"state"
    assert leaf_hash(leaf) == hashlib.sha256(b"\x00" + leaf).digest()
