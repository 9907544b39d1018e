"""
Agents from the real classes, joined by a network in memory.

Keys, ids and chance come from fixed seeds and time from the loop, so that a test that fails fails
again. The network loses what a test tells it to lose, and remembers every frame that it carried.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from eventsourcing.persistence import OperationalError, StoredEvent

from membership.commands.bus import CommandBus
from membership.commands.handlers import WriteState
from membership.commands.licensing import LicenseDocument, issue_license
from membership.commands.messages import (
    CreateLocalPeer,
    LeaveCluster,
    Origin,
    Receipt,
    RemovePeer,
    RenamePeer,
    Request,
)
from membership.commands.processor import CommandProcessor, Processed
from membership.domain.events import Actor, CredentialCreated, RecordedEvent
from membership.domain.identity import peer_id_for
from membership.domain.license import US_PER_DAY, License
from membership.domain.values import (
    Address,
    ClusterId,
    PeerId,
    PublicKey,
    StreamId,
    UnixUs,
    ulid_text,
)
from membership.peering.local import LocalAgent
from membership.peering.peering import DiscoveryMode, Peering, Surroundings
from membership.peering.transport import TransportFailed
from membership.peering.wire import MalformedFrame
from membership.proof.checkpoint import log_origin
from membership.proof.signing import Signer
from membership.proof.tree import MerkleTree
from membership.store.errors import StoreUnavailable
from membership.store.event_store import EventStore
from membership.store.memory import MemoryRecorder
from membership.store.reader import InlineReader
from membership.store.rows import StoredRow
from membership.store.writer import InlineWriter
from membership.transparency.log import TransparencyLog
from projections.views import Views

START_US = UnixUs(1_767_225_600_000_000)
"""2026-01-01T00:00:00Z."""

OPERATOR = Origin(actor=Actor(kind="operator", id="test"))
ISSUER = Signer(b"\x49" * 32)
SECRET = b"\x53" * 32


def seed_of(number: int) -> bytes:
    """Return the seed of agent *number*'s key."""
    return number.to_bytes(32, "big")


def peer_id_of(number: int) -> PeerId:
    """Return the id of agent *number*."""
    return _bound_id(number, Signer(seed_of(number)))


def _bound_id(number: int, signer: Signer) -> PeerId:
    return peer_id_for(PublicKey(signer.public_key), UnixUs(START_US + number * 1_000))


def address_of(number: int) -> Address:
    """Return where agent *number* listens."""
    return Address(f"agent-{number}.example:8080")


def a_license(
    *,
    max_nodes: int = 10,
    days: float = 365,
    revision: int = 1,
    license_id: str = "01KDVDXQ000000000000000000",
    secret: bytes = SECRET,
) -> LicenseDocument:
    """Return a licence that was issued at `START_US` and ends *days* later."""
    draft = License(
        license_id=license_id,
        revision=revision,
        customer="Example",
        issued_at_us=UnixUs(START_US - 1_000 * US_PER_DAY),
        expires_at_us=UnixUs(START_US + int(days * US_PER_DAY)),
        max_nodes=max_nodes,
        issuer=PublicKey(b""),
        cluster_id=ClusterId(b""),
        signature=b"",
    )
    return issue_license(ISSUER, draft, secret)


class CountingClock:
    """The loop's time since `START_US`, a microsecond more at each look."""

    def __init__(self) -> None:
        self._looks = 0

    def now_us(self) -> UnixUs:
        """Return a moment that was never returned before."""
        self._looks += 1
        return UnixUs(START_US + int(asyncio.get_running_loop().time() * 1e6) + self._looks)


class SeededChance:
    """Ids and randomness from a seed: neither secret nor ever the same for two agents."""

    def __init__(self, seed: int | str) -> None:
        self._chance = random.Random(seed)

    def new_ulid(self) -> str:
        """Return an id that was never returned before."""
        return ulid_text(b"\x01\x9b" + self.token(14))

    def token(self, length: int) -> bytes:
        """Return *length* bytes."""
        return self._chance.randbytes(length)

    def uniform(self, low: float, high: float) -> float:
        """Return a number between the two."""
        return self._chance.uniform(low, high)

    def choice_index(self, count: int) -> int:
        """Return an index below *count*."""
        return self._chance.randrange(count)


