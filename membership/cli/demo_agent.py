"""One agent of the demo: a real process on a free port, with a directory of its own."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import membership
from membership import wiring
from membership.cli.demo_stage import Unexpected
from membership.client import ClientError, MembershipClient

START_DEADLINE_S = 20.0
STOP_DEADLINE_S = 10.0
POLL_S = 0.05
TOKEN_TTL_S = 3_600


def free_ports(count: int) -> Sequence[int]:
    """Return ports of 127.0.0.1 that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)
        ]
        return [each.getsockname()[1] for each in sockets]


class DemoAgent:
    """
    Starts, kills and restarts one `membership serve`.

    Attributes:
        name: What it calls itself at first.
        client: Calls it with every right; there after the first start.
        id: Its peer's id; likewise.
    """

    def __init__(self, name: str, address: str, directory: Path, license_file: Path) -> None:
        self.name = name
        self.address = address
        self.url = f"http://{address}"
        self.directory = directory
        self.id = ""
        self._license_file = license_file
        self._log = directory.with_suffix(".log")
        self._process: asyncio.subprocess.Process | None = None
        self._client: MembershipClient | None = None

    @property
    def client(self) -> MembershipClient:
        """Return the agent's client; raises `LookupError` before the first start."""
        if self._client is None:
            raise LookupError(self.name)
        return self._client

    async def start(self) -> None:
        """Start the process and wait until it answers; raises `Unexpected`."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "membership", "serve"),
                *("--name", self.name, "--listen", self.address),
                *("--data-dir", str(self.directory), "--license", str(self._license_file)),
                cwd=self.directory.parent,
                env=_environment(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=log,
                # Ctrl-C is for the demo, which then puts an end to its agents itself.
                start_new_session=True,
            )
        try:
            async with asyncio.timeout(START_DEADLINE_S):
                self.id = await self._answering(self._process)
        except TimeoutError:
            message = f"expected {self.name} to answer within {START_DEADLINE_S:.0f} s; it did not"
            raise Unexpected(message) from None
        if self._client is None:
            token = wiring.mint_local_token(self.directory, scopes=["admin"], ttl_s=TOKEN_TTL_S)
            self._client = MembershipClient(self.url, token)

    async def _answering(self, process: asyncio.subprocess.Process) -> str:
        async with MembershipClient(self.url, retry_waits_s=()) as stranger:
            while process.returncode is None:
                with contextlib.suppress(ClientError):
                    return (await stranger.cluster_identity()).peer_id
                await asyncio.sleep(POLL_S)
        lines = self._log.read_text("utf-8", "replace").strip().splitlines() or ["nothing"]
        message = f"expected {self.name} to start; it ended and said: {lines[-1]}"
        raise Unexpected(message)

    async def kill(self) -> None:
        """End the process the hard way, without a chance to say goodbye."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def stop(self) -> None:
        """Ask the process to end, and wait for it; raises `Unexpected`."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(STOP_DEADLINE_S):
                await self._process.wait()
        except TimeoutError:
            message = f"expected {self.name} to stop within {STOP_DEADLINE_S:.0f} s; it did not"
            raise Unexpected(message) from None

    async def dispose(self) -> None:
        """Leave no process and no connection behind."""
        await self.kill()
        if self._client is not None:
            await self._client.close()


def _environment() -> dict[str, str]:
    """Return this process's environment, without settings and able to import this package."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MEMBERSHIP_")}
    package = str(Path(membership.__file__).resolve().parents[1])
    former = environment.get("PYTHONPATH")
    environment["PYTHONPATH"] = f"{package}{os.pathsep}{former}" if former else package
    return environment
