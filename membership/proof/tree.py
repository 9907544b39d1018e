"""
The growing tree, and the proofs that are made from it.

What is kept follows the tiles of C2SP `tlog-tiles`: a tile is 256 consecutive hashes of one
level, and the hash of a full tile is one hash of the level above. In memory are the hashes of full
tiles, one for 256 leaves, and the leaf hashes of the one tile that is still filling. All other leaf
hashes lie in the log's own table and are read when a proof needs them, a tile at a time. So a
log of a million events costs 300 KB, where all of its nodes would be 64 MB.

Within a tile, and on the right edge, a node without a right sibling is taken up a level as it is.
That is the tree of RFC 9162 read from below: splitting at the largest power of two, as the RFC does
from above, leaves exactly these nodes alone.

A proof therefore reads two tiles of leaves at most, that of its leaf and that at the edge of the
tree it speaks of, and hashes a few hundred nodes.

Source: RFC 9162, sections 2.1.1, 2.1.3.1 and 2.1.4.1; C2SP tlog-tiles.
"""

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256

from membership.proof.merkle import EMPTY_ROOT
from membership.proof.tiles import TILE_HEIGHT, TILE_WIDTH, Tile

ReadLeaves = Callable[[int, int], Sequence[bytes]]
"""Leaf hashes from an index, from 0, up to but without another; blocking."""

_MASK = TILE_WIDTH - 1


class MerkleTree:
    """
    The tree over a log; used by one thread at a time.

    Every method but `append` and `root` may call *read_leaves*, and raises what that raises.

    Attributes:
        size: How many leaves were added.
    """

    def __init__(self, read_leaves: ReadLeaves) -> None:
        self.size = 0
        self._read_leaves = read_leaves
        self._filling: list[bytes] = []
        self._levels: list[list[bytes]] = []

    def append(self, hashed_leaf: bytes) -> None:
        """Add the hash of the next leaf."""
        self._filling.append(hashed_leaf)
        self.size += 1
        if len(self._filling) == TILE_WIDTH:
            full, self._filling = self._filling, []
            self._close(full)

    def _close(self, tile: Sequence[bytes]) -> None:
        level = 0
        while True:
            if level == len(self._levels):
                self._levels.append([])
            hashes = self._levels[level]
            hashes.append(_root_of(tile))
            if len(hashes) & _MASK:
                return
            tile = hashes[-TILE_WIDTH:]
            level += 1

    def root(self, size: int | None = None) -> bytes:
        """
        Return the root of the whole tree, or of its first *size* leaves.

        Raises:
            IndexError: There are not so many.
        """
        size = self._within(self.size if size is None else size)
        if size == 0:
            return EMPTY_ROOT
        height = 0
        while size > 1 << TILE_HEIGHT * height:
            height += 1
        # A tree of exactly 256 ** height leaves has no edge; its root is a full tile's.
        return self._edge(size)[height] or self._hashes(height, 0, 1)[0]

    def inclusion_proof(self, index: int, size: int) -> list[bytes]:
        """
        Return the path from the leaf at *index*, from 0, to the root of the first *size* leaves.

        Raises:
            IndexError: There are not so many leaves, or *index* is not below *size*.
        """
        if not 0 <= index < self._within(size):
            message = f"the first {size} leaves have none with the index {index}"
            raise IndexError(message)
        return [sibling for _, sibling in self._climb(index, size) if sibling is not None]

    def consistency_proof(self, first: int, second: int) -> list[bytes]:
        """
        Return the path that shows the first *first* leaves to begin the first *second* ones.

        Raises:
            IndexError: There are not so many leaves, *first* is 0, or it is above *second*.
        """
        if not 0 < first <= self._within(second):
            message = f"there is no proof from {first} leaves to {second}"
            raise IndexError(message)
        if first == second:
            return []
        # The largest complete subtree that ends the smaller tree, and its way to the top.
        height = (first & -first).bit_length() - 1
        steps = list(self._climb(first - 1, second))[height:]
        siblings = [sibling for _, sibling in steps if sibling is not None]
        is_power_of_two = first & (first - 1) == 0
        return siblings if is_power_of_two else [steps[0][0], *siblings]

    def tile(self, tile: Tile) -> Sequence[bytes]:
        """Return the hashes of a tile; raises `IndexError` when the tree has not got them all."""
        self._within(tile.end)
        return self._hashes(tile.level, tile.first, tile.first + tile.width)

    def _within(self, size: int) -> int:
        if not 0 <= size <= self.size:
            message = f"the tree has {self.size} leaves, not {size}"
            raise IndexError(message)
        return size

    def _climb(self, index: int, size: int) -> Iterator[tuple[bytes, bytes | None]]:
        """Yield each node on the way up from a leaf, and its sibling if it has one."""
        edge, level = self._edge(size), 0
        while True:
            nodes = self._nodes(level, index >> TILE_HEIGHT, size, edge)
            place = index & _MASK
            for _ in range(TILE_HEIGHT):
                sibling = place ^ 1
                yield nodes[place], nodes[sibling] if sibling < len(nodes) else None
                nodes, place = _row_above(nodes), place >> 1
            index, level = index >> TILE_HEIGHT, level + 1
            if size <= 1 << TILE_HEIGHT * level:
                return

    def _nodes(
        self, level: int, tile: int, size: int, edge: Sequence[bytes | None]
    ) -> Sequence[bytes]:
        """Return the nodes of one tile as they are in the tree of *size* leaves."""
        complete = size >> TILE_HEIGHT * level
        start = tile << TILE_HEIGHT
        nodes = self._hashes(level, start, min(start + TILE_WIDTH, complete))
        last = edge[level]
        return [*nodes, last] if last and complete >> TILE_HEIGHT == tile else nodes

    def _edge(self, size: int) -> Sequence[bytes | None]:
        """Return, for each level of tiles, the node that *size* leaves leave incomplete there."""
        edge: list[bytes | None] = [None]
        complete, level = size, 0
        while complete:
            nodes = self._hashes(level, complete & ~_MASK, complete)
            last = edge[level]
            nodes = [*nodes, last] if last else nodes
            edge.append(_root_of(nodes) if nodes else None)
            complete, level = complete >> TILE_HEIGHT, level + 1
        return edge

    def _hashes(self, level: int, start: int, stop: int) -> Sequence[bytes]:
        """Return hashes of one level, all from one tile."""
        if start == stop:
            return []
        if level:
            return self._levels[level - 1][start:stop]
        filling = self.size - len(self._filling)
        if start >= filling:
            return self._filling[start - filling : stop - filling]
        hashes = self._read_leaves(start, stop)
        if len(hashes) != stop - start:
            message = f"leaves {start} to {stop} cannot be read any more"
            raise LookupError(message)
        return hashes


def _row_above(nodes: Sequence[bytes]) -> Sequence[bytes]:
    pairs = iter(nodes)
    above = [
        sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=False)
    ]
    if len(nodes) & 1:
        above.append(nodes[-1])
    return above


def _root_of(nodes: Sequence[bytes]) -> bytes:
    while len(nodes) > 1:
        nodes = _row_above(nodes)
    return nodes[0]
