"""
Cosignatures: a witness says that it saw a checkpoint, and when.

What is signed is the checkpoint's whole text under two lines of its own,

    cosignature/v1
    time <seconds since 1970>
    <the text of the note>

and what stands beneath the note is the time in eight bytes and the signature. It means: of all the
checkpoints of this log that I have seen, this is the largest, and it continues each of them.

The signed bytes do not name the witness; its key does. So one key is one witness.

Source: C2SP tlog-cosignature, version 1 (Ed25519).
"""

from membership.proof.note import (
    COSIGNATURE_V1,
    InvalidNote,
    Signature,
    VerifierKey,
    is_signature,
)
from membership.proof.signing import Signer

_TIME_BYTES = 8
_MAX_TIME_S = 2**63 - 1


def witness_name(cluster_id: bytes, peer_id: str) -> str:
    """Return what an agent is called as a witness of others."""
    return f"membership/{cluster_id.hex()}/{peer_id}/witness"


def witness_key(name: str, public_key: bytes) -> VerifierKey:
    """Return the key that the cosignatures of the witness *name* verify with."""
    return VerifierKey(name, COSIGNATURE_V1, public_key)


def cosignature_message(text: str, time_s: int) -> bytes:
    """Return what a witness signs of a checkpoint's *text*, newline included, at *time_s*."""
    return f"cosignature/v1\ntime {time_s}\n{text}".encode()


def cosign(signer: Signer, name: str, text: str, time_s: int) -> Signature:
    """
    Return the line that the witness *name* adds to the checkpoint with *text*.

    Whether the checkpoint continues what the witness saw before is decided, and written down,
    before this is called.
    """
    key = witness_key(name, signer.public_key)
    value = signer.sign_bytes(cosignature_message(text, time_s))
    return Signature(name, key.key_id, time_s.to_bytes(_TIME_BYTES, "big") + value)


def verify_cosignature(signature: Signature, key: VerifierKey, text: str) -> int:
    """
    Return when the witness with *key* cosigned the checkpoint with *text*, in seconds since 1970.

    Raises:
        InvalidNote: The line is another key's, or the signature is false.
    """
    if (signature.name, signature.key_id) != (key.name, key.key_id):
        raise InvalidNote(f"the line is not one of {key}")
    time_s = int.from_bytes(signature.value[:_TIME_BYTES], "big")
    message = cosignature_message(text, time_s)
    is_valid = is_signature(key.public_key, message, signature.value[_TIME_BYTES:])
    if time_s > _MAX_TIME_S or not is_valid:
        raise InvalidNote(f"the cosignature of {key} does not verify")
    return time_s
