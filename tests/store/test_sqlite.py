"""The log on disk: how it is kept, what the disk does to it, and who meddled with it."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import mkdtemp

import pytest

from membership.domain.events import PeerRenamed
from membership.store.errors import AppendConflict, LogCorrupt, SchemaTooNew, StoreUnavailable
from membership.store.rows import Batch, Delivery
from membership.store.sqlite import SCHEMA_VERSION, SQLiteRecorder
from tests.domain.histories import ANN, BOB, LOCAL, added, created, id_of, licensed, record_of
from tests.store.logs import Log, open_on_disk, seated

ROOT = Path(__file__).parents[2]
LOCALS = record_of("local")


def _fill(log: Log) -> None:
    """Write five events, a seat each for two peers, and a delivery."""
    log.append(created(), licensed(max_nodes=2), seats=seated(LOCALS, capacity=2))
    delivery = Delivery(peer_id=ANN.peer_id, acked_version=1)
    log.append(added(ANN), seats=seated(ANN, capacity=2), deliveries=[delivery])
    for number in range(2):
        log.append(PeerRenamed(peer_id=LOCAL, before="", after=f"{number}"))


def _tamper(directory: Path, statement: str) -> None:
    """Change the closed database as somebody with a shell could."""
    with closing(sqlite3.connect(directory / "membership.db")) as connection, connection:
        assert connection.execute(statement).rowcount == 1


def _pragmas(recorder: SQLiteRecorder, name: str) -> Iterator[object]:
    for datastore in (recorder.datastore, recorder._reads):
        with datastore.transaction(commit=False) as cursor:
            cursor.execute(f"PRAGMA {name}")
            yield cursor.fetchone()[0]


# How it is kept


def test_a_commit_is_on_disk_when_it_returns(tmp_path: Path) -> None:
    recorder = SQLiteRecorder(tmp_path / "membership.db")
    assert list(_pragmas(recorder, "journal_mode")) == ["wal", "wal"]
    assert list(_pragmas(recorder, "synchronous")) == [2, 2], "2 is FULL"
    assert list(_pragmas(recorder, "user_version")) == [SCHEMA_VERSION] * 2
    recorder.close()


def test_everything_is_there_after_reopening(disk_log: Log, tmp_path: Path) -> None:
    _fill(disk_log)
    before = disk_log.everything()
    disk_log.store.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["membership.db"]
    again = Log(open_on_disk(tmp_path), written=disk_log.written)
    assert again.everything() == before
    with pytest.raises(AppendConflict):
        again.append(added(BOB), seats=seated(BOB))
    again.append(PeerRenamed(peer_id=LOCAL, before="", after="again"))
    assert again.events() == again.written
    again.store.close()


def test_positions_survive_a_vacuum(disk_log: Log, tmp_path: Path) -> None:
    _fill(disk_log)
    before = disk_log.everything()
    with closing(sqlite3.connect(tmp_path / "membership.db")) as connection:
        connection.execute("VACUUM")
    assert disk_log.everything() == before


@pytest.mark.parametrize("name", ["a?mode=memory", "a#b", "a%20b", "a b", "ä", "a&cache=shared"])
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    directory = tmp_path / name
    directory.mkdir()
    log = Log(open_on_disk(directory))
    log.append(created())
    log.store.close()
    assert (directory / "membership.db").stat().st_size > 0
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_relative_path_means_where_the_process_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    SQLiteRecorder(Path("membership.db")).close()
    assert (tmp_path / "membership.db").exists()


def test_readers_do_not_wait_for_a_writer(disk_log: Log) -> None:
    _fill(disk_log)
    assert isinstance(disk_log.recorder, SQLiteRecorder)
    with disk_log.recorder.datastore.transaction(commit=True) as cursor:
        cursor.execute("DELETE FROM deliveries")
        assert disk_log.events() == disk_log.written
        assert len(disk_log.store.deliveries()) == 1
    assert disk_log.store.deliveries() == []


def test_two_writers_on_one_database_do_not_overwrite_each_other(
    disk_log: Log, tmp_path: Path
) -> None:
    _fill(disk_log)
    other = Log(open_on_disk(tmp_path), written=list(disk_log.written))
    disk_log.append(PeerRenamed(peer_id=LOCAL, before="", after="first"))
    with pytest.raises(AppendConflict):
        other.append(PeerRenamed(peer_id=LOCAL, before="", after="second"))
    assert other.events() == disk_log.written
    other.store.close()


# What cannot be opened


def test_a_database_of_a_newer_version_is_left_alone(disk_log: Log, tmp_path: Path) -> None:
    _fill(disk_log)
    disk_log.store.close()
    with closing(sqlite3.connect(tmp_path / "membership.db")) as connection:
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    before = (tmp_path / "membership.db").read_bytes()
    with pytest.raises(SchemaTooNew, match="start the version that wrote it, or a newer one"):
        open_on_disk(tmp_path)
    assert (tmp_path / "membership.db").read_bytes() == before


def test_what_is_no_database_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "membership.db").write_bytes(b"these are the accounts of last year" * 100)
    with pytest.raises(StoreUnavailable, match="not a database"):
        open_on_disk(tmp_path)
    for missing in (tmp_path / "nowhere", tmp_path / "membership.db"):
        with pytest.raises(StoreUnavailable, match=f"{missing}/membership.db cannot be opened"):
            open_on_disk(missing)


# What the disk does to it

_PRELUDE = """
import os, resource, sys
from pathlib import Path
from membership.domain.events import PeerRenamed
from membership.store.errors import StoreUnavailable
from tests.domain.histories import *
from tests.store.logs import *

