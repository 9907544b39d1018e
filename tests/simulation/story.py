"""
Stories: what happens to a cluster, drawn from a seed, told to real agents, and cut to its core.

A story is a plain list of steps, each with its moment, so that it can be printed, told again to the
byte, and shortened: when a promise breaks, steps are left out for as long as it still breaks.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from eventsourcing.persistence import PersistenceError

from membership.commands.licensing import LicenseDocument, issue_license
from membership.commands.messages import LeaveCluster, Origin, RemovePeer, RenamePeer
from membership.domain.errors import MembershipError
from membership.domain.events import Actor
from membership.domain.license import US_PER_DAY, License
from membership.domain.values import Address, ClusterId, PeerId, PublicKey, UnixUs
from membership.proof.signing import Signer
from membership.store.errors import StoreError
from membership.store.writer import WriterStopped
from tests.peering.virtual_time import run_in_virtual_time
from tests.simulation import promises
from tests.simulation.faulty_network import FaultyNetwork
from tests.simulation.hosts import START_US, Crash, Host

OPERATOR = Origin(actor=Actor(kind="operator", id="story"))
SETTLING_S = 900.0
POLL_S = 5.0


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happens *after_s* seconds after the step before; *dice* decides the rest."""

    what: str
    after_s: float
    who: int
    other: int
    dice: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """
    How a story ended.

    Attributes:
        broken: The promise that broke, empty for none.
        settled_s: Seconds from the end of all faults until all agreed.
        frames: How many frames the agents sent.
    """

    broken: str
    settled_s: float
    frames: int
    frame_bytes: int
    logs: Sequence[bytes] = ()


@dataclass(slots=True)
class Stage:
    """The hosts of one story, and what its promises have to know of it."""

    hosts: Sequence[Host]
    network: FaultyNetwork
    chance: random.Random
    wanted: dict[int, set[PeerId]] = field(default_factory=dict)
    names: dict[int, set[str]] = field(default_factory=dict)
    farewells: set[PeerId] = field(default_factory=set)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


def draw_story(seed: int, agents: int, minutes: float) -> list[Step]:
    """Return the steps of one seed."""
    chance = random.Random(f"story {seed}")
    kinds = list(WEIGHTS)
    steps = [Step("add", 1.0, n, n + 1, 0.0) for n in range(agents - 1)]
    elapsed_s = 0.0
    while elapsed_s < minutes * 60:
        after_s = chance.expovariate(1 / 8.0)
        elapsed_s += after_s
        [what] = chance.choices(kinds, weights=[WEIGHTS[kind] for kind in kinds])
        who, other = chance.sample(range(agents), 2)
        steps.append(Step(what, after_s, who, other, chance.random()))
    return steps


def tell(seed: int, agents: int, steps: Sequence[Step], *, max_nodes: int = 100) -> Outcome:
    """Let the steps happen, end all faults, wait until all agree, and check every promise."""
    return run_in_virtual_time(_tell(seed, agents, steps, max_nodes))


