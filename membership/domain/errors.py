"""
Every refusal, each with its data.

    MembershipError                 never raised itself
    ├─ InvalidRequest               what the caller wrote cannot be understood
    │  ├─ InvalidId  InvalidAddress  InvalidName  InvalidPublicKey  InvalidField
    ├─ PeerNotFound  ServiceNotFound
    ├─ PeerAlreadyInCluster
    ├─ PreconditionFailed
    ├─ HandshakeFailed              with a sub-reason
    ├─ NodeLimitExceeded
    ├─ LicenseMismatch  LicenseExpired  LicenseInvalid
    ├─ CannotRemoveLocalPeer
    └─ LocalPeerDeactivated         a write on an agent that left

The API's table (`membership.api.errors`) gives each its status, code and message; a test walks
this tree and fails when one is missing there.
"""

from collections.abc import Mapping


class MembershipError(Exception):
    """A refusal. *details* holds what a program needs to know about it, never a secret."""

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.details: Mapping[str, object] = details


class InvalidRequest(MembershipError):
    """The request cannot be understood; the message says what to write instead."""


class InvalidId(InvalidRequest):
    """The text is no ULID."""

    def __init__(self, text: str) -> None:
        super().__init__("an id is a ULID: 26 characters of Crockford's base 32", id=text[:64])


class InvalidAddress(InvalidRequest):
    """The text is no `host:port`."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(f"the address {text!r} is malformed: {reason}", field="address")


class InvalidName(InvalidRequest):
    """The name is too long, or not printable."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, field="name")


class InvalidPublicKey(InvalidRequest):
    """The bytes are no Ed25519 public key."""

    def __init__(self, length: int) -> None:
        super().__init__(
            f"an Ed25519 public key has 32 bytes, this one {length}", field="public_key"
        )


class InvalidField(InvalidRequest):
    """A field or parameter is missing, unknown or of the wrong kind."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}", field=field)


class PeerNotFound(MembershipError):
    """No active peer has this id here."""

    def __init__(self, peer_id: str) -> None:
        super().__init__(f"no active peer has the id {peer_id}", peer_id=peer_id)


class ServiceNotFound(MembershipError):
    """No service has this id here."""

    def __init__(self, service_id: str) -> None:
        super().__init__(f"no service has the id {service_id}", service_id=service_id)


class PeerAlreadyInCluster(MembershipError):
    """The address, key or identity is already seated by an active peer."""

    def __init__(self, peer_id: str, what: str) -> None:
        super().__init__(
            f"this {what} already belongs to the active peer {peer_id}", peer_id=peer_id, taken=what
        )


class PreconditionFailed(MembershipError):
    """The peer changed since the caller read it."""

    def __init__(self, expected: int, actual: int) -> None:
        super().__init__(
            "the peer changed since you read it; read it again and decide again",
            expected_version=expected,
            version=actual,
        )


class HandshakeFailed(MembershipError):
    """The remote agent could not be proved to be a peer. *reason* is a stable sub-reason."""

    def __init__(self, reason: str, message: str, **details: object) -> None:
        super().__init__(message, reason=reason, **details)
        self.reason = reason


class NodeLimitExceeded(MembershipError):
    """The licence admits no further active peer; *where* is `here` or `remote`."""

    def __init__(self, limit: int, where: str = "here") -> None:
        agent = "the remote agent" if where == "remote" else "this agent"
        super().__init__(
            f"{agent} already holds the {limit} active peers that its licence allows; "
            "remove one or renew the licence with a higher limit",
            limit=limit,
            where=where,
        )
        self.limit = limit


class LicenseMismatch(MembershipError):
    """The two agents hold different licences."""

    def __init__(self, here: str, there: str) -> None:
        super().__init__(
            "the two agents hold different licences; give both the same licence file",
            cluster_id_here=here,
            cluster_id_there=there,
        )


class LicenseExpired(MembershipError):
    """The licence, and its days of grace, are over: the agent is read-only."""

    def __init__(self, expired_at: str, where: str = "here") -> None:
        agent = "the remote agent's" if where == "remote" else "this agent's"
        super().__init__(
            f"{agent} licence expired at {expired_at} and its days of grace are over; "
            "install a renewed licence",
            expired_at=expired_at,
            where=where,
        )


class LicenseInvalid(MembershipError):
    """The licence document is malformed, not signed by a trusted issuer, or no renewal."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the licence is not acceptable: {reason}")


class CannotRemoveLocalPeer(MembershipError):
    """An agent takes itself out by `DELETE /v1/peers/self` only."""

    def __init__(self, peer_id: str) -> None:
        super().__init__(
            "this is the local peer; to take it out of the cluster use DELETE /v1/peers/self",
            peer_id=peer_id,
        )


class LocalPeerDeactivated(MembershipError):
    """The local peer has left for good: its agent answers reads, and no writes."""

    def __init__(self, peer_id: str) -> None:
        super().__init__(
            "this agent has left the cluster and accepts no changes; to come back it takes a new "
            "identity: membership init --new-identity",
            peer_id=peer_id,
        )
