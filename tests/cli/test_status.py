"""`membership status` and `membership sync`: what operators see, once and as it goes."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Sequence

import pytest

from membership.cli.status_tables import render
from membership.client import ClusterStatus
from membership.client.decoding import decode
from tests.cli.conftest import Run, running
from tests.cli.processes import ENVIRONMENT, ROOT
from tests.cli.test_tables import lines
from tests.client import fake_agent as fake
from tests.client.fake_agent import REMOTE_ID, FakeAgent, refusal

CALL = "GET /v1/cluster/status"
NAMES = "GET /v1/peers?is_local=false"


def shown(**changes: object) -> Sequence[str]:
    return lines(render(decode(ClusterStatus, fake.STATUS | changes)))


def test_a_peer_is_one_line_and_its_trouble_another() -> None:
    screen = shown(peers=[fake.WELL, fake.DOWN | {"name": "gamma"}])
    heading = next(n for n, line in enumerate(screen) if line.startswith("PEER"))
    assert screen[heading].split() == ["PEER", "REACHABLE", "SEEN", "RTT", "NEWS", "AGREES"]
    troubled, well = (" ".join(line.split()) for line in screen[heading + 1 : heading + 3])
    assert well == "beta [2001:db8::7]:8080 yes 2 s ago 1.5 ms heard yes"
    assert troubled == "gamma [2001:db8::7]:8080 no - - untold 1 min ?"
    text = " ".join(line.strip() for line in screen)
    told = "nothing listens there: gamma [2001:db8::7]:8080, 4 attempts, next in 4 s"
    assert told in text
    assert text.count("beta [2001:db8::7]:8080") == 1


def test_all_peers_are_summed_up_for_those_that_do_not_fit_the_screen() -> None:
    peers = [fake.WELL, fake.DOWN, fake.DOWN, fake.WELL | {"digest_equal": False}]
    summary = next(line for line in shown(peers=peers) if line.startswith("peers "))
    words = summary.removeprefix("peers").strip()
    assert words == "4, 2 not reachable, 2 with news to hear, 1 not agreeing"
    summary = next(line for line in shown(peers=[fake.WELL]) if line.startswith("peers "))
    assert summary.split() == ["peers", "1"]


def test_an_introduction_tells_who_and_why_not_yet() -> None:
    text = " ".join(line.strip() for line in shown(peers=[]))
    assert "No peers yet. Add one: membership peers add HOST:PORT" in text
    assert f"acquainted with gamma 192.0.2.3:8080, as {REMOTE_ID} suggested: the cluster" in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"health": fake.HEALTH | {"identity_conflict": "another agent"}}, "IDENTITY CONFLICT: an"),
        ({"health": fake.HEALTH | {"is_cut_off": True}}, "look at its own network first"),
        ({"health": fake.HEALTH | {"is_slow": True, "loop_lag_ms": 1500.0}}, "up to 1.5 s late"),
        ({"license": fake.USAGE | {"state": "warning", "days_left": 9}}, "ends in 9 days"),
        ({"license": fake.USAGE | {"state": "grace"}}, "When its days of grace are over"),
        ({"license": fake.USAGE | {"state": "read_only"}}, "refuses every change"),
    ],
)
def test_what_is_wrong_with_the_agent_is_told_in_words(
    changes: dict[str, object], words: str
) -> None:
    assert words in " ".join(line.strip() for line in shown(**changes))
    assert words not in " ".join(line.strip() for line in shown())


def test_fifty_peers_are_fifty_lines() -> None:
    peers = [fake.WELL | {"name": f"agent-{n}", "address": f"192.0.2.{n}:8080"} for n in range(50)]
    screen = shown(peers=peers, introductions=[])
    heading = next(n for n, line in enumerate(screen) if line.startswith("PEER"))
    assert len(screen) == heading + 51


def test_watching_as_json_is_one_object_a_line(agent: FakeAgent, ask: Run) -> None:
    agent.answers(CALL, fake.STATUS)
    agent.answers(CALL, fake.STATUS | {"log_position": 8})
    agent.answers(CALL, refusal("TOKEN_EXPIRED"), 401)
    result = ask("status", "--watch", "--json")
    first, second = map(json.loads, result.stdout.splitlines())
    assert (first, second["log_position"]) == (fake.STATUS, 8)
    assert result.exit_code == 5, "a token that has expired ends it"


def test_watching_without_a_terminal_is_a_page_after_the_other(agent: FakeAgent, ask: Run) -> None:
    agent.answers(CALL, fake.STATUS)
    agent.answers(CALL, fake.STATUS)
    agent.answers(CALL, refusal("FORBIDDEN"), 403)
    result = ask("status", "--watch")
    assert result.stdout.count("alpha (") == 2
    assert "\x1b" not in result.stdout


def _read_terminal(terminal: int, wanted: str) -> str:
    read = ""
    while wanted not in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", read):
        read += os.read(terminal, 65_536).decode()
    return read


def test_watching_on_a_terminal_draws_anew_until_ctrl_c(agent: FakeAgent) -> None:
    agent.answers(CALL, fake.STATUS)
    agent.answers(CALL, fake.STATUS | {"log_position": 8})
    terminal, its_end = pty.openpty()
    with running(agent) as url:
        watching = subprocess.Popen(
            [sys.executable, "-m", "membership", "status", "--watch", "--url", url, "--token", "t"],
            cwd=ROOT,
            env=ENVIRONMENT | {"TERM": "xterm", "COLUMNS": "80", "LINES": "24"},
            stdin=its_end,
            stdout=its_end,
            stderr=its_end,
        )
        first = _read_terminal(terminal, "position 7")
        _read_terminal(terminal, "position 8")
    told = _read_terminal(terminal, "cannot reach")
    watching.send_signal(signal.SIGINT)
    assert watching.wait(30) == 0
    assert "\x1b[?1049h" in first, "it has a screen of its own"
    assert "Traceback" not in told
    os.close(its_end)
    os.close(terminal)


def test_a_round_names_everybody_and_what_came_of_it(agent: FakeAgent, ask: Run) -> None:
    agent.answers("POST /v1/cluster/sync", fake.NOT_AGREED)
    agent.answers(NAMES, [fake.REMOTE | {"name": "beta"}])
    result = ask("sync")
    heading, unreachable, differing = result.stdout.splitlines()
    assert heading.split() == ["PEER", "RESULT"]
    assert unreachable.split("  ")[0] == "beta [2001:db8::7]:8080"
    assert unreachable.endswith("no answer within 5 seconds")
    assert differing.split() == [fake.SERVICE_ID, "knows", "something", "else"]
    assert "2 of 2 peers do not agree" in result.stderr
    assert result.exit_code == 6


def test_a_round_that_everybody_agrees_in_succeeds(agent: FakeAgent, ask: Run) -> None:
    agent.answers("POST /v1/cluster/sync?wait=9", fake.AGREED)
    agent.answers(NAMES, [fake.REMOTE])
    result = ask("sync", "--wait", "9")
    assert result.stdout.splitlines()[1].split() == ["[2001:db8::7]:8080", "agrees"]
    assert (result.exit_code, result.stderr) == (0, "")


def test_a_round_as_json_ends_with_6_too(agent: FakeAgent, ask: Run) -> None:
    agent.answers("POST /v1/cluster/sync", fake.NOT_AGREED)
    result = ask("sync", "--json")
    assert json.loads(result.stdout) == fake.NOT_AGREED
    assert result.exit_code == 6


@pytest.mark.parametrize("wait", ["-1", "61", "soon"])
def test_a_wait_that_no_agent_would_take_is_not_sent(agent: FakeAgent, ask: Run, wait: str) -> None:
    assert ask("sync", "--wait", wait).exit_code == 2
    assert agent.seen == []
