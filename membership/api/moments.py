"""
Moments of the past: a position of the log, or a time.

A time means the last event that was recorded at it or before. Positions are exact, and every answer
about the past says which one it shows, as `X-Log-Position`.
"""

from collections.abc import Mapping

from aiohttp import web

from membership.api.answers import LOG_POSITION
from membership.api.arrivals import GRANT, instant
from membership.api.context import CONTEXT, ApiContext
from membership.api.errors import Forbidden
from membership.api.scopes import AUDIT_READ
from membership.domain.errors import InvalidField
from membership.domain.rfc3339 import rfc3339
from membership.domain.values import StreamId, UnixUs
from projections.past import Past
from projections.views import Views

AS_OF = "as_of"
_POSITION_DIGITS = 15


async def views_at(
    request: web.Request, given: Mapping[str, str], subject_id: StreamId | None = None
) -> Views | Past:
    """
    Return the views that a read is answered from: the present ones, or those as of `as_of`.

    Args:
        subject_id: All that the answer is about; the past views of the rest are not made then.

    Raises:
        InvalidField: There was no such moment.
        Forbidden: The token does not allow to look at the past.
        IndexBehind: The past cannot be told yet.
    """
    context = request.app[CONTEXT]
    if AS_OF not in given:
        return context.views
    if AUDIT_READ not in request[GRANT].scopes:
        raise Forbidden(AUDIT_READ)
    position = await position_of(context, given, AS_OF)
    if subject_id is None:
        return await context.history.past(position)
    return await context.history.past_around(position, subject_id)


def tell_position(response: web.Response, views: Views | Past) -> web.Response:
    """Return *response*, which says where in the past its views are, if they are."""
    if isinstance(views, Past):
        response.headers[LOG_POSITION] = str(views.position)
    return response


def pinned(views: Views | Past) -> Mapping[str, int]:
    """Return what keeps the following pages of a list at the same moment."""
    return {AS_OF: views.position} if isinstance(views, Past) else {}


async def position_of(context: ApiContext, given: Mapping[str, str], name: str) -> int:
    """Return the position that a parameter names, which must be there; raises `InvalidField`."""
    text, end = given[name], context.views.position
    if text.isascii() and text.isdigit():
        position = int(text) if len(text) <= _POSITION_DIGITS else end + 1
    else:
        at_us = instant(given, name) or UnixUs(0)
        position = await _position_at(context, at_us, end)
    if 1 <= position <= end:
        return position
    first_us = await context.history.recorded_at(1)
    raise InvalidField(
        name,
        f"the log has no such moment; give a position from 1 to {end}, or a time from "
        f"{rfc3339(first_us)} to the present, like 2026-01-31T12:00:00Z",
    )


async def _position_at(context: ApiContext, at_us: UnixUs, end: int) -> int:
    history = context.history
    position = await history.position_before(UnixUs(at_us + 1))
    if position < end or at_us <= context.clock.now_us():
        return position
    # A clock that was set back is behind the last event.
    return end if at_us <= await history.recorded_at(end) else end + 1
