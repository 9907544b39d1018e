"""
What this agent signed about its own log, as its witnesses remember it.

Before it signs anything after a start, an agent asks its witnesses. If its log bears out what they
have seen, all is well. If not, an old backup was put in its place: what is behind it is lost, since
nobody but the agent itself keeps its entries. To go on under the old origin would contradict the
checkpoints that others keep, and look like fraud. So it begins a new epoch, in an event that holds
the largest of those checkpoints: origin, size and root of what was. Until one witness has answered
it signs nothing. Writes do not wait for that, only checkpoints do.

The same happens when a witness shows a checkpoint later that the log does not bear out: either it
was not among those that were asked, or a twin signs with the same key. As with records, the second
time is reported as a conflict, and the waits double (see `membership.peering.lineage`).
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from membership.domain.values import PeerId
from membership.peering.lineage import Lineage
from membership.peering.local import LocalAgent
from membership.peering.messenger import DeliveryFailed, Messenger
from membership.proof.checkpoint import (
    Checkpoint,
    epoch_of,
    log_key,
    log_origin,
    open_checkpoint,
    parse_checkpoint,
)
from membership.proof.note import InvalidNote, parse_note
from membership.transparency.log import TransparencyLog

RECALL = "recall"
_UNHEARD = "no witness has said yet what this agent signed before"

log = logging.getLogger(__name__)


class Recollection:
    """
    Keeps the log from being signed until witnesses have spoken, and from contradicting them.

    Args:
        on_conflict: Called with a sentence when a twin of this agent must be signing.
    """

    def __init__(
        self,
        local: LocalAgent,
        own_log: TransparencyLog,
        messenger: Messenger,
        *,
        on_conflict: Callable[[str], None],
    ) -> None:
        self._local = local
        self._log = own_log
        self._messenger = messenger
        self._on_conflict = on_conflict
        self._lineage = Lineage()
        self.is_complete = False

    def start(self, *, has_witnesses: bool) -> None:
        """Hold the log's signature until `recall` is over, unless there is nobody to ask."""
        if has_witnesses:
            self._log.hold(_UNHEARD)
        else:
            self.is_complete = True

    async def recall(self, witnesses: Sequence[PeerId]) -> bool:
        """
        Ask some witnesses; return whether the log may be signed from here on.

        Raises:
            StoreUnavailable: What follows from their answers cannot be written now.
        """
        answers = await asyncio.gather(*map(self._ask, witnesses))
        if witnesses and not any(answer is not None for answer in answers):
            return False
        notes = [note for note in answers if note]
        # The largest first: if the log bears that out, it mostly bears out the others.
        if all([await self.meet(note) for note in sorted(notes, key=self._rank, reverse=True)]):
            self._log.release()
        self.is_complete = True
        return True

    async def _ask(self, witness: PeerId) -> bytes | None:
        try:
            [note] = await self._messenger.ask(witness, RECALL, [], RECALL)
        except (DeliveryFailed, ValueError):
            return None
        return note if isinstance(note, bytes) else None

    async def meet(self, note: bytes) -> bool:
        """
        Return whether the log bears out a checkpoint of its own that somebody keeps.

        What is no checkpoint of this agent's is borne out: nobody is bound by it. If one is not,
        a new epoch begins.

        Raises:
            StoreUnavailable: It cannot be written down now.
        """
        try:
            epoch, checkpoint = self._opened(note)
        except InvalidNote:
            return True
        present = self._local.views.epoch
        if epoch < present or (epoch == present and await self._log.bears_out(checkpoint)):
            return True
        if self._lineage.has_resumed:
            self._on_conflict(
                f"another agent signs the log of this one, with {checkpoint.size} events in epoch "
                f"{epoch}; stop one of the two"
            )
            if not self._lineage.may_resume():
                self._log.hold("another agent signs with the same key")
                return False
        self._lineage.resumed()
        log.warning(
            "this agent signed a checkpoint of %d events that its log does not bear out, so the "
            "end of the log is lost; it is signed as epoch %d from here on",
            checkpoint.size,
            epoch + 1,
        )
        origin = log_origin(self._local.cluster_id, self._local.peer.peer_id, epoch + 1)
        await self._log.begin_epoch(origin, epoch + 1, note)
        return True

    def _opened(self, note: bytes) -> tuple[int, Checkpoint]:
        origin, peer = parse_checkpoint(parse_note(note).text).origin, self._local.peer
        epoch = epoch_of(origin, self._local.cluster_id, peer.peer_id)
        return epoch, open_checkpoint(note, log_key(origin, peer.public_key)).checkpoint

    def _rank(self, note: bytes) -> tuple[int, int]:
        try:
            epoch, checkpoint = self._opened(note)
        except InvalidNote:
            return -1, 0
        return epoch, checkpoint.size
