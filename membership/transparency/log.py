"""
The transparency log of a running agent.

    events committed ──► grown ──► read their leaf hashes, grow the tree      (reader's thread)
                                   sign the new root                          (reader's thread)
                                   write the checkpoint, wait for the disk    (writer's thread)
                                   release it: to auditors, to witnesses

At most one checkpoint a second is signed, and only when the log grew. The disk comes before the
release: an agent that forgot in a crash what it said could say something else the next time, and
would have forked its own log. Nothing waits for any of this but whoever asks for a checkpoint.

Proofs, tiles and entries are given for sizes up to the newest checkpoint's: what is not signed for
is not shown. A position that was written a moment ago is covered by a checkpoint within a second.

An agent that has reason to doubt its own log is held: after a restore from a backup it has to ask
its witnesses what it signed before, and must not sign until it knows. Held, it goes on giving
what it had released already.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from membership.commands.bus import CommandBus
from membership.commands.messages import BeginEpoch, SaveLogSignatures
from membership.commands.ports import Clock
from membership.domain.events import RecordedEvent
from membership.proof.checkpoint import Checkpoint, SignedCheckpoint, log_key, sign_checkpoint
from membership.proof.note import MAX_SIGNATURES, Note, Signature, parse_note, parse_signature
from membership.proof.signing import Signer
from membership.proof.tiles import Tile, encode_entries
from membership.proof.tree import MerkleTree
from membership.store.errors import StoreError
from membership.store.event_store import EventStore
from membership.store.reader import Reader
from membership.store.rows import LogSignatures, StoredCheckpoint, StoredCosignature
from membership.store.writer import WriterStopped
from membership.transparency.retention import superseded

INTERVAL_S = 1.0
WAIT_S = 5.0
_PAGE_LEAVES = 16_384

log = logging.getLogger(__name__)


class NoCheckpoint(Exception):
    """There is no checkpoint of the wanted size, and none can be signed now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InclusionProof:
    """A leaf's hash, and the path from it to the root, from below."""

    leaf_hash: bytes
    path: Sequence[bytes]


