"""The agent itself: who it is, how it stands, under which licence."""

from aiohttp import web

from membership.api import bodies, schema, status_schema
from membership.api.answers import answer, write_answer
from membership.api.arrivals import origin_of, parameters, read_body, whole_number
from membership.api.context import CONTEXT, ApiContext
from membership.api.guard import public, requires
from membership.api.scopes import ADMIN, PEERS_READ
from membership.api.tokens import public_jwk
from membership.commands.messages import SaveDeliveries

MAX_SYNC_WAIT_S = 60
_NONE: frozenset[str] = frozenset()
_SYNC = frozenset({"wait"})


@public
async def live(_: web.Request) -> web.Response:
    """Answer that the process answers."""
    return answer(schema.ALIVE)


@public
async def ready(request: web.Request) -> web.Response:
    """Answer once the writer has answered too; nothing is written."""
    await request.app[CONTEXT].bus.submit(SaveDeliveries())
    return answer(schema.ALIVE)


@public
async def key_set(request: web.Request) -> web.Response:
    """Answer the key that tokens are signed with (RFC 7517)."""
    return answer(schema.encode_key_set([public_jwk(request.app[CONTEXT].signer.public_key)]))


@public
async def identity(request: web.Request) -> web.Response:
    """Answer who this agent is."""
    parameters(request, _NONE)
    context = request.app[CONTEXT]
    views = context.views
    cluster_id = views.license.cluster_id
    body = schema.encode_identity(
        views.peers.local, cluster_id, log_key=context.log.key, software=context.software
    )
    return answer(body)


@requires(PEERS_READ)
async def status(request: web.Request) -> web.Response:
    """Answer how the agent, and each other peer as it sees them, stands."""
    parameters(request, _NONE)
    context = request.app[CONTEXT]
    standing = context.peering.status()
    now_us = context.clock.now_us()
    return answer(status_schema.encode_status(context.views, standing, now_us, context.software))


@requires(ADMIN)
async def sync(request: web.Request) -> web.Response:
    """Compare with every peer now, and answer who agrees; that some do not is no error."""
    wait_s = whole_number(parameters(request, _SYNC), "wait", 0, MAX_SYNC_WAIT_S)
    bodies.parse_body(bodies.NoFields, await read_body(request))
    report = await request.app[CONTEXT].peering.sync(wait_s or 0)
    return answer(status_schema.encode_sync(report))


@requires(PEERS_READ)
async def get_license(request: web.Request) -> web.Response:
    """Answer the licence and how much of it is used."""
    parameters(request, _NONE)
    return answer(_license(request.app[CONTEXT]))


@requires(ADMIN)
async def put_license(request: web.Request) -> web.Response:
    """Install a renewed licence; the body is the document as it was issued."""
    parameters(request, _NONE)
    context, origin = request.app[CONTEXT], origin_of(request)
    receipt = await context.install_license(await read_body(request), origin)
    return write_answer(_license(context), receipt)


def _license(context: ApiContext) -> bytes:
    views = context.views
    return schema.encode_license(
        views.license, nodes=len(views.peers), now_us=context.clock.now_us()
    )


CLUSTER_ROUTES = (
    web.get("/livez", live),
    web.get("/readyz", ready),
    web.get("/.well-known/jwks.json", key_set),
    web.get("/v1/cluster/identity", identity),
    web.get("/v1/cluster/status", status),
    web.post("/v1/cluster/sync", sync),
    web.get("/v1/license", get_license),
    web.put("/v1/license", put_license),
)
