"""What can go wrong with a log."""


class StoreError(Exception):
    """Never raised itself."""


class AppendConflict(StoreError):
    """
    The transaction would break an invariant: a position, version or seat is taken.

    Only another writer on the same database can cause it, since one writer decides on a model
    that has all of its own events. Nothing was written; catch up and decide again.
    """


class StoreUnavailable(StoreError):
    """The database cannot be written or read now: full, read-only, locked or gone."""


class LogCorrupt(StoreError):
    """The log on disk contradicts itself: it was edited, or the disk lost part of it."""


class SchemaTooNew(StoreError):
    """A newer version of the software wrote this database."""

    def __init__(self, found: int, known: int) -> None:
        super().__init__(
            f"the database has schema {found} and this version knows {known}; "
            "start the version that wrote it, or a newer one"
        )
