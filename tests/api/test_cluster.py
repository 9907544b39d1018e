"""Services, licence, identity and status."""

import pytest

from membership.commands.ports import DestinationStatus, PeerHealth, PursuitStatus, SelfHealth
from membership.domain.values import PeerId, UnixUs, parse_address
from tests.api.agent import BEGIN_US, Agent, license_document

JSON = {"Content-Type": "application/json"}


async def _service(agent: Agent, name: str, source: str, target: str) -> str:
    fields = {
        "name": name,
        "source_peer_id": agent.names[source],
        "target_peer_id": agent.names[target],
    }
    response = await agent.call("POST /v1/services", json=fields)
    body = await response.json()
    assert response.headers["Location"] == f"/v1/services/{body['id']}"
    identifier: str = body["id"]
    return identifier


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ("DELETE /v1/peers/self", "the source peer left the cluster"),
        ("DELETE /v1/peers/{remote}", "the target peer was removed"),
    ],
)
async def test_a_service_turns_inactive_with_its_peer(agent: Agent, call: str, reason: str) -> None:
    first = await agent.call("GET /v1/services/{service}")
    body = await first.json()
    assert (body["is_active"], body["inactive_reason"]) == (True, None)
    await agent.answer(call)
    headers = {"If-None-Match": first.headers["ETag"]}
    body = await agent.answer("GET /v1/services/{service}", headers=headers)
    assert (body["is_active"], body["inactive_reason"]) == (False, reason)
    assert await agent.answer("GET /v1/services") == [body]


async def test_services_are_filtered_by_peer_and_paged(agent: Agent) -> None:
    first = agent.names["service"]
    second = await _service(agent, "b", "remote", "other")
    third = await _service(agent, "c", "other", "local")

    async def ids(query: str) -> list[str]:
        body = await agent.answer(f"GET /v1/services?{query}")
        return [service["id"] for service in body]

    assert await ids("") == [first, second, third]
    assert await ids("peer_id={remote}") == [first, second]
    assert await ids("source_peer_id={remote}") == [second]
    assert await ids("target_peer_id={local}") == [third]
    assert await ids("peer_id={unknown}") == []
    assert await ids("name=b") == [second]
    assert await ids(f"after={first}") == [second, third]
    response = await agent.call("GET /v1/services?limit=2")
    assert response.headers["Link"] == f'</v1/services?limit=2&after={second}>; rel="next"'


async def test_a_removed_service_is_gone(agent: Agent) -> None:
    assert await agent.answer("DELETE /v1/services/{service}") == {"deleted": True}
    await agent.answer("GET /v1/services/{service}", 404)
    await agent.answer("DELETE /v1/services/{service}", 404)


async def test_a_licence_is_shown_without_its_secret(agent: Agent) -> None:
    body = await agent.answer("GET /v1/license")
    assert "secret" not in body
    assert "signature" not in body
    assert (body["state"], body["days_left"]) == ("valid", 365)
    assert (body["nodes"], body["max_nodes"]) == (3, 10)


@pytest.mark.parametrize(
    ("days", "state", "left"), [(340, "warning", 25), (366, "grace", 0), (380, "read_only", 0)]
)
async def test_a_licence_says_where_it_stands(
    agent: Agent, days: int, state: str, left: int
) -> None:
    agent.clock.advance(days=days)
    for body in (
        await agent.answer("GET /v1/license"),
        (await agent.answer("GET /v1/cluster/status"))["license"],
    ):
        assert (body["state"], body["days_left"]) == (state, left)


async def test_a_renewal_ends_read_only(agent: Agent) -> None:
    agent.clock.advance(days=380)
    await agent.answer("PUT /v1/peers/{remote}", 422, json={"name": "b"})
    document = license_document(revision=2, days=800)
    body = await agent.answer("PUT /v1/license", data=document, headers=JSON)
    assert (body["revision"], body["state"]) == (2, "valid")
    await agent.answer("PUT /v1/peers/{remote}", json={"name": "b"})


async def test_an_older_licence_is_refused(agent: Agent) -> None:
    newer, older = license_document(revision=3), license_document(revision=2)
    await agent.answer("PUT /v1/license", data=newer, headers=JSON)
    body = await agent.answer("PUT /v1/license", 422, data=older, headers=JSON)
    assert body["code"] == "LICENSE_INVALID"


