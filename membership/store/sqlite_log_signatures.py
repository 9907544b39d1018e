"""The tables of what was signed about logs in SQLite: how they look, are read and written."""

from eventsourcing.sqlite import SQLiteCursor

from membership.store.rows import LogSignatures

LOG_SIGNATURE_TABLES = (
    """CREATE TABLE IF NOT EXISTS checkpoints (
        size INTEGER PRIMARY KEY,
        root BLOB NOT NULL,
        note BLOB NOT NULL,
        signed_at_us INTEGER NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS cosignatures (
        witness_id TEXT PRIMARY KEY,
        size INTEGER NOT NULL,
        line TEXT NOT NULL,
        received_at_us INTEGER NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS witnessed (
        peer_id TEXT PRIMARY KEY,
        epoch INTEGER NOT NULL,
        size INTEGER NOT NULL,
        root BLOB NOT NULL,
        note BLOB NOT NULL,
        seen_at_us INTEGER NOT NULL) WITHOUT ROWID""",
)
SELECT_CHECKPOINTS = "SELECT size, root, note, signed_at_us FROM checkpoints ORDER BY size"
SELECT_COSIGNATURES = (
    "SELECT witness_id, size, line, received_at_us FROM cosignatures ORDER BY witness_id"
)
SELECT_WITNESSED = (
    "SELECT peer_id, epoch, size, root, note, seen_at_us FROM witnessed ORDER BY peer_id"
)
_REPLACE_WITNESSED = "INSERT OR REPLACE INTO witnessed VALUES (?,?,?,?,?,?)"
_REPLACE_CHECKPOINT = "INSERT OR REPLACE INTO checkpoints VALUES (?,?,?,?)"
_REPLACE_COSIGNATURE = """INSERT INTO cosignatures VALUES (?,?,?,?)
    ON CONFLICT (witness_id) DO UPDATE SET
        size = excluded.size, line = excluded.line, received_at_us = excluded.received_at_us
    WHERE excluded.size >= size"""


def save_log_signatures(c: SQLiteCursor, signed: LogSignatures) -> None:
    """Write what was signed, in the transaction of *c*."""
    if signed.is_new_epoch:
        c.execute("DELETE FROM checkpoints")
        c.execute("DELETE FROM cosignatures")
    for size in signed.superseded:
        c.execute("DELETE FROM checkpoints WHERE size = ?", (size,))
    for checkpoint in signed.checkpoints:
        c.execute(_REPLACE_CHECKPOINT, checkpoint)
    for cosignature in signed.cosignatures:
        c.execute(_REPLACE_COSIGNATURE, cosignature)
    for head in signed.witnessed:
        c.execute(_REPLACE_WITNESSED, head)
