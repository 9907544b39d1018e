"""
The check at start-up, that the log still says what this agent signed.

Every leaf was recomputed from its event before this (`EventStore.verified_events`), so that the
log agrees with itself. Somebody who edits the file can see to that: change an event and its leaf,
or cut off the end. He cannot make the tree give the roots that were signed before, nor sign others
without the agent's key. What he can do is to put back an old file whole, with the checkpoints of
its time; that is for the witnesses to find out.
"""

from collections.abc import Sequence

from membership.proof.checkpoint import SignedCheckpoint, open_checkpoint
from membership.proof.note import InvalidNote, VerifierKey
from membership.proof.tree import MerkleTree
from membership.store.errors import LogCorrupt
from membership.store.rows import StoredCheckpoint

_WHAT_TO_DO = (
    "the agent will not serve it. Keep the file as evidence, and put back membership.db as it was "
    "when the agent stopped, or the newest backup of it"
)


def check_against_checkpoints(
    tree: MerkleTree, stored: Sequence[StoredCheckpoint], key: VerifierKey | None
) -> SignedCheckpoint | None:
    """
    Compare the whole log with every checkpoint that was kept; return the newest. Blocking.

    Args:
        tree: Over all events there are.
        stored: Ascending in size.
        key: The agent's own; None when the log is empty.

    Raises:
        LogCorrupt: The end of the log is missing, some event is another one, or a checkpoint is
            none of this agent's.
    """
    if stored and stored[-1].size > tree.size:
        message = (
            f"the log ends at position {tree.size}, but this agent signed a checkpoint of "
            f"{stored[-1].size} events: the end of the log is missing; {_WHAT_TO_DO}"
        )
        raise LogCorrupt(message)
    if key is None:
        return None
    newest, intact = None, 0
    for row in stored:
        newest = _opened(row, key)
        if tree.root(row.size) != row.root:
            message = (
                f"an event at one of the positions {intact + 1} to {row.size} is not the one that "
                f"was there when this agent signed its checkpoint of {row.size} events: the log "
                f"was altered; {_WHAT_TO_DO}"
            )
            raise LogCorrupt(message)
        intact = row.size
    return newest


def _opened(row: StoredCheckpoint, key: VerifierKey) -> SignedCheckpoint:
    try:
        signed = open_checkpoint(row.note, key)
    except InvalidNote as error:
        raise _not_ours(row, str(error)) from error
    if (signed.size, signed.checkpoint.root) != (row.size, row.root):
        raise _not_ours(row, "its note is about another state of the log")
    return signed


def _not_ours(row: StoredCheckpoint, why: str) -> LogCorrupt:
    return LogCorrupt(
        f"the checkpoint of {row.size} events in the database is not one that this agent signed "
        f"({why}): the database was altered; {_WHAT_TO_DO}"
    )
