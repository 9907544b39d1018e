"""Where a licence stands in time, to the microsecond."""

import pytest

from membership.domain.license import US_PER_DAY, LicenseState, license_of
from membership.domain.values import UnixUs
from tests.domain.histories import START_US, license_with, licensed

EXPIRES_US = UnixUs(START_US + 365 * US_PER_DAY)


@pytest.mark.parametrize(
    ("after_expiry_us", "state"),
    [
        (-365 * US_PER_DAY, LicenseState.VALID),
        (-30 * US_PER_DAY - 1, LicenseState.VALID),
        (-30 * US_PER_DAY, LicenseState.WARNING),
        (-1, LicenseState.WARNING),
        (0, LicenseState.GRACE),
        (14 * US_PER_DAY - 1, LicenseState.GRACE),
        (14 * US_PER_DAY, LicenseState.READ_ONLY),
        (10_000 * US_PER_DAY, LicenseState.READ_ONLY),
    ],
)
def test_a_licence_changes_its_state_at_exact_moments(
    after_expiry_us: int, state: LicenseState
) -> None:
    license_ = license_with(expires_at_us=EXPIRES_US)
    assert license_.state(UnixUs(EXPIRES_US + after_expiry_us)) is state


def test_a_licence_is_not_looked_at_before_it_was_issued() -> None:
    """A clock that is set wrong into the past takes nothing away."""
    assert license_with().state(UnixUs(0)) is LicenseState.VALID


def test_a_short_licence_begins_with_a_warning() -> None:
    short = license_with(expires_at_us=UnixUs(START_US + US_PER_DAY))
    assert short.state(START_US) is LicenseState.WARNING


def test_the_event_holds_all_of_a_licence() -> None:
    terms = {"revision": 7, "customer": "Zoë", "max_nodes": 3}
    assert license_of(licensed(**terms)) == license_with(**terms)
