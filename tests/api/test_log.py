"""The transparency log over HTTP, as an auditor who trusts nobody reads it."""

import hashlib
from base64 import b64decode
from collections.abc import Sequence
from typing import Any

import msgpack
import pytest

from membership.api.scopes import ADMIN, AUDIT_READ, SCOPES
from membership.commands.messages import RecordRefusal
from membership.domain.values import PeerId, UnixUs, ulid_bytes
from membership.proof.checkpoint import SignedCheckpoint, open_checkpoint
from membership.proof.cosignature import cosign, verify_cosignature, witness_key
from membership.proof.merkle import verify_consistency, verify_inclusion
from membership.proof.note import parse_key, parse_note
from membership.proof.signing import Signer
from membership.proof.tiles import Tile, decode_entries, tiles_of
from membership.store.rows import Batch, LogSignatures, StoredCosignature
from tests.api.agent import Agent

FOR_EVER = "private, max-age=31536000, immutable"
WITNESS = Signer(b"w" * 32)


class Auditor:
    """Knows the agent's verifier key, and has a token."""

    def __init__(self, agent: Agent, verifier_key: str) -> None:
        self._agent = agent
        self._key = parse_key(verifier_key)

    async def fetch(self, path: str) -> bytes:
        """Return the bytes below the log's prefix."""
        response = await self._agent.call(f"GET /v1/log/{path}", scope=AUDIT_READ)
        body = await response.read()
        assert response.status == 200, body
        return body

    async def checkpoint(self) -> SignedCheckpoint:
        """Return the newest checkpoint, verified."""
        return open_checkpoint(await self.fetch("checkpoint"), self._key)

    async def prove(self, query: str) -> dict[str, Any]:
        """Return a proof, its hashes decoded."""
        body = await self._agent.answer(f"GET /v1/log/proof/{query}", scope=AUDIT_READ)
        body["hashes"] = [b64decode(hashed, validate=True) for hashed in body["hashes"]]
        return dict(body)

    def opened(self, note: str) -> SignedCheckpoint:
        """Return a checkpoint that came with a proof, verified."""
        return open_checkpoint(note.encode(), self._key)


@pytest.fixture
async def auditor(agent: Agent) -> Auditor:
    """Return an auditor of the agent."""
    identity = await agent.answer("GET /v1/cluster/identity", scope=None)
    return Auditor(agent, identity["log_key"])


@pytest.fixture
async def long_log(agent: Agent) -> Agent:
    """Return the agent after 600 refusals."""
    for number in range(600):
        refusal = RecordRefusal(command="c", subject="s", code="C", message=f"no {number}")
        await agent.context.bus.submit(refusal)
    await agent.context.log.checkpoint(agent.views.position)
    return agent


async def test_the_identity_says_what_checkpoints_verify_with(agent: Agent) -> None:
    identity = await agent.answer("GET /v1/cluster/identity", scope=None)
    key = parse_key(identity["log_key"])
    cluster_id, local_id = identity["cluster_id"], agent.names["local"]
    assert identity["log_origin"] == key.name == f"membership/{cluster_id}/{local_id}/0"
    assert key.public_key == b64decode(identity["public_key"])


async def test_a_checkpoint_is_a_signed_note(agent: Agent, auditor: Auditor) -> None:
    response = await agent.call("GET /v1/log/checkpoint", scope=AUDIT_READ)
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["Cache-Control"] == "private, no-cache"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    signed = await auditor.checkpoint()
    assert 1 <= signed.size <= agent.views.position


