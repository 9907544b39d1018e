"""
The broadcast: every other peer hears of this agent's own changes, however long it takes.

There is no queue of messages. The log is the outbox: what a destination has to hear is the
newest record of the local peer, and what it has heard is one number, the version that it
acknowledged with a signature. A destination is *behind* while the two differ. So ten changes
while a peer was down are one message when it is back, a crash loses nothing, and an agent that
left goes on telling so until the last peer knows, across restarts.

Each destination that is behind has one task and one request in flight; all of them together
are bounded. A failure waits out a backoff with full jitter, first saved to disk with the count of
attempts, so that an agent that crashes in a loop does not storm its peers. A sign of life from a
destination, any verified message of its, is reason for one attempt at once.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence

from membership.commands.bus import CommandBus
from membership.commands.messages import SaveDeliveries
from membership.commands.ports import Clock, DestinationStatus, Randomness
from membership.domain.events import PeerAdded, PeerDeactivated, PeerRemoved, RecordedEvent
from membership.domain.peer import Peer
from membership.domain.values import PeerId, UnixUs
from membership.peering.backoff import LONG_OUTAGE_CAP_S, backoff_s
from membership.peering.destination import US_PER_S, Destination
from membership.peering.handshake import version_told
from membership.peering.local import LocalAgent
from membership.peering.messenger import DeliveryFailed, Messenger
from membership.store.errors import StoreError
from membership.store.rows import Delivery
from membership.store.writer import WriterStopped

MAX_IN_FLIGHT = 64
STAGGER_S = 2.0
PROBE_INTERVAL_S = 5.0
MAX_PROBE_DOUBLINGS = 6

log = logging.getLogger(__name__)


class Broadcaster:
    """
    Owns one task per destination that is behind; `stop` cancels and awaits them all.

    Args:
        take_own: Called with another record of this agent that a destination would not give up.
    """

    def __init__(
        self,
        local: LocalAgent,
        bus: CommandBus,
        messenger: Messenger,
        *,
        take_own: Callable[[bytes, PeerId], Awaitable[None]],
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self._local = local
        self._bus = bus
        self._messenger = messenger
        self._take_own = take_own
        self._clock = clock
        self._randomness = randomness
        self._destinations: dict[PeerId, Destination] = {}
        self._slots = asyncio.Semaphore(MAX_IN_FLIGHT)
        self._is_running = False

    def start(self, deliveries: Sequence[Delivery]) -> None:
        """Take up where the deliveries on disk left off, everybody a little later than now."""
        self._is_running = True
        rows = {row.peer_id: row for row in deliveries}
        for peer in self._local.views.peers.active():
            if not peer.is_local:
                self._resume(peer, rows.get(peer.peer_id))
        self._bus.subscribe(self._on_events)
        self._poke()

    async def stop(self) -> None:
        """Cancel every attempt; what was not acknowledged is told again after the next start."""
        self._is_running = False
        tasks = [d.task for d in self._destinations.values() if d.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def sign_of_life(self, peer_id: PeerId) -> None:
        """Try a destination again now: it was just heard from."""
        destination = self._destinations.get(peer_id)
        now_s = asyncio.get_running_loop().time()
        if destination is None or not destination.attempts:
            return
        # Two agents that cannot answer each other would wake each other at this pace for ever.
        doublings = min(destination.attempts - 1, MAX_PROBE_DOUBLINGS)
        if now_s - destination.probed_s >= PROBE_INTERVAL_S * 2**doublings:
            destination.probed_s = now_s
            destination.woken.set()

    def destinations(self) -> Sequence[DestinationStatus]:
        """Return how far each destination has heard."""
        return [self._status(destination) for destination in self._destinations.values()]

    def _status(self, destination: Destination) -> DestinationStatus:
        now_s, now_us = asyncio.get_running_loop().time(), self._clock.now_us()
        since_us = None
        if self._is_behind(destination):
            since_us = self._local.views.peers.local_changed_at_us(destination.acked_version)
        return destination.status(now_s, now_us, undelivered_since_us=since_us)

    def _resume(self, peer: Peer, row: Delivery | None) -> None:
        now_s = asyncio.get_running_loop().time()
        destination = Destination(
            peer_id=peer.peer_id, acked_version=row.acked_version if row else 0
        )
        wait_s = self._randomness.uniform(0.0, STAGGER_S)
        if row is not None and row.attempts:
            destination.attempts = row.attempts
            destination.failing_since_us = row.failing_since_us
            # The clock may have jumped while the agent was down: no wait is longer than a cap.
            remaining_s = (row.next_attempt_at_us - self._clock.now_us()) / US_PER_S
            wait_s = max(wait_s, min(remaining_s, LONG_OUTAGE_CAP_S))
        destination.next_attempt_s = now_s + wait_s
        self._destinations[peer.peer_id] = destination

    def _on_events(self, events: Sequence[RecordedEvent]) -> None:
        for recorded in events:
            event = recorded.event
            match event:
                case PeerAdded():
                    self._forget(event.peer_id)
                    self._destinations[event.peer_id] = Destination(
                        peer_id=event.peer_id, acked_version=version_told(event.evidence)
                    )
                case PeerRemoved() | PeerDeactivated():
                    self._forget(event.peer_id)
        self._poke()

    def _forget(self, peer_id: PeerId) -> None:
        destination = self._destinations.pop(peer_id, None)
        if destination is not None and destination.task is not None:
            destination.task.cancel()

    def _poke(self) -> None:
        """Give every destination that is behind a task."""
        if not self._is_running:
            return
        for destination in self._destinations.values():
            is_idle = destination.task is None or destination.task.done()
            if is_idle and self._is_behind(destination):
                destination.task = asyncio.create_task(
                    self._deliver(destination), name=f"broadcast to {destination.peer_id}"
                )

    def _is_behind(self, destination: Destination) -> bool:
        return destination.acked_version < self._local.peer.subject_version

    async def _deliver(self, destination: Destination) -> None:
        """Tell one destination until it is no longer behind."""
        while self._is_behind(destination):
            await self._wait_for_turn(destination)
            try:
                await self._attempt(destination)
            except DeliveryFailed as failure:
                self._note_failure(destination, str(failure))
            except StoreError as failure:
                self._note_failure(destination, f"this agent's log: {failure}")
            except WriterStopped:
                return
            except Exception:
                log.exception("telling %s failed in an unforeseen way", destination.peer_id)
                self._note_failure(destination, "an internal error; see the log")
            with contextlib.suppress(StoreError, WriterStopped):
                await self._save(destination)

    async def _attempt(self, destination: Destination) -> None:
        if destination.attempts:
            await self._save_next_attempt(destination)
        async with self._slots:
            version, record = self._local.peer.subject_version, self._local.record()
            held = await self._messenger.tell(destination.peer_id, record)
        self._note_success(destination, version)
        if held:
            await self._take_own(held, destination.peer_id)

    async def _wait_for_turn(self, destination: Destination) -> None:
        if destination.next_attempt_s > asyncio.get_running_loop().time():
            with contextlib.suppress(TimeoutError):
                # No wait_for: one that is cancelled as its end comes, goes on (gh-86296).
                async with asyncio.timeout_at(destination.next_attempt_s):
                    await destination.woken.wait()
        destination.woken.clear()

    def _note_failure(self, destination: Destination, reason: str) -> None:
        now_us = self._clock.now_us()
        destination.attempts += 1
        destination.failing_since_us = destination.failing_since_us or now_us
        if not destination.last_error:
            log.info("cannot reach %s: %s; will go on trying", destination.peer_id, reason)
        destination.last_error = reason
        self._schedule(destination)

    def _schedule(self, destination: Destination) -> None:
        failing_for_s = (self._clock.now_us() - destination.failing_since_us) / US_PER_S
        wait_s = backoff_s(destination.attempts, failing_for_s, self._randomness)
        destination.next_attempt_s = asyncio.get_running_loop().time() + wait_s

    def _note_success(self, destination: Destination, version: int) -> None:
        if destination.attempts:
            log.info(
                "reached %s again after %d attempts", destination.peer_id, destination.attempts
            )
        destination.acked_version = version
        destination.attempts = 0
        destination.failing_since_us = UnixUs(0)
        destination.next_attempt_s = 0.0
        destination.last_error = ""

    async def _save_next_attempt(self, destination: Destination) -> None:
        """Save when to try after this attempt, as if it had failed already."""
        destination.attempts += 1
        try:
            self._schedule(destination)
            await self._save(destination)
        finally:
            destination.attempts -= 1

    async def _save(self, destination: Destination) -> None:
        now_s, now_us = asyncio.get_running_loop().time(), self._clock.now_us()
        await self._bus.submit(SaveDeliveries(rows=[destination.row(now_s, now_us)]))
