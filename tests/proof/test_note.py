"""Signed notes, checkpoints and cosignatures: the public examples, and what is refused."""

from base64 import b64decode, b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membership.proof.checkpoint import (
    Checkpoint,
    InvalidCheckpoint,
    log_key,
    log_origin,
    open_checkpoint,
    parse_checkpoint,
    sign_checkpoint,
)
from membership.proof.cosignature import cosign, verify_cosignature, witness_key, witness_name
from membership.proof.note import (
    MAX_NOTE_BYTES,
    MAX_SIGNATURES,
    InvalidKey,
    InvalidNote,
    Note,
    Signature,
    VerifierKey,
    parse_key,
    parse_note,
    parse_signature,
    sign_note,
    verify_note,
)
from membership.proof.signing import Signer

VECTORS = Path(__file__).parents[1] / "vectors"
PETER_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_SEED = b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
CLUSTER_ID = bytes(range(16))
PEER_ID = "01HXYZ5Y8N3Q4V7W2K9M6T1R0P"
SIGNER, WITNESS = Signer(b"l" * 32), Signer(b"w" * 32)
ORIGIN = log_origin(CLUSTER_ID, PEER_ID)
KEY = log_key(ORIGIN, SIGNER.public_key)
CHECKPOINT = Checkpoint(origin=ORIGIN, size=42, root=bytes(range(32)))


def _read(name: str) -> bytes:
    return (VECTORS / f"{name}.note").read_bytes()


def test_the_reference_note_verifies_and_is_made_again_byte_by_byte() -> None:
    data = _read("peter_neumann")
    note, key = parse_note(data), parse_key(PETER_KEY)
    verify_note(note, key)
    assert bytes(note) == data
    assert bytes(sign_note(Signer(PETER_SEED), "PeterNeumann", note.text)) == data
    assert str(key) == PETER_KEY


@pytest.mark.parametrize("name", ["salvatore", "checkpoint", "peter_neumann"])
def test_an_example_is_read_and_written_again_byte_by_byte(name: str) -> None:
    assert bytes(parse_note(_read(name))) == _read(name)


def test_the_text_of_a_note_may_have_empty_lines() -> None:
    note = parse_note(_read("salvatore"))
    assert note.text.count("\n\n") == 1
    assert note.text.endswith("ed è subito sera.\n")
    assert note.signatures[0].name == "quasimodo.example/salvatore"


def test_the_example_of_a_checkpoint_is_read() -> None:
    note = parse_note(_read("checkpoint"))
    checkpoint = parse_checkpoint(note.text)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20_852_163)
    assert checkpoint.root.hex().startswith("0ac5186a9186")
    assert checkpoint.text == note.text
    log, witness = note.signatures
    assert (log.key_id.hex(), len(log.value)) == ("033de0ae", 64)
    assert (witness.key_id.hex(), len(witness.value)) == ("8d66cf3f", 72)
    assert int.from_bytes(witness.value[:8], "big") == 1_679_315_147


def test_a_verifier_key_that_was_cut_or_changed_anywhere_is_refused() -> None:
    for start in range(len(PETER_KEY) + 1):
        for stop in range(start, len(PETER_KEY) + 1):
            if stop - start < len(PETER_KEY):
                with pytest.raises(InvalidKey):
                    parse_key(PETER_KEY[start:stop])
    for place in range(len(PETER_KEY)):
        changed = chr(ord(PETER_KEY[place]) + 1)
        with pytest.raises(InvalidKey):
            parse_key(PETER_KEY[:place] + changed + PETER_KEY[place + 1 :])


@pytest.mark.parametrize(
    "text",
    [
        # A key too long, and one of an unknown type, each with the hash that fits it.
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ],
)
def test_a_verifier_key_of_another_make_is_refused(text: str) -> None:
    with pytest.raises(InvalidKey):
        parse_key(text)


def test_a_key_has_another_id_for_each_type_of_signature() -> None:
    one, four = (VerifierKey("name", kind, SIGNER.public_key) for kind in (1, 4))
    assert one.key_id != four.key_id
    assert parse_key(str(four)) == four


