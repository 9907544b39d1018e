"""
Somebody edits the files of a stopped agent. Its own start-up catches him.

What it cannot catch, an old database put back whole, is for the witnesses to find out.
"""

import shutil
import sqlite3
from pathlib import Path

import pytest

from membership import wiring
from membership.proof.checkpoint import log_key, log_origin, open_checkpoint, sign_checkpoint
from membership.proof.signing import Signer
from membership.store.data_directory import DataDirectoryUnusable
from membership.store.errors import LogCorrupt
from tests.cli.processes import END_S, started
from tests.transparency.agent_on_disk import edited, live, recompute_leaves, start_up

FORGER = Signer(b"f" * 32)


@pytest.fixture
async def data_dir(tmp_path: Path) -> Path:
    """Return the directory of an agent that lived, and lived again."""
    data_dir = tmp_path / "data"
    await live(data_dir)
    await live(data_dir)
    return data_dir


def _last(data_dir: Path) -> int:
    with edited(data_dir) as db:
        [(position,)] = db.execute("SELECT max(position) FROM stored_events")
    return int(position)


def test_an_untouched_log_passes_start_up(data_dir: Path) -> None:
    replayed = start_up(data_dir)
    newest = replayed.newest_checkpoint
    assert newest is not None
    assert newest.size == replayed.tree.size == _last(data_dir)
    assert newest.checkpoint.root == replayed.tree.root()


def _rename(db: sqlite3.Connection) -> None:
    changed = db.execute(
        "UPDATE stored_events SET state = CAST(replace(state, 'name 1', 'name X') AS BLOB) "
        "WHERE instr(state, CAST('name 1' AS BLOB))"
    )
    assert changed.rowcount > 0


def test_start_up_catches_an_edited_event(data_dir: Path) -> None:
    with edited(data_dir) as db:
        _rename(db)
    with pytest.raises(LogCorrupt, match="was altered: its bytes are not its leaf's"):
        start_up(data_dir)


def test_start_up_catches_an_edited_event_with_its_leaf_recomputed(data_dir: Path) -> None:
    with edited(data_dir) as db:
        _rename(db)
        recompute_leaves(db)
    with pytest.raises(LogCorrupt, match="is not the one that was there when this agent signed"):
        start_up(data_dir)


def test_start_up_catches_an_edited_stream_or_version_with_its_leaf_recomputed(
    data_dir: Path,
) -> None:
    with edited(data_dir) as db:
        db.execute("UPDATE stored_events SET originator_version = 99 WHERE position = 9")
        recompute_leaves(db)
    with pytest.raises(LogCorrupt, match="the log was altered"):
        start_up(data_dir)


def test_start_up_catches_a_deleted_event(data_dir: Path) -> None:
    with edited(data_dir) as db:
        db.execute("DELETE FROM stored_events WHERE position = 7")
    with pytest.raises(LogCorrupt, match="position 7 is missing"):
        start_up(data_dir)


def test_start_up_catches_a_deleted_event_with_the_gap_closed(data_dir: Path) -> None:
    with edited(data_dir) as db:
        db.execute("DELETE FROM stored_events WHERE position = 7")
        for position in range(8, _last(data_dir) + 1):
            db.execute(
                "UPDATE stored_events SET position = ? WHERE position = ?", (position - 1, position)
            )
    with pytest.raises(LogCorrupt, match="the end of the log is missing"):
        start_up(data_dir)


def test_start_up_catches_reordered_events(data_dir: Path) -> None:
    with edited(data_dir) as db:
        for before, after in ((8, 0), (9, 8), (0, 9)):
            db.execute("UPDATE stored_events SET position = ? WHERE position = ?", (after, before))
    with pytest.raises(LogCorrupt, match="the log was altered"):
        start_up(data_dir)


def test_start_up_catches_an_inserted_event(data_dir: Path) -> None:
    last = _last(data_dir)
    with edited(data_dir) as db:
        for position in range(last, 8, -1):
            db.execute(
                "UPDATE stored_events SET position = ? WHERE position = ?", (position + 1, position)
            )
        db.execute(
            "INSERT INTO stored_events SELECT 9, originator_id, 99, topic, state, leaf_hash "
            "FROM stored_events WHERE position = 8"
        )
        recompute_leaves(db)
    with pytest.raises(LogCorrupt, match="the log was altered"):
        start_up(data_dir)


def test_start_up_catches_a_tail_cut_off(data_dir: Path) -> None:
    with edited(data_dir) as db:
        db.execute("DELETE FROM stored_events WHERE position > ?", (_last(data_dir) - 1,))
    with pytest.raises(LogCorrupt, match="the end of the log is missing"):
        start_up(data_dir)


def test_start_up_catches_a_log_emptied(data_dir: Path) -> None:
    with edited(data_dir) as db:
        db.execute("DELETE FROM stored_events")
        db.execute("DELETE FROM seats")
    with pytest.raises(LogCorrupt, match="the log ends at position 0"):
        start_up(data_dir)


