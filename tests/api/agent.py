"""One agent behind the API, with a made-up cluster around it."""

from base64 import b32encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient

from membership.api.context import ApiContext
from membership.api.credentials import new_credential
from membership.api.schema import encode_peer
from membership.api.tokens import mint_token
from membership.commands import messages
from membership.commands.bus import CommandBus, Writer
from membership.commands.handlers import WriteState
from membership.commands.licensing import encode_license, issue_license, parse_license
from membership.commands.messages import Origin, Receipt
from membership.commands.ports import (
    DestinationStatus,
    PeerHealth,
    PeeringStatus,
    PursuitStatus,
    SelfHealth,
    SyncReport,
)
from membership.commands.processor import CommandProcessor
from membership.domain.admission import Admission, Candidate
from membership.domain.errors import LocalPeerDeactivated, MembershipError, PeerAlreadyInCluster
from membership.domain.events import CredentialCreated, HandshakeEvidence
from membership.domain.license import US_PER_DAY, License
from membership.domain.record import PeerRecord
from membership.domain.values import (
    Address,
    ClusterId,
    PeerId,
    PublicKey,
    StreamId,
    UnixUs,
    parse_address,
)
from membership.proof.checkpoint import log_origin
from membership.proof.signing import Signer
from membership.proof.tree import MerkleTree
from membership.store.event_store import EventStore
from membership.store.history_index import HistoryIndex
from membership.store.reader import ThreadedReader
from membership.store.sqlite import SQLiteRecorder
from membership.store.writer import ThreadedWriter
from membership.transparency.log import TransparencyLog
from projections.history_reader import HistoryReader
from projections.indexer import Indexer
from projections.live_history import History
from projections.runner import IndexRunner
from projections.views import Views

BEGIN_US = UnixUs(1_767_225_600_000_000)
"""2026-01-01T00:00:00Z."""
LOCAL_ADDRESS = parse_address("127.0.0.1:8080")
CLIENT_SECRET = "open sesame +%: ü"
SECRET = bytes(range(32))
ISSUER = Signer(b"i" * 32)
_CREDENTIALS: dict[tuple[str, ...], str] = {}


@dataclass
class ManualClock:
    """Stands still until told otherwise."""

    at_us: UnixUs = BEGIN_US

    def now_us(self) -> UnixUs:
        """Return the moment that was set."""
        return self.at_us

    def advance(self, *, seconds: int = 0, days: int = 0) -> None:
        """Let time go by."""
        self.at_us = UnixUs(self.at_us + seconds * 1_000_000 + days * US_PER_DAY)


@dataclass
class CountingIds:
    """Ids in sequence."""

    count: int = 0

    def new_ulid(self) -> str:
        """Return the next id."""
        self.count += 1
        digits = b32encode(self.count.to_bytes(5, "big")).decode()
        crockford = str.maketrans(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
        )
        return "01J" + "0" * 15 + digits.translate(crockford)


class NoChance:
    """Randomness that never varies."""

    def token(self, length: int) -> bytes:
        """Return the same bytes every time."""
        return bytes(length)

    def uniform(self, low: float, high: float) -> float:
        """Return the middle."""
        return (low + high) / 2

    def choice_index(self, count: int) -> int:
        """Return the first."""
        return min(0, count)


