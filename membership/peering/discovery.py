"""
Discovery: from a chain of adds to a full mesh.

A member's record of a peer that is unknown here is an introduction, not trust: this agent makes
its own handshake with the stranger, and only that seats it. The one with the lower id goes first,
since one handshake serves both; the other one waits a few seconds and mostly finds it done.

An introduction is pursued until the stranger is seated, has left, or was removed here: with
backoff and jitter, a few at a time. It lives in memory, because anti-entropy brings it again.

A peer may also have forgotten this agent, when a crash cut a handshake in two and only this side
recorded it, or when its log was restored from a backup. It says so, signed, when it is written to,
and a new handshake mends it, unless it is one of those that take only whom an operator names.
"""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass

from membership.commands.messages import SYSTEM_ORIGIN, Origin
from membership.commands.ports import PursuitStatus, Randomness
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


@dataclass(slots=True)
class _Pursuit:
    attempts: int = 0
    last_error: str = ""


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
        self._pursuits: dict[PeerId, _Pursuit] = {}
        self._slots = asyncio.Semaphore(MAX_AT_ONCE)
        self._is_running = True

    def introduced(self, introduction: Introduction) -> None:
        """Begin to pursue a stranger, unless that is under way."""
        peer_id = introduction.record.peer_id
        self._spawn(peer_id, self._pursue(peer_id))

    def reacquaint(self, peer_id: PeerId) -> None:
        """Shake hands once more with a peer that has forgotten this agent."""
        self._spawn(peer_id, self._renew(peer_id))

    def pursuits(self) -> Sequence[PursuitStatus]:
        """Return whom this agent is getting acquainted with."""
        found = [(self._book.introduction(p), pursuit) for p, pursuit in self._pursuits.items()]
        return [
            PursuitStatus(
                peer_id=introduction.record.peer_id,
                name=introduction.record.name,
                address=introduction.record.address,
                introduced_by=introduction.bringer,
                attempts=pursuit.attempts,
                last_error=pursuit.last_error,
            )
            for introduction, pursuit in found
            if introduction is not None and not introduction.record.left
        ]

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

    def _spawn(self, peer_id: PeerId, work: Coroutine[None, None, None]) -> None:
        if not self._is_running or peer_id in self._tasks or not self._local.peer.is_active:
            work.close()
            return
        task = asyncio.create_task(work, name=f"discover {peer_id}")
        self._tasks[peer_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(peer_id, None))

    async def _renew(self, peer_id: PeerId) -> None:
        await asyncio.sleep(self._randomness.uniform(0.0, FIRST_TRY_S))
        peer = self._local.views.peers.get(peer_id)
        if peer is None or not peer.is_active:
            return
        errand = Errand(
            address=peer.claimed_address,
            how=Admission.DISCOVERED,
            origin=SYSTEM_ORIGIN,
            expected=peer_id,
            renews=True,
        )
        try:
            async with self._slots:
                await self._initiator.add(errand)
        except (MembershipError, StoreError, WriterStopped) as failure:
            log.debug("%s does not want to know this agent: %s", peer_id, failure)

    async def _pursue(self, peer_id: PeerId) -> None:
        self._pursuits[peer_id] = pursuit = _Pursuit()
        try:
            await self._get_acquainted(peer_id, pursuit)
        finally:
            del self._pursuits[peer_id]

    async def _get_acquainted(self, peer_id: PeerId, pursuit: _Pursuit) -> None:
        goes_first = self._local.peer.peer_id < peer_id
        wait_s = self._randomness.uniform(0.0, FIRST_TRY_S) + (0.0 if goes_first else YIELD_S)
        started_s = asyncio.get_running_loop().time()
        while True:
            await asyncio.sleep(wait_s)
            introduction = self._book.introduction(peer_id)
            if introduction is None or introduction.record.left or self._is_known(peer_id):
                return
            try:
                async with self._slots:
                    await self._shake_hands(introduction)
            except (MembershipError, StoreError) as failure:
                pursuit.attempts += 1
                pursuit.last_error = str(failure)
                log.debug("not yet acquainted with %s: %s", peer_id, failure)
            except WriterStopped:
                return
            else:
                return
            failing_for_s = asyncio.get_running_loop().time() - started_s
            wait_s = backoff_s(pursuit.attempts, failing_for_s, self._randomness)

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
