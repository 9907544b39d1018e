"""`membership demo`: it plays through, and cleans up whatever happens."""

import re
import signal
import socket
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from membership.cli.demo_stage import Stage, Unexpected
from membership.cli.demo_story import CHAPTERS
from membership.client import ConnectionFailed
from tests.cli.processes import END_S, read_until, started


def leftovers(directory: Path) -> list[Path]:
    return list(directory.iterdir())


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """Return where the demo makes its directory."""
    directory = tmp_path / "temporary"
    directory.mkdir()
    return directory


@pytest.mark.timeout(120)
def test_the_demo_plays_through_and_leaves_nothing_behind(tmp_path: Path, temporary: Path) -> None:
    with started("demo", cwd=tmp_path, TMPDIR=str(temporary)) as process:
        stdout, stderr = process.communicate(timeout=2 * END_S)
    assert (process.returncode, stderr) == (0, "")
    assert stdout.count("✓") > len(CHAPTERS)
    assert stdout.rstrip().endswith("everything is cleaned up.")
    for chapter in CHAPTERS:
        assert chapter.title in stdout
    assert leftovers(temporary) == []


@pytest.mark.timeout(120)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_interrupted_cleans_up(
    tmp_path: Path, temporary: Path, number: signal.Signals
) -> None:
    with started("demo", cwd=tmp_path, TMPDIR=str(temporary)) as process:
        said = read_until(process.stdout, "peers list")
        process.send_signal(number)
        _, stderr = process.communicate(timeout=END_S)
    assert process.returncode == 1
    assert "Traceback" not in stderr
    assert leftovers(temporary) == []
    address = re.search(r"http://(127\.0\.0\.1):(\d+)", said)
    assert address is not None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address[1], int(address[2])))


async def test_what_does_not_come_true_is_told_with_what_was_found() -> None:
    stage = Stage(Console(file=StringIO()), deadline_s=0.05)

    async def look() -> int:
        return 41

    with pytest.raises(Unexpected) as surprise:
        await stage.expect("the answer is 42", look, lambda seen: seen == 42)
    assert str(surprise.value) == "expected within 0 s: the answer is 42\nfound: 41"


async def test_an_agent_that_does_not_answer_yet_is_asked_again() -> None:
    stage = Stage(Console(file=StringIO()))
    answers: list[Exception | int] = [42, ConnectionFailed("http://x", "nothing listens there")]

    async def look() -> int:
        answer = answers.pop()
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert await stage.expect("the answer is 42", look, lambda seen: seen == 42) == 42
