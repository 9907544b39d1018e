"""Services between two peers."""

from collections.abc import Iterator, Mapping

from aiohttp import hdrs, web

from membership.api import bodies, schema
from membership.api.answers import etag_of, read_answer, write_answer
from membership.api.arrivals import SUBJECT, origin_of, parameters, read_body, ulid_in_path
from membership.api.context import CONTEXT
from membership.api.guard import requires
from membership.api.moments import AS_OF, pinned, tell_position, views_at
from membership.api.paging import PAGE_PARAMETERS, after_in, cut, limit_in, link_next
from membership.api.scopes import SERVICES_READ, SERVICES_WRITE
from membership.commands.messages import RegisterService, RemoveService
from membership.domain.errors import InvalidField, InvalidId, PeerNotFound, ServiceNotFound
from membership.domain.service import Service
from membership.domain.values import (
    PeerId,
    ServiceId,
    StreamId,
    parse_name,
    parse_peer_id,
    parse_ulid,
)
from projections.services import ServicesView

_PEER_FILTERS = ("peer_id", "source_peer_id", "target_peer_id")
_KNOWN = PAGE_PARAMETERS | {"name", *_PEER_FILTERS, AS_OF}
_GET = frozenset({AS_OF})
_NONE: frozenset[str] = frozenset()
_SHOWN_CHARS = 64


@requires(SERVICES_READ)
async def list_services(request: web.Request) -> web.Response:
    """Answer the services by time of creation, then id; inactive ones too."""
    given = parameters(request, _KNOWN)
    views = await views_at(request, given)
    after = after_in(given, lambda text: _find(views.services, text))
    page, is_more = cut(_selected(views.services, given, after), limit_in(given))
    body = schema.json_array([_body(views.services, service) for service in page])
    response = read_answer(request, body, etag_of(views.position))
    if is_more:
        link_next(request, response, after=page[-1].service_id, **pinned(views))
    return tell_position(response, views)


@requires(SERVICES_READ)
async def get_service(request: web.Request) -> web.Response:
    """Answer one service."""
    given, service_id = parameters(request, _GET), ServiceId(ulid_in_path(request))
    views = await views_at(request, given, StreamId(service_id))
    service = views.services.get(service_id)
    if service is None:
        raise ServiceNotFound(service_id)
    response = read_answer(request, _body(views.services, service), etag_of(views.position))
    return tell_position(response, views)


@requires(SERVICES_WRITE)
async def register_service(request: web.Request) -> web.Response:
    """Register a service between two active peers."""
    parameters(request, _NONE)
    context, origin = request.app[CONTEXT], origin_of(request)
    wanted = bodies.parse_body(bodies.NewService, await read_body(request))
    service_id = ServiceId(context.ids.new_ulid())
    command = RegisterService(
        service_id=service_id,
        name=parse_name(wanted.name),
        source_peer_id=_peer_id(wanted.source_peer_id),
        target_peer_id=_peer_id(wanted.target_peer_id),
    )
    request[SUBJECT] = f"{command.source_peer_id} {command.target_peer_id}"
    receipt = await context.bus.submit(command, origin)
    view = context.views.services
    service = view.get(service_id)
    if service is None:
        raise ServiceNotFound(service_id)
    response = write_answer(_body(view, service), receipt, 201)
    response.headers[hdrs.LOCATION] = f"/v1/services/{service_id}"
    return response


@requires(SERVICES_WRITE)
async def remove_service(request: web.Request) -> web.Response:
    """Remove a service."""
    parameters(request, _NONE)
    command = RemoveService(service_id=ServiceId(ulid_in_path(request)))
    receipt = await request.app[CONTEXT].bus.submit(command, origin_of(request))
    return write_answer(schema.DELETED, receipt)


def _selected(
    view: ServicesView, given: Mapping[str, str], after: Service | None
) -> Iterator[Service]:
    either, source, target = [_filter(given, name) for name in _PEER_FILTERS]
    name = parse_name(given["name"]) if "name" in given else None
    behind = None if after is None else (after.created_at_us, after.service_id)
    return (
        service
        for service in view.all(involving=either)
        if source in (None, service.source_peer_id)
        and target in (None, service.target_peer_id)
        and name in (None, service.name)
        and (behind is None or (service.created_at_us, service.service_id) > behind)
    )


def _filter(given: Mapping[str, str], name: str) -> PeerId | None:
    try:
        return parse_peer_id(given[name]) if name in given else None
    except InvalidId:
        raise InvalidField(name, "it is a peer's id, a ULID") from None


def _find(view: ServicesView, text: str) -> Service | None:
    try:
        return view.get(ServiceId(parse_ulid(text)))
    except InvalidId:
        return None


def _peer_id(text: str) -> PeerId:
    # No peer has an id that is none: 404, as in a path.
    try:
        return parse_peer_id(text)
    except InvalidId:
        raise PeerNotFound(text[:_SHOWN_CHARS]) from None


def _body(view: ServicesView, service: Service) -> bytes:
    return schema.encode_service(service, view.inactive_reason(service))


SERVICE_ROUTES = (
    web.get("/v1/services", list_services),
    web.post("/v1/services", register_service),
    web.get("/v1/services/{id}", get_service),
    web.delete("/v1/services/{id}", remove_service),
)