directory = Path(sys.argv[1])

def names():
    yield from (PeerRenamed(peer_id=LOCAL, before="", after=f"{n}" * 200) for n in range(10**6))

def is_refused(log, event):
    try:
        log.append(event)
    except StoreUnavailable:
        return True
    return False
"""

_FULL = """
log = Log(open_on_disk(directory))
log.append(created(), licensed(), seats=seated(record_of("local"), capacity=10))
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, most))
for event in names():
    if is_refused(log, event):
        break
assert len(log.written) > 5
assert is_refused(log, event), "it is still full"
assert log.events() == log.written, "reading goes on"
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
log.append(event)
log.append(added(ANN), seats=seated(ANN, capacity=10))
assert log.events() == log.written
log.store.close()
again = Log(open_on_disk(directory))
assert again.verified() == log.written
print("recovered")
"""

_READ_ONLY = """
if os.geteuid() == 0:  # Who may do everything can write to everything.
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
directory = directory / "data"
directory.mkdir()
opened = Log(open_on_disk(directory))
opened.append(created(), licensed(), seats=seated(record_of("local"), capacity=10))
(directory / "membership.db").chmod(0o444)
directory.chmod(0o555)
log = Log(open_on_disk(directory), written=opened.written)
assert log.events() == log.written, "reading goes on"
assert is_refused(log, added(ANN))
assert is_refused(log, added(ANN)), "it is still read-only"
log.store.close()
directory.chmod(0o755)
(directory / "membership.db").chmod(0o644)
log = Log(open_on_disk(directory), written=opened.written)
log.append(added(ANN), seats=seated(ANN, capacity=10))
assert log.verified() == log.written
print("recovered")
"""

_KILLED = """
log = Log(open_on_disk(directory))
log.append(created(), licensed(), seats=seated(record_of("local"), capacity=10))
log.append(added(ANN), seats=seated(ANN, capacity=10))
print("acknowledged", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def public_directory() -> Iterator[Path]:
    """Yield a directory that another user can find, unlike those of pytest."""
    directory = Path(mkdtemp(prefix="membership-"))
    directory.chmod(0o777)
    yield directory
    shutil.rmtree(directory)


def _start(script: str, directory: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-B", "-c", _PRELUDE + script, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.parametrize("script", [_FULL, _READ_ONLY], ids=["full", "read-only"])
def test_a_disk_that_refuses_writes_is_unavailable_until_it_does_not(
    public_directory: Path, script: str
) -> None:
    with _start(script, public_directory) as process:
        output, _ = process.communicate()
    assert (process.returncode, output) == (0, "recovered\n")


def test_what_was_acknowledged_survives_the_death_of_its_process(tmp_path: Path) -> None:
    with _start(_KILLED, tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "acknowledged\n"
        process.send_signal(signal.SIGKILL)
    log = Log(open_on_disk(tmp_path))
    assert [event.event for event in log.events()] == [created(), licensed(), added(ANN)]
    assert [seat.peer_id for seat in log.store.seats()] == sorted([LOCAL, ANN.peer_id])
    log.store.close()


# Who meddled with it

_SWAPPED = (
    "UPDATE stored_events SET state = (SELECT state FROM stored_events WHERE position = 4) "
    "WHERE position = 5"
)


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        ("UPDATE stored_events SET state = state || x'00' WHERE position = 3", "3 was altered"),
        ("UPDATE stored_events SET state = x'' WHERE position = 1", "1 was altered"),
        ("UPDATE stored_events SET state = 'text' WHERE position = 4", "4 was altered"),
        ("UPDATE stored_events SET state = 7 WHERE position = 4", "4 was altered"),
        (_SWAPPED, "5 was altered"),
        ("UPDATE stored_events SET leaf_hash = zeroblob(32) WHERE position = 2", "2 was altered"),
        ("UPDATE stored_events SET originator_version = 9 WHERE position = 5", "5 was altered"),
        ("UPDATE stored_events SET topic = 'peer.removed.v1' WHERE position = 3", "3 was altered"),
        (
            f"UPDATE stored_events SET originator_id = '{'0' * 32}' WHERE position = 4",
            "4 was altered",
        ),
        ("UPDATE stored_events SET originator_id = 'x' WHERE position = 4", "4 was altered"),
        ("UPDATE stored_events SET originator_id = x'00' WHERE position = 4", "4 was altered"),
        ("DELETE FROM stored_events WHERE position = 1", "1 is missing"),
        ("DELETE FROM stored_events WHERE position = 3", "3 is missing"),
        ("UPDATE stored_events SET position = 9 WHERE position = 5", "5 is missing"),
    ],
)
def test_a_log_that_was_edited_is_found_corrupt(
    disk_log: Log, tmp_path: Path, statement: str, finding: str
) -> None:
    _fill(disk_log)
    disk_log.store.close()
    _tamper(tmp_path, statement)
    log = Log(open_on_disk(tmp_path))
    tree = log.tree()
    with pytest.raises(LogCorrupt, match=f"position {finding}"):
        list(log.store.verified_events(tree))
    assert tree.size < int(finding[0]), "nothing behind it is believed"
    log.store.close()


def test_a_log_that_lost_its_end_is_not_gone_on_with(disk_log: Log, tmp_path: Path) -> None:
    _fill(disk_log)
    _tamper(tmp_path, "DELETE FROM stored_events WHERE position = 5")
    with pytest.raises(AppendConflict, match="position 5 is missing"):
        disk_log.append(PeerRenamed(peer_id=LOCAL, before="", after="x"))
    assert [event.position for event in disk_log.events()] == [1, 2, 3, 4]


def test_the_tables_themselves_refuse_what_breaks_a_rule(disk_log: Log, tmp_path: Path) -> None:
    """Also to somebody who does not go through this software."""
    _fill(disk_log)
    row = f"INSERT INTO seats VALUES ('{id_of('bob')}', ?, ?)"
    with closing(sqlite3.connect(tmp_path / "membership.db")) as connection:
        for address, key in ((ANN.address, b"k"), ("free:1", ANN.public_key), ("free:1", b"k")):
            with pytest.raises(sqlite3.IntegrityError):
                connection.execute(row, (address, key))
    disk_log.store.append(Batch())
