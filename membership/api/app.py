"""The application: all routes behind one guard."""

from collections.abc import Iterable

from aiohttp import web

from membership.api.arrivals import MAX_BODY_BYTES
from membership.api.cluster import CLUSTER_ROUTES
from membership.api.context import CONTEXT, ApiContext
from membership.api.errors import MethodNotAllowed, NotFound
from membership.api.guard import guarded, public
from membership.api.history import HistoryEndpoints
from membership.api.history_stream import HistoryStream
from membership.api.log import LOG_ROUTES
from membership.api.oauth import TokenEndpoint
from membership.api.peers import PEER_ROUTES
from membership.api.services import SERVICE_ROUTES
from membership.api.streams import Streams

REST = "/{path:.*}"


def create_app(context: ApiContext, peer_routes: Iterable[web.RouteDef] = ()) -> web.Application:
    """
    Return the application of an agent whose local peer is in its log.

    Args:
        peer_routes: The peer protocol's, which authenticate and answer errors themselves.
    """
    tokens = web.post("/v1/oauth/token", TokenEndpoint(context).issue)
    streams = Streams()
    history, live = HistoryEndpoints(context, streams), HistoryStream(context, streams)
    routes = [
        *PEER_ROUTES,
        *SERVICE_ROUTES,
        *CLUSTER_ROUTES,
        *LOG_ROUTES,
        tokens,
        web.get("/v1/history", history.list_history),
        web.get("/v1/history/diff", history.difference),
        web.get("/v1/history/stream", live.stream),
        web.get("/v1/peers/{id}/history", history.list_history_of_peer),
        web.route("*", REST, unrouted),
    ]
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app[CONTEXT] = context

    async def end_streams(_: web.Application) -> None:
        context.history.runner.release()
        streams.cut()

    app.on_shutdown.append(end_streams)
    app.add_routes([*guarded(routes, context), *peer_routes])
    # Frozen, so that nothing is added later that has no guard.
    app.router.freeze()
    return app


@public
async def unrouted(request: web.Request) -> web.Response:
    """Tell whether the path or only the method is wrong."""
    allowed: set[str] = set()
    for resource in request.app.router.resources():
        if resource is not request.match_info.route.resource:
            _, methods = await resource.resolve(request)
            allowed |= methods
    if allowed:
        raise MethodNotAllowed(allowed)
    message = "nothing has this path"
    raise NotFound(message)
