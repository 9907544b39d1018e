"""
The log as a set of files that never change: tiles of hashes, and bundles of entries.

    tile/<level>/<index>[.p/<width>]    256 hashes, or the first <width> of them
    tile/entries/<index>[.p/<width>]    the leaves under a tile of level 0

An index is written in groups of three digits, all but the last after an `x`: 1234067 is
`x001/x234/067`. Whoever has the tiles can make every proof himself, and whoever has the bundles
too can check every hash; both from any cache or copy, because a tile of one width never changes.

An entry stands in its bundle behind its length in two bytes. So an entry has at most 65,535
bytes; the log refuses a longer one when it is appended (`membership.store.event_store`).

Source: C2SP tlog-tiles.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
MAX_LEVEL = 63
MAX_ENTRY_BYTES = 65_535
_LENGTH_BYTES = 2
_GROUP = 1_000
_MAX_GROUPS = 6

_LEVEL = re.compile(r"(0|[1-9][0-9]?)/(.+)")
_INDEX = re.compile(r"((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


class InvalidTile(Exception):
    """The path is that of no tile; the message shows how one is written."""


class InvalidBundle(Exception):
    """The bytes are no bundle of entries."""


@dataclass(frozen=True, slots=True)
class Tile:
    """
    A run of hashes of one level; also, at level 0, the entries under them.

    Attributes:
        index: Its place among the tiles of its level, from 0.
        width: How many hashes it has, 256 for a full one.
    """

    level: int
    index: int
    width: int = TILE_WIDTH

    @property
    def first(self) -> int:
        """The index of its first hash among those of its level."""
        return self.index * TILE_WIDTH

    @property
    def end(self) -> int:
        """How many entries a log has at least that has this tile."""
        return (self.first + self.width) << TILE_HEIGHT * self.level

    @property
    def path(self) -> str:
        """Where the tile lies, such as `tile/0/x001/234.p/5`."""
        return f"tile/{self.level}/{_written(self)}"

    @property
    def entries_path(self) -> str:
        """Where the entries under a tile of level 0 lie."""
        return f"tile/entries/{_written(self)}"


def parse_tile(path: str) -> Tile:
    """Return the tile at *path* below `tile/`, such as `0/x001/234.p/5`; raises `InvalidTile`."""
    match = _LEVEL.fullmatch(path)
    if match is None or int(match[1]) > MAX_LEVEL:
        message = f"a tile is <level>/<index>, its level a number from 0 to {MAX_LEVEL}"
        raise InvalidTile(message)
    return _parsed(int(match[1]), match[2])


def parse_entries(path: str) -> Tile:
    """Return the bundle at *path* below `tile/entries/`; raises `InvalidTile`."""
    return _parsed(0, path)


def tiles_of(size: int) -> Sequence[Tile]:
    """Return every tile of a log of *size* entries, level by level; empty ones do not exist."""
    tiles: list[Tile] = []
    level = 0
    while hashes := size >> TILE_HEIGHT * level:
        full, partial = divmod(hashes, TILE_WIDTH)
        tiles += [Tile(level, index) for index in range(full)]
        if partial:
            tiles.append(Tile(level, full, partial))
        level += 1
    return tiles


def encode_entries(entries: Sequence[bytes]) -> bytes:
    """Return a bundle; raises `OverflowError` when an entry is above `MAX_ENTRY_BYTES`."""
    return b"".join(len(entry).to_bytes(_LENGTH_BYTES, "big") + entry for entry in entries)


def decode_entries(bundle: bytes) -> Sequence[bytes]:
    """Return the entries of a bundle; raises `InvalidBundle`."""
    entries: list[bytes] = []
    at = 0
    while at < len(bundle):
        begin = at + _LENGTH_BYTES
        at = begin + int.from_bytes(bundle[at:begin], "big")
        if len(bundle) < max(begin, at):
            message = f"entry {len(entries)} is cut short"
            raise InvalidBundle(message)
        entries.append(bundle[begin:at])
    return entries


def _parsed(level: int, written: str) -> Tile:
    match = _INDEX.fullmatch(written)
    groups = match[1].split("/") if match else []
    if match is None or len(groups) > _MAX_GROUPS:
        message = (
            "an index is written like 067, x034/067 or x001/x234/067, and may end in .p/<width>"
        )
        raise InvalidTile(message)
    index = int("".join(groups).replace("x", ""))
    tile = Tile(level, index, int(match[2] or TILE_WIDTH))
    if match[2] and tile.width >= TILE_WIDTH:
        message = f"a partial tile has from 1 to {TILE_WIDTH - 1} hashes"
        raise InvalidTile(message)
    if _written(tile) != written:
        message = f"write it without leading zeroes: {_written(tile)}"
        raise InvalidTile(message)
    return tile


def _written(tile: Tile) -> str:
    rest, last = divmod(tile.index, _GROUP)
    groups = [f"{last:03}"]
    while rest:
        rest, group = divmod(rest, _GROUP)
        groups.append(f"x{group:03}")
    partial = "" if tile.width == TILE_WIDTH else f".p/{tile.width}"
    return "/".join(reversed(groups)) + partial
