"""Frames over HTTP: the client side of the peer protocol."""

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import ip_address

import aiohttp

from membership.domain.values import Address, split_address
from membership.peering.address_policy import (
    AddressRefused,
    Network,
    PolicyResolver,
    is_allowed,
)
from membership.peering.transport import TransportFailed
from membership.peering.wire import MAX_FRAME_BYTES

FRAME_MEDIA_TYPE = "application/vnd.membership.frame+msgpack"
TIMEOUT_S = 5.0
KEEPALIVE_S = 75.0
MAX_CONNECTIONS = 256


class HttpTransport:
    """
    Keeps connections to peers and posts frames over them.

    It follows no redirects, keeps no cookies, obeys no proxy variables, and reads no more than
    one frame from an answer: whoever is at the other end need not be an agent.
    """

    def __init__(
        self, allowed_networks: Sequence[Network], *, timeout_s: float = TIMEOUT_S
    ) -> None:
        self._allowed_networks = allowed_networks
        connector = aiohttp.TCPConnector(
            resolver=PolicyResolver(allowed_networks),
            use_dns_cache=False,
            limit=MAX_CONNECTIONS,
            keepalive_timeout=KEEPALIVE_S,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=timeout_s),
            headers={"Content-Type": FRAME_MEDIA_TYPE},
            auto_decompress=False,
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    async def post(self, address: Address, path: str, frame: bytes) -> bytes:
        """Return the answer to *frame*; raises `TransportFailed`."""
        self._check_literal(address)
        try:
            async with self._session.post(
                f"http://{address}{path}", data=frame, allow_redirects=False
            ) as response:
                if response.content_type != FRAME_MEDIA_TYPE:
                    raise TransportFailed("wrong_protocol")
                if response.status != 200:  # noqa: PLR2004
                    raise TransportFailed(_reason_for_status(response.status))
                return await _read_frame(response)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise TransportFailed(_reason(error)) from None

    def _check_literal(self, address: Address) -> None:
        host, _ = split_address(address)
        try:
            ip_address(host)
        except ValueError:
            return  # A name; the resolver checks what it resolves to.
        if not is_allowed(host, self._allowed_networks):
            raise TransportFailed("address_refused")


async def _read_frame(response: aiohttp.ClientResponse) -> bytes:
    frame = bytearray()
    async for chunk in response.content.iter_any():
        frame += chunk
        if len(frame) > MAX_FRAME_BYTES:
            raise TransportFailed("wrong_protocol")
    return bytes(frame)


def _reason_for_status(status: int) -> str:
    return "overloaded" if status == 503 else "wrong_protocol"  # noqa: PLR2004


def _reason(error: Exception) -> str:
    """Return the sub-reason of what aiohttp or the operating system reported."""
    cause = getattr(error, "os_error", None) or error
    match cause:
        case AddressRefused():
            return "address_refused"
        case TimeoutError() | asyncio.TimeoutError():
            return "timeout"
        case ConnectionRefusedError():
            return "refused"
        case socket.gaierror():
            return "unresolved"
        case aiohttp.ClientConnectorDNSError():
            return "unresolved"
        case aiohttp.ClientConnectorError() | OSError() if not isinstance(
            cause, ConnectionError | aiohttp.ClientOSError
        ):
            return "unreachable"
        case (
            ConnectionError()
            | aiohttp.ServerDisconnectedError()
            | aiohttp.ClientOSError()
            | aiohttp.ClientPayloadError()
        ):
            return "reset"
    return "wrong_protocol"
