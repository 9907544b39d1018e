"""The table of errors, and what clients never see."""

import logging
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
from aiohttp import web

from membership.api.app import create_app
from membership.api.errors import TABLE, ApiError, Internal, tellable
from membership.api.guard import guarded, request_ids
from membership.domain.errors import MembershipError
from membership.domain.values import parse_ulid
from membership.store.errors import AppendConflict, LogCorrupt, StoreUnavailable
from membership.store.writer import WriterStopped
from tests.api.agent import Agent, CountingIds

ADD = {"json": {"address": "198.51.100.7:9000"}}


def _tree(root: type[Exception]) -> Iterator[type[Exception]]:
    for child in root.__subclasses__():
        yield child
        yield from _tree(child)


def test_every_refusal_has_a_row() -> None:
    missing = {*_tree(MembershipError), *_tree(ApiError)} - TABLE.keys()
    assert not missing


def test_a_code_has_one_status() -> None:
    assert len({row.code for row in TABLE.values()}) == len(set(TABLE.values()))


def test_a_refusal_without_a_row_tells_nothing() -> None:
    class Unheard(MembershipError):
        pass

    assert isinstance(tellable(Unheard("inside")), Internal)
    # Forgotten again, or the walk over the tree would find it.
    del Unheard


@pytest.mark.parametrize("error", [StoreUnavailable("x"), AppendConflict("x"), WriterStopped()])
def test_a_store_that_cannot_write_is_unavailable(error: Exception) -> None:
    assert TABLE[type(tellable(error))].status == 503


def test_a_corrupt_log_is_the_agents_own_trouble() -> None:
    assert isinstance(tellable(LogCorrupt("position 3 was altered")), Internal)


async def test_an_unexpected_error_tells_nothing_of_the_inside(
    agent: Agent, caplog: pytest.LogCaptureFixture
) -> None:
    def explode(*_: object) -> Any:
        message = "password hunter2 at /var/lib/membership"
        raise RuntimeError(message)

    agent.peering.status = explode  # type: ignore[method-assign]
    with caplog.at_level(logging.ERROR):
        response = await agent.call("GET /v1/cluster/status", headers={"X-Request-Id": "req-1"})
    text = await response.text()
    assert response.status == 500
    assert (await response.json())["code"] == "INTERNAL"
    assert "req-1" in text
    assert not any(word in text for word in ("hunter2", "Traceback", "RuntimeError", "/var"))
    assert "req-1" in caplog.text
    assert "hunter2" in caplog.text


async def test_a_refusal_that_cannot_be_recorded_is_answered_all_the_same(
    agent: Agent, caplog: pytest.LogCaptureFixture
) -> None:
    await agent.context.bus.stop()
    with caplog.at_level(logging.ERROR):
        body = await agent.answer("POST /v1/peers", 403, scope="peers.read", **ADD)
    assert body["code"] == "FORBIDDEN"
    assert "could not be recorded" in caplog.text


async def test_a_stopping_agent_says_when_to_try_again(agent: Agent) -> None:
    await agent.context.bus.stop()
    for call in ("PUT /v1/peers/{remote}", "GET /readyz"):
        response = await agent.call(call, json={"name": "n"})
        assert response.status == 503
        assert response.headers["Retry-After"] == "1"
        assert (await response.json())["code"] == "UNAVAILABLE"


@pytest.mark.parametrize(
    ("call", "allowed"),
    [
        ("PATCH /v1/peers", "GET, HEAD, POST"),
        ("POST /v1/peers/{remote}", "DELETE, GET, HEAD, PUT"),
        ("GET /v1/oauth/token", "POST"),
        ("DELETE /livez", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(agent: Agent, call: str, allowed: str) -> None:
    response = await agent.call(call, scope=None)
    assert response.status == 405
    assert response.headers["Allow"] == allowed
    assert allowed in (await response.json())["error"]


async def test_details_name_who_is_in_the_way(agent: Agent) -> None:
    body = await agent.answer("POST /v1/peers", 409, json={"address": "192.0.2.1:8080"})
    assert body["details"] == {"peer_id": agent.names["remote"], "taken": "address"}


async def test_an_invalid_field_is_named(agent: Agent) -> None:
    for fields, name in (
        ({"address": 1}, "address"),
        ({}, "address"),
        ({"address": "a:1", "color": "red"}, "color"),
        ({"address": "a:1", "name": "\u0007"}, "name"),
    ):
        body = await agent.answer("POST /v1/peers", 400, json=fields)
        assert body["details"] == {"field": name}


async def test_a_handler_that_does_not_say_who_may_is_refused(bare_agent: Agent) -> None:
    async def forgetful(_: web.Request) -> web.Response:
        return web.Response()

    with pytest.raises(TypeError, match="GET /x"):
        guarded([web.get("/x", forgetful)], bare_agent.context)
    with pytest.raises(RuntimeError, match="frozen"):
        create_app(bare_agent.context).router.add_get("/x", forgetful)


def test_request_ids_are_distinct_ulids() -> None:
    ids = list(islice(request_ids(CountingIds(2**30)), 3_000))
    assert len(set(ids)) == len(ids)
    assert all(parse_ulid(text) == text for text in ids)


async def test_the_peer_protocol_sees_to_itself(bare_agent: Agent, aiohttp_client: Any) -> None:
    async def frame(_: web.Request) -> web.Response:
        return web.Response(status=400, body=b"frame")

    client = await aiohttp_client(
        create_app(bare_agent.context, [web.post("/peer/v1/hello", frame)])
    )
    response = await client.post("/peer/v1/hello", data=b"x")
    assert (response.status, await response.read()) == (400, b"frame")
