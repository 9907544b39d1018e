"""One seed, one history, to the byte: in this process, in another one, on another machine."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from tests.simulation.story import draw_story
from tests.simulation.telling import Outcome, tell

ROOT = Path(__file__).parents[2]
SEED, AGENTS, MINUTES = 211, 5, 3.0


def _history(outcome: Outcome) -> str:
    return hashlib.sha256(b"|".join(outcome.logs)).hexdigest()


def _told_elsewhere(hash_seed: str) -> str:
    told = subprocess.run(
        [sys.executable, "-m", "tests.simulation.test_determinism"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return told.stdout.strip()


def test_a_story_told_twice_is_the_same_to_the_byte() -> None:
    story = draw_story(SEED, AGENTS, MINUTES)
    first, second = tell(story), tell(story)

    assert first.broken == ""
    assert (first.logs, first.frames, first.settled_s) == (
        second.logs,
        second.frames,
        second.settled_s,
    )


def test_a_story_does_not_depend_on_how_a_process_hashes() -> None:
    expected = _history(tell(draw_story(SEED, AGENTS, MINUTES)))

    assert {_told_elsewhere("1"), _told_elsewhere("2")} == {expected}


def test_another_seed_is_another_history() -> None:
    assert _history(tell(draw_story(1, 3, 1.0))) != _history(tell(draw_story(2, 3, 1.0)))


if __name__ == "__main__":
    sys.stdout.write(_history(tell(draw_story(SEED, AGENTS, MINUTES))))
