"""One key signs four kinds of bytes; no two kinds have any bytes in common."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from membership.api.tokens import mint_token
from membership.proof.checkpoint import Checkpoint, log_origin
from membership.proof.cosignature import cosignature_message
from membership.proof.signing import Signer, pre_authentication_encoding

LINES = st.text(st.characters(exclude_categories=["Cs"]))


class RecordingSigner(Signer):
    """Remembers what it signed."""

    signed = b""

    def sign_bytes(self, message: bytes) -> bytes:
        """Sign and remember."""
        self.signed = message
        return super().sign_bytes(message)


def _token_input(subject: str, scopes: list[str], at_us: int) -> bytes:
    signer = RecordingSigner(b"s" * 32)
    mint_token(
        signer,
        peer_id=subject,
        subject=subject,
        scopes=scopes,
        ttl_s=60,
        now_us=at_us,
        token_id=subject,
    )
    return signer.signed


checkpoints = st.builds(
    lambda cluster, peer, epoch, size, root: Checkpoint(
        origin=log_origin(cluster, peer, epoch), size=size, root=root
    ).text.encode(),
    st.binary(min_size=16, max_size=16),
    LINES,
    st.integers(0),
    st.integers(0),
    st.binary(min_size=32, max_size=32),
)
# A witness signs the text of others, who may put into it what they like.
cosignatures = st.builds(cosignature_message, LINES, st.integers(0, 2**63 - 1))
envelopes = st.builds(pre_authentication_encoding, LINES, st.binary())
tokens = st.builds(_token_input, LINES, st.lists(LINES), st.integers(0, 2**53))


@given(checkpoints, cosignatures, envelopes, tokens)
def test_what_is_signed_for_one_purpose_begins_like_nothing_else(
    checkpoint: bytes, cosignature: bytes, envelope: bytes, token: bytes
) -> None:
    beginnings = {
        b"membership/": checkpoint,
        b"cosignature/v1\n": cosignature,
        b"DSSEv1 ": envelope,
        b"eyJ": token,
    }
    for beginning, signed in beginnings.items():
        assert signed.startswith(beginning)
    for one, other in combinations(beginnings, 2):
        # Neither begins the other, so that no bytes begin with both.
        assert not one.startswith(other)
        assert not other.startswith(one)


@given(tokens)
def test_a_token_is_signed_over_one_word(token: bytes) -> None:
    assert not set(token) & set(b" /\n")
