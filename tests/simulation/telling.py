"""A story told to real agents: steps happen, faults end, all agree, all promises are checked."""

import asyncio
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from membership.peering.anti_entropy import ROUND_S
from tests.peering.virtual_time import run_in_virtual_time
from tests.simulation import promises
from tests.simulation.attackers import ATTACKS
from tests.simulation.happenings import HAPPENINGS, Happening, end_all_faults
from tests.simulation.stage import Stage, set_up
from tests.simulation.story import Step, Story, shorten

STEPS: Mapping[str, Happening] = {**HAPPENINGS, **ATTACKS}
PATIENCE_S = 0.5
SETTLING_S = 1_800.0
POLL_S = 5.0
ENDING_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """
    How a story ended.

    Attributes:
        broken: The promise that broke, and where, empty for none.
        settled_s: Seconds from the end of all faults until all agreed.
        frames: How many frames the agents sent.
        logs: The leaf hashes of every host's log: equal bytes, equal histories.
    """

    broken: str
    settled_s: float
    frames: int
    frame_bytes: int
    logs: Sequence[bytes] = ()

    @property
    def rounds(self) -> float:
        """How many rounds of anti-entropy it took until all agreed."""
        return self.settled_s / ROUND_S


def tell(story: Story) -> Outcome:
    """Tell a story in virtual time."""
    return run_in_virtual_time(_tell(story))


def shortest(story: Story) -> Story:
    """Return the shortest story that breaks a promise like *story* does."""

    def breaks(steps: Sequence[Step]) -> bool:
        return bool(tell(replace(story, steps=steps)).broken)

    return replace(story, steps=shorten(story.steps, breaks))


async def _tell(story: Story) -> Outcome:
    stage = set_up(story.seed, story.agents, max_nodes=story.max_nodes, discovery=story.discovery)
    broken, settled_s = "", 0.0
    try:
        for host in stage.hosts:
            await host.start()
        for step in story.steps:
            await asyncio.sleep(step.after_s)
            await _happen(stage, step)
            stage.raise_failures()
            for host in stage.hosts:
                promises.no_duplicates_and_no_more_than_licensed(host)
        settled_s = await settle(stage)
        stage.raise_failures()
        promises.all_are_kept(stage)
    except Exception as failure:  # noqa: BLE001 - whatever it is, it breaks the story
        broken = _described(failure)
    finally:
        await end(stage)
    return Outcome(
        broken=broken,
        settled_s=settled_s,
        frames=stage.network.carried,
        frame_bytes=stage.network.carried_bytes,
        logs=[
            b"".join(row.leaf_hash for row in host.recorder.scan(0, 1_000_000))
            for host in stage.hosts
        ],
    )


def _described(failure: Exception) -> str:
    place = traceback.extract_tb(failure.__traceback__)[-1]
    text = str(failure) or repr(failure)
    return f"{type(failure).__name__} in {place.name}, line {place.lineno}: {text}"


async def _happen(stage: Stage, step: Step) -> None:
    host, other = stage.hosts[step.who], stage.hosts[step.other]
    await stage.run(STEPS[step.what](stage, host, other, step), PATIENCE_S)


async def settle(stage: Stage) -> float:
    """End every fault, start everybody, and return after how many seconds all agreed."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    end_all_faults(stage)
    if stage.tasks:
        await asyncio.wait(stage.tasks, timeout=ENDING_S)
    for host in end_all_faults(stage):
        await host.start()
    while reason := promises.disagreement(stage.hosts):
        assert loop.time() - began_s < SETTLING_S, f"no agreement in {SETTLING_S:.0f} s: {reason}"
        await asyncio.sleep(POLL_S)
    return loop.time() - began_s


async def end(stage: Stage) -> None:
    """Stop every agent, and whatever is under way."""
    for host in stage.hosts:
        await host.stop()
    tasks = list(stage.tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
