"""Agents that lived for a while, and somebody who edits their database while they are stopped."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from membership.commands.messages import RecordRefusal, RenamePeer
from membership.domain.values import parse_address
from membership.proof.merkle import leaf_bytes, leaf_hash
from membership.settings import Settings
from membership.store.data_directory import DataDirectory
from membership.store.reader import ThreadedReader
from membership.store.writer import ThreadedWriter
from membership.wiring.core import Replayed, start_agent
from membership.wiring.initialise import open_agent, system_nature

ADDRESS = parse_address("127.0.0.1:9")
EVENTS = 12


class NoNetwork:
    """Reaches nobody."""

    async def post(self, address: str, path: str, frame: bytes) -> bytes:
        """Never called: the peer protocol is not started."""
        raise NotImplementedError


def start_up(data_dir: Path) -> Replayed:
    """Open the agent as `membership serve` does, close it again, and return what was read."""
    directory = DataDirectory(data_dir)
    with directory.locked():
        opened = open_agent(directory, Settings(data_dir=data_dir), ADDRESS)
        opened.replayed.store.close()
    return opened.replayed


async def live(data_dir: Path, *, events: int = EVENTS) -> None:
    """Start an agent, creating it if needed, let *events* happen, and stop it."""
    directory = DataDirectory(data_dir)
    with directory.locked():
        opened = open_agent(directory, Settings(data_dir=data_dir), ADDRESS)
        reader = ThreadedReader()
        agent = start_agent(
            opened.replayed,
            opened.key,
            nature=system_nature(),
            transport=NoNetwork(),
            start_writer=lambda processor, settle: ThreadedWriter(processor.process, settle),
            reader=reader,
        )
        agent.log.start()
        for number in range(events // 2):
            local_id = agent.local.peer.peer_id
            await agent.bus.submit(RenamePeer(peer_id=local_id, name=f"name {number}"))
            refusal = RecordRefusal(command="c", subject="s", code="C", message=f"no {number}")
            await agent.bus.submit(refusal)
        await agent.log.stop()
        await agent.bus.stop()
        await reader.stop()
        opened.replayed.store.close()


@contextmanager
def edited(data_dir: Path) -> Iterator[sqlite3.Connection]:
    """Yield a connection to the database, as anybody has who may write the file."""
    connection = sqlite3.connect(data_dir / "membership.db", isolation_level=None)
    try:
        yield connection
    finally:
        connection.close()


def recompute_leaves(connection: sqlite3.Connection) -> None:
    """Make each stored leaf hash that of its event, as a careful forger does."""
    rows = connection.execute(
        "SELECT position, originator_id, originator_version, topic, state FROM stored_events"
    ).fetchall()
    for position, stream, version, topic, state in rows:
        hashed = leaf_hash(leaf_bytes(bytes.fromhex(stream), version, topic, state))
        connection.execute(
            "UPDATE stored_events SET leaf_hash = ? WHERE position = ?", (hashed, position)
        )
