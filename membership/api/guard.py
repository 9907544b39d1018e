"""
The one thing that every request of a client passes: who is it, may it, and what if not.

What a handler asks for is said at the handler, by `requires` or `public`; an application with a
handler that says neither is not built.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import TypeVar

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from membership.api import answers, schema
from membership.api.arrivals import (
    GRANT,
    REQUEST_ID,
    SUBJECT,
    bare_origin,
    is_sane_id,
    origin_of,
    ulid_in_path,
)
from membership.api.context import CONTEXT, ApiContext
from membership.api.errors import (
    TABLE,
    Forbidden,
    Internal,
    NotFound,
    Told,
    Unauthorized,
    Unavailable,
    tellable,
)
from membership.api.tokens import Grant, TokenVerifier
from membership.commands.messages import RecordRefusal
from membership.commands.ports import IdSource
from membership.domain.errors import InvalidRequest, MembershipError

PUBLIC = ""
_SCOPE = "required_scope"
_READS = (hdrs.METH_GET, hdrs.METH_HEAD)
_TIME_CHARS = 10
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

H = TypeVar("H", bound=Callable[..., object])
log = logging.getLogger(__name__)


def requires(scope: str) -> Callable[[H], H]:
    """Mark a handler: the token must have *scope*."""

    def mark(handler: H) -> H:
        setattr(handler, _SCOPE, scope)
        return handler

    return mark


def public(handler: H) -> H:
    """Mark a handler: anybody may ask."""
    setattr(handler, _SCOPE, PUBLIC)
    return handler


def guarded(routes: Iterable[web.RouteDef], context: ApiContext) -> list[web.RouteDef]:
    """
    Return the routes with every handler behind the guard.

    The guard is wrapped around each handler and is no aiohttp middleware, which would cost a
    tenth of the smallest read on every request.

    Raises:
        TypeError: A handler does not say who may call it.
    """
    local = context.views.peers.local
    gate = _Gate(
        verify=TokenVerifier(context.signer.public_key, local.peer_id, context.clock).verify,
        next_id=partial(next, request_ids(context.ids)),
    )
    return [
        web.route(
            route.method,
            route.path,
            _guarded(route, _scope_of(route), gate),
            **route.kwargs,
        )
        for route in routes
    ]


def request_ids(ids: IdSource) -> Iterator[str]:
    """
    Yield ULIDs for requests, which are cheap.

    A new one serves for 1,024 requests: the two digits behind its time count. To make one for
    every request would cost more than the rest of the guard together.
    """
    pairs = ["".join(pair) for pair in product(_CROCKFORD, repeat=2)]
    while True:
        fresh = ids.new_ulid()
        time, chance = fresh[:_TIME_CHARS], fresh[_TIME_CHARS + 2 :]
        for pair in pairs:
            yield f"{time}{pair}{chance}"


@dataclass(frozen=True, slots=True)
class _Gate:
    verify: Callable[[str], Grant]
    next_id: Callable[[], str]


def _scope_of(route: web.RouteDef) -> str:
    scope: str | None = getattr(route.handler, _SCOPE, None)
    if scope is None:
        message = f"{route.method} {route.path}: mark its handler by requires or public"
        raise TypeError(message)
    return scope


def _guarded(route: web.RouteDef, scope: str, gate: _Gate) -> Handler:
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]] = route.handler
    verify, next_id = gate.verify, gate.next_id

    async def guarded_handler(request: web.Request) -> web.StreamResponse:
        request_id = request.headers.get(answers.REQUEST_ID)
        if request_id is None or not is_sane_id(request_id):
            request_id = next_id()
        request[REQUEST_ID] = request_id
        try:
            if scope:
                grant = request[GRANT] = verify(_token(request))
                if scope not in grant.scopes:
                    raise Forbidden(scope)  # noqa: TRY301 - one place answers all errors
            response = await handler(request)
        except Exception as error:  # noqa: BLE001 - a client is always answered
            response = await _refused(request, error, request_id)
        response.headers[answers.REQUEST_ID] = request_id
        return response

    return guarded_handler


def _token(request: web.Request) -> str:
    credentials = request.headers.get(hdrs.AUTHORIZATION)
    if credentials is None:
        message = "send a token as Authorization: Bearer <token>; POST /v1/oauth/token gives one"
        raise Unauthorized(message, problem=None)
    if credentials[:7] != "Bearer " and credentials[:7].lower() != "bearer ":
        message = "Authorization must be of the form Bearer <token>"
        raise Unauthorized(message, problem="invalid_request")
    return credentials[7:].lstrip(" ")


async def _refused(request: web.Request, error: Exception, request_id: str) -> web.Response:
    told = tellable(error)
    if isinstance(told, Internal):
        log.error("request %s failed", request_id, exc_info=error)
    elif isinstance(told, Unavailable):
        log.warning("request %s: the log cannot be written: %s", request_id, error)
    row = TABLE[type(told)]
    # A read that is refused is no event: nothing would have changed.
    if GRANT in request and request.method not in _READS and _is_decided(told):
        await _record(request, told, row.code)
    body = schema.encode_error(told.message, row.code, told.details, request_id)
    response = answers.answer(body, row.status)
    if not isinstance(told, MembershipError):
        response.headers.update(told.headers)
    return response


def _is_decided(told: Told) -> bool:
    """Whether somebody was refused, and did not merely write something wrong."""
    if isinstance(told, MembershipError):
        return not isinstance(told, InvalidRequest)
    return isinstance(told, Forbidden)


def _subject(request: web.Request) -> str:
    if "id" not in request.match_info:
        subject: str = request.get(SUBJECT, "")
        return subject
    try:
        return ulid_in_path(request)
    except NotFound:
        return ""


async def _record(request: web.Request, told: Told, code: str) -> None:
    resource = request.match_info.route.resource
    refusal = RecordRefusal(
        command=f"{request.method} {resource.canonical if resource else ''}",
        subject=_subject(request),
        code=code,
        message=told.message,
    )
    try:
        origin = origin_of(request)
    except InvalidRequest:
        origin = bare_origin(request)
    try:
        await request.app[CONTEXT].bus.submit(refusal, origin)
    except Exception:
        # The caller was refused either way; that it cannot be written down is the agent's worry.
        log.exception("request %s: its refusal could not be recorded", request[REQUEST_ID])
