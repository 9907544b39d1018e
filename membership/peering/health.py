"""
Health: this agent's own opinion of who can be reached.

An opinion, not a fact of membership: it is formed from the exchanges that happen anyway, shown in
the status, and never recorded, broadcast, or acted on beyond the choice of whom to ask next.
Nobody is removed for being quiet.

*Reachable* is who answers this agent. A peer that was heard from and does not answer is alive, and
is yet not reachable: its address is wrong, or something between the two lets one of them through
only. Whoever took any sign of life for an answer would never tell an operator so. But a sign of
life is reason to ask at once (see `membership.peering.anti_entropy`), so that who was away and is
back is known to be.

An agent that is itself slow or cut off would think ill of everybody. So it watches its own event
loop, and says so when that runs late, or when nobody was heard of for a while and several were
tried.

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
CUT_OFF_S = 20.0
CONFLICT_MEMORY_S = 7_200.0
"""Twice the longest time between two answers of an agent to its twin."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Opinion:
    last_seen_us: UnixUs = UnixUs(0)
    round_trip_s: float | None = None
    failures: int = 0
    last_error: str = ""
    compared: tuple[bytes, bytes] | None = None
    """This agent's digest and the peer's, at their last comparison."""


class Health:
    """Opinions about peers, and about this agent itself."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._opinions: dict[PeerId, _Opinion] = {}
        self._silent: set[PeerId] = set()
        """Who was asked in vain since anybody was heard of."""
        self._silent_since_s = 0.0
        self._lags: deque[float] = deque(maxlen=int(SLOW_MEMORY_S / LOOP_CHECK_S))
        self._conflict = ""
        self._conflicted_s = 0.0

    def heard(self, peer_id: PeerId) -> None:
        """A verified message of the peer came in."""
        self._opinion(peer_id).last_seen_us = self._clock.now_us()
        self._silent.clear()

    def answered(self, peer_id: PeerId, round_trip_s: float) -> None:
        """The peer answered a request, with its signature."""
        self.heard(peer_id)
        opinion = self._opinion(peer_id)
        opinion.round_trip_s = round_trip_s
        opinion.failures, opinion.last_error = 0, ""

    def refused(self, peer_id: PeerId, reason: str) -> None:
        """The peer answered that it does not do what it was asked."""
        opinion = self._opinion(peer_id)
        opinion.last_error, opinion.compared = reason, None

    def failed(self, peer_id: PeerId, reason: str) -> None:
        """The peer did not answer a request."""
        opinion = self._opinion(peer_id)
        opinion.failures += 1
        opinion.last_error = reason
        if not self._silent:
            self._silent_since_s = asyncio.get_running_loop().time()
        self._silent.add(peer_id)

    def compared(self, peer_id: PeerId, *, ours: bytes, theirs: bytes) -> None:
        """The peer's digest was compared with this agent's."""
        self._opinion(peer_id).compared = (ours, theirs)

    def conflicted(self, sentence: str) -> None:
        """Somebody else signs with this agent's key, and goes on doing so."""
        if not self._conflict_text():
            log.error("IDENTITY CONFLICT: %s", sentence)
        self._conflicted_s = asyncio.get_running_loop().time()
        self._conflict = sentence

    def forget(self, peer_id: PeerId) -> None:
        """The peer is no member any more."""
        self._opinions.pop(peer_id, None)
        self._silent.discard(peer_id)

    def reachable(self, peer_id: PeerId) -> bool | None:
        """Return whether the peer answers, None while that is not known."""
        opinion = self._opinions.get(peer_id, _Opinion())
        if opinion.failures >= FAILURES_TO_UNREACHABLE:
            return False
        return None if opinion.round_trip_s is None else True

    def is_doubtful(self, peer_id: PeerId) -> bool:
        """Return whether the peer failed to answer once, which may mean nothing."""
        opinion = self._opinions.get(peer_id)
        return opinion is not None and 0 < opinion.failures < FAILURES_TO_UNREACHABLE

    def of(self, peer_id: PeerId, digest: bytes) -> PeerHealth:
        """Return the opinion of one peer; *digest* is this agent's own."""
        opinion = self._opinions.get(peer_id, _Opinion())
        return PeerHealth(
            reachable=self.reachable(peer_id),
            last_seen_us=opinion.last_seen_us,
            round_trip_s=opinion.round_trip_s,
            digest_equal=_is_equal(opinion.compared, digest),
            last_error=opinion.last_error,
        )

    def of_self(self) -> SelfHealth:
        """Return the opinion of this agent."""
        lag_s = max(self._lags, default=0.0)
        return SelfHealth(
            loop_lag_s=lag_s,
            is_slow=lag_s >= SLOW_LAG_S,
            is_cut_off=len(self._silent) > 1 and self._silent_for_s() >= CUT_OFF_S,
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

    def _silent_for_s(self) -> float:
        return asyncio.get_running_loop().time() - self._silent_since_s


def _is_equal(compared: tuple[bytes, bytes] | None, digest: bytes) -> bool | None:
    if compared is None:
        return None
    ours, theirs = compared
    if theirs == digest:
        return True
    # What this agent has learnt since, the peer may have learnt as well.
    return False if ours == digest else None
