"""Every row of the contract's tables."""

from typing import Any

import pytest

from membership.api.scopes import ADMIN, SCOPES
from membership.domain.errors import HandshakeFailed, LicenseMismatch
from membership.domain.events import CommandRefused
from membership.domain.values import parse_address
from membership.store.errors import StoreUnavailable
from tests.api.agent import Agent, license_document
from tests.api.contract import PROMISES, PUBLIC_CALLS, REFUSALS, Promise, Refusal

DIALLED = parse_address("198.51.100.7:9000")


def named(body: dict[str, Any], agent: Agent) -> dict[str, Any]:
    """Put the ids of the fixture into the body."""
    if "json" not in body:
        return dict(body)
    fields = {
        key: value.format(**agent.names) if isinstance(value, str) else value
        for key, value in body["json"].items()
    }
    return {**body, "json": fields}


def _ids(row: Promise | Refusal) -> str:
    return f"{row.call} {getattr(row, 'code', '')}"


@pytest.mark.parametrize("promise", PROMISES, ids=_ids)
async def test_a_call_with_its_scope_succeeds(agent: Agent, promise: Promise) -> None:
    before = agent.views.position
    options = named(promise.body, agent)
    response = await agent.call(promise.call, scope=promise.scope, **options)
    body = await response.json()
    assert response.status == promise.status, body
    for item in body if isinstance(body, list) else [body]:
        assert item.keys() == promise.keys
    assert response.content_type == "application/json"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "Python" not in response.headers["Server"]
    assert agent.views.position - before == (promise.records or 0)
    if promise.records is not None:
        assert response.headers["X-Log-Position"] == str(agent.views.position)


@pytest.mark.parametrize("promise", PROMISES, ids=_ids)
async def test_a_call_without_its_scope_is_refused(agent: Agent, promise: Promise) -> None:
    before = agent.views.position
    options = named(promise.body, agent)
    headers = options.pop("headers", {})

    async def refused_with(authorization: str | None) -> dict[str, Any]:
        given = {} if authorization is None else {"Authorization": authorization}
        response = await agent.call(
            promise.call, scope=None, headers={**headers, **given}, **options
        )
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
        body: dict[str, Any] = await response.json()
        assert response.headers["X-Request-Id"] == body["request_id"]
        return body | {"status": response.status}

    anonymous = await refused_with(None)
    assert (anonymous["status"], anonymous["code"]) == (401, "UNAUTHORIZED")
    others = [scope for scope in SCOPES if scope not in (promise.scope, ADMIN)]
    forbidden = await refused_with(f"Bearer {agent.token(*others)}")
    assert (forbidden["status"], forbidden["code"]) == (403, "FORBIDDEN")
    assert forbidden["details"] == {"scope": promise.scope}
    assert promise.scope in forbidden["error"]
    expired = await refused_with(f"Bearer {agent.token(ADMIN, ttl_s=0)}")
    assert (expired["status"], expired["code"]) == (401, "TOKEN_EXPIRED")
    is_write = not promise.call.startswith("GET")
    assert agent.views.position - before == is_write, "a forbidden write is recorded, once"


@pytest.mark.parametrize("promise", PROMISES, ids=_ids)
async def test_admin_implies_every_scope(agent: Agent, promise: Promise) -> None:
    response = await agent.call(promise.call, scope=ADMIN, **named(promise.body, agent))
    assert response.status == promise.status


@pytest.mark.parametrize("call", PUBLIC_CALLS)
async def test_a_public_call_needs_no_token(agent: Agent, call: str) -> None:
    assert (await agent.answer(call, scope=None)).keys() == PUBLIC_CALLS[call]


async def _arrange(agent: Agent, given: str) -> None:
    match given:
        case "unreachable":
            agent.peering.refusals[DIALLED] = HandshakeFailed("timeout", "no answer within 5 s")
        case "another licence":
            agent.peering.refusals[DIALLED] = LicenseMismatch("aa", "bb")
        case "disk full":
            agent.peering.refusals[DIALLED] = StoreUnavailable("disk I/O error on /secret/path")
        case "known under another address":
            remote = parse_address("192.0.2.1:8080")
            agent.peering.identities[DIALLED] = agent.peering.identities[remote]
        case "full":
            await agent.answer(
                "PUT /v1/license",
                data=license_document(revision=2, max_nodes=3),
                headers={"Content-Type": "application/json"},
            )
        case "expired":
            agent.clock.advance(days=380)
        case "left":
            await agent.answer("DELETE /v1/peers/self")


@pytest.mark.parametrize("refusal", REFUSALS, ids=_ids)
async def test_a_call_that_cannot_be_is_refused(agent: Agent, refusal: Refusal) -> None:
    await _arrange(agent, refusal.given)
    before, contents = agent.views.position, agent.views.peers.list_body()
    options = named(refusal.body, agent)
    headers = {**options.pop("headers", {}), **refusal.headers}
    response = await agent.call(refusal.call, headers=headers, **options)
    body = await response.json()
    assert (response.status, body["code"]) == (refusal.status, refusal.code), body
    assert body.keys() - {"details"} == {"error", "code", "request_id"}
    assert response.headers["X-Request-Id"] == body["request_id"]
    assert response.headers["Cache-Control"] == "no-store"
    assert "/secret" not in str(body)
    assert agent.views.peers.list_body() == contents
    assert agent.views.position - before == refusal.is_recorded
    if refusal.is_recorded:
        recorded = agent.events()[-1]
        assert isinstance(recorded.event, CommandRefused)
        assert (recorded.event.code, recorded.event.message) == (refusal.code, body["error"])
        assert recorded.metadata.actor.id == "operator"
        assert recorded.metadata.request_id == body["request_id"]
