"""The commands that need no running agent: create, issue, mint, rebuild."""

import json
from base64 import urlsafe_b64decode
from pathlib import Path

import pytest

from membership.cli.tokens import parse_ttl
from tests.cli.conftest import Run


def claims(token: str) -> dict[str, object]:
    body = token.split(".")[1]
    decoded: dict[str, object] = json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return decoded


def test_init_creates_an_agent_and_shows_its_credential(run: Run, tmp_path: Path) -> None:
    result = run("init", "--name", "alpha", "--json")
    assert result.exit_code == 0, result.output
    made = json.loads(result.stdout)
    assert made.keys() == {
        *("peer_id", "data_dir", "cluster_id", "license"),
        *("client_id", "client_secret"),
    }
    assert made["license"] == "evaluation"
    assert (tmp_path / "data" / "identity.json").is_file()
    assert "serve --data-dir data" in result.stderr
    assert made["client_secret"] not in result.stderr


def test_init_never_touches_an_agent_that_is_there(run: Run) -> None:
    assert run("init").exit_code == 0
    result = run("init")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "already holds the agent" in result.stderr


def test_an_agent_that_has_not_left_keeps_its_identity(run: Run) -> None:
    assert run("init").exit_code == 0
    result = run("init", "--new-identity")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Only an agent that has left can be replaced" in result.stderr


def test_a_token_is_the_only_thing_on_stdout(run: Run) -> None:
    made = json.loads(run("init", "--data-dir", "here", "--json").stdout)
    scopes = ("--scope", "peers.read", "--scope", "services.read")
    result = run("token", *scopes, "--ttl", "15m", "--data-dir", "here")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    told = claims(result.stdout.removesuffix("\n"))
    assert told["iss"] == made["peer_id"]
    assert told["scope"] == "peers.read services.read"
    assert int(str(told["exp"])) - int(str(told["iat"])) == 900


def test_the_data_directory_may_be_set_in_the_environment_or_the_file(
    run: Run, tmp_path: Path
) -> None:
    run("init", "--data-dir", "here")
    assert run("token", "--scope", "admin", MEMBERSHIP_DATA_DIR="here").exit_code == 0
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "membership.toml").write_text('[agent]\ndata_dir = "here"\n')
    assert run("token", "--scope", "admin").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "exit_code", "says"),
    [
        (("token", "--scope", "admin"), 1, "holds no agent yet"),
        (("token", "--scope", "root"), 2, "'root' is not one of"),
        (("token",), 2, "Missing option '--scope'"),
        (("token", "--scope", "admin", "--ttl", "soon"), 2, "write seconds, 15m, 1h or 7d"),
        (("rebuild",), 1, "holds no agent yet"),
        (("init", "--listen", "nowhere"), 3, "--listen: "),
        (("init", "--listen", "0.0.0.0:80"), 3, "agent.advertise is not set"),
        (("init", "--config", "missing.toml"), 3, "cannot be read"),
        (("init", "--license", "missing.json"), 3, "cannot be read"),
        (("serve", "--listen", "nowhere"), 3, "--listen: "),
        (("license", "show", "missing.json"), 3, "cannot be read"),
        (("license", "issue", "--out", "x.json"), 2, "needs --max-nodes and --customer"),
        (("license", "issue", "--out", "x.json", "--max-nodes", "0"), 2, "1<=x<=1000000"),
    ],
)
def test_what_cannot_be_done_is_told_in_plain_words(
    run: Run, arguments: tuple[str, ...], exit_code: int, says: str
) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert says in result.stderr
    assert "Traceback" not in result.stderr


def test_an_unknown_variable_is_a_configuration_error(run: Run) -> None:
    result = run("init", MEMBERSHIP_LISTN="x")
    assert result.exit_code == 3
    assert "did you mean MEMBERSHIP_LISTEN?" in result.stderr


def issue(run: Run, *more: str) -> dict[str, object]:
    result = run("license", "issue", "--json", *more)
    assert result.exit_code == 0, result.output
    issued: dict[str, object] = json.loads(result.stdout)
    return issued


def test_a_licence_is_issued_shown_and_renewed_without_its_secret(run: Run, tmp_path: Path) -> None:
    first = issue(run, "--out", "a.json", "--max-nodes", "7", "--customer", "Example Ltd")
    renewed = issue(run, "--out", "b.json", "--renew", "a.json", "--days", "10")
    assert (first["revision"], renewed["revision"]) == (1, 2)
    assert renewed["max_nodes"] == first["max_nodes"] == 7
    assert renewed["cluster_id"] == first["cluster_id"]
    assert json.loads(run("license", "show", "b.json", "--json").stdout) == renewed
    told = run("license", "show", "a.json").stdout
    assert "Example Ltd" in told
    secret = json.loads((tmp_path / "a.json").read_text())["secret"]
    assert secret not in told
    assert secret not in json.dumps(first)


def test_a_licence_is_never_overwritten(run: Run) -> None:
    new = ("--out", "a.json", "--max-nodes", "7", "--customer", "Example Ltd")
    issue(run, *new)
    result = run("license", "issue", *new)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "a.json" in result.stderr


def test_a_file_that_is_no_issuer_key_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.key").write_text("garbage")
    new = ("--out", "a.json", "--max-nodes", "7", "--customer", "Example Ltd")
    result = run("license", "issue", *new, "--issuer-key", "bad.key")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "bad.key is no issuer key" in result.stderr


def test_a_file_that_is_no_licence_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    result = run("license", "show", "a.json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "the licence is not acceptable" in result.stderr


def test_rebuild_reports_what_the_log_holds(run: Run) -> None:
    run("init")
    report = json.loads(run("rebuild", "--json").stdout)
    assert report.keys() == {"events", "peers", "services", "root", "repaired"}
    assert (report["peers"], report["repaired"]) == (1, [])
    told = run("rebuild").stdout
    assert report["root"] in told


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("900", 900), ("15m", 900), ("1h", 3600), ("7d", 604_800), ("30S", 30), (" 1h ", 3600)],
)
def test_a_time_to_live_is_read(text: str, seconds: int) -> None:
    assert parse_ttl(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-1", "1w", "h", "1.5h", "366d", "1h30m"])
def test_a_time_to_live_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no time to live"):
        parse_ttl(text)
