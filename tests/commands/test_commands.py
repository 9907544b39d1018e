"""Each command: what it records, what it answers, and when it is refused."""

import pytest

from membership.commands import messages
from membership.commands.messages import Command, Receipt
from membership.domain.errors import (
    LicenseExpired,
    LicenseInvalid,
    LocalPeerDeactivated,
)
from membership.domain.events import (
    CommandRefused,
    EpochBegan,
    Event,
    LicenseRenewed,
    PeerDeactivated,
    PeerEpochObserved,
    PeerForked,
    PeerReaddressed,
    PeerRemoved,
    PeerRenamed,
    ServiceRemoved,
)
from membership.domain.license import US_PER_DAY
from membership.domain.record import Verdict
from membership.domain.values import Address, PublicKey, UnixUs
from membership.store.rows import Delivery, LogSignatures, StoredCheckpoint, WitnessedHead
from tests.commands.write_side import WriteSide, admit, creation, facts, founded, reserve
from tests.domain.histories import (
    ANN,
    BOB,
    CLUSTER_ID,
    LOCAL,
    START_US,
    added,
    address_of,
    attested,
    created,
    credential,
    key_of,
    license_with,
    licensed,
    record_of,
    service_id_of,
    serving,
)

ELSEWHERE = Address("elsewhere.example:1")
RENEWAL = license_with(revision=2, expires_at_us=UnixUs(START_US + 9_000 * US_PER_DAY))
SIGNED = LogSignatures(checkpoints=[StoredCheckpoint(5, b"root", b"note", START_US)])
HEAD = WitnessedHead(ANN.peer_id, 2, 5, b"root", b"note", START_US)
SERVICE = serving(2, "ann", "local")
REGISTRATION = messages.RegisterService(
    service_id=SERVICE.service_id,
    name=SERVICE.name,
    source_peer_id=ANN.peer_id,
    target_peer_id=LOCAL,
)


def _with_company() -> WriteSide:
    """Return a write side with Ann and a service between her and the local peer."""
    side = founded()
    first = messages.RegisterService(
        service_id=service_id_of(1), name="first", source_peer_id=LOCAL, target_peer_id=ANN.peer_id
    )
    side.process(admit(ANN, told_version=1), first)
    return side


def test_an_agent_begins_with_its_peer_its_licence_and_a_credential() -> None:
    side = WriteSide()
    receipt = side.carry_out(creation())
    assert facts(receipt) == [created(), licensed(), credential()]
    assert side.recorder.writes == 1
    assert side.views.license.cluster_id == CLUSTER_ID
    side.check()


def test_an_agent_does_not_begin_with_a_licence_that_nobody_trusts() -> None:
    side = WriteSide()
    side.state.trusted_issuers = frozenset({PublicKey(b"somebody else, who is trusted...")})
    with pytest.raises(LicenseInvalid):
        side.carry_out(creation())
    assert side.events() == []


RECORDED: list[tuple[Command, list[Event], object]] = [
    (admit(BOB), [added(BOB)], BOB.peer_id),
    (
        messages.RenamePeer(peer_id=ANN.peer_id, name="cellar"),
        [PeerRenamed(peer_id=ANN.peer_id, before="", after="cellar")],
        None,
    ),
    (messages.RemovePeer(peer_id=ANN.peer_id), [PeerRemoved(peer_id=ANN.peer_id)], None),
    (
        messages.LeaveCluster(),
        [
            PeerDeactivated(
                peer_id=LOCAL,
                public_key=key_of("local"),
                address=address_of("local"),
                name="",
                subject_version=2,
                record=b"",
            )
        ],
        None,
    ),
    (
        messages.ReaddressLocalPeer(address=ELSEWHERE),
        [PeerReaddressed(peer_id=LOCAL, before=address_of("local"), after=ELSEWHERE)],
        None,
    ),
    (
        messages.ObserveRecord(record=record_of("ann", 2)),
        [attested(record_of("ann", 2))],
        Verdict.APPLIED,
    ),
    (messages.ObserveRecord(record=BOB), [], Verdict.UNKNOWN_PEER),
    (REGISTRATION, [SERVICE], None),
    (
        messages.RemoveService(service_id=service_id_of(1)),
        [ServiceRemoved(service_id=service_id_of(1))],
        None,
    ),
    (
        messages.InstallLicense(license=RENEWAL),
        [LicenseRenewed(**{name: getattr(RENEWAL, name) for name in RENEWAL.__slots__})],
        None,
    ),
    (messages.CreateCredential(credential=credential(2)), [credential(2)], None),
    (
        messages.RecordRefusal(
            command="PUT /v1/peers/{id}", subject=LOCAL, code="NOT_FOUND", message="no"
        ),
        [
            CommandRefused(
                command="PUT /v1/peers/{id}", subject=LOCAL, code="NOT_FOUND", message="no"
            )
        ],
        None,
    ),
    (
        messages.SaveDeliveries(rows=[Delivery(peer_id=ANN.peer_id, acked_version=2)]),
        [],
        None,
    ),
    (messages.SaveLogSignatures(signed=SIGNED), [], None),
    (
        messages.BeginEpoch(epoch=1, former_checkpoint=b"former"),
        [EpochBegan(epoch=1, former_checkpoint=b"former")],
        None,
    ),
    (messages.WitnessCheckpoint(head=HEAD), [], None),
    (
        messages.WitnessCheckpoint(head=HEAD, former_checkpoint=b"former"),
        [
            PeerEpochObserved(
                peer_id=ANN.peer_id, epoch=2, former_checkpoint=b"former", checkpoint=b"note"
            )
        ],
        None,
    ),
    (
        messages.ReportFork(
            peer_id=ANN.peer_id, epoch=2, known_checkpoint=b"one", other_checkpoint=b"other"
        ),
        [
            PeerForked(
                peer_id=ANN.peer_id, epoch=2, known_checkpoint=b"one", other_checkpoint=b"other"
            )
        ],
        None,
    ),
    (messages.EnsureRoom(), [], None),
    (reserve("r", BOB), [], None),
    (messages.ReleaseSeat(reservation="r"), [], None),
]