def shorten(steps: Sequence[Step], breaks: Callable[[Sequence[Step]], bool]) -> Sequence[Step]:
    """Return as few of the steps as still break a promise (delta debugging, by halves)."""
    size = max(1, len(steps) // 2)
    while size:
        for start in range(0, len(steps), size):
            fewer = [*steps[:start], *steps[start + size :]]
            if fewer and breaks(fewer):
                steps = fewer
                break
        else:
            size //= 2
    return steps


async def _tell(seed: int, agents: int, steps: Sequence[Step], max_nodes: int) -> Outcome:
    stage = _set_up(seed, agents, max_nodes)
    broken = ""
    settled_s = 0.0
    try:
        for host in stage.hosts:
            await host.start()
        for step in steps:
            await asyncio.sleep(step.after_s)
            await _happen(stage, step)
            for host in stage.hosts:
                promises.no_duplicates_and_no_more_than_licensed(host)
        settled_s = await _settle(stage)
        _check(stage)
    except AssertionError as failure:
        broken = str(failure) or repr(failure)
    finally:
        await _end(stage)
    return Outcome(
        broken=broken,
        settled_s=settled_s,
        frames=stage.network.carried,
        frame_bytes=stage.network.carried_bytes,
        logs=[_bytes_of(host) for host in stage.hosts],
    )


def _set_up(seed: int, agents: int, max_nodes: int) -> Stage:
    chance = random.Random(f"stage {seed}")
    hosts: list[Host] = []

    def find(address: Address) -> Host | None:
        return next((h for h in hosts if h.agent is not None and h.address == address), None)

    network = FaultyNetwork(chance, find)
    document = _license(max_nodes)
    hosts += [
        Host(
            number=number,
            network=network,
            license=document,
            seed=seed,
            address=Address(f"host-{number}.example:1"),
        )
        for number in range(agents)
    ]
    return Stage(hosts=hosts, network=network, chance=chance)


def _license(max_nodes: int) -> LicenseDocument:
    draft = License(
        license_id="simulation",
        revision=1,
        customer="simulation",
        issued_at_us=UnixUs(START_US - US_PER_DAY),
        expires_at_us=UnixUs(START_US + 10_000 * US_PER_DAY),
        max_nodes=max_nodes,
        issuer=PublicKey(b""),
        cluster_id=ClusterId(b""),
        signature=b"",
    )
    return issue_license(Signer(b"\x11" * 32), draft, b"\x22" * 32)


async def _happen(stage: Stage, step: Step) -> None:
    host, other = stage.hosts[step.who], stage.hosts[step.other]
    task = asyncio.create_task(_STEPS[step.what](stage, host, other, step))
    stage.tasks.add(task)
    task.add_done_callback(stage.tasks.discard)
    # Most things happen while others go on; what takes long does not hold up the story.
    await asyncio.wait([task], timeout=0.5)


async def _add(stage: Stage, host: Host, other: Host, _: Step) -> None:
    if host.agent is None:
        return
    stage.wanted.setdefault(host.number, set()).add(other.peer_id)
    await _asked(host.agent.peering.add_peer(other.address, "", OPERATOR))


async def _rename(stage: Stage, host: Host, _: Host, step: Step) -> None:
    if host.agent is None:
        return
    name = f"name {step.dice}"
    # What was asked for may be written although its acknowledgement was lost in a crash.
    stage.names.setdefault(host.number, set()).add(name)
    if await _asked(host.agent.bus.submit(RenamePeer(peer_id=host.peer_id, name=name), OPERATOR)):
        stage.names[host.number] = {name}


async def _label(stage: Stage, host: Host, other: Host, step: Step) -> None:
    del stage
    if host.agent is not None:
        command = RenamePeer(peer_id=other.peer_id, name=f"label {step.dice}")
        await _asked(host.agent.bus.submit(command, OPERATOR))


async def _remove(stage: Stage, host: Host, other: Host, _: Step) -> None:
    if host.agent is None:
        return
    stage.wanted.get(host.number, set()).discard(other.peer_id)
    await _asked(host.agent.bus.submit(RemovePeer(peer_id=other.peer_id), OPERATOR))


async def _leave(stage: Stage, host: Host, _: Host, step: Step) -> None:
    is_one_of_many = len(stage.farewells) < len(stage.hosts) - 2
    if host.agent is None or step.dice < 0.5 or not is_one_of_many:
        return
    if await _asked(host.agent.bus.submit(LeaveCluster(), OPERATOR)):
        stage.farewells.add(host.peer_id)


async def _crash(stage: Stage, host: Host, _: Host, step: Step) -> None:
    if host.agent is None or host.disk is None:
        await _start(stage, host, host, step)
    elif step.dice < 0.3:
        host.crash()
    else:
        host.disk.crash = Crash.BEFORE if step.dice < 0.65 else Crash.AFTER


async def _start(stage: Stage, host: Host, _: Host, step: Step) -> None:
    del stage, step
    if host.agent is None:
        await host.start()


async def _stop(stage: Stage, host: Host, _: Host, step: Step) -> None:
    if host.agent is None:
        await _start(stage, host, host, step)
    else:
        await host.stop()


async def _move(stage: Stage, host: Host, _: Host, step: Step) -> None:
    del stage
    if host.agent is not None:
        await host.stop()
        host.address = Address(f"host-{host.number}.example:{1 + int(step.dice * 1_000)}")
        await host.start()


async def _restore(stage: Stage, host: Host, _: Host, step: Step) -> None:
    if step.dice < 0.7:
        return
    if host.agent is not None:
        await host.stop()
    log = promises.log_of(host)
    if len(log) > 3:
        host.restore_backup(3 + int((len(log) - 3) * (step.dice - 0.7) / 0.3))
        stage.names.pop(host.number, None)
        stage.farewells.discard(host.peer_id)
    await host.start()


async def _cut(stage: Stage, host: Host, other: Host, step: Step) -> None:
    pairs = [(host.number, other.number)]
    if step.dice < 0.6:
        pairs.append((other.number, host.number))
    if step.dice < 0.2:
        pairs = [(a, b) for n in stage.hosts for a, b in _both(host.number, n.number)]
    stage.network.cut.update(pairs)


def _both(one: int, other: int) -> Sequence[tuple[int, int]]:
    return () if one == other else ((one, other), (other, one))


async def _mend(stage: Stage, _: Host, __: Host, ___: Step) -> None:
    stage.network.cut.clear()


async def _storm(stage: Stage, _: Host, __: Host, step: Step) -> None:
    weather = stage.network.weather
    weather.loss = 0.4 * step.dice if step.dice > 0.3 else 0.0
    weather.repeat = 0.3 * (1 - step.dice)
    weather.delay_s = 0.01 + 0.5 * step.dice


async def _clock(stage: Stage, host: Host, _: Host, step: Step) -> None:
    del stage
    host.clock.skew_us += int((step.dice - 0.5) * 7_200_000_000)


async def _slow(stage: Stage, host: Host, _: Host, step: Step) -> None:
    del stage
    host.lag_s = step.dice * 3 if step.dice > 0.5 else 0.0


async def _fill_disk(stage: Stage, host: Host, _: Host, step: Step) -> None:
    del stage
    if host.disk is not None:
        host.disk.is_full = step.dice > 0.5


async def _replay(stage: Stage, host: Host, other: Host, step: Step) -> None:
    """An attacker sends what it overheard: as it was, spoiled, or to somebody else."""
    overheard = stage.network.overheard
    for _ in range(min(5, len(overheard))):
        path, frame = overheard[stage.chance.randrange(len(overheard))]
        if step.dice > 0.5:
            at = stage.chance.randrange(len(frame))
            frame = (
                frame[:at] + bytes([frame[at] ^ (1 << stage.chance.randrange(8))]) + frame[at + 1 :]
            )
        if step.dice > 0.9:
            frame = frame[: stage.chance.randrange(len(frame))]
        target = host if step.dice < 0.7 else other
        await stage.network.inject(target.address, path, frame)


_STEPS: Mapping[str, Callable[[Stage, Host, Host, Step], object]] = {
    "add": _add,
    "rename": _rename,
    "label": _label,
    "remove": _remove,
    "leave": _leave,
    "crash": _crash,
    "start": _start,
    "stop": _stop,
    "move": _move,
    "restore": _restore,
    "cut": _cut,
    "mend": _mend,
    "storm": _storm,
    "clock": _clock,
    "slow": _slow,
    "fill disk": _fill_disk,
    "replay": _replay,
}
WEIGHTS: Mapping[str, float] = {
    "add": 5,
    "rename": 5,
    "label": 2,
    "remove": 2,
    "leave": 1,
    "crash": 4,
    "start": 4,
    "stop": 2,
    "move": 1,
    "restore": 1.0,
    "cut": 2,
    "mend": 2,
    "storm": 2,
    "clock": 1,
    "slow": 1,
    "fill disk": 1,
    "replay": 2,
}


async def _asked(work: object) -> bool:
    """Await what an operator asked for; return whether it was done."""
    try:
        await work  # type: ignore[misc]
    except (MembershipError, StoreError, WriterStopped, PersistenceError, RuntimeError):
        return False
    return True


async def _settle(stage: Stage) -> float:
    """End every fault, start everybody, and wait until all agree."""
    stage.network.cut.clear()
    stage.network.weather.loss = stage.network.weather.repeat = 0.0
    stage.network.weather.delay_s = 0.02
    if stage.tasks:
        await asyncio.wait(stage.tasks, timeout=60)
    for host in stage.hosts:
        host.lag_s = 0.0
        if host.disk is not None:
            host.disk.is_full, host.disk.crash = False, None
        if host.agent is None:
            await host.start()
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    while reason := promises.disagreement(stage.hosts):
        assert loop.time() - began_s < SETTLING_S, f"no agreement in {SETTLING_S:.0f} s: {reason}"
        await asyncio.sleep(POLL_S)
    return loop.time() - began_s


def _check(stage: Stage) -> None:
    real = {host.peer_id for host in stage.hosts}
    for host in stage.hosts:
        promises.each_log_is_whole(host)
        promises.no_duplicates_and_no_more_than_licensed(host)
        promises.only_real_peers(host, real)
        if not host.was_restored:
            promises.nobody_comes_back(host, stage.wanted.get(host.number, set()))
        assert host.agent is not None
        local = host.agent.local.peer
        if host.number in stage.names:
            named = {local.own_name} - {f"host {host.number}"}
            assert named <= stage.names[host.number], "an acknowledged name is lost"
        if host.peer_id in stage.farewells:
            assert not local.is_active, "an acknowledged farewell is lost"


async def _end(stage: Stage) -> None:
    for host in stage.hosts:
        await host.stop()
    for task in list(stage.tasks):
        task.cancel()
    await asyncio.gather(*stage.tasks, return_exceptions=True)


def _bytes_of(host: Host) -> bytes:
    return b"".join(row.leaf_hash for row in host.recorder.scan(0, 1_000_000))
