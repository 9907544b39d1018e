"""One function per command: the present state and an ask, to events or a refusal."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from membership.commands import messages, reservations
from membership.commands.reservations import Reservation, Reservations
from membership.domain import admission, changes
from membership.domain.admission import Admission
from membership.domain.cluster import Cluster
from membership.domain.events import CommandRefused, Event, PeerCreated
from membership.domain.record import observe
from membership.domain.values import PeerId, PublicKey, UnixUs
from membership.store.rows import NOTHING_SIGNED, Delivery, LogSignatures


@dataclass(slots=True, kw_only=True)
class WriteState:
    """
    What the one writer owns and nobody else touches.

    Attributes:
        trusted_issuers: Licence issuers from the configuration; empty to pin the first.
    """

    cluster: Cluster = field(default_factory=Cluster)
    reservations: Reservations = field(default_factory=dict)
    trusted_issuers: frozenset[PublicKey] = frozenset()
    _kept: Reservations = field(default_factory=dict, init=False)

    def keep(self) -> None:
        """Forget how to go back: everything decided so far is committed."""
        self.cluster.keep()
        self._kept = self.reservations

    def take_back(self) -> None:
        """Return to the state of the last `keep`."""
        self.cluster.take_back()
        self.reservations = self._kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a command leads to, before anything is written."""

    events: Sequence[Event] = ()
    result: object = None
    deliveries: Sequence[Delivery] = ()
    log_signatures: LogSignatures = NOTHING_SIGNED


def decide(state: WriteState, command: messages.Command, now_us: UnixUs) -> Decision:
    """
    Decide one command.

    Raises:
        MembershipError: The command is refused; nothing has changed.
    """
    return _HANDLERS[type(command)](state, command, now_us)


def _create_local_peer(state: WriteState, command: messages.CreateLocalPeer, _: UnixUs) -> Decision:
    created = PeerCreated(
        peer_id=command.peer_id,
        public_key=command.public_key,
        address=command.address,
        name=command.name,
        cluster_id=command.license.cluster_id,
    )
    licensed = changes.install_license(state.cluster, command.license, state.trusted_issuers)
    return Decision(events=[created, *licensed, command.credential])


def _reserved(state: WriteState, now_us: UnixUs) -> frozenset[PeerId]:
    """Return who has a seat kept, and none yet; forget what is overdue."""
    state.reservations = reservations.in_time(state.reservations, now_us)
    return reservations.waiting(state.reservations, state.cluster)


def _ensure_room(state: WriteState, _: messages.EnsureRoom, now_us: UnixUs) -> Decision:
    admission.ensure_room(state.cluster, None, _reserved(state, now_us), now_us)
    return Decision()


def _reserve_seat(state: WriteState, command: messages.ReserveSeat, now_us: UnixUs) -> Decision:
    candidate = command.candidate
    admission.ensure_admissible(state.cluster, candidate, _reserved(state, now_us), now_us)
    reservation = Reservation(peer_id=candidate.record.peer_id, expires_at_us=command.expires_at_us)
    state.reservations = {**state.reservations, command.reservation: reservation}
    return Decision()


def _release_seat(state: WriteState, command: messages.ReleaseSeat, _: UnixUs) -> Decision:
    _give_up(state, command.reservation)
    return Decision()


def _give_up(state: WriteState, name: str) -> Reservation | None:
    """Forget a reservation, and return it if there was one."""
    others = dict(state.reservations)
    given_up = others.pop(name, None)
    state.reservations = others
    return given_up


def _admit_peer(state: WriteState, command: messages.AdmitPeer, now_us: UnixUs) -> Decision:
    record = command.candidate.record
    reservation = _give_up(state, command.reservation)
    if reservation is not None and _is_crossed(state, reservation):
        events = changes.rename(state.cluster, record.peer_id, command.label or None, None)
        return Decision(events=events, result=record.peer_id)
    events = admission.admit(
        state.cluster,
        command.candidate,
        evidence=command.evidence,
        label=command.label,
        introduced_by=command.introduced_by,
        reserved=_reserved(state, now_us),
        now_us=now_us,
    )
    if not events:
        # Seated already, and at the door again: its record may be newer than ours.
        events = list(observe(state.cluster, record).events)
    elif command.candidate.how is Admission.INBOUND:
        _mark(state, record.peer_id, is_overtaken=True)
    told = Delivery(peer_id=record.peer_id, acked_version=command.told_version)
    return Decision(events=events, result=record.peer_id, deliveries=[told] if events else [])


def _is_crossed(state: WriteState, reservation: Reservation) -> bool:
    """
    Whether the add that holds *reservation* has its peer from an add on the other side.

    Two operators who add each other's agents at the same moment both asked for what is now the
    case, so neither is told that it was so before. That is true for one add on each side.
    """
    if not reservation.is_overtaken or not state.cluster.is_active(reservation.peer_id):
        return False
    _mark(state, reservation.peer_id, is_overtaken=False)
    return True


