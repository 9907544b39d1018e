"""The vectors of transparency-dev/merkle; see `tests/vectors/README.md`."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from membership.proof.merkle import (
    EMPTY_ROOT,
    InvalidProof,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from tests.proof.test_merkle import tree_of

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "merkle.json").read_text())
SOME_HASH = bytes.fromhex(VECTORS["some_hash"])
LEAVES = [leaf_hash(bytes.fromhex(leaf)) for leaf in VECTORS["leaves"]]
ROOTS = [bytes.fromhex(root) for root in VECTORS["roots"]]
GARBAGE = b""


class Inclusion(NamedTuple):
    """One inclusion proof, as the vectors have it."""

    index: int
    size: int
    leaf: bytes
    path: Sequence[bytes]
    root: bytes


class Consistency(NamedTuple):
    """One consistency proof, as the vectors have it."""

    first: int
    second: int
    first_root: bytes
    second_root: bytes
    path: Sequence[bytes]


def _path(vector: dict[str, Any]) -> Sequence[bytes]:
    return [bytes.fromhex(hashed) for hashed in vector["path"]]


INCLUSIONS = [
    Inclusion(v["index"], v["size"], LEAVES[v["index"]], _path(v), ROOTS[v["size"] - 1])
    for v in VECTORS["inclusion"]
]
CONSISTENCIES = [
    Consistency(v["first"], v["second"], ROOTS[v["first"] - 1], ROOTS[v["second"] - 1], _path(v))
    for v in VECTORS["consistency"]
]


def _flipped(path: Sequence[bytes], mask: int) -> Iterator[Sequence[bytes]]:
    """Yield the path with one bit of each of its hashes flipped in turn."""
    for number, hashed in enumerate(path):
        changed = bytes([hashed[0] ^ mask]) + hashed[1:]
        yield [*path[:number], changed, *path[number + 1 :]]


def _broken_inclusions() -> Iterator[Inclusion]:
    for good in INCLUSIONS:
        index, size, path, root = good.index, good.size, good.path, good.root
        yield from (good._replace(index=i) for i in (index - 1, index + 1, index ^ 2))
        yield from (good._replace(size=s) for s in (size * 2, size // 2))
        yield good._replace(leaf=b"WrongLeaf")
        yield from (good._replace(root=r) for r in (EMPTY_ROOT, SOME_HASH))
        for extra in (GARBAGE, root):
            yield good._replace(path=[*path, extra])
            yield good._replace(path=[extra, *path])
        yield from (good._replace(path=p) for p in _flipped(path, 8))
        if path:
            yield good._replace(path=path[:-1])
        if len(path) > 1:
            yield good._replace(path=[path[0], SOME_HASH, *path[1:]])
    for index, size in ((0, 0), (0, 1), (1, 0), (2, 1)):
        yield Inclusion(index, size, SOME_HASH, [], GARBAGE)
        yield Inclusion(index, size, GARBAGE, [], EMPTY_ROOT)
        yield Inclusion(index, size, SOME_HASH, [], EMPTY_ROOT)
    one = leaf_hash(b"data")
    for leaf, root in ((GARBAGE, one), (one, GARBAGE), (GARBAGE, GARBAGE)):
        yield Inclusion(0, 1, leaf, [], root)


def _broken_consistencies() -> Iterator[Consistency]:
    for good in CONSISTENCIES:
        if not good.path:
            continue
        first, second, first_root, second_root, path = good
        yield from (good._replace(first=f) for f in (first - 1, first + 1, first ^ 2))
        yield from (good._replace(second=s) for s in (second * 2, second // 2))
        yield good._replace(first_root=b"WrongRoot")
        yield good._replace(second_root=b"WrongRoot")
        yield good._replace(first_root=second_root, second_root=first_root)
        yield good._replace(path=[])
        for extra in (GARBAGE, first_root, second_root):
            yield good._replace(path=[*path, extra])
            yield good._replace(path=[extra, *path])
        yield good._replace(path=[path[0], *path])
        yield good._replace(path=path[:-1])
        yield from (good._replace(path=p) for p in _flipped(path, 16))
    one, two = b"don't care 1", b"don't care 2"
    for sizes, roots, path in (
        ((0, 0), (one, two), []),
        ((1, 1), (one, two), []),
        ((0, 0), (one, one), []),
        ((0, 1), (one, two), []),
        ((1, 0), (one, two), []),
        ((2, 1), (one, two), []),
        ((1, 2), (one, two), []),
        ((0, 0), (EMPTY_ROOT, two), []),
        ((1, 1), (EMPTY_ROOT, two), []),
        ((0, 0), (EMPTY_ROOT, EMPTY_ROOT), [EMPTY_ROOT]),
        ((1, 1), (EMPTY_ROOT, EMPTY_ROOT), [EMPTY_ROOT]),
        ((0, 1), (EMPTY_ROOT, two), []),
        ((0, 1), (EMPTY_ROOT, EMPTY_ROOT), [EMPTY_ROOT]),
    ):
        yield Consistency(*sizes, *roots, path)


@pytest.mark.parametrize("size", range(1, 9))
def test_the_reference_roots(size: int) -> None:
    assert tree_of(LEAVES[:size]).root() == ROOTS[size - 1]


@pytest.mark.parametrize("vector", INCLUSIONS, ids=str)
def test_an_inclusion_proof_is_made_and_verifies(vector: Inclusion) -> None:
    assert tree_of(LEAVES).inclusion_proof(vector.index, vector.size) == vector.path
    verify_inclusion(vector.index, vector.size, vector.leaf, vector.path, vector.root)


@pytest.mark.parametrize("vector", CONSISTENCIES, ids=str)
def test_a_consistency_proof_is_made_and_verifies(vector: Consistency) -> None:
    assert tree_of(LEAVES).consistency_proof(vector.first, vector.second) == vector.path
    verify_consistency(*vector)


@pytest.mark.parametrize("vector", list(_broken_inclusions()))
def test_an_inclusion_proof_that_is_wrong_is_refused(vector: Inclusion) -> None:
    with pytest.raises(InvalidProof):
        verify_inclusion(vector.index, vector.size, vector.leaf, vector.path, vector.root)


@pytest.mark.parametrize("vector", list(_broken_consistencies()))
def test_a_consistency_proof_that_is_wrong_is_refused(vector: Consistency) -> None:
    with pytest.raises(InvalidProof):
        verify_consistency(*vector)
