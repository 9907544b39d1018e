"""
The index of the history follows the log: what it does not hold yet is read, entered and added.

The log is the truth and the index remembers how far it is, so there is nothing to be lost between
the two: an indexer that begins anywhere, is killed anywhere or begins anew ends at the same index.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Protocol

from membership.domain.events import RecordedEvent
from membership.domain.history import Entry, Facet, IndexDamaged, State
from membership.domain.values import StreamId
from projections.history import entry_of, subject_of

BATCH_EVENTS = 4_000
MAX_KNOWN_SUBJECTS = 8_192


class Log(Protocol):
    """Events in their order; `membership.store.event_store` has it."""

    def events(self, after: int = 0) -> Iterator[RecordedEvent]:
        """Yield the events behind the position *after*."""

    def events_at(self, positions: Sequence[int]) -> Sequence[RecordedEvent]:
        """Return the events at these positions, in the log's order."""


class Index(Protocol):
    """Entries by what they have in common, subjects by time; see the store's `HistoryIndex`."""

    @property
    def position(self) -> int:
        """The last position that is in the index, 0 for an empty one."""

    @property
    def event_id(self) -> str:
        """The id of the event at that position."""

    def open(self) -> None:
        """Open the index and check it, or begin an empty one; raises `IndexDamaged`."""

    def begin_anew(self) -> None:
        """Throw the index away and begin an empty one."""

    def close(self) -> None:
        """Close the file."""

    def write(self, entries: Sequence[Entry]) -> None:
        """Add the entries of the log's next events, in one transaction."""

    def positions(
        self, facet: Facet, *, after: int, before: int, limit: int, newest_first: bool
    ) -> Sequence[int]:
        """Return up to *limit* positions between the two, both exclusive, under a facet."""

    def last(self, subject_id: StreamId, position: int) -> State | None:
        """Return the last state of a subject at or before *position*; None before its first."""

    def before(self, positions: Sequence[int]) -> Mapping[int, State]:
        """Return, by the position of an entry, the state that its subject had before."""

    def states(self, position: int) -> Iterator[State]:
        """Yield the last state at or before *position* of every subject, in no order."""


class Indexer:
    """Brings an index up to its log; every method blocks, and one thread at a time calls them."""

    def __init__(self, log: Log, index: Index) -> None:
        self._log = log
        self._index = index
        self._known: dict[StreamId, State | None] = {}

    @property
    def position(self) -> int:
        """The last position that is in the index."""
        return self._index.position

    def open(self) -> str:
        """Open the index; return why it was begun anew, empty when it was not."""
        self._known.clear()
        try:
            self._index.open()
        except IndexDamaged as damage:
            self._index.begin_anew()
            return str(damage)
        if not self._is_of_this_log():
            self._index.begin_anew()
            return "it belongs to another log"
        return ""

    def _is_of_this_log(self) -> bool:
        position = self._index.position
        last = self._log.events_at([position]) if position else []
        return not position or [e.metadata.event_id for e in last] == [self._index.event_id]

    def begin_anew(self) -> None:
        """Throw the index away and begin an empty one."""
        self._known.clear()
        self._index.begin_anew()

    def close(self) -> None:
        """Close the index."""
        self._index.close()

    def step(self) -> Sequence[Entry]:
        """Add the next events, at most `BATCH_EVENTS`; return their entries, none at the end."""
        if len(self._known) > MAX_KNOWN_SUBJECTS:
            self._known.clear()
        events = islice(self._log.events(self._index.position), BATCH_EVENTS)
        entries = [self._entered(recorded) for recorded in events]
        if entries:
            try:
                self._index.write(entries)
            except BaseException:
                self._known.clear()
                raise
        return entries

    def _entered(self, recorded: RecordedEvent) -> Entry:
        subject_id = subject_of(recorded)
        if subject_id is None:
            return entry_of(recorded, None, 0)
        state = self._state(subject_id)
        entry = entry_of(recorded, state and state.subject, state.position if state else 0)
        if entry.is_change:
            self._known[subject_id] = State(recorded.position, entry.after)
        return entry

    def _state(self, subject_id: StreamId) -> State | None:
        if subject_id not in self._known:
            self._known[subject_id] = self._index.last(subject_id, self._index.position)
        return self._known[subject_id]
