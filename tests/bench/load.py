"""
The load generator: a process of its own, as light as Python allows.

It writes ready bytes to kept connections and reads answers by `Content-Length` alone, so that
what is measured is the server. One request is in flight per connection.

    python -m tests.bench.load <port> <connections> <seconds> < request.json

prints `{"requests", "seconds", "rate", "p50_ms", "p99_ms"}`. The request on standard input is
`{"heads": ["…raw bytes of a request…", …]}`; connections take turns through the list.
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from typing import cast

WARM_UP_S = 0.5


class _Connection(asyncio.Protocol):
    def __init__(self, requests: Sequence[bytes], first: int, times: list[float]) -> None:
        self._requests = requests
        self._next = first
        self._times = times
        self._buffer = bytearray()
        self._sent = 0.0
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = bytes(self._buffer[:head_end]).lower()
        at = head.index(b"content-length:") + 15
        line_end = head.find(b"\r\n", at)
        length = int(head[at : line_end if line_end > 0 else None])
        if len(self._buffer) < head_end + 4 + length:
            return
        if not head.startswith((b"http/1.1 2", b"http/1.1 304")):
            message = f"the server answered {bytes(self._buffer[:300])!r}"
            raise SystemExit(message)
        self._buffer.clear()
        self._times.append(time.perf_counter() - self._sent)
        self._send()

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self._requests[self._next % len(self._requests)])
        self._next += 1

    def close(self) -> None:
        self._transport.close()


async def run(
    port: int, connections: int, seconds: float, requests: Sequence[bytes]
) -> dict[str, float]:
    """Return what *connections* achieved together within *seconds*, after a short warm-up."""
    loop = asyncio.get_running_loop()
    times: list[float] = []
    share = max(1, len(requests) // connections)
    protocols = [
        (
            await loop.create_connection(
                lambda index=index: _Connection(requests, index * share, times), "127.0.0.1", port
            )
        )[1]
        for index in range(connections)
    ]
    await asyncio.sleep(WARM_UP_S)
    times.clear()
    began = time.perf_counter()
    await asyncio.sleep(seconds)
    taken, elapsed = sorted(times), time.perf_counter() - began
    for protocol in protocols:
        protocol.close()
    return {
        "requests": len(taken),
        "seconds": elapsed,
        "rate": len(taken) / elapsed,
        "p50_ms": taken[len(taken) // 2] * 1_000,
        "p99_ms": taken[int(len(taken) * 0.99)] * 1_000,
    }


def main() -> None:
    """Read the request, make the load, print the figures."""
    port, connections, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    requests = [text.encode("latin-1") for text in json.load(sys.stdin)["heads"]]
    try:
        import uvloop
    except ImportError:
        figures = asyncio.run(run(port, connections, seconds, requests))
    else:
        figures = uvloop.run(run(port, connections, seconds, requests))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
