"""
What it costs that the log proves itself.

    bin/bench proof [--events 1000 100000] [--peers 1000] [--json FILE]

For each size: what a start takes beside a bare scan of the same bytes, how large the database is,
and how long proofs take, from the disk to the last hash. Then the leaf in the write path: appends
with it and without, in turns, in one run.
"""

import argparse
import json
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

from eventsourcing.persistence import StoredEvent
from rich.console import Console
from rich.table import Table

from membership.domain.events import RecordedEvent
from membership.proof.merkle import (
    leaf_bytes,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from membership.proof.tree import MerkleTree
from membership.settings import Settings
from membership.store import codec
from membership.store.data_directory import DataDirectory
from membership.store.event_store import EventStore
from membership.store.rows import Batch, SeatChanges, StoredRow
from membership.store.sqlite import SQLiteRecorder
from membership.wiring.initialise import open_agent
from tests.bench.__main__ import run_module
from tests.bench.big_log import History, big_log
from tests.bench.cluster_of import ADDRESS

PROOFS = 500
ROUNDS = 5
APPENDS_S = 1.0
_PAGE = 20_000


def median_us(work: Callable[[int], object], arguments: Sequence[int]) -> float:
    """Return the median time of *work* over its *arguments*, in microseconds."""
    times = []
    for argument in arguments:
        began = time.perf_counter()
        work(argument)
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e6


def hash_again(row: StoredRow) -> bytes:
    """Return the leaf's hash, as an append computes it."""
    return leaf_hash(leaf_bytes(row.stream_id, row.version, row.stored_name, row.state))


def measure_proofs(data_dir: Path) -> dict[str, float]:
    """Return how long roots and proofs of the agent's log take, in microseconds."""
    store = EventStore(SQLiteRecorder(DataDirectory(data_dir).database))
    tree = MerkleTree(store.leaf_hashes)
    began = time.perf_counter()
    while hashes := store.leaf_hashes(tree.size, tree.size + _PAGE):
        for hashed in hashes:
            tree.append(hashed)
    build_s = time.perf_counter() - began
    size, chance = tree.size, random.Random(1)
    places = [chance.randrange(1, size) for _ in range(PROOFS)]
    root, leaves = tree.root(), {i: store.leaf_hashes(i, i + 1)[0] for i in places}
    paths = {i: tree.inclusion_proof(i, size) for i in places}
    steps = {i: (tree.root(i), tree.consistency_proof(i, size)) for i in places}
    rows = dict(enumerate(islice(store.rows(), PROOFS)))
    figures = {
        "leaf_us": median_us(lambda i: hash_again(rows[i]), list(rows)),
        "build_us_per_event": build_s / size * 1e6,
        "root_us": median_us(lambda _: tree.root(), places),
        "inclusion_us": median_us(lambda i: tree.inclusion_proof(i, size), places),
        "inclusion_verify_us": median_us(
            lambda i: verify_inclusion(i, size, leaves[i], paths[i], root), places
        ),
        "consistency_us": median_us(lambda i: tree.consistency_proof(i, size), places),
        "consistency_verify_us": median_us(
            lambda i: verify_consistency(i, size, steps[i][0], root, steps[i][1]), places
        ),
        "inclusion_bytes": statistics.median(32 * len(path) for path in paths.values()),
    }
    store.close()
    return figures


def append_with_leaf(recorder: SQLiteRecorder, events: Sequence[RecordedEvent]) -> None:
    """Append as the agent does."""
    EventStore(recorder).append(Batch(events=events))


def append_without_leaf(recorder: SQLiteRecorder, events: Sequence[RecordedEvent]) -> None:
    """Append the same events, and hash nothing."""
    recorder.insert_events(
        [
            StoredEvent(
                UUID(bytes=codec.ulid_to_bytes(one.event.stream_id)),
                one.version,
                one.event.stored_as,
                codec.encode(one.event, one.metadata),
            )
            for one in events
        ],
        first_position=events[0].position,
        leaf_hashes=[b""] * len(events),
        seats=SeatChanges(),
        deliveries=(),
        forgotten=(),
    )


def measure_appends(data_dir: Path, batch: int) -> dict[str, float]:
    """Return the appended events a second with and without leaves, and the ratio of each turn."""
    rates: dict[str, list[float]] = {"with": [], "without": []}
    ways = {"with": append_with_leaf, "without": append_without_leaf}
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=Path.cwd()) as directory:
        directories = {name: Path(directory) / f"{name}.db" for name in ways}
        recorders = {name: SQLiteRecorder(path) for name, path in directories.items()}
        happening = {name: _happening(data_dir) for name in ways}
        for _ in range(ROUNDS):
            for name, append in ways.items():
                count, began = 0, time.perf_counter()
                while (elapsed := time.perf_counter() - began) < APPENDS_S:
                    append(recorders[name], list(islice(happening[name], batch)))
                    count += batch
                rates[name].append(count / elapsed)
        for recorder in recorders.values():
            recorder.close()
    pairs = zip(rates["with"], rates["without"], strict=True)
    return {
        "batch": batch,
        "with_per_s": statistics.median(rates["with"]),
        "without_per_s": statistics.median(rates["without"]),
        "ratio": statistics.median(one / other for one, other in pairs),
    }


def _happening(data_dir: Path) -> Any:
    """Return what could happen next to the agent's cluster, numbered from 1."""
    directory = DataDirectory(data_dir)
    with directory.locked():
        opened = open_agent(directory, Settings(data_dir=data_dir), ADDRESS)
        cluster = opened.replayed.cluster
        cluster.position, cluster.versions = 0, {}
        events = History(cluster, cluster.local.created_at_us).events()
        opened.replayed.store.close()
    return events


def table_of(title: str, results: Sequence[dict[str, float]]) -> Table:
    """Return the figures as a table, one column a result."""
    table = Table(title=title, show_header=False)
    for name in results[0]:
        figures = [result[name] for result in results]
        table.add_row(name, *(f"{f:,.2f}" if f % 1 else f"{f:,.0f}" for f in figures))
    return table


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(prog="bin/bench proof", description=__doc__)
    parser.add_argument("--events", type=int, nargs="+", default=[1_000, 100_000])
    parser.add_argument("--peers", type=int, default=1_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    starts, proofs = [], []
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=Path.cwd()) as directory:
        for events in options.events:
            data_dir = Path(directory) / f"with-{events}"
            big_log(data_dir, events=events, peers=min(options.peers, events // 10))
            starts.append(run_module("tests.bench.startup", str(data_dir)))
            proofs.append({"events": float(events)} | measure_proofs(data_dir))
        smallest = Path(directory) / f"with-{min(options.events)}"
        appends = [measure_appends(smallest, batch) for batch in (1, 64)]
    machine = f"{platform.platform()}, Python {platform.python_version()}"
    console = Console()
    console.print(table_of("start beside a bare scan", starts))
    console.print(table_of("proofs", proofs))
    console.print(table_of("durable appends with and without the leaf", appends), machine)
    if options.json:
        results = {"machine": machine, "starts": starts, "proofs": proofs, "appends": appends}
        options.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
