"""The index of the history is worth nothing: whatever happens to it, the answers are right."""

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from membership.api.history_schema import encode_entry
from membership.api.schema import encode_peer
from membership.domain.history import Facet, IndexDamaged
from membership.store.errors import StoreUnavailable
from membership.store.history_index import HistoryIndex
from projections.history_reader import HistoryQuery, HistoryReader
from projections.indexer import Indexer
from tests.properties.histories import PEER_IDS, Story

STEPS = [
    (kind, who, other, 1)
    for kind in ("add", "label", "rename", "register", "refuse", "move", "remove", "add")
    for who in range(5)
    for other in (1, 2, 5)
]
FACETS = [
    Facet(),
    Facet(peer=PEER_IDS[1]),
    Facet(type="peer.renamed"),
    Facet(PEER_IDS[2], "service.registered", "operator:operator"),
]


def told(steps: list[Any]) -> Story:
    story = Story()
    for step in steps:
        story.tell(step)
    return story


@pytest.fixture(scope="module")
def story() -> Story:
    return told(STEPS)


class Opened:
    """An index over a story's log, which is made anew whenever it says that it has to be."""

    def __init__(self, path: Path, story: Story) -> None:
        self.index = HistoryIndex(path, bytes, segment_positions=32)
        self.indexer = Indexer(story.store, self.index)
        self.reader = HistoryReader(story.store, self.index, encode_peer)
        self.trouble = self.indexer.open()
        self.catch_up()

    def catch_up(self) -> None:
        while self.indexer.step():
            pass

    def answers(self) -> list[Any]:
        """Return what is answered to many questions."""
        try:
            return self._answers()
        except IndexDamaged as damage:
            self.trouble = str(damage)
            self.indexer.begin_anew()
            self.catch_up()
            return self._answers()

    def _answers(self) -> list[Any]:
        pages = [self.reader.page(HistoryQuery(facet=f, limit=1_000)) for f in FACETS]
        pasts = [self.reader.past(position) for position in (1, 20, 40, self.index.position)]
        return [
            [[encode_entry(entry) for entry in page.entries] for page in pages],
            [past.peers.list_body() for past in pasts],
            [list(past.services.all()) for past in pasts],
        ]


@pytest.fixture
def path(tmp_path: Path, story: Story) -> Path:
    """Return a complete index, closed."""
    path = tmp_path / "history.db"
    opened = Opened(path, story)
    opened.index.close()
    return path


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory, story: Story) -> list[Any]:
    opened = Opened(tmp_path_factory.mktemp("right") / "history.db", story)
    answers = opened.answers()
    opened.index.close()
    assert len(answers[0][0]) == story.state.cluster.position > 64
    assert all(answers[0])
    return answers


def check(path: Path, story: Story, wanted: list[Any]) -> str:
    """Check that the answers are right, and return why the index was made anew, if it was."""
    opened = Opened(path, story)
    assert opened.answers() == wanted
    trouble = opened.trouble
    opened.index.close()
    again = Opened(path, story)
    assert again.answers() == wanted
    assert again.trouble == ""
    again.index.close()
    return trouble


def test_an_index_is_opened_again_as_it_was(path: Path, story: Story, wanted: list[Any]) -> None:
    assert check(path, story, wanted) == ""


@pytest.mark.parametrize("seed", range(60))
def test_bytes_that_changed_are_not_believed(
    path: Path, story: Story, wanted: list[Any], seed: int
) -> None:
    chance, data = random.Random(seed), bytearray(path.read_bytes())
    length = chance.choice([1, 16, 300, 4_096])
    start = chance.randrange(len(data) - length)
    data[start : start + length] = chance.randbytes(length)
    path.write_bytes(data)
    check(path, story, wanted)


def _number(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
        lambda path: path.write_bytes(b"this is no database, but long enough to be one" * 200),
        lambda path: path.write_bytes(bytes(path.stat().st_size)),
        lambda path: _number(path, "DELETE FROM facets WHERE position = 30"),
        lambda path: _number(path, "DELETE FROM changes WHERE position = 30"),
        lambda path: _number(path, "DELETE FROM subjects WHERE since < 20"),
        lambda path: _number(path, "DELETE FROM entries WHERE position = 30"),
        lambda path: _number(path, "UPDATE entries SET previous = 3 WHERE position = 30"),
        lambda path: _number(path, "UPDATE facets SET key = key + 1 WHERE position = 30"),
        lambda path: _number(path, "UPDATE progress SET position = position - 1"),
        lambda path: _number(path, "DELETE FROM progress"),
        lambda path: _number(path, "DROP TABLE facets"),
        lambda path: _number(path, "UPDATE entries SET state = x'00' WHERE state NOT NULL"),
        lambda path: _number(path, "PRAGMA user_version = 1"),
    ],
)
def test_an_index_that_contradicts_itself_is_made_anew(
    path: Path, story: Story, wanted: list[Any], damage: Callable[[Path], None]
) -> None:
    damage(path)
    assert check(path, story, wanted)


@pytest.mark.parametrize("leave", [[], [""]])
def test_an_index_that_is_missing_or_empty_is_made(
    path: Path, story: Story, wanted: list[Any], leave: list[str]
) -> None:
    path.unlink()
    for text in leave:
        path.write_text(text)
    assert check(path, story, wanted) == ""


def test_the_index_of_another_log_is_made_anew(path: Path, wanted: list[Any]) -> None:
    other = told(STEPS[3:])
    opened = Opened(path, other)
    assert "another log" in opened.trouble
    assert opened.answers() != wanted
    assert opened.index.position == other.state.cluster.position
    opened.index.close()


def test_the_index_of_a_longer_log_is_made_anew(path: Path) -> None:
    restored = told(STEPS[:10])
    opened = Opened(path, restored)
    assert "another log" in opened.trouble
    opened.index.close()


def test_no_two_indexes_have_the_same_keys(tmp_path: Path, story: Story) -> None:
    keys = []
    for number in (1, 2):
        salt = bytes([number]) * 16
        index = HistoryIndex(tmp_path / f"{number}.db", lambda _, salt=salt: salt)
        indexer = Indexer(story.store, index)
        indexer.open()
        indexer.step()
        index.close()
        with closing(sqlite3.connect(tmp_path / f"{number}.db")) as connection:
            keys.append({row[0] for row in connection.execute("SELECT key FROM facets")})
    assert keys[0].isdisjoint(keys[1])


def test_a_disk_that_cannot_be_written_is_no_damage(tmp_path: Path, story: Story) -> None:
    index = HistoryIndex(tmp_path / "nowhere" / "history.db", bytes)
    with pytest.raises(StoreUnavailable):
        Indexer(story.store, index).open()


def test_a_full_disk_leaves_the_index_where_it_was(path: Path) -> None:
    story = told(STEPS)
    opened = Opened(path, story)
    story.tell(("label", 1, 3, 0))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        before = opened.index.position
        with pytest.raises(StoreUnavailable):
            opened.indexer.step()
        assert opened.index.position == before
        other.execute("ROLLBACK")
    opened.catch_up()
    assert opened.index.position == story.state.cluster.position
    opened.index.close()
