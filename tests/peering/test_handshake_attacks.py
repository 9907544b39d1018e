"""What an attacker between or beside two agents can try in a handshake; all of it fails."""

from collections.abc import Callable

import pytest

from membership.domain.errors import HandshakeFailed, LicenseMismatch, MembershipError
from membership.domain.values import ClusterId
from membership.peering import handshake, handshake_frames
from membership.peering.handshake import INITIATOR, RESPONDER
from membership.peering.handshake_frames import Proof
from membership.peering.records import sign_record
from membership.peering.transport import FINISH_PATH, HELLO_PATH
from membership.peering.wire import MalformedFrame, pack, unpack
from membership.proof.signing import Signer
from tests.peering.by_hand import (
    NONCE,
    challenge_by,
    finish_at,
    finish_of,
    hello_of,
    reason_of,
)
from tests.peering.two_agents import (
    Agent,
    Network,
    Post,
    a_license,
    address_of,
    remove,
    start_agent,
    two_agents,
    two_peers,
)
from tests.peering.virtual_time import in_virtual_time

CHALLENGE_SHAPE = (str, int, bytes, bytes, bytes, bytes, int, bytes)
FINISH_SHAPE = (str, bytes, bytes, bytes, bytes)
HELLO_SHAPE = (str, list, bytes, str, str, bytes)
OUTSIDER = Signer(b"\x66" * 32)


async def _refused_finish(two: Agent, finish: bytes) -> str:
    """Return why *two* refused a finish, having checked that nothing was recorded."""
    before = two.rows()
    try:
        answer = await finish_at(two, finish)
    except MalformedFrame:
        reason = "malformed"
    else:
        reason = reason_of(answer)
    assert two.rows() == before
    assert reason
    return reason


async def _refused_add(one: Agent, two: Agent) -> MembershipError:
    before = one.rows()
    with pytest.raises(MembershipError) as caught:
        await one.add(two)
    assert one.rows() == before
    assert not one.state.reservations
    return caught.value


def _frame_sent(network: Network, path: str) -> bytes:
    return next(post.frame for post in network.posts if post.path == path)


# Replays


@in_virtual_time
async def test_a_replayed_finish_gets_the_same_receipt_and_records_nothing() -> None:
    network, _, two = await two_peers()
    before = two.rows()
    answer = await finish_at(two, _frame_sent(network, FINISH_PATH))
    assert reason_of(answer) == ""
    assert two.rows() == before


@in_virtual_time
async def test_a_replayed_finish_does_not_bring_a_removed_peer_back() -> None:
    network, one, two = await two_peers()
    await remove(two, one)
    before = two.rows()
    await finish_at(two, _frame_sent(network, FINISH_PATH))
    assert two.rows() == before
    assert not two.knows(one)


@in_virtual_time
async def test_a_replayed_finish_does_not_use_up_an_invitation() -> None:
    network, one, two = await two_peers()
    finish = _frame_sent(network, FINISH_PATH)
    await remove(one, two)
    await remove(two, one)
    with pytest.raises(HandshakeFailed, match="removed there"):
        await two.add(one)
    before = two.rows()
    await finish_at(two, finish)
    assert two.rows() == before
    await one.add(two)
    assert two.knows(one)


@in_virtual_time
async def test_a_replayed_finish_means_nothing_to_a_third_agent() -> None:
    network, _, _ = await two_peers()
    third = await start_agent(network, 3)
    reason = await _refused_finish(third, _frame_sent(network, FINISH_PATH))
    assert reason == "expired"


@in_virtual_time
async def test_a_replayed_hello_gets_a_new_challenge_that_the_replayer_cannot_finish() -> None:
    network, one, two = await two_agents()
    hello = hello_of(one, two)
    first, second = await challenge_by(two, hello), await challenge_by(two, hello)
    assert first != second
    finish = finish_of(one, hello, first)
    parts = unpack(finish, FINISH_SHAPE)
    mixed = pack([parts[0], hello, second, *parts[3:]])
    assert await _refused_finish(two, mixed) == "bad_signature"
    assert network.posts == []


@in_virtual_time
async def test_a_recorded_challenge_does_not_answer_a_later_hello() -> None:
    network, one, two = await two_agents()
    old = await challenge_by(two, hello_of(one, two))
    network.answers = lambda post, answer: old if post.path == HELLO_PATH else answer
    error = await _refused_add(one, two)
    assert isinstance(error, HandshakeFailed)
    assert error.reason == "bad_signature"


