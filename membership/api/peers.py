"""One peer: read, add, name, remove; and the local one's way out."""

from aiohttp import hdrs, web

from membership.api import bodies, schema
from membership.api.answers import etag_of, expected_version, read_answer, write_answer
from membership.api.arrivals import (
    SUBJECT,
    boolean,
    origin_of,
    parameters,
    read_body,
    ulid_in_path,
)
from membership.api.context import CONTEXT
from membership.api.guard import requires
from membership.api.moments import AS_OF, tell_position, views_at
from membership.api.peer_lists import list_peers
from membership.api.scopes import ADMIN, PEERS_READ, PEERS_WRITE
from membership.commands.messages import LeaveCluster, RemovePeer, RenamePeer
from membership.domain.errors import PeerNotFound, PreconditionFailed
from membership.domain.peer import Peer
from membership.domain.values import PeerId, StreamId, parse_address, parse_name
from projections.peers import PeersView

_GET = frozenset({"include_inactive", AS_OF})
_NONE: frozenset[str] = frozenset()


@requires(PEERS_READ)
async def get_peer(request: web.Request) -> web.Response:
    """Answer one peer; with `include_inactive` also one that is gone."""
    return await _read(request, ulid_in_path(request))


@requires(PEERS_READ)
async def get_self(request: web.Request) -> web.Response:
    """Answer the local peer."""
    return await _read(request, request.app[CONTEXT].views.peers.local.peer_id)


async def _read(request: web.Request, peer_id: PeerId) -> web.Response:
    given = parameters(request, _GET)
    include_inactive = boolean(given, "include_inactive")
    views = await views_at(request, given, StreamId(peer_id))
    view = views.peers
    peer = view.get(peer_id)
    if peer is None or not (peer.is_active or include_inactive):
        raise PeerNotFound(peer_id)
    body = schema.encode_peer_with_standing(peer) if include_inactive else view.body(peer)
    return tell_position(read_answer(request, body, etag_of(peer.version)), views)


@requires(PEERS_WRITE)
async def add_peer(request: web.Request) -> web.Response:
    """Shake hands with the agent at an address and answer the new peer."""
    parameters(request, _NONE)
    context, origin = request.app[CONTEXT], origin_of(request)
    wanted = bodies.parse_body(bodies.NewPeer, await read_body(request))
    address, label = parse_address(wanted.address), parse_name(wanted.name)
    request[SUBJECT] = address
    receipt = await context.peering.add_peer(address, label, origin)
    peer_id = PeerId(str(receipt.result))
    response = write_answer(_present(context.views.peers, peer_id), receipt, 201)
    response.headers[hdrs.LOCATION] = f"/v1/peers/{peer_id}"
    return response


@requires(PEERS_WRITE)
async def rename_peer(request: web.Request) -> web.Response:
    """Name a peer and answer it; the name that it has already records nothing."""
    parameters(request, _NONE)
    peer_id = ulid_in_path(request)
    context, origin = request.app[CONTEXT], origin_of(request)
    expected = expected_version(request)
    changes = bodies.parse_body(bodies.PeerChanges, await read_body(request))
    name = parse_name(changes.name) if "name" in changes.model_fields_set else None
    command = RenamePeer(peer_id=peer_id, name=name, expected_version=expected)
    receipt = await context.bus.submit(command, origin)
    view = context.views.peers
    response = write_answer(_present(view, peer_id), receipt)
    response.headers[hdrs.ETAG] = etag_of(_known(view, peer_id).version)
    return response


@requires(PEERS_WRITE)
async def remove_peer(request: web.Request) -> web.Response:
    """Remove a remote peer."""
    parameters(request, _NONE)
    command = RemovePeer(peer_id=ulid_in_path(request), expected_version=expected_version(request))
    receipt = await request.app[CONTEXT].bus.submit(command, origin_of(request))
    return write_answer(schema.DELETED, receipt)


@requires(ADMIN)
async def leave(request: web.Request) -> web.Response:
    """Take the local peer out of the cluster, for good; a repeat answers the same."""
    parameters(request, _NONE)
    context, expected = request.app[CONTEXT], expected_version(request)
    local = context.views.peers.local
    request[SUBJECT] = local.peer_id
    if local.is_active and expected not in (None, local.version):
        raise PreconditionFailed(expected or 0, local.version)
    receipt = await context.bus.submit(LeaveCluster(), origin_of(request))
    return write_answer(schema.encode_departure(context.views.peers.local), receipt)


def _known(view: PeersView, peer_id: PeerId) -> Peer:
    peer = view.get(peer_id)
    if peer is None:
        raise PeerNotFound(peer_id)
    return peer


def _present(view: PeersView, peer_id: PeerId) -> bytes:
    # Encoded anew when another request removed it in the meantime: this one succeeded.
    peer = _known(view, peer_id)
    return view.body(peer) if peer.is_active else schema.encode_peer(peer)


PEER_ROUTES = (
    web.get("/v1/peers", list_peers),
    web.post("/v1/peers", add_peer),
    web.get("/v1/peers/self", get_self),
    web.delete("/v1/peers/self", leave),
    web.get("/v1/peers/{id}", get_peer),
    web.put("/v1/peers/{id}", rename_peer),
    web.delete("/v1/peers/{id}", remove_peer),
)
