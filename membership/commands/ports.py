"""What the write side and the peer protocol need from the world, and show of themselves."""

from dataclasses import dataclass
from typing import Protocol

from membership.domain.values import PeerId, UnixUs


class Clock(Protocol):
    """Wall-clock time; shown and recorded, never used to order anything."""

    def now_us(self) -> UnixUs:
        """Return the present moment."""


class IdSource(Protocol):
    """New identifiers."""

    def new_ulid(self) -> str:
        """Return a ULID that was never returned before."""


class Randomness(Protocol):
    """Secrets, and chance."""

    def token(self, length: int) -> bytes:
        """Return *length* bytes fit for keys and nonces."""

    def uniform(self, low: float, high: float) -> float:
        """Return a number between *low* and *high*, fit for jitter only."""

    def choice_index(self, count: int) -> int:
        """Return an index below *count*, fit for picking a partner only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationStatus:
    """
    How far one peer has heard of this agent's own changes.

    Attributes:
        acked_version: The version of this agent's record that it acknowledged, 0 for none.
        is_behind: There is something that it has not acknowledged yet.
        attempts: Failed attempts in a row.
        failing_since_us: When the first of them was made, 0 when none failed.
        next_attempt_at_us: When the next one is due, 0 when none is planned.
        last_error: Why the last attempt failed, empty when it did not.
    """

    peer_id: PeerId
    acked_version: int
    is_behind: bool
    attempts: int = 0
    failing_since_us: UnixUs = UnixUs(0)
    next_attempt_at_us: UnixUs = UnixUs(0)
    last_error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerHealth:
    """
    The agent's opinion of one peer; refuted by any sign of life.

    Attributes:
        reachable: None before the first contact since the start.
        last_seen_us: When it last answered or wrote, 0 for not since the start.
        round_trip_s: How long its last answer took.
        digest_equal: Whether it knew the same as this agent when they last compared.
    """

    reachable: bool | None
    last_seen_us: UnixUs
    round_trip_s: float | None
    digest_equal: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfHealth:
    """
    The agent's opinion of itself.

    Attributes:
        loop_lag_s: How late its event loop ran at worst in the last half minute.
        is_slow: That is late enough for it to misjudge others.
        is_cut_off: Nobody that it tried lately answered.
        identity_conflict: Who else signs with its key, as a sentence; empty for nobody.
    """

    loop_lag_s: float
    is_slow: bool
    is_cut_off: bool
    identity_conflict: str
