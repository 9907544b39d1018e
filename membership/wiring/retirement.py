"""
Out with an old identity: the last thing it does is to see that everybody hears of its leaving.

An agent that left tells its peers in the background for as long as it takes. One that is replaced
by a new identity has no such time: so it tries them all once more, for a few seconds, and whoever
cannot be reached then hears it from the new identity, which takes the old one's signed farewell
into its own log and passes it on like any other record.
"""

import asyncio
from dataclasses import replace
from pathlib import Path

from membership.peering.http_transport import HttpTransport
from membership.peering.peering import DiscoveryMode, Remembered
from membership.proof.signing import Signer
from membership.settings import Settings
from membership.store.data_directory import AlreadyInitialised, DataDirectory
from membership.store.event_store import EventStore
from membership.store.reader import InlineReader
from membership.store.sqlite import SQLiteRecorder
from membership.store.writer import ThreadedWriter
from membership.wiring.core import Key, Nature, Replayed, replay, start_agent

FAREWELL_S = 5.0
POLL_S = 0.05


def retire(directory: DataDirectory, settings: Settings, nature: Nature) -> Path:
    """
    Move the files of an identity that has left out of the way, and return where to. Blocking.

    Raises:
        AlreadyInitialised: The agent has not left.
        DataDirectoryError, StoreError: As their messages say.
    """
    identity = directory.read_identity()
    store = EventStore(SQLiteRecorder(directory.database))
    try:
        replayed = replay(store, nature)
        if replayed.cluster.local_id is not None:
            if replayed.cluster.local.is_active:
                raise AlreadyInitialised(directory.path, identity.peer_id)
            farewell = asyncio.run(_say_farewell(replayed, Signer(identity.seed), settings, nature))
            directory.write_farewell(identity.peer_id, farewell)
    finally:
        store.close()
    return directory.retire(identity.peer_id)


async def _say_farewell(
    replayed: Replayed, signer: Signer, settings: Settings, nature: Nature
) -> bytes:
    """Tell whoever has not heard, for some seconds; return what is to be told."""
    transport = HttpTransport(settings.allowed_networks)
    agent = start_agent(
        replayed,
        # It begins no handshakes any more, so it has to prove no licence.
        Key(signer=signer, license_secret=b""),
        nature=nature,
        transport=transport,
        start_writer=lambda processor, settle: ThreadedWriter(processor.process, settle),
        # Its transparency log is not started: nobody will ask it any more.
        reader=InlineReader(),
        discovery=DiscoveryMode.EXPLICIT,
    )
    # The waits that are on disk are those of an agent with time; this one tries all now.
    rows = [replace(row, attempts=0) for row in replayed.store.deliveries()]
    agent.peering.start(Remembered(deliveries=rows))
    try:
        async with asyncio.timeout(FAREWELL_S):
            while any(d.is_behind for d in agent.peering.destinations()):  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        pass
    finally:
        await agent.peering.stop()
        await transport.close()
        await agent.bus.stop()
    return agent.local.record()