async def test_start_up_catches_databases_of_two_agents_swapped(
    data_dir: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    await live(other)
    aside = tmp_path / "aside"
    (data_dir / "membership.db").rename(aside)
    (other / "membership.db").rename(data_dir / "membership.db")
    aside.rename(other / "membership.db")
    for directory in (data_dir, other):
        with pytest.raises(DataDirectoryUnusable, match="the log is that of"):
            start_up(directory)


async def test_start_up_catches_the_events_of_another_agent_under_the_own_checkpoints(
    data_dir: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    await live(other, events=60)
    with edited(data_dir) as db:
        db.execute("ATTACH ? AS other", (str(other / "membership.db"),))
        db.execute("DELETE FROM stored_events")
        db.execute("INSERT INTO stored_events SELECT * FROM other.stored_events")
    with pytest.raises(LogCorrupt, match="not one that this agent signed"):
        start_up(data_dir)


async def test_start_up_catches_an_older_log_under_newer_checkpoints(
    data_dir: Path, tmp_path: Path
) -> None:
    """Restored by half: the events of a backup, and the checkpoints of today."""
    backup = tmp_path / "backup"
    shutil.copytree(data_dir, backup)
    await live(data_dir)
    with edited(data_dir) as db:
        db.execute("ATTACH ? AS backup", (str(backup / "membership.db"),))
        db.execute("DELETE FROM stored_events")
        db.execute("INSERT INTO stored_events SELECT * FROM backup.stored_events")
    with pytest.raises(LogCorrupt, match="the end of the log is missing"):
        start_up(data_dir)


def test_start_up_catches_a_rewritten_log_with_a_checkpoint_by_another_key(data_dir: Path) -> None:
    replayed = start_up(data_dir)
    assert replayed.newest_checkpoint is not None
    with edited(data_dir) as db:
        signed = sign_checkpoint(FORGER, replayed.newest_checkpoint.checkpoint)
        db.execute("UPDATE checkpoints SET note = ?", (bytes(signed.note),))
    with pytest.raises(LogCorrupt, match="not one that this agent signed"):
        start_up(data_dir)


def test_start_up_catches_a_checkpoint_row_that_says_otherwise_than_its_note(
    data_dir: Path,
) -> None:
    with edited(data_dir) as db:
        db.execute(
            "UPDATE checkpoints SET root = zeroblob(32) WHERE size = "
            "(SELECT max(size) FROM checkpoints)"
        )
    with pytest.raises(LogCorrupt, match="its note is about another state"):
        start_up(data_dir)


def test_start_up_catches_an_edit_that_only_an_older_checkpoint_tells_of(data_dir: Path) -> None:
    """The newest checkpoint is deleted with all that it would have told; an older one remains."""
    with edited(data_dir) as db:
        sizes = [size for (size,) in db.execute("SELECT size FROM checkpoints ORDER BY size")]
        assert len(sizes) >= 2
        db.execute("DELETE FROM checkpoints WHERE size = ?", (sizes[-1],))
        db.execute("UPDATE stored_events SET originator_version = 99 WHERE position = 3")
        recompute_leaves(db)
    with pytest.raises(LogCorrupt, match=f"positions 1 to {sizes[0]} "):
        start_up(data_dir)


def test_start_up_tells_between_which_positions_it_was(data_dir: Path) -> None:
    with edited(data_dir) as db:
        sizes = [size for (size,) in db.execute("SELECT size FROM checkpoints ORDER BY size")]
        position = sizes[-2] + 1
        db.execute(
            "UPDATE stored_events SET originator_version = 99 WHERE position = ?", [position]
        )
        recompute_leaves(db)
    expected = f"positions {sizes[-2] + 1} to {sizes[-1]} is not the one"
    with pytest.raises(LogCorrupt, match=expected):
        start_up(data_dir)


def test_a_rebuild_does_not_serve_the_forger_either(data_dir: Path) -> None:
    with edited(data_dir) as db:
        db.execute("DELETE FROM stored_events WHERE position = ?", (_last(data_dir),))
    with pytest.raises(LogCorrupt, match="the end of the log is missing"):
        wiring.rebuild(data_dir, progress=lambda _: None)


async def test_an_agent_that_starts_again_goes_on_where_it_was(data_dir: Path) -> None:
    before = start_up(data_dir).newest_checkpoint
    await live(data_dir)
    replayed = start_up(data_dir)
    after = replayed.newest_checkpoint
    assert before is not None
    assert after is not None
    assert after.size > before.size
    local = replayed.cluster.local
    key = log_key(log_origin(replayed.views.license.cluster_id, local.peer_id), local.public_key)
    assert open_checkpoint(bytes(after.note), key) == after
    assert replayed.tree.root(before.size) == before.checkpoint.root


def test_serve_says_in_one_sentence_why_it_does_not(data_dir: Path, tmp_path: Path) -> None:
    with edited(data_dir) as db:
        db.execute("DELETE FROM stored_events WHERE position = ?", (_last(data_dir),))
    arguments = ("serve", "--listen", "127.0.0.1:0", "--data-dir", str(data_dir))
    with started(*arguments, cwd=tmp_path) as process:
        stdout, stderr = process.communicate(timeout=END_S)
    assert process.returncode == 1
    assert stdout == ""
    assert len(stderr.splitlines()) == 1
    assert "the end of the log is missing" in stderr
    assert "put back membership.db" in stderr
