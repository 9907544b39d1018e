"""An agent with two remote peers, one that was removed, and a service."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from membership.api.app import create_app
from tests.api.agent import Agent, start_agent


@pytest.fixture
async def bare_agent(tmp_path: Path, aiohttp_client: Any) -> AsyncIterator[Agent]:
    """Yield an agent that is alone; afterwards its views must equal rebuilt ones."""
    agent = await start_agent(tmp_path)
    agent.client = await aiohttp_client(create_app(agent.context))
    yield agent
    await agent.context.history.runner.stop()
    await agent.stop()
    assert agent.rebuilt().contents() == agent.views.contents()
    agent.store.close()


@pytest.fixture
async def agent(bare_agent: Agent) -> Agent:
    """Return an agent with company: `{remote}`, `{other}`, `{removed}`, `{service}`."""
    agent = bare_agent
    await agent.add("remote", "192.0.2.1:8080")
    await agent.add("other", "[2001:db8::1]:8080")
    await agent.add("removed", "gone.example:8080")
    await agent.answer("DELETE /v1/peers/{removed}")
    service = await agent.answer(
        "POST /v1/services",
        201,
        json={
            "name": "backup",
            "source_peer_id": agent.names["local"],
            "target_peer_id": agent.names["remote"],
        },
    )
    agent.names |= {"service": service["id"], "unknown": "01J" + "Z" * 23}
    return agent
