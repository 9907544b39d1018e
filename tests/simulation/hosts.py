"""Machines: a disk that outlives the process on it, and a process that can die at any commit."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from eventsourcing.persistence import OperationalError, StoredEvent

from membership.commands.licensing import LicenseDocument
from membership.commands.messages import CreateLocalPeer, ReaddressLocalPeer, Request
from membership.commands.processor import CommandProcessor, all_seats
from membership.domain.events import CredentialCreated
from membership.domain.identity import peer_id_for
from membership.domain.values import Address, PeerId, PublicKey, StreamId, UnixUs, ulid_text
from membership.proof.signing import Signer
from membership.store.event_store import EventStore
from membership.store.memory import MemoryRecorder
from membership.store.rows import Delivery, Seat, SeatChanges, StoredRow
from membership.store.writer import InlineWriter
from membership.wiring.core import Agent, Key, Nature, Replayed, replay, start_agent
from tests.simulation.faulty_network import FaultyNetwork

START_US = 1_767_225_600_000_000


class Crash(Enum):
    """Where in the next commit the process dies."""

    BEFORE = "before"
    AFTER = "after"


class Disk:
    """
    What one incarnation of an agent sees of its machine's disk.

    Attributes:
        crash: Where in the next commit the process dies, None for not at all.
        is_full: Writes fail, and reads do not.
    """

    def __init__(self, recorder: MemoryRecorder, on_crash: Callable[[], None]) -> None:
        self._recorder = recorder
        self._on_crash = on_crash
        self._is_gone = False
        self.crash: Crash | None = None
        self.is_full = False

    def unplug(self) -> None:
        """Let nothing of this incarnation reach the disk any more."""
        self._is_gone = True

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        self._ensure_plugged()
        if self.is_full:
            message = "the disk is full"
            raise OperationalError(message)
        if self.crash is Crash.BEFORE:
            self._die()
        positions = self._recorder.insert_events(stored_events, **kwargs)
        if self.crash is Crash.AFTER:
            self._die()
        return positions

    def scan(self, after: int, limit: int) -> Sequence[StoredRow]:
        self._ensure_plugged()
        return self._recorder.scan(after, limit)

    def seats(self) -> Sequence[Seat]:
        return self._recorder.seats()

    def replace_seats(self, seats: SeatChanges) -> None:
        self._recorder.replace_seats(seats)

    def deliveries(self) -> Sequence[Delivery]:
        return self._recorder.deliveries()

    def close(self) -> None:
        """Nothing to close."""

    def _die(self) -> None:
        self._is_gone = True
        self._on_crash()
        self._ensure_plugged()

    def _ensure_plugged(self) -> None:
        if self._is_gone:
            message = "the process is dead"
            raise OperationalError(message)


class _Chance:
    """Ids and randomness of one incarnation."""

    def __init__(self, chance: random.Random, clock: "HostClock") -> None:
        self._chance = chance
        self._clock = clock

    def new_ulid(self) -> str:
        moment = (self._clock.now_us() // 1_000).to_bytes(6, "big")
        return ulid_text(moment + self._chance.randbytes(10))

    def token(self, length: int) -> bytes:
        return self._chance.randbytes(length)

    def uniform(self, low: float, high: float) -> float:
        return self._chance.uniform(low, high)

    def choice_index(self, count: int) -> int:
        return self._chance.randrange(count)


@dataclass(slots=True)
class HostClock:
    """Virtual time, set wrong by *skew_us*."""

    skew_us: int = 0

    def now_us(self) -> UnixUs:
        elapsed_us = int(asyncio.get_running_loop().time() * 1_000_000)
        return UnixUs(START_US + elapsed_us + self.skew_us)


@dataclass(slots=True, kw_only=True)
class Host:
    """
    A machine with an agent on it.

    Attributes:
        address: Where its agent listens and says that it does.
        lag_s: How much slower than others it is.
        agent: The running agent, None while it is down.
        crashes: How often it has died.
        was_restored: An old backup was put in place of its disk at least once.
    """

    number: int
    network: FaultyNetwork
    license: LicenseDocument
    seed: int
    address: Address
    lag_s: float = 0.0
    clock: HostClock = field(default_factory=HostClock)
    agent: Agent | None = None
    crashes: int = 0
    was_restored: bool = False
    recorder: MemoryRecorder = field(default_factory=MemoryRecorder)
    disk: Disk | None = None
    _ending: asyncio.Task[None] | None = None

    @property
    def signer(self) -> Signer:
        """Its key."""
        return Signer((self.seed * 1_000 + self.number).to_bytes(32, "big"))

    @property
    def peer_id(self) -> PeerId:
        """Its identity, which no crash takes away."""
        return peer_id_for(PublicKey(self.signer.public_key), UnixUs(START_US + self.number))

    async def answer(self, path: str, frame: bytes, source: str) -> bytes:
        """Answer a frame from the network."""
        assert self.agent is not None
        return await self.agent.peering.endpoint.handle(path, frame, source)

    async def post(self, address: Address, path: str, frame: bytes) -> bytes:
        """Send a frame over the network: the agent's transport."""
        return await self.network.carry(self, address, path, frame)

    async def start(self) -> None:
        """Start the agent on what is on the disk, or as a new one."""
        if self._ending is not None:
            await self._ending
            self._ending = None
        self.disk = Disk(self.recorder, self._crash_now)
        nature = self._nature()
        replayed = replay(EventStore(self.disk), nature)
        if replayed.cluster.local_id is None:
            self._create(replayed, nature)
        self.agent = start_agent(
            replayed,
            Key(signer=self.signer, license_secret=self.license.secret),
            nature=nature,
            transport=self,
            start_writer=lambda processor, settle: InlineWriter(processor.process, settle),
        )
        self.agent.peering.start(self.disk.deliveries())
        await self.agent.bus.submit(ReaddressLocalPeer(address=self.address))

    async def stop(self) -> None:
        """Stop it as SIGTERM does."""
        if self.agent is not None:
            agent, self.agent = self.agent, None
            await agent.peering.stop()
            await agent.bus.stop()

    def _crash_now(self) -> None:
        """Die: nothing is written, sent or answered from here on."""
        agent, self.agent = self.agent, None
        if agent is not None and self.disk is not None:
            self.disk.unplug()
            self.crashes += 1
            self._ending = asyncio.get_running_loop().create_task(agent.peering.stop())

    def crash(self) -> None:
        """Die between two commits."""
        self._crash_now()

    def restore_backup(self, position: int) -> None:
        """Put the disk as it was at *position* in the place of the present one."""
        assert self.agent is None
        rows = self.recorder.scan(0, position)
        old = MemoryRecorder()
        for row in rows:
            old.insert_events(
                [_stored(row)],
                first_position=row.position,
                leaf_hashes=[row.leaf_hash],
                seats=SeatChanges(),
                deliveries=[],
                forgotten=[],
            )
        old.replace_seats(all_seats(replay(EventStore(old), self._nature()).cluster))
        self.recorder = old
        self.was_restored = True

    def replayed(self) -> Replayed:
        """Return what somebody makes of the disk who reads it from the beginning."""
        return replay(EventStore(self.recorder), self._nature())

    def _nature(self) -> Nature:
        chance = _Chance(random.Random(f"{self.seed}/{self.number}/{self.crashes}"), self.clock)
        return Nature(clock=self.clock, ids=chance, randomness=chance)

    def _create(self, replayed: Replayed, nature: Nature) -> None:
        processor: CommandProcessor = replayed.processor
        command = CreateLocalPeer(
            peer_id=self.peer_id,
            public_key=PublicKey(self.signer.public_key),
            address=self.address,
            name=f"host {self.number}",
            license=self.license.license,
            credential=CredentialCreated(
                client_id=StreamId(nature.ids.new_ulid()),
                description="first",
                scopes=("admin",),
                secret_hash="",
            ),
        )
        replayed.views.apply(processor.process([Request(command)]).events)


def _stored(row: StoredRow) -> StoredEvent:
    from uuid import UUID

    return StoredEvent(UUID(bytes=row.stream_id), row.version, row.stored_name, row.state)