@in_virtual_time
async def test_a_recorded_receipt_does_not_complete_a_later_handshake() -> None:
    network, one, two = await two_peers()
    receipt = await finish_at(two, _frame_sent(network, FINISH_PATH))
    third = await start_agent(network, 3)
    network.answers = lambda post, answer: receipt if post.path == FINISH_PATH else answer
    error = await _refused_add(third, two)
    assert isinstance(error, HandshakeFailed)
    assert error.reason == "wrong_protocol"
    assert one.knows(two)


# Reflections


@in_virtual_time
async def test_an_initiators_proof_does_not_pass_for_a_responders() -> None:
    """The attacker knows nothing and lets the victim make both proofs."""
    network, one, two = await two_agents()

    def reflect(post: Post, answer: bytes) -> bytes:
        if post.path != HELLO_PATH:
            return answer
        parts = unpack(answer, CHALLENGE_SHAPE)
        transcript = handshake.transcript_of(post.frame, parts[2], parts[3])
        proof = handshake.make_proof(
            two.local.signer, INITIATOR, two.local.license_secret, transcript
        )
        return pack([*parts[:4], proof.signature, proof.license_proof, *parts[6:]])

    network.answers = reflect
    error = await _refused_add(one, two)
    assert isinstance(error, HandshakeFailed)
    assert error.reason == "bad_signature"


@in_virtual_time
async def test_a_responders_proof_does_not_pass_for_an_initiators() -> None:
    _, one, two = await two_agents()
    hello = hello_of(one, two)
    challenge = await challenge_by(two, hello)
    finish = finish_of(one, hello, challenge, role=RESPONDER)
    assert await _refused_finish(two, finish) == "bad_signature"


@in_virtual_time
async def test_a_licence_proof_of_the_other_role_is_refused_even_beside_a_good_signature() -> None:
    _, one, two = await two_agents()
    hello = hello_of(one, two)
    challenge = await challenge_by(two, hello)
    good = unpack(finish_of(one, hello, challenge), FINISH_SHAPE)
    other = unpack(finish_of(one, hello, challenge, role=RESPONDER), FINISH_SHAPE)
    mixed = pack([*good[:4], other[4]])
    assert await _refused_finish(two, mixed) == "bad_proof"


@in_virtual_time
async def test_the_challenge_of_a_victim_reflected_at_it_makes_no_finish() -> None:
    """The responder's own proof, sent back to it as if the initiator had made it."""
    _, one, two = await two_agents()
    hello = hello_of(two, two)
    challenge = await challenge_by(two, hello)
    opened = handshake_frames.open_challenge(challenge)
    finish = handshake_frames.encode_finish(hello, challenge, opened.proof)
    assert await _refused_finish(two, finish) == "bad_signature"
    assert not two.knows(one)


@in_virtual_time
async def test_a_receipt_is_no_signature_of_either_role() -> None:
    _, one, two = await two_agents()
    hello = hello_of(one, two)
    challenge = await challenge_by(two, hello)
    parts = unpack(finish_of(one, hello, challenge), FINISH_SHAPE)
    opened = handshake_frames.open_challenge(challenge)
    transcript = handshake.transcript_of(hello, opened.nonce, opened.record.signed)
    receipt = unpack(handshake.make_receipt(one.local.signer, transcript), (str, bytes))
    assert await _refused_finish(two, pack([*parts[:3], receipt[1], parts[4]])) == "bad_signature"


# Without the licence's secret


async def _outsider(network: Network, number: int, cluster_id: ClusterId) -> Agent:
    """Return an agent of another secret that claims to be of *cluster_id*."""
    agent = await start_agent(network, number, a_license(secret=b"\x66" * 32))
    forged = sign_record(agent.local.signer, cluster_id, agent.local.peer)
    agent.local._signed = forged
    agent.local._signed_version = agent.local.peer.version
    return agent


@in_virtual_time
async def test_a_responder_that_knows_the_cluster_id_but_not_the_secret_is_refused() -> None:
    network, one, _ = await two_agents()
    outsider = await _outsider(network, 3, one.local.cluster_id)

    def forge(post: Post, _: bytes) -> bytes:
        record = outsider.local.record()
        transcript = handshake.transcript_of(post.frame, NONCE, record)
        proof = handshake.make_proof(
            outsider.local.signer, RESPONDER, outsider.local.license_secret, transcript
        )
        return handshake_frames.encode_challenge(NONCE, record, proof, 1, bytes(32))

    network.answers = forge
    error = await _refused_add(one, outsider)
    assert isinstance(error, HandshakeFailed)
    assert error.reason == "bad_proof"
    assert network.count(FINISH_PATH) == 0


