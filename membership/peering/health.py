"""
Health: this agent's own opinion of who can be reached.

An opinion, not a fact of membership: it is formed from the exchanges that happen anyway, refuted
by any sign of life, shown in the status, and never recorded, broadcast, or acted on beyond the
choice of whom to ask next. Nobody is removed for being quiet.

An agent that is itself slow or cut off would think ill of everybody. So it watches its own event
loop, and says so when that runs late, or when everybody it tried lately seems gone.

The idea of doubting oneself first: A. Dadgar et al., "Lifeguard", 2017.
"""

import asyncio
import logging
from collections import deque
from dataclasses import dataclass

from membership.commands.ports import Clock, PeerHealth, SelfHealth
from membership.domain.values import PeerId, UnixUs

FAILURES_TO_UNREACHABLE = 2
LOOP_CHECK_S = 1.0
SLOW_LAG_S = 0.5
SLOW_MEMORY_S = 30.0
RECENT_PARTNERS = 8
CONFLICT_MEMORY_S = 7_200.0
"""Twice the longest time between two answers of an agent to its twin."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Opinion:
    last_seen_us: UnixUs = UnixUs(0)
    round_trip_s: float | None = None
    failures: int = 0
    digest_equal: bool | None = None


class Health:
    """Opinions about peers, and about this agent itself."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._opinions: dict[PeerId, _Opinion] = {}
        self._recent: deque[tuple[PeerId, bool]] = deque(maxlen=RECENT_PARTNERS)
        self._lags: deque[float] = deque(maxlen=int(SLOW_MEMORY_S / LOOP_CHECK_S))
        self._conflict = ""
        self._conflicted_s = 0.0

    def heard(self, peer_id: PeerId) -> None:
        """A verified message of the peer came in."""
        opinion = self._opinion(peer_id)
        opinion.last_seen_us = self._clock.now_us()
        opinion.failures = 0

    def answered(self, peer_id: PeerId, round_trip_s: float) -> None:
        """The peer answered a request, with its signature."""
        self.heard(peer_id)
        self._opinion(peer_id).round_trip_s = round_trip_s
        self._recent.append((peer_id, True))

    def failed(self, peer_id: PeerId) -> None:
        """The peer did not answer a request."""
        self._opinion(peer_id).failures += 1
        self._recent.append((peer_id, False))

    def compared(self, peer_id: PeerId, *, equal: bool) -> None:
        """The peer's digest was compared with ours."""
        self._opinion(peer_id).digest_equal = equal

    def conflicted(self, sentence: str) -> None:
        """Somebody else signs with this agent's key, and goes on doing so."""
        if not self._conflict_text():
            log.error("IDENTITY CONFLICT: %s", sentence)
        self._conflicted_s = asyncio.get_running_loop().time()
        self._conflict = sentence

    def forget(self, peer_id: PeerId) -> None:
        """The peer is no member any more."""
        self._opinions.pop(peer_id, None)

    def is_reachable(self, peer_id: PeerId) -> bool:
        """Return whether to count on the peer; one that was never tried counts."""
        opinion = self._opinions.get(peer_id)
        return opinion is None or opinion.failures < FAILURES_TO_UNREACHABLE

    def of(self, peer_id: PeerId) -> PeerHealth:
        """Return the opinion of one peer."""
        opinion = self._opinions.get(peer_id, _Opinion())
        is_known = opinion.last_seen_us > 0 or opinion.failures > 0
        return PeerHealth(
            reachable=self.is_reachable(peer_id) if is_known else None,
            last_seen_us=opinion.last_seen_us,
            round_trip_s=opinion.round_trip_s,
            digest_equal=opinion.digest_equal,
        )

    def of_self(self) -> SelfHealth:
        """Return the opinion of this agent."""
        lag_s = max(self._lags, default=0.0)
        tried = {peer_id for peer_id, _ in self._recent}
        return SelfHealth(
            loop_lag_s=lag_s,
            is_slow=lag_s >= SLOW_LAG_S,
            is_cut_off=len(tried) > 1 and not any(ok for _, ok in self._recent),
            identity_conflict=self._conflict_text(),
        )

    def _conflict_text(self) -> str:
        is_recent = asyncio.get_running_loop().time() < self._conflicted_s + CONFLICT_MEMORY_S
        return self._conflict if is_recent else ""

    async def watch_loop(self) -> None:
        """Measure for ever how late the event loop runs."""
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + LOOP_CHECK_S
            await asyncio.sleep(LOOP_CHECK_S)
            self._lags.append(max(0.0, loop.time() - due_s))

    def _opinion(self, peer_id: PeerId) -> _Opinion:
        return self._opinions.setdefault(peer_id, _Opinion())
