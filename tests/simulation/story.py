"""
Stories: what happens to a cluster, drawn from a seed, and cut to its core when a promise breaks.

A story is a plain list of steps, each with its moment, so that it can be printed, told again to
the byte, and shortened: steps are left out for as long as the promise still breaks.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from membership.peering.peering import DiscoveryMode

MEAN_PAUSE_S = 8.0

WEIGHTS = {
    "add": 5.0,
    "rename": 5.0,
    "label": 2.0,
    "remove": 2.0,
    "leave": 1.0,
    "crash": 4.0,
    "start": 4.0,
    "stop": 2.0,
    "restart all": 0.5,
    "move": 1.0,
    "restore": 1.0,
    "fill disk": 1.0,
    "lose answer": 1.0,
    "clock": 1.0,
    "slow": 1.0,
    "cut": 2.0,
    "split": 1.0,
    "mend": 2.5,
    "storm": 2.0,
    "replay": 2.0,
    "spoil": 2.0,
    "reflect": 1.0,
    "misdirect": 1.0,
    "forge": 1.0,
    "babble": 1.0,
    "invent": 0.5,
    "contradict": 0.5,
    "fork": 0.5,
}


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happens *after_s* seconds after the step before; *dice* decides the rest."""

    what: str
    after_s: float
    who: int
    other: int
    dice: float

    def __str__(self) -> str:
        """Return the step as a line of a history."""
        return f"+{self.after_s:6.2f} s  {self.what:<12} {self.who} {self.other}  {self.dice:.4f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A cluster, and what happens to it."""

    seed: int
    agents: int
    steps: Sequence[Step]
    max_nodes: int = 100
    discovery: DiscoveryMode = DiscoveryMode.TRANSITIVE


def draw_story(seed: int, agents: int, minutes: float) -> Story:
    """Return the story of one seed; one in five has a licence that is too small for all."""
    chance = random.Random(f"story {seed}")
    steps = [Step("add", 1.0, n, n + 1, 0.0) for n in range(agents - 1)]
    elapsed_s = 0.0
    while elapsed_s < minutes * 60:
        after_s = chance.expovariate(1 / MEAN_PAUSE_S)
        elapsed_s += after_s
        [what] = chance.choices(list(WEIGHTS), weights=list(WEIGHTS.values()))
        who, other = chance.sample(range(agents), 2)
        steps.append(Step(what, after_s, who, other, chance.random()))
    is_explicit = chance.random() < 0.1
    return Story(
        seed=seed,
        agents=agents,
        steps=steps,
        max_nodes=max(2, agents - 1) if chance.random() < 0.2 else 100,
        discovery=DiscoveryMode.EXPLICIT if is_explicit else DiscoveryMode.TRANSITIVE,
    )


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
