"""
A running agent: what is started, in which order, and how it stops.

The socket is bound first, because a port that is taken is the most common mistake and must not
leave a data directory behind. Requests are accepted last, when everything they need is there.
Stopping goes the other way: no new requests, and an end to those that wait for news; then no new
broadcasts, then a checkpoint of all that was written, then the writer finishes what it has
accepted, then the log is closed. Nothing waits
for anybody for longer than a second.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from membership.api.app import create_app
from membership.api.context import ApiContext
from membership.commands.licensing import LicenseDocument, encode_license, parse_license
from membership.commands.messages import (
    SYSTEM_ORIGIN,
    InstallLicense,
    Origin,
    ReaddressLocalPeer,
    Receipt,
)
from membership.domain.values import Address
from membership.peering.http_transport import HttpTransport
from membership.peering.peering import DiscoveryMode, remembered
from membership.peering.routes import peer_routes
from membership.settings import Settings
from membership.store.data_directory import DataDirectory
from membership.store.reader import ThreadedReader
from membership.store.writer import ThreadedWriter
from membership.wiring.core import SOFTWARE, Agent, start_agent
from membership.wiring.history import running_history
from membership.wiring.initialise import (
    FirstCredential,
    Opened,
    advertised_address,
    open_agent,
    read_license_file,
    system_nature,
)
from projections.live_history import History

SHUTDOWN_S = 1.0
BACKLOG = 1_024
MAX_HEADER_BYTES = 16_384

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """An agent answers; *credential* is set on its very first start only."""

    peer_id: str
    name: str
    url: str
    advertise: str
    cluster_id: str
    data_dir: Path
    license_state: str
    credential: FirstCredential | None


async def serve(
    settings: Settings, *, announce: Callable[[Started], None], stop: asyncio.Event
) -> None:
    """
    Run an agent until *stop* is set, creating it on its first start.

    Raises:
        OSError: The listening address is taken or not of this machine.
        DataDirectoryError, StoreError, LicenseInvalid, ConfigurationError: As they say.
    """
    with contextlib.closing(_bind(settings.listen)) as listener:
        port: int = listener.getsockname()[1]
        address = advertised_address(settings, port)
        directory = DataDirectory(settings.data_dir)
        with directory.locked():
            directory.finish_retirement()
            opened = await asyncio.to_thread(open_agent, directory, settings, address)
            store = opened.replayed.store
            async with (
                _running(opened, settings, directory) as agent,
                running_history(directory, store, agent) as history,
            ):
                await _adapt(agent, settings, directory, address)
                async with _answering(agent, history, directory, listener):
                    announce(_started(agent, opened, settings, port))
                    await stop.wait()


def _bind(listen: str) -> socket.socket:
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, int(port)), family=family, backlog=BACKLOG)


@contextlib.asynccontextmanager
async def _running(
    opened: Opened, settings: Settings, directory: DataDirectory
) -> AsyncIterator[Agent]:
    """Start all but the requests; stop it, and close the log, on the way out."""
    replayed, nature, reader = opened.replayed, system_nature(), ThreadedReader()
    transport = HttpTransport(settings.allowed_networks)
    agent = start_agent(
        replayed,
        opened.key,
        nature=nature,
        transport=transport,
        start_writer=lambda processor, settle: ThreadedWriter(processor.process, settle),
        reader=reader,
        discovery=DiscoveryMode(settings.discovery),
    )
    try:
        agent.peering.start(await asyncio.to_thread(remembered, replayed.store))
        agent.log.start()
        yield agent
    finally:
        await agent.peering.stop()
        await transport.close()
        await agent.log.stop()
        await agent.bus.stop()
        await reader.stop()
        await asyncio.to_thread(replayed.store.close)
        log.info("stopped; %s is complete", directory.database)


async def _adapt(
    agent: Agent,
    settings: Settings,
    directory: DataDirectory,
    address: Address,
) -> None:
    """Take over what the settings say otherwise than the log: address, renewed licence."""
    if settings.license_file is not None:
        document = await asyncio.to_thread(read_license_file, settings.license_file)
        present = agent.views.license
        is_older = document.license.revision <= present.revision
        if not (is_older and document.license.cluster_id == present.cluster_id):
            await _install(agent, directory, document, SYSTEM_ORIGIN)
    await agent.bus.submit(ReaddressLocalPeer(address=address))
    holder = agent.views.peers.at_address(address)
    if holder is not None and not holder.is_local:
        log.warning(
            "the peer %s has its seat at %s, where this agent is now; if that peer is gone, "
            "remove it",
            holder.peer_id,
            address,
        )


async def _install(
    agent: Agent, directory: DataDirectory, document: LicenseDocument, origin: Origin
) -> Receipt:
    # The event first: it is what counts. The file only has to hold the secret, which every
    # revision has, so a crash between the two costs nothing.
    receipt = await agent.bus.submit(InstallLicense(license=document.license), origin)
    if receipt.events:
        await asyncio.to_thread(directory.write_license, encode_license(document))
    return receipt


@contextlib.asynccontextmanager
async def _answering(
    agent: Agent, history: History, directory: DataDirectory, listener: socket.socket
) -> AsyncIterator[None]:
    """Accept requests on the listening socket."""
    nature = system_nature()

    async def install_license(data: bytes, origin: Origin) -> Receipt:
        return await _install(agent, directory, parse_license(data), origin)

    context = ApiContext(
        views=agent.views,
        history=history,
        bus=agent.bus,
        clock=nature.clock,
        ids=nature.ids,
        randomness=nature.randomness,
        signer=agent.local.signer,
        peering=agent.peering,
        install_license=install_license,
        log=agent.log,
        software=SOFTWARE,
    )
    app = create_app(context, peer_routes(agent.peering.endpoint))
    runner = web.AppRunner(
        app,
        access_log=None,
        handle_signals=False,
        shutdown_timeout=SHUTDOWN_S,
        max_line_size=MAX_HEADER_BYTES,
        max_field_size=MAX_HEADER_BYTES,
    )
    await runner.setup()
    try:
        await web.SockSite(runner, listener, backlog=BACKLOG).start()
        yield
    finally:
        await runner.cleanup()


def _started(agent: Agent, opened: Opened, settings: Settings, port: int) -> Started:
    local, license_ = agent.local.peer, agent.views.license
    host = settings.listen.rpartition(":")[0]
    return Started(
        peer_id=local.peer_id,
        name=local.name,
        url=f"http://{host}:{port}",
        advertise=local.claimed_address,
        cluster_id=license_.cluster_id.hex(),
        data_dir=settings.data_dir,
        license_state=license_.state(system_nature().clock.now_us()).value,
        credential=opened.credential,
    )
