"""
Records that arrive, by whatever way, and what this agent makes of them.

Every record is verified on its own, whoever brings it; then the write side decides what it
changes, and only after that is on disk does anybody hear of it.

An active peer may bring anybody's record. A peer that was removed here, or has left, may only
speak of itself, and of its leaving at that: everything else is acknowledged and changes nothing,
so that it stops asking.
"""

import logging
from collections.abc import Callable

from membership.commands.bus import CommandBus
from membership.commands.messages import ObserveRecord, Origin
from membership.domain.events import Actor
from membership.domain.record import PeerRecord, Verdict, contradicts
from membership.domain.values import PeerId
from membership.peering.book import Introduction, RecordBook
from membership.peering.lineage import Lineage
from membership.peering.local import LocalAgent
from membership.peering.records import open_record
from membership.peering.wire import MalformedFrame

log = logging.getLogger(__name__)


class RecordIntake:
    """
    Takes records in.

    Args:
        on_introduction: Called when a stranger's record is news.
        on_equivocation: Called with a record that contradicts the one that is known.
        on_conflict: Called with a sentence when a twin of this agent must be signing.
    """

    def __init__(
        self,
        local: LocalAgent,
        bus: CommandBus,
        book: RecordBook,
        *,
        on_introduction: Callable[[Introduction], None],
        on_equivocation: Callable[[PeerRecord], None],
        on_conflict: Callable[[str], None],
    ) -> None:
        self._local = local
        self._bus = bus
        self._book = book
        self._on_introduction = on_introduction
        self._on_equivocation = on_equivocation
        self._on_conflict = on_conflict
        self._lineage = Lineage()

    async def take(
        self, record: PeerRecord, bringer: PeerId, *, source: str, correlation_id: str
    ) -> Verdict:
        """
        Return what became of a record that *bringer* brought; raises `StoreUnavailable`.

        Whoever calls has opened, and so verified, all records of a message before the first is
        taken in: a message is malformed as a whole, or not at all.
        """
        if not self._may_bring(bringer, record):
            return Verdict.REMOVED_HERE
        if self._is_held_back(record, bringer):
            return Verdict.IDENTITY_CONFLICT
        origin = Origin(
            actor=Actor(kind="peer", id=bringer),
            occurred_at_us=record.issued_at_us,
            source=source,
            correlation_id=correlation_id,
        )
        receipt = await self._bus.submit(ObserveRecord(record=record), origin)
        verdict = Verdict(str(receipt.result))
        self._follow_up(record, verdict, bringer)
        return verdict

    async def take_own(self, signed: bytes, bringer: PeerId) -> None:
        """
        Take a record of this agent that a peer would not give up; nothing if it is none.

        Raises:
            StoreUnavailable: What follows from it cannot be written now.
        """
        try:
            record = open_record(signed)
        except MalformedFrame as failure:
            log.debug("%s holds no record of this agent: %s", bringer, failure)
            return
        if record.peer_id == self._local.peer.peer_id:
            await self.take(record, bringer, source="", correlation_id="")

    def _is_held_back(self, record: PeerRecord, bringer: PeerId) -> bool:
        """Whether a twin of this agent spoke, and it is too early to answer; see `lineage`."""
        local = self._local.peer
        is_conflict = record.peer_id == local.peer_id and contradicts(local, record)
        if not is_conflict or not self._lineage.has_resumed:
            return False
        self._on_conflict(
            f"another agent at {record.address} signs with this agent's key, with version "
            f"{record.subject_version}, heard from {bringer}; stop one of the two, or restore this "
            "one's newest data"
        )
        return not self._lineage.may_resume()

    def _may_bring(self, bringer: PeerId, record: PeerRecord) -> bool:
        peer = self._local.views.peers.get(bringer)
        if peer is None:
            return False
        return peer.is_active or (record.left and record.peer_id == bringer)

    def _follow_up(self, record: PeerRecord, verdict: Verdict, bringer: PeerId) -> None:
        match verdict:
            case Verdict.UNKNOWN_PEER:
                if self._book.note(record, bringer):
                    self._on_introduction(Introduction(record, bringer))
            case Verdict.REMOVED_HERE:
                self._book.note(record, bringer)
            case Verdict.IDENTITY_CONFLICT:
                self._lineage.resumed()
                log.warning(
                    "%s holds version %d of this agent, which its log does not: going on above it",
                    bringer,
                    record.subject_version,
                )
            case Verdict.EQUIVOCATION:
                log.warning("%s signed two records of one version", record.peer_id)
                if bringer != record.peer_id:
                    self._on_equivocation(record)
