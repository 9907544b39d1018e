"""Lists a page at a time: `limit`, `after`, and a `Link` to the next page."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import TypeVar
from urllib.parse import urlencode

from aiohttp import hdrs, web

from membership.api.arrivals import whole_number
from membership.domain.errors import InvalidField

PAGE_PARAMETERS = frozenset({"limit", "after"})
MAX_LIMIT = 10_000

T = TypeVar("T")


def limit_in(given: Mapping[str, str]) -> int | None:
    """Return `limit`, None when absent; raises `InvalidField`."""
    return whole_number(given, "limit", 1, MAX_LIMIT)


def after_in(given: Mapping[str, str], find: Callable[[str], T | None]) -> T | None:
    """Return what `after` names, None when absent; raises `InvalidField`."""
    text = given.get("after")
    if text is None:
        return None
    found = find(text)
    if found is None:
        raise InvalidField("after", "nothing has this id; begin again without it")
    return found


def cut(items: Iterable[T], limit: int | None) -> tuple[Sequence[T], bool]:
    """Return the first *limit* items, and whether there are more."""
    page = list(items if limit is None else islice(items, limit + 1))
    return page[:limit], limit is not None and len(page) > limit


def link_next(request: web.Request, response: web.Response, **where: str | int) -> None:
    """Point to the next page (RFC 8288): the same question, but for what *where* says."""
    query = urlencode({**request.query, **where})
    response.headers[hdrs.LINK] = f'<{request.path}?{query}>; rel="next"'
