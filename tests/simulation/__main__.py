"""
Tell stories to simulated clusters, and cut the one that breaks a promise to its core.

    bin/simulate --seeds 0..9999                     clusters of 2 to 6 agents
    bin/simulate --agents 5 --seeds 48..48 --minutes 5
    bin/simulate convergence --agents 10,100,300     how fast a healed cluster agrees
    bin/simulate storms --agents 10,50,100           what an outage and a mass start cost

One seed gives one history, to the byte, on every machine. The exit code is 1 when one broke.
"""

import argparse
import logging
import os
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import Progress

from tests.simulation import convergence, storms
from tests.simulation.story import draw_story
from tests.simulation.telling import shortest, tell

FEWEST_AGENTS, MOST_AGENTS = 2, 6
SEEDS_AT_ONCE = 20
MEASUREMENTS = {"convergence": convergence.main, "storms": storms.main}


@dataclass(slots=True)
class Tally:
    """What many stories came to."""

    seeds: int = 0
    steps: int = 0
    frames: int = 0
    rounds: list[float] = field(default_factory=list)
    broken: list[tuple[int, str]] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Count another tally's stories too."""
        self.seeds += other.seeds
        self.steps += other.steps
        self.frames += other.frames
        self.rounds += other.rounds
        self.broken += other.broken


def agents_of(seed: int, agents: int | None) -> int:
    """Return how many agents a seed's cluster has."""
    return agents or FEWEST_AGENTS + seed % (MOST_AGENTS - FEWEST_AGENTS + 1)


def tell_many(seeds: Sequence[int], agents: int | None, minutes: float) -> Tally:
    """Tell the stories of some seeds."""
    logging.disable(logging.CRITICAL)
    tally = Tally()
    for seed in seeds:
        story = draw_story(seed, agents_of(seed, agents), minutes)
        outcome = tell(story)
        tally.seeds += 1
        tally.steps += len(story.steps)
        tally.frames += outcome.frames
        tally.rounds.append(outcome.rounds)
        if outcome.broken:
            tally.broken.append((seed, outcome.broken))
    return tally


def _chunks(seeds: range) -> Iterator[range]:
    for start in range(seeds.start, seeds.stop, SEEDS_AT_ONCE):
        yield range(start, min(start + SEEDS_AT_ONCE, seeds.stop))


def run(options: argparse.Namespace, console: Console) -> Tally:
    """Tell all stories on all processors, with a progress bar."""
    total = Tally()
    with (
        ProcessPoolExecutor(options.jobs) as pool,
        Progress(console=console, disable=not console.is_terminal) as progress,
    ):
        bar = progress.add_task("telling", total=len(options.seeds))
        work = [
            pool.submit(tell_many, chunk, options.agents, options.minutes)
            for chunk in _chunks(options.seeds)
        ]
        for future in work:
            tally = future.result()
            total.add(tally)
            progress.update(bar, advance=tally.seeds)
            for seed, broken in tally.broken:
                progress.console.print(f"seed {seed}: {broken}", markup=False, highlight=False)
    return total


def print_shortest(seed: int, options: argparse.Namespace) -> None:
    """Print the core of a story that broke a promise."""
    logging.disable(logging.CRITICAL)
    story = draw_story(seed, agents_of(seed, options.agents), options.minutes)
    short = shortest(story)
    sys.stdout.write(
        f"\nseed {seed}, {story.agents} agents, at most {story.max_nodes} nodes, "
        f"{story.discovery} discovery, {len(short.steps)} of {len(story.steps)} steps:\n"
    )
    sys.stdout.writelines(f"  {step}\n" for step in short.steps)
    sys.stdout.write(f"  {tell(short).broken}\n")


def _seeds(text: str) -> range:
    first, _, last = text.partition("..")
    return range(int(first), int(last or first) + 1)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bin/simulate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--agents", type=int, help="agents a cluster; by default 2 to 6, by seed")
    parser.add_argument("--seeds", type=_seeds, default=range(1_000), metavar="A..B")
    parser.add_argument("--minutes", type=float, default=2.0, help="how long faults go on")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    return parser.parse_args(arguments)


def main() -> int:
    """Run the command."""
    measure = MEASUREMENTS.get(sys.argv[1]) if len(sys.argv) > 1 else None
    if measure is not None:
        return measure(sys.argv[2:])
    options = _options(sys.argv[1:])
    console = Console(stderr=True)
    began_s = time.monotonic()
    total = run(options, console)
    rounds = sorted(total.rounds)
    sys.stdout.write(
        f"{total.seeds:,} seeds, {total.steps:,} steps, {total.frames:,} frames in "
        f"{time.monotonic() - began_s:,.0f} s; rounds until all agreed: mean "
        f"{statistics.mean(rounds):.1f}, p99 {rounds[int(len(rounds) * 0.99)]:.1f}, most "
        f"{rounds[-1]:.1f}; broken promises: {len(total.broken)}\n"
    )
    if total.broken:
        print_shortest(total.broken[0][0], options)
    return 1 if total.broken else 0


if __name__ == "__main__":
    sys.exit(main())
