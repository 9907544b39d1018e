"""Wycheproof's vectors for Ed25519; see `tests/vectors/README.md`."""

import json
from pathlib import Path
from typing import Any

import pytest

from membership.proof.note import is_signature

VECTORS = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "vectors" / "wycheproof_ed25519.jsonl")
    .read_text()
    .splitlines()
]
# Keys with a part of small order: RFC 8032 leaves it open whether their signatures are taken.
DECIDED = [vector for vector in VECTORS if vector["result"] != "acceptable"]


def _verifies(vector: dict[str, Any]) -> bool:
    key, message, signature = (
        bytes.fromhex(vector[name]) for name in ("public_key", "message", "signature")
    )
    return is_signature(key, message, signature)


@pytest.mark.parametrize("vector", DECIDED, ids=lambda v: f"{v['id']}-{v['result']}")
def test_a_signature_is_taken_or_refused_as_the_vector_says(vector: dict[str, Any]) -> None:
    assert _verifies(vector) == (vector["result"] == "valid")


def test_a_key_of_small_order_signs_nothing() -> None:
    small = [vector for vector in VECTORS if vector["flags"] == ["SmallOrderPublicKey"]]
    assert len(small) == 8
    assert not any(map(_verifies, small))
