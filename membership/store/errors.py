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


class EventTooLong(StoreError):
    """
    An event would be longer than an entry of a log can be.

    Everything that comes in from outside is bounded far below that, so that only a bug raises this:
    the longest event, a peer added with all its names and the transcript, has some 10,000 bytes.
    """

    def __init__(self, stored_name: str, length: int, limit: int) -> None:
        super().__init__(f"an event has at most {limit} bytes, this {stored_name} {length}")


class LogCorrupt(StoreError):
    """The log on disk contradicts itself: it was edited, or the disk lost part of it."""


class SchemaTooNew(StoreError):
    """A newer version of the software wrote this database."""

    def __init__(self, found: int, known: int) -> None:
        super().__init__(
            f"the database has schema {found} and this version knows {known}; "
            "start the version that wrote it, or a newer one"
        )
