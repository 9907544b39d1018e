"""
What an agent answers, with the field names of its JSON.

Instants are RFC 3339 texts in UTC, keys base64, cluster ids hexadecimal. Fields that this version
does not know are left out, so that a newer agent may say more. How an agent stands is in
`membership.client.standing`.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A peer of the cluster."""

    id: str
    name: str
    public_key: str
    is_local: bool
    address: str
    created_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalPeer(Peer):
    """The agent's own peer, which may have left."""

    is_active: bool
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """The local peer has left the cluster, for good."""

    peer_id: str
    version: int
    is_active: bool
    deactivated_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service between two peers; *inactive_reason* is a sentence while it is inactive."""

    id: str
    name: str
    source_peer_id: str
    target_peer_id: str
    is_active: bool
    inactive_reason: str | None
    created_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenseUsage:
    """Where the licence stands: `valid`, `warning`, `grace` or `read_only`."""

    state: str
    expires_at: str
    days_left: int
    nodes: int
    max_nodes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class License(LicenseUsage):
    """The licence without its secret, and how much of it is used."""

    license_id: str
    revision: int
    customer: str
    issued_at: str
    issuer: str
    cluster_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """
    What an agent tells everybody about itself.

    Attributes:
        log_origin: What its log is called in checkpoints.
        log_key: What checkpoints verify with, as C2SP signed-note writes verifier keys.
    """

    peer_id: str
    public_key: str
    cluster_id: str
    address: str
    is_active: bool
    protocol_versions: tuple[int, ...]
    log_origin: str
    log_key: str
    software: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """
    What an agent signs about its log; nothing here is verified.

    Attributes:
        size: How many events the log has.
        root: The Merkle root over them, base64.
        note: The whole signed note (C2SP tlog-checkpoint), to be kept and verified.
    """

    origin: str
    size: int
    root: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InclusionProof:
    """
    The path from an event's leaf to a root (RFC 9162), to be verified.

    Attributes:
        position: The event's place in the log, from 1, as in `X-Log-Position`.
        leaf_index: The same, from 0.
        hashes: The path from below, base64.
        checkpoint: The note of exactly that size, if the agent kept one.
    """

    position: int
    leaf_index: int
    size: int
    leaf_hash: str
    hashes: tuple[str, ...]
    checkpoint: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsistencyProof:
    """
    That the log of one size begins the log of another (RFC 9162), to be verified.

    Attributes:
        hashes: The path, base64.
        checkpoint: The note of exactly the larger size, if the agent kept one.
    """

    from_size: int
    to_size: int
    hashes: tuple[str, ...]
    checkpoint: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A token and how long it lasts, in seconds."""

    access_token: str = field(repr=False)
    token_type: str
    expires_in: int
    scope: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """Something was removed."""

    deleted: bool
