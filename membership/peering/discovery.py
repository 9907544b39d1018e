"""
Discovery: from a chain of adds to a full mesh.

A member's record of a peer that is unknown here is an introduction, not trust: this agent makes
its own handshake with the stranger, and only that seats it. The one with the lower id goes first,
since one handshake serves both; the other one waits a few seconds and mostly finds it done.

An introduction is pursued until the stranger is seated, has left, or was removed here: with
backoff and jitter, a few at a time. It lives in memory, because anti-entropy brings it again.
"""

import asyncio
import logging
from collections.abc import Sequence

from membership.commands.messages import Origin
from membership.commands.ports import Randomness
from membership.domain.admission import Admission
from membership.domain.errors import MembershipError
from membership.domain.events import Actor, RecordedEvent
from membership.domain.values import PeerId
from membership.peering.backoff import backoff_s
from membership.peering.book import Introduction, RecordBook
from membership.peering.initiator import Errand, Initiator
from membership.peering.local import LocalAgent
from membership.store.errors import StoreError
from membership.store.writer import WriterStopped

MAX_AT_ONCE = 8
FIRST_TRY_S = 1.0
YIELD_S = 5.0

log = logging.getLogger(__name__)


class Discovery:
    """Owns one task per stranger that it pursues; `stop` cancels and awaits them."""

    def __init__(
        self, local: LocalAgent, book: RecordBook, initiator: Initiator, randomness: Randomness
    ) -> None:
        self._local = local
        self._book = book
        self._initiator = initiator
        self._randomness = randomness
        self._tasks: dict[PeerId, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(MAX_AT_ONCE)
        self._is_running = True

    def introduced(self, introduction: Introduction) -> None:
        """Begin to pursue a stranger, unless that is under way."""
        peer_id = introduction.record.peer_id
        if not self._is_running or peer_id in self._tasks or not self._local.peer.is_active:
            return
        task = asyncio.create_task(self._pursue(peer_id), name=f"discover {peer_id}")
        self._tasks[peer_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(peer_id, None))

    def on_events(self, events: Sequence[RecordedEvent]) -> None:
        """Stop pursuing when this agent leaves."""
        if events and not self._local.peer.is_active:
            for task in self._tasks.values():
                task.cancel()

    async def stop(self) -> None:
        """Cancel and await every handshake under way."""
        self._is_running = False
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _pursue(self, peer_id: PeerId) -> None:
        goes_first = self._local.peer.peer_id < peer_id
        wait_s = self._randomness.uniform(0.0, FIRST_TRY_S) + (0.0 if goes_first else YIELD_S)
        started_s = asyncio.get_running_loop().time()
        attempts = 0
        while True:
            await asyncio.sleep(wait_s)
            introduction = self._book.introduction(peer_id)
            if introduction is None or introduction.record.left or self._is_known(peer_id):
                return
            try:
                async with self._slots:
                    await self._shake_hands(introduction)
            except (MembershipError, StoreError) as failure:
                attempts += 1
                log.debug("not yet acquainted with %s: %s", peer_id, failure)
            except WriterStopped:
                return
            else:
                return
            failing_for_s = asyncio.get_running_loop().time() - started_s
            wait_s = backoff_s(attempts, failing_for_s, self._randomness)

    def _is_known(self, peer_id: PeerId) -> bool:
        # Seated by its own handshake meanwhile, gone for good, or removed here by an operator.
        return self._local.views.peers.get(peer_id) is not None

    async def _shake_hands(self, introduction: Introduction) -> None:
        record = introduction.record
        await self._initiator.add(
            Errand(
                address=record.address,
                how=Admission.DISCOVERED,
                origin=Origin(actor=Actor(kind="peer", id=introduction.bringer)),
                introduced_by=introduction.bringer,
                expected=record.peer_id,
            )
        )
