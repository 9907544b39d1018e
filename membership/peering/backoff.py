"""
When to try again: exponential backoff with full jitter.

Half of the point is to leave a struggling peer alone, the other half is that many agents that
lost the same peer at the same moment do not come back at the same moment.

Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

from membership.commands.ports import Randomness

BASE_S = 1.0
CAP_S = 300.0
LONG_OUTAGE_S = 3_600.0
LONG_OUTAGE_CAP_S = 900.0
_MAX_DOUBLINGS = 16


def backoff_s(attempts: int, failing_for_s: float, randomness: Randomness) -> float:
    """
    Return how many seconds to wait after *attempts* failures in a row, the first being 1.

    Up to 5 minutes in the first hour of an outage, up to 15 after it; never for ever.
    """
    cap_s = LONG_OUTAGE_CAP_S if failing_for_s >= LONG_OUTAGE_S else CAP_S
    ceiling_s = min(cap_s, BASE_S * 2 ** min(attempts - 1, _MAX_DOUBLINGS))
    return randomness.uniform(0.0, ceiling_s)
