"""A transparency log over a few events, on whatever recorder a test brings."""

from dataclasses import dataclass

from membership.commands.bus import CommandBus
from membership.commands.handlers import WriteState
from membership.commands.messages import RecordRefusal
from membership.commands.processor import CommandProcessor
from membership.proof.checkpoint import SignedCheckpoint
from membership.proof.signing import Signer
from membership.proof.tree import MerkleTree
from membership.store.event_store import EventStore, Recorder
from membership.store.reader import InlineReader
from membership.store.writer import InlineWriter
from membership.transparency.log import TransparencyLog
from tests.peering.two_agents import CountingClock, SeededChance

ORIGIN = "membership/000102030405060708090a0b0c0d0e0f/01HXYZ5Y8N3Q4V7W2K9M6T1R0P/0"
SIGNER = Signer(b"l" * 32)


@dataclass(slots=True)
class SmallLog:
    """A log, its bus, and the events that a test lets happen."""

    store: EventStore
    bus: CommandBus
    log: TransparencyLog

    async def grow(self, events: int = 1) -> None:
        """Let something happen."""
        for _ in range(events):
            refusal = RecordRefusal(command="c", subject="s", code="C", message="no")
            await self.bus.submit(refusal)


def open_log(recorder: Recorder, newest: SignedCheckpoint | None = None) -> SmallLog:
    """Return a log on *recorder* that signs nothing yet."""
    store, clock = EventStore(recorder), CountingClock()
    processor = CommandProcessor(
        store, WriteState(), clock=clock, ids=SeededChance(1), software="test/1"
    )
    list(processor.replay(store.events()))
    bus = CommandBus(lambda settle: InlineWriter(processor.process, settle))
    log = TransparencyLog(
        store,
        MerkleTree(store.leaf_hashes),
        newest,
        origin=ORIGIN,
        signer=SIGNER,
        bus=bus,
        clock=clock,
        reader=InlineReader(),
    )
    return SmallLog(store, bus, log)
