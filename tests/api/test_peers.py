"""Peers: lists, pages, conditions, names, removal, departure."""

import re
from base64 import b64encode
from typing import Any

import orjson
import pytest

from membership.domain.events import PeerRemoved, PeerRenamed
from tests.api.agent import LOCAL_ADDRESS, Agent


def _ids(body: list[dict[str, Any]]) -> list[str]:
    return [peer["id"] for peer in body]


async def test_a_peer_has_the_six_fields_of_the_contract(agent: Agent) -> None:
    body = await agent.answer("GET /v1/peers/{local}")
    assert body == {
        "id": agent.names["local"],
        "name": "alpha",
        "public_key": b64encode(agent.context.signer.public_key).decode(),
        "is_local": True,
        "address": LOCAL_ADDRESS,
        "created_at": "2026-01-01T00:00:00.000000Z",
    }
    assert body == await agent.answer("GET /v1/peers/self")


async def test_a_list_holds_the_active_peers_in_order(agent: Agent) -> None:
    names = agent.names
    assert _ids(await agent.answer("GET /v1/peers")) == [
        names["local"],
        names["remote"],
        names["other"],
    ]
    assert _ids(await agent.answer("GET /v1/peers?is_local=true")) == [names["local"]]
    assert _ids(await agent.answer("GET /v1/peers?is_local=false")) == [
        names["remote"],
        names["other"],
    ]


async def test_a_list_with_inactive_peers_says_where_each_stands(agent: Agent) -> None:
    body = await agent.answer("GET /v1/peers?include_inactive=true&is_local=false")
    assert _ids(body) == [agent.names[name] for name in ("remote", "other", "removed")]
    assert [peer["is_active"] for peer in body] == [True, True, False]
    assert [peer["version"] for peer in body] == [1, 1, 2]
    assert body[2]["removed_at"] == "2026-01-01T00:00:00.000000Z"
    assert "deactivated_at" not in body[2]
    await agent.answer("DELETE /v1/peers/self")
    local = await agent.answer("GET /v1/peers/{local}?include_inactive=true")
    assert local["is_active"] is False
    assert "removed_at" not in local
    assert local["deactivated_at"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("name=alpha", ["local"]),
        ("name=", ["remote", "other"]),
        ("address=192.0.2.1:8080", ["remote"]),
        ("address=[2001:db8:0:0::1]:8080", ["other"]),
        ("address=gone.example:8080", []),
        ("address=GONE.example:8080&include_inactive=true", ["removed"]),
        ("name=alpha&is_local=false", []),
    ],
)
async def test_filters_keep_what_matches(agent: Agent, query: str, expected: list[str]) -> None:
    body = await agent.answer(f"GET /v1/peers?{query}")
    assert _ids(body) == [agent.names[name] for name in expected]


async def test_a_key_is_found_even_if_its_plus_signs_were_not_encoded(agent: Agent) -> None:
    for peer in await agent.answer("GET /v1/peers"):
        found = await agent.answer(f"GET /v1/peers?public_key={peer['public_key']}")
        assert found == [peer]


@pytest.mark.parametrize("query", ["", "&include_inactive=true", "&is_local=false", "&name="])
@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_pages_put_together_are_the_whole_list(agent: Agent, limit: int, query: str) -> None:
    # The clock stands still: all were created in the same moment.
    for number in range(5):
        await agent.add(f"n{number}", f"198.51.100.{number + 1}:1")
    whole = await agent.answer(f"GET /v1/peers?{query[1:]}")
    pages, path = [], f"/v1/peers?limit={limit}{query}"
    while path:
        response = await agent.call(f"GET {path}")
        page = await response.json()
        assert 1 <= len(page) <= limit
        pages += page
        link = response.headers.get("Link")
        match = re.fullmatch(r'<(/v1/peers\?[!-;=?-~]+)>; rel="next"', link) if link else None
        assert (match is None) == (link is None)
        path = match[1] if match else ""
    assert pages == whole


async def test_a_page_may_begin_behind_a_peer_that_is_gone(agent: Agent) -> None:
    gone = await agent.add("late", "198.51.100.1:1")
    last = await agent.add("last", "198.51.100.2:1")
    await agent.answer("DELETE /v1/peers/{late}")
    assert _ids(await agent.answer(f"GET /v1/peers?after={gone}")) == [last]