@dataclass
class FakePeering:
    """Whoever is asked at an address is an agent there, unless its refusal was arranged."""

    bus: CommandBus
    views: Views
    ids: CountingIds
    clock: ManualClock
    refusals: dict[Address, MembershipError | Exception] = field(default_factory=dict)
    identities: dict[Address, tuple[PeerId, Signer]] = field(default_factory=dict)
    health: dict[str, PeerHealth] = field(default_factory=dict)
    told: dict[str, DestinationStatus] = field(default_factory=dict)
    of_self: SelfHealth = field(default_factory=SelfHealth)
    pursuits: list[PursuitStatus] = field(default_factory=list)
    unreachable: dict[PeerId, str] = field(default_factory=dict)
    waited_s: float | None = None

    async def add_peer(self, address: Address, label: str, origin: Origin) -> Receipt:
        """Admit the agent at *address*."""
        await self.bus.submit(messages.EnsureRoom(), origin)
        seated = self.views.peers.at_address(address)
        if seated is not None:
            raise PeerAlreadyInCluster(seated.peer_id, "address")
        if address in self.refusals:
            raise self.refusals[address]
        candidate = Candidate(record=self._record(address), how=Admission.OPERATOR)
        evidence = HandshakeEvidence(transcript=b"t", signature=b"s" * 64, remote_role="responder")
        command = messages.AdmitPeer(candidate=candidate, evidence=evidence, label=label)
        return await self.bus.submit(command, origin)

    async def sync(self, wait_s: float) -> SyncReport:
        """Agree with everybody who was not made unreachable."""
        self.waited_s = wait_s
        if not self.views.peers.local.is_active:
            raise LocalPeerDeactivated(self.views.peers.local.peer_id)
        agreeing = [peer_id for peer_id in self._remote() if peer_id not in self.unreachable]
        return SyncReport(agreeing=agreeing, differing=[], unreachable=self.unreachable)

    def status(self) -> PeeringStatus:
        """Return what was arranged; who was not arranged is well."""
        peers = self._remote()
        unheard = DestinationStatus(peer_id=PeerId(""), acked_version=1)
        return PeeringStatus(
            digest=bytes(range(16)),
            agent=self.of_self,
            health={peer_id: self.health.get(peer_id, PeerHealth()) for peer_id in peers},
            destinations={peer_id: self.told.get(peer_id, unheard) for peer_id in peers},
            pursuits=self.pursuits,
        )

    def _remote(self) -> Sequence[PeerId]:
        return [peer.peer_id for peer in self.views.peers.active() if not peer.is_local]

    def _record(self, address: Address) -> PeerRecord:
        if address not in self.identities:
            peer_id = PeerId(self.ids.new_ulid())
            self.identities[address] = peer_id, Signer(peer_id[-4:].encode() * 8)
        peer_id, signer = self.identities[address]
        return PeerRecord(
            cluster_id=self.views.license.cluster_id,
            peer_id=peer_id,
            subject_version=1,
            left=False,
            public_key=PublicKey(signer.public_key),
            address=address,
            name="",
            issued_at_us=self.clock.now_us(),
            signed=f"record of {peer_id}".encode(),
        )


@dataclass
class Agent:
    """An agent and a client of it."""

    store: EventStore
    context: ApiContext
    clock: ManualClock
    peering: FakePeering
    reader: ThreadedReader
    client: TestClient[Any, Any] = field(init=False)
    names: dict[str, str] = field(default_factory=dict)

    @property
    def views(self) -> Views:
        """What the API reads from."""
        return self.context.views

    def token(self, *scopes: str, ttl_s: int = 3600, **other: Any) -> str:
        """Return a token of this agent."""
        return mint_token(
            other.get("signer", self.context.signer),
            peer_id=other.get("peer_id", self.views.peers.local.peer_id),
            subject="operator",
            scopes=scopes,
            ttl_s=ttl_s,
            now_us=self.clock.now_us(),
            token_id=self.context.ids.new_ulid(),
        )

    async def call(
        self,
        call: str,
        *,
        scope: str | None = "admin",
        headers: Mapping[str, str] | None = None,
        **body: Any,
    ) -> ClientResponse:
        """Make a call such as `GET /v1/peers/{remote}` with a token of one scope."""
        method, path = call.format(**self.names).split(" ", 1)
        given = {} if scope is None else {"Authorization": f"Bearer {self.token(scope)}"}
        return await self.client.request(method, path, headers={**given, **(headers or {})}, **body)

    async def answer(self, call: str, status: int = 200, **options: Any) -> Any:
        """Make a call, check its status and return its JSON."""
        response = await self.call(call, **options)
        body = await response.json()
        assert response.status == status, body
        return body

    async def add(self, name: str, address: str) -> str:
        """Add a remote peer and remember its id under *name*."""
        receipt = await self.peering.add_peer(parse_address(address), "", messages.SYSTEM_ORIGIN)
        peer_id = receipt.events[0].event.stream_id
        self.names[name] = peer_id
        return peer_id

    async def stop(self) -> None:
        """Stop what runs, and leave the log open."""
        await self.context.log.stop()
        await self.context.bus.stop()
        await self.reader.stop()

    def events(self) -> list[Any]:
        """Return the whole log."""
        return list(self.store.events())

    def rebuilt(self) -> Views:
        """Return views folded from the log alone."""
        views = Views(encode_peer)
        views.apply(self.store.verified_events(MerkleTree(self.store.leaf_hashes)))
        return views


