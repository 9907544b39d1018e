"""One destination of the broadcast: how far it has heard, and when it is tried next."""

import asyncio
from dataclasses import dataclass, field

from membership.commands.ports import DestinationStatus
from membership.domain.values import PeerId, UnixUs
from membership.store.rows import Delivery

US_PER_S = 1_000_000


@dataclass(slots=True, kw_only=True)
class Destination:
    """
    What the broadcaster knows of one peer.

    Attributes:
        next_attempt_s: Not before this moment, by the loop's clock.
        probed_s: When a sign of life last cut a wait short, by the loop's clock.
        task: Tells the peer; none while there is nothing to tell.
        woken: Set to end the present wait.
    """

    peer_id: PeerId
    acked_version: int
    attempts: int = 0
    failing_since_us: UnixUs = UnixUs(0)
    next_attempt_s: float = 0.0
    last_error: str = ""
    probed_s: float = float("-inf")
    task: asyncio.Task[None] | None = None
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    def row(self, now_s: float, now_us: UnixUs) -> Delivery:
        """Return what is kept on disk."""
        return Delivery(
            peer_id=self.peer_id,
            acked_version=self.acked_version,
            attempts=self.attempts,
            failing_since_us=self.failing_since_us,
            next_attempt_at_us=self._next_attempt_at_us(now_s, now_us),
        )

    def status(
        self, now_s: float, now_us: UnixUs, *, undelivered_since_us: UnixUs | None
    ) -> DestinationStatus:
        """Return what is shown; nothing is undelivered when there is no moment since which."""
        return DestinationStatus(
            peer_id=self.peer_id,
            acked_version=self.acked_version,
            undelivered_since_us=undelivered_since_us,
            attempts=self.attempts,
            failing_since_us=self.failing_since_us,
            next_attempt_at_us=self._next_attempt_at_us(now_s, now_us),
            last_error=self.last_error,
        )

    def _next_attempt_at_us(self, now_s: float, now_us: UnixUs) -> UnixUs:
        if not self.attempts:
            return UnixUs(0)
        wait_us = int((self.next_attempt_s - now_s) * US_PER_S)
        return UnixUs(now_us + max(0, wait_us))