@in_virtual_time
async def test_an_initiator_that_knows_the_cluster_id_but_not_the_secret_is_refused() -> None:
    network, one, _ = await two_agents()
    outsider = await _outsider(network, 3, one.local.cluster_id)
    hello = hello_of(outsider, one)
    finish = finish_of(outsider, hello, await challenge_by(one, hello))
    assert await _refused_finish(one, finish) == "bad_proof"


@in_virtual_time
async def test_a_responder_of_another_cluster_is_refused_whatever_it_proves() -> None:
    network, one, two = await two_agents()
    other = await start_agent(network, 3, a_license(license_id="another"))
    hello = hello_of(one, two)
    assert reason_of(await challenge_by(other, hello)) == "LicenseMismatch"
    record = other.local.record()
    transcript = handshake.transcript_of(hello, NONCE, record)
    proof = handshake.make_proof(
        other.local.signer, RESPONDER, other.local.license_secret, transcript
    )
    network.answers = lambda _, __: handshake_frames.encode_challenge(
        NONCE, record, proof, 1, bytes(32)
    )
    assert isinstance(await _refused_add(one, two), LicenseMismatch)


# Mis-bound identities


@in_virtual_time
async def test_a_hello_with_the_record_of_another_peer_cannot_be_finished() -> None:
    network, one, two = await two_agents()
    thief = await start_agent(network, 3)
    hello = hello_of(thief, two, record=one.local.record())
    finish = finish_of(thief, hello, await challenge_by(two, hello))
    assert await _refused_finish(two, finish) == "bad_signature"


@in_virtual_time
async def test_a_challenge_with_the_record_of_another_peer_is_refused() -> None:
    network, one, two = await two_agents()
    third = await start_agent(network, 3)

    def lend(post: Post, answer: bytes) -> bytes:
        if post.path != HELLO_PATH:
            return answer
        parts = unpack(answer, CHALLENGE_SHAPE)
        transcript = handshake.transcript_of(post.frame, parts[2], third.local.record())
        proof = handshake.make_proof(
            two.local.signer, RESPONDER, two.local.license_secret, transcript
        )
        return handshake_frames.encode_challenge(
            parts[2], third.local.record(), proof, parts[6], parts[7]
        )

    network.answers = lend
    error = await _refused_add(one, two)
    assert isinstance(error, HandshakeFailed)
    assert error.reason == "bad_signature"


@in_virtual_time
async def test_somebody_elses_signature_in_a_finish_is_refused() -> None:
    _, one, two = await two_agents()
    hello = hello_of(one, two)
    finish = finish_of(one, hello, await challenge_by(two, hello), signer=OUTSIDER)
    assert await _refused_finish(two, finish) == "bad_signature"


@in_virtual_time
async def test_somebody_elses_receipt_completes_nothing() -> None:
    network, one, two = await two_agents()

    def forge(post: Post, answer: bytes) -> bytes:
        if post.path != FINISH_PATH:
            return answer
        _, challenge, _ = handshake_frames.open_finish(post.frame)
        hello = unpack(post.frame, FINISH_SHAPE)[1]
        transcript = handshake.transcript_of(hello, challenge.nonce, challenge.record.signed)
        return handshake.make_receipt(OUTSIDER, transcript)

    network.answers = forge
    error = await _refused_add(one, two)
    assert isinstance(error, HandshakeFailed)
    assert error.reason == "wrong_protocol"


# Altered parts, one by one


async def _finish_with_altered_hello(
    alter: Callable[[list[object]], object],
) -> str:
    _, one, two = await two_agents()
    hello = hello_of(one, two)
    challenge = await challenge_by(two, hello)
    parts = unpack(finish_of(one, hello, challenge), FINISH_SHAPE)
    fields = unpack(hello, HELLO_SHAPE)
    alter(fields)
    altered = pack([parts[0], pack(fields), *parts[2:]])
    return await _refused_finish(two, altered)


@pytest.mark.parametrize(
    ("index", "value"),
    [(1, [1, 2]), (2, b"\x00" * 32), (3, "discovered"), (4, address_of(7))],
    ids=["versions", "nonce", "intent", "dialled"],
)
def test_a_hello_that_was_altered_on_its_way_is_refused(index: int, value: object) -> None:
    @in_virtual_time
    async def scenario() -> None:
        reason = await _finish_with_altered_hello(lambda f: f.__setitem__(index, value))
        assert reason == "expired"

    scenario()


