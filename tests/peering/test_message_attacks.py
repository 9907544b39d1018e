"""What a member, a former member or a stranger can try with records; what must not work."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from membership.domain.events import PeerDeactivated, PeerEquivocated
from membership.domain.peer import PeerStatus
from membership.domain.values import Address, ClusterId, ulid_bytes
from membership.peering.envelope import Message, open_response, seal_response
from membership.peering.peering import Remembered
from membership.peering.records import RECORD_TYPE, open_record, sign_record
from membership.peering.wire import MAX_FRAME_BYTES, MalformedFrame, pack, seal
from membership.proof.signing import Signer
from tests.peering.by_hand import deliver, message_at, request_of, verdict
from tests.peering.two_agents import (
    Agent,
    Network,
    a_license,
    address_of,
    leave,
    peer_id_of,
    remove,
    rename,
    start_agent,
    two_peers,
)
from tests.peering.virtual_time import in_virtual_time

OUTSIDER = Signer(b"\x66" * 32)


def _forged(agent: Agent, *, signer: Signer | None = None, **changes: Any) -> bytes:
    """Return a record of *agent* with some fields changed, signed by it or somebody else."""
    peer = replace(agent.local.peer, **changes)
    return sign_record(signer or agent.local.signer, agent.local.cluster_id, peer)


def _payload(agent: Agent, **changes: Any) -> bytes:
    """Return a record that *agent* signed, with raw values in it."""
    peer = agent.local.peer
    fields = {
        "version": 1,
        "cluster_id": agent.local.cluster_id,
        "peer_id": ulid_bytes(peer.peer_id),
        "subject_version": peer.version + 1,
        "left": False,
        "public_key": peer.public_key,
        "address": peer.address,
        "name": peer.own_name,
        "issued_at_us": peer.changed_at_us,
    }
    return seal(agent.local.signer, RECORD_TYPE, pack(list((fields | changes).values())))


async def _is_malformed(sender: Agent, recipient: Agent, record: bytes) -> bool:
    before = recipient.rows()
    with pytest.raises(MalformedFrame):
        await deliver(sender, recipient, [record])
    assert recipient.rows() == before
    return True


async def _changes_nothing(sender: Agent, recipient: Agent, record: bytes) -> str:
    """Return the verdict on a record, having checked that it changed nothing."""
    before = recipient.rows()
    said = await verdict(sender, recipient, record)
    assert recipient.rows() == before
    return said


async def _three_peers() -> tuple[Network, Agent, Agent, Agent]:
    network, one, two = await two_peers()
    three = await start_agent(network, 3)
    await three.add(one)
    await three.add(two)
    return network, one, two, three


# Speaking for others


@in_virtual_time
async def test_a_member_cannot_deactivate_another() -> None:
    _, one, two, three = await _three_peers()
    farewell = _forged(one, signer=three.local.signer, version=9, status=PeerStatus.LEFT)
    with pytest.raises(MalformedFrame):
        await deliver(three, two, [farewell])
    own_key = _forged(
        one,
        signer=three.local.signer,
        version=9,
        status=PeerStatus.LEFT,
        public_key=three.local.peer.public_key,
    )
    assert await _is_malformed(three, two, own_key)
    assert two.knows(one)


@in_virtual_time
async def test_a_member_cannot_rename_another() -> None:
    _, one, two, three = await _three_peers()
    key = three.local.peer.public_key
    forged = _forged(one, signer=three.local.signer, version=9, own_name="mallory", public_key=key)
    assert await _is_malformed(three, two, forged)


@in_virtual_time
async def test_a_member_cannot_move_another() -> None:
    _, one, two, three = await _three_peers()
    forged = _forged(
        one,
        signer=three.local.signer,
        version=9,
        address=Address("evil.example:1"),
        public_key=three.local.peer.public_key,
    )
    assert await _is_malformed(three, two, forged)
    assert two.local.views.peers.at_address(address_of(1)) is not None


@in_virtual_time
async def test_a_member_cannot_make_an_agent_believe_that_it_left_itself() -> None:
    _, one, two = await two_peers()
    forged = _forged(
        two,
        signer=one.local.signer,
        version=99,
        status=PeerStatus.LEFT,
        public_key=one.local.peer.public_key,
    )
    assert await _is_malformed(one, two, forged)
    assert two.local.peer.is_active


@in_virtual_time
async def test_a_member_cannot_bar_somebody_who_is_unknown_here_yet() -> None:
    network, one, two = await two_peers()
    newcomer = await start_agent(network, 3)
    farewell = _forged(
        newcomer,
        signer=one.local.signer,
        version=9,
        status=PeerStatus.LEFT,
        public_key=one.local.peer.public_key,
    )
    assert await _is_malformed(one, two, farewell)
    await newcomer.add(two)
    assert two.knows(newcomer)


@in_virtual_time
async def test_a_member_passes_on_the_real_farewell_of_another() -> None:
    _, one, two, three = await _three_peers()
    await leave(one)
    assert await verdict(three, two, one.local.record()) == "applied"
    assert not two.knows(one)
    assert isinstance(two.events()[-1].event, PeerDeactivated)
    assert two.events()[-1].metadata.actor.id == three.peer_id


@in_virtual_time
async def test_a_removed_peer_does_not_get_tombstones_relayed() -> None:
    _, one, two, three = await _three_peers()
    await remove(two, three)
    await leave(one)
    assert await _changes_nothing(three, two, one.local.record()) == "removed_here"
    assert two.knows(one)


@in_virtual_time
async def test_a_removed_peer_cannot_rename_itself_back_in() -> None:
    _, one, two = await two_peers()
    await remove(two, one)
    await rename(one, "back again")
    assert await _changes_nothing(one, two, one.local.record()) == "removed_here"


@in_virtual_time
async def test_a_removed_peer_may_still_say_that_it_left() -> None:
    _, one, two = await two_peers()
    await remove(two, one)
    await leave(one)
    assert await verdict(one, two, one.local.record()) == "applied"
    peer = two.local.views.peers.get(one.peer_id)
    assert peer is not None
    assert peer.status is PeerStatus.LEFT


@in_virtual_time
async def test_a_peer_that_left_changes_nothing_any_more() -> None:
    _, one, two = await two_peers()
    await leave(one)
    await deliver(one, two, [one.local.record()])
    revived = _forged(one, status=PeerStatus.ACTIVE, version=99)
    assert await _changes_nothing(one, two, revived) == "removed_here"
    assert not two.knows(one)


@in_virtual_time
async def test_a_revived_record_of_a_peer_that_left_is_stale_whoever_brings_it() -> None:
    _, one, two, three = await _three_peers()
    await leave(one)
    await deliver(one, two, [one.local.record()])
    revived = _forged(one, status=PeerStatus.ACTIVE, version=99)
    assert await _changes_nothing(three, two, revived) == "stale"


@in_virtual_time
async def test_a_peer_that_left_relays_nothing_about_others() -> None:
    _, one, two, three = await _three_peers()
    await leave(one)
    await deliver(one, two, [one.local.record()])
    await leave(three)
    assert await _changes_nothing(one, two, three.local.record()) == "removed_here"


@in_virtual_time
async def test_an_unknown_sender_is_told_so_and_changes_nothing() -> None:
    network, one, two = await two_peers()
    stranger = await start_agent(network, 3)
    await leave(one)
    before = two.rows()
    answer = await deliver(stranger, two, [one.local.record()])
    assert answer == ["refused", "unknown_sender"]
    assert two.rows() == before


@in_virtual_time
async def test_a_stranger_that_signs_as_a_member_is_malformed() -> None:
    _, one, two = await two_peers()
    frame = request_of(one, two.peer_id, [one.local.record()], signer=OUTSIDER)
    with pytest.raises(MalformedFrame, match="not signed by its sender"):
        await message_at(two, frame)


@in_virtual_time
async def test_a_member_that_signs_as_another_is_malformed() -> None:
    _, one, two, three = await _three_peers()
    frame = request_of(three, two.peer_id, [], claims_to_be=one.peer_id)
    with pytest.raises(MalformedFrame, match="not signed by its sender"):
        await message_at(two, frame)


@in_virtual_time
async def test_nobody_speaks_to_an_agent_in_its_own_name() -> None:
    _, one, two = await two_peers()
    before = two.rows()
    frame = request_of(two, two.peer_id, [one.local.record()])
    await message_at(two, frame)
    assert two.rows() == before


# Time and versions


@in_virtual_time
async def test_an_old_record_after_a_newer_one_is_stale() -> None:
    _, one, two = await two_peers()
    await rename(one, "older")
    older = one.local.record()
    await rename(one, "newer")
    assert await verdict(one, two, one.local.record()) == "applied"
    assert await _changes_nothing(one, two, older) == "stale"


@in_virtual_time
async def test_the_same_record_twice_is_a_duplicate() -> None:
    _, one, two = await two_peers()
    await rename(one, "once")
    assert await verdict(one, two, one.local.record()) == "applied"
    assert await _changes_nothing(one, two, one.local.record()) == "duplicate"


@in_virtual_time
async def test_two_records_of_one_version_are_kept_as_evidence_once() -> None:
    _, one, two = await two_peers()
    other = _forged(one, own_name="twin")
    assert await verdict(one, two, other) == "equivocation"
    evidence = two.events()[-1].event
    assert isinstance(evidence, PeerEquivocated)
    assert (evidence.known_record, evidence.other_record) == (one.local.record(), other)
    again = _forged(one, own_name="triplet")
    assert await _changes_nothing(one, two, again) == "equivocation"


@in_virtual_time
async def test_a_farewell_at_an_old_version_still_counts() -> None:
    _, one, two = await two_peers()
    await rename(one, "newer")
    await deliver(one, two, [one.local.record()])
    farewell = _forged(one, version=1, status=PeerStatus.LEFT)
    assert await verdict(one, two, farewell) == "applied"
    assert not two.knows(one)


@in_virtual_time
async def test_the_highest_version_that_fits_is_taken_and_one_above_is_malformed() -> None:
    _, one, two = await two_peers()
    for version in (2**53 + 1, 2**63, 2**64 - 1):
        assert await _is_malformed(one, two, _payload(one, subject_version=version))
    assert await verdict(one, two, _payload(one, subject_version=2**53)) == "applied"


@in_virtual_time
async def test_a_replayed_message_changes_nothing() -> None:
    _, one, two = await two_peers()
    await rename(one, "first")
    frame = request_of(one, two.peer_id, [one.local.record()])
    await message_at(two, frame)
    await rename(one, "second")
    await deliver(one, two, [one.local.record()])
    before = two.rows()
    await message_at(two, frame)
    assert two.rows() == before


# Other clusters


@in_virtual_time
async def test_a_record_of_another_cluster_changes_nothing() -> None:
    network, one, two = await two_peers()
    other = await start_agent(network, 3, a_license(secret=b"\x54" * 32))
    await leave(other)
    assert await _changes_nothing(one, two, other.local.record()) == "other_cluster"
    own = sign_record(one.local.signer, ClusterId(b"\x00" * 16), one.local.peer)
    assert await _changes_nothing(one, two, own) == "other_cluster"


# Records that are no records


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"version": True},
        {"cluster_id": b"\x00" * 15},
        {"cluster_id": "0" * 16},
        {"peer_id": b"\x00" * 17},
        {"subject_version": 0},
        {"subject_version": -1},
        {"subject_version": True},
        {"subject_version": 2.0},
        {"left": 1},
        {"left": None},
        {"public_key": b"\x00" * 31},
        {"public_key": b"\x00" * 32},
        {"address": "Agent-1.example:8080"},
        {"address": "agent-1.example:08080"},
        {"address": " agent-1.example:8080"},
        {"address": "agent-1.example"},
        {"address": "[0:0::1]:80"},
        {"address": "[fe80::1%eth0]:80"},
        {"address": "[::1%\r\nX-Header: 1]:80"},
        {"address": b"agent-1.example:8080"},
        {"address": "agent-1.example:0"},
        {"name": " padded"},
        {"name": "two\nlines"},
        {"name": "\x1b[31m"},
        {"name": "x" * 256},
        {"issued_at_us": -1},
        {"issued_at_us": 2**53 + 1},
        {"issued_at_us": False},
        {"more": 1},
    ],
    ids=str,
)
def test_a_record_with_an_impossible_value_is_malformed(changes: dict[str, Any]) -> None:
    @in_virtual_time
    async def scenario() -> None:
        _, one, two = await two_peers()
        assert await _is_malformed(one, two, _payload(one, **changes))

    scenario()


@in_virtual_time
async def test_a_request_of_records_is_all_or_nothing_when_one_is_malformed() -> None:
    _, one, two = await two_peers()
    await rename(one, "new")
    before = two.rows()
    with pytest.raises(MalformedFrame):
        await deliver(one, two, [one.local.record(), b"garbage"])
    assert two.rows() == before


@in_virtual_time
async def test_a_record_signed_for_another_purpose_is_none() -> None:
    _, one, _ = await two_peers()
    payload = pack([1, one.local.cluster_id])
    with pytest.raises(MalformedFrame):
        open_record(
            seal(one.local.signer, "application/vnd.membership.request.v1+msgpack", payload)
        )


@in_virtual_time
async def test_too_many_records_are_malformed() -> None:
    _, one, two = await two_peers()
    with pytest.raises(MalformedFrame, match="at most"):
        await deliver(one, two, [b"x"] * 129)


@in_virtual_time
async def test_an_oversized_message_is_malformed_before_it_is_read() -> None:
    _, one, two = await two_peers()
    with pytest.raises(MalformedFrame, match=str(MAX_FRAME_BYTES)):
        await message_at(two, request_of(one, two.peer_id, [b"x" * MAX_FRAME_BYTES]))


# Envelopes


@in_virtual_time
async def test_a_message_for_somebody_else_is_malformed() -> None:
    _, one, two, three = await _three_peers()
    await rename(one, "new")
    frame = request_of(one, two.peer_id, [one.local.record()])
    before = three.rows()
    with pytest.raises(MalformedFrame, match="another agent"):
        await message_at(three, frame)
    assert three.rows() == before


@in_virtual_time
async def test_a_response_to_another_request_is_refused() -> None:
    _, one, two = await two_peers()
    first = request_of(one, two.peer_id, [one.local.record()], nonce=b"\x01" * 16)
    second = request_of(one, two.peer_id, [one.local.record()], nonce=b"\x02" * 16)
    answer = await message_at(two, first)
    key = (two.peer_id, two.local.peer.public_key)
    assert open_response(answer, first, key, one.peer_id).kind == "verdicts"
    with pytest.raises(MalformedFrame, match="another request"):
        open_response(answer, second, key, one.peer_id)


@in_virtual_time
async def test_a_response_by_another_peer_is_refused() -> None:
    _, one, two, three = await _three_peers()
    frame = request_of(one, two.peer_id, [])
    for sender in (two.peer_id, three.peer_id):
        message = Message(kind="verdicts", sender=sender, recipient=one.peer_id, body=[])
        answer = seal_response(three.local.signer, message, frame)
        with pytest.raises(MalformedFrame):
            open_response(answer, frame, (two.peer_id, two.local.peer.public_key), one.peer_id)


@in_virtual_time
async def test_a_response_that_names_another_sender_than_signed_it_is_refused() -> None:
    _, one, two, three = await _three_peers()
    frame = request_of(one, two.peer_id, [])
    message = Message(kind="verdicts", sender=three.peer_id, recipient=one.peer_id, body=[])
    answer = seal_response(two.local.signer, message, frame)
    with pytest.raises(MalformedFrame):
        open_response(answer, frame, (two.peer_id, two.local.peer.public_key), one.peer_id)


@in_virtual_time
async def test_a_response_to_somebody_else_is_refused() -> None:
    _, one, two = await two_peers()
    frame = request_of(one, two.peer_id, [])
    message = Message(kind="verdicts", sender=two.peer_id, recipient=peer_id_of(9), body=[])
    answer = seal_response(two.local.signer, message, frame)
    with pytest.raises(MalformedFrame, match="another agent"):
        open_response(answer, frame, (two.peer_id, two.local.peer.public_key), one.peer_id)


@in_virtual_time
async def test_a_request_does_not_pass_for_its_own_response() -> None:
    _, one, two = await two_peers()
    frame = request_of(one, two.peer_id, [])
    with pytest.raises(MalformedFrame):
        open_response(frame, frame, (one.peer_id, one.local.peer.public_key), one.peer_id)


@in_virtual_time
async def test_an_unknown_kind_of_request_is_refused_and_changes_nothing() -> None:
    _, one, two = await two_peers()
    before = two.rows()
    frame = request_of(one, two.peer_id, [one.local.record()], kind="shutdown")
    answer = await message_at(two, frame)
    key = (two.peer_id, two.local.peer.public_key)
    assert open_response(answer, frame, key, one.peer_id).kind == "refused"
    assert two.rows() == before


@in_virtual_time
async def test_a_forged_acknowledgement_does_not_move_the_cursor() -> None:
    """Covered end to end: only the destination's own signature counts."""
    network, one, two = await two_peers()
    one.peering.start(Remembered())
    message = Message(kind="verdicts", sender=two.peer_id, recipient=one.peer_id, body=[])
    network.answers = lambda post, _: seal_response(OUTSIDER, message, post.frame)
    await rename(one, "new")
    while not one.peering.destinations()[0].attempts:
        await asyncio.sleep(0.01)
    [destination] = one.peering.destinations()
    assert destination.is_behind
    assert destination.acked_version < one.local.peer.version
    await one.peering.stop()
