"""
What clients prove themselves with when they ask for a token.

The functions that hash take about 50 ms and 64 MiB on purpose; callers run them off the loop.
"""

from collections.abc import Sequence

from nacl.exceptions import InvalidkeyError
from nacl.pwhash import argon2id

from membership.domain.events import CredentialCreated
from membership.domain.values import StreamId

NOBODY = CredentialCreated(
    client_id=StreamId("00000000000000000000000000"),
    description="",
    scopes=(),
    secret_hash="$argon2id$v=19$m=65536,t=2,p=1$"  # noqa: S106 - nothing hashes to this
    "bm9ib2R5IGhhcyB0aGlzIQ$bm8gc2VjcmV0IGlzIGhhc2hlZCB0byB0aGlzIHZhbHU",
)
"""Stands in for an unknown client, so that it takes as long to refuse as a wrong secret."""


def new_credential(
    client_id: StreamId, description: str, scopes: Sequence[str], secret: str
) -> CredentialCreated:
    """Return the credential with its secret hashed (argon2id). Blocking."""
    hashed = argon2id.str(
        secret.encode(),
        opslimit=argon2id.OPSLIMIT_INTERACTIVE,
        memlimit=argon2id.MEMLIMIT_INTERACTIVE,
    )
    return CredentialCreated(
        client_id=client_id,
        description=description,
        scopes=tuple(scopes),
        secret_hash=hashed.decode(),
    )


def secret_matches(credential: CredentialCreated, secret: str) -> bool:
    """Return whether *secret* is the credential's. Blocking."""
    try:
        return argon2id.verify(credential.secret_hash.encode(), secret.encode())
    except InvalidkeyError:
        return False
