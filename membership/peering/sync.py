"""A round with everybody, now: for operators who want to know that all agree."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from membership.domain.values import PeerId
from membership.peering.anti_entropy import AntiEntropy
from membership.peering.messenger import DeliveryFailed
from membership.store.errors import StoreError

MAX_AT_ONCE = 16
PAUSE_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """
    Who knows the same as this agent.

    Attributes:
        differing: Peers that answer, and know something else still.
        unreachable: Peers that did not answer, with the reason.
    """

    agreeing: Sequence[PeerId]
    differing: Sequence[PeerId]
    unreachable: dict[PeerId, str]


async def sync(anti_entropy: AntiEntropy, peers: Sequence[PeerId], wait_s: float) -> SyncReport:
    """
    Exchange with all *peers* until those that answer agree, or *wait_s* is over.

    Raises:
        StoreUnavailable: What they told cannot be written now.
    """
    deadline_s = asyncio.get_running_loop().time() + wait_s
    report = await _exchange_with_all(anti_entropy, peers)
    while report.differing and asyncio.get_running_loop().time() + PAUSE_S < deadline_s:
        await asyncio.sleep(PAUSE_S)
        report = await _exchange_with_all(anti_entropy, peers)
    return report


async def _exchange_with_all(anti_entropy: AntiEntropy, peers: Sequence[PeerId]) -> SyncReport:
    slots = asyncio.Semaphore(MAX_AT_ONCE)

    async def exchange(peer_id: PeerId) -> bool | str | StoreError:
        async with slots:
            try:
                return await anti_entropy.exchange(peer_id)
            except DeliveryFailed as failure:
                return str(failure)
            except StoreError as failure:
                # Raised when all have ended, so that none goes on behind its caller's back.
                return failure

    outcomes = dict(zip(peers, await asyncio.gather(*map(exchange, peers)), strict=True))
    for failure in outcomes.values():
        if isinstance(failure, StoreError):
            raise failure
    return SyncReport(
        agreeing=[p for p, outcome in outcomes.items() if outcome is True],
        differing=[p for p, outcome in outcomes.items() if outcome is False],
        unreachable={p: o for p, o in outcomes.items() if isinstance(o, str)},
    )
