"""The routes of the peer protocol: which frames are welcome, and what is said of the others."""

import zlib
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from membership.peering.http_transport import FRAME_MEDIA_TYPE
from membership.peering.routes import peer_routes
from membership.peering.transport import FINISH_PATH, HELLO_PATH, MESSAGE_PATH
from membership.peering.wire import MAX_FRAME_BYTES, MalformedFrame
from membership.store.errors import StoreUnavailable
from membership.store.writer import WriterStopped

Client = TestClient[web.Request, web.Application]
HEADERS = {"Content-Type": FRAME_MEDIA_TYPE}


class _Echo:
    """Answers with what it was given; raises what its frame names."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, bytes, str]] = []

    async def handle(self, path: str, frame: bytes, source: str) -> bytes:
        self.seen.append((path, frame, source))
        match frame:
            case b"malformed":
                message = "it is no msgpack"
                raise MalformedFrame(message)
            case b"full":
                message = "the secret path of a disk"
                raise StoreUnavailable(message)
            case b"stopping":
                raise WriterStopped
        return b"echo:" + frame


@pytest.fixture
def echo() -> _Echo:
    return _Echo()


@pytest.fixture
async def client(echo: _Echo) -> AsyncIterator[Client]:
    app = web.Application()
    app.add_routes(peer_routes(echo))
    async with TestClient(TestServer(app)) as client:
        yield client


@pytest.mark.parametrize("path", [HELLO_PATH, FINISH_PATH, MESSAGE_PATH])
async def test_a_frame_is_answered_with_a_frame(client: Client, echo: _Echo, path: str) -> None:
    async with client.post(path, data=b"frame", headers=HEADERS) as response:
        assert response.status == 200
        assert response.content_type == FRAME_MEDIA_TYPE
        assert await response.read() == b"echo:frame"
    assert echo.seen == [(path, b"frame", "127.0.0.1")]


async def test_a_frame_of_the_greatest_size_is_welcome(client: Client) -> None:
    async with client.post(HELLO_PATH, data=bytes(MAX_FRAME_BYTES), headers=HEADERS) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    ("frame", "status", "sentence"),
    [
        (b"malformed", 400, "it is no msgpack"),
        (b"full", 503, "try again later"),
        (b"stopping", 503, "try again later"),
    ],
)
async def test_a_frame_that_fails_is_told_why_and_nothing_of_the_inside(
    client: Client, frame: bytes, status: int, sentence: str
) -> None:
    async with client.post(HELLO_PATH, data=frame, headers=HEADERS) as response:
        assert response.status == status
        assert response.content_type == FRAME_MEDIA_TYPE
        assert await response.text() == sentence


async def test_a_frame_that_says_it_is_too_long_is_refused_unread(
    client: Client, echo: _Echo
) -> None:
    data = bytes(MAX_FRAME_BYTES + 1)
    async with client.post(HELLO_PATH, data=data, headers=HEADERS) as response:
        assert response.status == 413
        assert str(MAX_FRAME_BYTES) in await response.text()
    assert echo.seen == []


async def test_a_frame_that_turns_out_too_long_is_refused_too(client: Client, echo: _Echo) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield bytes(MAX_FRAME_BYTES // 4)

    try:
        async with client.post(HELLO_PATH, data=chunks(), headers=HEADERS) as response:
            assert response.status == 413
    except aiohttp.ClientConnectionError:
        pass  # It may hang up while the rest is still being sent.
    assert echo.seen == []


@pytest.mark.parametrize("media_type", ["application/json", "text/plain", "application/msgpack"])
async def test_another_media_type_is_refused(client: Client, echo: _Echo, media_type: str) -> None:
    headers = {"Content-Type": media_type}
    async with client.post(HELLO_PATH, data=b"frame", headers=headers) as response:
        assert response.status == 415
    assert echo.seen == []


async def test_a_media_type_with_parameters_is_the_same_media_type(client: Client) -> None:
    headers = {"Content-Type": f"{FRAME_MEDIA_TYPE}; charset=binary"}
    async with client.post(HELLO_PATH, data=b"frame", headers=headers) as response:
        assert response.status == 200


async def test_frames_are_posted_and_nothing_else(client: Client, echo: _Echo) -> None:
    async with client.get(HELLO_PATH) as response:
        assert response.status == 405
        assert response.headers["Allow"] == "POST"
    assert echo.seen == []


async def test_a_bomb_of_compressed_bytes_is_too_long(client: Client, echo: _Echo) -> None:
    bomb = zlib.compress(bytes(50_000_000))
    headers = HEADERS | {"Content-Encoding": "deflate"}
    async with client.post(HELLO_PATH, data=bomb, headers=headers) as response:
        assert response.status == 413
    assert echo.seen == []
