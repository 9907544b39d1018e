"""What every request may and may not bring along, on every route."""

import re
from typing import Any

import pytest
from aiohttp import web

from membership.api.app import create_app
from membership.api.arrivals import MAX_BODY_BYTES
from membership.commands.messages import ObserveRecord
from membership.domain.record import PeerRecord
from membership.domain.values import PeerId
from tests.api.agent import Agent, license_document

JSON = {"Content-Type": "application/json"}
LENIENT = {"/livez", "/readyz", "/.well-known/jwks.json", "/v1/oauth/token"}
"""Probes add what they like, and RFC 6749 (section 3.2) lets the token endpoint have a query."""


def _routes(agent: Agent) -> list[tuple[str, str]]:
    """Return the method and path of everything that is routed, with ids of the fixture."""
    routes: list[tuple[str, str]] = []
    app: web.Application = create_app(agent.context)
    for resource in app.router.resources():
        path = resource.canonical
        if path == "/{path}":
            continue
        what = "service" if "services" in path else "remote"
        path = path.replace("{id}", agent.names[what]).replace("{path}", "0/000")
        routes += [(route.method, path) for route in resource if route.method != "HEAD"]
    return routes


async def test_an_unknown_parameter_is_refused_on_every_route(agent: Agent) -> None:
    routes = [(m, p) for m, p in _routes(agent) if p not in LENIENT]
    assert ("PUT", "/v1/license") in routes
    before = agent.views.position
    for method, path in routes:
        for name in ("verbose", "LIMIT", "%20"):
            body = await agent.answer(f"{method} {path}?{name}=1", 400)
            assert body["code"] == "INVALID_REQUEST", (method, path)
            assert body["details"]["field"] == name.replace("%20", " ")
            assert "unknown parameter" in body["error"]
    assert agent.views.position == before


async def test_a_parameter_is_given_once(agent: Agent) -> None:
    for path in ("/v1/peers?limit=1&limit=1", "/v1/services?name=a&name=b"):
        body = await agent.answer(f"GET {path}", 400)
        assert body["error"].endswith("give it once")


async def test_probes_may_add_what_they_like(agent: Agent) -> None:
    for path in ("/livez?verbose", "/readyz?verbose", "/.well-known/jwks.json?v=1"):
        await agent.answer(f"GET {path}", scope=None)


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=10001", "limit=", "limit=1.0", "after=", "after=x", "name=%00", "peer_id="],
)
async def test_a_list_of_services_is_paged_and_filtered_by_what_makes_sense(
    agent: Agent, query: str
) -> None:
    assert (await agent.answer(f"GET /v1/services?{query}", 400))["code"] == "INVALID_REQUEST"


async def test_every_answer_names_its_request(agent: Agent) -> None:
    for call, status in (
        ("GET /v1/peers", 200),
        ("GET /v1/peers/nonsense", 404),
        ("PUT /v1/peers/{remote}", 200),
        ("PATCH /v1/peers", 405),
        ("GET /nowhere", 404),
    ):
        response = await agent.call(call, headers={"X-Request-Id": "req-7"})
        assert (response.status, response.headers["X-Request-Id"]) == (status, "req-7")
        own = await agent.call(call)
        assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{26}", own.headers["X-Request-Id"])


# Bodies


@pytest.mark.parametrize(
    "call", ["POST /v1/peers", "PUT /v1/peers/{remote}", "POST /v1/services", "PUT /v1/license"]
)
async def test_a_body_has_a_type_and_an_end(agent: Agent, call: str) -> None:
    before = agent.views.position
    for headers in (
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/json-patch+json"},
    ):
        body = await agent.answer(call, 415, data=b"{}", headers=headers)
        assert body["code"] == "UNSUPPORTED_MEDIA_TYPE"
        assert body["details"] == {"expected": "application/json"}
    body = await agent.answer(call, 413, data=b" " * (MAX_BODY_BYTES + 1), headers=JSON)
    assert (body["code"], body["details"]) == ("PAYLOAD_TOO_LARGE", {"limit": MAX_BODY_BYTES})
    assert agent.views.position == before


async def test_a_body_of_exactly_the_limit_is_read(agent: Agent) -> None:
    data = b'{"name": "beta"}'
    padded = data + b" " * (MAX_BODY_BYTES - len(data))
    body = await agent.answer("PUT /v1/peers/{remote}", data=padded, headers=JSON)
    assert body["name"] == "beta"


@pytest.mark.parametrize("options", [{}, {"data": b""}, {"data": b"{}"}, {"data": b" {\n} "}])
async def test_a_put_of_nothing_changes_nothing(agent: Agent, options: dict[str, Any]) -> None:
    before = agent.views.position
    for target in ("remote", "local"):
        response = await agent.call(f"PUT /v1/peers/{{{target}}}", headers=JSON, **options)
        assert response.status == 200
        assert (await response.json())["id"] == agent.names[target]
        assert response.headers["X-Log-Position"] == str(before)
    body = await agent.answer("PUT /v1/peers/{unknown}", 404, headers=JSON, **options)
    assert body["details"] == {"peer_id": agent.names["unknown"]}


async def test_a_name_is_a_label_of_up_to_255_characters(agent: Agent) -> None:
    for given, name in (("n" * 255, "n" * 255), (f"  {'🛰' * 255} ", "🛰" * 255), ("\t", "")):
        body = await agent.answer("PUT /v1/peers/{remote}", json={"name": given})
        assert body["name"] == name
    for given in ("n" * 256, "a\nb", "a\u2028b", "a\x7f"):
        body = await agent.answer("PUT /v1/peers/{remote}", 400, json={"name": given})
        assert body["details"] == {"field": "name"}
        service = {
            "name": given,
            "source_peer_id": agent.names["local"],
            "target_peer_id": agent.names["remote"],
        }
        await agent.answer("POST /v1/services", 400, json=service)
        await agent.answer("POST /v1/peers", 400, json={"address": "a:1", "name": given})


