"""
Ed25519 over DSSE's pre-authentication encoding, one payload type per role.

Every signature that an agent makes over its own structures binds a type string, so that bytes
signed for one purpose pass for nothing else. Three other formats are signed with the same key and
cannot be confused with it or each other: this encoding begins with `DSSEv1 `, a checkpoint with
`membership/`, a cosignature with `cosignature/v1` and a newline, and a JWT's signing input has
neither a space nor a slash nor a newline.

Source: DSSE v1.0.2 (secure-systems-lab/dsse, protocol.md), RFC 8032.
"""

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64
SEED_BYTES = 32


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """Return what is signed for *payload*: the type, the payload and both lengths."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


class Signer:
    """Holds an agent's private key; it can sign, and cannot be printed or pickled."""

    def __init__(self, seed: bytes) -> None:
        self._key = SigningKey(seed)
        self.public_key = bytes(self._key.verify_key)

    def sign(self, payload_type: str, payload: bytes) -> bytes:
        """Return the 64-byte signature of *payload* under *payload_type*."""
        return self.sign_bytes(pre_authentication_encoding(payload_type, payload))

    def sign_bytes(self, message: bytes) -> bytes:
        """Sign bytes that separate their domain themselves: JWTs, checkpoints, cosignatures."""
        return self._key.sign(message).signature

    def __reduce__(self) -> str:
        message = "a private key is never serialised"
        raise TypeError(message)


def is_signed_by(public_key: bytes, payload_type: str, payload: bytes, signature: bytes) -> bool:
    """Return whether *signature* is *public_key*'s over *payload* under *payload_type*."""
    if len(signature) != SIGNATURE_BYTES or len(public_key) != PUBLIC_KEY_BYTES:
        return False
    try:
        VerifyKey(public_key).verify(pre_authentication_encoding(payload_type, payload), signature)
    except (BadSignatureError, ValueError):
        return False
    return True
