"""Peers and services as they were, and what differs between two moments."""

from typing import Any
from urllib.parse import quote

import pytest

from membership.api.scopes import SCOPES
from membership.domain.rfc3339 import rfc3339
from membership.domain.values import UnixUs
from tests.api.agent import BEGIN_US, Agent

CALLS = (
    "GET /v1/peers",
    "GET /v1/peers?is_local=false",
    "GET /v1/peers?include_inactive=true",
    "GET /v1/peers?limit=2&after={local}",
    "GET /v1/peers?address=192.0.2.1:8080",
    "GET /v1/peers/{remote}",
    "GET /v1/peers/self",
    "GET /v1/peers/{removed}?include_inactive=true",
    "GET /v1/services",
    "GET /v1/services?peer_id={remote}",
    "GET /v1/services/{service}",
)


def as_of(call: str, moment: int | str) -> str:
    return f"{call}{'&' if '?' in call else '?'}as_of={quote(str(moment), safe='')}"


async def change_everything(agent: Agent) -> None:
    """Leave nothing as it was."""
    agent.clock.advance(seconds=100)
    await agent.answer("PUT /v1/peers/{remote}", json={"name": "renamed"})
    await agent.answer("PUT /v1/peers/{local}", json={"name": "omega"})
    await agent.answer("DELETE /v1/services/{service}")
    await agent.answer("DELETE /v1/peers/{remote}")
    await agent.add("removed", "gone.example:8080")


@pytest.mark.parametrize("call", CALLS)
async def test_what_was_answered_then_is_answered_as_of_then(agent: Agent, call: str) -> None:
    response = await agent.call(call)
    then, position = await response.json(), agent.views.position
    await change_everything(agent)
    assert await (await agent.call(call)).json() != then
    for moment in (position, rfc3339(UnixUs(BEGIN_US + 99_999_999)), "2026-01-01T02:00:30+02:00"):
        past = await agent.call(as_of(call, moment))
        assert await past.json() == then
        assert past.headers["X-Log-Position"] == str(position)
        if "limit" not in call:
            assert past.headers["ETag"] == response.headers["ETag"]


async def test_as_of_the_last_position_is_the_present(agent: Agent) -> None:
    for call in CALLS:
        assert await agent.answer(as_of(call, agent.views.position)) == await agent.answer(call)


async def test_a_peer_is_404_before_it_was_recorded(agent: Agent) -> None:
    recorded = next(e.position for e in agent.events() if e.event.stream_id == agent.names["other"])
    await agent.answer(as_of("GET /v1/peers/{other}", recorded))
    await agent.answer(as_of("GET /v1/peers/{other}", recorded - 1), 404)


async def test_a_service_turns_inactive_in_the_past_when_its_peer_left(agent: Agent) -> None:
    before = agent.views.position
    await agent.answer("DELETE /v1/peers/{remote}")
    after = agent.views.position
    for position, is_active in ((before, True), (after, False)):
        one = await agent.answer(as_of("GET /v1/services/{service}", position))
        [listed] = await agent.answer(as_of("GET /v1/services", position))
        assert one == listed
        assert one["is_active"] is is_active


async def test_the_pages_of_the_past_stay_at_one_moment(agent: Agent) -> None:
    at = rfc3339(UnixUs(BEGIN_US))
    call, seen = as_of("GET /v1/peers?limit=1", at), list[str]()
    whole = [peer["id"] for peer in await agent.answer("GET /v1/peers")]
    while call:
        response = await agent.call(call)
        [peer] = await response.json()
        seen.append(peer["id"])
        link = response.headers.get("Link", "")
        call = link and "GET " + link[1 : link.index(">")]
        # Recorded at the same moment as all the others: a page later the time means more.
        await agent.answer("PUT /v1/peers/{remote}", json={"name": f"n{len(seen)}"})
    assert seen == whole


async def test_a_moment_outside_the_log_is_told_which_there_are(agent: Agent) -> None:
    body = await agent.answer("GET /v1/peers?as_of=900", 400)
    assert f"a position from 1 to {agent.views.position}" in body["error"]
    assert "from 2026-01-01T00:00:00.000000Z to the present" in body["error"]
    assert body["details"] == {"field": "as_of"}


