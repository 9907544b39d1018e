"""Instants as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membership.domain.rfc3339 import parse_rfc3339, rfc3339
from membership.domain.values import UnixUs

FIRST_US, LAST_US = -62_135_596_800_000_000, 253_402_300_799_999_999
"""The beginning of the year 1, and the end of 9999."""
_INSTANTS = st.integers(FIRST_US, LAST_US).map(UnixUs)


@given(_INSTANTS)
def test_an_instant_is_read_as_it_was_written(instant_us: UnixUs) -> None:
    assert parse_rfc3339(rfc3339(instant_us)) == instant_us


@given(_INSTANTS, _INSTANTS)
def test_texts_sort_as_their_instants_do(one_us: UnixUs, other_us: UnixUs) -> None:
    assert (rfc3339(one_us) < rfc3339(other_us)) == (one_us < other_us)


def test_years_of_three_figures_have_a_zero_in_front() -> None:
    assert rfc3339(UnixUs(FIRST_US)) == "0001-01-01T00:00:00.000000Z"
    assert rfc3339(parse_rfc3339("0999-12-31T23:59:59.5Z")) == "0999-12-31T23:59:59.500000Z"


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000000Z"),
        ("2026-01-31T12:00:00.1Z", "2026-01-31T12:00:00.100000Z"),
        ("2026-01-31T12:00:00.1234569Z", "2026-01-31T12:00:00.123456Z"),
        ("2026-01-31T12:00:00+01:30", "2026-01-31T10:30:00.000000Z"),
        ("2026-01-31T12:00:00-12:00", "2026-02-01T00:00:00.000000Z"),
        ("2024-02-29T00:00:00-00:00", "2024-02-29T00:00:00.000000Z"),
    ],
)
def test_every_offset_is_understood(text: str, same: str) -> None:
    assert rfc3339(parse_rfc3339(text)) == same


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-01-31",
        "2026-01-31T12:00:00",
        "2026-01-31T12:00Z",
        "2026-01-31 12:00:00Z",
        "20260131T120000Z",
        "2026-W05-6T12:00:00Z",
        "2026-031T12:00:00Z",
        "2026-01-31T12:00:00,5Z",
        "2026-01-31T12:00:00.Z",
        "2026-01-31T12:00:00+01:00:30",
        "2026-02-29T12:00:00Z",
        "2026-01-31T25:00:00Z",
        "2026-01-31T12:00:00Z\n",
        "\uff12\uff10\uff12\uff16-01-31T12:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
    ],
)
def test_what_is_no_instant_of_rfc_3339_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"time|day|hour|year"):
        parse_rfc3339(text)
