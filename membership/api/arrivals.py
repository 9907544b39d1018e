"""What a request brings along: who asks, why, and with which words."""

import re
from collections.abc import Mapping
from dataclasses import replace

from aiohttp import web

from membership.api.errors import NotFound, PayloadTooLarge, UnsupportedMediaType
from membership.api.tokens import Grant
from membership.commands.messages import Origin
from membership.domain.errors import InvalidField, InvalidId, InvalidRequest
from membership.domain.rfc3339 import parse_rfc3339
from membership.domain.values import PeerId, UnixUs, parse_ulid

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MAX_BODY_BYTES = 65_536
MAX_REASON_CHARS = 500

REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id", str)
GRANT: web.RequestKey[Grant] = web.RequestKey("grant", Grant)
SUBJECT: web.RequestKey[str] = web.RequestKey("subject", str)
"""What a write is about, when its path does not say it."""

_OFFSET_AFTER_SPACE = re.compile(r" (\d\d:\d\d)$")

is_sane_id = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}").fullmatch
"""Whether a text may stand for a request in headers, logs and events."""


def origin_of(request: web.Request) -> Origin:
    """
    Return where a command comes from.

    Raises:
        InvalidField: `X-Correlation-Id` or `X-Reason` is not fit to be recorded.
    """
    correlation_id = request.headers.get("X-Correlation-Id", "")
    if correlation_id and is_sane_id(correlation_id) is None:
        raise InvalidField(
            "X-Correlation-Id", "it has 1 to 128 letters, digits or any of . _ : / + = @ -"
        )
    reason = request.headers.get("X-Reason", "").strip()
    if len(reason) > MAX_REASON_CHARS or not reason.isprintable():
        raise InvalidField("X-Reason", f"it has up to {MAX_REASON_CHARS} printable characters")
    return replace(bare_origin(request), correlation_id=correlation_id, reason=reason)


def bare_origin(request: web.Request) -> Origin:
    """Return where a command comes from, without what the caller says beside it."""
    return Origin(
        actor=request[GRANT].actor,
        source=request.remote or "",
        request_id=request[REQUEST_ID],
    )


async def read_body(request: web.Request, media_type: str = JSON) -> bytes:
    """
    Return the body, decompressed; no bytes at all need no media type.

    Raises:
        PayloadTooLarge, UnsupportedMediaType, InvalidRequest: As they say.
    """
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise PayloadTooLarge(MAX_BODY_BYTES)
    try:
        body = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise PayloadTooLarge(MAX_BODY_BYTES) from None
    except (web.RequestPayloadError, ConnectionError):
        message = "the body ended early, or its encoding is broken; send it again"
        raise InvalidRequest(message) from None
    is_utf8 = (request.charset or "utf-8").lower() in ("utf-8", "utf8")
    if body and (request.content_type != media_type or not is_utf8):
        raise UnsupportedMediaType(media_type)
    return body


def parameters(request: web.Request, known: frozenset[str]) -> Mapping[str, str]:
    """
    Return the query's parameters.

    Raises:
        InvalidField: One is unknown or comes twice.
    """
    given: dict[str, str] = {}
    for name, value in request.query.items():
        if name not in known:
            allowed = f"known are: {', '.join(sorted(known))}" if known else "there are none here"
            raise InvalidField(_shown(name), f"unknown parameter; {allowed}")
        if name in given:
            raise InvalidField(name, "give it once")
        given[name] = value
    return given


def boolean(given: Mapping[str, str], name: str) -> bool | None:
    """Return a parameter that is `true` or `false`; None when absent."""
    value = given.get(name)
    if value not in (None, "true", "false"):
        raise InvalidField(name, "it is true or false")
    return None if value is None else value == "true"


def whole_number(given: Mapping[str, str], name: str, low: int, high: int) -> int | None:
    """Return a parameter that is a number from *low* to *high*; None when absent."""
    text = given.get(name)
    if text is None:
        return None
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(high))
    if not is_number or not low <= int(text) <= high:
        raise InvalidField(name, f"it is a whole number from {low} to {high}")
    return int(text)


def instant(given: Mapping[str, str], name: str) -> UnixUs | None:
    """Return a parameter that is a time as RFC 3339 has it; None when absent."""
    text = given.get(name)
    if text is None:
        return None
    try:
        # A plus sign that was not percent-encoded arrives as a space.
        return parse_rfc3339(_OFFSET_AFTER_SPACE.sub(r"+\1", text))
    except ValueError:
        raise InvalidField(name, "it is a time with an offset, like 2026-01-31T12:00:00Z") from None


def ulid_in_path(request: web.Request) -> PeerId:
    """Return the id in the path; raises `NotFound`, since nothing has an id that is none."""
    try:
        return PeerId(parse_ulid(request.match_info["id"]))
    except InvalidId:
        message = "nothing has this id; an id is 26 characters of Crockford's base 32"
        raise NotFound(message) from None


def _shown(text: str) -> str:
    return ascii(text[:64])[1:-1]
