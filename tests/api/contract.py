"""
The contract as tables: what the Peers API and the design promise, call by call.

Paths name the peers of the fixture `agent`. Every successful call is also made without a token,
with one that expired, and with one that has every scope but the one that is needed.
"""

from dataclasses import dataclass, field
from typing import Any

from tests.api.agent import license_document


@dataclass(frozen=True, kw_only=True)
class Promise:
    """A call that succeeds; *keys* are exactly those of the object, or of each in the list."""

    call: str
    scope: str
    keys: frozenset[str]
    status: int = 200
    body: dict[str, Any] = field(default_factory=dict)
    records: int | None = None


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A call that fails; *given* names what was arranged before it."""

    call: str
    status: int
    code: str
    body: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    given: str = ""
    is_recorded: bool = False


PEER = frozenset({"id", "name", "public_key", "is_local", "address", "created_at"})
STANDING = PEER | {"is_active", "version"}
SERVICE = frozenset(
    {
        "id",
        "name",
        "source_peer_id",
        "target_peer_id",
        "is_active",
        "inactive_reason",
        "created_at",
    }
)
LICENSE = frozenset(
    {
        "license_id",
        "revision",
        "customer",
        "issued_at",
        "expires_at",
        "max_nodes",
        "issuer",
        "cluster_id",
        "state",
        "days_left",
        "nodes",
    }
)
STATUS = frozenset(
    {
        "observed_at",
        "peer",
        "cluster_id",
        "digest",
        "health",
        "license",
        "log_position",
        "peers",
        "introductions",
        "software",
    }
)
SYNC = frozenset({"agreed", "agreeing", "differing", "unreachable"})
ENTRY = frozenset(
    {
        *("position", "id", "type", "subject", "subject_name", "version"),
        *("occurred_at", "recorded_at", "actor", "source", "reason", "outcome"),
        *("changes", "details", "request_id", "correlation_id", "causation_id", "software"),
    }
)
DELETED = frozenset({"deleted"})
ADD = {"json": {"address": "198.51.100.7:9000"}}
NEW_SERVICE = {"json": {"name": "s", "source_peer_id": "{local}", "target_peer_id": "{other}"}}
RENEWAL = {
    "data": license_document(revision=2, max_nodes=20),
    "headers": {"Content-Type": "application/json"},
}

PROMISES = [
    Promise(call="GET /v1/peers", scope="peers.read", keys=PEER),
    Promise(call="GET /v1/peers?is_local=true", scope="peers.read", keys=PEER),
    Promise(call="GET /v1/peers?is_local=false", scope="peers.read", keys=PEER),
    Promise(call="GET /v1/peers/{remote}", scope="peers.read", keys=PEER),
    Promise(call="GET /v1/peers/{local}", scope="peers.read", keys=PEER),
    Promise(call="GET /v1/peers/self", scope="peers.read", keys=PEER),
    Promise(call="GET /v1/peers/{remote}?include_inactive=true", scope="peers.read", keys=STANDING),
    Promise(
        call="GET /v1/peers/{removed}?include_inactive=true",
        scope="peers.read",
        keys=STANDING | {"removed_at"},
    ),
    Promise(call="POST /v1/peers", scope="peers.write", keys=PEER, status=201, body=ADD, records=1),
    Promise(
        call="PUT /v1/peers/{remote}",
        scope="peers.write",
        keys=PEER,
        body={"json": {"name": "new"}},
        records=1,
    ),
    Promise(call="DELETE /v1/peers/{remote}", scope="peers.write", keys=DELETED, records=1),
    Promise(
        call="DELETE /v1/peers/self",
        scope="admin",
        keys=frozenset({"peer_id", "version", "is_active", "deactivated_at"}),
        records=1,
    ),
    Promise(call="GET /v1/services", scope="services.read", keys=SERVICE),
    Promise(call="GET /v1/services/{service}", scope="services.read", keys=SERVICE),
    Promise(
        call="POST /v1/services",
        scope="services.write",
        keys=SERVICE,
        status=201,
        body=NEW_SERVICE,
        records=1,
    ),
    Promise(call="DELETE /v1/services/{service}", scope="services.write", keys=DELETED, records=1),
    Promise(call="GET /v1/license", scope="peers.read", keys=LICENSE),
    Promise(call="PUT /v1/license", scope="admin", keys=LICENSE, body=RENEWAL, records=1),
    Promise(
        call="GET /v1/cluster/status",
        scope="peers.read",
        keys=STATUS,
    ),
    Promise(
        call="GET /v1/log/proof/inclusion?position=3",
        scope="audit.read",
        keys=frozenset({"position", "leaf_index", "size", "leaf_hash", "hashes", "checkpoint"}),
    ),
    Promise(
        call="GET /v1/log/proof/consistency?from=2",
        scope="audit.read",
        keys=frozenset({"from_size", "to_size", "hashes", "checkpoint"}),
    ),
    Promise(call="POST /v1/cluster/sync", scope="admin", keys=SYNC),
    Promise(call="POST /v1/cluster/sync?wait=60", scope="admin", keys=SYNC),
    Promise(call="GET /v1/history", scope="audit.read", keys=ENTRY),
    Promise(call="GET /v1/history?wait=60&after=1&limit=2", scope="audit.read", keys=ENTRY),
    Promise(call="GET /v1/peers/{remote}/history", scope="audit.read", keys=ENTRY),
    Promise(call="GET /v1/peers/{removed}/history", scope="audit.read", keys=ENTRY),
    Promise(
        call="GET /v1/history/diff?from=1&to=2",
        scope="audit.read",
        keys=frozenset({"from", "to", "peers", "services"}),
    ),
]

PUBLIC_CALLS = {
    "GET /livez": {"status"},
    "GET /readyz": {"status"},
    "GET /.well-known/jwks.json": {"keys"},
    "GET /v1/cluster/identity": {
        "peer_id",
        "public_key",
        "cluster_id",
        "address",
        "is_active",
        "protocol_versions",
        "log_origin",
        "log_key",
        "software",
    },
}


def _bad(call: str, **more: Any) -> Refusal:
    return Refusal(call=call, status=400, code="INVALID_REQUEST", **more)


def _missing(call: str, *, is_recorded: bool = False, **more: Any) -> Refusal:
    return Refusal(call=call, status=404, code="NOT_FOUND", is_recorded=is_recorded, **more)


def _refused(call: str, code: str, **more: Any) -> Refusal:
    return Refusal(call=call, status=422, code=code, is_recorded=True, **more)


def _json(text: bytes, content_type: str = "application/json") -> dict[str, Any]:
    return {"data": text, "headers": {"Content-Type": content_type}}


REFUSALS = [
    # Adding a peer.
    _bad("POST /v1/peers"),
    _bad("POST /v1/peers", body={"json": {}}),
    _bad("POST /v1/peers", body={"json": {"name": "n"}}),
    _bad("POST /v1/peers", body={"json": {"address": ""}}),
    _bad("POST /v1/peers", body={"json": {"address": "no port"}}),
    _bad("POST /v1/peers", body={"json": {"address": "host:99999"}}),
    _bad("POST /v1/peers", body={"json": {"address": "::1:80"}}),
    _bad("POST /v1/peers", body={"json": {"address": 7}}),
    _bad("POST /v1/peers", body={"json": {"address": None}}),
    _bad("POST /v1/peers", body={"json": {"address": "a:1", "name": "a\nb"}}),
    _bad("POST /v1/peers", body={"json": {"address": "a:1", "port": 1}}),
    _bad("POST /v1/peers", body=_json(b'{"address":"a:1","address":"b:1"}')),
    _bad("POST /v1/peers", body=_json(b"[]")),
    _bad("POST /v1/peers", body=_json(b"{")),
    _bad("POST /v1/peers", body=_json(b"null")),
    _bad("POST /v1/peers", body=_json(b'{"address":"\xff:1"}')),
    _bad("POST /v1/peers", body=_json(b'{"\\ud800":1}')),
    _bad("POST /v1/peers", body=_json(b'{"address":' + b"9" * 5000 + b"}")),
    _bad("POST /v1/peers", body=_json(b"[" * 20_000)),
    _bad("POST /v1/peers", body=_json(b'{"a":' * 1_000 + b"1" + b"}" * 1_000)),
    _bad("POST /v1/peers", body=ADD, headers={"X-Reason": "x" * 501}),
    _bad("POST /v1/peers", body=ADD, headers={"X-Correlation-Id": "a b"}),
    _bad("POST /v1/peers?dry_run=true", body=ADD),
    Refusal(
        call="POST /v1/peers",
        body={"json": {"address": "127.0.0.1:8080"}},
        status=409,
        code="ALREADY_EXISTS",
        is_recorded=True,
    ),
    Refusal(
        call="POST /v1/peers",
        body={"json": {"address": "[2001:DB8:0::1]:8080"}},
        status=409,
        code="ALREADY_EXISTS",
        is_recorded=True,
    ),
    Refusal(
        call="POST /v1/peers",
        body=ADD,
        given="known under another address",
        status=409,
        code="ALREADY_EXISTS",
        is_recorded=True,
    ),
    _refused("POST /v1/peers", "HANDSHAKE_FAILED", body=ADD, given="unreachable"),
    _refused("POST /v1/peers", "NODE_LIMIT_EXCEEDED", body=ADD, given="full"),
    _refused("POST /v1/peers", "LICENSE_MISMATCH", body=ADD, given="another licence"),
    _refused("POST /v1/peers", "LICENSE_EXPIRED", body=ADD, given="expired"),
    _refused("POST /v1/peers", "PEER_DEACTIVATED", body=ADD, given="left"),
    Refusal(call="POST /v1/peers", body=ADD, given="disk full", status=503, code="UNAVAILABLE"),
    # Reading peers.
    _missing("GET /v1/peers/{unknown}"),
    _missing("GET /v1/peers/{removed}"),
    _missing("GET /v1/peers/{removed}?include_inactive=false"),
    _missing("GET /v1/peers/nonsense"),
    _missing("GET /v1/peers/%FF"),
    _missing("GET /v1/peers/"),
    _bad("GET /v1/peers/{remote}?verbose=1"),
    _bad("GET /v1/peers?is_local=yes"),
    _bad("GET /v1/peers?is_local=True"),
    _bad("GET /v1/peers?is_local="),
    _bad("GET /v1/peers?is_local=true&is_local=true"),
    _bad("GET /v1/peers?isLocal=true"),
    _bad("GET /v1/peers?include_inactive=1"),
    _bad("GET /v1/peers?limit=0"),
    _bad("GET /v1/peers?limit=-1"),
    _bad("GET /v1/peers?limit=1e3"),
    _bad("GET /v1/peers?limit=99999"),
    _bad("GET /v1/peers?limit=%D9%A3"),
    _bad("GET /v1/peers?after={unknown}"),
    _bad("GET /v1/peers?after=x"),
    _bad("GET /v1/peers?address=nonsense"),
    _bad("GET /v1/peers?public_key=abc"),
    _bad("GET /v1/peers?name=a%00b"),
    # Naming.
    _missing("PUT /v1/peers/{unknown}", body={"json": {"name": "n"}}, is_recorded=True),
    _missing("PUT /v1/peers/{removed}", body={"json": {"name": "n"}}, is_recorded=True),
    _missing("PUT /v1/peers/nonsense", body={"json": {"name": "n"}}),
    _bad("PUT /v1/peers/{remote}", body={"json": {"name": "n" * 256}}),
    _bad("PUT /v1/peers/{remote}", body={"json": {"name": None}}),
    _bad("PUT /v1/peers/{remote}", body={"json": {"name": 1}}),
    _bad("PUT /v1/peers/{remote}", body={"json": {"address": "a:1"}}),
    _bad("PUT /v1/peers/{remote}", headers={"If-Match": "1"}),
    Refusal(
        call="PUT /v1/peers/{remote}",
        body={"json": {"name": "n"}},
        headers={"If-Match": '"9"'},
        status=412,
        code="PRECONDITION_FAILED",
        is_recorded=True,
    ),
    _refused("PUT /v1/peers/{remote}", "PEER_DEACTIVATED", given="left"),
    _refused("PUT /v1/peers/{remote}", "LICENSE_EXPIRED", given="expired"),
    # Removing.
    _missing("DELETE /v1/peers/{unknown}", is_recorded=True),
    _missing("DELETE /v1/peers/{removed}", is_recorded=True),
    _missing("DELETE /v1/peers/nonsense"),
    _refused("DELETE /v1/peers/{local}", "CANNOT_DELETE_LOCAL"),
    _refused("DELETE /v1/peers/{remote}", "PEER_DEACTIVATED", given="left"),
    _refused("DELETE /v1/peers/self", "LICENSE_EXPIRED", given="expired"),
    Refusal(
        call="DELETE /v1/peers/{remote}",
        headers={"If-Match": '"9"'},
        status=412,
        code="PRECONDITION_FAILED",
        is_recorded=True,
    ),
    Refusal(
        call="DELETE /v1/peers/self",
        headers={"If-Match": '"9"'},
        status=412,
        code="PRECONDITION_FAILED",
        is_recorded=True,
    ),
    # Services.
    _missing("GET /v1/services/{unknown}"),
    _missing("GET /v1/services/nonsense"),
    _missing("DELETE /v1/services/{unknown}", is_recorded=True),
    _bad("GET /v1/services?peer_id=nonsense"),
    _bad("GET /v1/services?is_local=true"),
    _bad("GET /v1/services?after={unknown}"),
    _bad("POST /v1/services", body={"json": {"name": "s"}}),
    _bad(
        "POST /v1/services",
        body={"json": {"name": "s", "source_peer_id": "{local}", "target_peer_id": "{local}"}},
    ),
    _bad(
        "POST /v1/services",
        body={"json": {"name": " ", "source_peer_id": "{local}", "target_peer_id": "{other}"}},
    ),
    _missing(
        "POST /v1/services",
        body={"json": {"name": "s", "source_peer_id": "{local}", "target_peer_id": "{removed}"}},
        is_recorded=True,
    ),
    _missing(
        "POST /v1/services",
        body={"json": {"name": "s", "source_peer_id": "{local}", "target_peer_id": "x"}},
        is_recorded=True,
    ),
    # The history.
    _bad("GET /v1/history?peers={remote}"),
    _bad("GET /v1/history?peer=nonsense"),
    _bad("GET /v1/history?type=peer.renamed.v1"),
    _bad("GET /v1/history?type=peer"),
    _bad("GET /v1/history?actor=operator"),
    _bad("GET /v1/history?actor=nobody:x"),
    _bad("GET /v1/history?since=yesterday"),
    _bad("GET /v1/history?since=2026-01-01T00:00:00"),
    _bad("GET /v1/history?until=1"),
    _bad("GET /v1/history?limit=0"),
    _bad("GET /v1/history?limit=1001"),
    _bad("GET /v1/history?order=newest"),
    _bad("GET /v1/history?after=-1"),
    _bad("GET /v1/history?after=1000"),
    _bad("GET /v1/history?before=0"),
    _bad("GET /v1/history?wait=61"),
    _bad("GET /v1/history?wait=1.5"),
    _bad("GET /v1/history?format=csv"),
    _bad("GET /v1/peers/{remote}/history?peer={remote}"),
    _missing("GET /v1/peers/{unknown}/history"),
    _missing("GET /v1/peers/nonsense/history"),
    _bad("GET /v1/history/stream?after=1000"),
    _bad("GET /v1/history/stream?limit=1"),
    _bad("GET /v1/history/stream?type=nonsense"),
    _bad("GET /v1/history/stream", headers={"Last-Event-ID": "1000"}),
    _bad("GET /v1/history/stream", headers={"Last-Event-ID": "x"}),
    _bad("GET /v1/history/diff"),
    _bad("GET /v1/history/diff?to=1"),
    _bad("GET /v1/history/diff?from=2&to=1"),
    _bad("GET /v1/history/diff?from=0"),
    _bad("GET /v1/history/diff?from=1&to=1000"),
    _bad("GET /v1/peers?as_of=0"),
    _bad("GET /v1/peers?as_of=1000"),
    _bad("GET /v1/peers?as_of=99999999999999999999"),
    _bad("GET /v1/peers?as_of="),
    _bad("GET /v1/peers?as_of=yesterday"),
    _bad("GET /v1/peers?as_of=2025-12-31T23:59:59Z"),
    _bad("GET /v1/peers?as_of=2026-01-01T00:00:01Z"),
    _bad("GET /v1/peers/{remote}?as_of=1000"),
    _missing("GET /v1/peers/{remote}?as_of=1"),
    _missing("GET /v1/services/{service}?as_of=1"),
    _bad("GET /v1/services?as_of=1000"),
    _bad("GET /v1/services/{service}?as_of=1000"),
    _bad("GET /v1/cluster/status?as_of=1"),
    _bad("PUT /v1/peers/{remote}?as_of=1", body={"json": {"name": "n"}}),
    # The licence.
    _refused("PUT /v1/license", "LICENSE_INVALID"),
    _refused("PUT /v1/license", "LICENSE_INVALID", body=_json(b"{}")),
    _refused("PUT /v1/license", "LICENSE_INVALID", body=_json(license_document(max_nodes=11))),
    # The log.
    _bad("GET /v1/log/checkpoint?size=1"),
    _bad("GET /v1/log/proof/inclusion"),
    _bad("GET /v1/log/proof/inclusion?position=0"),
    _bad("GET /v1/log/proof/inclusion?position=99"),
    _bad("GET /v1/log/proof/inclusion?position=%D9%A3"),
    _bad("GET /v1/log/proof/inclusion?position=1e1"),
    _bad("GET /v1/log/proof/inclusion?position=3&size=2"),
    _bad("GET /v1/log/proof/inclusion?position=3&size=99"),
    _bad("GET /v1/log/proof/inclusion?position=3&index=2"),
    _bad("GET /v1/log/proof/inclusion?position=3&position=3"),
    _bad("GET /v1/log/proof/consistency"),
    _bad("GET /v1/log/proof/consistency?from=0"),
    _bad("GET /v1/log/proof/consistency?from=-1"),
    _bad("GET /v1/log/proof/consistency?from=3&to=2"),
    _bad("GET /v1/log/proof/consistency?from=3&to=99"),
    _bad("GET /v1/log/tile/0/0"),
    _bad("GET /v1/log/tile/00/000.p/1"),
    _bad("GET /v1/log/tile/64/000.p/1"),
    _bad("GET /v1/log/tile/0/x000/000.p/1"),
    _bad("GET /v1/log/tile/0/000.p/0"),
    _bad("GET /v1/log/tile/0/000.p/256"),
    _bad("GET /v1/log/tile/0/000.p/1?fresh=1"),
    _bad("GET /v1/log/tile/entries/x"),
    _missing("GET /v1/log/tile/0/000"),
    _missing("GET /v1/log/tile/0/001.p/1"),
    _missing("GET /v1/log/tile/1/000.p/1"),
    _missing("GET /v1/log/tile/entries/000.p/99"),
    _missing("GET /v1/log/tile/63/x999/x999/999.p/1"),
    # A round with everybody.
    _bad("POST /v1/cluster/sync?wait=61"),
    _bad("POST /v1/cluster/sync?wait=-1"),
    _bad("POST /v1/cluster/sync?wait=1.5"),
    _bad("POST /v1/cluster/sync?wait="),
    _bad("POST /v1/cluster/sync?timeout=5"),
    _bad("POST /v1/cluster/sync", body={"json": {"wait": 5}}),
    _refused("POST /v1/cluster/sync", "PEER_DEACTIVATED", given="left"),
    Refusal(call="GET /v1/cluster/sync", status=405, code="METHOD_NOT_ALLOWED"),
    # The shape of requests.
    _bad("GET /v1/cluster/identity?x=1"),
    _bad("GET /v1/cluster/status?x=1"),
    _missing("GET /v2/peers"),
    _missing("POST /"),
    Refusal(call="PATCH /v1/peers/{remote}", status=405, code="METHOD_NOT_ALLOWED"),
    Refusal(call="POST /v1/peers/self", status=405, code="METHOD_NOT_ALLOWED"),
    Refusal(call="OPTIONS /v1/peers", status=405, code="METHOD_NOT_ALLOWED"),
    Refusal(
        call="POST /v1/peers",
        body=_json(b'{"address":"a:1"}', "text/plain"),
        status=415,
        code="UNSUPPORTED_MEDIA_TYPE",
    ),
    Refusal(
        call="POST /v1/peers",
        body=_json(b'{"address":"a:1"}', "application/json; charset=latin-1"),
        status=415,
        code="UNSUPPORTED_MEDIA_TYPE",
    ),
    Refusal(
        call="PUT /v1/peers/{remote}",
        body=_json(b'{"name":"' + b"n" * 65_536 + b'"}'),
        status=413,
        code="PAYLOAD_TOO_LARGE",
    ),
]