async def test_a_checkpoint_carries_what_witnesses_said_of_it(
    agent: Agent, auditor: Auditor
) -> None:
    newest = await agent.context.log.checkpoint(agent.views.position)
    lines = [
        StoredCosignature(
            PeerId(peer_id),
            size,
            cosign(WITNESS, f"witness/{peer_id}", newest.note.text, 1_767_225_600).line,
            UnixUs(1),
        )
        for peer_id, size in (("A" * 26, newest.size), ("B" * 26, newest.size - 1))
    ]
    agent.store.append(Batch(log_signatures=LogSignatures(cosignatures=lines)))
    note = parse_note(await auditor.fetch("checkpoint"))
    own, witness = note.signatures
    assert own.name == agent.context.log.key.name
    key = witness_key("witness/" + "A" * 26, WITNESS.public_key)
    assert verify_cosignature(witness, key, note.text) == 1_767_225_600


async def test_every_position_is_proved_in_every_size(agent: Agent, auditor: Auditor) -> None:
    last = agent.views.position
    await agent.context.log.checkpoint(last)
    roots = {}
    for size in range(1, last + 1):
        proof = await auditor.prove(f"consistency?from={size}&to={last}")
        newest = auditor.opened(proof["checkpoint"]).checkpoint
        roots[size] = _root(agent.store.leaf_hashes(0, size))
        verify_consistency(size, last, roots[size], newest.root, proof["hashes"])
        assert (proof["from_size"], proof["to_size"]) == (size, last)
        for position in range(1, size + 1):
            proof = await auditor.prove(f"inclusion?position={position}&size={size}")
            assert (proof["position"], proof["leaf_index"]) == (position, position - 1)
            leaf = b64decode(proof["leaf_hash"])
            verify_inclusion(proof["leaf_index"], size, leaf, proof["hashes"], roots[size])


async def test_a_receipt_is_proved_at_once(agent: Agent, auditor: Auditor) -> None:
    """The position of a write, straight from its header, before any checkpoint covers it."""
    response = await agent.call("PUT /v1/peers/{remote}", json={"name": "new"})
    position = int(response.headers["X-Log-Position"])
    proof = await auditor.prove(f"inclusion?position={position}")
    signed = auditor.opened(proof["checkpoint"])
    assert signed.size == proof["size"] >= position
    leaf = b64decode(proof["leaf_hash"])
    verify_inclusion(position - 1, signed.size, leaf, proof["hashes"], signed.checkpoint.root)


async def test_a_size_that_was_never_signed_has_proofs_and_no_checkpoint(
    long_log: Agent, auditor: Auditor
) -> None:
    proof = await auditor.prove("inclusion?position=3&size=299")
    assert proof["checkpoint"] is None
    proof = await auditor.prove("consistency?from=299")
    assert auditor.opened(proof["checkpoint"]).size == long_log.views.position


async def test_a_bad_parameter_is_told_its_range(agent: Agent) -> None:
    newest = await agent.context.log.checkpoint(agent.views.position)
    for query, name, low, high in (
        ("inclusion?position=0", "position", 1, agent.views.position),
        ("inclusion", "position", 1, agent.views.position),
        (f"inclusion?position=2&size={newest.size + 1}", "size", 2, newest.size),
        ("consistency?from=9&to=5", "from", 1, 5),
        (f"consistency?from=1&to={newest.size + 1}", "to", 1, newest.size),
    ):
        body = await agent.answer(f"GET /v1/log/proof/{query}", 400, scope=AUDIT_READ)
        assert body["details"] == {"field": name}
        assert f"a whole number from {low} to {high}" in body["error"]


