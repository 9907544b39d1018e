"""Random asks (see `tests.domain.random_histories`) as commands."""

from collections.abc import Callable, Mapping

from membership.commands import messages
from membership.commands.messages import Command
from membership.domain.admission import Admission
from membership.domain.cluster import Cluster
from tests.commands.write_side import admit, reserve
from tests.domain.histories import credential, id_of, service_id_of
from tests.domain.random_histories import ADDRESSES, LABELS, Ask, heard, renewal


def _admission(cluster: Cluster, ask: Ask) -> Command:
    how = list(Admission)[ask.dice % len(Admission)]
    return admit(
        heard(cluster, ask),
        how,
        invited=ask.dice % 2 == 0,
        label=LABELS[ask.dice % len(LABELS)],
        introduced_by=id_of(ask.other) if how is Admission.DISCOVERED else None,
        reservation=f"{ask.dice % 3}",
        told_version=ask.dice,
    )


_COMMANDS: Mapping[str, Callable[[Cluster, Ask], Command]] = {
    "admit": _admission,
    "hear of": lambda c, a: messages.ObserveRecord(record=heard(c, a)),
    "hear farewell": lambda c, a: messages.ObserveRecord(record=heard(c, a, left=a.who != "local")),
    "rename": lambda _, a: messages.RenamePeer(peer_id=id_of(a.who), name=LABELS[a.dice % 3]),
    "remove": lambda _, a: messages.RemovePeer(peer_id=id_of(a.who)),
    "move": lambda _, a: messages.ReaddressLocalPeer(address=ADDRESSES[a.dice % len(ADDRESSES)]),
    "leave": lambda _, __: messages.LeaveCluster(),
    "renew": lambda c, a: messages.InstallLicense(license=renewal(c, a)),
    "serve": lambda _, a: messages.RegisterService(
        service_id=service_id_of(a.dice),
        name="backup",
        source_peer_id=id_of(a.who),
        target_peer_id=id_of(a.other),
    ),
    "unserve": lambda _, a: messages.RemoveService(service_id=service_id_of(a.dice)),
    "refuse": lambda _, a: messages.RecordRefusal(
        command="PUT", subject=id_of(a.who), code="C", message="m"
    ),
    "trust": lambda c, a: (
        reserve(f"{a.dice % 3}", heard(c, a))
        if a.dice % 2
        else messages.CreateCredential(credential=credential(2 + a.dice))
    ),
}


def command_for(cluster: Cluster, ask: Ask) -> Command:
    """Return the command that asks for the same; some of its words depend on what is known."""
    return _COMMANDS[ask.what](cluster, ask)
