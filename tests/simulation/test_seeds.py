"""A thousand stories, each of its own seed, and not one broken promise."""

import pytest

from tests.simulation.__main__ import tell_many

SEEDS = 1_000
SEEDS_A_TEST = 25
MINUTES = 1.0


@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS_A_TEST))
def test_every_promise_is_kept_in_every_story(first: int) -> None:
    tally = tell_many(range(first, first + SEEDS_A_TEST), agents=None, minutes=MINUTES)

    assert tally.broken == [], "bin/simulate --minutes 1 --seeds <seed> tells it again, shortened"
    assert tally.seeds == SEEDS_A_TEST
