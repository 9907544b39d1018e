"""The command as a process of its own, for what only a process can show."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[2]
END_S = 60.0
ENVIRONMENT = {
    **{key: value for key, value in os.environ.items() if not key.startswith("MEMBERSHIP_")},
    "PYTHONPATH": str(ROOT),
    "PYTHONUNBUFFERED": "1",
}


@contextmanager
def started(
    *arguments: str, cwd: Path, stdin: int | IO[str] = subprocess.DEVNULL, **environment: str
) -> Iterator[subprocess.Popen[str]]:
    """Run `membership` with *arguments*; killed at the end if it still runs."""
    with subprocess.Popen(
        [sys.executable, "-m", "membership", *arguments],
        cwd=cwd,
        env=ENVIRONMENT | environment,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(stream: IO[str] | None, text: str) -> str:
    """Return what a process writes up to the line with *text*; fails when it ends before."""
    assert stream is not None
    read = ""
    for line in stream:
        read += line
        if text in line:
            return read
    message = f"{text!r} never came:\n{read}"
    raise AssertionError(message)
