"""The command run in this process, and an agent for it in a thread."""

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

import pytest
from aiohttp import web
from click.testing import CliRunner, Result

from membership.cli.main import root
from tests.client.fake_agent import FakeAgent

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def _empty_directory(tmp_path: Path) -> Iterator[None]:
    """Keep the configuration file and the data of the machine out."""
    with chdir(tmp_path):
        yield


@pytest.fixture
def run() -> Run:
    """Return what runs `membership` with arguments, and environment variables by keyword."""
    unset: dict[str, str | None] = {v: None for v in os.environ if v.startswith("MEMBERSHIP_")}

    def run(*arguments: str, **environment: str) -> Result:
        runner = CliRunner(env=unset | environment)
        return runner.invoke(root, arguments, prog_name="membership")

    return run


@pytest.fixture
def agent() -> FakeAgent:
    """Return an agent without answers."""
    return FakeAgent()


@pytest.fixture
def ask(agent: FakeAgent, run: Run) -> Iterator[Run]:
    """Return what runs a command of a client against the agent, with a token."""
    with running(agent) as url:
        yield lambda *arguments: run(*arguments, MEMBERSHIP_URL=url, MEMBERSHIP_TOKEN="t.o.k")


@contextmanager
def running(agent: FakeAgent) -> Iterator[str]:
    """Let the agent answer from a thread of its own, since commands bring their own loop."""
    started, stop = threading.Event(), asyncio.Event()
    loop, urls = asyncio.new_event_loop(), list[str]()

    async def serve() -> None:
        runner = web.AppRunner(agent.app(), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0]
        urls.append(f"http://{host}:{port}")
        started.set()
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    started.wait()
    try:
        yield urls[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