class FailingRecorder(MemoryRecorder):
    """
    A log on a disk that can be full, and that can then be unreadable too.

    Attributes:
        refuses: Asked before each write with its events; True makes it fail.
        is_unreadable: Every look at the log fails.
    """

    def __init__(self) -> None:
        super().__init__()
        self.refuses: Callable[[Sequence[StoredEvent]], bool] = lambda _: False
        self.is_unreadable = False

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: object
    ) -> Sequence[int] | None:
        """Insert, or fail as a full disk does."""
        if self.refuses(stored_events):
            message = "the disk is full"
            raise OperationalError(message)
        return super().insert_events(stored_events, **kwargs)

    def scan(self, after: int, limit: int) -> Sequence[StoredRow]:
        """Read, or fail as a broken disk does."""
        if self.is_unreadable:
            message = "the disk is gone"
            raise OperationalError(message)
        return super().scan(after, limit)


@dataclass(frozen=True, slots=True)
class Post:
    """One frame that was sent; *at_s* is the loop's time."""

    sender: int
    address: Address
    path: str
    frame: bytes
    at_s: float


@dataclass(slots=True)
class Network:
    """
    Carries frames between agents in memory.

    Attributes:
        posts: Every frame that was sent, lost or not.
        loses_request: Asked for each frame; True loses it on its way.
        loses_answer: Asked for each frame; True loses its answer on the way back.
        answers: Replaces an answer, for agents that lie.
    """

    agents: dict[Address, "Agent"] = field(default_factory=dict)
    posts: list[Post] = field(default_factory=list)
    loses_request: Callable[[Post], bool] = lambda _: False
    loses_answer: Callable[[Post], bool] = lambda _: False
    answers: Callable[[Post, bytes], bytes] = lambda _, answer: answer

    async def carry(self, sender: int, address: Address, path: str, frame: bytes) -> bytes:
        """Return the answer to a frame; raises `TransportFailed`."""
        post = Post(sender, address, path, frame, asyncio.get_running_loop().time())
        self.posts.append(post)
        await asyncio.sleep(0)  # Others get their turn here, as they do on a real network.
        if self.loses_request(post):
            raise TransportFailed("timeout")
        agent = self.agents.get(address)
        if agent is None:
            raise TransportFailed("refused")
        try:
            answer = await agent.peering.endpoint.handle(path, frame, f"10.0.0.{sender}")
        except MalformedFrame:
            raise TransportFailed("wrong_protocol") from None
        except StoreUnavailable:
            raise TransportFailed("overloaded") from None
        await asyncio.sleep(0)
        if self.loses_answer(post):
            raise TransportFailed("timeout")
        return self.answers(post, answer)

    def count(self, path: str) -> int:
        """Return how many frames were sent to *path*."""
        return sum(post.path == path for post in self.posts)


@dataclass(frozen=True, slots=True)
class _Line:
    """One agent's end of the network."""

    network: Network
    number: int

    async def post(self, address: Address, path: str, frame: bytes) -> bytes:
        return await self.network.carry(self.number, address, path, frame)


@dataclass(slots=True, kw_only=True)
class Agent:
    """An agent with everything but HTTP."""

    number: int
    disk: FailingRecorder
    store: EventStore
    state: WriteState
    bus: CommandBus
    local: LocalAgent
    peering: Peering
    log: TransparencyLog
    line: _Line
    clock: CountingClock
    chance: SeededChance

    @property
    def peer_id(self) -> PeerId:
        """Its id."""
        return peer_id_of(self.number)

    @property
    def address(self) -> Address:
        """Where it listens by its own account."""
        return self.local.peer.address

    def rows(self) -> Sequence[StoredRow]:
        """Return everything that is on its disk."""
        return list(self.store.rows())

    def events(self) -> Sequence[RecordedEvent]:
        """Return everything that is in its log, decoded."""
        return list(self.store.events())

    def knows(self, other: "Agent") -> bool:
        """Whether the other one is an active peer here."""
        peer = self.local.views.peers.get(other.peer_id)
        return peer is not None and peer.is_active

    async def add(self, other: "Agent", label: str = "") -> Receipt:
        """Add the other one as an operator does."""
        return await self.peering.add_peer(other.address, label, OPERATOR)


