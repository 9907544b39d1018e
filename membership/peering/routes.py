"""The peer protocol's HTTP routes."""

from aiohttp import web

from membership.peering.http_transport import FRAME_MEDIA_TYPE
from membership.peering.transport import FINISH_PATH, HELLO_PATH, MESSAGE_PATH, Endpoint
from membership.peering.wire import MAX_FRAME_BYTES, MalformedFrame
from membership.store.errors import StoreUnavailable
from membership.store.writer import WriterStopped


def peer_routes(endpoint: Endpoint) -> list[web.RouteDef]:
    """
    Return one POST route per kind of frame.

    A frame is answered with 200 and a frame. What is no frame of this protocol is answered with
    400, 413 or 415 and a line of text that says nothing of this agent's state; 503 means that the
    same frame will be welcome later.
    """

    async def answer(request: web.Request) -> web.Response:
        if request.content_type != FRAME_MEDIA_TYPE:
            return _refusal(415, f"frames come as {FRAME_MEDIA_TYPE}")
        frame = await _read(request)
        if frame is None:
            return _refusal(413, f"a frame has at most {MAX_FRAME_BYTES} bytes")
        try:
            body = await endpoint.handle(request.path, frame, request.remote or "")
        except MalformedFrame as error:
            return _refusal(400, str(error))
        except (StoreUnavailable, WriterStopped):
            return _refusal(503, "try again later")
        return web.Response(body=body, content_type=FRAME_MEDIA_TYPE)

    return [web.post(path, answer) for path in (HELLO_PATH, FINISH_PATH, MESSAGE_PATH)]


async def _read(request: web.Request) -> bytes | None:
    if (request.content_length or 0) > MAX_FRAME_BYTES:
        return None
    frame = bytearray()
    async for chunk in request.content.iter_any():
        frame += chunk
        if len(frame) > MAX_FRAME_BYTES:
            return None
    return bytes(frame)


def _refusal(status: int, sentence: str) -> web.Response:
    # The media type stays: it is how the other side knows that an agent answered.
    return web.Response(
        status=status, body=sentence.encode(), headers={"Content-Type": FRAME_MEDIA_TYPE}
    )
