"""`GET /v1/peers`: all, one side, filtered, or a page of them."""

from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from aiohttp import web

from membership.api import schema
from membership.api.answers import etag_of, read_answer
from membership.api.arrivals import boolean, parameters
from membership.api.context import CONTEXT
from membership.api.guard import requires
from membership.api.moments import AS_OF, pinned, tell_position, views_at
from membership.api.paging import PAGE_PARAMETERS, after_in, cut, limit_in, link_next
from membership.api.scopes import PEERS_READ
from membership.domain.errors import InvalidField, InvalidId
from membership.domain.peer import Peer
from membership.domain.values import parse_address, parse_name, parse_peer_id, parse_public_key
from projections.past import Past
from projections.peers import PeersView
from projections.views import Views

_FILTERS = frozenset({"name", "address", "public_key"})
_KNOWN = PAGE_PARAMETERS | _FILTERS | {"is_local", "include_inactive", AS_OF}


@requires(PEERS_READ)
async def list_peers(request: web.Request) -> web.Response:
    """Answer the peers by time of creation, then id."""
    if not request.query_string:
        view = request.app[CONTEXT].views.peers
        return read_answer(request, view.list_body(), etag_of(view.changed_by))
    given = parameters(request, _KNOWN)
    views = await views_at(request, given)
    return tell_position(_listed(request, given, views), views)


def _listed(request: web.Request, given: Mapping[str, str], views: Views | Past) -> web.Response:
    view = views.peers
    wanted = _selection(given, view)
    if wanted.is_whole_side:
        body = view.list_body(is_local=wanted.is_local)
        return read_answer(request, body, etag_of(view.changed_by))
    page, is_more = cut(_selected(view, wanted), wanted.limit)
    encode = schema.encode_peer_with_standing if wanted.include_inactive else view.body
    body = schema.json_array([encode(peer) for peer in page])
    response = read_answer(request, body, etag_of(view.changed_by))
    if is_more:
        link_next(request, response, after=page[-1].peer_id, **pinned(views))
    return response


@dataclass(frozen=True, slots=True, kw_only=True)
class _Selection:
    is_local: bool | None
    include_inactive: bool
    limit: int | None
    after: Peer | None
    matches: Callable[[Peer], bool] | None

    @property
    def is_whole_side(self) -> bool:
        return not self.include_inactive and (self.limit, self.after, self.matches) == (
            None,
            None,
            None,
        )


def _selection(given: Mapping[str, str], view: PeersView) -> _Selection:
    return _Selection(
        is_local=boolean(given, "is_local"),
        include_inactive=boolean(given, "include_inactive") or False,
        limit=limit_in(given),
        after=after_in(given, lambda text: _find(view, text)),
        matches=_filter(given),
    )


def _find(view: PeersView, text: str) -> Peer | None:
    try:
        return view.get(parse_peer_id(text))
    except InvalidId:
        return None


def _filter(given: Mapping[str, str]) -> Callable[[Peer], bool] | None:
    if _FILTERS.isdisjoint(given):
        return None
    name = parse_name(given["name"]) if "name" in given else None
    address = parse_address(given["address"]) if "address" in given else None
    key = _public_key(given["public_key"]) if "public_key" in given else None
    return lambda peer: (
        name in (None, peer.name)
        and address in (None, peer.address)
        and key in (None, peer.public_key)
    )


def _public_key(text: str) -> bytes:
    try:
        # A plus sign that was not percent-encoded arrives as a space.
        return parse_public_key(b64decode(text.replace(" ", "+"), validate=True))
    except ValueError:
        raise InvalidField("public_key", "it is base64 of 32 bytes") from None


def _selected(view: PeersView, wanted: _Selection) -> Iterator[Peer]:
    after = wanted.after
    if wanted.include_inactive:
        peers = iter(view.everyone())
    elif wanted.limit is not None and wanted.is_local is None and wanted.matches is None:
        return iter(view.page(after, wanted.limit + 1))
    else:
        peers = view.active()
    behind = None if after is None else (after.created_at_us, after.peer_id)
    return (
        peer
        for peer in peers
        if (behind is None or (peer.created_at_us, peer.peer_id) > behind)
        and wanted.is_local in (None, peer.is_local)
        and (wanted.matches is None or wanted.matches(peer))
    )
