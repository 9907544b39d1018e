"""
Open an agent as its start does, beside reading the same bytes with sqlite3 alone.

    python -m tests.bench.startup <data_dir>

prints `{"events", "open_s", "open_cpu_s", "scan_s", "bytes_per_event"}`. What is compared with is
one scan of the table by `sqlite3`, each state decoded by msgpack and nothing done with it.
"""

import json
import sqlite3
import sys
import time
from pathlib import Path

import msgpack

from membership.settings import Settings
from membership.store.data_directory import DataDirectory
from membership.wiring.initialise import open_agent
from tests.bench.cluster_of import ADDRESS


def scan(database: Path) -> float:
    """Return the seconds that one decoding scan takes."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    began = time.perf_counter()
    for row in connection.execute("SELECT * FROM stored_events ORDER BY position"):
        msgpack.unpackb(row[4])
    took_s = time.perf_counter() - began
    connection.close()
    return took_s


def main() -> None:
    """Measure and print."""
    directory = DataDirectory(Path(sys.argv[1]))
    scan_s = scan(directory.database)
    with directory.locked():
        began, cpu_began = time.perf_counter(), time.process_time()
        opened = open_agent(directory, Settings(data_dir=directory.path), ADDRESS)
        open_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began
        events = opened.replayed.tree.size
        opened.replayed.store.close()
    figures = {
        "events": events,
        "open_s": open_s,
        "open_cpu_s": cpu_s,
        "scan_s": scan_s,
        "bytes_per_event": directory.database.stat().st_size / events,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
