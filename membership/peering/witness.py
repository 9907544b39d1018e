"""
The witness: what this agent keeps of the logs of others, and what it signs for them.

Every agent shows its checkpoints to its peers. A witness keeps, for each log, the largest that it
has seen, whole, with the log's signature. It cosigns another one when it continues that one, which
the log has to prove; the new one is on the witness's disk before the cosignature leaves it. So
nobody who has a witness's cosignature can be shown another history later without the witness
knowing.

What the log cannot prove it has contradicted: two roots for one size, or a larger log that does
not begin with the smaller one. It gets no cosignature for that. An agent whose backup is old may
say such a thing without knowing better; it is answered with what the witness has, and begins a new
epoch. If it goes on instead, or says nothing for an hour, it has forked its log: both notes, which
bear its signature, are kept in an event, as evidence that convinces anybody, and there are no
more cosignatures in this epoch. Nobody is removed: to decide what it means is for people.

    witness    [note, size that the witness knows, proof, notes] → [line, note it has, notes]
    prove      [first size, second size]                         → the proof
    recall     []                                                → [note it has of the asker]

Notes of others are passed on, a few at a time, so that a log that shows one history to one witness
and another to another is found out when the two meet. A note that is of another size than the
one that is known proves nothing yet; then its log is asked to prove that the two are one.

Source: C2SP tlog-witness, carried in frames instead of over HTTP.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from membership.commands.bus import CommandBus
from membership.commands.messages import Origin, ReportFork, WitnessCheckpoint
from membership.commands.ports import Clock
from membership.domain.events import Actor
from membership.domain.values import PeerId
from membership.peering.local import LocalAgent
from membership.proof.checkpoint import epoch_of, log_key, open_checkpoint, parse_checkpoint
from membership.proof.cosignature import cosign, witness_name
from membership.proof.merkle import InvalidProof, verify_consistency
from membership.proof.note import InvalidNote, parse_note
from membership.store.rows import WitnessedHead

US_PER_S = 1_000_000
HEARING_S = 30.0
"""How long a log that was told that it contradicts itself may go on before that is a fork."""
SILENCE_S = 3_600.0
"""How long it may say nothing."""

log = logging.getLogger(__name__)


class Standing(Enum):
    """How a checkpoint stands to the one that is known of the same log."""

    FIRST = "first"
    """Nothing is known of this log, or of its present epoch."""
    SAME = "same"
    LARGER = "larger"
    """It has to prove that it continues what is known."""
    SMALLER = "smaller"
    FORMER_EPOCH = "former epoch"
    FORKED = "forked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A checkpoint of a peer's log, its signature verified; *note* is all of it, as it came."""

    peer_id: PeerId
    epoch: int
    size: int
    root: bytes
    text: str
    note: bytes


@dataclass(frozen=True, slots=True)
class Proof:
    """What a log gave for its *first* entries to begin its *second*."""

    first: int
    second: int
    path: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class _Suspicion:
    """Two notes that contradict each other, and since when, by the loop's clock."""

    shown: Shown
    known: WitnessedHead
    since_s: float


