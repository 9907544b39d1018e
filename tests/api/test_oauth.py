"""The token endpoint, as RFC 6749 has it."""

import asyncio
from base64 import b64encode
from typing import Any
from urllib.parse import quote_plus

import pytest
from aiohttp import ClientResponse

from membership.api.credentials import NOBODY, new_credential, secret_matches
from membership.api.oauth import BURST, MAX_WAITING
from membership.api.token_buckets import TokenBuckets
from membership.domain.values import StreamId
from tests.api.agent import CLIENT_SECRET, Agent

CALL = "POST /v1/oauth/token"


def _form(agent: Agent, **fields: str | None) -> dict[str, str]:
    given: dict[str, str | None] = {
        "grant_type": "client_credentials",
        "client_id": agent.names["client"],
        "client_secret": CLIENT_SECRET,
    }
    return {key: value for key, value in (given | fields).items() if value is not None}


def _basic(client_id: str, secret: str) -> dict[str, str]:
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}


async def _ask(agent: Agent, **options: Any) -> ClientResponse:
    return await agent.call(CALL, scope=None, **options)


async def test_a_client_gets_a_token_that_works(agent: Agent) -> None:
    response = await _ask(agent, data=_form(agent))
    body = await response.json()
    assert response.status == 200
    assert response.headers["Cache-Control"] == "no-store"
    assert body.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 3600)
    assert body["scope"] == "peers.read peers.write"
    headers = {"Authorization": f"Bearer {body['access_token']}"}
    renamed = await agent.call(
        "PUT /v1/peers/{remote}", scope=None, headers=headers, json={"name": "b"}
    )
    assert renamed.status == 200
    actor = agent.events()[-1].metadata.actor
    assert (actor.kind, actor.id) == ("client", agent.names["client"])
    assert actor.scopes == ("peers.read", "peers.write")


async def test_http_basic_is_decoded_as_a_form_is(agent: Agent) -> None:
    headers = _basic(agent.names["client"], CLIENT_SECRET)
    response = await _ask(agent, data={"grant_type": "client_credentials"}, headers=headers)
    assert response.status == 200


async def test_a_client_may_ask_for_less(agent: Agent) -> None:
    response = await _ask(agent, data=_form(agent, scope="peers.read"))
    body = await response.json()
    assert body["scope"] == "peers.read"
    headers = {"Authorization": f"Bearer {body['access_token']}"}
    refused = await agent.call("DELETE /v1/peers/{remote}", scope=None, headers=headers)
    assert refused.status == 403


@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_secret": ""}, 401, "invalid_client"),
        ({"client_secret": None}, 401, "invalid_client"),
        ({"client_id": None}, 401, "invalid_client"),
        ({"client_id": "01J" + "Z" * 23}, 401, "invalid_client"),
        ({"client_id": "' OR 1=1"}, 401, "invalid_client"),
        ({"grant_type": None}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"scope": "admin"}, 400, "invalid_scope"),
        ({"scope": "peers.read nonsense"}, 400, "invalid_scope"),
        ({"scope": ""}, 400, "invalid_scope"),
    ],
)
async def test_a_bad_request_is_refused_in_the_words_of_the_rfc(
    agent: Agent, fields: dict[str, str | None], status: int, error: str
) -> None:
    response = await _ask(agent, data=_form(agent, **fields))
    body = await response.json()
    assert (response.status, body["error"]) == (status, error)
    assert body.keys() == {"error", "error_description", "code", "request_id"}
    assert body["code"] == ("UNAUTHORIZED" if status == 401 else "INVALID_REQUEST")
    assert ("WWW-Authenticate" in response.headers) == (status == 401)
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Request-Id"] == body["request_id"]


@pytest.mark.parametrize(
    "data",
    [b"", b"grant_type=a&grant_type=b", b"\xff=1", b"a=%FF", b"&".join([b"a=1"] * 40), b"&&=&"],
)
async def test_a_malformed_form_is_refused(agent: Agent, data: bytes) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    response = await _ask(agent, data=data, headers=headers)
    assert response.status in (400, 401)
    assert "error_description" in await response.json()


@pytest.mark.parametrize(
    "authorization",
    ["Basic", "Basic !", "Basic YQ==", "Basic /w==", "Bearer x", "", "Basic JUZGOg=="],
)
async def test_a_malformed_authorization_is_refused(agent: Agent, authorization: str) -> None:
    response = await _ask(
        agent,
        data={"grant_type": "client_credentials"},
        headers={"Authorization": authorization},
    )
    assert (response.status, (await response.json())["error"]) == (401, "invalid_client")


async def test_a_secret_given_twice_is_refused(agent: Agent) -> None:
    headers = _basic(agent.names["client"], CLIENT_SECRET)
    response = await _ask(agent, data=_form(agent), headers=headers)
    assert (response.status, (await response.json())["error"]) == (400, "invalid_request")


async def test_json_is_not_a_form(agent: Agent) -> None:
    response = await _ask(agent, json=_form(agent))
    assert (response.status, (await response.json())["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_a_source_that_keeps_knocking_is_told_to_wait(agent: Agent) -> None:
    for _ in range(BURST):
        assert (await _ask(agent)).status == 401
    response = await _ask(agent, data=_form(agent))
    assert (response.status, (await response.json())["code"]) == (429, "RATE_LIMITED")
    assert int(response.headers["Retry-After"]) >= 1


async def test_only_so_many_wait_for_their_secret_to_be_checked(agent: Agent) -> None:
    form = _form(agent, client_secret="wrong")
    responses = await asyncio.gather(*(_ask(agent, data=form) for _ in range(MAX_WAITING + 4)))
    statuses = [response.status for response in responses]
    assert set(statuses) == {401, 429}
    assert statuses.count(401) >= MAX_WAITING


async def test_failed_attempts_make_no_log_grow(agent: Agent) -> None:
    position = agent.views.position
    await _ask(agent, data=_form(agent, client_secret="wrong"))
    assert agent.views.position == position


def test_a_bucket_fills_again_with_time() -> None:
    buckets = TokenBuckets(burst=2, per_s=0.5, max_sources=10)
    assert [buckets.wait_s("a", 100.0) for _ in range(3)] == [0, 0, 2]
    assert buckets.wait_s("b", 100.0) == 0
    assert buckets.wait_s("a", 101.0) == 1
    assert buckets.wait_s("a", 102.0) == 0
    assert [buckets.wait_s("a", 1_000.0) for _ in range(3)] == [0, 0, 2]


def test_only_so_many_buckets_are_kept() -> None:
    buckets = TokenBuckets(burst=1, per_s=1.0, max_sources=3)
    for number in range(10):
        buckets.wait_s(f"source {number}", 0.0)
    assert buckets.wait_s("source 9", 0.0) == 1
    assert buckets.wait_s("source 0", 0.0) == 0


def test_nobody_has_a_secret_and_a_credential_has_one() -> None:
    assert not secret_matches(NOBODY, "")
    created = new_credential(StreamId("C"), "d", ["peers.read"], "s3cret")
    assert "s3cret" not in created.secret_hash
    assert created.secret_hash.startswith("$argon2id$v=19$m=65536,t=2,")
    assert NOBODY.secret_hash.startswith("$argon2id$v=19$m=65536,t=2,p=1$")
    assert secret_matches(created, "s3cret")
    assert not secret_matches(created, "S3cret")