LINE = "— a AAAAAAA=\n"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"text\n",
        f"text\n{LINE}".encode(),
        f"\n\n{LINE}".encode()[1:],
        b"text\n\n",
        f"text\n\n{LINE}".encode()[:-1],
        f"text\n\n{LINE}\n".encode(),
        f"text\n\n{LINE}more\n".encode(),
        f"te\rxt\n\n{LINE}".encode(),
        f"te\x00xt\n\n{LINE}".encode(),
        f"text\t\n\n{LINE}".encode(),
        f"text\n\n{LINE}".encode().replace(b"t", b"\xff", 1),
        f"text\n\n{LINE}".encode("utf-16"),
        b"text\n\n- a AAAAAAA=\n",
        "text\n\n— a b AAAAAAA=\n".encode(),
        "text\n\n— a+b AAAAAAA=\n".encode(),
        "text\n\n—  AAAAAAA=\n".encode(),
        "text\n\n— a AAAAAA==\n".encode(),
        "text\n\n— a AAAAAAB=\n".encode(),
        "text\n\n— a AAAA AAA=\n".encode(),
        "text\n\n— a !!!!\n".encode(),
        "text\n\n— a\u2003b AAAAAAA=\n".encode(),
        f"text\n\n{LINE * (MAX_SIGNATURES + 1)}".encode(),
        f"{'x' * MAX_NOTE_BYTES}\n\n{LINE}".encode(),
    ],
)
def test_what_is_no_note_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidNote):
        parse_note(data)


def test_a_note_has_room_for_as_many_signatures_as_the_specification_asks_for() -> None:
    note = parse_note(f"text\n\n{LINE * MAX_SIGNATURES}".encode())
    assert len(note.signatures) == MAX_SIGNATURES >= 16


def test_more_signatures_than_a_note_may_have_are_left_out() -> None:
    note = sign_note(SIGNER, "a", "text\n")
    lines = [Signature(f"w{number}", b"\x00" * 4, b"x") for number in range(200)]
    signed = note.signed_also_by(lines)
    assert parse_note(bytes(signed)) == signed
    assert signed.signatures[0] == note.signatures[0]


def test_lines_of_unknown_keys_are_ignored_and_false_ones_of_known_keys_are_not() -> None:
    note = sign_note(SIGNER, ORIGIN, "text\n")
    [own] = note.signatures
    others = [
        own._replace(name="another", value=b"?" * 64),
        own._replace(key_id=b"????", value=b"?" * 64),
    ]
    verify_note(Note(note.text, [*others, own]), KEY)
    for value in (b"?" * 64, own.value[:-1], own.value + b"\x00"):
        with pytest.raises(InvalidNote, match="does not verify"):
            verify_note(Note(note.text, [own, own._replace(value=value)]), KEY)
    with pytest.raises(InvalidNote, match="not signed by"):
        verify_note(Note(note.text, others), KEY)
    with pytest.raises(InvalidNote, match="does not verify"):
        verify_note(Note("other\n", [own]), KEY)


def test_a_checkpoint_that_was_signed_opens() -> None:
    signed = sign_checkpoint(SIGNER, CHECKPOINT)
    assert signed.note.text == (
        "membership/000102030405060708090a0b0c0d0e0f/01HXYZ5Y8N3Q4V7W2K9M6T1R0P/0\n"
        "42\n"
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
    )
    assert open_checkpoint(bytes(signed.note), KEY) == signed


def test_a_checkpoint_of_another_log_or_epoch_is_refused() -> None:
    for origin in (log_origin(CLUSTER_ID, "01HXYZ9K2P6T4R8V1W3N5Q7Y0M"), ORIGIN[:-1] + "1"):
        other = Checkpoint(origin=origin, size=42, root=CHECKPOINT.root)
        signed = sign_checkpoint(SIGNER, other)
        with pytest.raises(InvalidNote, match="not signed by"):
            open_checkpoint(bytes(signed.note), KEY)
        # The right key under the right name, over the text of another.
        signed_here = sign_note(SIGNER, ORIGIN, other.text)
        with pytest.raises(InvalidCheckpoint, match="not of"):
            open_checkpoint(bytes(signed_here), KEY)


