"""Machines: an agent that can die at any commit, be started again, and be set back in time."""

import asyncio
from dataclasses import dataclass, field

from membership.commands.licensing import LicenseDocument
from membership.commands.messages import CreateLocalPeer, ReaddressLocalPeer, Request
from membership.commands.processor import CommandProcessor, all_seats
from membership.domain.events import CredentialCreated
from membership.domain.identity import peer_id_for
from membership.domain.values import Address, PeerId, PublicKey, StreamId, UnixUs
from membership.peering.peering import DiscoveryMode, remembered
from membership.proof.signing import Signer
from membership.store.event_store import EventStore
from membership.store.memory import MemoryRecorder
from membership.store.reader import InlineReader
from membership.store.writer import InlineWriter
from membership.wiring.core import Agent, Key, Nature, Replayed, replay, start_agent
from tests.peering.two_agents import START_US, SeededChance
from tests.simulation.disks import Disk, backup_of
from tests.simulation.faulty_network import FaultyNetwork


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
        signer: Its key, which no crash takes away; nor its identity, *peer_id*.
        discovery: Whether its agent makes itself acquainted with the peers of its peers.
        lag_s: How much slower than others it is.
        agent: The running agent, None while it is down.
        lives: How often it was started.
    """

    number: int
    network: FaultyNetwork
    license: LicenseDocument
    seed: int
    address: Address
    lag_s: float = 0.0
    discovery: DiscoveryMode = DiscoveryMode.TRANSITIVE
    clock: HostClock = field(default_factory=HostClock)
    agent: Agent | None = None
    lives: int = 0
    recorder: MemoryRecorder = field(default_factory=MemoryRecorder)
    disk: Disk | None = None
    signer: Signer = field(init=False)
    peer_id: PeerId = field(init=False)
    _ending: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self.signer = Signer((self.seed * 1_000 + self.number).to_bytes(32, "big"))
        self.peer_id = peer_id_for(PublicKey(self.signer.public_key), START_US)

    async def answer(self, path: str, frame: bytes, source: str) -> bytes:
        """Answer a frame from the network."""
        assert self.agent is not None
        return await self.agent.peering.endpoint.handle(path, frame, source)

    async def post(self, address: Address, path: str, frame: bytes) -> bytes:
        """Send a frame over the network: the agent's transport."""
        return await self.network.carry(self, address, path, frame)

    async def start(self) -> None:
        """Start the agent on what is on the disk, or as a new one."""
        while self._ending is not None:
            ending, self._ending = self._ending, None
            await ending
        if self.agent is not None:
            return
        self.lives += 1
        self.disk = Disk(self.recorder, self.crash)
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
            reader=InlineReader(),
            discovery=self.discovery,
        )
        self.agent.peering.start(remembered(EventStore(self.disk)))
        self.agent.log.start()
        await self.agent.bus.submit(ReaddressLocalPeer(address=self.address))

    async def stop(self) -> None:
        """Stop it as SIGTERM does."""
        if self.agent is not None:
            agent, self.agent = self.agent, None
            await _end(agent)
            await agent.bus.stop()

    def crash(self) -> None:
        """Die: nothing is written, sent or answered from here on."""
        agent, self.agent = self.agent, None
        if agent is not None and self.disk is not None:
            self.disk.unplug()
            self._ending = asyncio.get_running_loop().create_task(_end(agent))

    def restore_backup(self, position: int) -> None:
        """Put the disk as it was at *position* in the place of the present one."""
        assert self.agent is None
        old = backup_of(self.recorder, position)
        old.replace_seats(all_seats(replay(EventStore(old), self._nature()).cluster))
        self.recorder = old

    def replayed(self) -> Replayed:
        """Return what somebody makes of the disk who reads it from the beginning."""
        return replay(EventStore(self.recorder), self._nature())

    def _nature(self) -> Nature:
        chance = SeededChance(f"{self.seed}/{self.number}/{self.lives}")
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


async def _end(agent: Agent) -> None:
    await agent.peering.stop()
    await agent.log.stop()
