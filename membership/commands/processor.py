"""
The write path.

Whatever commands wait are taken together. Each is decided in turn against the model, which has
the events of the commands before it already; a refusal fails that command alone. Then all their
events go to the log in one transaction, and one wait for the disk serves them all. Only after
it are they announced: to the views first, then to whoever asked.

When the log refuses the batch, the model goes back to the last committed event, and every
command of the batch fails, refused ones included, since what refused them may not have happened.
Before the next batch the log is read for anything that was written after all, or by another
replica. A conflict with another writer is decided again, a few times; a full disk is not.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from membership.commands.handlers import Decision, WriteState, decide
from membership.commands.messages import Origin, Receipt, Request
from membership.commands.ports import Clock, IdSource
from membership.domain.cluster import Cluster
from membership.domain.errors import MembershipError
from membership.domain.events import (
    Event,
    LicenseEvent,
    Metadata,
    PeerDeactivated,
    PeerEvent,
    PeerRemoved,
    RecordedEvent,
)
from membership.domain.values import UnixUs
from membership.store.errors import AppendConflict, StoreError, StoreUnavailable
from membership.store.event_store import EventStore
from membership.store.rows import NOTHING_SIGNED, Batch, LogSignatures, Seat, SeatChanges

CONFLICT_ATTEMPTS = 5
_FAREWELLS = (PeerRemoved, PeerDeactivated)
Outcome = Receipt | Exception

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Processed:
    """What became of a batch: one outcome per request, and what the views have to apply."""

    outcomes: Sequence[Outcome]
    events: Sequence[RecordedEvent]


class CommandProcessor:
    """Owns the write model; used by one thread at a time."""

    def __init__(
        self, store: EventStore, state: WriteState, *, clock: Clock, ids: IdSource, software: str
    ) -> None:
        self._store = store
        self._state = state
        self._clock = clock
        self._ids = ids
        self._software = software
        self._last_recorded_us = UnixUs(0)
        self._is_behind = False

    def replay(self, events: Iterator[RecordedEvent]) -> Iterator[RecordedEvent]:
        """Fold the log into the model while passing it on, so that one scan serves the views."""
        cluster = self._state.cluster
        for recorded in events:
            cluster.apply(recorded)
            cluster.keep()
            self._last_recorded_us = recorded.metadata.recorded_at_us
            yield recorded

    def process(self, requests: Sequence[Request]) -> Processed:
        """Decide and commit a batch; never raises, each request has its outcome."""
        caught_up: list[RecordedEvent] = []
        for _ in range(CONFLICT_ATTEMPTS):
            try:
                self._catch_up(caught_up)
                outcomes, events = self._attempt(requests)
            except AppendConflict as conflict:
                log.warning("another writer was first: %s", conflict)
                self._go_back()
            except Exception as error:
                self._go_back()
                if not isinstance(error, StoreError):
                    log.exception("a batch of %d commands failed", len(requests))
                return Processed(outcomes=[error] * len(requests), events=caught_up)
            else:
                return Processed(outcomes=outcomes, events=[*caught_up, *events])
        busy = StoreUnavailable("other writers were first each time")
        return Processed(outcomes=[busy] * len(requests), events=caught_up)

    def _go_back(self) -> None:
        self._state.take_back()
        self._is_behind = True

    def _catch_up(self, missed: list[RecordedEvent]) -> None:
        """
        Fold in what the log holds beyond the model; nothing to read after a clean commit.

        One by one into *missed*: should the log end in the middle of it, by an event that cannot
        be read, then the views need all that the model has.
        """
        if not self._is_behind:
            return
        missed.extend(self.replay(self._store.events(self._state.cluster.position)))
        self._is_behind = False

    def _attempt(
        self, requests: Sequence[Request]
    ) -> tuple[Sequence[Outcome], Sequence[RecordedEvent]]:
        cluster = self._state.cluster
        recorded: list[RecordedEvent] = []
        outcomes: list[Outcome] = []
        decisions: list[Decision] = []
        for request in requests:
            now_us = self._clock.now_us()
            try:
                decision = decide(self._state, request.command, now_us)
            except MembershipError as refusal:
                outcomes.append(refusal)
                continue
            own = [self._record(event, request.origin, now_us) for event in decision.events]
            recorded += own
            decisions.append(decision)
            outcomes.append(Receipt(position=cluster.position, events=own, result=decision.result))
        self._commit(recorded, decisions)
        return outcomes, recorded

    def _record(self, event: Event, origin: Origin, now_us: UnixUs) -> RecordedEvent:
        """Number the event and fold it in, for the next command to see."""
        cluster = self._state.cluster
        # A clock that was set back must not make the history run backwards.
        self._last_recorded_us = max(self._last_recorded_us, now_us)
        recorded = RecordedEvent(
            position=cluster.position + 1,
            version=cluster.next_version(event),
            event=event,
            metadata=self._metadata(origin),
        )
        cluster.apply(recorded)
        return recorded

    def _metadata(self, origin: Origin) -> Metadata:
        now_us = self._last_recorded_us
        return Metadata(
            event_id=self._ids.new_ulid(),
            occurred_at_us=now_us if origin.occurred_at_us is None else origin.occurred_at_us,
            recorded_at_us=now_us,
            actor=origin.actor,
            source=origin.source,
            request_id=origin.request_id,
            correlation_id=origin.correlation_id or origin.request_id,
            causation_id=origin.causation_id,
            reason=origin.reason,
            software=self._software,
        )

    def _commit(self, recorded: Sequence[RecordedEvent], decisions: Sequence[Decision]) -> None:
        deliveries = {row.peer_id: row for decision in decisions for row in decision.deliveries}
        gone = {r.event.peer_id for r in recorded if isinstance(r.event, _FAREWELLS)}
        signed = _merged([decision.log_signatures for decision in decisions])
        if recorded or deliveries or signed:
            self._store.append(
                Batch(
                    events=recorded,
                    seats=self._seat_changes(recorded),
                    deliveries=list(deliveries.values()),
                    # Who was removed and added again in one batch is no farewell.
                    forgotten=[p for p in sorted(gone) if not self._state.cluster.is_active(p)],
                    log_signatures=signed,
                )
            )
        self._state.keep()

    def _seat_changes(self, recorded: Sequence[RecordedEvent]) -> SeatChanges:
        cluster = self._state.cluster
        touched = {r.event.peer_id for r in recorded if isinstance(r.event, PeerEvent)}
        licensed = any(isinstance(r.event, LicenseEvent) for r in recorded)
        capacity = cluster.license.max_nodes if cluster.license and (touched or licensed) else None
        peers = [cluster.peers[peer_id] for peer_id in sorted(touched)]
        return SeatChanges(
            vacated=[peer.peer_id for peer in peers],
            taken=[Seat(p.peer_id, p.address, p.public_key) for p in peers if p.is_active],
            capacity=capacity,
        )


def _merged(signed: Sequence[LogSignatures]) -> LogSignatures:
    """Return what all come to, one after the other: nothing that a later one made obsolete."""
    whole = NOTHING_SIGNED
    for later in signed:
        before = NOTHING_SIGNED if later.is_new_epoch else whole
        kept = [row for row in before.checkpoints if row.size not in later.superseded]
        whole = LogSignatures(
            is_new_epoch=whole.is_new_epoch or later.is_new_epoch,
            checkpoints=[*kept, *later.checkpoints],
            superseded=[*before.superseded, *later.superseded],
            cosignatures=[*before.cosignatures, *later.cosignatures],
            witnessed=[*whole.witnessed, *later.witnessed],
        )
    return whole


def all_seats(cluster: Cluster) -> SeatChanges:
    """Return the whole table of seats as the model has it; for `membership rebuild`."""
    return SeatChanges(
        taken=[
            Seat(peer_id, cluster.peers[peer_id].address, key)
            for key, peer_id in cluster.seat_by_key.items()
        ],
        capacity=cluster.license.max_nodes if cluster.license else None,
    )
