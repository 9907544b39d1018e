"""Instants as people and programs read them: RFC 3339 in UTC with `Z`."""

import re
from datetime import UTC, datetime, timedelta

from membership.domain.values import UnixUs

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Python reads far more than this: weeks, bare dates, texts without separators.
_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})"
)


def rfc3339(instant_us: UnixUs) -> str:
    """Return `2026-01-31T12:00:00.000000Z`, always that long, so that text sorts."""
    moment = _EPOCH + timedelta(microseconds=instant_us)
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse_rfc3339(text: str) -> UnixUs:
    """
    Return the instant that *text* names; of a second's decimals, six count.

    Raises:
        ValueError: It is no RFC 3339 date and time with an offset.
    """
    if _RFC3339.fullmatch(text) is None:
        message = "a time is written like 2026-01-31T12:00:00Z, with an offset"
        raise ValueError(message)
    try:
        moment = datetime.fromisoformat(text).astimezone(UTC)
    except OverflowError:
        message = "in UTC it is outside the years 1 to 9999"
        raise ValueError(message) from None
    return UnixUs((moment - _EPOCH) // timedelta(microseconds=1))
