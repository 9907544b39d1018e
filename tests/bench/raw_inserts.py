"""
What is compared with: durable inserts into SQLite by nobody but SQLite.

    python -m tests.bench.raw_inserts <seconds>

One connection, WAL, `synchronous=FULL`, one row of 400 bytes and one commit at a time: the most
that a program gets which waits for the disk with every write.
"""

import json
import os
import sqlite3
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    """Insert for some seconds and print the rate."""
    seconds = float(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=Path.cwd()) as directory:
        connection = sqlite3.connect(Path(directory) / "raw.db", isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, state BLOB)")
        row, count, began = os.urandom(400), 0, time.perf_counter()
        while (elapsed := time.perf_counter() - began) < seconds:
            connection.execute("INSERT INTO t (state) VALUES (?)", (row,))
            count += 1
        connection.close()
    print(json.dumps({"requests": count, "seconds": elapsed, "rate": count / elapsed}))


if __name__ == "__main__":
    main()
