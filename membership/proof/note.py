"""
Signed notes: a text for people and programs, and beneath it who signed it.

    membership/9f86…/01HXYZ…/0
    42
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

    — membership/9f86…/01HXYZ…/0 Az3grlgt…

A signature line names its key by the key's name and id, four bytes of a hash over name, signature
type and public key. Lines of other keys are ignored, so that witnesses, and types of signature
that do not exist yet, can add theirs. One key may sign under two types, since their ids differ;
what keeps the signed bytes apart is their form (see `membership.proof.signing`).

A verifier key is written `<name>+<id>+<base64 of type and key>`, in one word, to be given to
auditors and put in the files of their tools.

Source: C2SP signed-note.
"""

import hashlib
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from membership.proof.signing import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, Signer

ED25519 = 0x01
COSIGNATURE_V1 = 0x04
KEY_ID_BYTES = 4
MAX_NOTE_BYTES = 1_000_000
MAX_SIGNATURES = 100
"""As many as the Go implementation takes; no tool of it could read a note with more."""

_LINE_START = "— "
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_KEY_ID = re.compile(r"[0-9a-f]{8}")


class InvalidNote(Exception):
    """It is no note, or not signed as it should be; the message says what is wrong."""


class InvalidKey(Exception):
    """The text is no verifier key."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """
    A key that signs notes.

    Attributes:
        name: Whose it is, such as a log's origin; no spaces, no plus.
        signature_type: `ED25519` or `COSIGNATURE_V1`, as the specification numbers them.
        public_key: The raw Ed25519 key, 32 bytes.
    """

    name: str
    signature_type: int
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes that stand before each of its signatures."""
        named = b"%b\n%c%b" % (self.name.encode(), self.signature_type, self.public_key)
        return hashlib.sha256(named).digest()[:KEY_ID_BYTES]

    def __str__(self) -> str:
        encoded = _base64(bytes([self.signature_type]) + self.public_key)
        return f"{self.name}+{self.key_id.hex()}+{encoded}"


def parse_key(text: str) -> VerifierKey:
    """Return the key in `<name>+<id>+<base64>`; raises `InvalidKey`."""
    name, _, rest = text.partition("+")
    written_id, _, encoded = rest.partition("+")
    try:
        material = _from_base64(encoded)
    except ValueError:
        material = b""
    if not is_key_name(name) or _KEY_ID.fullmatch(written_id) is None or not material:
        message = "a verifier key is written <name>+<8 hexadecimal digits>+<base64>"
        raise InvalidKey(message)
    key = VerifierKey(name, material[0], material[1:])
    if (
        key.signature_type not in (ED25519, COSIGNATURE_V1)
        or len(key.public_key) != PUBLIC_KEY_BYTES
    ):
        message = "only Ed25519 keys of the types 1 and 4 are known here"
        raise InvalidKey(message)
    if key.key_id.hex() != written_id:
        message = "the id in the verifier key is not that of its name and key"
        raise InvalidKey(message)
    return key


def is_key_name(name: str) -> bool:
    """Return whether a key may have this name."""
    return bool(name) and "+" not in name and not any(c.isspace() or c < " " for c in name)


class Signature(NamedTuple):
    """One line beneath a note; *value* is what the key of that name and id made."""

    name: str
    key_id: bytes
    value: bytes

    @property
    def line(self) -> str:
        """The line, with its newline."""
        return f"{_LINE_START}{self.name} {_base64(self.key_id + self.value)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text, which ends in a newline, and its signatures, verified or not."""

    text: str
    signatures: Sequence[Signature]

    def __bytes__(self) -> bytes:
        return f"{self.text}\n{''.join(signature.line for signature in self.signatures)}".encode()

    def signed_also_by(self, signatures: Iterable[Signature]) -> "Note":
        """Return the note with more lines, up to `MAX_SIGNATURES` in all."""
        return Note(self.text, [*self.signatures, *signatures][:MAX_SIGNATURES])


def parse_note(data: bytes) -> Note:
    """
    Return the note in *data*, none of its signatures verified.

    Raises:
        InvalidNote: It is malformed, or longer than any note needs to be.
    """
    if len(data) > MAX_NOTE_BYTES:
        raise InvalidNote(f"a note has at most {MAX_NOTE_BYTES} bytes")
    try:
        whole = data.decode()
    except UnicodeDecodeError:
        raise InvalidNote("a note is UTF-8") from None
    if _CONTROL.search(whole):
        raise InvalidNote("a note has no control characters but newlines")
    text, separator, lines = whole.rpartition("\n\n")
    if not separator or not lines.endswith("\n"):
        raise InvalidNote("a note is a text, an empty line, and lines of signatures")
    signatures = [parse_signature(line) for line in lines[:-1].split("\n")]
    if len(signatures) > MAX_SIGNATURES:
        raise InvalidNote(f"a note has at most {MAX_SIGNATURES} signatures")
    return Note(text + "\n", signatures)


def parse_signature(line: str) -> Signature:
    """Return the signature in a *line* without its newline; raises `InvalidNote`."""
    name, _, encoded = line.removeprefix(_LINE_START).partition(" ")
    try:
        signed = _from_base64(encoded)
    except ValueError:
        signed = b""
    is_well_formed = line.startswith(_LINE_START) and is_key_name(name)
    if not is_well_formed or len(signed) <= KEY_ID_BYTES:
        raise InvalidNote("a signature is written — <key name> <base64>")
    return Signature(name, signed[:KEY_ID_BYTES], signed[KEY_ID_BYTES:])


def sign_note(signer: Signer, name: str, text: str) -> Note:
    """Return *text* signed as an ordinary note under the key's *name*."""
    key = VerifierKey(name, ED25519, signer.public_key)
    return Note(text, [Signature(name, key.key_id, signer.sign_bytes(text.encode()))])


def verify_note(note: Note, key: VerifierKey) -> None:
    """
    Check that *key*, of the type `ED25519`, signed the note.

    Raises:
        InvalidNote: It did not, or one of the lines in its name is false.
    """
    values = signatures_by(note, key)
    if not values:
        raise InvalidNote(f"the note is not signed by {key}")
    for value in values:
        if not is_signature(key.public_key, note.text.encode(), value):
            raise InvalidNote(f"a signature in the name of {key} does not verify")


def signatures_by(note: Note, key: VerifierKey) -> Sequence[bytes]:
    """Return what stands beneath the note in the name of *key*, unverified."""
    named = (key.name, key.key_id)
    return [line.value for line in note.signatures if (line.name, line.key_id) == named]


def is_signature(public_key: bytes, message: bytes, value: bytes) -> bool:
    """Return whether *value* is an Ed25519 signature of *message*, of the right length."""
    if len(value) != SIGNATURE_BYTES:
        return False
    try:
        VerifyKey(public_key).verify(message, value)
    except (BadSignatureError, ValueError):
        return False
    return True


def _base64(value: bytes) -> str:
    return b64encode(value).decode()


def _from_base64(text: str) -> bytes:
    """Return the bytes of *text*, which has to be their one encoding; raises `ValueError`."""
    value = b64decode(text, validate=True)
    if _base64(value) != text:
        message = "not canonical"
        raise ValueError(message)
    return value
