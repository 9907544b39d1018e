"""What refusals say: a sentence for people, and details for programs."""

import pytest

from membership.domain.errors import LicenseExpired, LicenseMismatch, NodeLimitExceeded


@pytest.mark.parametrize(
    ("where", "limit_begins", "expiry_begins"),
    [
        ("here", "this agent already holds the 3", "this agent's licence expired at T"),
        ("remote", "the remote agent already holds the 3", "the remote agent's licence expired"),
    ],
)
def test_a_refusal_says_which_of_the_two_agents_it_is_about(
    where: str, limit_begins: str, expiry_begins: str
) -> None:
    limit, expiry = NodeLimitExceeded(3, where), LicenseExpired("T", where)
    assert limit.message.startswith(limit_begins)
    assert expiry.message.startswith(expiry_begins)
    assert limit.details == {"limit": 3, "where": where}
    assert expiry.details == {"expired_at": "T", "where": where}


def test_a_mismatch_shows_both_sides() -> None:
    mismatch = LicenseMismatch("aa", "bb")
    assert mismatch.details == {"cluster_id_here": "aa", "cluster_id_there": "bb"}
    assert str(mismatch) == mismatch.message
