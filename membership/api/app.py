"""The application: all routes behind one guard."""

from collections.abc import Iterable

from aiohttp import web

from membership.api.arrivals import MAX_BODY_BYTES
from membership.api.cluster import CLUSTER_ROUTES
from membership.api.context import CONTEXT, ApiContext
from membership.api.guard import guard, required_scopes
from membership.api.oauth import TokenEndpoint
from membership.api.peers import PEER_ROUTES
from membership.api.services import SERVICE_ROUTES


def create_app(context: ApiContext, peer_routes: Iterable[web.RouteDef] = ()) -> web.Application:
    """
    Return the application of an agent whose local peer is in its log.

    Args:
        peer_routes: The peer protocol's, which authenticate and answer errors themselves.
    """
    tokens = web.post("/v1/oauth/token", TokenEndpoint(context).issue)
    client_routes = [*PEER_ROUTES, *SERVICE_ROUTES, *CLUSTER_ROUTES, tokens]
    unguarded = list(peer_routes)
    app = web.Application(
        middlewares=[
            guard(
                required_scopes(client_routes),
                frozenset(route.handler for route in unguarded),
                context,
            )
        ],
        client_max_size=MAX_BODY_BYTES,
    )
    app[CONTEXT] = context
    app.add_routes([*client_routes, *unguarded])
    return app
