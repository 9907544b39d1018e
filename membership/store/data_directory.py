"""
The directory that is an agent: its key, its licence, its log.

    identity.json   the peer's id and its private key; mode 0600, never copied anywhere
    license.json    the licence with its secret; mode 0600
    membership.db   the log
    history.db      the index of its history; made anew from the log when it is missing
    lock            held by the running process
    retired/<id>/   the files of former identities, kept for auditors, and their farewells

Every file is written whole under another name, synced, and renamed into place; the directory is
synced after it. A crash leaves the old file or the new one, never half of one.
"""

import fcntl
import os
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from membership.domain.errors import InvalidId
from membership.domain.values import PeerId, parse_peer_id
from membership.proof.signing import SEED_BYTES

PRIVATE_FILE_MODE = 0o600
PRIVATE_DIRECTORY_MODE = 0o700
_SHARED_WITH_OTHERS = 0o077
_RETIRED = "retired"
_FAREWELL = "farewell.record"
_RETIRED_FILES = (
    "identity.json",
    "license.json",
    "membership.db-wal",
    "membership.db-shm",
    "membership.db",
)


class DataDirectoryError(Exception):
    """Never raised itself; each message says what to do."""


class DataDirectoryLocked(DataDirectoryError):
    """Another process has the directory open."""

    def __init__(self, path: Path, holder: str) -> None:
        super().__init__(
            f"{path} is in use by another membership process{holder}; stop that one first, "
            "or give this one a directory of its own with --data-dir"
        )


class DataDirectoryUnusable(DataDirectoryError):
    """The directory or a file in it cannot be read or written."""


class NotInitialised(DataDirectoryError):
    """There is no identity in the directory yet."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} holds no agent yet; create one with: membership init --data-dir {path}"
        )


class AlreadyInitialised(DataDirectoryError):
    """There is an identity in the directory already."""

    def __init__(self, path: Path, peer_id: str) -> None:
        super().__init__(
            f"{path} already holds the agent {peer_id}; start it with: "
            f"membership serve --data-dir {path}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """An agent's id and the seed of its Ed25519 key, 32 bytes."""

    peer_id: PeerId
    seed: bytes = field(repr=False)


class DataDirectory:
    """Reads and writes the files of one agent."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database = path / "membership.db"
        self.history = path / "history.db"
        self._identity = path / "identity.json"
        self._license = path / "license.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """
        Create the directory if needed and keep every other process out of it.

        The kernel gives the lock back when the process ends, however it ends.

        Raises:
            DataDirectoryLocked: Another process has it.
            DataDirectoryUnusable: It cannot be created or written.
        """
        with self._explained():
            self.path.mkdir(mode=PRIVATE_DIRECTORY_MODE, parents=True, exist_ok=True)
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, PRIVATE_FILE_MODE)
        try:
            self._take(lock)
            yield
        finally:
            os.close(lock)

    def _take(self, lock: int) -> None:
        with self._explained():
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(lock, 32, 0).decode("ascii", "replace").strip()
                named = f" (pid {holder})" if holder else ""
                raise DataDirectoryLocked(self.path, named) from None
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)

    @property
    def is_initialised(self) -> bool:
        """Whether an agent lives here."""
        return self._identity.exists()

    def read_identity(self) -> Identity:
        """
        Return the agent's identity.

        Raises:
            NotInitialised: There is none.
            DataDirectoryUnusable: It cannot be read, others can read it, or it is malformed.
        """
        if not self._identity.exists():
            raise NotInitialised(self.path)
        data = self._read_private(self._identity)
        try:
            fields = orjson.loads(data)
            seed = b64decode(fields["private_key"], validate=True)
            peer_id = parse_peer_id(fields["peer_id"])
        except (ValueError, TypeError, KeyError, AttributeError, InvalidId):
            seed, peer_id = b"", PeerId("")
        if len(seed) != SEED_BYTES:
            message = (
                f"{self._identity} is damaged; restore it from a backup. Without its key the "
                "agent cannot go on, and a new identity starts with an empty directory"
            )
            raise DataDirectoryUnusable(message)
        return Identity(peer_id=peer_id, seed=seed)

    def write_identity(self, identity: Identity) -> None:
        """Write the identity, once; it never changes."""
        fields = {"peer_id": identity.peer_id, "private_key": b64encode(identity.seed).decode()}
        self._write_private(self._identity, orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE))

    def read_license(self) -> bytes:
        """Return the licence document; raises `DataDirectoryUnusable`."""
        return self._read_private(self._license)

    def write_license(self, document: bytes) -> None:
        """Replace the licence document; raises `DataDirectoryUnusable`."""
        self._write_private(self._license, document)

    def retire(self, peer_id: PeerId) -> Path:
        """Move the files of an identity that has left to `retired/<id>/` and return that."""
        target = self.path / _RETIRED / peer_id
        with self._explained():
            target.mkdir(mode=PRIVATE_DIRECTORY_MODE, parents=True, exist_ok=True)
            # The identity goes first: whatever else a crash leaves behind, no agent can start
            # with the old key and an empty log.
            for name in _RETIRED_FILES:
                if (self.path / name).exists():
                    (self.path / name).rename(target / name)
                    _sync(target)
            _sync(self.path)
        return target

    def write_farewell(self, peer_id: PeerId, record: bytes) -> None:
        """Keep the signed record of an identity that is about to be retired."""
        target = self.path / _RETIRED / peer_id
        with self._explained():
            target.mkdir(mode=PRIVATE_DIRECTORY_MODE, parents=True, exist_ok=True)
        self._write_private(target / _FAREWELL, record)

    def farewells(self) -> Sequence[bytes]:
        """Return the last records of all retired identities, oldest first."""
        files = sorted((self.path / _RETIRED).glob(f"*/{_FAREWELL}"))
        return [self._read_private(file) for file in files]

    def retired_license(self) -> bytes | None:
        """Return the licence of the identity that was retired last."""
        files = sorted((self.path / _RETIRED).glob(f"*/{self._license.name}"))
        return self._read_private(files[-1]) if files else None

    def finish_retirement(self) -> None:
        """Move what a crash in the middle of `retire` left behind."""
        if self.is_initialised or not self.database.exists():
            return
        for retired in sorted((self.path / _RETIRED).glob("*/identity.json")):
            if not (retired.parent / self.database.name).exists():
                self.retire(PeerId(retired.parent.name))
                return

    def _read_private(self, path: Path) -> bytes:
        with self._explained():
            mode = path.stat().st_mode
            if mode & _SHARED_WITH_OTHERS:
                message = f"{path} can be read by others; run: chmod 600 {path}"
                raise DataDirectoryUnusable(message)
            return path.read_bytes()

    def _write_private(self, path: Path, data: bytes) -> None:
        with self._explained():
            write_private_file(path, data)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            message = f"{error.filename or self.path}: {error.strerror}"
            raise DataDirectoryUnusable(message) from error


def write_private_file(path: Path, data: bytes) -> None:
    """
    Write *data* to *path* whole or not at all, readable by its owner alone, and sync it.

    Raises:
        OSError: The file system refuses.
    """
    partial = path.with_name(path.name + ".partial")
    # One that is there already, from a crash or laid out by somebody else, keeps its own mode.
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE_MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