def license_document(*, revision: int = 1, max_nodes: int = 10, days: int = 365) -> bytes:
    """Return a licence that the same issuer signed with the same secret."""
    draft = License(
        license_id="LICENSE",
        revision=revision,
        customer="Example",
        issued_at_us=BEGIN_US,
        expires_at_us=UnixUs(BEGIN_US + days * US_PER_DAY),
        max_nodes=max_nodes,
        issuer=PublicKey(b""),
        cluster_id=ClusterId(b""),
        signature=b"",
    )
    return encode_license(issue_license(ISSUER, draft, SECRET))


def secret_hash(*scopes: str) -> str:
    """Return the hash of the client's secret, made once a run: it is slow on purpose."""
    if scopes not in _CREDENTIALS:
        created = new_credential(StreamId(""), "", scopes, CLIENT_SECRET)
        _CREDENTIALS[scopes] = created.secret_hash
    return _CREDENTIALS[scopes]


async def start_agent(directory: Path) -> Agent:
    """Create an agent with an empty cluster."""
    store = EventStore(SQLiteRecorder(directory / "membership.db"))
    clock, ids, views = ManualClock(), CountingIds(), Views(encode_peer)
    processor = CommandProcessor(store, WriteState(), clock=clock, ids=ids, software="test/1")

    def start_writer(settle: Callable[..., None]) -> Writer:
        return ThreadedWriter(processor.process, settle)

    bus = CommandBus(start_writer)
    bus.subscribe(views.apply)
    index = HistoryIndex(directory / "history.db", NoChance().token)
    runner = IndexRunner(Indexer(store, index), end=lambda: views.position)
    bus.subscribe(runner.poke)
    runner.start()
    history = History(runner, HistoryReader(store, index, encode_peer))
    signer, peering = Signer(b"l" * 32), FakePeering(bus, views, ids, clock)
    names = await _create(bus, signer, ids)

    async def install_license(data: bytes, origin: Origin) -> Receipt:
        command = messages.InstallLicense(license=parse_license(data).license)
        return await bus.submit(command, origin)

    reader = ThreadedReader()
    log = TransparencyLog(
        store,
        MerkleTree(store.leaf_hashes),
        None,
        origin=log_origin(views.license.cluster_id, names["local"]),
        signer=signer,
        bus=bus,
        clock=clock,
        reader=reader,
    )
    context = ApiContext(
        views=views,
        history=history,
        bus=bus,
        clock=clock,
        ids=ids,
        randomness=NoChance(),
        signer=signer,
        peering=peering,
        install_license=install_license,
        log=log,
        software="test/1",
    )
    log.start()
    return Agent(store, context, clock, peering, reader, names=names)


async def _create(bus: CommandBus, signer: Signer, ids: CountingIds) -> dict[str, str]:
    scopes = ("peers.read", "peers.write")
    credential = new_credential_of(StreamId(ids.new_ulid()), scopes)
    local_id = ids.new_ulid()
    await bus.submit(
        messages.CreateLocalPeer(
            peer_id=PeerId(local_id),
            public_key=PublicKey(signer.public_key),
            address=LOCAL_ADDRESS,
            name="alpha",
            license=parse_license(license_document()).license,
            credential=credential,
        )
    )
    return {"client": credential.client_id, "local": local_id}


def new_credential_of(client_id: StreamId, scopes: tuple[str, ...]) -> CredentialCreated:
    """Return a credential with the one secret of these tests."""
    return CredentialCreated(
        client_id=client_id, description="", scopes=scopes, secret_hash=secret_hash(*scopes)
    )