def _mark(state: WriteState, peer_id: PeerId, *, is_overtaken: bool) -> None:
    marked = reservations.overtaken(state.reservations, peer_id, is_overtaken=is_overtaken)
    state.reservations = marked


def _rename_peer(state: WriteState, command: messages.RenamePeer, now_us: UnixUs) -> Decision:
    admission.ensure_writable(state.cluster, now_us)
    return Decision(
        events=changes.rename(
            state.cluster, command.peer_id, command.name, command.expected_version
        )
    )


def _remove_peer(state: WriteState, command: messages.RemovePeer, now_us: UnixUs) -> Decision:
    admission.ensure_writable(state.cluster, now_us)
    events = changes.remove(state.cluster, command.peer_id, command.expected_version)
    return Decision(events=events)


def _leave_cluster(state: WriteState, _: messages.LeaveCluster, now_us: UnixUs) -> Decision:
    if state.cluster.local.is_active:
        admission.ensure_writable(state.cluster, now_us)
    return Decision(events=changes.leave(state.cluster))


def _readdress(state: WriteState, command: messages.ReaddressLocalPeer, _: UnixUs) -> Decision:
    return Decision(events=changes.readdress(state.cluster, command.address))


def _observe_record(state: WriteState, command: messages.ObserveRecord, _: UnixUs) -> Decision:
    observation = observe(state.cluster, command.record)
    return Decision(events=observation.events, result=observation.verdict)


def _register_service(
    state: WriteState, command: messages.RegisterService, now_us: UnixUs
) -> Decision:
    admission.ensure_writable(state.cluster, now_us)
    return Decision(
        events=changes.register_service(
            state.cluster,
            command.service_id,
            command.name,
            command.source_peer_id,
            command.target_peer_id,
        )
    )


def _remove_service(state: WriteState, command: messages.RemoveService, now_us: UnixUs) -> Decision:
    admission.ensure_writable(state.cluster, now_us)
    return Decision(events=changes.remove_service(state.cluster, command.service_id))


def _install_license(state: WriteState, command: messages.InstallLicense, _: UnixUs) -> Decision:
    return Decision(
        events=changes.install_license(state.cluster, command.license, state.trusted_issuers)
    )


def _create_credential(
    state: WriteState, command: messages.CreateCredential, now_us: UnixUs
) -> Decision:
    admission.ensure_writable(state.cluster, now_us)
    return Decision(events=[command.credential])


def _record_refusal(_: WriteState, command: messages.RecordRefusal, __: UnixUs) -> Decision:
    refused = CommandRefused(
        command=command.command,
        subject=command.subject,
        code=command.code,
        message=command.message,
    )
    return Decision(events=[refused])


def _save_deliveries(_: WriteState, command: messages.SaveDeliveries, __: UnixUs) -> Decision:
    return Decision(deliveries=command.rows)


def _save_signatures(_: WriteState, command: messages.SaveLogSignatures, __: UnixUs) -> Decision:
    return Decision(log_signatures=command.signed)


def _begin_epoch(state: WriteState, command: messages.BeginEpoch, _: UnixUs) -> Decision:
    events = changes.begin_epoch(state.cluster, command.epoch, command.former_checkpoint)
    signed = LogSignatures(is_new_epoch=True) if events else NOTHING_SIGNED
    return Decision(events=events, log_signatures=signed)


def _witness(state: WriteState, command: messages.WitnessCheckpoint, _: UnixUs) -> Decision:
    head, former, events = command.head, command.former_checkpoint, list[Event]()
    if former:
        events = changes.observe_epoch(state.cluster, head.peer_id, head.epoch, former, head.note)
    return Decision(events=events, log_signatures=LogSignatures(witnessed=[head]))


def _report_fork(state: WriteState, command: messages.ReportFork, _: UnixUs) -> Decision:
    return Decision(
        events=changes.report_fork(
            state.cluster,
            command.peer_id,
            command.epoch,
            command.known_checkpoint,
            command.other_checkpoint,
        )
    )


_HANDLERS: Mapping[type[object], Callable[[WriteState, Any, UnixUs], Decision]] = {
    messages.CreateLocalPeer: _create_local_peer,
    messages.EnsureRoom: _ensure_room,
    messages.ReserveSeat: _reserve_seat,
    messages.ReleaseSeat: _release_seat,
    messages.AdmitPeer: _admit_peer,
    messages.RenamePeer: _rename_peer,
    messages.RemovePeer: _remove_peer,
    messages.LeaveCluster: _leave_cluster,
    messages.ReaddressLocalPeer: _readdress,
    messages.ObserveRecord: _observe_record,
    messages.RegisterService: _register_service,
    messages.RemoveService: _remove_service,
    messages.InstallLicense: _install_license,
    messages.CreateCredential: _create_credential,
    messages.RecordRefusal: _record_refusal,
    messages.SaveDeliveries: _save_deliveries,
    messages.SaveLogSignatures: _save_signatures,
    messages.BeginEpoch: _begin_epoch,
    messages.WitnessCheckpoint: _witness,
    messages.ReportFork: _report_fork,
}