async def test_the_present_is_as_far_as_the_clock_has_come(agent: Agent) -> None:
    late = as_of("GET /v1/peers", "2026-01-01T00:00:30Z")
    await agent.answer(late, 400)
    agent.clock.advance(seconds=30)
    await agent.answer(late)
    # The clock is set back, and the log is not.
    await agent.answer("PUT /v1/peers/{remote}", json={"name": "n"})
    agent.clock.advance(seconds=-20)
    await agent.answer(late)


@pytest.mark.parametrize(
    ("call", "scope"),
    [("GET /v1/peers?as_of=1", "peers.read"), ("GET /v1/services?as_of=1", "services.read")],
)
async def test_to_look_at_the_past_takes_both_scopes(agent: Agent, call: str, scope: str) -> None:
    headers = {"Authorization": f"Bearer {agent.token(scope, 'audit.read')}"}
    await agent.answer(call, scope=None, headers=headers)
    for missing in (scope, "audit.read"):
        others = [other for other in SCOPES if other not in (missing, "admin")]
        refused = await agent.answer(
            call, 403, scope=None, headers={"Authorization": f"Bearer {agent.token(*others)}"}
        )
        assert refused["details"] == {"scope": missing}
    assert not [e for e in agent.events() if e.event.stored_as == "command.refused.v1"]


async def diff(agent: Agent, start: object, end: object = None) -> dict[str, Any]:
    to = "" if end is None else f"&to={end}"
    call = f"GET /v1/history/diff?from={start}{to}"
    found: dict[str, Any] = await agent.answer(call, scope="audit.read")
    return found


async def test_a_difference_tells_what_was_added_removed_and_changed(agent: Agent) -> None:
    start = agent.views.position
    gone = await agent.answer("GET /v1/peers/{remote}")
    service = await agent.answer("GET /v1/services/{service}")
    await change_everything(agent)
    found = await diff(agent, start)
    assert found["from"] == {"position": start, "recorded_at": "2026-01-01T00:00:00.000000Z"}
    assert found["to"] == {
        "position": agent.views.position,
        "recorded_at": "2026-01-01T00:01:40.000000Z",
    }
    assert found["peers"]["added"] == [await agent.answer("GET /v1/peers/{removed}")]
    [removed] = found["peers"]["removed"]
    assert removed == gone | {
        "name": "renamed",
        "is_active": False,
        "version": 3,
        "removed_at": "2026-01-01T00:01:40.000000Z",
    }
    assert found["peers"]["changed"] == [
        {
            "id": agent.names["local"],
            "name": "omega",
            "changes": {"name": {"before": "alpha", "after": "omega"}},
        }
    ]
    assert found["services"] == {"added": [], "removed": [service], "changed": []}


async def test_a_difference_tells_which_services_turned_inactive(agent: Agent) -> None:
    start = agent.views.position
    await agent.answer("DELETE /v1/peers/{remote}")
    [changed] = (await diff(agent, start))["services"]["changed"]
    assert changed["id"] == agent.names["service"]
    assert changed["changes"] == {
        "is_active": {"before": True, "after": False},
        "inactive_reason": {"before": None, "after": "the target peer was removed"},
    }


async def test_what_came_and_went_between_two_moments_is_in_neither(agent: Agent) -> None:
    start = agent.views.position
    await agent.add("guest", "192.0.2.77:1")
    await agent.answer("DELETE /v1/peers/{guest}")
    nothing = {"added": [], "removed": [], "changed": []}
    found = await diff(agent, start, agent.views.position)
    assert (found["peers"], found["services"]) == (nothing, nothing)


async def test_a_difference_takes_times_too(agent: Agent) -> None:
    position = agent.views.position
    await change_everything(agent)
    by_time = await diff(agent, "2026-01-01T00:00:10Z", "2026-01-01T00:01:40Z")
    assert by_time == await diff(agent, position, agent.views.position)
