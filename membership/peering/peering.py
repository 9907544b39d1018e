"""The peer protocol, put together."""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from enum import StrEnum

from membership.commands.bus import CommandBus
from membership.commands.messages import Origin, Receipt
from membership.commands.ports import (
    Clock,
    DestinationStatus,
    PeeringStatus,
    Randomness,
    SyncReport,
)
from membership.domain.admission import Admission
from membership.domain.errors import LocalPeerDeactivated
from membership.domain.events import PeerDeactivated, PeerRemoved, RecordedEvent
from membership.domain.values import Address, PeerId
from membership.peering.anti_entropy import AntiEntropy
from membership.peering.book import Introduction, RecordBook
from membership.peering.broadcaster import Broadcaster
from membership.peering.discovery import Discovery
from membership.peering.endpoint import PeerEndpoint
from membership.peering.health import Health
from membership.peering.hearsay import Hearsay
from membership.peering.inbox import Inbox
from membership.peering.initiator import Errand, Initiator
from membership.peering.intake import RecordIntake
from membership.peering.invitations import Invitations
from membership.peering.local import LocalAgent
from membership.peering.messenger import Messenger
from membership.peering.recollection import Recollection
from membership.peering.responder import Responder
from membership.peering.sync import sync
from membership.peering.transport import Transport
from membership.peering.witness import Witness
from membership.peering.witnessing import Witnessing
from membership.store.event_store import EventStore
from membership.store.rows import Delivery, StoredCosignature, WitnessedHead
from membership.transparency.log import TransparencyLog

log = logging.getLogger(__name__)


class DiscoveryMode(StrEnum):
    """Whether this agent makes itself acquainted with the peers of its peers."""

    TRANSITIVE = "transitive"
    EXPLICIT = "explicit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the peer protocol gets from outside, real or simulated."""

    bus: CommandBus
    transport: Transport
    clock: Clock
    randomness: Randomness
    discovery: DiscoveryMode = DiscoveryMode.TRANSITIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """
    What is on disk beside the log.

    Attributes:
        heads: The newest checkpoint that was seen of each other log.
        cosignatures: What each witness said last of this agent's own.
    """

    deliveries: Sequence[Delivery] = ()
    heads: Sequence[WitnessedHead] = ()
    cosignatures: Sequence[StoredCosignature] = ()


def remembered(store: EventStore) -> Remembered:
    """Read what is on disk; blocking. Raises `StoreUnavailable`."""
    return Remembered(
        deliveries=store.deliveries(),
        heads=store.witnessed(),
        cosignatures=store.cosignatures(),
    )


