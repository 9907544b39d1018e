"""Nothing storms: what an outage and a mass start cost is bounded, hour after hour."""

from membership.peering.witnessing import MAX_PARTNERS
from tests.peering.virtual_time import run_in_virtual_time
from tests.simulation.storms import outage, start_at_once

AGENTS = 8
PROBES_AN_HOUR = 60
"""Anti-entropy looks at somebody who cannot be reached once a minute."""
PASSED_ON = 1
"""Somebody is told of the checkpoints of others once a minute."""
FIRST_WAITS = 10
"""From 1 second, doubling, to the cap of 5 minutes."""
WAITS_AN_HOUR = {"first": 2 * 3_600 / 300, "later": 2 * 3_600 / 900}
"""With full jitter a wait is half the cap on average."""


def test_a_dead_agent_gets_a_probe_a_wait_and_one_a_minute_and_nothing_more() -> None:
    measured = run_in_virtual_time(outage(AGENTS))

    first, *later = measured.frames_an_hour
    assert first <= PROBES_AN_HOUR + FIRST_WAITS + 1.5 * WAITS_AN_HOUR["first"]
    assert max(later) <= PROBES_AN_HOUR + 1.5 * WAITS_AN_HOUR["later"]


def test_agents_that_all_start_at_once_keep_to_their_rounds() -> None:
    measured = run_in_virtual_time(start_at_once(AGENTS))

    # A round every 8 to 12 seconds, the first within 2; then each witness is asked once, and
    # shown the newest checkpoint, twice at most.
    rounds, witnesses = 1 + 60 / 8, min(AGENTS - 1, MAX_PARTNERS)
    assert measured.frames_in_a_minute <= AGENTS * (rounds + 3 * witnesses + PASSED_ON)
    assert measured.peak_frames_a_second <= AGENTS * witnesses
