"""
A round with everybody, now: for operators who want to know that all agree.

One pass is not enough to tell: what the last peer brings is news to the first. So whoever agreed
with what this agent knew then, and not with what it knows now, is asked once more at least. Peers
that did not answer are not asked again: somebody who waits for agreement does not wait for them.
"""

import asyncio
from collections.abc import Callable, Sequence
from itertools import count

from membership.commands.ports import SyncReport
from membership.domain.values import PeerId
from membership.peering.anti_entropy import AntiEntropy
from membership.peering.book import RecordBook
from membership.peering.messenger import DeliveryFailed
from membership.store.errors import StoreError
from membership.store.writer import WriterStopped

MAX_AT_ONCE = 64
MIN_PASSES = 2
PAUSE_S = 0.25

_Outcome = bytes | str
"""The digest that both had, empty when they differed; or why the peer did not answer."""


async def sync(
    anti_entropy: AntiEntropy,
    book: RecordBook,
    peers: Callable[[], Sequence[PeerId]],
    wait_s: float,
) -> SyncReport:
    """
    Exchange with all *peers* until those that answer agree, or *wait_s* is over.

    A pass that has begun is ended, however long its answers take.

    Raises:
        StoreUnavailable, WriterStopped: What they told cannot be written now.
    """
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + wait_s
    outcomes: dict[PeerId, _Outcome] = {}
    asked = peers()
    for passes in count(1):
        outcomes |= await _exchange_with(anti_entropy, book, asked)
        report = _report(peers(), outcomes, book.digest())
        asked = report.differing
        if not asked or (passes >= MIN_PASSES and loop.time() + PAUSE_S > deadline_s):
            break
        if passes >= MIN_PASSES:
            await asyncio.sleep(PAUSE_S)
    return report


async def _exchange_with(
    anti_entropy: AntiEntropy, book: RecordBook, peers: Sequence[PeerId]
) -> dict[PeerId, _Outcome]:
    slots = asyncio.Semaphore(MAX_AT_ONCE)

    async def exchange(peer_id: PeerId) -> _Outcome | StoreError | WriterStopped:
        async with slots:
            try:
                return book.digest() if await anti_entropy.exchange(peer_id) else b""
            except DeliveryFailed as failure:
                return str(failure)
            except (StoreError, WriterStopped) as failure:
                # Raised when all have ended, so that none goes on behind its caller's back.
                return failure

    outcomes: dict[PeerId, _Outcome] = {}
    for peer_id, outcome in zip(peers, await asyncio.gather(*map(exchange, peers)), strict=True):
        if isinstance(outcome, Exception):
            raise outcome
        outcomes[peer_id] = outcome
    return outcomes


def _report(peers: Sequence[PeerId], outcomes: dict[PeerId, _Outcome], digest: bytes) -> SyncReport:
    """Sort the present *peers* by what came of them; one that is new has yet to be asked."""
    unreachable = {p: o for p in peers if isinstance(o := outcomes.get(p), str)}
    agreeing = [p for p in peers if outcomes.get(p) == digest]
    return SyncReport(
        agreeing=agreeing,
        differing=[p for p in peers if p not in unreachable and outcomes.get(p) != digest],
        unreachable=unreachable,
    )