class Peering:
    """
    One agent's side of the peer protocol.

    Attributes:
        endpoint: Answers frames that arrive.
    """

    def __init__(self, local: LocalAgent, own_log: TransparencyLog, around: Surroundings) -> None:
        bus, clock, randomness = around.bus, around.clock, around.randomness
        invitations = Invitations()
        self._local, self._bus, self._mode = local, bus, around.discovery
        self._health = Health(clock)
        self._book = RecordBook(local)
        messenger = Messenger(
            local,
            around.transport,
            self._health,
            clock=clock,
            randomness=randomness,
            on_forgotten=self._forgotten,
        )
        self._initiator = Initiator(
            local=local,
            bus=bus,
            transport=around.transport,
            clock=clock,
            randomness=randomness,
            invitations=invitations,
        )
        self._discovery = Discovery(local, self._book, self._initiator, randomness)
        intake = RecordIntake(
            local,
            bus,
            self._book,
            on_introduction=self._introduced,
            on_equivocation=lambda record: self._hearsay.contradicted(record),  # noqa: PLW0108
            on_conflict=self._health.conflicted,
        )
        self._broadcaster = Broadcaster(
            local,
            bus,
            messenger,
            take_own=intake.take_own,
            clock=clock,
            randomness=randomness,
        )
        self._anti_entropy = AntiEntropy(
            local, self._book, intake, messenger, self._health, randomness
        )
        self._witness = Witness(local, bus, clock)
        recollection = Recollection(local, own_log, messenger, on_conflict=self._health.conflicted)
        self._hearsay = Hearsay(local, self._witness, recollection, messenger, randomness)
        self._witnessing = Witnessing(
            local,
            own_log,
            self._witness,
            recollection,
            self._hearsay,
            messenger,
            self._health,
            clock=clock,
            randomness=randomness,
        )
        self.endpoint = PeerEndpoint(
            Responder(
                local,
                bus,
                randomness,
                invitations,
                accepts_discovery=around.discovery is DiscoveryMode.TRANSITIVE,
            ),
            Inbox(local, self._book, intake, self._anti_entropy, self._witnessing, self._health),
            self._broadcaster,
            self._anti_entropy,
        )
        self._loops: list[asyncio.Task[None]] = []

    def start(self, kept: Remembered) -> None:
        """
        Begin to tell others what they have not heard, and to ask what this agent has not.

        Before the agent's own log is signed: from here on that may have to wait for witnesses.
        """
        self._witness.start(kept.heads)
        self._witnessing.start(kept.cosignatures)
        self._book.start()
        self._bus.subscribe(self._on_events)
        self._broadcaster.start(kept.deliveries)
        self._loops = [
            self._spawn(self._anti_entropy.run(), "anti-entropy"),
            self._spawn(self._witnessing.run(), "witnessing"),
            self._spawn(self._hearsay.run(), "hearsay"),
            self._spawn(self._health.watch_loop(), "loop watch"),
        ]

    async def stop(self) -> None:
        """Cancel and await every background task."""
        for task in self._loops:
            task.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        await self._discovery.stop()
        await self._broadcaster.stop()

    async def add_peer(self, address: Address, label: str, origin: Origin) -> Receipt:
        """Add the agent at *address*; raises as `Initiator.add`."""
        errand = Errand(address=address, how=Admission.OPERATOR, origin=origin, label=label)
        return await self._initiator.add(errand)

    async def sync(self, wait_s: float) -> SyncReport:
        """
        Compare with every peer now, and again until those that answer agree or *wait_s* is over.

        Raises:
            LocalPeerDeactivated: This agent has left; nobody compares with it any more.
            StoreUnavailable: What others told cannot be written now.
        """
        if not self._local.peer.is_active:
            raise LocalPeerDeactivated(self._local.peer.peer_id)
        return await sync(self._anti_entropy, self._book, self._remote_peers, wait_s)

    def status(self) -> PeeringStatus:
        """Return how this agent stands with the others."""
        digest = self.digest()
        return PeeringStatus(
            digest=digest,
            agent=self._health.of_self(),
            health={peer_id: self._health.of(peer_id, digest) for peer_id in self._remote_peers()},
            destinations={status.peer_id: status for status in self.destinations()},
            pursuits=self._discovery.pursuits(),
        )

    def destinations(self) -> Sequence[DestinationStatus]:
        """Return how far each peer has heard of this agent's own changes."""
        return self._broadcaster.destinations()

    def digest(self) -> bytes:
        """Return 16 bytes that are equal for agents that know the same of all peers."""
        return self._book.digest()

    def _remote_peers(self) -> Sequence[PeerId]:
        return [peer.peer_id for peer in self._local.views.peers.active() if not peer.is_local]

    def _introduced(self, introduction: Introduction) -> None:
        if self._mode is DiscoveryMode.TRANSITIVE:
            self._discovery.introduced(introduction)

    def _forgotten(self, peer_id: PeerId) -> None:
        self._discovery.reacquaint(peer_id)

    def _on_events(self, events: Sequence[RecordedEvent]) -> None:
        self._book.on_events(events)
        self._discovery.on_events(events)
        self._anti_entropy.on_events(events)
        for recorded in events:
            if isinstance(recorded.event, PeerRemoved | PeerDeactivated):
                self._health.forget(recorded.event.peer_id)

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(_report_end)
        return task


def _report_end(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("the task %s ended", task.get_name(), exc_info=task.exception())
