"""The scripts that set everything up by themselves."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BOOTSTRAP = ROOT / "bin" / "bootstrap.sh"


def run_environment(
    directory: Path, lock: Path, path: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Source the script and ask it for an environment."""
    return subprocess.run(
        ["/bin/sh", "-euc", f'. "{BOOTSTRAP}"; environment "$1" "$2"', "sh", directory, lock],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": os.environ["PATH"] if path is None else path},
    )


@pytest.fixture
def empty_lock(tmp_path: Path) -> Path:
    lock = tmp_path / "requirements.lock"
    lock.write_text("# nothing\n")
    return lock


def test_an_environment_is_made_once(tmp_path: Path, empty_lock: Path) -> None:
    first = run_environment(tmp_path / "env", empty_lock)
    made = Path(first.stdout.strip())
    made_at = made.lstat().st_mtime_ns
    second = run_environment(tmp_path / "env", empty_lock)

    assert "Setting up env" in first.stderr
    assert (second.stdout, second.stderr) == (first.stdout, "")
    assert made.lstat().st_mtime_ns == made_at
    assert subprocess.run([made, "-c", ""], check=False).returncode == 0


def test_another_lock_file_is_another_environment(tmp_path: Path, empty_lock: Path) -> None:
    first = run_environment(tmp_path / "env", empty_lock)
    empty_lock.write_text("# still nothing\n")

    assert run_environment(tmp_path / "env", empty_lock).stdout != first.stdout


def test_two_at_the_same_time_get_the_same_whole_one(tmp_path: Path, empty_lock: Path) -> None:
    command = f'. "{BOOTSTRAP}"; environment "$1" "$2"'
    both = [
        subprocess.Popen(
            ["/bin/sh", "-euc", command, "sh", tmp_path / "env", empty_lock],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for _ in range(2)
    ]
    printed = [process.communicate()[0] for process in both]

    assert [process.returncode for process in both] == [0, 0]
    assert printed[0] == printed[1]
    assert [path.name for path in (tmp_path / "env").iterdir()] == [
        Path(printed[0].strip()).parents[1].name
    ]


def test_a_failure_leaves_nothing_and_says_what_to_do(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("membership-of-nobody==1.0 --hash=sha256:" + 64 * "0" + "\n")
    failed = run_environment(tmp_path / "env", lock)

    assert failed.returncode == 1
    assert "package index" in failed.stderr
    assert list((tmp_path / "env").iterdir()) == []


def test_a_machine_without_python_is_told_so(tmp_path: Path, empty_lock: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("cksum", "tr", "cat", "mkdir", "rm", "basename", "dirname"):
        found = subprocess.run(
            ["/bin/sh", "-c", f"command -v {name}"], capture_output=True, text=True, check=True
        )
        (tools / name).symlink_to(found.stdout.strip())
    # A shim that exists and does not run, as version managers leave them.
    (tools / "python3").write_text("#!/bin/sh\nexit 127\n")
    (tools / "python3").chmod(0o755)
    refused = run_environment(tmp_path / "env", empty_lock, path=str(tools))

    assert refused.returncode == 1
    assert "Python 3.11" in refused.stderr


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-test.lock"])
def test_everything_in_a_lock_file_has_hashes(name: str) -> None:
    text = (ROOT / "config" / name).read_text().replace("\\\n", " ")
    for line in text.splitlines():
        assert re.fullmatch(r"[a-z0-9-]+==\S+( ; .+?)?(\s+--hash=sha256:[0-9a-f]{64})+", line), line


def test_the_lock_file_holds_what_the_project_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = (ROOT / "config" / "requirements.lock").read_text()
    for requirement in [*project["dependencies"], *project["optional-dependencies"]["fast"]]:
        name = re.split(r"[<>=;\s]", requirement)[0]
        assert re.search(rf"^{name}==", locked, re.MULTILINE), name


def test_the_script_runs_from_anywhere(tmp_path: Path) -> None:
    # The environment of this very run is good enough to see that arguments and paths arrive.
    fake = tmp_path / "checkout"
    (fake / "bin").mkdir(parents=True)
    (fake / "config").mkdir()
    (fake / "config" / "requirements.lock").write_text("# nothing\n")
    for name in ("membership", "bootstrap.sh"):
        (fake / "bin" / name).write_text((ROOT / "bin" / name).read_text())
    (fake / "bin" / "membership").chmod(0o755)
    (fake / "membership").mkdir()
    (fake / "membership" / "__main__.py").write_text(
        "import os, sys; print(os.getcwd(), sys.argv[1:])"
    )
    link = tmp_path / "link"
    link.symlink_to(fake / "bin" / "membership")
    done = subprocess.run(
        [link, "a b", "c"], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == f"{tmp_path} ['a b', 'c']"
    assert sys.version_info >= (3, 11)
