"""An id belongs to one key, and says when it was made."""

from hypothesis import assume, given
from hypothesis import strategies as st

from membership.domain.identity import is_id_of, peer_id_for
from membership.domain.values import PeerId, PublicKey, UnixUs, parse_peer_id, ulid_bytes, ulid_text

_KEYS = st.binary(min_size=32, max_size=32).map(PublicKey)
_MOMENTS = st.integers(0, 1_000 * 2**48 - 1).map(UnixUs)


def test_an_id_never_changes() -> None:
    key, created_at_us = PublicKey(bytes(range(32))), UnixUs(1_767_225_600_123_456)
    assert peer_id_for(key, created_at_us) == "01KDVDNA3VCQVG71XNAHYWEFV2"


@given(_KEYS, _MOMENTS)
def test_an_id_is_a_ulid_of_its_moment(key: PublicKey, created_at_us: UnixUs) -> None:
    peer_id = peer_id_for(key, created_at_us)
    assert parse_peer_id(peer_id) == peer_id
    assert int.from_bytes(ulid_bytes(peer_id)[:6], "big") == created_at_us // 1_000
    assert is_id_of(peer_id, key)


@given(_KEYS, _KEYS, _MOMENTS)
def test_an_id_is_that_of_no_other_key(
    key: PublicKey, other: PublicKey, created_at_us: UnixUs
) -> None:
    assume(key != other)
    assert not is_id_of(peer_id_for(key, created_at_us), other)


@given(_KEYS, st.integers(0, 127))
def test_an_id_with_one_bit_changed_is_the_keys_only_in_its_time(key: PublicKey, bit: int) -> None:
    raw = int.from_bytes(ulid_bytes(peer_id_for(key, UnixUs(0))), "big") ^ (1 << bit)
    changed = PeerId(ulid_text(raw.to_bytes(16, "big")))
    assert is_id_of(changed, key) == (bit >= 80)
