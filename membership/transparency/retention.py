"""
Which checkpoints an agent keeps of all that it signed.

A busy log gets one a second, of which nobody will ask for most. Kept are

- the last 64: whoever was shown one a minute ago, a witness above all, still finds it here;
- those that a witness's newest cosignature stands beneath;
- of all the others the last before each doubling of the log, so that a statement about its first
  half, its first quarter and so on remains, against which each start checks the log.

So there are never more than 64, and one for each witness, and one for each doubling.
"""

from collections.abc import Collection, Sequence
from itertools import pairwise

RECENT = 64


def superseded(sizes: Sequence[int], cosigned: Collection[int]) -> Sequence[int]:
    """
    Return which checkpoints can go.

    Args:
        sizes: Those of all checkpoints, ascending, the newest among them.
        cosigned: The sizes that witnesses vouch for now.
    """
    older_and_next = pairwise(sizes[: 1 - RECENT])
    return [
        size
        for size, next_size in older_and_next
        if size.bit_length() == next_size.bit_length() and size not in cosigned
    ]
