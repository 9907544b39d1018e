"""Frames over real sockets, to agents and to what is none."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_network

import pytest
from aiohttp import web

from membership.domain.values import Address, parse_address
from membership.peering.address_policy import Network, is_allowed
from membership.peering.http_transport import FRAME_MEDIA_TYPE, HttpTransport
from membership.peering.transport import EXPLANATIONS, HELLO_PATH, TransportFailed
from membership.peering.wire import MAX_FRAME_BYTES

SECRET = "a secret of the other side"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1"))


def _frame(body: bytes, status: int = 200) -> web.Response:
    return web.Response(status=status, body=body, headers={"Content-Type": FRAME_MEDIA_TYPE})


@asynccontextmanager
async def _serving(handler: Handler, host: str = "127.0.0.1") -> AsyncIterator[int]:
    """Yield the port of a server that answers every request with *handler*."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _speaking(answer: bytes) -> AsyncIterator[int]:
    """Yield the port of something that sends *answer* to whoever connects, and hangs up."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _post(
    address: str, *, allowed: tuple[Network, ...] = (), timeout_s: float = 5.0, frame: bytes = b"x"
) -> bytes:
    transport = HttpTransport(allowed, timeout_s=timeout_s)
    try:
        return await transport.post(parse_address(address), HELLO_PATH, frame)
    finally:
        await transport.close()


async def _failure(
    address: str, *, allowed: tuple[Network, ...] = (), timeout_s: float = 5.0
) -> str:
    """Return the sub-reason of a failure, whose sentence is ours alone."""
    with pytest.raises(TransportFailed) as caught:
        await _post(address, allowed=allowed, timeout_s=timeout_s)
    assert str(caught.value) == EXPLANATIONS[caught.value.reason]
    assert caught.value.__cause__ is None
    assert SECRET not in repr(caught.value)
    return caught.value.reason


async def test_a_frame_travels_there_and_back() -> None:
    async def echo(request: web.Request) -> web.Response:
        assert request.method == "POST"
        assert request.path == HELLO_PATH
        assert request.content_type == FRAME_MEDIA_TYPE
        return _frame(b"back:" + await request.read())

    async with _serving(echo) as port:
        assert await _post(f"127.0.0.1:{port}", frame=b"there") == b"back:there"
        assert await _post(f"localhost:{port}", frame=b"there") == b"back:there"


async def test_a_frame_of_the_greatest_size_travels() -> None:
    async def echo(request: web.Request) -> web.Response:
        return _frame(await request.read())

    frame = bytes(MAX_FRAME_BYTES)
    async with _serving(echo) as port:
        assert await _post(f"127.0.0.1:{port}", frame=frame) == frame


async def test_an_ipv6_literal_is_connected_to() -> None:
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6")

    async def answer(_: web.Request) -> web.Response:
        return _frame(b"six")

    async with _serving(answer, "::1") as port:
        assert await _post(f"[::1]:{port}") == b"six"
        assert await _post(f"[::1]:{port}", allowed=LOOPBACK) == b"six"


async def test_a_redirect_is_not_followed() -> None:
    visited: list[str] = []

    async def redirect(request: web.Request) -> web.Response:
        visited.append(request.path)
        headers = {"Location": "/elsewhere", "Content-Type": FRAME_MEDIA_TYPE}
        return web.Response(status=307, headers=headers, body=SECRET.encode())

    async with _serving(redirect) as port:
        assert await _failure(f"127.0.0.1:{port}") == "wrong_protocol"
    assert visited == [HELLO_PATH]


async def test_cookies_are_not_kept() -> None:
    seen: list[object] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Cookie"))
        response = _frame(b"")
        response.set_cookie("session", "1")
        return response

    async with _serving(answer) as port:
        transport = HttpTransport(())
        for _ in range(2):
            await transport.post(Address(f"localhost:{port}"), HELLO_PATH, b"")
        await transport.close()
    assert seen == [None, None]


async def test_an_answer_that_is_too_long_is_not_read_to_its_end() -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": FRAME_MEDIA_TYPE})
        await response.prepare(request)
        try:
            while True:
                await response.write(bytes(16_384))
        except ConnectionError:
            return response

    async with _serving(endless) as port:
        assert await _failure(f"127.0.0.1:{port}") == "wrong_protocol"


async def test_an_answer_one_byte_too_long_is_refused() -> None:
    async def answer(_: web.Request) -> web.Response:
        return _frame(bytes(MAX_FRAME_BYTES + 1))

    async with _serving(answer) as port:
        assert await _failure(f"127.0.0.1:{port}") == "wrong_protocol"


async def test_an_answer_of_another_media_type_is_of_no_agent() -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=SECRET)

    async with _serving(answer) as port:
        assert await _failure(f"127.0.0.1:{port}") == "wrong_protocol"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (503, "overloaded"),
        (400, "wrong_protocol"),
        (404, "wrong_protocol"),
        (413, "wrong_protocol"),
        (500, "wrong_protocol"),
    ],
)
async def test_a_status_that_is_not_200_has_its_reason(status: int, reason: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        return _frame(SECRET.encode(), status)

    async with _serving(answer) as port:
        assert await _failure(f"127.0.0.1:{port}") == reason


async def test_a_server_that_does_not_answer_times_out() -> None:
    release = asyncio.Event()

    async def wait(_: web.Request) -> web.Response:
        await release.wait()
        return _frame(b"")

    async with _serving(wait) as port:
        assert await _failure(f"127.0.0.1:{port}", timeout_s=0.05) == "timeout"
        release.set()


async def test_a_server_that_answers_drop_by_drop_times_out() -> None:
    release = asyncio.Event()

    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": FRAME_MEDIA_TYPE})
        await response.prepare(request)
        await response.write(b"a")
        await release.wait()
        return response

    async with _serving(drip) as port:
        assert await _failure(f"127.0.0.1:{port}", timeout_s=0.05) == "timeout"
        release.set()


def _closed_port(host: str = "127.0.0.1") -> int:
    with socket.create_server((host, 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


async def test_a_port_where_nobody_listens_refuses() -> None:
    assert await _failure(f"127.0.0.1:{_closed_port()}") == "refused"


async def test_a_name_where_nobody_listens_refuses_too() -> None:
    assert await _failure(f"localhost:{_closed_port()}") == "refused"


async def test_a_name_that_nobody_has_is_unresolved() -> None:
    assert await _failure("no-such-host.invalid:8080") == "unresolved"


async def test_a_connection_that_breaks_before_the_answer_is_reset() -> None:
    async with _speaking(b"") as port:
        assert await _failure(f"127.0.0.1:{port}") == "reset"


async def test_a_connection_that_breaks_within_the_answer_is_reset() -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {FRAME_MEDIA_TYPE}\r\nContent-Length: 99\r\n\r\n"
    async with _speaking(head.encode() + SECRET.encode()) as port:
        assert await _failure(f"127.0.0.1:{port}") == "reset"


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/9.9 hello\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
    ],
    ids=["ssh", "odd version", "long header", "odd length", "tls alert"],
)
async def test_what_speaks_no_http_is_no_agent(answer: bytes) -> None:
    async with _speaking(answer) as port:
        assert await _failure(f"127.0.0.1:{port}") == "wrong_protocol"


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254:80",
        "169.254.1.1:80",
        "0.0.0.0:80",
        "224.0.0.1:80",
        "239.1.2.3:80",
        "255.255.255.255:80",
        "[fe80::1]:80",
        "[::]:80",
        "[ff02::1]:80",
        "[::ffff:169.254.169.254]:80",
        "[::ffff:0.0.0.0]:80",
        "[fd00:ec2::254]:80",
        "[fd20:ce::254]:80",
        "100.100.100.200:80",
    ],
)
async def test_an_address_that_no_peer_has_is_refused(address: str) -> None:
    assert await _failure(address) == "address_refused"


@pytest.mark.parametrize(
    "name",
    ["0xa9fea9fe", "0xa9.0xfea9fe", "0x0", "0xe0000001", "0xffffffff"],
)
async def test_a_name_that_resolves_to_such_an_address_is_refused_too(name: str) -> None:
    assert await _failure(f"{name}:80") == "address_refused"


async def test_with_allowed_networks_everything_else_is_refused() -> None:
    port, only_ten = _closed_port(), (ip_network("10.0.0.0/8"),)
    assert await _failure(f"127.0.0.1:{port}", allowed=only_ten) == "address_refused"
    assert await _failure(f"localhost:{port}", allowed=only_ten) == "address_refused"
    assert await _failure(f"[::1]:{port}", allowed=only_ten) == "address_refused"
    assert await _failure(f"127.0.0.1:{port}", allowed=LOOPBACK) == "refused"
    assert await _failure(f"localhost:{port}", allowed=LOOPBACK) == "refused"


@pytest.mark.parametrize("host", ["169.254.0.1", "fe80::1", "224.0.0.1", "0.0.0.0", "::"])
def test_allowing_a_network_does_not_allow_what_is_never_allowed(host: str) -> None:
    assert not is_allowed(host, (ip_network("0.0.0.0/0"), ip_network("::/0")))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "10.0.0.1", "192.168.1.1", "192.0.2.1", "::1", "2001:db8::1", "fd00::1"]
)
def test_ordinary_addresses_are_allowed(host: str) -> None:
    assert is_allowed(host, ())


def test_an_ipv4_network_covers_its_addresses_written_as_ipv6() -> None:
    assert is_allowed("::ffff:10.0.0.1", (ip_network("10.0.0.0/8"),))
    assert not is_allowed("::ffff:10.0.0.1", (ip_network("::/0"),))
