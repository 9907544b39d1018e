"""The whole life of a cluster, between real processes."""

import signal
from pathlib import Path

from tests.e2e.agents import AgentProcess, eventually, issue_license, run_command


async def test_two_agents_record_each_other(tmp_path: Path) -> None:
    license_file = issue_license(tmp_path)
    async with (
        AgentProcess(tmp_path / "a", license_file, "--name", "alpha") as a,
        AgentProcess(tmp_path / "b", license_file, "--name", "beta") as b,
    ):
        added = await a.add(b)
        mirror = (await b.peers())[(await a.local())["id"]]

        assert added == (await a.peers())[(await b.local())["id"]]
        assert (added["name"], added["is_local"], added["address"]) == ("beta", False, b.address)
        assert (mirror["name"], mirror["is_local"], mirror["address"]) == (
            "alpha",
            False,
            a.address,
        )
        status, again = await a.call("POST", "/v1/peers", {"address": b.address})
        assert (status, again["code"]) == (409, "ALREADY_EXISTS")
        assert again["details"]["peer_id"] == added["id"]


async def test_a_chain_of_adds_becomes_a_mesh(tmp_path: Path) -> None:
    license_file = issue_license(tmp_path)
    async with (
        AgentProcess(tmp_path / "a", license_file) as a,
        AgentProcess(tmp_path / "b", license_file) as b,
        AgentProcess(tmp_path / "c", license_file) as c,
    ):
        await a.add(b)
        await b.add(c)
        ids = [(await agent.local())["id"] for agent in (a, b, c)]
        for agent in (a, b, c):
            await eventually(lambda agent=agent: agent.lists(*ids))


async def test_own_names_spread_and_labels_stay(tmp_path: Path) -> None:
    license_file = issue_license(tmp_path)
    async with (
        AgentProcess(tmp_path / "a", license_file) as a,
        AgentProcess(tmp_path / "b", license_file) as b,
    ):
        a_id, b_id = (await a.local())["id"], (await a.add(b))["id"]
        await b.call("PUT", f"/v1/peers/{b_id}", {"name": "own name"})

        async def a_has_heard() -> bool:
            return (await a.peers())[b_id]["name"] == "own name"

        await eventually(a_has_heard)
        await a.call("PUT", f"/v1/peers/{b_id}", {"name": "label"})
        assert (await a.peers())[b_id]["name"] == "label"
        assert (await b.peers())[b_id]["name"] == "own name"
        assert (await b.peers())[a_id]["name"] == ""


async def test_a_peer_that_was_down_hears_who_left(tmp_path: Path) -> None:
    license_file = issue_license(tmp_path)
    async with (
        AgentProcess(tmp_path / "a", license_file) as a,
        AgentProcess(tmp_path / "b", license_file) as b,
    ):
        a_id, b_id = (await a.local())["id"], (await a.add(b))["id"]
        _, service = await b.call(
            "POST", "/v1/services", {"name": "s", "source_peer_id": a_id, "target_peer_id": b_id}
        )
        await b.kill()
        status, left = await a.call("DELETE", "/v1/peers/self")
        assert (status, left["peer_id"], left["is_active"]) == (200, a_id, False)
        assert await a.call("DELETE", "/v1/peers/self") == (200, left)
        # The one that has to tell it is killed too, before it could.
        await a.kill()
        await b.start()
        await a.start()
        await eventually(lambda: b.lists(b_id))
        _, service = await b.call("GET", f"/v1/services/{service['id']}")
        assert service["is_active"] is False
        status, refused = await a.call("PUT", f"/v1/peers/{a_id}", {"name": "x"})
        assert (status, refused["code"]) == (422, "PEER_DEACTIVATED")
        status, refused = await b.call("POST", "/v1/peers", {"address": a.address})
        assert (status, refused["code"]) == (422, "HANDSHAKE_FAILED")
        assert refused["details"]["reason"] == "deactivated"


async def test_a_removed_peer_stays_removed_until_it_is_added(tmp_path: Path) -> None:
    license_file = issue_license(tmp_path)
    async with (
        AgentProcess(tmp_path / "a", license_file) as a,
        AgentProcess(tmp_path / "b", license_file) as b,
    ):
        a_id, b_id = (await a.local())["id"], (await a.add(b))["id"]
        assert await a.call("DELETE", f"/v1/peers/{b_id}") == (200, {"deleted": True})
        await b.call("PUT", f"/v1/peers/{b_id}", {"name": "still here"})
        refused = (await b.sync())["unreachable"]
        assert "add this agent there" in refused[0]["reason"]
        assert await a.lists(a_id)
        assert (await a.add(b))["id"] == b_id
        assert (await a.peers())[b_id]["name"] == "still here"


async def test_different_licences_do_not_mix(tmp_path: Path) -> None:
    one, other = issue_license(tmp_path, name="one"), issue_license(tmp_path, name="other")
    async with AgentProcess(tmp_path / "a", one) as a, AgentProcess(tmp_path / "b", other) as b:
        status, body = await a.call("POST", "/v1/peers", {"address": b.address})
        assert (status, body["code"]) == (422, "LICENSE_MISMATCH")
        assert len(await a.peers()) == len(await b.peers()) == 1


async def test_the_node_limit_holds_on_both_sides(tmp_path: Path) -> None:
    license_file = issue_license(tmp_path, max_nodes=2)
    async with (
        AgentProcess(tmp_path / "a", license_file) as a,
        AgentProcess(tmp_path / "b", license_file) as b,
        AgentProcess(tmp_path / "c", license_file) as c,
    ):
        await a.add(b)
        for agent, where in ((a, "here"), (c, "remote")):
            target = c if agent is a else a
            status, body = await agent.call("POST", "/v1/peers", {"address": target.address})
            assert (status, body["code"]) == (422, "NODE_LIMIT_EXCEEDED")
            assert body["details"]["where"] == where
        assert len(await c.peers()) == 1


async def test_an_agent_that_moved_is_found_at_its_new_address(tmp_path: Path) -> None:
    license_file = issue_license(tmp_path)
    async with (
        AgentProcess(tmp_path / "a", license_file) as a,
        AgentProcess(tmp_path / "b", license_file) as b,
    ):
        b_id = (await a.add(b))["id"]
        await b.signal(signal.SIGTERM)
        moved = AgentProcess(b.data_dir, license_file)
        async with moved:

            async def a_has_heard() -> bool:
                return (await a.peers())[b_id]["address"] == moved.address

            await eventually(a_has_heard)


async def test_a_new_identity_joins_after_the_old_one_left(tmp_path: Path) -> None:
    license_file = issue_license(tmp_path)
    arguments = ("init", "--new-identity", "--data-dir", str(tmp_path / "b"))
    async with AgentProcess(tmp_path / "a", license_file) as a:
        b = AgentProcess(tmp_path / "b", license_file)
        await b.start()
        old_id = (await a.add(b))["id"]
        await b.signal(signal.SIGTERM)
        refused = run_command(*arguments, check=False)
        assert refused.returncode != 0
        assert old_id in refused.stderr
        await b.start()
        await b.call("DELETE", "/v1/peers/self")
        await b.signal(signal.SIGTERM)
        run_command(*arguments, "--license", str(license_file), "--listen", b.address)
        async with b:
            new_id = (await b.local())["id"]
            assert new_id != old_id
            a_id = (await a.local())["id"]
            await eventually(lambda: a.lists(a_id))
            assert (await a.add(b))["id"] == new_id