async def test_status_says_of_each_active_peer_all_that_is_known(agent: Agent) -> None:
    remote, other = agent.names["remote"], agent.names["other"]
    agent.peering.health = {
        remote: PeerHealth(
            reachable=True, last_seen_us=BEGIN_US, round_trip_s=0.00149, digest_equal=True
        ),
        other: PeerHealth(reachable=False, digest_equal=False, last_error="no answer"),
    }
    agent.peering.told[other] = DestinationStatus(
        peer_id=PeerId(other),
        acked_version=1,
        undelivered_since_us=BEGIN_US,
        attempts=2,
        failing_since_us=UnixUs(BEGIN_US + 1),
        next_attempt_at_us=UnixUs(BEGIN_US + 2),
        last_error="timeout",
    )
    well, badly = (await agent.answer("GET /v1/cluster/status"))["peers"]
    assert well == {
        "peer_id": remote,
        "name": "",
        "address": "192.0.2.1:8080",
        "reachable": True,
        "last_seen": "2026-01-01T00:00:00.000000Z",
        "round_trip_ms": 1.5,
        "digest_equal": True,
        "acked_version": 1,
        "is_behind": False,
        "undelivered_since": None,
        "attempts": 0,
        "failing_since": None,
        "next_attempt_at": None,
        "last_error": "",
    }
    assert badly == well | {
        "peer_id": other,
        "address": "[2001:db8::1]:8080",
        "reachable": False,
        "last_seen": None,
        "round_trip_ms": None,
        "digest_equal": False,
        "is_behind": True,
        "undelivered_since": "2026-01-01T00:00:00.000000Z",
        "attempts": 2,
        "failing_since": "2026-01-01T00:00:00.000001Z",
        "next_attempt_at": "2026-01-01T00:00:00.000002Z",
        "last_error": "timeout",
    }


async def test_status_tells_why_a_peer_does_not_answer_that_has_heard_all(agent: Agent) -> None:
    agent.peering.health[agent.names["remote"]] = PeerHealth(last_error="nothing listens there")
    remote, _ = (await agent.answer("GET /v1/cluster/status"))["peers"]
    assert (remote["is_behind"], remote["last_error"]) == (False, "nothing listens there")


async def test_status_tells_what_the_agent_thinks_of_itself(agent: Agent) -> None:
    body = await agent.answer("GET /v1/cluster/status")
    assert body["log_position"] == agent.views.position
    assert body["peer"]["version"] == 1
    assert body["observed_at"] == "2026-01-01T00:00:00.000000Z"
    assert body["digest"] == "000102030405060708090a0b0c0d0e0f"
    well = {"loop_lag_ms": 0.0, "is_slow": False, "is_cut_off": False, "identity_conflict": None}
    assert body["health"] == well
    agent.peering.of_self = SelfHealth(
        loop_lag_s=1.25, is_slow=True, is_cut_off=True, identity_conflict="somebody"
    )
    body = await agent.answer("GET /v1/cluster/status")
    assert list(body["health"].values()) == [1250.0, True, True, "somebody"]


async def test_status_names_who_is_about_to_become_a_peer(agent: Agent) -> None:
    agent.peering.pursuits = [
        PursuitStatus(
            peer_id=PeerId(agent.names["unknown"]),
            name="gamma",
            address=parse_address("192.0.2.9:8080"),
            introduced_by=PeerId(agent.names["remote"]),
            attempts=2,
            last_error="nothing listens there",
        )
    ]
    assert (await agent.answer("GET /v1/cluster/status"))["introductions"] == [
        {
            "peer_id": agent.names["unknown"],
            "name": "gamma",
            "address": "192.0.2.9:8080",
            "introduced_by": agent.names["remote"],
            "attempts": 2,
            "last_error": "nothing listens there",
        }
    ]


@pytest.mark.parametrize(("query", "wait_s"), [("", 0), ("?wait=0", 0), ("?wait=7", 7)])
async def test_a_round_answers_who_agrees(agent: Agent, query: str, wait_s: int) -> None:
    remote, other = agent.names["remote"], agent.names["other"]
    agreed = {"agreed": True, "agreeing": [remote, other], "differing": [], "unreachable": []}
    assert await agent.answer(f"POST /v1/cluster/sync{query}") == agreed
    assert agent.peering.waited_s == wait_s
    agent.peering.unreachable[PeerId(other)] = "no answer within 5 seconds"
    assert await agent.answer(f"POST /v1/cluster/sync{query}") == agreed | {
        "agreed": False,
        "agreeing": [remote],
        "unreachable": [{"peer_id": other, "reason": "no answer within 5 seconds"}],
    }


async def test_readiness_writes_nothing(agent: Agent) -> None:
    position = agent.views.position
    await agent.answer("GET /readyz", scope=None)
    assert agent.views.position == position
