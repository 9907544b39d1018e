"""
Run the benchmarks and print medians and ratios.

    bin/bench [--rounds N] [--seconds S] [--json FILE]
    bin/bench cluster …    what a cluster of real agents costs; see tests/bench/cluster.py

Everything that is compared runs in the same run, in turns, A B A B, each side a process of its own
and the load another one.
"""

import argparse
import json
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from rich.console import Console
from rich.progress import track
from rich.table import Table

from membership import wiring
from tests.bench import cluster
from tests.bench.cluster_of import ADDRESS, cluster_of
from tests.e2e.agents import ENVIRONMENT, free_port

READ_CONNECTIONS = 16
Measure = Callable[[float], dict[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Two ways of doing one piece of work."""

    work: str
    ours: Measure
    other_name: str
    other: Measure


@contextmanager
def process(*arguments: str, data: bytes = b"") -> Iterator[None]:
    """Run a Python module beside the benchmark."""
    running = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert running.stdin is not None
    running.stdin.write(data)
    running.stdin.close()
    try:
        yield
    finally:
        running.kill()
        running.wait()


def get(url: str, token: str) -> bytes:
    """Return the body at *url*, waiting for whoever has to answer to come up."""
    deadline = 200
    while True:
        try:
            with urlopen(Request(url, headers={"Authorization": f"Bearer {token}"})) as answer:
                body: bytes = answer.read()
                return body
        except OSError:
            deadline -= 1
            if not deadline:
                raise
            time.sleep(0.1)


def load(port: int, connections: int, requests: list[str]) -> Measure:
    """Return a measurement of the server at *port*."""

    def measure(seconds: float) -> dict[str, float]:
        return run_module(
            "tests.bench.load",
            *(str(port), str(connections), str(seconds)),
            data=json.dumps({"heads": requests}),
        )

    return measure


def run_module(*arguments: str, data: str = "") -> dict[str, float]:
    """Run a module that prints figures, and return them."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        env=ENVIRONMENT,
        input=data,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def read_request(port: int, token: str) -> str:
    """Return the bytes of a read, as text."""
    return (
        f"GET /v1/peers HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n\r\n"
    )


def write_request(port: int, token: str, peer_id: str, name: str) -> str:
    """Return the bytes of a rename, as text."""
    body = json.dumps({"name": name})
    return (
        f"PUT /v1/peers/{peer_id} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    )


def serve_pair(stack: ExitStack, directory: Path, peers: int) -> tuple[int, int, str, str]:
    """Start an agent that lists *peers* and a bare server of the same bytes."""
    data_dir = directory / f"with-{peers}"
    peer_id = cluster_of(data_dir, peers)
    token = wiring.mint_local_token(data_dir, scopes=["admin"], ttl_s=86_400)
    ours, bare = free_port(), free_port()
    stack.enter_context(
        process(
            *("membership", "serve", "--data-dir", str(data_dir)),
            *("--listen", f"127.0.0.1:{ours}", "--advertise", ADDRESS),
        )
    )
    body = get(f"http://127.0.0.1:{ours}/v1/peers", token)
    assert len(json.loads(body)) == peers
    stack.enter_context(process("tests.bench.bare_server", str(bare), str(data_dir), data=body))
    assert get(f"http://127.0.0.1:{bare}/v1/peers", token) == body
    return ours, bare, token, peer_id


def rows(stack: ExitStack, directory: Path) -> Iterator[Row]:
    """Start what is needed and yield every comparison."""
    for peers in (3, 1_000):
        ours, bare, token, peer_id = serve_pair(stack, directory, peers)
        yield Row(
            work=f"GET /v1/peers, {peers:,} peers, {READ_CONNECTIONS} connections",
            ours=load(ours, READ_CONNECTIONS, [read_request(ours, token)]),
            other_name="bare aiohttp, same bytes, same token check",
            other=load(bare, READ_CONNECTIONS, [read_request(bare, token)]),
        )
        if peers == 3:
            names = [write_request(ours, token, peer_id, f"name {n}") for n in range(4_096)]
            for connections in (1, 64):
                yield Row(
                    work=f"durable rename, {connections} connections",
                    ours=load(ours, connections, names),
                    other_name="raw sqlite3, one durable insert each",
                    other=lambda seconds: run_module("tests.bench.raw_inserts", str(seconds)),
                )


def measure(row: Row, rounds: int, seconds: float) -> dict[str, Any]:
    """Measure both sides in turns."""
    pairs = [(row.ours(seconds), row.other(seconds)) for _ in range(rounds)]
    ratios = sorted(ours["rate"] / other["rate"] for ours, other in pairs)
    return {
        "work": row.work,
        "compared_with": row.other_name,
        "ours_per_s": statistics.median(ours["rate"] for ours, _ in pairs),
        "other_per_s": statistics.median(other["rate"] for _, other in pairs),
        "ratio": statistics.median(ratios),
        "ratio_low": ratios[0],
        "ratio_high": ratios[-1],
        "p99_ms": statistics.median(ours.get("p99_ms", 0.0) for ours, _ in pairs),
    }


def table_of(results: list[dict[str, Any]]) -> Table:
    """Return the results as a table."""
    table = Table("work", "ours/s", "p99 ms", "compared with", "other/s", "ratio", "spread")
    for r in results:
        table.add_row(
            r["work"],
            f"{r['ours_per_s']:,.0f}",
            f"{r['p99_ms']:.1f}",
            r["compared_with"],
            f"{r['other_per_s']:,.0f}",
            f"{r['ratio']:.2f}",
            f"{r['ratio_low']:.2f}–{r['ratio_high']:.2f}",
        )
    return table


def main() -> None:
    """Run everything, or what a cluster costs."""
    if sys.argv[1:2] == ["cluster"]:
        cluster.main(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(prog="bin/bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    console = Console(stderr=True)
    with ExitStack() as stack:
        directory = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix=".bench-", dir=Path.cwd()))
        )
        work = list(rows(stack, directory))
        results = [
            measure(row, options.rounds, options.seconds)
            for row in track(work, "measuring", console=console)
        ]
    machine = f"{platform.platform()}, Python {platform.python_version()}"
    Console(width=max(100, shutil.get_terminal_size().columns)).print(table_of(results), machine)
    if options.json:
        options.json.write_text(json.dumps({"machine": machine, "rows": results}, indent=2))


if __name__ == "__main__":
    main()
