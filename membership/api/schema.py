"""
What the API answers, as JSON: every key, and nothing else.

How an agent stands is in `membership.api.status_schema`, request bodies are in
`membership.api.bodies`. Instants are RFC 3339 in UTC, keys base64, cluster ids hexadecimal.
"""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence

import orjson

from membership.domain.license import US_PER_DAY, License
from membership.domain.peer import Peer, PeerStatus
from membership.domain.rfc3339 import rfc3339
from membership.domain.service import Service
from membership.domain.values import ClusterId, UnixUs
from membership.proof.note import Note, VerifierKey
from membership.transparency.log import InclusionProof

PROTOCOL_VERSIONS = (1,)
DELETED = b'{"deleted":true}'
ALIVE = b'{"status":"ok"}'


def json_array(bodies: Iterable[bytes]) -> bytes:
    """Return the array of ready bodies."""
    return b"[" + b",".join(bodies) + b"]"


def encode_peer(peer: Peer) -> bytes:
    """Return a peer as its six fields."""
    return orjson.dumps(peer_fields(peer))


def encode_peer_with_standing(peer: Peer) -> bytes:
    """Return a peer that may be gone: its six fields, and where it stands."""
    standing: dict[str, object] = {"is_active": peer.is_active, "version": peer.version}
    if not peer.is_active:
        left = peer.status is PeerStatus.LEFT
        standing["deactivated_at" if left else "removed_at"] = rfc3339(peer.ended_at_us)
    return orjson.dumps(peer_fields(peer) | standing)


def encode_departure(local: Peer) -> bytes:
    """Return what `DELETE /v1/peers/self` answers, at first and ever after."""
    return orjson.dumps(
        {
            "peer_id": local.peer_id,
            "version": local.version,
            "is_active": local.is_active,
            "deactivated_at": rfc3339(local.ended_at_us),
        }
    )


def encode_service(service: Service, inactive_reason: str | None) -> bytes:
    """Return a service; *inactive_reason* is None while it is active."""
    return orjson.dumps(
        {
            "id": service.service_id,
            "name": service.name,
            "source_peer_id": service.source_peer_id,
            "target_peer_id": service.target_peer_id,
            "is_active": inactive_reason is None,
            "inactive_reason": inactive_reason,
            "created_at": rfc3339(service.created_at_us),
        }
    )


def encode_license(license_: License, *, nodes: int, now_us: UnixUs) -> bytes:
    """Return a licence, which has no secret here, and how much of it is used."""
    return orjson.dumps(
        {
            "license_id": license_.license_id,
            "revision": license_.revision,
            "customer": license_.customer,
            "issued_at": rfc3339(license_.issued_at_us),
            "issuer": _base64(license_.issuer),
            "cluster_id": license_.cluster_id.hex(),
            **usage_fields(license_, nodes, now_us),
        }
    )


def encode_identity(
    local: Peer, cluster_id: ClusterId, *, log_key: VerifierKey, software: str
) -> bytes:
    """Return what an agent tells everybody about itself, its log's verifier key included."""
    return orjson.dumps(
        {
            "peer_id": local.peer_id,
            "public_key": _base64(local.public_key),
            "cluster_id": cluster_id.hex(),
            "address": local.claimed_address,
            "is_active": local.is_active,
            "protocol_versions": PROTOCOL_VERSIONS,
            "log_origin": log_key.name,
            "log_key": str(log_key),
            "software": software,
        }
    )


def encode_key_set(keys: Sequence[Mapping[str, str]]) -> bytes:
    """Return a JWK set (RFC 7517)."""
    return orjson.dumps({"keys": keys})


def encode_inclusion(
    proof: InclusionProof, *, position: int, size: int, checkpoint: Note | None
) -> bytes:
    """Return the proof that an event is in the log; *checkpoint* is of that size, if kept."""
    return orjson.dumps(
        {
            "position": position,
            "leaf_index": position - 1,
            "size": size,
            "leaf_hash": _base64(proof.leaf_hash),
            "hashes": [_base64(hashed) for hashed in proof.path],
            "checkpoint": _text(checkpoint),
        }
    )


def encode_consistency(
    path: Sequence[bytes], *, first: int, second: int, checkpoint: Note | None
) -> bytes:
    """Return the proof that one log begins another; *checkpoint* is of the second, if kept."""
    return orjson.dumps(
        {
            "from_size": first,
            "to_size": second,
            "hashes": [_base64(hashed) for hashed in path],
            "checkpoint": _text(checkpoint),
        }
    )


def encode_error(sentence: str, code: str, details: Mapping[str, object], request_id: str) -> bytes:
    """Return the body of every error; *details* are left out when there are none."""
    fields: dict[str, object] = {"error": sentence, "code": code}
    if details:
        fields["details"] = details
    return orjson.dumps(fields | {"request_id": request_id})


def encode_oauth_error(error: str, description: str, code: str, request_id: str) -> bytes:
    """Return an error in the words of RFC 6749, section 5.2, and in ours."""
    return orjson.dumps(
        {"error": error, "error_description": description, "code": code, "request_id": request_id}
    )


def encode_access_token(token: str, scopes: Iterable[str], ttl_s: int) -> bytes:
    """Return a new token as RFC 6749, section 5.1, wants it."""
    return orjson.dumps(
        {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": ttl_s,
            "scope": " ".join(scopes),
        }
    )


def peer_fields(peer: Peer) -> dict[str, object]:
    """Return a peer's six fields."""
    return {
        "id": peer.peer_id,
        "name": peer.name,
        "public_key": _base64(peer.public_key),
        "is_local": peer.is_local,
        "address": peer.address,
        "created_at": rfc3339(peer.created_at_us),
    }


def usage_fields(license_: License, nodes: int, now_us: UnixUs) -> dict[str, object]:
    """Return where a licence stands, and how much of it is used."""
    return {
        "state": license_.state(now_us).value,
        "expires_at": rfc3339(license_.expires_at_us),
        "days_left": max(0, license_.expires_at_us - now_us) // US_PER_DAY,
        "nodes": nodes,
        "max_nodes": license_.max_nodes,
    }


def _text(note: Note | None) -> str | None:
    return None if note is None else bytes(note).decode()


def _base64(value: bytes) -> str:
    return b64encode(value).decode()
