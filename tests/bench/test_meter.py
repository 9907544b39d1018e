"""The meter counts what passes, and changes nothing of it."""

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from tests.bench.meter import Meter, Traffic
from tests.e2e.agents import eventually

BODY = b"x" * 100_000


async def test_every_request_and_every_byte_is_counted_to_its_port() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    app = web.Application()
    app.router.add_post("/peer/v1/message", answer)
    meter = Meter()
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        assert server.port is not None
        url = f"http://127.0.0.1:{await meter.put_before(server.port)}/peer/v1/message"
        meter.begin()
        for _ in range(3):
            async with session.post(url, data=BODY) as response:
                assert await response.read() == BODY
        traffic = meter.read(server.port)
        assert len(traffic.requests) == 3
        assert 6 * len(BODY) < traffic.carried_bytes < 6 * len(BODY) + 5_000
        assert meter.read(server.port + 1).requests == []
        meter.begin()
        assert meter.read().carried_bytes == 0
    meter.close()


async def test_an_attempt_to_reach_a_dead_agent_counts() -> None:
    meter, port = Meter(), unused_port()
    url = f"http://127.0.0.1:{await meter.put_before(port)}/peer/v1/message"
    meter.begin()
    async with aiohttp.ClientSession() as session:
        try:
            async with session.post(url, data=BODY) as response:
                assert response.status is None, "nobody can answer"
        except aiohttp.ClientError:
            pass

    async def it_is_counted() -> bool:
        return len(meter.read(port).requests) == 1

    await eventually(it_is_counted)
    meter.close()


def test_the_peak_is_the_busiest_second() -> None:
    traffic = Traffic(10.0, [0.1, 1.1, 1.5, 1.9, 2.0], 0)
    assert traffic.peak_per_s == 3
    assert Traffic(10.0, [], 0).peak_per_s == 0
