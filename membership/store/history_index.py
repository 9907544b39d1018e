"""
The index of the history: in SQLite, beside the log, made of the log and of nothing else.

It answers two questions without reading the log. *Which events have these in common*: each entry
is under every combination of its facets (see `membership.domain.history`), so that any question
is one range of one key, whatever it combines. *What was this like then*: with each change the
subject's new state is kept, so that the state as of a position is the last one at or before it,
and the state before an event is one look-up away.

**Segments.** A key is a hash, so the entries of one batch would land everywhere in one big tree,
and at a million events each batch would write most of it anew. So the positions are cut into
segments of 65,536, and the segment comes first in the key: writes touch the newest segment alone,
which fits in a cache, and a question goes through the segments one after the other, a seek each.

**Disposable.** The index is never synced to the disk. Rows and position are of one transaction,
so that a killed process leaves it whole; after a power cut it may be anything. Therefore a sum
over all numbers in it is kept beside them and compared on opening, and states have checksums.
Whatever does not agree, or is of another schema, is thrown away and made anew out of the log.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from membership.domain.history import Entry, Facet, IndexDamaged, State
from membership.domain.values import StreamId
from membership.store.history_file import HistoryFile
from membership.store.subject_codec import FINGERPRINT, decode_subject, encode_subject

SEGMENT_POSITIONS = 65_536
SALT_BYTES = 16
MAX_KEYS = 1 << 16
MAX_PARAMETERS = 500
_SUBJECT = "subject"

_TABLES = """
CREATE TABLE facets (
    segment INTEGER NOT NULL,
    key INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (segment, key, position)) WITHOUT ROWID;
CREATE TABLE subjects (
    key INTEGER PRIMARY KEY,
    since INTEGER NOT NULL);
CREATE TABLE changes (
    subject INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (subject, position)) WITHOUT ROWID;
CREATE TABLE entries (
    position INTEGER PRIMARY KEY,
    previous INTEGER NOT NULL,
    state BLOB);
CREATE TABLE progress (
    salt BLOB NOT NULL,
    position INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    checksum INTEGER NOT NULL);
