"""The directory that is an agent: locked, private, never half written."""

import os
import resource
import shutil
import signal
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest

from membership.domain.values import PeerId
from membership.store.data_directory import (
    DataDirectory,
    DataDirectoryLocked,
    DataDirectoryUnusable,
    Identity,
    NotInitialised,
    write_private_file,
)

ROOT = Path(__file__).parents[2]
IDENTITY = Identity(peer_id=PeerId("01KC0000000000000000000001"), seed=b"\x07" * 32)
FILES = (
    "identity.json",
    "license.json",
    "membership.db-wal",
    "membership.db-shm",
    "membership.db",
)
"""In the order in which they are retired."""

_HOLDER = """
import sys
from pathlib import Path
from membership.store.data_directory import DataDirectory
with DataDirectory(Path(sys.argv[1])).locked():
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def directory(tmp_path: Path) -> DataDirectory:
    return DataDirectory(tmp_path / "data")


@pytest.fixture
def filled(directory: DataDirectory) -> DataDirectory:
    """Return a directory with everything that an agent has."""
    with directory.locked():
        directory.write_identity(IDENTITY)
        directory.write_license(b"{}")
    for name in FILES[2:]:
        (directory.path / name).write_bytes(name.encode())
    return directory


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@contextmanager
def _held_by_another_process(directory: DataDirectory) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(directory.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        try:
            yield holder
        finally:
            holder.kill()


# Locking


def test_a_directory_is_created_for_its_owner_alone(directory: DataDirectory) -> None:
    before = os.umask(0)
    try:
        with directory.locked():
            directory.write_identity(IDENTITY)
            directory.write_license(b"{}")
    finally:
        os.umask(before)
    assert _mode(directory.path) == 0o700
    for name in ("identity.json", "license.json", "lock"):
        assert _mode(directory.path / name) == 0o600


def test_another_process_is_kept_out_and_told_who_is_in(directory: DataDirectory) -> None:
    with (
        _held_by_another_process(directory) as holder,
        pytest.raises(DataDirectoryLocked, match=rf"pid {holder.pid}\).*--data-dir"),
        directory.locked(),
    ):
        pytest.fail("two processes are in one directory")


def test_the_lock_is_free_when_its_process_was_killed(directory: DataDirectory) -> None:
    with _held_by_another_process(directory) as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with directory.locked():
            assert (directory.path / "lock").read_text() == f"{os.getpid()}\n"


def test_the_lock_is_free_when_the_process_is_done_with_it(directory: DataDirectory) -> None:
    for _ in range(2):
        with directory.locked():
            pass


def test_the_lock_keeps_the_same_process_out_as_well(directory: DataDirectory) -> None:
    with directory.locked(), pytest.raises(DataDirectoryLocked), directory.locked():
        pytest.fail("locked twice")


def test_the_lock_is_given_back_after_an_error(directory: DataDirectory) -> None:
    def fail() -> None:
        with directory.locked():
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    with directory.locked():
        pass


def test_being_locked_out_does_not_take_the_holders_name_away(directory: DataDirectory) -> None:
    with _held_by_another_process(directory) as holder:
        for _ in range(2):
            with pytest.raises(DataDirectoryLocked, match=str(holder.pid)), directory.locked():
                pass


@pytest.mark.parametrize("obstacle", ["file", "below a file", "lock is a directory"])
def test_a_directory_that_cannot_be_made_is_unusable(
    directory: DataDirectory, obstacle: str
) -> None:
    if obstacle == "file":
        directory.path.write_bytes(b"")
    elif obstacle == "below a file":
        directory.path.write_bytes(b"")
        directory = DataDirectory(directory.path / "data")
    else:
        (directory.path / "lock").mkdir(parents=True)
    with pytest.raises(DataDirectoryUnusable, match=str(directory.path)), directory.locked():
        pass


# The identity


def test_an_empty_directory_holds_no_agent_and_says_how_to_make_one(
    directory: DataDirectory,
) -> None:
    assert not directory.is_initialised
    with pytest.raises(NotInitialised, match="membership init --data-dir"):
        directory.read_identity()


def test_an_identity_is_read_as_it_was_written(filled: DataDirectory) -> None:
    assert filled.is_initialised
    assert filled.read_identity() == IDENTITY


def test_the_key_is_not_in_the_text_of_an_identity() -> None:
    assert "\\x07" not in repr(IDENTITY)
    assert b64encode(IDENTITY.seed).decode() not in repr(IDENTITY)


def _identity_file(**changes: object) -> bytes:
    fields = {"peer_id": IDENTITY.peer_id, "private_key": b64encode(IDENTITY.seed).decode()}
    return orjson.dumps(fields | changes)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"7",
        b'"text"',
        b"{}",
        b"[" * 10_000,
        _identity_file(peer_id="no ulid"),
        _identity_file(peer_id=7),
        _identity_file(peer_id=None),
        _identity_file(private_key="!!!"),
        _identity_file(private_key="é"),
        _identity_file(private_key=7),
        _identity_file(private_key=None),
        _identity_file(private_key=[]),
        _identity_file(private_key=b64encode(b"\x07" * 31).decode()),
        _identity_file(private_key=b64encode(b"\x07" * 33).decode()),
        _identity_file()[:-9],
    ],
)
def test_a_damaged_identity_is_unusable_and_its_key_is_not_repeated(
    directory: DataDirectory, data: bytes
) -> None:
    directory.path.mkdir()
    write_private_file(directory.path / "identity.json", data)
    with pytest.raises(DataDirectoryUnusable, match="restore it from a backup") as caught:
        directory.read_identity()
    assert b64encode(IDENTITY.seed).decode()[:12] not in str(caught.value)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o601, 0o660, 0o777])
@pytest.mark.parametrize("name", ["identity.json", "license.json"])
def test_a_private_file_that_others_can_open_is_refused(
    filled: DataDirectory, name: str, mode: int
) -> None:
    (filled.path / name).chmod(mode)
    read = filled.read_identity if name == "identity.json" else filled.read_license
    with pytest.raises(DataDirectoryUnusable, match="chmod 600"):
        read()


def test_a_private_file_that_its_owner_may_only_read_is_fine(filled: DataDirectory) -> None:
    (filled.path / "identity.json").chmod(0o400)
    assert filled.read_identity() == IDENTITY


def test_a_missing_licence_is_unusable_and_named(filled: DataDirectory) -> None:
    (filled.path / "license.json").unlink()
    with pytest.raises(DataDirectoryUnusable, match=r"license\.json"):
        filled.read_license()


def test_an_identity_that_is_a_directory_is_unusable(directory: DataDirectory) -> None:
    (directory.path / "identity.json").mkdir(parents=True, mode=0o700)
    with pytest.raises(DataDirectoryUnusable, match=r"identity\.json"):
        directory.read_identity()


# Writing


def test_a_licence_is_replaced_whole(filled: DataDirectory) -> None:
    filled.write_license(b"renewed")
    assert filled.read_license() == b"renewed"
    assert not list(filled.path.glob("*.partial"))


def test_a_disk_that_is_full_leaves_the_old_file_and_nothing_beside_it(
    filled: DataDirectory,
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, hard))
    try:
        with pytest.raises(DataDirectoryUnusable):
            filled.write_license(b"x" * 4_096)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert filled.read_license() == b"{}"
    assert not list(filled.path.glob("*.partial"))


def test_a_file_that_cannot_be_put_in_place_leaves_nothing_beside_it(
    directory: DataDirectory,
) -> None:
    (directory.path / "license.json" / "in the way").mkdir(parents=True)
    with pytest.raises(DataDirectoryUnusable, match=r"license\.json"):
        directory.write_license(b"{}")
    assert not list(directory.path.glob("*.partial"))


def test_what_a_crash_left_of_a_file_does_not_lend_it_its_mode(tmp_path: Path) -> None:
    partial = tmp_path / "license.json.partial"
    partial.write_bytes(b"half")
    partial.chmod(0o666)
    write_private_file(tmp_path / "license.json", b"whole")
    assert _mode(tmp_path / "license.json") == 0o600
    assert (tmp_path / "license.json").read_bytes() == b"whole"


def test_a_link_laid_out_in_the_way_is_not_written_through(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"untouched")
    (tmp_path / "license.json.partial").symlink_to(elsewhere)
    write_private_file(tmp_path / "license.json", b"a secret")
    assert elsewhere.read_bytes() == b"untouched"
    assert (tmp_path / "license.json").read_bytes() == b"a secret"


# Retiring


def _is_retired(directory: DataDirectory, target: Path) -> bool:
    left = sorted(path.name for path in directory.path.iterdir())
    return left == ["lock", "retired"] and sorted(p.name for p in target.iterdir()) == sorted(FILES)


def test_the_files_of_an_identity_that_left_are_moved_aside(filled: DataDirectory) -> None:
    target = filled.retire(IDENTITY.peer_id)
    assert target == filled.path / "retired" / IDENTITY.peer_id
    assert _is_retired(filled, target)
    assert _mode(target) == 0o700
    assert _mode(target / "identity.json") == 0o600
    assert not filled.is_initialised


def test_files_that_are_not_there_are_not_missed(filled: DataDirectory) -> None:
    for name in ("membership.db-wal", "membership.db-shm"):
        (filled.path / name).unlink()
    target = filled.retire(IDENTITY.peer_id)
    assert (target / "membership.db").exists()


@pytest.mark.parametrize("done", range(len(FILES) + 1))
def test_a_retirement_that_was_cut_short_after_any_step_is_finished(
    filled: DataDirectory, done: int
) -> None:
    target = filled.path / "retired" / IDENTITY.peer_id
    target.mkdir(parents=True)
    for name in FILES[:done]:
        (filled.path / name).rename(target / name)
    filled.finish_retirement()
    if done == 0:
        assert filled.read_identity() == IDENTITY
        assert filled.database.exists()
    else:
        assert _is_retired(filled, target)
        assert not filled.is_initialised


@pytest.mark.parametrize("stuck", FILES)
def test_a_retirement_that_fails_at_any_file_can_be_finished(
    filled: DataDirectory, stuck: str
) -> None:
    target = filled.path / "retired" / IDENTITY.peer_id
    obstacle = target / stuck / "in the way"
    obstacle.mkdir(parents=True)
    with pytest.raises(DataDirectoryUnusable, match=stuck):
        filled.retire(IDENTITY.peer_id)
    assert filled.is_initialised is (stuck == "identity.json")
    shutil.rmtree(target / stuck)
    if stuck == "identity.json":
        filled.retire(IDENTITY.peer_id)
    else:
        filled.finish_retirement()
    assert _is_retired(filled, target)


def test_finishing_twice_or_without_need_changes_nothing(filled: DataDirectory) -> None:
    filled.finish_retirement()
    assert filled.read_identity() == IDENTITY
    target = filled.retire(IDENTITY.peer_id)
    filled.finish_retirement()
    filled.finish_retirement()
    assert _is_retired(filled, target)


def test_a_new_database_is_not_taken_for_that_of_an_identity_retired_before(
    filled: DataDirectory,
) -> None:
    filled.retire(IDENTITY.peer_id)
    filled.database.write_bytes(b"new")
    filled.finish_retirement()
    assert filled.database.read_bytes() == b"new"


def test_several_identities_can_be_retired(filled: DataDirectory) -> None:
    filled.retire(IDENTITY.peer_id)
    second = Identity(peer_id=PeerId("01KC0000000000000000000002"), seed=b"\x08" * 32)
    filled.write_identity(second)
    filled.database.write_bytes(b"second")
    target = filled.path / "retired" / second.peer_id
    target.mkdir(parents=True)
    (filled.path / "identity.json").rename(target / "identity.json")
    filled.finish_retirement()
    assert (target / "membership.db").read_bytes() == b"second"
    first = filled.path / "retired" / IDENTITY.peer_id
    assert (first / "membership.db").read_bytes() == b"membership.db"