class TransparencyLog:
    """
    Signs checkpoints of the log and proves what is in it. Lives on the event loop.

    Methods that read raise `StoreUnavailable`.

    Args:
        tree: Over the log as it was replayed; from here on it is this object's alone.
        newest: The newest checkpoint on disk, checked against the log; None for none.

    Attributes:
        key: What the checkpoints verify with; its name is the log's origin.
        newest: The newest checkpoint that was released.
        held_because: Why nothing is signed now, empty when it is.
    """

    def __init__(
        self,
        store: EventStore,
        tree: MerkleTree,
        newest: SignedCheckpoint | None,
        *,
        origin: str,
        signer: Signer,
        bus: CommandBus,
        clock: Clock,
        reader: Reader,
    ) -> None:
        self._store = store
        self._tree = tree
        self._signer = signer
        self._bus = bus
        self._clock = clock
        self._reader = reader
        self._grown = asyncio.Event()
        self._changed = asyncio.Event()
        self._closing = asyncio.Event()
        self._signing: asyncio.Task[None] | None = None
        self._is_failing = False
        self.key = log_key(origin, signer.public_key)
        self.newest = newest
        self.held_because = ""
        bus.subscribe(self._on_events)

    def start(self) -> None:
        """Begin to sign, at once when the log is longer than its newest checkpoint."""
        self._grown.set()
        self._signing = asyncio.get_running_loop().create_task(self._sign_as_it_grows())

    async def stop(self) -> None:
        """Sign for the last events, and end; the writer must still run."""
        if self._signing is not None:
            self._closing.set()
            self._grown.set()
            await self._signing
            self._signing = None
            await self._try_to_sign()

    def hold(self, reason: str) -> None:
        """
        Begin to sign nothing more until `release`; *reason* is a sentence for people.

        Called before `start`, nothing at all is signed.
        """
        self.held_because = reason
        self._announce()

    def release(self) -> None:
        """Sign again."""
        self.held_because = ""
        self._grown.set()

    async def begin_epoch(self, origin: str, epoch: int, former_checkpoint: bytes) -> None:
        """
        Sign under another *origin* from here on; what was signed before is forgotten with it.

        Raises:
            StoreUnavailable: It cannot be written down now, and stays as it was.
        """
        self.hold("it begins a new epoch")
        await self._bus.submit(BeginEpoch(epoch=epoch, former_checkpoint=former_checkpoint))
        self.key, self.newest = log_key(origin, self._signer.public_key), None
        self.release()

    async def cosignatures(self) -> Sequence[StoredCosignature]:
        """Return what each witness said last."""
        return await self._reader.run(self._store.cosignatures)

    async def save_cosignature(self, cosignature: StoredCosignature) -> None:
        """Keep what a witness said of a checkpoint; raises `StoreUnavailable`."""
        await self._bus.submit(SaveLogSignatures(signed=LogSignatures(cosignatures=[cosignature])))

    async def bears_out(self, checkpoint: Checkpoint) -> bool:
        """Return whether the log began, at that size, as the checkpoint says."""
        return await self._reader.run(partial(self._bears_out, checkpoint))

    async def checkpoint(self, size: int = 1) -> SignedCheckpoint:
        """
        Return the newest checkpoint, or wait for one of at least *size* events.

        Raises:
            NoCheckpoint: It is held, or the log has not got there within some seconds.
        """
        try:
            async with asyncio.timeout(WAIT_S):
                while self.newest is None or self.newest.size < size:
                    if self.held_because:
                        raise NoCheckpoint(self.held_because)
                    await self._changed.wait()
        except TimeoutError:
            message = f"no checkpoint of {size} events was signed within {WAIT_S:.0f} s"
            raise NoCheckpoint(message) from None
        return self.newest

    async def cosigned(self, size: int) -> Note | None:
        """Return the checkpoint of exactly *size*, with its cosignatures; None when not kept."""
        return await self._reader.run(partial(self._cosigned, size))

    async def inclusion_proof(self, index: int, size: int) -> InclusionProof:
        """Prove the leaf at *index*, from 0, to be in the first *size*; raises `IndexError`."""
        return await self._reader.run(partial(self._inclusion_proof, index, size))

    async def consistency_proof(self, first: int, second: int) -> Sequence[bytes]:
        """Prove that the first *second* leaves begin with the first *first*, at least one."""
        return await self._reader.run(partial(self._tree.consistency_proof, first, second))

    async def tile(self, tile: Tile) -> bytes:
        """Return the tile's hashes in one; raises `IndexError` beyond the log."""
        return await self._reader.run(lambda: b"".join(self._tree.tile(tile)))

    async def entries(self, tile: Tile) -> bytes:
        """Return the bundle of entries under a tile of level 0."""
        start, stop = tile.first, tile.end
        return await self._reader.run(lambda: encode_entries(self._store.leaves(start, stop)))

    def _on_events(self, _: Sequence[RecordedEvent]) -> None:
        self._grown.set()

    def _announce(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _sign_as_it_grows(self) -> None:
        while not self._closing.is_set():
            await self._grown.wait()
            self._grown.clear()
            await self._try_to_sign()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), INTERVAL_S)

    async def _try_to_sign(self) -> None:
        try:
            await self._sign_if_grown()
        except (StoreError, WriterStopped) as error:
            if not self._is_failing:
                log.warning("no checkpoint can be written now: %s", error)
            self._is_failing = True
            self._grown.set()
        except Exception:
            log.exception("no checkpoint was signed")
        else:
            self._is_failing = False

    async def _sign_if_grown(self) -> None:
        if self.held_because:
            return
        signed = await self._reader.run(self._sign)
        if signed is None:
            return
        rows = await self._reader.run(partial(self._rows, signed))
        if self.held_because or signed.checkpoint.origin != self.key.name:
            return  # Reason for doubt came up meanwhile; nobody has seen this one.
        await self._bus.submit(SaveLogSignatures(signed=rows))
        self.newest = signed
        self._announce()

    def _catch_up(self) -> MerkleTree:
        tree = self._tree
        while hashes := self._store.leaf_hashes(tree.size, tree.size + _PAGE_LEAVES):
            for hashed_leaf in hashes:
                tree.append(hashed_leaf)
        return tree

    def _bears_out(self, checkpoint: Checkpoint) -> bool:
        tree = self._catch_up()
        return checkpoint.size <= tree.size and tree.root(checkpoint.size) == checkpoint.root

    def _sign(self) -> SignedCheckpoint | None:
        """Sign the root of the log as it is, if there is anything new to say."""
        tree = self._catch_up()
        if tree.size == (self.newest.size if self.newest else 0):
            return None
        checkpoint = Checkpoint(origin=self.key.name, size=tree.size, root=tree.root())
        return sign_checkpoint(self._signer, checkpoint)

    def _rows(self, signed: SignedCheckpoint) -> LogSignatures:
        sizes = {row.size for row in self._store.checkpoints()} | {signed.size}
        cosigned = {row.size for row in self._store.cosignatures()}
        row = StoredCheckpoint(
            size=signed.size,
            root=signed.checkpoint.root,
            note=bytes(signed.note),
            signed_at_us=self._clock.now_us(),
        )
        return LogSignatures(checkpoints=[row], superseded=superseded(sorted(sizes), cosigned))

    def _cosigned(self, size: int) -> Note | None:
        notes = [row.note for row in self._store.checkpoints() if row.size == size]
        if not notes:
            return None
        return parse_note(notes[0]).signed_also_by(self._cosignatures(size))

    def _cosignatures(self, size: int) -> Sequence[Signature]:
        rows = [row for row in self._store.cosignatures() if row.size == size]
        newest_first = sorted(rows, key=lambda row: -row.received_at_us)
        return [parse_signature(row.line.rstrip("\n")) for row in newest_first[:MAX_SIGNATURES]]

    def _inclusion_proof(self, index: int, size: int) -> InclusionProof:
        path = self._tree.inclusion_proof(index, size)
        [hashed_leaf] = self._store.leaf_hashes(index, index + 1)
        return InclusionProof(leaf_hash=hashed_leaf, path=path)
