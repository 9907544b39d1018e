"""
Questions to the history, answered out of the index and the log.

What matches comes from the index, as positions; the events themselves come from the log, and an
entry that does not match after all is proof that the index is damaged. Times are not in the index:
since what is recorded never runs backwards, a moment is a position, found by halving the log.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from membership.domain.events import RecordedEvent
from membership.domain.history import ANY, Entry, Facet, IndexDamaged, State
from membership.domain.service import Service
from membership.domain.values import StreamId, UnixUs
from projections.history import entry_of
from projections.indexer import Index, Log
from projections.past import Past, past_of
from projections.peers import Encode


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryQuery:
    """
    Which entries are wanted.

    Attributes:
        after: Behind this position.
        before: Ahead of this position; None for up to the end.
        since_us: Recorded at this moment or later.
        until_us: Recorded before this moment.
        limit: At most so many.
    """

    facet: Facet = ANY
    after: int = 0
    before: int | None = None
    since_us: UnixUs | None = None
    until_us: UnixUs | None = None
    newest_first: bool = False
    limit: int

    def behind(self, position: int) -> "HistoryQuery":
        """Return the same question, for what comes behind *position* in its order."""
        if self.newest_first:
            return replace(self, before=position)
        return replace(self, after=position)


@dataclass(frozen=True, slots=True)
class Page:
    """
    Entries in the order that was asked for.

    Attributes:
        is_more: There are more that match, behind the last one.
        position: Everything up to here was looked at.
    """

    entries: Sequence[Entry]
    is_more: bool
    position: int


class HistoryReader:
    """Answers from an index that has caught up; every method blocks, any thread may call them."""

    def __init__(self, log: Log, index: Index, encode_peer: Encode) -> None:
        self._log = log
        self._index = index
        self._encode_peer = encode_peer

    def page(self, query: HistoryQuery) -> Page:
        """Return the entries that match; raises `IndexDamaged`."""
        end = self._index.position
        after, before = self._bounds(query, end)
        positions = self._positions(query, after, before)
        wanted = positions[: query.limit]
        return Page(self._entries(wanted, query), len(positions) > len(wanted), end)

    def position_before(self, at_us: UnixUs, end: int) -> int:
        """Return the last position up to *end* recorded before *at_us*, 0 for none."""
        low, high = 0, end
        while low < high:
            middle = (low + high + 1) // 2
            if self.event(middle).metadata.recorded_at_us < at_us:
                low = middle
            else:
                high = middle - 1
        return low

    def event(self, position: int) -> RecordedEvent:
        """Return one event of the log."""
        [event] = self._log.events_at([position])
        return event

    def past(self, position: int) -> Past:
        """Return the views as of *position*, which the index has reached."""
        return self._past(position, list(self._index.states(position)))

    def past_around(self, position: int, subject_id: StreamId) -> Past:
        """Return views of one peer, or of one service and its peers, and of nothing else."""
        states = [self._index.last(subject_id, position)]
        if states[0] is not None and isinstance(states[0].subject, Service):
            service = states[0].subject
            ends = (service.source_peer_id, service.target_peer_id)
            states += [self._index.last(StreamId(peer_id), position) for peer_id in ends]
        return self._past(position, [state for state in states if state is not None])

    def _past(self, position: int, states: Sequence[State]) -> Past:
        return past_of(
            position, states, self._encode_peer, lambda at: self.event(at).metadata.event_id
        )

    def _bounds(self, query: HistoryQuery, end: int) -> tuple[int, int]:
        """Return the positions, both exclusive, between which *query* looks."""
        after, before = query.after, end + 1
        if query.before is not None:
            before = min(before, query.before)
        if query.since_us is not None:
            after = max(after, self.position_before(query.since_us, end))
        if query.until_us is not None:
            before = min(before, self.position_before(query.until_us, end) + 1)
        return after, before

    def _positions(self, query: HistoryQuery, after: int, before: int) -> Sequence[int]:
        """Return what matches between two positions, one more than wanted if there are more."""
        if after + 1 >= before:
            return ()
        if query.facet != ANY:
            return self._index.positions(
                query.facet,
                after=after,
                before=before,
                limit=query.limit + 1,
                newest_first=query.newest_first,
            )
        every = range(after + 1, before)
        return (every[::-1] if query.newest_first else every)[: query.limit + 1]

    def _entries(self, positions: Sequence[int], query: HistoryQuery) -> Sequence[Entry]:
        events, before = self._log.events_at(positions), self._index.before(positions)
        nothing = State(0, None)
        entries = []
        for recorded in events:
            previous, subject = before.get(recorded.position, nothing)
            entries.append(entry_of(recorded, subject, previous))
        if len(entries) != len(positions) or not all(map(query.facet.matches, entries)):
            message = "it names entries that are others in the log"
            raise IndexDamaged(message)
        return entries[::-1] if query.newest_first else entries
