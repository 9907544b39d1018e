"""Histories as they may really happen: commands drawn by hypothesis, decided by the real rules."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from membership.commands import messages
from membership.commands.handlers import WriteState
from membership.commands.licensing import parse_license
from membership.commands.messages import Origin, Request
from membership.commands.processor import CommandProcessor
from membership.domain.admission import Admission, Candidate
from membership.domain.events import Actor, CredentialCreated, HandshakeEvidence, RecordedEvent
from membership.domain.record import PeerRecord
from membership.domain.values import Address, PeerId, PublicKey, ServiceId, StreamId, parse_address
from membership.proof.signing import Signer
from membership.store.event_store import EventStore
from membership.store.memory import MemoryRecorder
from tests.api.agent import CountingIds, ManualClock, license_document

MAX_PEERS = 5
KEYS = [Signer(bytes([number]) * 32).public_key for number in range(1, MAX_PEERS + 2)]
PEER_IDS = [PeerId(f"01K{number:023d}") for number in range(1, MAX_PEERS + 2)]
ADDRESSES = [parse_address(f"192.0.2.{number}:8080") for number in range(1, MAX_PEERS + 2)]
ACTORS = [
    Actor(kind="operator", id="operator", scopes=("admin",)),
    Actor(kind="client", id="01K" + "C" * 23, scopes=("peers.write",)),
    Actor(kind="peer", id=PEER_IDS[1]),
]
KINDS = (
    *("add", "add", "discover", "label", "rename", "move", "attest", "contradict"),
    *("remove", "leave there", "leave here", "register", "unregister", "refuse", "renew"),
    *("stranger", "credential"),
)

Step = tuple[str, int, int, int]
"""What happens, to whom, with whom or which value, and the seconds that pass before it."""

steps = st.tuples(
    st.sampled_from(KINDS),
    st.integers(0, MAX_PEERS - 1),
    st.integers(0, MAX_PEERS),
    st.sampled_from([0, 0, 1, 60]),
)
_COMPANY: list[Step] = [
    *(("add" if who % 2 else "discover", who, who % 3, 1) for who in range(MAX_PEERS)),
    *(("register", who, who, 0) for who in range(3)),
]
stories = st.builds(
    lambda company, more: company + more,
    st.sampled_from([[], _COMPANY, _COMPANY]),
    st.lists(steps, min_size=10, max_size=40),
)
"""Steps, mostly among peers that are there already: alone there is not much to happen."""


@dataclass
class Story:
    """A log under construction."""

    store: EventStore = field(default_factory=lambda: EventStore(MemoryRecorder()))
    clock: ManualClock = field(default_factory=ManualClock)
    ids: CountingIds = field(default_factory=CountingIds)
    state: WriteState = field(default_factory=WriteState)
    services: list[ServiceId] = field(default_factory=list)
    versions: dict[PeerId, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._processor = CommandProcessor(
            self.store, self.state, clock=self.clock, ids=self.ids, software="test/1"
        )
        self._tell(
            messages.CreateLocalPeer(
                peer_id=PEER_IDS[0],
                public_key=PublicKey(KEYS[0]),
                address=ADDRESSES[0],
                name="alpha",
                license=parse_license(license_document()).license,
                credential=_credential(StreamId(self.ids.new_ulid())),
            )
        )

    def events(self) -> list[RecordedEvent]:
        """Return the log."""
        return list(self.store.events())

    def tell(self, step: Step) -> None:
        """Let something happen; what the rules refuse does not."""
        kind, who, other, seconds = step
        self.clock.advance(seconds=seconds)
        command = _COMMANDS[kind](self, PEER_IDS[1 + who], other)
        self._tell(command, ACTORS[(who + other) % len(ACTORS)])

    def _tell(self, command: messages.Command, actor: Actor = ACTORS[0]) -> None:
        origin = Origin(actor=actor, source="198.51.100.1", reason="a test")
        self._processor.process([Request(command, origin)])

    def record(self, peer_id: PeerId, *, left: bool = False, **fields: Any) -> PeerRecord:
        """Return a newer record of a remote peer, *fields* being what it says otherwise."""
        known = self.state.cluster.peers.get(peer_id)
        number = PEER_IDS.index(peer_id)
        version = self.versions[peer_id] = self.versions.get(peer_id, 0) + 1
        said = {
            "cluster_id": self.state.cluster.license.cluster_id,  # type: ignore[union-attr]
            "peer_id": peer_id,
            "subject_version": version,
            "left": left,
            "public_key": PublicKey(KEYS[number]),
            "address": known.claimed_address if known else ADDRESSES[number],
            "name": known.own_name if known else "",
            "issued_at_us": self.clock.now_us(),
        } | fields
        return PeerRecord(**said, signed=repr(sorted(said.items())).encode())


def _credential(client_id: StreamId) -> CredentialCreated:
    return CredentialCreated(
        client_id=client_id, description="a client", scopes=("admin",), secret_hash="$argon2id$x"
    )


def _add(story: Story, peer_id: PeerId, other: int, how: Admission) -> messages.AdmitPeer:
    address = Address(f"198.51.100.{PEER_IDS.index(peer_id)}:{8000 + other}")
    introducer = PEER_IDS[other] if how is Admission.DISCOVERED else None
    return messages.AdmitPeer(
        candidate=Candidate(record=story.record(peer_id, address=address), how=how),
        evidence=HandshakeEvidence(transcript=b"t", signature=b"s", remote_role="responder"),
        label="" if other % 2 else f"label {other}",
        introduced_by=introducer,
    )


def _contradicting(story: Story, peer_id: PeerId, other: int) -> messages.ObserveRecord:
    known = story.state.cluster.peers.get(peer_id)
    version = known.subject_version if known else 1
    record = story.record(peer_id, name=f"twin {other}", subject_version=version)
    return messages.ObserveRecord(record=record)


def _register(story: Story, peer_id: PeerId, other: int) -> messages.RegisterService:
    service_id = ServiceId(story.ids.new_ulid())
    story.services.append(service_id)
    return messages.RegisterService(
        service_id=service_id,
        name=f"service {other}",
        source_peer_id=peer_id,
        target_peer_id=PEER_IDS[other],
    )


def _service(story: Story, other: int) -> ServiceId:
    return story.services[other % len(story.services)] if story.services else ServiceId("0" * 26)


def _refusal(story: Story, peer_id: PeerId, other: int) -> messages.RecordRefusal:
    subjects = (
        peer_id,
        _service(story, other),
        f"{peer_id} {PEER_IDS[other]}",
        "192.0.2.9:8080",
        "",
        PEER_IDS[0],
    )
    return messages.RecordRefusal(
        command="DELETE /v1/…", subject=subjects[other], code="NOT_FOUND", message="no"
    )


def _renewal(story: Story, _: PeerId, other: int) -> messages.InstallLicense:
    present = story.state.cluster.license
    document = license_document(revision=(present.revision if present else 0) + other)
    return messages.InstallLicense(license=parse_license(document).license)


def _observe(story: Story, peer_id: PeerId, **fields: Any) -> messages.ObserveRecord:
    return messages.ObserveRecord(record=story.record(peer_id, **fields))


_COMMANDS: dict[str, Callable[[Story, PeerId, int], messages.Command]] = {
    "add": lambda s, p, o: _add(s, p, o, Admission.OPERATOR),
    "discover": lambda s, p, o: _add(s, p, o, Admission.DISCOVERED),
    "label": lambda _, p, o: messages.RenamePeer(peer_id=p, name=f"label {o}" if o else ""),
    "rename": lambda s, p, o: (
        _observe(s, p, name=f"name {o}")
        if o
        else messages.RenamePeer(peer_id=PEER_IDS[0], name=f"local {s.ids.count}")
    ),
    # Also to an address where another one sits: then it is a claim that waits.
    "move": lambda s, p, o: _observe(s, p, address=ADDRESSES[o]),
    "attest": lambda s, p, _: _observe(s, p),
    "contradict": _contradicting,
    "remove": lambda _, p, __: messages.RemovePeer(peer_id=p),
    "leave there": lambda s, p, _: _observe(s, p, left=True),
    # Rarely: nothing much can happen afterwards.
    "leave here": lambda _, p, o: (
        messages.LeaveCluster() if o == 0 else messages.RemovePeer(peer_id=p)
    ),
    "register": _register,
    "unregister": lambda s, _, o: messages.RemoveService(service_id=_service(s, o)),
    "refuse": _refusal,
    "renew": _renewal,
    "stranger": lambda s, _, o: _observe(s, PEER_IDS[-1], left=o > 2),
    "credential": lambda s, _, __: messages.CreateCredential(
        credential=_credential(StreamId(s.ids.new_ulid()))
    ),
}
