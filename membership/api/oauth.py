"""
`POST /v1/oauth/token`: client credentials against a token (RFC 6749, section 4.4).

Anybody may knock here, and each knock costs 50 ms and 64 MiB to answer. So sources are limited
each, secrets are checked one at a time on a thread, and only so many may wait for their turn.
"""

import asyncio
from base64 import b64decode
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote_plus

from aiohttp import hdrs, web

from membership.api import schema
from membership.api.answers import answer
from membership.api.arrivals import FORM, REQUEST_ID, read_body
from membership.api.context import ApiContext
from membership.api.credentials import NOBODY, secret_matches
from membership.api.errors import TABLE, RateLimited, Unauthorized
from membership.api.guard import public
from membership.api.scopes import SCOPES, allowed_by
from membership.api.token_buckets import TokenBuckets
from membership.api.tokens import mint_token
from membership.domain.errors import InvalidRequest
from membership.domain.events import CredentialCreated
from membership.domain.values import StreamId

TOKEN_TTL_S = 3_600
BURST = 30
PER_S = 1.0
MAX_SOURCES = 4_096
MAX_WAITING = 16
MAX_FIELDS = 32


class OAuthError(Exception):
    """A refusal in the words of RFC 6749, section 5.2; *kind* is its `error`."""

    def __init__(self, kind: str, description: str) -> None:
        super().__init__(description)
        self.kind = kind
        self.description = description


class _Client(NamedTuple):
    client_id: str
    secret: str


class TokenEndpoint:
    """Issues tokens, at a bounded pace."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._buckets = TokenBuckets(burst=BURST, per_s=PER_S, max_sources=MAX_SOURCES)
        self._one_at_a_time = asyncio.Lock()
        self._waiting = 0

    @public
    async def issue(self, request: web.Request) -> web.Response:
        """Answer a token, or why there is none."""
        now_s = asyncio.get_running_loop().time()
        wait_s = self._buckets.wait_s(request.remote or "", now_s)
        if wait_s:
            raise RateLimited(wait_s)
        body = await read_body(request, FORM)
        try:
            return answer(await self._token(_fields(body), request.headers))
        except OAuthError as error:
            return _refusal(error, request[REQUEST_ID])

    async def _token(self, fields: Mapping[str, str], headers: Mapping[str, str]) -> bytes:
        client = _client(fields, headers.get(hdrs.AUTHORIZATION))
        grant_type = fields.get("grant_type")
        if grant_type is None:
            raise OAuthError("invalid_request", "send grant_type=client_credentials")
        if grant_type != "client_credentials":
            raise OAuthError("unsupported_grant_type", "the one grant type is client_credentials")
        credential = await self._authenticated(client)
        scopes = _granted(credential, fields.get("scope"))
        context = self._context
        token = mint_token(
            context.signer,
            peer_id=context.views.peers.local.peer_id,
            subject=credential.client_id,
            client_id=credential.client_id,
            scopes=scopes,
            ttl_s=TOKEN_TTL_S,
            now_us=context.clock.now_us(),
            token_id=context.ids.new_ulid(),
        )
        return schema.encode_access_token(token, scopes, TOKEN_TTL_S)

    async def _authenticated(self, client: _Client) -> CredentialCreated:
        if self._waiting >= MAX_WAITING:
            raise RateLimited(1)
        known = self._context.views.credentials.get(StreamId(client.client_id))
        self._waiting += 1
        try:
            async with self._one_at_a_time:
                matches = await asyncio.to_thread(secret_matches, known or NOBODY, client.secret)
        finally:
            self._waiting -= 1
        if known is None or not matches:
            raise OAuthError("invalid_client", "the client_id or the client_secret is wrong")
        return known


def _fields(body: bytes) -> Mapping[str, str]:
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
        )
    except ValueError:
        raise OAuthError("invalid_request", "the form is malformed") from None
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise OAuthError("invalid_request", "give each field once")
    return fields


def _client(fields: Mapping[str, str], authorization: str | None) -> _Client:
    in_body = "client_secret" in fields
    if authorization is None:
        if not in_body or "client_id" not in fields:
            raise OAuthError(
                "invalid_client", "send client_id and client_secret, as HTTP Basic or in the form"
            )
        return _Client(fields["client_id"], fields["client_secret"])
    if in_body:
        raise OAuthError(
            "invalid_request", "send the secret as HTTP Basic or in the form, not both"
        )
    client = _basic(authorization)
    if fields.get("client_id", client.client_id) != client.client_id:
        raise OAuthError("invalid_request", "the form names another client_id than HTTP Basic")
    return client


def _basic(authorization: str) -> _Client:
    scheme, _, encoded = authorization.partition(" ")
    try:
        text = b64decode(encoded.strip(), validate=True).decode()
        client_id, colon, secret = text.partition(":")
        client = _Client(
            unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict")
        )
    except ValueError:
        colon = ""
    if scheme.lower() != "basic" or not colon:
        raise OAuthError("invalid_client", "Authorization must be Basic base64(id:secret)")
    return client


def _granted(credential: CredentialCreated, asked: str | None) -> tuple[str, ...]:
    if asked is None:
        return credential.scopes
    wanted = tuple(dict.fromkeys(asked.split(" ")))
    allowed = allowed_by(credential.scopes)
    if not all(scope in SCOPES and scope in allowed for scope in wanted):
        raise OAuthError(
            "invalid_scope", f"this client may have: {' '.join(s for s in SCOPES if s in allowed)}"
        )
    return wanted


def _refusal(error: OAuthError, request_id: str) -> web.Response:
    is_unknown = error.kind == "invalid_client"
    row = TABLE[Unauthorized if is_unknown else InvalidRequest]
    body = schema.encode_oauth_error(error.kind, error.description, row.code, request_id)
    response = answer(body, row.status)
    if is_unknown:
        response.headers[hdrs.WWW_AUTHENTICATE] = 'Basic realm="membership"'
    return response
