"""One request and its answer."""

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aiohttp

from membership.client.errors import ApiError, ConnectionFailed, UnexpectedReply

TIMEOUT_S = 30.0
"""A handshake with a slow agent takes up to 20 s."""
CONNECT_TIMEOUT_S = 5.0
JSON = "application/json"
_REDIRECT_STATUSES = range(300, 400)
_FIRST_ERROR_STATUS = 400


@dataclass(frozen=True, slots=True)
class Call:
    """
    What to ask.

    Attributes:
        body: A JSON object, or the bytes of a JSON document.
        form: Fields to send as a form instead.
        accept: The media type of the answer: JSON, or `text/plain`.
        timeout_s: How long all of it may take.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, object] | bytes | None = None
    form: Mapping[str, str] | None = field(default=None, repr=False)
    accept: str = JSON
    timeout_s: float = TIMEOUT_S


def parse_url(text: str) -> str:
    """Return the address of an agent without a slash at its end; raises `ValueError`."""
    url = text.strip().rstrip("/")
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable or parts.query or parts.fragment or "@" in parts.netloc:
        message = f"{text!r} is no address of an agent; write it like http://127.0.0.1:8080"
        raise ValueError(message)
    return url


def check_token(token: str) -> str:
    """Return *token*, which may be empty; raises `ValueError` when no header can carry it."""
    if not (token.isascii() and token.isprintable()) or " " in token:
        message = "the token holds spaces or other characters that no token has"
        raise ValueError(message)
    return token


async def exchange(session: aiohttp.ClientSession, url: str, token: str, call: Call) -> object:
    """
    Return the parsed JSON of a successful answer, or its text when that was asked for.

    Raises:
        ApiError, ConnectionFailed, UnexpectedReply: As `membership.client` says.
    """
    headers = {"Accept": call.accept}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data: bytes | Mapping[str, str] | None = call.form
    if call.body is not None:
        headers["Content-Type"] = "application/json"
        data = call.body if isinstance(call.body, bytes) else json.dumps(call.body).encode()
    try:
        async with session.request(
            call.method,
            f"{url}{call.path}",
            params=call.query,
            data=data,
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=call.timeout_s, connect=CONNECT_TIMEOUT_S),
            allow_redirects=False,
        ) as response:
            return _answer(url, call, response, await response.read())
    except (aiohttp.ClientError, OSError) as error:
        raise ConnectionFailed(url, _reason(error)) from error


def _answer(url: str, call: Call, response: aiohttp.ClientResponse, body: bytes) -> object:
    is_text = response.ok and call.accept == response.content_type != JSON
    try:
        answer = body.decode() if is_text else json.loads(body)
    except ValueError:
        answer = None
    if response.status >= _FIRST_ERROR_STATUS:
        raise _refusal(response, answer)
    if answer is None or response.status in _REDIRECT_STATUSES:
        problem = f"status {response.status}, {len(body)} bytes of {response.content_type}"
        raise UnexpectedReply(url, problem)
    return answer


def _refusal(response: aiohttp.ClientResponse, answer: object) -> ApiError:
    fields = answer if isinstance(answer, dict) else {}
    # The token endpoint has its sentence in `error_description`, as RFC 6749 wants it.
    message = (
        fields.get("error_description")
        or fields.get("error")
        or (f"the answer was {response.status} {response.reason}, without an explanation")
    )
    details = fields.get("details")
    return ApiError(
        response.status,
        str(fields.get("code", "UNKNOWN")),
        str(message),
        details if isinstance(details, dict) else {},
        str(fields.get("request_id") or response.headers.get("X-Request-Id", "")),
    )


def _reason(error: Exception) -> str:
    cause = getattr(error, "os_error", None) or error
    match cause:
        case TimeoutError():
            return "no answer in time"
        case ConnectionRefusedError():
            return "nothing listens there"
        case socket.gaierror() | aiohttp.ClientConnectorDNSError():
            return "there is no such host"
        case aiohttp.ServerDisconnectedError():
            return "it closed the connection without an answer"
        case OSError() if cause.strerror:
            return cause.strerror
    return str(cause) or type(cause).__name__