def _name(value: object) -> str:
    return type(value).__name__ if type(value).__module__.endswith("messages") else ""


@pytest.mark.parametrize(("command", "events", "result"), RECORDED, ids=_name)
def test_a_command_records_what_it_asks_for(
    command: Command, events: list[Event], result: object
) -> None:
    side = _with_company()
    receipt = side.carry_out(command)
    assert facts(receipt) == events
    assert receipt.result == result
    assert receipt.position == side.cluster.position == len(side.events()) == 5 + len(events)
    side.check()


def test_every_command_is_in_the_table() -> None:
    kinds = {type(command) for command, _, _ in RECORDED} | {messages.CreateLocalPeer}
    assert kinds == set(messages.Command.__args__)


@pytest.mark.parametrize(
    "command",
    [
        messages.RenamePeer(peer_id=ANN.peer_id, name=None),
        messages.RenamePeer(peer_id=ANN.peer_id, name=""),
        messages.ReaddressLocalPeer(address=address_of("local")),
        messages.ObserveRecord(record=ANN),
        messages.InstallLicense(license=license_with()),
        messages.SaveDeliveries(),
        messages.SaveLogSignatures(),
        messages.BeginEpoch(epoch=0, former_checkpoint=b""),
    ],
    ids=_name,
)
def test_what_is_so_already_records_nothing(command: Command) -> None:
    side = _with_company()
    before = side.recorder.writes
    assert facts(side.carry_out(command)) == []
    assert side.recorder.writes == before


# Read-only, and gone

_CHANGES: list[Command] = [
    admit(BOB),
    reserve("r", BOB),
    messages.EnsureRoom(),
    messages.RenamePeer(peer_id=ANN.peer_id, name="cellar"),
    messages.RenamePeer(peer_id=LOCAL, name=None),
    messages.RemovePeer(peer_id=ANN.peer_id),
    REGISTRATION,
    messages.RemoveService(service_id=service_id_of(1)),
    messages.CreateCredential(credential=credential(2)),
]
_ALLOWED: list[Command] = [
    messages.ObserveRecord(record=record_of("ann", 2, called="Ann")),
    messages.ObserveRecord(record=record_of("ann", 2, left=True)),
    messages.InstallLicense(license=RENEWAL),
    messages.RecordRefusal(command="c", subject="", code="C", message="m"),
    messages.SaveDeliveries(rows=[Delivery(peer_id=ANN.peer_id, acked_version=2)]),
    messages.SaveLogSignatures(signed=SIGNED),
    messages.BeginEpoch(epoch=1, former_checkpoint=b"former"),
    messages.WitnessCheckpoint(head=HEAD, former_checkpoint=b"former"),
    messages.ReportFork(
        peer_id=ANN.peer_id, epoch=2, known_checkpoint=b"one", other_checkpoint=b"other"
    ),
    messages.ReleaseSeat(reservation="r"),
    messages.ReaddressLocalPeer(address=ELSEWHERE),
]


@pytest.mark.parametrize(
    ("days", "is_refused"), [(364, False), (366, False), (378, False), (379, True), (999, True)]
)
@pytest.mark.parametrize("command", [*_CHANGES, messages.LeaveCluster()], ids=_name)
def test_a_licence_that_is_over_refuses_changes_after_its_grace(
    command: Command, days: int, is_refused: bool
) -> None:
    side = _with_company()
    side.clock.advance(days=days)
    before = side.recorder.writes
    [outcome] = side.outcomes(command)
    assert isinstance(outcome, LicenseExpired if is_refused else Receipt), outcome
    if is_refused:
        assert side.recorder.writes == before


@pytest.mark.parametrize("command", _ALLOWED, ids=_name)
def test_a_licence_that_is_over_lets_the_cluster_go_on(command: Command) -> None:
    """What others do is heard, what was refused is recorded, and a renewal ends it."""
    side = _with_company()
    side.clock.advance(days=999)
    assert isinstance(side.outcomes(command)[0], Receipt)


def test_a_renewal_ends_read_only() -> None:
    side = _with_company()
    side.clock.advance(days=999)
    expired, _, admitted = side.outcomes(
        admit(BOB), messages.InstallLicense(license=RENEWAL), admit(BOB)
    )
    assert isinstance(expired, LicenseExpired)
    assert facts(admitted) == [added(BOB)]


@pytest.mark.parametrize("command", _CHANGES, ids=_name)
def test_an_agent_that_left_changes_nothing(command: Command) -> None:
    side = _with_company()
    side.carry_out(messages.LeaveCluster())
    before = side.recorder.writes
    assert isinstance(side.outcomes(command)[0], LocalPeerDeactivated)
    assert side.recorder.writes == before


@pytest.mark.parametrize("command", _ALLOWED, ids=_name)
def test_an_agent_that_left_still_listens(command: Command) -> None:
    side = _with_company()
    side.carry_out(messages.LeaveCluster())
    assert isinstance(side.outcomes(command)[0], Receipt)
    side.check()


def test_leaving_twice_is_leaving_once_whatever_the_licence_says() -> None:
    side = _with_company()
    first = side.carry_out(messages.LeaveCluster())
    side.clock.advance(days=999)
    again = side.carry_out(messages.LeaveCluster())
    assert (len(first.events), len(again.events)) == (1, 0)
