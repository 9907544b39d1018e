"""The bytes on the wire: they never change within a version of the protocol."""

from pathlib import Path

import pytest

from membership.domain.errors import MembershipError
from membership.domain.values import ClusterId, PublicKey
from membership.peering import handshake, handshake_frames
from membership.peering.envelope import open_request, open_response
from membership.peering.handshake import INITIATOR, RESPONDER
from membership.peering.records import open_record
from membership.peering.refusals import EXPLANATIONS, decode_refusal, is_refusal
from tests.peering.golden_frames import (
    CLUSTER_ID,
    INITIATOR_ID,
    INITIATOR_KEY,
    RESPONDER_ID,
    RESPONDER_KEY,
    SECRET,
    golden_frames,
    transcript,
)

DIRECTORY = Path(__file__).parent.parent / "golden" / "frames"
NAMES = sorted(path.stem for path in DIRECTORY.glob("*.hex"))


def _golden(name: str) -> bytes:
    return bytes.fromhex((DIRECTORY / f"{name}.hex").read_text(encoding="ascii"))


def test_there_is_a_golden_file_for_every_frame() -> None:
    assert sorted(golden_frames()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_frame_is_made_of_exactly_these_bytes(name: str) -> None:
    assert golden_frames()[name] == _golden(name)


@pytest.mark.parametrize("name", ["record-active", "record-left"])
def test_a_golden_record_opens(name: str) -> None:
    record = open_record(_golden(name))
    assert record.peer_id == INITIATOR_ID
    assert record.cluster_id == CLUSTER_ID
    assert record.subject_version == 3
    assert record.left is (name == "record-left")
    assert (record.address, record.name) == ("[2001:db8::1]:8080", "Zoë 🛰")


def test_the_golden_handshake_opens_and_verifies() -> None:
    hello, challenge, proof = handshake_frames.open_finish(_golden("finish"))
    assert hello == handshake_frames.open_hello(_golden("hello"))
    assert challenge == handshake_frames.open_challenge(_golden("challenge"))
    signed = handshake.transcript_of(hello.frame, challenge.nonce, challenge.record.signed)
    assert signed == transcript()
    for made, key, role in (
        (proof, INITIATOR_KEY.public_key, INITIATOR),
        (challenge.proof, RESPONDER_KEY.public_key, RESPONDER),
    ):
        assert handshake.is_signature_valid(made, key, role, signed)
        assert handshake.is_license_proved(made, role, SECRET, signed)
    handshake.check_receipt(_golden("receipt"), RESPONDER_KEY.public_key, signed)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("refusal-")])
def test_a_golden_refusal_opens_as_an_error_with_a_sentence(name: str) -> None:
    assert is_refusal(_golden(name))
    error = decode_refusal(_golden(name), ClusterId(b"\xff" * 16).hex())
    assert isinstance(error, MembershipError)
    assert error.message


def test_every_reason_that_can_be_given_has_a_golden_refusal() -> None:
    for reason in EXPLANATIONS:
        assert f"refusal-{reason.replace('_', '-')}" in NAMES


def test_the_golden_request_and_response_open() -> None:
    keys = {INITIATOR_ID: PublicKey(INITIATOR_KEY.public_key)}
    request = open_request(_golden("request"), RESPONDER_ID, keys.get)
    assert (request.kind, request.sender) == ("records", INITIATOR_ID)
    assert request.body == [_golden("record-active")]
    responder = (RESPONDER_ID, PublicKey(RESPONDER_KEY.public_key))
    response = open_response(_golden("response"), _golden("request"), responder, INITIATOR_ID)
    assert response.kind == "verdicts"
    assert response.body[0][1:] == [3, "applied", b""]


@pytest.mark.parametrize("name", ["hello", "challenge", "finish", "request", "response"])
def test_no_frame_comes_near_the_limit(name: str) -> None:
    assert len(_golden(name)) < 2_048
