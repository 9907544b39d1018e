"""The hosts of one story, the network between them, and what has been promised to whom."""

import asyncio
import random
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field

from membership.commands.messages import Origin, Receipt
from membership.domain.errors import MembershipError
from membership.domain.events import Actor
from membership.domain.values import Address, PeerId
from membership.peering.peering import DiscoveryMode
from membership.store.errors import StoreError
from membership.store.writer import WriterStopped
from tests.peering.two_agents import a_license
from tests.simulation.faulty_network import FaultyNetwork
from tests.simulation.hosts import Host

OPERATOR = Origin(actor=Actor(kind="operator", id="story"))
LICENSED_DAYS = 10_000


@dataclass(slots=True)
class Stage:
    """
    Where a story is told.

    Attributes:
        acknowledged: The events that each host has acknowledged to operators: position → id.
        wanted: Whom each host's operators asked for since they last removed them.
        intruders: Strangers that an attacker made up.
        suspects: Hosts whose logs may rightly be said to contradict what they signed.
        tasks: What has begun and not ended yet.
        failures: What went wrong in what has ended.
    """

    hosts: Sequence[Host]
    network: FaultyNetwork
    chance: random.Random
    acknowledged: dict[int, dict[int, str]] = field(default_factory=dict)
    wanted: dict[int, set[PeerId]] = field(default_factory=dict)
    intruders: set[PeerId] = field(default_factory=set)
    suspects: set[PeerId] = field(default_factory=set)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    failures: list[BaseException] = field(default_factory=list)

    async def ask(self, host: Host, work: Awaitable[Receipt]) -> bool:
        """Await what an operator asked of *host*; note what was acknowledged."""
        recorder = host.recorder
        try:
            receipt = await work
        except (MembershipError, StoreError, WriterStopped):
            return False
        if host.recorder is recorder:
            promised = self.acknowledged.setdefault(host.number, {})
            promised |= {r.position: r.metadata.event_id for r in receipt.events}
        return True

    async def run(self, work: Awaitable[None], patience_s: float) -> None:
        """Begin something, and go on with the story when it takes longer than *patience_s*."""
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self._ended)
        await asyncio.wait([task], timeout=patience_s)

    def raise_failures(self) -> None:
        """Raise the first thing that went wrong."""
        for failure in self.failures:
            raise failure

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        failure = None if task.cancelled() else task.exception()
        if failure is not None:
            self.failures.append(failure)

    def at(self, address: Address) -> Host | None:
        """Return the host whose agent listens at *address* now."""
        for host in self.hosts:
            if host.agent is not None and host.address == address:
                return host
        return None


def set_up(
    seed: int,
    agents: int,
    *,
    max_nodes: int = 100,
    discovery: DiscoveryMode = DiscoveryMode.TRANSITIVE,
) -> Stage:
    """Return a stage with *agents* hosts that have never been started."""
    chance = random.Random(f"stage {seed}")
    hosts: list[Host] = []
    network = FaultyNetwork(chance, lambda address: stage.at(address))  # noqa: PLW0108 - it comes later
    stage = Stage(hosts=hosts, network=network, chance=chance)
    document = a_license(max_nodes=max_nodes, days=LICENSED_DAYS)
    hosts += [
        Host(
            number=number,
            network=network,
            license=document,
            seed=seed,
            address=Address(f"host-{number}.example:1"),
            discovery=discovery,
        )
        for number in range(agents)
    ]
    return stage
