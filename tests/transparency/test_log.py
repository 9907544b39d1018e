"""When an agent signs, what it lets out, and in which order."""

import asyncio
import logging
import sqlite3
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from eventsourcing.persistence import OperationalError, StoredEvent

from membership.domain.values import PeerId, UnixUs
from membership.proof.checkpoint import open_checkpoint
from membership.proof.cosignature import cosign, verify_cosignature, witness_key
from membership.proof.merkle import verify_consistency, verify_inclusion
from membership.proof.note import MAX_SIGNATURES
from membership.proof.signing import Signer
from membership.proof.tiles import Tile, decode_entries
from membership.proof.tree import MerkleTree
from membership.store.memory import MemoryRecorder
from membership.store.rows import Batch, LogSignatures, StoredCosignature
from membership.store.sqlite import SQLiteRecorder
from membership.transparency.log import INTERVAL_S, WAIT_S, NoCheckpoint
from tests.peering.two_agents import FailingRecorder
from tests.peering.virtual_time import in_virtual_time, now_s
from tests.transparency.small_log import SIGNER, SmallLog, open_log


async def _settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def _sizes(small: SmallLog) -> list[int]:
    return [row.size for row in small.store.checkpoints()]


@in_virtual_time
async def test_a_log_that_grew_is_signed_at_once_and_then_once_a_second_at_most() -> None:
    small = open_log(MemoryRecorder())
    small.log.start()
    began = now_s()
    signed_at: list[float] = []
    for _ in range(100):
        await small.grow()
        await asyncio.sleep(0.1)
        newest = small.log.newest
        assert newest is not None
        if not signed_at or newest.size > len(signed_at):
            signed_at.append(now_s())
    sizes = _sizes(small)
    assert sizes[0] == 1, "the first event was signed for at once"
    elapsed = now_s() - began
    assert elapsed / INTERVAL_S - 1 <= len(sizes) <= elapsed / INTERVAL_S + 1
    await small.log.stop()
    assert _sizes(small)[-1] == 100


@in_virtual_time
async def test_a_log_that_does_not_grow_is_not_signed_again() -> None:
    small = open_log(MemoryRecorder())
    small.log.start()
    await small.grow(3)
    await asyncio.sleep(3 * INTERVAL_S)
    before = list(small.store.checkpoints())
    await asyncio.sleep(3_600)
    assert list(small.store.checkpoints()) == before
    assert before[-1].size == 3
    await small.log.stop()
    assert list(small.store.checkpoints()) == before


@in_virtual_time
async def test_an_empty_log_is_not_signed() -> None:
    small = open_log(MemoryRecorder())
    small.log.start()
    await asyncio.sleep(10 * INTERVAL_S)
    await small.log.stop()
    assert small.log.newest is None
    assert _sizes(small) == []


@in_virtual_time
async def test_every_checkpoint_continues_the_one_before() -> None:
    small = open_log(MemoryRecorder())
    small.log.start()
    for step in range(1, 30):
        await small.grow(step * 7)
        await asyncio.sleep(INTERVAL_S)
    rows = small.store.checkpoints()
    for earlier, later in pairwise(rows):
        path = await small.log.consistency_proof(earlier.size, later.size)
        verify_consistency(earlier.size, later.size, earlier.root, later.root, path)
        assert open_checkpoint(later.note, small.log.key).checkpoint.root == later.root
    await small.log.stop()


@in_virtual_time
async def test_what_was_written_a_moment_ago_is_worth_waiting_for() -> None:
    small = open_log(MemoryRecorder())
    small.log.start()
    await small.grow()
    await small.log.checkpoint()
    await small.grow()
    began = now_s()
    signed = await small.log.checkpoint(2)
    assert now_s() - began <= INTERVAL_S
    proof = await small.log.inclusion_proof(1, 2)
    verify_inclusion(1, 2, proof.leaf_hash, proof.path, signed.checkpoint.root)
    await small.log.stop()


@in_virtual_time
async def test_what_was_never_written_is_not_waited_for_for_ever() -> None:
    small = open_log(MemoryRecorder())
    small.log.start()
    await small.grow()
    began = now_s()
    with pytest.raises(NoCheckpoint, match="no checkpoint of 2 events"):
        await small.log.checkpoint(2)
    assert now_s() - began == pytest.approx(WAIT_S, abs=0.1)
    await small.log.stop()


