"""
The one thing that every request of a client passes: who is it, may it, and what if not.

What a handler asks for is said at the handler, by `requires` or `public`; an application with a
handler that says neither is not built.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

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
from membership.api.errors import TABLE, Forbidden, Internal, NotFound, Told, Unauthorized, tellable
from membership.api.tokens import Grant, TokenVerifier
from membership.commands.messages import RecordRefusal
from membership.domain.errors import InvalidRequest, MembershipError

PUBLIC = ""
_SCOPE = "required_scope"
_BEARER = "Bearer "
_WRITES = frozenset({hdrs.METH_POST, hdrs.METH_PUT, hdrs.METH_DELETE})

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


def required_scopes(routes: Iterable[web.RouteDef]) -> Mapping[Any, str]:
    """Return what each handler asks for; raises `TypeError` over one that does not say it."""
    scopes = {}
    for route in routes:
        scope = getattr(route.handler, _SCOPE, None)
        if scope is None:
            message = f"{route.method} {route.path}: mark its handler by requires or public"
            raise TypeError(message)
        scopes[route.handler] = scope
    return scopes


def guard(scopes: Mapping[Any, str], unguarded: frozenset[Any], context: ApiContext) -> Middleware:
    """
    Return the middleware.

    Args:
        scopes: What each handler asks for.
        unguarded: Handlers of the peer protocol, which see to themselves.
    """
    local = context.views.peers.local
    verifier = TokenVerifier(context.signer.public_key, local.peer_id, context.clock)
    new_id = context.ids.new_ulid

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if handler in unguarded:
            return await handler(request)
        given = request.headers.get(answers.REQUEST_ID)
        request_id = given if given is not None and is_sane_id(given) else new_id()
        request[REQUEST_ID] = request_id
        try:
            scope = scopes.get(handler)
            if scope is None:
                raise _no_route(request)  # noqa: TRY301 - one place answers all errors
            if scope:
                request[GRANT] = grant = _authenticated(request, verifier)
                if scope not in grant.scopes:
                    raise Forbidden(scope)  # noqa: TRY301 - as above
            response = await handler(request)
        except Exception as error:  # noqa: BLE001 - a client is always answered
            response = await _refused(request, error)
        response.headers[answers.REQUEST_ID] = request_id
        return response

    return middleware


def _no_route(request: web.Request) -> Exception:
    # A route that was added behind the guard's back must not become a public one.
    return request.match_info.http_exception or LookupError("the handler has no scope")


def _authenticated(request: web.Request, verifier: TokenVerifier) -> Grant:
    credentials = request.headers.get(hdrs.AUTHORIZATION)
    if credentials is None:
        message = "send a token as Authorization: Bearer <token>; POST /v1/oauth/token gives one"
        raise Unauthorized(message, problem=None)
    if credentials[:7] != _BEARER and credentials[:7].lower() != _BEARER.lower():
        message = "Authorization must be of the form Bearer <token>"
        raise Unauthorized(message, problem="invalid_request")
    return verifier.verify(credentials[7:].strip())


async def _refused(request: web.Request, error: Exception) -> web.Response:
    told = tellable(error)
    request_id = request[REQUEST_ID]
    if isinstance(told, Internal):
        log.error("request %s failed", request_id, exc_info=error)
    row = TABLE[type(told)]
    if request.method in _WRITES and GRANT in request and _is_decided(told):
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
