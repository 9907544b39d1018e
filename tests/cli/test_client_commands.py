"""The commands that talk to a running agent: output, JSON, exit codes."""

import json

import pytest
from aiohttp.test_utils import unused_port

from tests.cli.conftest import Run
from tests.client import fake_agent as fake
from tests.client.fake_agent import LOCAL_ID, REMOTE_ID, SERVICE_ID, FakeAgent, refusal

CALLS = [
    (("peers", "list"), "GET /v1/peers", [fake.LOCAL, fake.REMOTE]),
    (("peers", "get", LOCAL_ID.lower()), f"GET /v1/peers/{LOCAL_ID}", fake.LOCAL),
    (("peers", "add", "192.0.2.7:8080", "--name", "b"), "POST /v1/peers", fake.REMOTE),
    (("peers", "rename", REMOTE_ID, "b"), f"PUT /v1/peers/{REMOTE_ID}", fake.REMOTE),
    (("peers", "remove", REMOTE_ID), f"DELETE /v1/peers/{REMOTE_ID}", fake.DELETED),
    (("peers", "leave", "--yes"), "DELETE /v1/peers/self", fake.DEPARTURE),
    (("services", "list"), "GET /v1/services", [fake.SERVICE]),
    (("services", "get", SERVICE_ID), f"GET /v1/services/{SERVICE_ID}", fake.SERVICE),
    (
        ("services", "register", "backup", "--source", LOCAL_ID, "--target", REMOTE_ID),
        "POST /v1/services",
        fake.SERVICE,
    ),
    (("services", "remove", SERVICE_ID), f"DELETE /v1/services/{SERVICE_ID}", fake.DELETED),
    (("status",), "GET /v1/cluster/status", fake.STATUS),
    (("sync", "--wait", "5"), "POST /v1/cluster/sync?wait=5", fake.AGREED),
    (("license", "show"), "GET /v1/license", fake.LICENSE),
]


@pytest.mark.parametrize(("command", "call", "body"), CALLS)
def test_with_json_stdout_is_exactly_what_the_agent_answered(
    agent: FakeAgent, ask: Run, command: tuple[str, ...], call: str, body: object
) -> None:
    agent.answers(call, body)
    result = ask(*command, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == body
    assert agent.seen[-1].call == call


@pytest.mark.parametrize(("command", "call", "body"), CALLS)
def test_without_json_the_answer_is_told_to_people(
    agent: FakeAgent, ask: Run, command: tuple[str, ...], call: str, body: object
) -> None:
    agent.answers(call, body)
    agent.answers("GET /v1/peers?is_local=false", [fake.REMOTE])
    result = ask(*command)
    assert result.exit_code == 0, result.output
    assert "{" not in result.stdout
    assert "\x1b" not in result.output, "colour is for terminals"
    assert all(line == line.rstrip() for line in result.stdout.splitlines())


@pytest.mark.parametrize(("command", "call", "body"), CALLS)
def test_without_a_token_a_command_says_how_to_get_one(
    run: Run, command: tuple[str, ...], call: str, body: object
) -> None:
    del call, body
    result = run(*command)
    assert result.exit_code == 5
    assert result.stdout == ""
    assert "export MEMBERSHIP_TOKEN=$(" in result.stderr


def test_the_list_shows_every_peer_and_marks_the_agent_itself(agent: FakeAgent, ask: Run) -> None:
    agent.answers("GET /v1/peers", [fake.LOCAL, fake.REMOTE])
    heading, local, remote = ask("peers", "list").stdout.splitlines()
    assert heading.split() == ["ID", "NAME", "ADDRESS", "RECORDED", "(UTC)"]
    assert local.split() == ["*", LOCAL_ID, "alpha", "192.0.2.1:8080", "2026-01-31", "12:00"]
    assert remote.split()[:3] == [REMOTE_ID, "-", "[2001:db8::7]:8080"]


def test_a_hostile_name_is_shown_as_text(agent: FakeAgent, ask: Run) -> None:
    agent.answers("GET /v1/peers", [fake.LOCAL | {"name": "[red]\x1b[2J\u202eevil"}])
    result = ask("peers", "list")
    assert "[red]\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}evil" in result.stdout


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [
        (400, "INVALID_REQUEST", 1),
        (401, "TOKEN_EXPIRED", 5),
        (403, "FORBIDDEN", 5),
        (404, "NOT_FOUND", 1),
        (409, "ALREADY_EXISTS", 1),
        (422, "HANDSHAKE_FAILED", 1),
        (500, "INTERNAL", 1),
    ],
)
def test_a_refusal_is_told_on_stderr_with_its_code(
    agent: FakeAgent, ask: Run, status: int, code: str, exit_code: int
) -> None:
    agent.answers("POST /v1/peers", refusal(code), status)
    result = ask("peers", "add", "192.0.2.7:8080", "--json")
    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert f"error: that is not how it is done ({code}, request R1)" in result.stderr


def test_the_reason_of_a_failed_handshake_is_told(agent: FakeAgent, ask: Run) -> None:
    agent.answers("POST /v1/peers", refusal("HANDSHAKE_FAILED", reason="wrong_protocol"), 422)
    result = ask("peers", "add", "192.0.2.7:8080")
    assert "(HANDSHAKE_FAILED: wrong_protocol, request R1)" in result.stderr


def test_a_missing_scope_is_named_in_the_line_to_paste(agent: FakeAgent, ask: Run) -> None:
    agent.answers("GET /v1/peers", refusal("FORBIDDEN", scope="peers.read"), 403)
    assert "token --scope peers.read)" in ask("peers", "list").stderr


def test_nobody_at_the_address_is_a_connection_error(run: Run) -> None:
    url = f"http://127.0.0.1:{unused_port()}"
    result = run("status", "--url", url, "--token", "t")
    assert (result.exit_code, result.stdout) == (4, "")
    assert f"cannot reach {url}: nothing listens there" in result.stderr
    assert "serve" in result.stderr


def test_something_else_at_the_address_is_told_as_such(agent: FakeAgent, ask: Run) -> None:
    agent.answers("GET /v1/peers", b"<html>")
    result = ask("peers", "list")
    assert result.exit_code == 1
    assert "does not answer like a membership agent" in result.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("peers", "get", "self"),
        ("peers", "remove", "self"),
        ("peers", "add", "nowhere"),
        ("peers", "rename", LOCAL_ID, "a\x07b"),
        ("peers", "get"),
        ("peers", "lsit"),
        ("services", "register", "x", "--source", LOCAL_ID),
        ("status", "--url", "127.0.0.1:8080"),
        ("status", "--token", "a b"),
    ],
)
def test_a_malformed_command_is_refused_before_anything_is_sent(
    agent: FakeAgent, ask: Run, command: tuple[str, ...]
) -> None:
    result = ask(*command)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert "Usage: membership" in result.stderr
    assert agent.seen == []
