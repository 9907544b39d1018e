"""What is asked of the history: parameters into a query. None that is unknown is ignored."""

import re
from collections.abc import Mapping

from aiohttp import hdrs, web

from membership.api.arrivals import instant, whole_number
from membership.domain.errors import InvalidField, InvalidId
from membership.domain.events import EVENT_TYPES
from membership.domain.history import Facet, type_of
from membership.domain.values import PeerId, parse_peer_id
from projections.history_reader import HistoryQuery

FILTERS = frozenset({"peer", "type", "actor", "since", "until"})
LIST_PARAMETERS = FILTERS | {"limit", "order", "after", "before", "format", "wait"}
FOLLOW_PARAMETERS = FILTERS | {"after"}
DEFAULT_LIMIT = 100
MAX_LIMIT = 1_000
MAX_WAIT_S = 60
NDJSON = "application/x-ndjson"
_FORMATS = ("json", "jsonl")
_TYPES = tuple(sorted(map(type_of, EVENT_TYPES)))
_ACTOR = re.compile(r"(client|operator|peer|system):[!-~]{1,128}")


def facet_in(given: Mapping[str, str], peer_id: PeerId | None = None) -> Facet:
    """
    Return what entries have to have in common.

    Args:
        peer_id: The peer that the path names, None for whichever `peer` names.

    Raises:
        InvalidField: A filter could never match anything.
    """
    type_, actor = given.get("type"), given.get("actor")
    if type_ is not None and type_ not in _TYPES:
        raise InvalidField("type", f"it is one of: {', '.join(_TYPES)}")
    if actor is not None and _ACTOR.fullmatch(actor) is None:
        raise InvalidField(
            "actor",
            "it is written kind:id, as entries have it, like operator:operator; the kinds are "
            "client, operator, peer and system",
        )
    return Facet(peer_id or _peer(given), type_, actor)


def _peer(given: Mapping[str, str]) -> PeerId | None:
    try:
        return parse_peer_id(given["peer"]) if "peer" in given else None
    except InvalidId:
        raise InvalidField("peer", "it is a peer's id, a ULID") from None


def wants_json_lines(request: web.Request, given: Mapping[str, str]) -> bool:
    """Return whether the answer is to be JSON Lines: by `format`, else by `Accept`."""
    wanted = given.get("format")
    if wanted not in (None, *_FORMATS):
        raise InvalidField("format", f"it is one of: {', '.join(_FORMATS)}")
    return wanted == "jsonl" or (
        wanted is None and NDJSON in request.headers.get(hdrs.ACCEPT, "").lower()
    )


def wait_in(given: Mapping[str, str]) -> int:
    """Return how long to wait for something new, in seconds; 0 for not at all."""
    return whole_number(given, "wait", 0, MAX_WAIT_S) or 0


def query_in(
    given: Mapping[str, str], facet: Facet, end: int, *, is_feed: bool = False
) -> HistoryQuery:
    """
    Return the query.

    The newest come first, as people read a history; but the oldest do when it is read on from a
    position, waited for or streamed, as programs do.

    Args:
        end: The last position of the log.
        is_feed: It is streamed.

    Raises:
        InvalidField: A parameter is malformed, or the log has no such position.
    """
    is_continued = is_feed or "after" in given or wait_in(given) > 0
    order = given.get("order", "asc" if is_continued else "desc")
    if order not in ("asc", "desc"):
        raise InvalidField("order", "it is asc, the oldest first, or desc, the newest first")
    return HistoryQuery(
        facet=facet,
        after=after_in(given, end) or 0,
        before=whole_number(given, "before", 1, _MAX_POSITION),
        since_us=instant(given, "since"),
        until_us=instant(given, "until"),
        newest_first=order == "desc",
        limit=whole_number(given, "limit", 1, MAX_LIMIT) or DEFAULT_LIMIT,
    )


def after_in(given: Mapping[str, str], end: int, name: str = "after") -> int | None:
    """Return the position to go on behind; None when absent."""
    after = whole_number(given, name, 0, _MAX_POSITION)
    if after is not None and after > end:
        # A follower of this log has been further: it was restored from an old copy, and whoever
        # waits here in silence would miss what is written at these positions anew.
        raise InvalidField(name, f"the log ends at position {end}; begin again")
    return after


_MAX_POSITION = 10**15