async def start_agent(
    network: Network,
    number: int,
    document: LicenseDocument | None = None,
    disk: FailingRecorder | None = None,
    *,
    seed: bytes | None = None,
    address: Address | None = None,
    peer_id: PeerId | None = None,
    chance: SeededChance | None = None,
    discovery: DiscoveryMode = DiscoveryMode.TRANSITIVE,
) -> Agent:
    """Return agent *number*, new, or with the log that is on *disk* already."""
    document, disk = document or a_license(), disk or FailingRecorder()
    clock, chance = CountingClock(), chance or SeededChance(number)
    store, state, views = EventStore(disk), WriteState(), Views(lambda _: b"{}")
    tree = MerkleTree(store.leaf_hashes)
    processor = CommandProcessor(store, state, clock=clock, ids=chance, software="test")
    views.apply(processor.replay(store.verified_events(tree)))

    def start_writer(settle: Callable[..., None]) -> InlineWriter[Request, Processed]:
        return InlineWriter(processor.process, settle)

    bus = CommandBus(start_writer)
    bus.subscribe(views.apply)
    signer, line = Signer(seed or seed_of(number)), _Line(network, number)
    if state.cluster.local_id is None:
        creation = _creation(number, signer, document, address or address_of(number), peer_id)
        await bus.submit(creation, OPERATOR)
    local = LocalAgent(signer=signer, views=views, license_secret=document.secret)
    around = Surroundings(
        bus=bus, transport=line, clock=clock, randomness=chance, discovery=discovery
    )
    own_log = TransparencyLog(
        store,
        tree,
        None,
        origin=log_origin(document.license.cluster_id, local.peer.peer_id, views.epoch),
        signer=signer,
        bus=bus,
        clock=clock,
        reader=InlineReader(),
    )
    agent = Agent(
        number=number,
        disk=disk,
        store=store,
        state=state,
        bus=bus,
        local=local,
        peering=Peering(local, own_log, around),
        log=own_log,
        line=line,
        clock=clock,
        chance=chance,
    )
    network.agents[agent.address] = agent
    return agent


def _creation(
    number: int,
    signer: Signer,
    document: LicenseDocument,
    address: Address,
    peer_id: PeerId | None,
) -> CreateLocalPeer:
    return CreateLocalPeer(
        peer_id=peer_id or _bound_id(number, signer),
        public_key=PublicKey(signer.public_key),
        address=address,
        name=f"agent {number}",
        license=document.license,
        credential=CredentialCreated(
            client_id=StreamId(ulid_text(b"\x02" + number.to_bytes(15, "big"))),
            description="first",
            scopes=("admin",),
            secret_hash="",
        ),
    )


async def remove(agent: Agent, other: Agent) -> None:
    """Remove the other one, as an operator of *agent* does."""
    await agent.bus.submit(RemovePeer(peer_id=other.peer_id), OPERATOR)


async def leave(agent: Agent) -> None:
    """Take *agent* out of the cluster for good."""
    await agent.bus.submit(LeaveCluster(), OPERATOR)


async def rename(agent: Agent, name: str) -> None:
    """Give *agent* a new name of its own."""
    await agent.bus.submit(RenamePeer(peer_id=agent.peer_id, name=name), OPERATOR)


async def two_agents() -> tuple[Network, Agent, Agent]:
    """Return two agents of one licence that do not know each other."""
    network = Network()
    return network, await start_agent(network, 1), await start_agent(network, 2)


async def two_peers() -> tuple[Network, Agent, Agent]:
    """Return two agents that have added each other."""
    network, one, two = await two_agents()
    await one.add(two)
    return network, one, two
