"""Tiles as C2SP tlog-tiles cuts them: paths, sizes, bundles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membership.proof.merkle import leaf_hash
from membership.proof.tiles import (
    MAX_ENTRY_BYTES,
    InvalidBundle,
    InvalidTile,
    Tile,
    decode_entries,
    encode_entries,
    parse_entries,
    parse_tile,
    tiles_of,
)
from tests.proof.test_merkle import Definition, tree_of


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(3, 67), "tile/3/067"),
        (Tile(1, 1_234_067), "tile/1/x001/x234/067"),
        (Tile(63, 1_000), "tile/63/x001/000"),
        (Tile(0, 273, 112), "tile/0/273.p/112"),
        (Tile(0, 1_234_067, 1), "tile/0/x001/x234/067.p/1"),
    ],
)
def test_a_path_is_written_and_read(tile: Tile, path: str) -> None:
    assert tile.path == path
    assert parse_tile(path.removeprefix("tile/")) == tile


@given(st.integers(0, 63), st.integers(0, 10**18 - 1), st.integers(1, 256))
def test_every_path_is_read_as_it_was_written(level: int, index: int, width: int) -> None:
    tile = Tile(level, index, width)
    assert parse_tile(tile.path.removeprefix("tile/")) == tile
    entries = Tile(0, index, width)
    assert parse_entries(entries.entries_path.removeprefix("tile/entries/")) == entries


@pytest.mark.parametrize(
    "path",
    [
        *("", "0", "0/", "0/0", "0/00", "0/0000", "00/000", "-1/000", "64/000", "x/000", "٣/000"),
        *("0/001/067", "0/x000/067", "0/x1/067", "0/x001/x067", "0/x001/67", "0/000/", "/0/000"),
        *("0/000.p/0", "0/000.p/256", "0/000.p/01", "0/000.p/", "0/000.p", "0/000.p/1/", "0/.p/1"),
        *("0/000.p/x", "0/\u0660\u0660\u0660", "0/" + "x001/" * 6 + "000", "0/../000"),
    ],
)
def test_another_spelling_is_no_path(path: str) -> None:
    with pytest.raises(InvalidTile):
        parse_tile(path)


def test_the_example_of_the_specification() -> None:
    tiles = tiles_of(70_000)
    at = {level: [tile for tile in tiles if tile.level == level] for level in range(4)}
    assert len(at[0]) == 274
    assert (at[0][-1].index, at[0][-1].width) == (273, 112)
    assert [(tile.index, tile.width) for tile in at[1]] == [(0, 256), (1, 17)]
    assert [(tile.index, tile.width) for tile in at[2]] == [(0, 1)]
    assert at[3] == []
    assert tiles_of(256) == [Tile(0, 0), Tile(1, 0, 1)]
    assert tiles_of(0) == []


@pytest.mark.parametrize("size", [1, 255, 256, 257, 65_535, 65_536, 66_000])
def test_every_tile_has_the_hashes_of_the_definition(size: int) -> None:
    hashes = [number.to_bytes(32, "big") for number in range(size)]
    tree, definition = tree_of(hashes), Definition(hashes)
    for tile in tiles_of(size):
        step = 256**tile.level
        first = tile.index * 256
        expected = [
            definition.root(number * step, (number + 1) * step)
            for number in range(first, first + tile.width)
        ]
        assert list(tree.tile(tile)) == expected
        assert tile.end <= size


def test_a_tile_that_the_log_has_not_filled_does_not_exist() -> None:
    tree = tree_of([leaf_hash(b"%d" % number) for number in range(300)])
    for tile in (Tile(0, 1), Tile(0, 1, 45), Tile(0, 2, 1), Tile(1, 0, 2), Tile(2, 0, 1)):
        with pytest.raises(IndexError):
            tree.tile(tile)


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_a_bundle_gives_its_entries_back(entries: list[bytes]) -> None:
    assert decode_entries(encode_entries(entries)) == entries


def test_an_entry_of_a_bundle_stands_behind_its_length() -> None:
    assert encode_entries([b"ab", b""]) == b"\x00\x02ab\x00\x00"
    longest = bytes(MAX_ENTRY_BYTES)
    assert decode_entries(encode_entries([longest])) == [longest]
    with pytest.raises(OverflowError):
        encode_entries([bytes(MAX_ENTRY_BYTES + 1)])


@given(st.binary(min_size=1, max_size=40), st.integers(1, 42))
def test_a_bundle_that_was_cut_short_is_refused(entry: bytes, cut: int) -> None:
    bundle = encode_entries([entry])
    if cut < len(bundle):
        with pytest.raises(InvalidBundle):
            decode_entries(bundle[:-cut])
