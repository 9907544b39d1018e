"""Agents as processes: started from the command line, spoken to over HTTP, killed by signals."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Self

import aiohttp

from membership import wiring
from tests.e2e.hosts import PORT, Host

STARTED_S = 30.0
SETTLED_S = 60.0
POLL_S = 0.05
TOKEN_TTL_S = 86_400
ROOT = Path(__file__).parents[2]
ENVIRONMENT = {
    **{key: value for key, value in os.environ.items() if not key.startswith("MEMBERSHIP_")},
    "PYTHONPATH": str(ROOT),
}


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def run_command(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run `membership` with *arguments* to its end."""
    return subprocess.run(
        [sys.executable, "-m", "membership", *arguments],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=check,
        timeout=STARTED_S,
    )


def issue_license(directory: Path, *, name: str = "license", max_nodes: int = 100) -> Path:
    """Write a new licence into *directory* and return its path."""
    out, key = directory / f"{name}.json", directory / f"{name}.key"
    wiring.issue_license(
        out, issuer_key=key, max_nodes=max_nodes, days=90, customer="tests", renew=None
    )
    return out


async def eventually(
    condition: Callable[[], Awaitable[bool]],
    within_s: float = SETTLED_S,
    poll_s: float = POLL_S,
) -> None:
    """Wait until *condition* holds; fails when it does not within *within_s*."""
    async with asyncio.timeout(within_s):
        while not await condition():
            await asyncio.sleep(poll_s)


class AgentProcess:
    """
    One agent in a process of its own.

    Args:
        host: The machine to run it on; this one if there is none.

    Attributes:
        address: Where it listens and what it advertises.
    """

    def __init__(
        self,
        data_dir: Path,
        license_file: Path | None = None,
        *flags: str,
        host: Host | None = None,
    ) -> None:
        self.data_dir = data_dir
        self.host = host
        self.address = f"{host.address}:{PORT}" if host else f"127.0.0.1:{free_port()}"
        self._flags = [*flags]
        if license_file is not None:
            self._flags += ["--license", str(license_file)]
        self._process: asyncio.subprocess.Process | None = None
        self._session: aiohttp.ClientSession | None = None
        self._token = ""

    async def __aenter__(self) -> Self:
        """Start it."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Kill it if it still runs."""
        await self.kill()

    @property
    def process(self) -> asyncio.subprocess.Process:
        """The running process."""
        assert self._process is not None, "the agent is not running"
        return self._process

    async def start(self) -> None:
        """Start the process and wait until it is ready."""
        await self.spawn()
        await self.until_ready()

    async def spawn(self) -> None:
        """Start the process."""
        log = (self.data_dir.parent / f"{self.data_dir.name}.log").open("ab")
        with log:
            self._process = await asyncio.create_subprocess_exec(
                *(self.host.command_prefix if self.host else ()),
                *(sys.executable, "-m", "membership", "serve"),
                *("--data-dir", str(self.data_dir), "--listen", self.address, *self._flags),
                env=ENVIRONMENT,
                stdout=log,
                stderr=log,
            )
        self._session = aiohttp.ClientSession(connector=self.host and self.host.connector())

    async def until_ready(self, within_s: float = SETTLED_S) -> None:
        """Wait until the process that was started answers."""

        async def is_ready() -> bool:
            assert self.process.returncode is None, self.read_log()
            try:
                status, _ = await self.call("GET", "/readyz", token="")
            except aiohttp.ClientError:
                return False
            return status == 200

        await eventually(is_ready, within_s)
        self._token = wiring.mint_local_token(self.data_dir, scopes=["admin"], ttl_s=TOKEN_TTL_S)

    def read_log(self) -> str:
        """Return everything that the process wrote."""
        return (self.data_dir.parent / f"{self.data_dir.name}.log").read_text()

    async def signal(self, number: signal.Signals) -> None:
        """Send a signal and wait for the end."""
        self.process.send_signal(number)
        await asyncio.wait_for(self.process.wait(), STARTED_S)
        await self._forget()

    def pause(self) -> None:
        """Stop the process in its tracks, as a machine does that hangs."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)

    async def kill(self) -> None:
        """Kill the process with SIGKILL, if it runs."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        await self._forget()

    async def _forget(self) -> None:
        self._process = None
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Any]:
        """Return status and JSON body of a request with an administrator's token."""
        assert self._session is not None, "the agent is not running"
        bearer = self._token if token is None else token
        async with self._session.request(
            method,
            f"http://{self.address}{path}",
            json=body,
            headers={"Authorization": f"Bearer {bearer}", **(headers or {})},
        ) as response:
            return response.status, await response.json(content_type=None)

    async def peers(self) -> dict[str, dict[str, Any]]:
        """Return the listed peers by id."""
        status, body = await self.call("GET", "/v1/peers")
        assert status == 200, body
        return {peer["id"]: peer for peer in body}

    async def local(self) -> dict[str, Any]:
        """Return the agent's own peer."""
        _, [body] = await self.call("GET", "/v1/peers?is_local=true")
        assert isinstance(body, dict)
        return body

    async def add(self, other: "AgentProcess") -> dict[str, Any]:
        """Add another agent by its address; fails unless it is added."""
        status, body = await self.call("POST", "/v1/peers", {"address": other.address})
        assert status == 201, body
        assert isinstance(body, dict)
        return body

    async def status(self) -> dict[str, Any]:
        """Return how the agent stands."""
        status, body = await self.call("GET", "/v1/cluster/status")
        assert status == 200, body
        assert isinstance(body, dict)
        return body

    async def opinion_of(self, peer_id: str) -> dict[str, Any]:
        """Return what the agent says of one of its peers."""
        [opinion] = [peer for peer in (await self.status())["peers"] if peer["peer_id"] == peer_id]
        assert isinstance(opinion, dict)
        return opinion

    async def sync(self, wait_s: int = 0) -> dict[str, Any]:
        """Let the agent compare with all its peers."""
        status, body = await self.call("POST", f"/v1/cluster/sync?wait={wait_s}")
        assert status == 200, body
        assert isinstance(body, dict)
        return body

    async def rename(self, name: str) -> None:
        """Give the agent a name of its own."""
        status, body = await self.call(
            "PUT", f"/v1/peers/{(await self.local())['id']}", {"name": name}
        )
        assert status == 200, body

    async def lists(self, *peer_ids: str) -> bool:
        """Return whether exactly these peers are listed."""
        return set(await self.peers()) == set(peer_ids)
