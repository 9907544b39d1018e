"""Power cuts, full disks, second processes: nothing that was acknowledged is lost."""

import asyncio
import resource
import signal
from pathlib import Path

import aiohttp
import pytest

from tests.e2e.agents import AgentProcess, eventually, run_command


async def _rename_until_it_dies(agent: AgentProcess, peer_id: str) -> str:
    """Rename one peer again and again; return the last name that was acknowledged."""
    acknowledged = ""
    for count in range(100_000):
        try:
            status, body = await agent.call("PUT", f"/v1/peers/{peer_id}", {"name": f"n{count}"})
        except (aiohttp.ClientError, ConnectionError, AssertionError):
            break
        assert status == 200, body
        acknowledged = body["name"]
    return acknowledged


async def test_acknowledged_writes_survive_sigkill(tmp_path: Path) -> None:
    async with AgentProcess(tmp_path / "a") as agent:
        peer_id = (await agent.local())["id"]
        for _ in range(3):
            await agent.call("PUT", f"/v1/peers/{peer_id}", {"name": "before"})
            writing = asyncio.create_task(_rename_until_it_dies(agent, peer_id))

            async def some_were_written() -> bool:
                return (await agent.local())["name"] not in ("before", "n0")

            await eventually(some_were_written)
            agent.process.kill()
            acknowledged = await writing
            await agent.kill()
            await agent.start()
            stored = (await agent.local())["name"]
            # One more than was acknowledged may have been written, never one less.
            assert int(stored[1:]) - int(acknowledged[1:]) in (0, 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_it_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    async with AgentProcess(tmp_path / "a") as agent:
        process = agent.process
        await agent.signal(number)
        assert process.returncode == 0, agent.read_log()
        assert "Traceback" not in agent.read_log()


async def test_a_second_process_on_the_same_directory_is_refused(tmp_path: Path) -> None:
    async with AgentProcess(tmp_path / "a") as agent:
        pid = str(agent.process.pid)
        second = await asyncio.to_thread(
            lambda: run_command(
                *("serve", "--data-dir", str(agent.data_dir), "--listen", "127.0.0.1:0"),
                check=False,
            )
        )
        assert second.returncode == 1
        assert "in use" in second.stderr
        assert pid in second.stderr
        assert "Traceback" not in second.stderr


async def test_a_taken_port_leaves_no_data_directory_behind(tmp_path: Path) -> None:
    async with AgentProcess(tmp_path / "a") as agent:
        second = await asyncio.to_thread(
            lambda: run_command(
                *("serve", "--data-dir", str(tmp_path / "b"), "--listen", agent.address),
                check=False,
            )
        )
        assert second.returncode == 1
        assert agent.address in second.stderr
        assert not (tmp_path / "b").exists()


async def test_a_full_disk_stops_writes_alone_and_passes(tmp_path: Path) -> None:
    async with AgentProcess(tmp_path / "a") as agent:
        peer_id = (await agent.local())["id"]
        pid = agent.process.pid
        soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        # No file may grow: what the kernel answers then is what it answers on a full disk.
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, hard))
        status, body = await agent.call("PUT", f"/v1/peers/{peer_id}", {"name": "lost"})
        assert (status, body["code"]) == (503, "UNAVAILABLE")
        assert (await agent.local())["name"] == ""
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))
        status, body = await agent.call("PUT", f"/v1/peers/{peer_id}", {"name": "kept"})
        assert (status, body["name"]) == (200, "kept")
        await agent.kill()
        await agent.start()
        assert (await agent.local())["name"] == "kept"


async def test_rebuild_finds_nothing_to_repair_after_a_crash(tmp_path: Path) -> None:
    async with AgentProcess(tmp_path / "a") as agent:
        peer_id = (await agent.local())["id"]
        await agent.call("PUT", f"/v1/peers/{peer_id}", {"name": "x"})
        refused = await asyncio.to_thread(
            lambda: run_command("rebuild", "--data-dir", str(agent.data_dir), check=False)
        )
        assert refused.returncode == 1
        await agent.kill()
    report = run_command("rebuild", "--data-dir", str(tmp_path / "a"), "--json")
    assert '"repaired":[]' in report.stdout.replace(" ", "").replace("\n", "")


async def test_a_deleted_log_is_not_replaced_by_an_empty_one(tmp_path: Path) -> None:
    async with AgentProcess(tmp_path / "a") as agent:
        await agent.signal(signal.SIGTERM)
    for file in (tmp_path / "a").glob("membership.db*"):
        file.unlink()
    refused = run_command("serve", "--data-dir", str(tmp_path / "a"), check=False)
    assert refused.returncode == 1
    assert "backup" in refused.stderr
