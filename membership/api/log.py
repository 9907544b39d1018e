"""
The transparency log: checkpoints, proofs, and the tiles that proofs are made of.

    GET /v1/log/checkpoint              what the agent signs, and which witnesses say so too
    GET /v1/log/proof/inclusion         ?position, &size
    GET /v1/log/proof/consistency       ?from, &to
    GET /v1/log/tile/<level>/<index>    256 hashes
    GET /v1/log/tile/entries/<index>    256 entries

The first and the last two are those of C2SP `tlog-tiles` under the prefix `/v1/log`: whatever
audits such logs can audit this one, given a token. All of them speak of sizes up to the newest
checkpoint's.
"""

from collections.abc import Callable, Mapping

from aiohttp import web

from membership.api import schema
from membership.api.answers import answer, document_answer
from membership.api.arrivals import parameters
from membership.api.context import CONTEXT, ApiContext
from membership.api.errors import CheckpointWithheld, NotFound
from membership.api.guard import requires
from membership.api.scopes import AUDIT_READ
from membership.domain.errors import InvalidField
from membership.proof.checkpoint import SignedCheckpoint
from membership.proof.tiles import InvalidTile, Tile, parse_entries, parse_tile
from membership.transparency.log import NoCheckpoint

_NONE: frozenset[str] = frozenset()
_INCLUSION = frozenset({"position", "size"})
_CONSISTENCY = frozenset({"from", "to"})
_MAX_DIGITS = 15
# A tile of one width never changes. Private, because whoever may read the log has a token.
_FOR_EVER = "private, max-age=31536000, immutable"


@requires(AUDIT_READ)
async def checkpoint(request: web.Request) -> web.Response:
    """Answer the newest checkpoint as a signed note, witnesses' lines included."""
    parameters(request, _NONE)
    log = request.app[CONTEXT].log
    newest = await _newest(request.app[CONTEXT])
    note = await log.cosigned(newest.size) or newest.note
    return document_answer(
        bytes(note), content_type="text/plain; charset=utf-8", cache_control="private, no-cache"
    )


@requires(AUDIT_READ)
async def inclusion_proof(request: web.Request) -> web.Response:
    """Answer the proof that the event at a position is in the log of a size."""
    given = parameters(request, _INCLUSION)
    context = request.app[CONTEXT]
    position = _number(given, "position", 1, context.views.position)
    # What was written a moment ago is signed for within a second; so it is worth waiting for.
    newest = await _newest(context, position)
    size = _number(given, "size", position, newest.size, default=newest.size)
    proof = await context.log.inclusion_proof(position - 1, size)
    note = await context.log.cosigned(size)
    return answer(schema.encode_inclusion(proof, position=position, size=size, checkpoint=note))


@requires(AUDIT_READ)
async def consistency_proof(request: web.Request) -> web.Response:
    """Answer the proof that the log of one size begins the log of another."""
    given = parameters(request, _CONSISTENCY)
    context = request.app[CONTEXT]
    newest = await _newest(context)
    second = _number(given, "to", 1, newest.size, default=newest.size)
    first = _number(given, "from", 1, second)
    path = await context.log.consistency_proof(first, second)
    note = await context.log.cosigned(second)
    return answer(schema.encode_consistency(path, first=first, second=second, checkpoint=note))


@requires(AUDIT_READ)
async def tile(request: web.Request) -> web.Response:
    """Answer the hashes of a tile."""
    wanted = await _tile(request, parse_tile)
    return _immutable(await request.app[CONTEXT].log.tile(wanted))


@requires(AUDIT_READ)
async def entries(request: web.Request) -> web.Response:
    """Answer the entries under a tile of level 0."""
    wanted = await _tile(request, parse_entries)
    response = _immutable(await request.app[CONTEXT].log.entries(wanted))
    response.enable_compression()
    return response


async def _newest(context: ApiContext, size: int = 1) -> SignedCheckpoint:
    try:
        return await context.log.checkpoint(size)
    except NoCheckpoint as error:
        raise CheckpointWithheld(str(error)) from None


def _number(
    given: Mapping[str, str], name: str, low: int, high: int, default: int | None = None
) -> int:
    text = given.get(name)
    if text is None and default is not None:
        return default
    is_number = text is not None and text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS
    if text is None or not is_number or not low <= int(text) <= high:
        what = "it is missing; give" if text is None else "it is"
        raise InvalidField(name, f"{what} a whole number from {low} to {high}")
    return int(text)


async def _tile(request: web.Request, parse: Callable[[str], Tile]) -> Tile:
    parameters(request, _NONE)
    try:
        wanted = parse(request.match_info["path"])
    except InvalidTile as error:
        raise InvalidField("path", str(error)) from None
    newest = await _newest(request.app[CONTEXT])
    if wanted.end > newest.size:
        message = f"the newest checkpoint is of {newest.size} events and has no such tile"
        raise NotFound(message)
    return wanted


def _immutable(body: bytes) -> web.Response:
    return document_answer(body, content_type="application/octet-stream", cache_control=_FOR_EVER)


LOG_ROUTES = (
    web.get("/v1/log/checkpoint", checkpoint),
    web.get("/v1/log/proof/inclusion", inclusion_proof),
    web.get("/v1/log/proof/consistency", consistency_proof),
    web.get("/v1/log/tile/entries/{path:.+}", entries),
    web.get("/v1/log/tile/{path:.+}", tile),
)