async def test_a_known_list_is_not_sent_again_until_it_changes(agent: Agent) -> None:
    first = await agent.call("GET /v1/peers")
    etag = first.headers["ETag"]
    for condition in (etag, f'"x", W/{etag}', "*"):
        again = await agent.call("GET /v1/peers", headers={"If-None-Match": condition})
        assert again.status == 304
        assert await again.read() == b""
        assert again.headers["ETag"] == etag
        assert "Content-Type" not in again.headers
    await agent.answer("PUT /v1/peers/{remote}", json={"name": "beta"})
    changed = await agent.call("GET /v1/peers", headers={"If-None-Match": etag})
    assert changed.status == 200
    assert changed.headers["ETag"] != etag


async def test_the_etag_of_a_peer_is_its_version(agent: Agent) -> None:
    response = await agent.call("GET /v1/peers/{remote}")
    assert response.headers["ETag"] == '"1"'
    renamed = await agent.call(
        "PUT /v1/peers/{remote}", json={"name": "beta"}, headers={"If-Match": '"1"'}
    )
    assert renamed.status == 200
    assert renamed.headers["ETag"] == '"2"'
    response = await agent.call("GET /v1/peers/{remote}", headers={"If-None-Match": '"2"'})
    assert response.status == 304
    body = await agent.answer(
        "PUT /v1/peers/{remote}", 412, json={"name": "gamma"}, headers={"If-Match": '"1"'}
    )
    assert body["details"] == {"expected_version": 1, "version": 2}
    await agent.answer("DELETE /v1/peers/{remote}", headers={"If-Match": '"2"'})


async def test_any_version_will_do_for_a_star(agent: Agent) -> None:
    await agent.answer("DELETE /v1/peers/{remote}", headers={"If-Match": "*"})


@pytest.mark.parametrize(
    "path", ["/v1/peers", "/v1/peers/self", "/v1/services", "/v1/license", "/livez"]
)
async def test_head_is_get_without_the_body(agent: Agent, path: str) -> None:
    got, head = await agent.call(f"GET {path}"), await agent.call(f"HEAD {path}")
    body = await got.read()
    assert head.status == 200
    assert await head.read() == b""
    assert head.headers["Content-Length"] == str(len(body))
    assert head.headers.get("ETag") == got.headers.get("ETag")


async def test_adding_a_peer_answers_where_it_is(agent: Agent) -> None:
    response = await agent.call(
        "POST /v1/peers", json={"address": "Node.Example.:9000", "name": "  beta \n"[:7]}
    )
    body = await response.json()
    assert response.status == 201
    assert response.headers["Location"] == f"/v1/peers/{body['id']}"
    assert (body["address"], body["name"], body["is_local"]) == ("node.example:9000", "beta", False)
    assert await agent.answer(f"GET {response.headers['Location']}") == body
    assert body in await agent.answer("GET /v1/peers")


async def test_a_peer_that_was_removed_can_be_added_again(agent: Agent) -> None:
    agent.clock.advance(seconds=1)
    body = await agent.answer("POST /v1/peers", 201, json={"address": "gone.example:8080"})
    assert body["id"] == agent.names["removed"]
    assert body["created_at"] == "2026-01-01T00:00:01.000000Z"


async def test_a_lower_case_id_is_the_same_id(agent: Agent) -> None:
    agent.names["remote"] = agent.names["remote"].lower()
    body = await agent.answer("GET /v1/peers/{remote}")
    assert body["id"] == agent.names["remote"].upper()
    await agent.answer("PUT /v1/peers/{remote}", json={"name": "beta"})
    await agent.answer("DELETE /v1/peers/{remote}")


@pytest.mark.parametrize(
    "options", [{}, {"json": {}}, {"json": {"name": "beta"}}, {"json": {"name": " beta "}}]
)
async def test_a_rename_that_changes_nothing_records_nothing(
    agent: Agent, options: dict[str, Any]
) -> None:
    await agent.answer("PUT /v1/peers/{remote}", json={"name": "beta"})
    position = agent.views.position
    response = await agent.call("PUT /v1/peers/{remote}", **options)
    assert (await response.json())["name"] == "beta"
    assert response.headers["X-Log-Position"] == str(position) == str(agent.views.position)


