"""One function per command: the present state and an ask, to events or a refusal."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from membership.commands import messages
from membership.domain import admission, changes
from membership.domain.cluster import Cluster
from membership.domain.events import CommandRefused, Event, PeerCreated
from membership.domain.record import observe
from membership.domain.values import PeerId, PublicKey, UnixUs
from membership.store.rows import Delivery


@dataclass(slots=True, kw_only=True)
class WriteState:
    """
    What the one writer owns and nobody else touches.

    Attributes:
        reservations: Seats kept for handshakes under way, with the moment that voids them.
        trusted_issuers: Licence issuers from the configuration; empty to pin the first.
    """

    cluster: Cluster = field(default_factory=Cluster)
    reservations: dict[PeerId, UnixUs] = field(default_factory=dict)
    trusted_issuers: frozenset[PublicKey] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a command leads to, before anything is written."""

    events: Sequence[Event] = ()
    result: object = None
    deliveries: Sequence[Delivery] = ()


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


def _live_reservations(state: WriteState, now_us: UnixUs) -> Mapping[PeerId, UnixUs]:
    overdue = [peer_id for peer_id, until_us in state.reservations.items() if until_us <= now_us]
    for peer_id in overdue:
        del state.reservations[peer_id]
    return state.reservations


def _ensure_room(state: WriteState, _: messages.EnsureRoom, now_us: UnixUs) -> Decision:
    reserved = _live_reservations(state, now_us)
    admission.ensure_room(state.cluster, None, reserved.keys(), now_us)
    return Decision()


def _reserve_seat(state: WriteState, command: messages.ReserveSeat, now_us: UnixUs) -> Decision:
    reserved = _live_reservations(state, now_us)
    is_new = admission.ensure_admissible(state.cluster, command.candidate, reserved.keys(), now_us)
    if is_new:
        state.reservations[command.candidate.record.peer_id] = command.expires_at_us
    return Decision(result=is_new)


def _release_seat(state: WriteState, command: messages.ReleaseSeat, _: UnixUs) -> Decision:
    state.reservations.pop(command.peer_id, None)
    return Decision()


def _admit_peer(state: WriteState, command: messages.AdmitPeer, now_us: UnixUs) -> Decision:
    events = admission.admit(
        state.cluster,
        command.candidate,
        evidence=command.evidence,
        label=command.label,
        introduced_by=command.introduced_by,
        reserved=_live_reservations(state, now_us).keys(),
        now_us=now_us,
    )
    state.reservations.pop(command.candidate.record.peer_id, None)
    if events:
        return Decision(events=events)
    # Seated already, and at the door again: its record may be newer than ours.
    return Decision(events=observe(state.cluster, command.candidate.record).events)


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
}