class Witness:
    """Keeps the heads of other logs; on the event loop only."""

    def __init__(self, local: LocalAgent, bus: CommandBus, clock: Clock) -> None:
        self._local = local
        self._bus = bus
        self._clock = clock
        self._heads: dict[PeerId, WitnessedHead] = {}
        self._suspicions: dict[PeerId, _Suspicion] = {}
        self._locks: defaultdict[PeerId, asyncio.Lock] = defaultdict(asyncio.Lock)

    def start(self, heads: Sequence[WitnessedHead]) -> None:
        """Take up the heads that are on disk."""
        self._heads = {head.peer_id: head for head in heads}

    def head(self, peer_id: PeerId) -> WitnessedHead | None:
        """Return the largest checkpoint that was seen of a peer's log."""
        return self._heads.get(peer_id)

    def heads(self) -> Sequence[WitnessedHead]:
        """Return all of them, by peer."""
        return [self._heads[peer_id] for peer_id in sorted(self._heads)]

    def open(self, note: bytes) -> Shown:
        """
        Return the checkpoint in a note that an agent of this cluster signed.

        Raises:
            InvalidNote: It is none, or not signed by the peer that it names.
        """
        parts = parse_checkpoint(parse_note(note).text).origin.split("/")
        peer_id = PeerId(parts[-2] if len(parts) > 1 else "")
        peer = self._local.views.peers.get(peer_id)
        if peer is None or not (peer.is_active or peer.is_local):
            message = "it is of a log of no member"
            raise InvalidNote(message)
        origin = "/".join(parts)
        epoch = epoch_of(origin, self._local.cluster_id, peer_id)
        signed = open_checkpoint(note, log_key(origin, peer.public_key))
        return Shown(
            peer_id=peer_id,
            epoch=epoch,
            size=signed.size,
            root=signed.checkpoint.root,
            text=signed.note.text,
            note=note,
        )

    async def show(self, shown: Shown, proof: Proof) -> tuple[str, bytes]:
        """
        Return the cosignature of a checkpoint that its own log shows, or none, and what is known.

        Raises:
            StoreUnavailable: It cannot be kept now.
        """
        async with self._locks[shown.peer_id]:
            is_newest = await self._keep(shown, proof)
            await self._judge(shown.peer_id, HEARING_S)
            peer = self._local.views.peers.get(shown.peer_id)
            may_sign = is_newest and peer is not None and peer.is_active and not peer.forked
            line = self._cosign(shown) if may_sign else ""
            return line, self._heads[shown.peer_id].note

    async def overhear(self, shown: Shown, proof: Proof | None) -> bool:
        """
        Take in a checkpoint that somebody passed on; return False when a proof is needed first.

        Args:
            proof: From the smaller of it and the known one to the larger; None for not asked yet.

        Raises:
            StoreUnavailable: It cannot be kept now.
        """
        async with self._locks[shown.peer_id]:
            standing, known = self._standing(shown), self._heads.get(shown.peer_id)
            if known is None or standing not in (Standing.LARGER, Standing.SMALLER):
                await self._keep(shown, Proof(0, 0, ()))
                return True
            sizes = sorted((known.size, shown.size))
            # Another note may have come while the log was asked: then this proves nothing.
            if proof is None or [proof.first, proof.second] != sizes:
                return False
            if standing is Standing.LARGER:
                await self._keep(shown, proof)
            elif not _is_continued(shown.size, shown.root, known.size, known.root, proof):
                self._suspect(shown, known)
            return True

    def is_suspected(self, peer_id: PeerId) -> bool:
        """Whether a peer's log contradicts itself, as far as this agent knows."""
        return peer_id in self._suspicions

    async def judge_the_silent(self) -> None:
        """Report the logs that had long enough to explain themselves."""
        for peer_id in list(self._suspicions):
            await self._judge(peer_id, SILENCE_S)

    def _standing(self, shown: Shown) -> Standing:
        known = self._heads.get(shown.peer_id)
        if known is None or shown.epoch > known.epoch:
            return Standing.FIRST
        if shown.epoch < known.epoch:
            return Standing.FORMER_EPOCH
        if shown.size == known.size:
            return Standing.SAME if shown.root == known.root else Standing.FORKED
        return Standing.LARGER if shown.size > known.size else Standing.SMALLER

    async def _keep(self, shown: Shown, proof: Proof) -> bool:
        """Return whether a checkpoint is the known one now, on disk; report what contradicts."""
        standing, known = self._standing(shown), self._heads.get(shown.peer_id)
        if known is not None and standing is Standing.LARGER:
            if (proof.first, proof.second) != (known.size, shown.size):
                return False  # It did not know what is known here; it is told, and comes again.
            if not _is_continued(known.size, known.root, shown.size, shown.root, proof):
                standing = Standing.FORKED
        if known is not None and standing is Standing.FORKED:
            self._suspect(shown, known)
        if standing not in (Standing.FIRST, Standing.LARGER):
            return standing is Standing.SAME
        head = WitnessedHead(
            *(shown.peer_id, shown.epoch, shown.size, shown.root, shown.note),
            self._clock.now_us(),
        )
        former = known.note if known is not None and shown.epoch > known.epoch else b""
        command = WitnessCheckpoint(head=head, former_checkpoint=former)
        await self._bus.submit(command, _origin(shown.peer_id))
        self._heads[shown.peer_id] = head
        if former:
            self._suspicions.pop(shown.peer_id, None)
        return True

    def _suspect(self, shown: Shown, known: WitnessedHead) -> None:
        now_s = asyncio.get_running_loop().time()
        self._suspicions.setdefault(shown.peer_id, _Suspicion(shown, known, now_s))

    async def _judge(self, peer_id: PeerId, patience_s: float) -> None:
        suspicion = self._suspicions.get(peer_id)
        now_s = asyncio.get_running_loop().time()
        if suspicion is None or now_s < suspicion.since_s + patience_s:
            return
        command = ReportFork(
            peer_id=peer_id,
            epoch=suspicion.shown.epoch,
            known_checkpoint=suspicion.known.note,
            other_checkpoint=suspicion.shown.note,
        )
        receipt = await self._bus.submit(command, _origin(peer_id))
        if receipt.events:
            log.error(
                "FORK: %s signed two histories of its log; both checkpoints are kept in this "
                "agent's log as evidence",
                peer_id,
            )

    def _cosign(self, shown: Shown) -> str:
        name = witness_name(self._local.cluster_id, self._local.peer.peer_id)
        time_s = self._clock.now_us() // US_PER_S
        return cosign(self._local.signer, name, shown.text, time_s).line


def _is_continued(
    first: int, first_root: bytes, second: int, second_root: bytes, proof: Proof
) -> bool:
    try:
        verify_consistency(first, second, first_root, second_root, proof.path)
    except InvalidProof:
        return False
    return True


def _origin(peer_id: PeerId) -> Origin:
    return Origin(actor=Actor(kind="peer", id=peer_id))