class WatchedRecorder(MemoryRecorder):
    """Looks, at the moment of each write, at what was let out already."""

    def __init__(self) -> None:
        super().__init__()
        self.log: Any = None
        self.seen: list[tuple[int, int]] = []

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """Insert, and remember the size that was released and the one that is being written."""
        for row in kwargs["log_signatures"].checkpoints:
            released = self.log.newest.size if self.log.newest else 0
            self.seen.append((released, row.size))
        return super().insert_events(stored_events, **kwargs)


@in_virtual_time
async def test_a_checkpoint_is_written_before_it_is_released() -> None:
    recorder = WatchedRecorder()
    small = open_log(recorder)
    recorder.log = small.log
    small.log.start()
    for size in range(1, 4):
        await small.grow()
        assert (await small.log.checkpoint(size)).size == size
    assert recorder.seen == [(0, 1), (1, 2), (2, 3)]
    await small.log.stop()


async def test_a_checkpoint_is_on_disk_before_it_is_answered(tmp_path: Path) -> None:
    path = tmp_path / "membership.db"
    small = open_log(SQLiteRecorder(path))
    small.log.start()
    for size in range(1, 4):
        await small.grow()
        signed = await small.log.checkpoint(size)
        # Another process, which sees what is committed and nothing else.
        other = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        [(note,)] = other.execute("SELECT note FROM checkpoints WHERE size = ?", (size,))
        other.close()
        assert note == bytes(signed.note)
    await small.log.stop()
    small.store.close()


class DyingRecorder(MemoryRecorder):
    """
    A disk whose process dies when a checkpoint is written: before it is there, or after.

    Attributes:
        dies: When, None for not at all; and nothing reaches the disk from then on.
    """

    def __init__(self, dies: str) -> None:
        super().__init__()
        self.dies: str | None = dies
        self.is_dead = False

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """Insert, or die."""
        is_fatal = self.dies is not None and bool(kwargs["log_signatures"].checkpoints)
        if self.is_dead or (is_fatal and self.dies == "before"):
            self._die()
        positions = super().insert_events(stored_events, **kwargs)
        if is_fatal:
            self._die()
        return positions

    def _die(self) -> None:
        self.is_dead = True
        message = "the process is dead"
        raise OperationalError(message)

    def start_again(self) -> None:
        """Let the next process write."""
        self.dies, self.is_dead = None, False


@pytest.mark.parametrize("dies", ["before", "after"])
@in_virtual_time
async def test_nothing_is_released_that_a_crash_could_take_back(dies: str) -> None:
    recorder = DyingRecorder(dies)
    small = open_log(recorder)
    small.log.start()
    await small.grow(3)
    await _settled()
    assert recorder.is_dead
    assert small.log.newest is None
    with pytest.raises(NoCheckpoint):
        await small.log.checkpoint()
    await small.log.stop()
    assert len(recorder.checkpoints()) == (dies == "after")
    # Whatever is on disk, the next life signs the same thing again, or goes on from it.
    rows = recorder.checkpoints()
    newest = open_checkpoint(rows[-1].note, small.log.key) if rows else None
    recorder.start_again()
    again = open_log(recorder, newest)
    again.log.start()
    signed = await again.log.checkpoint()
    assert (signed.size, signed.checkpoint.root) == (3, _root_of(again))
    await again.log.stop()


def _root_of(small: SmallLog) -> bytes:
    tree = MerkleTree(small.store.leaf_hashes)
    for hashed in small.store.leaf_hashes(0, 1_000):
        tree.append(hashed)
    return tree.root()


@in_virtual_time
async def test_a_full_disk_is_told_once_and_signing_goes_on_when_there_is_room(
    caplog: pytest.LogCaptureFixture,
) -> None:
    recorder = FailingRecorder()
    small = open_log(recorder)
    await small.grow(2)
    recorder.refuses = lambda _: True
    with caplog.at_level(logging.WARNING, "membership.transparency"):
        small.log.start()
        await asyncio.sleep(10 * INTERVAL_S)
    assert [record.name for record in caplog.records] == ["membership.transparency.log"]
    assert small.log.newest is None
    recorder.refuses = lambda _: False
    assert (await small.log.checkpoint()).size == 2
    await small.log.stop()


