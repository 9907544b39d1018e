"""Instants as people and programs read them: RFC 3339 in UTC with `Z`."""

from datetime import UTC, datetime, timedelta

from membership.domain.values import UnixUs

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rfc3339(instant_us: UnixUs) -> str:
    """Return `2026-01-31T12:00:00.000000Z`, always with six decimals, so that text sorts."""
    moment = _EPOCH + timedelta(microseconds=instant_us)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond:06d}Z"


def parse_rfc3339(text: str) -> UnixUs:
    """
    Return the instant that *text* names.

    Raises:
        ValueError: It is no RFC 3339 date and time with an offset.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        message = "a time needs an offset, such as Z"
        raise ValueError(message)
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        message = "in UTC it is outside the years 1 to 9999"
        raise ValueError(message) from None
    return UnixUs((moment - _EPOCH) // timedelta(microseconds=1))
