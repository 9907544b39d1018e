"""Which checkpoints are kept."""

from hypothesis import given
from hypothesis import strategies as st

from membership.transparency.retention import RECENT, superseded


def _grown(steps: list[int], cosigned: frozenset[int]) -> tuple[list[int], list[int]]:
    """Return every size that was signed, and what is kept of them."""
    signed: list[int] = []
    kept: list[int] = []
    size = 0
    for step in steps:
        size += step
        signed.append(size)
        gone = set(superseded([*kept, size], cosigned))
        kept = [one for one in [*kept, size] if one not in gone]
    return signed, kept


@given(st.lists(st.integers(1, 5_000), min_size=1, max_size=400), st.data())
def test_the_newest_the_cosigned_and_one_for_each_doubling_are_kept(
    steps: list[int], data: st.DataObject
) -> None:
    total = sum(steps)
    cosigned = frozenset(data.draw(st.lists(st.integers(1, total), max_size=5)))
    signed, kept = _grown(steps, cosigned)
    assert kept[-RECENT:] == signed[-RECENT:]
    assert cosigned.intersection(signed) <= set(kept)
    for bits in {size.bit_length() for size in signed}:
        assert max(size for size in signed if size.bit_length() == bits) in kept
    assert len(kept) <= RECENT + len(cosigned) + total.bit_length()


def test_what_a_witness_has_moved_on_from_goes() -> None:
    sizes = list(range(1, 200))
    kept = [size for size in sizes if size not in superseded(sizes, {33})]
    assert 33 in kept
    assert 33 in superseded(kept, {199})
