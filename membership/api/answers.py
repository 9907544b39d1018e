"""Responses: ready bytes under headers that are made once."""

import re

from aiohttp import hdrs, web
from multidict import CIMultiDict, istr

from membership.commands.messages import Receipt
from membership.domain.errors import InvalidField

REQUEST_ID = istr("X-Request-Id")
LOG_POSITION = istr("X-Log-Position")
_COMPRESSED_IN_PLACE_BYTES = 4_096
_ETAG_OF_VERSION = re.compile(r'"([0-9]{1,15})"')


def _headers(cache_control: str, content_type: str = "application/json") -> CIMultiDict[str]:
    return CIMultiDict(
        [
            (hdrs.CONTENT_TYPE, content_type),
            (hdrs.CACHE_CONTROL, cache_control),
            (istr("X-Content-Type-Options"), "nosniff"),
            (hdrs.SERVER, "membership"),
        ]
    )


# A copy of these is several times as fast as putting the same headers together anew.
_READ = _headers("private, no-cache")
_UNCACHED = _headers("no-store")


def stream_headers(content_type: str) -> CIMultiDict[str]:
    """Return the headers of an answer that is sent as it is made."""
    headers = _headers("no-store", content_type)
    # What nginx and its kin would collect, for the sake of compression, is wanted at once.
    headers["X-Accel-Buffering"] = "no"
    return headers


def read_answer(request: web.Request, body: bytes, etag: str) -> web.Response:
    """Return what a view says, or 304 when the caller has it already."""
    present = request.headers.get(hdrs.IF_NONE_MATCH)
    if present is not None and _matches(present, etag):
        response = web.Response(status=304, headers=_READ)
        del response.headers[hdrs.CONTENT_TYPE]
    else:
        response = web.Response(body=body, headers=_READ)
    response.headers[hdrs.ETAG] = etag
    return response


def answer(body: bytes, status: int = 200) -> web.Response:
    """Return a body that nobody is to keep."""
    return web.Response(body=body, status=status, headers=_UNCACHED)


def write_answer(body: bytes, receipt: Receipt, status: int = 200) -> web.Response:
    """Return what a change came to, and where in the log it is."""
    response = answer(body, status)
    response.headers[LOG_POSITION] = str(receipt.position)
    return response


def document_answer(body: bytes, *, content_type: str, cache_control: str) -> web.Response:
    """Return a body that is no JSON; if it is compressed at all, then on a thread."""
    headers = _headers(cache_control, content_type)
    return web.Response(body=body, headers=headers, zlib_executor_size=_COMPRESSED_IN_PLACE_BYTES)


def etag_of(name: str | int) -> str:
    """Return the `ETag` for the name of a change."""
    return f'"{name}"'


def expected_version(request: web.Request) -> int | None:
    """
    Return the version in `If-Match`; None when any will do.

    Raises:
        InvalidField: It is not one version in quotes.
    """
    condition = request.headers.get(hdrs.IF_MATCH)
    if condition is None or condition == "*":
        return None
    match = _ETAG_OF_VERSION.fullmatch(condition)
    if match is None:
        raise InvalidField(
            "If-Match", 'give one version as the ETag of the peer has it, in quotes, like "3"'
        )
    return int(match[1])


def _matches(condition: str, etag: str) -> bool:
    if condition in (etag, "*"):
        return True
    return etag in [entry.strip().removeprefix("W/") for entry in condition.split(",")]
