"""An agent from its parts: the log replayed, the writer started, the peer protocol on top."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from membership import __version__
from membership.api.schema import encode_peer
from membership.commands.bus import CommandBus, Writer
from membership.commands.handlers import WriteState
from membership.commands.ports import Clock, IdSource, Randomness
from membership.commands.processor import CommandProcessor, Processed
from membership.domain.cluster import Cluster
from membership.domain.events import RecordedEvent
from membership.domain.values import PublicKey
from membership.peering.local import LocalAgent
from membership.peering.peering import DiscoveryMode, Peering, Surroundings
from membership.peering.transport import Transport
from membership.proof.checkpoint import SignedCheckpoint, log_key, log_origin
from membership.proof.note import VerifierKey
from membership.proof.signing import Signer
from membership.proof.tree import MerkleTree
from membership.store.event_store import EventStore
from membership.store.reader import Reader
from membership.transparency.log import TransparencyLog
from membership.transparency.startup import check_against_checkpoints
from projections.views import Views

PROGRESS_EVENTS = 5_000
SOFTWARE = f"membership/{__version__}"

StartWriter = Callable[[CommandProcessor, Callable[..., None]], Writer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Nature:
    """Time, identity and chance, real or simulated."""

    clock: Clock
    ids: IdSource
    randomness: Randomness


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """
    A log read from its beginning, every leaf checked, and all of it against what was signed.

    Attributes:
        tree: The Merkle tree over the log, as far as it was read.
        newest_checkpoint: What the agent signed last; None when it never did.
    """

    store: EventStore
    cluster: Cluster
    processor: CommandProcessor
    views: Views
    tree: MerkleTree
    newest_checkpoint: SignedCheckpoint | None


def replay(
    store: EventStore,
    nature: Nature,
    trusted_issuers: frozenset[PublicKey] = frozenset(),
    progress: Callable[[int], None] | None = None,
) -> Replayed:
    """
    Fold the log into the write model and the views, in one scan. Blocking.

    Args:
        progress: Called with the position reached, every few thousand events.

    Raises:
        LogCorrupt, CorruptEvent: The log was altered, or is not what this agent signed.
        UnknownEvent: A newer version wrote it.
        StoreUnavailable: It cannot be read.
    """
    state = WriteState(trusted_issuers=trusted_issuers)
    processor = CommandProcessor(
        store, state, clock=nature.clock, ids=nature.ids, software=SOFTWARE
    )
    views, tree = Views(encode_peer), MerkleTree(store.leaf_hashes)
    events = processor.replay(store.verified_events(tree))
    views.apply(events if progress is None else _reported(events, progress))
    newest = check_against_checkpoints(tree, store.checkpoints(), _key_in(state.cluster))
    return Replayed(
        store=store,
        cluster=state.cluster,
        processor=processor,
        views=views,
        tree=tree,
        newest_checkpoint=newest,
    )


def _key_in(cluster: Cluster) -> VerifierKey | None:
    """Return the key that the log itself names as its agent's; None for an empty log."""
    if cluster.local_id is None or cluster.license is None:
        return None
    local = cluster.local
    origin = log_origin(cluster.license.cluster_id, local.peer_id, cluster.epoch)
    return log_key(origin, local.public_key)


def _reported(
    events: Iterator[RecordedEvent], progress: Callable[[int], None]
) -> Iterator[RecordedEvent]:
    for recorded in events:
        yield recorded
        if recorded.position % PROGRESS_EVENTS == 0:
            progress(recorded.position)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What only this agent, and what only its cluster, can prove."""

    signer: Signer
    license_secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """A running agent, but for the HTTP around it."""

    bus: CommandBus
    views: Views
    local: LocalAgent
    peering: Peering
    log: TransparencyLog


def start_agent(
    replayed: Replayed,
    key: Key,
    *,
    nature: Nature,
    transport: Transport,
    start_writer: StartWriter,
    reader: Reader,
    discovery: DiscoveryMode = DiscoveryMode.TRANSITIVE,
) -> Agent:
    """
    Start the writer and put the transparency log and the peer protocol on top; on the event loop.

    Both of these begin to work when they are started, and are stopped before the writer is.
    """
    processor, views = replayed.processor, replayed.views

    def start(settle: Callable[[Processed, object], None]) -> Writer:
        return start_writer(processor, settle)

    bus = CommandBus(start)
    bus.subscribe(views.apply)
    local = LocalAgent(signer=key.signer, views=views, license_secret=key.license_secret)
    around = Surroundings(
        bus=bus,
        transport=transport,
        clock=nature.clock,
        randomness=nature.randomness,
        discovery=discovery,
    )
    log = TransparencyLog(
        replayed.store,
        replayed.tree,
        replayed.newest_checkpoint,
        origin=log_origin(views.license.cluster_id, local.peer.peer_id, views.epoch),
        signer=key.signer,
        bus=bus,
        clock=nature.clock,
        reader=reader,
    )
    return Agent(bus=bus, views=views, local=local, peering=Peering(local, log, around), log=log)
