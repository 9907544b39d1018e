"""
What somebody passed on and others have to hear of: checkpoints of logs, records that contradict.

A log could show one history to one witness and another to another, each of them in order. So
witnesses pass on what they have seen, and whoever gets a note of another size than the one it knows
asks the log for the proof that the two are one. It is asked on a task of its own, one question at
a time, so that nobody who passes notes on waits for it, and nobody can make this agent ask at a
pace of his choosing.

A record that contradicts another of the same peer and version is shown to that peer, who alone can
settle it by going on above both; it may have no contact with whoever holds the other one.
"""

import asyncio
import logging
from collections.abc import Sequence

from membership.commands.ports import Randomness
from membership.domain.record import PeerRecord
from membership.domain.values import PeerId
from membership.peering.local import LocalAgent
from membership.peering.messenger import RECORDS, VERDICTS, DeliveryFailed, Messenger
from membership.peering.recollection import Recollection
from membership.peering.wire import MalformedFrame, check_shape
from membership.peering.witness import Proof, Shown, Witness
from membership.proof.note import InvalidNote
from membership.store.errors import StoreError
from membership.store.writer import WriterStopped

PROVE = "prove"
MAX_PASSED_ON = 3
MAX_WAITING = 64
PACE_S = 0.5

log = logging.getLogger(__name__)


class Hearsay:
    """Takes notes in, and chooses some to pass on."""

    def __init__(
        self,
        local: LocalAgent,
        witness: Witness,
        recollection: Recollection,
        messenger: Messenger,
        randomness: Randomness,
    ) -> None:
        self._local = local
        self._witness = witness
        self._recollection = recollection
        self._messenger = messenger
        self._randomness = randomness
        self._waiting: asyncio.Queue[bytes | PeerRecord] = asyncio.Queue(MAX_WAITING)

    def some(self, recipient: PeerId) -> list[bytes]:
        """Return a few notes to pass on, none of the recipient's own but the last one seen."""
        heads = [head for head in self._witness.heads() if head.peer_id != recipient]
        chosen: list[bytes] = []
        while heads and len(chosen) < MAX_PASSED_ON:
            chosen.append(heads.pop(self._randomness.choice_index(len(heads))).note)
        return chosen

    def take(self, notes: Sequence[bytes]) -> None:
        """Queue notes; those that come when too many wait are dropped, and will come again."""
        for note in notes[:MAX_PASSED_ON]:
            self._put(note)

    def contradicted(self, record: PeerRecord) -> None:
        """Queue a record that its subject has to hear of."""
        self._put(record)

    def _put(self, heard: bytes | PeerRecord) -> None:
        if not self._waiting.full():
            self._waiting.put_nowait(heard)

    async def run(self) -> None:
        """Look at what was taken, for ever."""
        while True:
            heard = await self._waiting.get()
            try:
                if await self._look_at(heard):
                    await asyncio.sleep(PACE_S)
            except (InvalidNote, DeliveryFailed, StoreError, WriterStopped) as failure:
                log.debug("a checkpoint that was passed on came to nothing: %s", failure)
            except Exception:
                log.exception("a checkpoint that was passed on could not be looked at")

    async def _look_at(self, heard: bytes | PeerRecord) -> bool:
        """Take one thing in; return whether somebody had to be asked or told."""
        if isinstance(heard, PeerRecord):
            await self._messenger.ask(heard.peer_id, RECORDS, [heard.signed], VERDICTS)
            return True
        shown = self._witness.open(heard)
        if shown.peer_id == self._local.peer.peer_id:
            await self._recollection.meet(heard)
            return False
        if await self._witness.overhear(shown, None):
            return False
        await self._witness.overhear(shown, await self._proof_for(shown))
        return True

    async def _proof_for(self, shown: Shown) -> Proof | None:
        known = self._witness.head(shown.peer_id)
        peer = self._local.views.peers.get(shown.peer_id)
        if known is None or peer is None or not peer.is_active:
            return None
        first, second = sorted((known.size, shown.size))
        path = await self._messenger.ask(shown.peer_id, PROVE, [first, second], PROVE)
        try:
            check_shape(path, [bytes] * len(path))
        except MalformedFrame as failure:
            raise DeliveryFailed(str(failure)) from None
        return Proof(first, second, path)