"""
SCHEMA = crc32(f"1 {_TABLES} {FINGERPRINT}".encode()) >> 1
"""Names what is written and how; an index with another one is made anew."""

_LOW = 0xFFFFFFFF
# Keys count with both halves: a sum of whole ones would overflow.
_CHECKSUM = """SELECT
    (SELECT count(*) + coalesce(sum(segment + (key & 0xFFFFFFFF) + (key >> 32) + position), 0)
        FROM facets)
    + (SELECT count(*) + coalesce(sum((key & 0xFFFFFFFF) + (key >> 32) + since), 0) FROM subjects)
    + (SELECT count(*) + coalesce(sum((subject & 0xFFFFFFFF) + (subject >> 32) + position), 0)
        FROM changes)
    + (SELECT count(*) + coalesce(sum(position + previous), 0) FROM entries)"""
_UPDATE = "UPDATE progress SET (salt, position, event_id, checksum) = (?,?,?,?)"
_UNDER = """SELECT position FROM facets WHERE segment = ? AND key = ?
    AND position > ? AND position < ? ORDER BY position {} LIMIT ?"""
_LAST = """SELECT position, state FROM entries WHERE position = (
    SELECT max(position) FROM changes WHERE subject = ? AND position <= ?)"""
_ALL = """SELECT e.position, e.state FROM subjects s JOIN entries e ON e.position = (
    SELECT max(position) FROM changes WHERE subject = s.key AND position <= ?1)
    WHERE s.since <= ?1"""
_BEFORE = """SELECT e.position, b.position, b.state FROM entries e
    JOIN entries b ON b.position = e.previous WHERE e.position IN ({})"""


class _Progress(NamedTuple):
    """How far the index is, beside the sum of every number in it."""

    salt: bytes
    position: int = 0
    event_id: str = ""
    checksum: int = 0


class HistoryIndex:
    """
    Written by one thread at a time, read by many; every method blocks.

    Each raises `StoreUnavailable` when the disk does not serve now, and `IndexDamaged` when the
    index contradicts itself.

    Args:
        new_salt: Returns that many random bytes; so nobody can make ids that collide in an index.
        segment_positions: How many positions share a segment.
    """

    def __init__(
        self,
        path: Path,
        new_salt: Callable[[int], bytes],
        *,
        segment_positions: int = SEGMENT_POSITIONS,
    ) -> None:
        self._file = HistoryFile(path)
        self._new_salt = new_salt
        self._segment_positions = segment_positions
        self._keys: dict[Facet, Sequence[int]] = {}
        self._progress = _Progress(b"")

    @property
    def position(self) -> int:
        """The last position that is in the index, 0 for an empty one."""
        return self._progress.position

    @property
    def event_id(self) -> str:
        """The id of the event at that position, which tells one log from another."""
        return self._progress.event_id

    def open(self) -> None:
        """Open the index and check every number in it, or begin an empty one."""
        self._keys.clear()
        if not self._file.open(_TABLES, SCHEMA):
            self._progress = _Progress(self._new_salt(SALT_BYTES))
            with self._file.writing() as connection:
                connection.execute("INSERT INTO progress VALUES (?,?,?,?)", self._progress)
            return
        with self._file.reading() as connection:
            found = connection.execute("SELECT * FROM progress").fetchall()
            checksum: int = connection.execute(_CHECKSUM).fetchone()[0]
        if len(found) != 1 or found[0][-1] != checksum:
            message = "what is in it is not what was written"
            raise IndexDamaged(message)
        self._progress = _Progress(*found[0])

    def begin_anew(self) -> None:
        """Throw the index away and begin an empty one."""
        self._file.discard()
        self.open()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def write(self, entries: Sequence[Entry]) -> None:
        """Add the entries of the log's next events, in one transaction."""
        facets = sorted(self._facet_rows(entries))
        rows = [(e.recorded.position, e.previous, _state(e)) for e in entries if _has_row(e)]
        changes = [(self._key(_subject(e)), e) for e in entries if e.is_change]
        all_changes = [(key, e.recorded.position) for key, e in changes]
        firsts = [(key, e.recorded.position) for key, e in changes if not e.previous]
        last = entries[-1].recorded
        progress = self._progress._replace(
            position=last.position,
            event_id=last.metadata.event_id,
            checksum=self._progress.checksum
            + sum(1 + seg + (key & _LOW) + (key >> 32) + pos for seg, key, pos in facets)
            + sum(1 + (key & _LOW) + (key >> 32) + pos for key, pos in (*all_changes, *firsts))
            + sum(1 + pos + previous for pos, previous, _ in rows),
        )
        with self._file.writing() as connection:
            connection.executemany("INSERT INTO facets VALUES (?,?,?)", facets)
            connection.executemany("INSERT INTO subjects VALUES (?,?)", firsts)
            connection.executemany("INSERT INTO changes VALUES (?,?)", all_changes)
            connection.executemany("INSERT INTO entries VALUES (?,?,?)", rows)
            connection.execute(_UPDATE, progress)
        self._progress = progress

    def positions(
        self, facet: Facet, *, after: int, before: int, limit: int, newest_first: bool
    ) -> Sequence[int]:
        """Return up to *limit* positions between the two, both exclusive, under a facet."""
        key = self._key(facet)
        first, last = (p // self._segment_positions for p in (after + 1, before - 1))
        segments = range(last, first - 1, -1) if newest_first else range(first, last + 1)
        statement = _UNDER.format("DESC" if newest_first else "ASC")
        found: list[int] = []
        with self._file.reading() as connection:
            for segment in segments:
                wanted = (segment, key, after, before, limit - len(found))
                found += [row[0] for row in connection.execute(statement, wanted)]
                if len(found) == limit:
                    break
        return found

    def last(self, subject_id: StreamId, position: int) -> State | None:
        """Return the last state of a subject at or before *position*; None before its first."""
        with self._file.reading() as connection:
            row = connection.execute(
                _LAST, (self._key((_SUBJECT, subject_id)), position)
            ).fetchone()
        return None if row is None else State(row[0], decode_subject(row[1]))

    def before(self, positions: Sequence[int]) -> Mapping[int, State]:
        """Return, by the position of an entry, the state that its subject had before."""
        states: dict[int, State] = {}
        with self._file.reading() as connection:
            for start in range(0, len(positions), MAX_PARAMETERS):
                some = positions[start : start + MAX_PARAMETERS]
                marks = ",".join("?" * len(some))
                for position, previous, state in connection.execute(_BEFORE.format(marks), some):
                    states[position] = State(previous, decode_subject(state))
        return states

    def states(self, position: int) -> Iterator[State]:
        """Yield the last state at or before *position* of every subject, in no order."""
        with self._file.reading() as connection:
            for row in connection.execute(_ALL, (position,)):
                yield State(row[0], decode_subject(row[1]))

    def _facet_rows(self, entries: Sequence[Entry]) -> Iterator[tuple[int, int, int]]:
        for entry in entries:
            position = entry.recorded.position
            segment = position // self._segment_positions
            for facet in entry.facets():
                for key in self._part_keys(facet):
                    yield segment, key, position

    def _part_keys(self, facet: Facet) -> Sequence[int]:
        """Return the keys of all parts of a facet; remembered, since a log repeats them."""
        keys = self._keys.get(facet)
        if keys is None:
            if len(self._keys) >= MAX_KEYS:
                self._keys.clear()
            keys = self._keys[facet] = [self._key(part) for part in facet.parts()]
        return keys

    def _key(self, of: tuple[str | None, ...]) -> int:
        """Return 64 bits for a facet or a subject."""
        text = "\0".join([part or "" for part in of]).encode()
        hashed = blake2b(text, digest_size=8, key=self._progress.salt).digest()
        return int.from_bytes(hashed, "big", signed=True)


def _subject(entry: Entry) -> tuple[str | None, ...]:
    return _SUBJECT, entry.subject_id


def _has_row(entry: Entry) -> bool:
    return entry.is_change or entry.previous > 0


def _state(entry: Entry) -> bytes | None:
    return encode_subject(entry.after) if entry.is_change else None
