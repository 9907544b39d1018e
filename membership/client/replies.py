"""
What an agent answers, with the field names of its JSON.

Instants are RFC 3339 texts in UTC, keys base64, cluster ids hexadecimal. Fields that this version
does not know are left out, so that a newer agent may say more. How an agent stands is in
`membership.client.standing`.
"""

from dataclasses import dataclass, field, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

R = TypeVar("R")


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
    """What an agent tells everybody about itself."""

    peer_id: str
    public_key: str
    cluster_id: str
    address: str
    is_active: bool
    protocol_versions: tuple[int, ...]
    software: str


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


def decode(kind: type[R], value: object) -> R:
    """
    Return parsed JSON as *kind*, one of these classes or a tuple of one.

    Raises:
        ValueError: It is something else; the message names the field.
    """
    return cast("R", _decode(kind, value, "the body"))


def _decode(kind: object, value: object, where: str) -> object:
    if is_dataclass(kind) and isinstance(value, dict):
        construct: Any = kind
        return cast("object", construct(**_decode_fields(kind, value)))
    if get_origin(kind) is tuple and isinstance(value, list):
        return tuple(_decode(get_args(kind)[0], item, f"an item of {where}") for item in value)
    if get_origin(kind) is UnionType:
        [some] = [other for other in get_args(kind) if other is not NoneType]
        return None if value is None else _decode(some, value, where)
    # Exactly the type, since a bool is an int to isinstance.
    if type(value) is kind:
        return value
    message = f"{where} is of the kind {type(value).__name__}, which it should not be"
    raise ValueError(message)


def _decode_fields(kind: object, value: dict[str, object]) -> dict[str, object]:
    decoded = {}
    for name, hint in _hints(cast("type", kind)).items():
        if name not in value:
            message = f"{name} is missing"
            raise ValueError(message)
        decoded[name] = _decode(hint, value[name], name)
    return decoded


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
