"""What a token may allow."""

from collections.abc import Iterable

PEERS_READ = "peers.read"
PEERS_WRITE = "peers.write"
SERVICES_READ = "services.read"
SERVICES_WRITE = "services.write"
AUDIT_READ = "audit.read"
ADMIN = "admin"

SCOPES = (
    PEERS_READ,
    PEERS_WRITE,
    SERVICES_READ,
    SERVICES_WRITE,
    AUDIT_READ,
    "credentials.read",
    "credentials.write",
    ADMIN,
)
"""Every scope there is, in the order in which they are shown."""


def allowed_by(scopes: Iterable[str]) -> frozenset[str]:
    """Return the scopes that these amount to: `admin` implies all."""
    given = frozenset(scopes)
    return given.union(SCOPES) if ADMIN in given else given