async def test_a_name_can_be_taken_back(agent: Agent) -> None:
    await agent.answer("PUT /v1/peers/{remote}", json={"name": "beta ✓"})
    assert (await agent.answer("PUT /v1/peers/{remote}", json={"name": ""}))["name"] == ""


async def test_a_removed_peer_is_in_no_list(agent: Agent) -> None:
    assert await agent.answer("DELETE /v1/peers/{remote}") == {"deleted": True}
    assert agent.names["remote"] not in _ids(await agent.answer("GET /v1/peers"))
    body = await agent.answer("GET /v1/peers/{remote}", 404)
    assert body["details"] == {"peer_id": agent.names["remote"]}
    assert isinstance(agent.events()[-1].event, PeerRemoved)


async def test_leaving_answers_the_same_body_ever_after(agent: Agent) -> None:
    agent.clock.advance(days=3)
    first = await agent.answer("DELETE /v1/peers/self")
    assert first == {
        "peer_id": agent.names["local"],
        "version": 2,
        "is_active": False,
        "deactivated_at": "2026-01-04T00:00:00.000000Z",
    }
    position = agent.views.position
    agent.clock.advance(days=3)
    assert await agent.answer("DELETE /v1/peers/self") == first
    condition = {"If-Match": '"1"'}
    assert await agent.answer("DELETE /v1/peers/self", headers=condition) == first
    assert agent.views.position == position


async def test_an_agent_that_left_serves_reads(agent: Agent) -> None:
    await agent.answer("DELETE /v1/peers/self")
    assert _ids(await agent.answer("GET /v1/peers")) == [
        agent.names["remote"],
        agent.names["other"],
    ]
    assert await agent.answer("GET /v1/peers?is_local=true") == []
    await agent.answer("GET /v1/peers/self", 404)
    identity = await agent.answer("GET /v1/cluster/identity", scope=None)
    assert identity["is_active"] is False


async def test_a_write_records_who_where_and_why(agent: Agent) -> None:
    headers = {
        "X-Request-Id": "req-7",
        "X-Correlation-Id": "ticket:42",
        "X-Reason": " moved to rack 3 ",
    }
    response = await agent.call(
        "PUT /v1/peers/{remote}", scope="peers.write", json={"name": "b"}, headers=headers
    )
    assert response.headers["X-Request-Id"] == "req-7"
    recorded = agent.events()[-1]
    assert isinstance(recorded.event, PeerRenamed)
    metadata = recorded.metadata
    assert (metadata.actor.kind, metadata.actor.id) == ("operator", "operator")
    assert metadata.actor.scopes == ("peers.write",)
    assert (metadata.source, metadata.request_id) == ("127.0.0.1", "req-7")
    assert (metadata.correlation_id, metadata.reason) == ("ticket:42", "moved to rack 3")


@pytest.mark.parametrize("insane", ["a b", "x" * 129, 'a"b', "ä", "<script>"])
async def test_an_insane_request_id_is_replaced(agent: Agent, insane: str) -> None:
    response = await agent.call("GET /v1/peers", headers={"X-Request-Id": insane})
    assert len(response.headers["X-Request-Id"]) == 26


async def test_a_client_cannot_claim_another_source(agent: Agent) -> None:
    await agent.answer(
        "PUT /v1/peers/{remote}", json={"name": "b"}, headers={"X-Forwarded-For": "203.0.113.9"}
    )
    assert agent.events()[-1].metadata.source == "127.0.0.1"


async def test_a_refusal_is_recorded_even_with_a_reason_that_cannot_be(agent: Agent) -> None:
    headers = {"X-Reason": "x" * 501}
    await agent.answer("DELETE /v1/peers/{remote}", 403, scope="peers.read", headers=headers)
    recorded = agent.events()[-1]
    assert recorded.event.command == "DELETE /v1/peers/{id}"
    assert recorded.event.subject == agent.names["remote"]
    assert recorded.metadata.reason == ""


async def test_the_subject_of_a_refused_add_is_its_address(agent: Agent) -> None:
    await agent.answer("POST /v1/peers", 409, json={"address": "192.0.2.1:08080"})
    assert agent.events()[-1].event.subject == "192.0.2.1:8080"


async def test_bodies_are_rendered_from_the_view(agent: Agent) -> None:
    response = await agent.call("GET /v1/peers")
    assert await response.read() == agent.views.peers.list_body()
    assert orjson.loads(agent.views.peers.list_body())
