"""The write side of an agent without the agent: commands go in by the batch, views follow."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from membership.commands.handlers import WriteState
from membership.commands.messages import (
    SYSTEM_ORIGIN,
    AdmitPeer,
    Command,
    CreateLocalPeer,
    Origin,
    Receipt,
    Request,
    ReserveSeat,
)
from membership.commands.processor import CommandProcessor, Outcome, Processed, all_seats
from membership.domain.admission import Admission, Candidate
from membership.domain.cluster import Cluster
from membership.domain.events import Event, RecordedEvent
from membership.domain.record import PeerRecord
from membership.domain.values import UnixUs
from membership.store.event_store import EventStore
from membership.store.memory import MemoryRecorder
from projections.views import Views
from tests.api.agent import CountingIds, ManualClock
from tests.domain.histories import (
    EVIDENCE,
    LOCAL,
    START_US,
    address_of,
    credential,
    key_of,
    license_with,
)
from tests.store.logs import FaultyRecorder

SOFTWARE = "test/1"


@dataclass(slots=True)
class WriteSide:
    """
    A processor with its state, and the views that follow it.

    Attributes:
        recorder: The log; another write side may write to the same one.
    """

    recorder: FaultyRecorder = field(default_factory=lambda: FaultyRecorder(MemoryRecorder()))
    clock: ManualClock = field(default_factory=ManualClock)
    ids: CountingIds = field(default_factory=CountingIds)
    state: WriteState = field(default_factory=WriteState)
    store: EventStore = field(init=False)
    processor: CommandProcessor = field(init=False)
    views: Views = field(init=False)

    def __post_init__(self) -> None:
        self.store = EventStore(self.recorder)
        self.processor = CommandProcessor(
            self.store, self.state, clock=self.clock, ids=self.ids, software=SOFTWARE
        )
        self.views = Views(_encode)
        self.views.apply(self.processor.replay(self.store.events()))

    @property
    def cluster(self) -> Cluster:
        """The write model."""
        return self.state.cluster

    def process(self, *requests: Command | Request) -> Processed:
        """Process a batch and let the views follow."""
        batch = [r if isinstance(r, Request) else Request(r) for r in requests]
        processed = self.processor.process(batch)
        self.views.apply(processed.events)
        return processed

    def outcomes(self, *commands: Command) -> Sequence[Outcome]:
        """Return what became of each command of a batch."""
        return self.process(*commands).outcomes

    def carry_out(self, command: Command, origin: Origin = SYSTEM_ORIGIN) -> Receipt:
        """Process one command that succeeds; raises what refused it."""
        [outcome] = self.process(Request(command, origin)).outcomes
        if not isinstance(outcome, Receipt):
            raise outcome
        return outcome

    def events(self) -> list[RecordedEvent]:
        """Return everything in the log."""
        return list(self.store.events())

    def check(self) -> None:
        """Compare everything that is derived with what the log alone gives."""
        rebuilt = WriteSide(FaultyRecorder(self.recorder.inner))
        assert contents(self.cluster) == contents(rebuilt.cluster)
        assert self.views.contents() == rebuilt.views.contents()
        assert list(self.store.seats()) == sorted(all_seats(self.cluster).taken)


def contents(cluster: Cluster) -> dict[str, Any]:
    """Return a copy of everything but the way back."""
    return {
        name: dict(value) if isinstance(value, dict) else value
        for name, value in vars(cluster).items()
        if name != "_journal"
    }


def founded(recorder: FaultyRecorder | None = None, **license_changes: Any) -> WriteSide:
    """Return a write side with a local peer, as the third of its events a credential."""
    side = WriteSide(recorder or FaultyRecorder(MemoryRecorder()))
    side.carry_out(creation(**license_changes))
    return side


def creation(**license_changes: Any) -> CreateLocalPeer:
    """Return the command that begins a log."""
    return CreateLocalPeer(
        peer_id=LOCAL,
        public_key=key_of("local"),
        address=address_of("local"),
        name="",
        license=license_with(**license_changes),
        credential=credential(),
    )


def admit(
    record: PeerRecord,
    how: Admission = Admission.OPERATOR,
    *,
    invited: bool = False,
    **rest: Any,
) -> AdmitPeer:
    """Return the admission of a peer that has proved itself."""
    candidate = Candidate(record=record, how=how, invited=invited)
    return AdmitPeer(candidate=candidate, evidence=EVIDENCE, **rest)


def reserve(name: str, record: PeerRecord, *, for_s: int = 30) -> ReserveSeat:
    """Return the reservation of a seat for an operator's add, from the beginning of time on."""
    return ReserveSeat(
        reservation=name,
        candidate=Candidate(record=record, how=Admission.OPERATOR),
        expires_at_us=UnixUs(START_US + for_s * 1_000_000),
    )


def facts(outcome: Outcome) -> Sequence[Event]:
    """Return the facts that a command recorded."""
    assert isinstance(outcome, Receipt), outcome
    return [recorded.event for recorded in outcome.events]


def _encode(peer: object) -> bytes:
    return repr(peer).encode()