def test_further_lines_of_a_checkpoint_are_read_past() -> None:
    text = f"{CHECKPOINT.text}extension 1\nextension 2\n"
    note = sign_note(SIGNER, ORIGIN, text)
    signed = open_checkpoint(bytes(note), KEY)
    assert signed.checkpoint == CHECKPOINT
    assert signed.note.text == text, "a witness signs them with the rest"


ROOT = b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"origin\n1\n{ROOT}",
        f"\n1\n{ROOT}\n",
        f"origin\n\n1\n{ROOT}\n",
        f"origin\n01\n{ROOT}\n",
        f"origin\n-1\n{ROOT}\n",
        f"origin\n1.0\n{ROOT}\n",
        f"origin\n٣\n{ROOT}\n",
        f"origin\n{10**19}\n{ROOT}\n",
        f"ori gin\n1\n{ROOT}\n",
        f"ori+gin\n1\n{ROOT}\n",
        f"origin\n1\n{ROOT[:-1]}\n",
        f"origin\n1\n{ROOT[:-2]}B=\n",
        f"origin\n1\n{b64encode(bytes(31)).decode()}\n",
        f"origin\n1\n{b64encode(bytes(33)).decode()}\n",
        f"origin\n1\n{ROOT}\n\n",
        f"origin\n1\n{ROOT}\n\nextension\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(InvalidCheckpoint):
        parse_checkpoint(text)


def test_an_empty_log_has_a_checkpoint_too() -> None:
    assert parse_checkpoint(f"origin\n0\n{ROOT}\n").size == 0


@given(st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32))
def test_every_checkpoint_is_read_as_it_was_written(size: int, root: bytes) -> None:
    if size < 10**19:
        checkpoint = Checkpoint(origin=ORIGIN, size=size, root=root)
        assert parse_checkpoint(checkpoint.text) == checkpoint


WITNESS_NAME = witness_name(CLUSTER_ID, PEER_ID)
WITNESS_KEY = witness_key(WITNESS_NAME, WITNESS.public_key)


def test_a_cosignature_says_who_saw_what_and_when() -> None:
    note = sign_checkpoint(SIGNER, CHECKPOINT).note
    line = cosign(WITNESS, WITNESS_NAME, note.text, 1_767_225_600)
    both = parse_note(bytes(note.signed_also_by([line])))
    assert open_checkpoint(bytes(both), KEY).checkpoint == CHECKPOINT
    assert verify_cosignature(both.signatures[1], WITNESS_KEY, both.text) == 1_767_225_600
    assert len(line.value) == 8 + 64
    assert parse_signature(line.line[:-1]) == line


def test_a_cosignature_of_another_text_time_or_witness_is_refused() -> None:
    line = cosign(WITNESS, WITNESS_NAME, CHECKPOINT.text, 1_767_225_600)
    later = (1_767_225_601).to_bytes(8, "big") + line.value[8:]
    with pytest.raises(InvalidNote, match="does not verify"):
        verify_cosignature(line, WITNESS_KEY, CHECKPOINT.text + "more\n")
    for value in (later, line.value[:-1], line.value + b"\x00", b"", b"\xff" * 72):
        with pytest.raises(InvalidNote, match="does not verify"):
            verify_cosignature(line._replace(value=value), WITNESS_KEY, CHECKPOINT.text)
    with pytest.raises(InvalidNote, match="not one of"):
        verify_cosignature(line, KEY, CHECKPOINT.text)


def test_a_cosignature_is_no_signature_of_the_log() -> None:
    """One key under both types: what it said as a witness is nothing that it said as a log."""
    line = cosign(SIGNER, ORIGIN, CHECKPOINT.text, 1_767_225_600)
    assert line.key_id != KEY.key_id
    forged = Note(CHECKPOINT.text, [Signature(ORIGIN, KEY.key_id, line.value[8:])])
    with pytest.raises(InvalidNote, match="does not verify"):
        verify_note(forged, KEY)