@in_virtual_time
async def test_a_held_log_signs_nothing_and_shows_what_it_had() -> None:
    small = open_log(MemoryRecorder())
    small.log.start()
    await small.grow()
    first = await small.log.checkpoint()
    small.log.hold("restored from a backup; asking its witnesses")
    await small.grow(5)
    await asyncio.sleep(10 * INTERVAL_S)
    assert _sizes(small) == [1]
    assert await small.log.checkpoint() == first
    with pytest.raises(NoCheckpoint, match="asking its witnesses"):
        await small.log.checkpoint(6)
    small.log.release()
    assert (await small.log.checkpoint(6)).size == 6
    await small.log.stop()


@in_virtual_time
async def test_a_log_that_is_held_before_it_starts_never_signs_even_when_it_stops() -> None:
    small = open_log(MemoryRecorder())
    await small.grow(3)
    small.log.hold("restored from a backup")
    small.log.start()
    with pytest.raises(NoCheckpoint, match="restored"):
        await small.log.checkpoint()
    await small.log.stop()
    assert _sizes(small) == []


@in_virtual_time
async def test_who_waits_is_told_when_the_log_is_held() -> None:
    small = open_log(MemoryRecorder())
    small.log.start()
    waiting = asyncio.ensure_future(small.log.checkpoint())
    await _settled()
    small.log.hold("restored from a backup")
    with pytest.raises(NoCheckpoint, match="restored"):
        await waiting
    await small.log.stop()


def _line(number: int, text: str, size: int) -> StoredCosignature:
    signer = Signer(number.to_bytes(32, "big"))
    line = cosign(signer, f"witness/{number}", text, 1_767_225_600).line
    return StoredCosignature(PeerId(f"{number:026}"), size, line, UnixUs(number))


@in_virtual_time
async def test_a_checkpoint_carries_the_cosignatures_of_exactly_that_one() -> None:
    small = open_log(MemoryRecorder())
    small.log.start()
    await small.grow()
    old = await small.log.checkpoint()
    await small.grow()
    new = await small.log.checkpoint(2)
    lines = [_line(1, old.note.text, 1), *(_line(n, new.note.text, 2) for n in range(2, 150))]
    small.store.append(Batch(log_signatures=LogSignatures(cosignatures=lines)))
    note = await small.log.cosigned(2)
    assert note is not None
    assert open_checkpoint(bytes(note), small.log.key).checkpoint == new.checkpoint
    assert len(note.signatures) == MAX_SIGNATURES, "as many as every reader takes"
    names = [signature.name for signature in note.signatures[1:]]
    assert names == [f"witness/{number}" for number in range(149, 50, -1)], "newest first"
    key = witness_key("witness/149", Signer((149).to_bytes(32, "big")).public_key)
    assert verify_cosignature(note.signatures[1], key, note.text) == 1_767_225_600
    of_old = await small.log.cosigned(1)
    assert of_old is not None
    assert [signature.name for signature in of_old.signatures[1:]] == ["witness/1"]
    assert await small.log.cosigned(3) is None
    await small.log.stop()


@in_virtual_time
async def test_tiles_and_entries_are_those_of_the_log() -> None:
    small = open_log(MemoryRecorder())
    small.log.start()
    await small.grow(300)
    await small.log.checkpoint(300)
    hashes = list(small.store.leaf_hashes(0, 300))
    assert await small.log.tile(Tile(0, 0)) == b"".join(hashes[:256])
    assert await small.log.tile(Tile(0, 1, 44)) == b"".join(hashes[256:])
    assert len(await small.log.tile(Tile(1, 0, 1))) == 32
    bundle = decode_entries(await small.log.entries(Tile(0, 1, 44)))
    assert bundle == list(small.store.leaves(256, 300))
    with pytest.raises(IndexError):
        await small.log.tile(Tile(0, 1))
    await small.log.stop()


@in_virtual_time
async def test_a_checkpoint_is_signed_with_the_key_that_auditors_are_given() -> None:
    small = open_log(MemoryRecorder())
    small.log.start()
    await small.grow()
    signed = await small.log.checkpoint()
    assert small.log.key.public_key == SIGNER.public_key
    assert signed.checkpoint.origin == small.log.key.name
    assert open_checkpoint(bytes(signed.note), small.log.key) == signed
    await small.log.stop()
