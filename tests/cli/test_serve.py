"""`membership serve` as a process: what it says, and how it ends."""

import json
import os
import pty
import signal
import socket
import urllib.request
from pathlib import Path

import pytest
from aiohttp.test_utils import unused_port

from tests.cli.conftest import running
from tests.cli.processes import END_S, read_until, started
from tests.client import fake_agent as fake
from tests.client.fake_agent import REMOTE_ID, FakeAgent

LAST_LINE = "peers add"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_start_tells_how_to_go_on_and_a_signal_ends_it(
    tmp_path: Path, number: signal.Signals
) -> None:
    with started("serve", "--listen", "127.0.0.1:0", "--name", "alpha", cwd=tmp_path) as process:
        said = read_until(process.stderr, LAST_LINE)
        process.send_signal(number)
        stdout, rest = process.communicate(timeout=END_S)
    assert process.returncode == 0
    assert stdout == ""
    assert "Traceback" not in rest
    for part in ("“alpha”", "client id", "secret", "curl -H", "export MEMBERSHIP_TOKEN=$("):
        assert part in said


def test_a_later_start_shows_no_secret(tmp_path: Path) -> None:
    for expected in (LAST_LINE, "licence"):
        with started("serve", "--listen", "127.0.0.1:0", cwd=tmp_path) as process:
            said = read_until(process.stderr, expected)
            process.terminate()
            _, rest = process.communicate(timeout=END_S)
    assert "secret" not in said + rest


def test_the_json_log_is_json_and_holds_no_secret(tmp_path: Path) -> None:
    listen = ("--listen", "127.0.0.1:0")
    with started("serve", *listen, cwd=tmp_path, MEMBERSHIP_LOG_FORMAT="json") as process:
        said = read_until(process.stderr, "first start")
        process.terminate()
        _, rest = process.communicate(timeout=END_S)
    events = [json.loads(line) for line in (said + rest).splitlines()]
    assert {event["level"] for event in events} <= {"info", "warning"}
    assert "answers at http://127.0.0.1:" in events[0]["event"]


def test_what_was_pasted_works(tmp_path: Path) -> None:
    with started("serve", "--listen", "127.0.0.1:0", cwd=tmp_path) as process:
        said = read_until(process.stderr, LAST_LINE)
        url = next(line.split()[-1] for line in said.splitlines() if "curl" in line)
        with started("token", "--scope", "admin", cwd=tmp_path) as minting:
            token, _ = minting.communicate(timeout=END_S)
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token.strip()}"})
        with urllib.request.urlopen(request, timeout=END_S) as response:
            assert [peer["is_local"] for peer in json.load(response)] == [True]


def test_a_taken_port_is_told_and_leaves_no_data_behind(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with started("serve", "--listen", address, cwd=tmp_path) as process:
            stdout, stderr = process.communicate(timeout=END_S)
    assert (process.returncode, stdout) == (1, "")
    assert f"cannot listen on {address}: the port is taken" in stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("address", "says"),
    [("192.0.2.1:8080", "does not have that address"), ("no.invalid:8080", "no such host")],
)
def test_an_address_of_nobody_here_is_told(tmp_path: Path, address: str, says: str) -> None:
    with started("serve", "--listen", address, cwd=tmp_path) as process:
        _, stderr = process.communicate(timeout=END_S)
    assert process.returncode == 1
    assert says in stderr


def test_a_second_agent_on_the_same_data_is_refused(tmp_path: Path) -> None:
    with started("serve", "--listen", "127.0.0.1:0", cwd=tmp_path) as first:
        read_until(first.stderr, LAST_LINE)
        with started("serve", "--listen", "127.0.0.1:0", cwd=tmp_path) as second:
            _, stderr = second.communicate(timeout=END_S)
    assert second.returncode == 1
    assert f"pid {first.pid}" in stderr


@pytest.mark.parametrize(("answer", "removes"), [("n\n", False), ("y\n", True)])
def test_on_a_terminal_a_removal_is_asked_for_by_name(
    tmp_path: Path, agent: FakeAgent, answer: str, *, removes: bool
) -> None:
    call = f"DELETE /v1/peers/{REMOTE_ID}"
    agent.answers(f"GET /v1/peers/{REMOTE_ID}", fake.REMOTE | {"name": "beta"})
    agent.answers(call, fake.DELETED)
    ours, theirs = pty.openpty()
    os.write(ours, answer.encode())
    with running(agent) as url:
        command = ("peers", "remove", REMOTE_ID, "--token", "t", "--url", url)
        with started(*command, cwd=tmp_path, stdin=theirs) as process:
            stdout, stderr = process.communicate(timeout=END_S)
    os.close(ours)
    os.close(theirs)
    assert stdout == ""
    assert f"Remove beta at {fake.REMOTE['address']} ({REMOTE_ID})?" in stderr
    assert (call in [seen.call for seen in agent.seen]) is removes
    assert process.returncode == (0 if removes else 1)


def test_an_agent_that_is_not_there_ends_a_command_quickly(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{unused_port()}"
    with started("status", "--token", "t", "--url", url, cwd=tmp_path) as process:
        _, stderr = process.communicate(timeout=END_S)
    assert process.returncode == 4
    assert "Traceback" not in stderr
