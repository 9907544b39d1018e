"""
What agents say to each other, counted on its way: a proxy in front of each of them.

An agent listens at one port and advertises another one, where its proxy forwards every byte. So
what is counted is what really travels, HTTP headers and broken attempts included; what TCP and IP
add to it is not.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

_REQUEST = b"POST /peer/v1/"
_CHUNK_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Traffic:
    """
    What was counted in some time.

    Attributes:
        requests: When each began, in seconds since the counting did.
        carried_bytes: In both directions.
    """

    seconds: float
    requests: Sequence[float]
    carried_bytes: int

    @property
    def peak_per_s(self) -> int:
        """The most requests that began in one second."""
        return max(Counter(map(int, self.requests)).values(), default=0)


@dataclass(slots=True)
class Meter:
    """
    Proxies, and what passes through them.

    Attributes:
        requests: When each began and to which port it went.
    """

    requests: list[tuple[float, int]] = field(default_factory=list)
    carried_bytes: int = 0
    _servers: list[asyncio.Server] = field(default_factory=list)
    _began_s: float = 0.0

    async def put_before(self, port: int) -> int:
        """Put a proxy before a loopback port; return the port to advertise."""

        async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.closing(writer), contextlib.suppress(OSError):
                await self._forward(port, reader, writer)

        server = await asyncio.start_server(forward, "127.0.0.1", 0, backlog=1_024)
        self._servers.append(server)
        advertised: int = server.sockets[0].getsockname()[1]
        return advertised

    def close(self) -> None:
        """Take all proxies away."""
        for server in self._servers:
            server.close()

    def begin(self) -> None:
        """Begin to count anew."""
        self.requests.clear()
        self.carried_bytes = 0
        self._began_s = time.monotonic()

    def read(self, port: int | None = None) -> Traffic:
        """Return what was counted since the beginning, of requests those to *port* alone."""
        return Traffic(
            time.monotonic() - self._began_s,
            [at_s - self._began_s for at_s, to in self.requests if port in (None, to)],
            self.carried_bytes,
        )

    async def _forward(
        self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            # Nobody is there: an attempt all the same.
            self._count(await reader.read(_CHUNK_BYTES), port)
            return
        with contextlib.closing(back):
            answers = asyncio.create_task(self._pipe(there, writer, None))
            try:
                await self._pipe(reader, back, port)
            finally:
                answers.cancel()

    async def _pipe(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int | None
    ) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(_CHUNK_BYTES):
                self._count(chunk, port)
                writer.write(chunk)
                await writer.drain()
        writer.close()

    def _count(self, chunk: bytes, port: int | None) -> None:
        self.carried_bytes += len(chunk)
        if port is not None:
            # Agents send a request's head in one piece, so no chunk breaks it in two.
            now_s = time.monotonic()
            self.requests += [(now_s, port)] * chunk.count(_REQUEST)
