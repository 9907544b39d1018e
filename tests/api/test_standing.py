"""What an agent still does while its licence runs out, and after it has left."""

import pytest

from tests.api.agent import Agent, license_document
from tests.api.contract import PROMISES, Promise
from tests.api.test_contract import named

READS = [promise for promise in PROMISES if promise.records is None]
LEAVING = next(promise for promise in PROMISES if promise.call == "DELETE /v1/peers/self")
RENEWING = next(promise for promise in PROMISES if promise.call == "PUT /v1/license")
ROUND = next(promise for promise in PROMISES if promise.call == "POST /v1/cluster/sync")
CHANGES = [p for p in PROMISES if p.records is not None and p not in (LEAVING, RENEWING)]


async def _status(agent: Agent, promise: Promise) -> int:
    response = await agent.call(promise.call, **named(promise.body, agent))
    await response.read()
    return response.status


async def _code(agent: Agent, promise: Promise) -> str:
    body = await agent.answer(promise.call, 422, **named(promise.body, agent))
    return str(body["code"])


@pytest.mark.parametrize(
    ("days", "state", "left"),
    [
        (0, "valid", 365),
        (334, "valid", 31),
        (335, "warning", 30),
        (364, "warning", 1),
        (365, "grace", 0),
        (378, "grace", 0),
        (379, "read_only", 0),
    ],
)
async def test_a_licence_changes_its_state_on_the_day(
    agent: Agent, days: int, state: str, left: int
) -> None:
    agent.clock.advance(days=days)
    body = await agent.answer("GET /v1/license")
    assert (body["state"], body["days_left"]) == (state, left)
    assert body["expires_at"] == "2027-01-01T00:00:00.000000Z"


@pytest.mark.parametrize("days", [340, 378])
async def test_in_warning_and_grace_everything_works(agent: Agent, days: int) -> None:
    agent.clock.advance(days=days)
    for promise in [*READS, *CHANGES, LEAVING]:
        assert await _status(agent, promise) == promise.status, promise.call


async def test_read_only_refuses_every_change_and_serves_every_read(agent: Agent) -> None:
    agent.clock.advance(days=379)
    peers = agent.views.peers.list_body()
    for promise in [*CHANGES, LEAVING]:
        body = await agent.answer(promise.call, 422, **named(promise.body, agent))
        assert body["code"] == "LICENSE_EXPIRED", promise.call
        assert body["details"] == {"expired_at": "2027-01-01T00:00:00.000000Z", "where": "here"}
        assert "install a renewed licence" in body["error"]
    for promise in READS:
        assert await _status(agent, promise) == 200, promise.call
    assert agent.views.peers.list_body() == peers


async def test_a_full_agent_says_which_limit_it_met(agent: Agent) -> None:
    for number in range(7):
        await agent.add(f"n{number}", f"198.51.100.{number + 1}:1")
    body = await agent.answer("POST /v1/peers", 422, json={"address": "198.51.100.99:1"})
    assert body["code"] == "NODE_LIMIT_EXCEEDED"
    assert body["details"] == {"limit": 10, "where": "here"}
    assert (await agent.answer("GET /v1/license"))["nodes"] == 10
    await agent.answer("DELETE /v1/peers/{remote}")
    await agent.answer("POST /v1/peers", 201, json={"address": "198.51.100.99:1"})


async def test_a_licence_for_fewer_nodes_leaves_everybody_in(agent: Agent) -> None:
    renewal = {**RENEWING.body, "data": license_document(revision=2, max_nodes=2)}
    body = await agent.answer("PUT /v1/license", **renewal)
    assert (body["nodes"], body["max_nodes"]) == (3, 2)
    await agent.answer("PUT /v1/peers/{remote}", json={"name": "beta"})
    await agent.answer("PUT /v1/peers/{local}", json={"name": "here"})
    assert len(await agent.answer("GET /v1/peers")) == 3
    body = await agent.answer("POST /v1/peers", 422, json={"address": "198.51.100.99:1"})
    assert body["details"] == {"limit": 2, "where": "here"}


async def test_an_agent_that_left_refuses_every_change_and_serves_every_read(
    agent: Agent,
) -> None:
    await agent.answer(LEAVING.call)
    for promise in CHANGES:
        assert await _code(agent, promise) == "PEER_DEACTIVATED", promise.call
    assert await _code(agent, ROUND) == "PEER_DEACTIVATED", "nobody compares with who is gone"
    for promise in READS:
        if promise.call.startswith("POST"):
            continue
        expected = 404 if promise.call in ("GET /v1/peers/{local}", "GET /v1/peers/self") else 200
        assert await _status(agent, promise) == expected, promise.call
    assert await _status(agent, RENEWING) == 200, "its log may be kept under a renewed licence"


async def test_leaving_again_answers_the_same_even_when_the_licence_is_over(agent: Agent) -> None:
    first = await agent.answer(LEAVING.call)
    agent.clock.advance(days=999)
    response = await agent.call(LEAVING.call)
    assert (response.status, await response.json()) == (200, first)
    assert response.headers["X-Log-Position"] == str(agent.views.position)
