"""What a command needs from the world: the time and new identifiers."""

from typing import Protocol

from membership.domain.values import UnixUs


class Clock(Protocol):
    """Wall-clock time; shown and recorded, never used to order anything."""

    def now_us(self) -> UnixUs:
        """Return the present moment."""


class IdSource(Protocol):
    """New identifiers."""

    def new_ulid(self) -> str:
        """Return a ULID that was never returned before."""
