"""What operators ask for, and what befalls machines and the network between them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from membership.commands.messages import LeaveCluster, RemovePeer, RenamePeer
from membership.domain.values import Address
from tests.simulation.disks import Fault
from tests.simulation.hosts import Host
from tests.simulation.stage import OPERATOR, Stage
from tests.simulation.story import Step

Happening = Callable[[Stage, Host, Host, Step], Awaitable[None]]
MAX_SKEW_US = 3_600_000_000
FIRST_LIFE_EVENTS = 3
"""The events of a first start: no backup is older than these."""


async def _add(stage: Stage, host: Host, other: Host, _: Step) -> None:
    if host.agent is not None:
        stage.wanted.setdefault(host.number, set()).add(other.peer_id)
        await stage.ask(host, host.agent.peering.add_peer(other.address, "", OPERATOR))


async def _rename(stage: Stage, host: Host, _: Host, step: Step) -> None:
    if host.agent is not None:
        command = RenamePeer(peer_id=host.peer_id, name=f"name {step.dice}")
        await stage.ask(host, host.agent.bus.submit(command, OPERATOR))


async def _label(stage: Stage, host: Host, other: Host, step: Step) -> None:
    if host.agent is not None:
        command = RenamePeer(peer_id=other.peer_id, name=f"label {step.dice}")
        await stage.ask(host, host.agent.bus.submit(command, OPERATOR))


async def _remove(stage: Stage, host: Host, other: Host, _: Step) -> None:
    if host.agent is not None:
        stage.wanted.get(host.number, set()).discard(other.peer_id)
        command = RemovePeer(peer_id=other.peer_id)
        await stage.ask(host, host.agent.bus.submit(command, OPERATOR))


async def _leave(stage: Stage, host: Host, _: Host, step: Step) -> None:
    gone = sum(h.agent is not None and not h.agent.local.peer.is_active for h in stage.hosts)
    if host.agent is not None and step.dice < 0.5 and gone < len(stage.hosts) - 2:
        await stage.ask(host, host.agent.bus.submit(LeaveCluster(), OPERATOR))


async def _crash(stage: Stage, host: Host, _: Host, step: Step) -> None:
    if host.agent is None or host.disk is None:
        await _start(stage, host, host, step)
    elif step.dice < 0.3:
        host.crash()
    else:
        host.disk.fault = Fault.DIES_BEFORE if step.dice < 0.65 else Fault.DIES_AFTER


async def _start(stage: Stage, host: Host, _: Host, step: Step) -> None:
    del stage, step
    if host.agent is None:
        await host.start()


async def _stop(stage: Stage, host: Host, _: Host, step: Step) -> None:
    if host.agent is None:
        await _start(stage, host, host, step)
    else:
        await host.stop()


async def _restart_all(stage: Stage, _: Host, __: Host, step: Step) -> None:
    for host in stage.hosts:
        if step.dice < 0.5:
            host.crash()
        else:
            await host.stop()
    for host in stage.hosts:
        await host.start()


async def _move(stage: Stage, host: Host, _: Host, step: Step) -> None:
    del stage
    if host.agent is not None:
        await host.stop()
        host.address = Address(f"host-{host.number}.example:{1 + int(step.dice * 1_000)}")
        await host.start()


async def _restore(stage: Stage, host: Host, _: Host, step: Step) -> None:
    await host.stop()
    log_events = len(host.recorder.scan(0, 1_000_000))
    if log_events > FIRST_LIFE_EVENTS:
        position = FIRST_LIFE_EVENTS + int((log_events - FIRST_LIFE_EVENTS) * step.dice)
        stage.suspects.add(host.peer_id)
        host.restore_backup(position)
        kept = stage.acknowledged.get(host.number, {})
        stage.acknowledged[host.number] = {p: e for p, e in kept.items() if p <= position}
    await host.start()


async def _fill_disk(stage: Stage, host: Host, _: Host, step: Step) -> None:
    del stage
    if host.disk is not None:
        host.disk.is_full = step.dice > 0.5


async def _lose_answer(stage: Stage, host: Host, _: Host, step: Step) -> None:
    del stage, step
    if host.disk is not None:
        host.disk.fault = Fault.LOST_ANSWER


async def _clock(stage: Stage, host: Host, _: Host, step: Step) -> None:
    del stage
    host.clock.skew_us += int((step.dice - 0.5) * 2 * MAX_SKEW_US)


async def _slow(stage: Stage, host: Host, _: Host, step: Step) -> None:
    del stage
    host.lag_s = step.dice * 3 if step.dice > 0.5 else 0.0


async def _cut(stage: Stage, host: Host, other: Host, step: Step) -> None:
    pairs = [(host.number, other.number)]
    if step.dice < 0.6:
        pairs.append((other.number, host.number))
    stage.network.cut.update(pairs)


async def _split(stage: Stage, _: Host, __: Host, step: Step) -> None:
    middle = 1 + int(step.dice * (len(stage.hosts) - 1))
    stage.network.cut.update(
        pair
        for one in range(middle)
        for other in range(middle, len(stage.hosts))
        for pair in ((one, other), (other, one))
    )


async def _mend(stage: Stage, _: Host, __: Host, ___: Step) -> None:
    stage.network.cut.clear()


async def _storm(stage: Stage, _: Host, __: Host, step: Step) -> None:
    weather = stage.network.weather
    weather.loss = 0.4 * step.dice if step.dice > 0.3 else 0.0
    weather.repeat = 0.3 * (1 - step.dice)
    weather.delay_s = 0.01 + 0.5 * step.dice


HAPPENINGS: Mapping[str, Happening] = {
    "add": _add,
    "rename": _rename,
    "label": _label,
    "remove": _remove,
    "leave": _leave,
    "crash": _crash,
    "start": _start,
    "stop": _stop,
    "restart all": _restart_all,
    "move": _move,
    "restore": _restore,
    "fill disk": _fill_disk,
    "lose answer": _lose_answer,
    "clock": _clock,
    "slow": _slow,
    "cut": _cut,
    "split": _split,
    "mend": _mend,
    "storm": _storm,
}


def end_all_faults(stage: Stage) -> Sequence[Host]:
    """Mend the network and every machine; return the hosts that have to be started."""
    stage.network.cut.clear()
    stage.network.weather.loss = stage.network.weather.repeat = 0.0
    stage.network.weather.delay_s = 0.02
    for host in stage.hosts:
        host.lag_s = 0.0
        if host.disk is not None:
            host.disk.is_full, host.disk.fault = False, None
    return [host for host in stage.hosts if host.agent is None]
