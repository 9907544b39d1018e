"""The history as auditors ask for it: who did what, when, from where and why."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from membership.commands.messages import CreateCredential, RenamePeer
from membership.domain.rfc3339 import rfc3339
from membership.domain.values import PeerId, StreamId, UnixUs
from tests.api.agent import BEGIN_US, Agent, new_credential_of

NDJSON = {"Accept": "application/x-ndjson"}


async def entries(agent: Agent, query: str = "") -> list[dict[str, Any]]:
    """Return a page of the history."""
    found: list[dict[str, Any]] = await agent.answer(f"GET /v1/history{query}", scope="audit.read")
    return found


def positions(found: list[dict[str, Any]]) -> list[int]:
    return [entry["position"] for entry in found]


async def test_the_newest_come_first_for_people_and_the_oldest_for_programs(agent: Agent) -> None:
    end = agent.views.position
    assert positions(await entries(agent)) == list(range(end, 0, -1))
    assert positions(await entries(agent, "?order=asc")) == list(range(1, end + 1))
    assert positions(await entries(agent, "?after=2")) == list(range(3, end + 1))
    assert positions(await entries(agent, "?after=2&order=desc")) == list(range(end, 2, -1))
    assert positions(await entries(agent, "?before=4")) == [3, 2, 1]
    assert positions(await entries(agent, "?after=0&before=3&wait=1")) == [1, 2]


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("filters", ["", "&type=peer.added", "&peer={remote}"])
async def test_links_lead_through_everything_once(agent: Agent, order: str, filters: str) -> None:
    wanted = positions(await entries(agent, f"?order={order}&limit=1000{filters}"))
    call, found = f"GET /v1/history?order={order}&limit=2{filters}", list[int]()
    while call:
        response = await agent.call(call)
        found += positions(await response.json())
        assert response.headers["X-Log-Position"] == str(agent.views.position)
        link = response.headers.get("Link", "")
        call = link and "GET " + link[1 : link.index(">")]
    assert found == wanted
    assert len(found) >= 2


async def test_a_write_is_in_the_history_when_its_answer_is_there(agent: Agent) -> None:
    for count in range(20):
        response = await agent.call("PUT /v1/peers/{remote}", json={"name": f"n{count}"})
        [newest] = await entries(agent, "?limit=1")
        assert str(newest["position"]) == response.headers["X-Log-Position"]
        assert newest["changes"]["label"]["after"] == f"n{count}"


async def test_an_entry_tells_who_what_when_from_where_and_why(agent: Agent) -> None:
    agent.clock.advance(seconds=5)
    response = await agent.call(
        "PUT /v1/peers/{remote}",
        scope="peers.write",
        json={"name": "cellar"},
        headers={
            "X-Reason": "moved downstairs",
            "X-Correlation-Id": "ticket-7",
            "X-Request-Id": "request-9",
        },
    )
    assert response.status == 200
    [newest] = await entries(agent, "?limit=1")
    recorded = agent.events()[-1]
    assert newest == {
        "position": recorded.position,
        "id": recorded.metadata.event_id,
        "type": "peer.renamed",
        "subject": agent.names["remote"],
        "subject_name": "cellar",
        "version": 2,
        "occurred_at": "2026-01-01T00:00:05.000000Z",
        "recorded_at": "2026-01-01T00:00:05.000000Z",
        "actor": {"kind": "operator", "id": "operator", "scopes": ["peers.write"]},
        "source": "127.0.0.1",
        "reason": "moved downstairs",
        "outcome": "done",
        "changes": {
            "name": {"before": "", "after": "cellar"},
            "label": {"before": "", "after": "cellar"},
        },
        "details": {},
        "request_id": "request-9",
        "correlation_id": "ticket-7",
        "causation_id": "",
        "software": "test/1",
    }


async def test_before_and_after_tell_labels_from_own_names(agent: Agent) -> None:
    await agent.answer("PUT /v1/peers/{local}", json={"name": "omega"})
    await agent.answer("PUT /v1/peers/{remote}", json={"name": "cellar"})
    label, own = await entries(agent, "?limit=2")
    assert own["changes"] == {
        "name": {"before": "alpha", "after": "omega"},
        "own_name": {"before": "alpha", "after": "omega"},
    }
    assert label["changes"].keys() == {"name", "label"}


async def test_a_removal_tells_what_was_removed(agent: Agent) -> None:
    await agent.answer("PUT /v1/peers/{remote}", json={"name": "cellar"})
    await agent.answer("DELETE /v1/peers/{remote}")
    await agent.add("remote", "192.0.2.1:8080")
    back, gone = await entries(agent, "?limit=2")
    assert gone["changes"] == {"status": {"before": "active", "after": "removed"}}
    assert (gone["subject_name"], gone["details"]) == ("cellar", {"address": "192.0.2.1:8080"})
    assert back["changes"]["status"] == {"before": "removed", "after": "active"}
    assert back["changes"]["label"] == {"before": "cellar", "after": ""}
    assert back["details"] == {"how": "operator", "introduced_by": None}


async def test_a_departure_and_a_renewal_tell_what_was_before(agent: Agent) -> None:
    from tests.api.agent import license_document

    renewal = license_document(revision=2, max_nodes=20)
    headers = {"Content-Type": "application/json"}
    await agent.answer("PUT /v1/license", data=renewal, headers=headers)
    await agent.answer("DELETE /v1/peers/self")
    left, renewed = await entries(agent, "?limit=2")
    assert renewed["subject"] == "LICENSE"
    assert renewed["changes"] == {
        "revision": {"before": 1, "after": 2},
        "max_nodes": {"before": 10, "after": 20},
    }
    assert left["changes"] == {"status": {"before": "active", "after": "left"}}


async def test_what_begins_is_told_by_what_it_has(agent: Agent) -> None:
    created, _, credential = await entries(agent, "?order=asc&limit=3")
    assert {name: pair["after"] for name, pair in created["changes"].items()} == {
        "status": "active",
        "name": "alpha",
        "own_name": "alpha",
        "address": "127.0.0.1:8080",
        "public_key": (await agent.answer("GET /v1/peers/self"))["public_key"],
    }
    assert all(pair["before"] is None for pair in created["changes"].values())
    assert credential["changes"] == {
        "scopes": {"before": None, "after": ["peers.read", "peers.write"]}
    }


async def test_no_secret_is_ever_in_the_history(agent: Agent) -> None:
    client = new_credential_of(StreamId(agent.context.ids.new_ulid()), ("admin",))
    await agent.context.bus.submit(CreateCredential(credential=client))
    for call in ("GET /v1/history", "GET /v1/history?format=jsonl"):
        text = await (await agent.call(call)).text()
        assert client.client_id in text
        assert "argon2" not in text
        assert client.secret_hash not in text


async def test_a_refused_write_is_an_entry_and_found_by_its_peer(agent: Agent) -> None:
    response = await agent.call(
        "DELETE /v1/peers/{local}", headers={"X-Reason": "by mistake"}, scope="peers.write"
    )
    refusal = await response.json()
    await agent.call("DELETE /v1/peers/{remote}", scope="peers.read")
    forbidden, refused = await entries(agent, "?limit=2")
    assert refused["type"] == "command.refused"
    assert (refused["outcome"], refused["reason"]) == ("refused", "by mistake")
    assert (refused["subject"], refused["subject_name"]) == (agent.names["local"], "alpha")
    assert refused["changes"] == {}
    assert refused["details"] == {
        "command": "DELETE /v1/peers/{id}",
        "code": "CANNOT_DELETE_LOCAL",
        "message": refusal["error"],
    }
    assert (forbidden["outcome"], forbidden["details"]["code"]) == ("refused", "FORBIDDEN")
    of_remote = await entries(agent, "?peer={remote}&type=command.refused")
    assert positions(of_remote) == [forbidden["position"]]


async def test_attempts_on_a_peer_that_is_unknown_are_found_by_its_id(agent: Agent) -> None:
    await agent.call("DELETE /v1/peers/{unknown}")
    [attempt] = await entries(agent, "?peer={unknown}")
    assert attempt["details"]["code"] == "NOT_FOUND"


async def test_a_service_is_in_the_history_of_both_its_peers(agent: Agent) -> None:
    await agent.answer("DELETE /v1/services/{service}")
    for name in ("local", "remote"):
        found = await agent.answer(f"GET /v1/peers/{{{name}}}/history?type=service.removed")
        [entry] = found
        assert entry["subject"] == agent.names["service"]
        assert entry["subject_name"] == "backup"
        assert entry["changes"]["name"] == {"before": "backup", "after": None}
    assert await agent.answer("GET /v1/peers/{other}/history?type=service.removed") == []


async def test_a_peer_that_is_gone_has_its_history(agent: Agent) -> None:
    found = await agent.answer("GET /v1/peers/{removed}/history", scope="audit.read")
    assert [entry["type"] for entry in found] == ["peer.removed", "peer.added"]


async def test_filters_are_combined(agent: Agent) -> None:
    agent.clock.advance(seconds=10)
    await agent.answer("PUT /v1/peers/{remote}", json={"name": "late"})
    at = rfc3339(UnixUs(BEGIN_US + 10_000_000))
    everything = "?peer={remote}&type=peer.renamed&actor=operator:operator"
    assert len(await entries(agent, f"{everything}&since={at}")) == 1
    assert await entries(agent, f"{everything}&until={at}") == []
    assert len(await entries(agent, f"{everything}&since=2026-01-01T02:00:10+02:00")) == 1
    assert await entries(agent, "?peer={other}&type=peer.renamed") == []
    assert await entries(agent, "?actor=client:nobody") == []


async def lines(agent: Agent, query: str = "", **options: Any) -> list[dict[str, Any]]:
    """Return what is answered as JSON Lines."""
    response = await agent.call(f"GET /v1/history{query}", scope="audit.read", **options)
    assert response.status == 200
    assert response.content_type == "application/x-ndjson"
    assert response.headers["X-Request-Id"]
    return [json.loads(line) for line in (await response.text()).splitlines()]


async def test_json_lines_are_cloud_events(agent: Agent) -> None:
    reason = {"X-Reason": "tidy", "X-Correlation-Id": "c1"}
    await agent.answer("PUT /v1/peers/{remote}", json={"name": "n"}, headers=reason)
    found = await lines(agent, headers=NDJSON)
    assert [event["sequence"] for event in found] == [
        f"{position:020}" for position in range(1, agent.views.position + 1)
    ]
    newest = found[-1]
    [entry] = await entries(agent, "?limit=1")
    assert newest == {
        "specversion": "1.0",
        "id": entry["id"],
        "source": f"/v1/peers/{agent.names['local']}",
        "type": "peer.renamed",
        "subject": agent.names["remote"],
        "time": entry["occurred_at"],
        "datacontenttype": "application/json",
        "sequence": f"{entry['position']:020}",
        "recordedtime": entry["recorded_at"],
        "correlationid": "c1",
        "authtype": "user",
        "authid": "operator:operator",
        "data": entry,
    }
    assert all(value != "" for event in found for value in event.values())


async def test_json_lines_take_filters_bounds_and_order(agent: Agent) -> None:
    assert len(await lines(agent, "?format=jsonl&limit=2")) == 2
    found = await lines(agent, "?format=jsonl&order=desc&type=peer.added&before=7")
    assert [event["data"]["position"] for event in found] == [6, 5, 4]
    assert await lines(agent, "?type=peer.deactivated", headers=NDJSON) == []
    explicit = await agent.call("GET /v1/history?format=json", headers=NDJSON)
    assert explicit.content_type == "application/json"


async def test_json_lines_are_the_whole_log_however_long(agent: Agent) -> None:
    peer_id = PeerId(agent.names["remote"])
    await asyncio.gather(
        *(
            agent.context.bus.submit(RenamePeer(peer_id=peer_id, name=f"n{count}"))
            for count in range(1_200)
        )
    )
    end = agent.views.position
    found = await lines(agent, "?format=jsonl")
    assert [event["data"]["position"] for event in found] == list(range(1, end + 1))
    backwards = await lines(agent, "?format=jsonl&order=desc")
    assert found == backwards[::-1]


async def test_waiting_ends_with_the_next_entry_that_matches(agent: Agent) -> None:
    end = agent.views.position
    waiting = asyncio.create_task(
        agent.answer(f"GET /v1/history?after={end}&wait=60&type=service.removed")
    )
    await agent.answer("PUT /v1/peers/{remote}", json={"name": "not this"})
    await agent.answer("DELETE /v1/services/{service}")
    [entry] = await waiting
    assert entry["type"] == "service.removed"


async def test_waiting_in_vain_ends_in_time_with_nothing(agent: Agent) -> None:
    end = agent.views.position
    response = await agent.call(f"GET /v1/history?after={end}&wait=1")
    assert await response.json() == []
    assert response.headers["X-Log-Position"] == str(end)


async def test_waiting_is_over_at_once_when_the_agent_stops(agent: Agent) -> None:
    end = agent.views.position
    await entries(agent)
    waiting = asyncio.create_task(agent.answer(f"GET /v1/history?after={end}&wait=60"))
    runner = agent.context.history.runner
    async with asyncio.timeout(10):
        while not runner.waiting:
            await asyncio.sleep(0)
        runner.release()
        assert await waiting == []


@pytest.fixture
async def damage(agent: Agent, tmp_path: Path) -> AsyncIterator[sqlite3.Connection]:
    """Return the index of the agent, to be tampered with."""
    await entries(agent)
    with closing(sqlite3.connect(tmp_path / "history.db", isolation_level=None)) as connection:
        yield connection


@pytest.mark.parametrize(
    ("tampering", "call"),
    [
        ("UPDATE entries SET state = zeroblob(40)", "GET /v1/peers?as_of=5"),
        ("UPDATE entries SET state = zeroblob(40)", "GET /v1/history"),
        ("UPDATE facets SET position = position - 1", "GET /v1/history?type=peer.removed"),
        ("DROP TABLE entries", "GET /v1/history"),
    ],
)
async def test_an_index_that_makes_no_sense_is_made_anew_and_not_believed(
    agent: Agent, damage: sqlite3.Connection, tampering: str, call: str
) -> None:
    before = await agent.answer(call)
    damage.execute(tampering)
    # A past view that was made before is kept, and was right.
    again = call.replace("as_of=5", "as_of=6") if "as_of" in call else call
    response = await agent.call(again)
    body = await response.json()
    assert (response.status, body["code"]) == (503, "UNAVAILABLE"), body
    assert int(response.headers["Retry-After"]) >= 1
    assert "index" in body["error"]
    async with asyncio.timeout(10):
        while (await agent.call(again)).status == 503:
            pass
    assert await agent.answer(call) == before


async def test_everything_else_is_answered_while_the_index_is_behind(agent: Agent) -> None:
    runner = agent.context.history.runner
    await entries(agent)
    await runner.stop()
    await agent.answer("PUT /v1/peers/{remote}", json={"name": "unseen"})
    refused = await agent.answer("GET /v1/history", 503)
    end = agent.views.position
    assert refused["details"] == {"position": end - 1, "end": end}
    assert (await agent.answer("GET /v1/peers/{remote}"))["name"] == "unseen"