@in_virtual_time
async def test_a_hello_whose_record_was_replaced_on_its_way_is_refused() -> None:
    _, one, two = await two_agents()
    hello = hello_of(one, two)
    challenge = await challenge_by(two, hello)
    parts = unpack(finish_of(one, hello, challenge), FINISH_SHAPE)
    fields = unpack(hello, HELLO_SHAPE)
    fields[5] = two.local.record()
    altered = pack([parts[0], pack(fields), *parts[2:]])
    assert await _refused_finish(two, altered) == "expired"


@pytest.mark.parametrize(
    ("index", "value"),
    [(2, b"\x00" * 32), (6, 2**40), (7, b"\x00" * 32)],
    ids=["nonce", "deadline", "cookie"],
)
def test_a_challenge_that_was_altered_on_its_way_back_is_refused(index: int, value: object) -> None:
    @in_virtual_time
    async def scenario() -> None:
        _, one, two = await two_agents()
        hello = hello_of(one, two)
        fields = unpack(await challenge_by(two, hello), CHALLENGE_SHAPE)
        fields[index] = value
        finish = finish_of(one, hello, pack(fields))
        assert await _refused_finish(two, finish) == "expired"

    scenario()


@in_virtual_time
async def test_a_challenge_whose_record_is_not_the_responders_newest_is_refused() -> None:
    network, one, two = await two_agents()
    third = await start_agent(network, 3)
    hello = hello_of(one, two)
    fields = unpack(await challenge_by(two, hello), CHALLENGE_SHAPE)
    fields[3] = third.local.record()
    assert await _refused_finish(two, finish_of(one, hello, pack(fields))) == "expired"


@in_virtual_time
async def test_swapped_nonces_are_refused() -> None:
    _, one, two = await two_agents()
    hello = hello_of(one, two)
    challenge = await challenge_by(two, hello)
    hello_fields, fields = unpack(hello, HELLO_SHAPE), unpack(challenge, CHALLENGE_SHAPE)
    hello_fields[2], fields[2] = fields[2], hello_fields[2]
    finish = finish_of(one, pack(hello_fields), pack(fields))
    assert await _refused_finish(two, finish) == "expired"


@in_virtual_time
async def test_an_altered_licence_proof_is_refused() -> None:
    _, one, two = await two_agents()
    hello = hello_of(one, two)
    parts = unpack(finish_of(one, hello, await challenge_by(two, hello)), FINISH_SHAPE)
    assert await _refused_finish(two, pack([*parts[:4], bytes(32)])) == "bad_proof"


@in_virtual_time
async def test_a_deadline_beyond_every_clock_is_malformed() -> None:
    _, one, two = await two_agents()
    hello = hello_of(one, two)
    challenge = await challenge_by(two, hello)
    parts = unpack(finish_of(one, hello, challenge), FINISH_SHAPE)
    for deadline_ms in (2**63, 2**64 - 1, -1, -(2**63)):
        fields = unpack(challenge, CHALLENGE_SHAPE)
        fields[6] = deadline_ms
        altered = pack([*parts[:2], pack(fields), *parts[3:]])
        assert await _refused_finish(two, altered) == "malformed"


@in_virtual_time
async def test_a_downgraded_offer_of_versions_is_noticed_by_the_initiator() -> None:
    """Whoever strikes a version out of the hello spoils the responder's signature."""
    network, one, two = await two_agents()
    fields = unpack(hello_of(one, two, versions=(2, 1)), HELLO_SHAPE)
    original = pack(fields)
    fields[1] = [1]
    challenge = handshake_frames.open_challenge(await challenge_by(two, pack(fields)))
    transcript = handshake.transcript_of(original, challenge.nonce, challenge.record.signed)
    key = challenge.record.public_key
    assert not handshake.is_signature_valid(challenge.proof, key, RESPONDER, transcript)
    assert network.posts == []


def test_a_proof_under_another_secret_or_transcript_is_none() -> None:
    signer = Signer(b"\x01" * 32)
    proof = handshake.make_proof(signer, INITIATOR, b"\x02" * 32, b"transcript")
    assert handshake.is_license_proved(proof, INITIATOR, b"\x02" * 32, b"transcript")
    assert not handshake.is_license_proved(proof, INITIATOR, b"\x03" * 32, b"transcript")
    assert not handshake.is_license_proved(proof, INITIATOR, b"\x02" * 32, b"transcripu")
    assert not handshake.is_license_proved(proof, RESPONDER, b"\x02" * 32, b"transcript")
    other = Proof(signature=bytes(64), license_proof=proof.license_proof)
    assert not handshake.is_license_proved(other, INITIATOR, b"\x02" * 32, b"transcript")