async def test_names_need_not_differ(agent: Agent) -> None:
    for target in ("remote", "other", "local"):
        body = await agent.answer(f"PUT /v1/peers/{{{target}}}", json={"name": "same"})
        assert body["name"] == "same"
    assert len(await agent.answer("GET /v1/peers?name=same")) == 3


# Conditions


@pytest.mark.parametrize(
    "condition",
    [
        "1",
        '"',
        '""',
        '"a"',
        '"-1"',
        '"1.0"',
        'W/"1"',
        '"1", "2"',
        f'"{"9" * 16}"',
        '"\u00b9"',
        "null",
    ],
)
async def test_a_condition_is_one_version_in_quotes(agent: Agent, condition: str) -> None:
    before = agent.views.position
    headers = {"If-Match": condition}
    for call in ("PUT /v1/peers/{remote}", "DELETE /v1/peers/{remote}", "DELETE /v1/peers/self"):
        body = await agent.answer(call, 400, headers=headers)
        assert body["details"] == {"field": "If-Match"}
    assert agent.views.position == before


async def test_a_condition_is_checked_even_if_nothing_would_change(agent: Agent) -> None:
    for call in ("PUT /v1/peers/{remote}", "PUT /v1/peers/{local}"):
        await agent.answer(call, headers={"If-Match": '"1"'})
        await agent.answer(call, headers={"If-Match": "*"})
        body = await agent.answer(call, 412, headers={"If-Match": '"2"'})
        assert body["details"] == {"expected_version": 2, "version": 1}


async def test_who_is_gone_is_gone_whatever_the_condition(agent: Agent) -> None:
    for version in ("1", "2", "9"):
        headers = {"If-Match": f'"{version}"'}
        await agent.answer("PUT /v1/peers/{removed}", 404, headers=headers)
        await agent.answer("DELETE /v1/peers/{removed}", 404, headers=headers)
    body = await agent.answer("DELETE /v1/peers/{local}", 422, headers={"If-Match": '"9"'})
    assert body["code"] == "CANNOT_DELETE_LOCAL"


async def test_leaving_may_depend_on_the_version(agent: Agent) -> None:
    await agent.answer("PUT /v1/peers/{local}", json={"name": "here"})
    await agent.answer("DELETE /v1/peers/self", 412, headers={"If-Match": '"1"'})
    body = await agent.answer("DELETE /v1/peers/self", headers={"If-Match": '"2"'})
    assert body["version"] == 3


# Where in the log


async def test_every_write_says_where_in_the_log_it_is(agent: Agent) -> None:
    renewal = {"data": license_document(revision=2), "headers": JSON}
    service = {
        "name": "s",
        "source_peer_id": agent.names["local"],
        "target_peer_id": agent.names["other"],
    }
    calls: list[tuple[str, dict[str, Any]]] = [
        ("PUT /v1/peers/{remote}", {"json": {"name": "beta"}}),
        ("PUT /v1/peers/{remote}", {"json": {"name": "beta"}}),
        ("POST /v1/peers", {"json": {"address": "198.51.100.7:9000"}}),
        ("POST /v1/services", {"json": service}),
        ("DELETE /v1/services/{service}", {}),
        ("DELETE /v1/peers/{remote}", {}),
        ("PUT /v1/license", renewal),
        ("PUT /v1/license", renewal),
        ("DELETE /v1/peers/self", {}),
    ]
    for call, options in calls:
        response = await agent.call(call, **options)
        assert response.ok, await response.text()
        assert response.headers["X-Log-Position"] == str(agent.views.position), call


async def test_a_refusal_and_a_read_say_nothing_of_the_log(agent: Agent) -> None:
    for call in ("GET /v1/peers", "DELETE /v1/peers/{unknown}", "PUT /v1/peers/nonsense"):
        response = await agent.call(call)
        assert "X-Log-Position" not in response.headers


# What an add may meet


@pytest.mark.parametrize(
    "address", ["[::ffff:127.0.0.1]:8080", "127.0.0.1:08080", " 127.0.0.1:8080 "]
)
async def test_its_own_address_is_its_own_in_any_spelling(agent: Agent, address: str) -> None:
    body = await agent.answer("POST /v1/peers", 409, json={"address": address})
    assert body["details"] == {"peer_id": agent.names["local"], "taken": "address"}


async def test_a_peer_that_left_is_refused_with_the_reason(agent: Agent) -> None:
    remote = agent.views.peers.get(PeerId(agent.names["remote"]))
    assert remote is not None
    farewell = PeerRecord(
        cluster_id=agent.views.license.cluster_id,
        peer_id=remote.peer_id,
        subject_version=2,
        left=True,
        public_key=remote.public_key,
        address=remote.address,
        name="",
        issued_at_us=agent.clock.now_us(),
        signed=b"a farewell",
    )
    await agent.context.bus.submit(ObserveRecord(record=farewell))
    body = await agent.answer("POST /v1/peers", 422, json={"address": "192.0.2.1:8080"})
    assert body["code"] == "HANDSHAKE_FAILED"
    assert body["details"] == {"reason": "deactivated", "peer_id": agent.names["remote"]}
    standing = await agent.answer("GET /v1/peers/{remote}?include_inactive=true")
    assert standing.keys() >= {"deactivated_at", "is_active", "version"}
    await agent.answer("GET /v1/peers/{remote}", 404)
