"""Requests as no client would make them, written to the socket by hand."""

import asyncio
import gzip
from collections.abc import AsyncIterator

import pytest

from tests.api.agent import Agent


async def _send(agent: Agent, request: bytes, *, hang_up: bool = False) -> bytes:
    reader, writer = await asyncio.open_connection(agent.client.host, agent.client.port)
    writer.write(request)
    if hang_up:
        writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


def _request(agent: Agent, first: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    token = agent.token("admin").encode()
    lines = [first, b"Host: h", b"Authorization: Bearer " + token, b"Connection: close", *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@pytest.mark.parametrize(
    "target",
    [
        b"/v1/peers/\xff\xfe",
        b"/v1/peers/%FF%FE",
        b"/v1/peers/%ED%A0%80",
        b"/v1/peers/..%2f..%2fetc",
        b"/v1/peers?%FF=1",
        b"/v1/peers?\xff=1",
        b"/v1/peers?name=\xff",
        b"/v1/peers?name=%ED%A0%80",
        b"/v1/peers?after=%00",
        b"/v1/peers?address=%F0%9F%98%80:1",
        b"/v1/peers?limit=1&" + b"a" * 500 + b"=1",
        b"//v1/peers",
        b"*",
    ],
)
@pytest.mark.parametrize("method", [b"GET", b"DELETE", b"PUT"])
async def test_no_path_or_query_breaks_the_agent(
    agent: Agent, method: bytes, target: bytes
) -> None:
    answer = await _send(agent, _request(agent, method + b" " + target + b" HTTP/1.1"))
    status = int(answer.split(b" ", 2)[1])
    assert status in (200, 400, 404, 405), answer
    assert b"Traceback" not in answer


@pytest.mark.parametrize("header", [b"X-Reason", b"X-Correlation-Id"])
@pytest.mark.parametrize("value", [b"\xff\xfe", b"a\xc2\x85b", "a\u2028b".encode()])
async def test_a_header_that_cannot_be_recorded_is_refused(
    agent: Agent, header: bytes, value: bytes
) -> None:
    request = _request(
        agent,
        b"DELETE /v1/peers/" + agent.names["remote"].encode() + b" HTTP/1.1",
        header + b": " + value,
    )
    answer = await _send(agent, request)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"INVALID_REQUEST" in answer


async def test_a_reason_may_be_in_any_language(agent: Agent) -> None:
    request = _request(
        agent,
        b"DELETE /v1/peers/" + agent.names["remote"].encode() + b" HTTP/1.1",
        "X-Reason: außer Betrieb 撤去".encode(),
    )
    assert (await _send(agent, request)).startswith(b"HTTP/1.1 200")
    assert agent.events()[-1].metadata.reason == "außer Betrieb 撤去"


JSON = b"Content-Type: application/json"


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ([JSON, b"Content-Length: 100"], b"{"),
        ([JSON, b"Transfer-Encoding: chunked"], b"5\r\n{}"),
        ([JSON, b"Transfer-Encoding: chunked"], b"zz\r\n{}\r\n0\r\n\r\n"),
        ([JSON, b"Content-Encoding: gzip", b"Content-Length: 2"], b"{}"),
    ],
)
async def test_a_broken_body_is_refused(agent: Agent, headers: list[bytes], body: bytes) -> None:
    position = agent.views.position
    answer = await _send(
        agent, _request(agent, b"POST /v1/peers HTTP/1.1", *headers, body=body), hang_up=True
    )
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400")
    assert agent.views.position == position


async def test_a_body_that_swells_when_unpacked_is_too_large(agent: Agent) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    response = await agent.call(
        "POST /v1/peers", data=bomb[:60_000], headers=headers, skip_auto_headers=[]
    )
    assert response.status == 413


async def test_a_chunked_body_is_too_large_as_well(agent: Agent) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(80):
            yield b" " * 1_000

    headers = {"Content-Type": "application/json"}
    response = await agent.call("POST /v1/peers", data=chunks(), headers=headers)
    assert (response.status, (await response.json())["code"]) == (413, "PAYLOAD_TOO_LARGE")


async def test_a_body_where_none_belongs_is_ignored(agent: Agent) -> None:
    await agent.answer("GET /v1/peers", data=b"\xff")
    await agent.answer("DELETE /v1/peers/{remote}", data=b"\xff")


async def test_an_unparsable_id_never_reaches_the_log(agent: Agent) -> None:
    for path in ("/v1/peers/%FF", "/v1/peers/" + "x" * 5_000):
        await agent.answer(f"DELETE {path}", 403, scope="peers.read")
        assert agent.events()[-1].event.subject == ""
