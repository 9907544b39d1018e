"""
Checkpoints: what an agent signs about its log at one moment.

    membership/<cluster id>/<peer id>/<epoch>     the origin, which is the key's name too
    <size>                                        how many entries the log has
    <root>                                        base64 of the root over them

A log must never sign two checkpoints of which one does not begin the other. An agent that lost the
end of its log, and cannot get it back, begins a new epoch, which is another origin: under
the old one it would contradict what it said.

Lines after the third are read past and never written: no auditor could check them.

Source: C2SP tlog-checkpoint.
"""

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass

from membership.proof.merkle import HASH_BYTES
from membership.proof.note import (
    ED25519,
    InvalidNote,
    Note,
    VerifierKey,
    is_key_name,
    parse_note,
    sign_note,
    verify_note,
)
from membership.proof.signing import Signer

FIRST_EPOCH = 0
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_LINES = 3


class InvalidCheckpoint(InvalidNote):
    """The text of the note is no checkpoint, or one of another log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """
    The state of a log at one size.

    Attributes:
        size: How many entries it had.
        root: The root of the Merkle tree over them, 32 bytes.
    """

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedCheckpoint:
    """A checkpoint whose log's signature was verified, and the note that it came in."""

    checkpoint: Checkpoint
    note: Note

    @property
    def size(self) -> int:
        """How many entries the log had."""
        return self.checkpoint.size


def log_origin(cluster_id: bytes, peer_id: str, epoch: int = FIRST_EPOCH) -> str:
    """Return what an agent's log is called: the first line of its checkpoints."""
    return f"membership/{cluster_id.hex()}/{peer_id}/{epoch}"


def epoch_of(origin: str, cluster_id: bytes, peer_id: str) -> int:
    """Return the epoch in an agent's *origin*; raises `InvalidCheckpoint` if it is another's."""
    epoch = origin.removeprefix(f"membership/{cluster_id.hex()}/{peer_id}/")
    if _SIZE.fullmatch(epoch) is None:
        message = f"{origin[:200]} is not the log of {peer_id}"
        raise InvalidCheckpoint(message)
    return int(epoch)


def log_key(origin: str, public_key: bytes) -> VerifierKey:
    """Return the key that the checkpoints of *origin* verify with."""
    return VerifierKey(origin, ED25519, public_key)


def parse_checkpoint(text: str) -> Checkpoint:
    """Return the checkpoint in a note's *text*; raises `InvalidCheckpoint`."""
    lines = text.removesuffix("\n").split("\n")
    if len(lines) < _LINES or not text.endswith("\n") or not all(lines):
        message = "a checkpoint is an origin, a size and a root, one a line"
        raise InvalidCheckpoint(message)
    origin, size, encoded_root = lines[:_LINES]
    if not is_key_name(origin):
        message = "an origin has no spaces and no plus"
        raise InvalidCheckpoint(message)
    if _SIZE.fullmatch(size) is None:
        message = "a size is a decimal number without leading zeroes"
        raise InvalidCheckpoint(message)
    try:
        root = b64decode(encoded_root, validate=True)
    except ValueError:
        root = b""
    if len(root) != HASH_BYTES or b64encode(root).decode() != encoded_root:
        message = f"a root is base64 of {HASH_BYTES} bytes"
        raise InvalidCheckpoint(message)
    return Checkpoint(origin=origin, size=int(size), root=root)


def sign_checkpoint(signer: Signer, checkpoint: Checkpoint) -> SignedCheckpoint:
    """Return *checkpoint* signed by its log; whether it may be said is decided elsewhere."""
    note = sign_note(signer, checkpoint.origin, checkpoint.text)
    return SignedCheckpoint(checkpoint=checkpoint, note=note)


def open_checkpoint(data: bytes, key: VerifierKey) -> SignedCheckpoint:
    """
    Return the checkpoint in a note that the log with *key* signed.

    Raises:
        InvalidNote: It is no note, or the signature is missing or false.
        InvalidCheckpoint: It is no checkpoint, or that of another log.
    """
    note = parse_note(data)
    verify_note(note, key)
    checkpoint = parse_checkpoint(note.text)
    if checkpoint.origin != key.name:
        message = f"it is a checkpoint of {checkpoint.origin}, not of {key.name}"
        raise InvalidCheckpoint(message)
    return SignedCheckpoint(checkpoint=checkpoint, note=note)
