"""How an agent stands, and what came of a round, as JSON: the keys of `/v1/cluster/…`."""

import orjson

from membership.api.schema import peer_fields, usage_fields
from membership.commands.ports import PeeringStatus, PursuitStatus, SelfHealth, SyncReport
from membership.domain.peer import Peer
from membership.domain.rfc3339 import rfc3339
from membership.domain.values import UnixUs
from projections.views import Views

MS_PER_S = 1_000


def encode_status(views: Views, standing: PeeringStatus, now_us: UnixUs, software: str) -> bytes:
    """Return how the agent stands: itself, its licence, and every other active peer."""
    local, license_ = views.peers.local, views.license
    return orjson.dumps(
        {
            "observed_at": rfc3339(now_us),
            "peer": peer_fields(local) | {"is_active": local.is_active, "version": local.version},
            "cluster_id": license_.cluster_id.hex(),
            "digest": standing.digest.hex(),
            "health": _own_health(standing.agent),
            "license": usage_fields(license_, len(views.peers), now_us),
            "log_position": views.position,
            "peers": [_peer(p, standing) for p in views.peers.active() if not p.is_local],
            "introductions": [_introduction(pursuit) for pursuit in standing.pursuits],
            "software": software,
        }
    )


def encode_sync(report: SyncReport) -> bytes:
    """Return who knows the same as this agent, and who does not."""
    return orjson.dumps(
        {
            "agreed": report.agreed,
            "agreeing": report.agreeing,
            "differing": report.differing,
            "unreachable": [
                {"peer_id": peer_id, "reason": reason}
                for peer_id, reason in report.unreachable.items()
            ],
        }
    )


def _own_health(health: SelfHealth) -> dict[str, object]:
    return {
        "loop_lag_ms": _milliseconds(health.loop_lag_s),
        "is_slow": health.is_slow,
        "is_cut_off": health.is_cut_off,
        "identity_conflict": health.identity_conflict or None,
    }


def _peer(peer: Peer, standing: PeeringStatus) -> dict[str, object]:
    """Return what the agent thinks of a peer, and what the peer has heard of the agent."""
    health, told = standing.health[peer.peer_id], standing.destinations[peer.peer_id]
    return {
        "peer_id": peer.peer_id,
        "name": peer.name,
        "address": peer.address,
        "reachable": health.reachable,
        "last_seen": _instant(health.last_seen_us),
        "round_trip_ms": _milliseconds(health.round_trip_s),
        "digest_equal": health.digest_equal,
        "acked_version": told.acked_version,
        "is_behind": told.is_behind,
        "undelivered_since": _instant(told.undelivered_since_us),
        "attempts": told.attempts,
        "failing_since": _instant(told.failing_since_us),
        "next_attempt_at": _instant(told.next_attempt_at_us),
        "last_error": told.last_error or health.last_error,
    }


def _introduction(pursuit: PursuitStatus) -> dict[str, object]:
    return {
        "peer_id": pursuit.peer_id,
        "name": pursuit.name,
        "address": pursuit.address,
        "introduced_by": pursuit.introduced_by,
        "attempts": pursuit.attempts,
        "last_error": pursuit.last_error,
    }


def _instant(at_us: UnixUs | None) -> str | None:
    return rfc3339(at_us) if at_us else None


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * MS_PER_S, 1)
