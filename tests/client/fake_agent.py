"""An agent that says what a test wants it to say, and remembers what it was asked."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

Body = dict[str, Any]

LOCAL_ID = "01HXYZ5Y8N3Q4V7W2K9M6T1R0P"
REMOTE_ID = "01HXYZ9K2P6T4R8V1W3N5Q7Y0M"
SERVICE_ID = "01HXYZAAAAAAAAAAAAAAAAAAAA"

LOCAL: Body = {
    "id": LOCAL_ID,
    "name": "alpha",
    "public_key": "3q2+7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "is_local": True,
    "address": "192.0.2.1:8080",
    "created_at": "2026-01-31T12:00:00.123456Z",
}
REMOTE: Body = LOCAL | {
    "id": REMOTE_ID,
    "name": "",
    "is_local": False,
    "address": "[2001:db8::7]:8080",
}
DEPARTURE: Body = {
    "peer_id": LOCAL_ID,
    "version": 2,
    "is_active": False,
    "deactivated_at": "2026-01-31T12:00:00.000000Z",
}
SERVICE: Body = {
    "id": SERVICE_ID,
    "name": "backup",
    "source_peer_id": LOCAL_ID,
    "target_peer_id": REMOTE_ID,
    "is_active": True,
    "inactive_reason": None,
    "created_at": "2026-01-31T12:00:00.000000Z",
}
USAGE: Body = {
    "state": "valid",
    "expires_at": "2027-01-31T12:00:00.000000Z",
    "days_left": 365,
    "nodes": 2,
    "max_nodes": 100,
}
LICENSE: Body = USAGE | {
    "license_id": "01HXYZBBBBBBBBBBBBBBBBBBBB",
    "revision": 3,
    "customer": "Example Ltd",
    "issued_at": "2026-01-31T12:00:00.000000Z",
    "issuer": LOCAL["public_key"],
    "cluster_id": "00112233445566778899aabbccddeeff",
}
IDENTITY: Body = {
    "peer_id": LOCAL_ID,
    "public_key": LOCAL["public_key"],
    "cluster_id": LICENSE["cluster_id"],
    "address": LOCAL["address"],
    "is_active": True,
    "protocol_versions": [1],
    "log_origin": "membership/00112233445566778899aabbccddeeff/01HXYZ5Y8N3Q4V7W2K9M6T1R0P/0",
    "log_key": "membership/00112233445566778899aabbccddeeff/01HXYZ5Y8N3Q4V7W2K9M6T1R0P/0+01+AQ==",
    "software": "membership/0.1.0",
}
WELL: Body = {
    "peer_id": REMOTE_ID,
    "name": "beta",
    "address": REMOTE["address"],
    "reachable": True,
    "last_seen": "2026-01-31T12:00:03.000000Z",
    "round_trip_ms": 1.5,
    "digest_equal": True,
    "acked_version": 2,
    "is_behind": False,
    "undelivered_since": None,
    "attempts": 0,
    "failing_since": None,
    "next_attempt_at": None,
    "last_error": "",
}
DOWN: Body = WELL | {
    "reachable": False,
    "last_seen": None,
    "round_trip_ms": None,
    "digest_equal": None,
    "acked_version": 1,
    "is_behind": True,
    "undelivered_since": "2026-01-31T11:59:00.000000Z",
    "attempts": 4,
    "failing_since": "2026-01-31T12:00:00.000000Z",
    "next_attempt_at": "2026-01-31T12:00:09.000000Z",
    "last_error": "nothing listens there",
}
HEALTH: Body = {
    "loop_lag_ms": 0.4,
    "is_slow": False,
    "is_cut_off": False,
    "identity_conflict": None,
}
INTRODUCTION: Body = {
    "peer_id": SERVICE_ID,
    "name": "gamma",
    "address": "192.0.2.3:8080",
    "introduced_by": REMOTE_ID,
    "attempts": 1,
    "last_error": "the cluster is full",
}
STATUS: Body = {
    "observed_at": "2026-01-31T12:00:05.000000Z",
    "peer": LOCAL | {"is_active": True, "version": 2},
    "cluster_id": LICENSE["cluster_id"],
    "digest": "ffeeddccbbaa99887766554433221100",
    "health": HEALTH,
    "license": USAGE,
    "log_position": 7,
    "peers": [DOWN],
    "introductions": [INTRODUCTION],
    "software": "membership/0.1.0",
}
CHECKPOINT = "example.com/log\n7\ncm9vdA==\n\n— example.com/log c2lnbmF0dXJl\n"
INCLUSION: Body = {
    "position": 3,
    "leaf_index": 2,
    "size": 7,
    "leaf_hash": "bGVhZg==",
    "hashes": ["b25l", "dHdv"],
    "checkpoint": CHECKPOINT,
}
CONSISTENCY: Body = {"from_size": 3, "to_size": 7, "hashes": ["b25l"], "checkpoint": None}
AGREED: Body = {"agreed": True, "agreeing": [REMOTE_ID], "differing": [], "unreachable": []}
NOT_AGREED: Body = {
    "agreed": False,
    "agreeing": [],
    "differing": [SERVICE_ID],
    "unreachable": [{"peer_id": REMOTE_ID, "reason": "no answer within 5 seconds"}],
}
TOKEN: Body = {"access_token": "a.b.c", "token_type": "Bearer", "expires_in": 900, "scope": "admin"}
DELETED: Body = {"deleted": True}


def refusal(code: str, **details: object) -> Body:
    """Return the body of an error."""
    body: Body = {"error": "that is not how it is done", "code": code}
    return body | ({"details": details} if details else {}) | {"request_id": "R1"}


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it arrived; *call* is its method and path with query."""

    call: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> object:
        """The parsed body."""
        return json.loads(self.body)


class FakeAgent:
    """Answers each call with what was set for it, the last answer again and again."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self._answers: dict[str, list[tuple[int, bytes | str]]] = {}

    def answers(self, call: str, body: object, status: int = 200) -> None:
        """Add an answer to a call such as `GET /v1/peers`; bytes and texts go as they are."""
        raw = body if isinstance(body, bytes | str) else json.dumps(body).encode()
        self._answers.setdefault(call, []).append((status, raw))

    def app(self) -> web.Application:
        """Return the application that answers."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        return app

    async def _handle(self, request: web.Request) -> web.Response:
        call = f"{request.method} {request.path_qs}"
        self.seen.append(Seen(call, request.headers.copy(), await request.read()))
        nothing: list[tuple[int, bytes | str]] = [
            (404, b'{"error": "nothing", "code": "NOT_FOUND"}')
        ]
        queue = self._answers.get(call, nothing)
        status, body = queue.pop(0) if len(queue) > 1 else queue[0]
        headers = {"Location": "http://192.0.2.99/"} if status in range(300, 400) else {}
        return web.Response(
            status=status,
            body=body,
            content_type="text/plain" if isinstance(body, str) else "application/json",
            charset="utf-8" if isinstance(body, str) else None,
            headers=headers,
        )