def _root(hashes: Sequence[bytes]) -> bytes:
    """MTH of RFC 9162, straight from its definition."""
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    left, right = _root(hashes[:split]), _root(hashes[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


def _cut(hashes: bytes) -> list[bytes]:
    return [hashes[at : at + 32] for at in range(0, len(hashes), 32)]


async def test_an_outsider_walks_the_tiles_and_finds_the_signed_root(
    long_log: Agent, auditor: Auditor
) -> None:
    signed = await auditor.checkpoint()
    assert signed.size == long_log.views.position > 600
    tiles = {tile: _cut(await auditor.fetch(tile.path)) for tile in tiles_of(signed.size)}
    assert {tile: len(hashes) for tile, hashes in tiles.items()} == {t: t.width for t in tiles}

    bottom = [tile for tile in tiles if tile.level == 0]
    leaf_hashes = [hashed for tile in bottom for hashed in tiles[tile]]
    assert _root(leaf_hashes) == signed.checkpoint.root
    assert tiles[Tile(1, 0, 2)] == [_root(leaf_hashes[:256]), _root(leaf_hashes[256:512])]

    entries = [
        entry for tile in bottom for entry in decode_entries(await auditor.fetch(tile.entries_path))
    ]
    assert [hashlib.sha256(b"\x00" + entry).digest() for entry in entries] == leaf_hashes
    for entry, recorded in zip(entries, long_log.events(), strict=True):
        version_of_leaf, stream_id, version, stored_name, state = msgpack.unpackb(entry)
        assert version_of_leaf == 1
        assert stream_id == ulid_bytes(recorded.event.stream_id)
        assert (version, stored_name) == (recorded.version, recorded.event.stored_as)
        assert ulid_bytes(recorded.metadata.event_id) in state


async def test_tiles_may_be_kept_for_ever_and_their_parts_too(long_log: Agent) -> None:
    full = await long_log.call("GET /v1/log/tile/0/000", scope=AUDIT_READ)
    assert full.headers["Content-Type"] == "application/octet-stream"
    assert full.headers["Cache-Control"] == FOR_EVER
    assert len(await full.read()) == 8_192
    part = await long_log.call("GET /v1/log/tile/0/000.p/7", scope=AUDIT_READ)
    assert part.headers["Cache-Control"] == FOR_EVER
    assert await part.read() == (await full.read())[: 7 * 32]


async def test_entries_are_compressed_for_who_takes_them_so(long_log: Agent) -> None:
    bodies = {}
    for encoding in ("identity", "gzip"):
        response = await long_log.call(
            "GET /v1/log/tile/entries/000",
            scope=AUDIT_READ,
            headers={"Accept-Encoding": encoding},
        )
        assert response.headers["Cache-Control"] == FOR_EVER
        assert response.headers.get("Content-Encoding", "identity") == encoding
        bodies[encoding] = await response.read()
    assert bodies["gzip"] == bodies["identity"]
    assert len(decode_entries(bodies["gzip"])) == 256


@pytest.mark.parametrize(
    "call",
    [
        "GET /v1/log/checkpoint",
        "GET /v1/log/tile/0/000.p/1",
        "GET /v1/log/tile/entries/000.p/1",
    ],
)
async def test_the_log_is_read_with_the_scope_of_auditors_alone(agent: Agent, call: str) -> None:
    assert (await agent.call(call, scope=AUDIT_READ)).status == 200
    assert (await agent.call(call, scope=ADMIN)).status == 200
    assert (await agent.call(call, scope=None)).status == 401
    for scope in SCOPES:
        if scope not in (AUDIT_READ, ADMIN):
            assert (await agent.call(call, scope=scope)).status == 403


async def test_a_held_log_says_why_it_has_nothing_to_show(agent: Agent) -> None:
    await agent.context.log.checkpoint(agent.views.position)
    agent.context.log.hold("restored from a backup; asking its witnesses")
    receipt = await agent.context.bus.submit(
        RecordRefusal(command="c", subject="s", code="C", message="no")
    )
    path = f"GET /v1/log/proof/inclusion?position={receipt.position}"
    response = await agent.call(path, scope=AUDIT_READ)
    body = await response.json()
    assert (response.status, body["code"]) == (503, "UNAVAILABLE")
    assert "asking its witnesses" in body["error"]
    assert response.headers["Retry-After"] == "1"
    earlier = await agent.call("GET /v1/log/checkpoint", scope=AUDIT_READ)
    assert earlier.status == 200, "what was released stays so"
