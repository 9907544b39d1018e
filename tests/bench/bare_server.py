"""
What is compared with: a bare aiohttp handler that returns the same bytes.

    python -m tests.bench.bare_server <port> <data_dir> < body

It checks the bearer token of each request exactly as the agent does, with the agent's own verifier,
and does nothing else: no views, no `ETag`, no request id, no error table.
"""

import asyncio
import sys
from pathlib import Path

from aiohttp import hdrs, web

from membership.api.tokens import TokenVerifier
from membership.proof.signing import Signer
from membership.store.data_directory import DataDirectory
from membership.system import SystemClock


async def serve(port: int, data_dir: Path, body: bytes) -> None:
    """Answer every GET and POST with *body* until killed."""
    identity = DataDirectory(data_dir).read_identity()
    verifier = TokenVerifier(Signer(identity.seed).public_key, identity.peer_id, SystemClock())

    async def answer(request: web.Request) -> web.Response:
        verifier.verify(request.headers[hdrs.AUTHORIZATION][7:])
        return web.Response(body=body, content_type="application/json")

    app = web.Application()
    app.add_routes([web.get("/v1/peers", answer), web.put("/v1/peers/{id}", answer)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


def main() -> None:
    """Serve on the loop that the agent uses."""
    work = serve(int(sys.argv[1]), Path(sys.argv[2]), sys.stdin.buffer.read())
    try:
        import uvloop
    except ImportError:
        asyncio.run(work)
    else:
        uvloop.run(work)


if __name__ == "__main__":
    main()
