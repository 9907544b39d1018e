"""What the write side and the peer protocol need from the world, and show of themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from membership.domain.values import Address, PeerId, UnixUs


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
        undelivered_since_us: When the oldest change happened that it has not acknowledged; None
            when it has heard of all.
        attempts: Failed attempts in a row.
        failing_since_us: When the first of them was made, 0 when none failed.
        next_attempt_at_us: When the next one is due, 0 when none is planned.
        last_error: Why the last attempt failed, empty when it did not.
    """

    peer_id: PeerId
    acked_version: int
    undelivered_since_us: UnixUs | None = None
    attempts: int = 0
    failing_since_us: UnixUs = UnixUs(0)
    next_attempt_at_us: UnixUs = UnixUs(0)
    last_error: str = ""

    @property
    def is_behind(self) -> bool:
        """Whether there is something that it has not acknowledged yet."""
        return self.undelivered_since_us is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerHealth:
    """
    The agent's opinion of one peer, since the agent started.

    Attributes:
        reachable: Whether it answers, None before it was asked.
        last_seen_us: When it last answered or wrote, 0 for never.
        round_trip_s: How long its last answer took, None before the first.
        digest_equal: Whether it knew the same as this agent when they last compared; None when
            they have not, or when this agent has learnt something since.
        last_error: Why the last request to it came to nothing, empty when it did not.
    """

    reachable: bool | None = None
    last_seen_us: UnixUs = UnixUs(0)
    round_trip_s: float | None = None
    digest_equal: bool | None = None
    last_error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfHealth:
    """
    The agent's opinion of itself.

    Attributes:
        loop_lag_s: How late its event loop ran at worst in the last half minute.
        is_slow: That is late enough for it to misjudge others.
        is_cut_off: Several peers were asked lately, and nobody was heard of.
        identity_conflict: Who else signs with its key, as a sentence; empty for nobody.
    """

    loop_lag_s: float = 0.0
    is_slow: bool = False
    is_cut_off: bool = False
    identity_conflict: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PursuitStatus:
    """
    A stranger that a peer told of, and that this agent is getting acquainted with.

    Attributes:
        introduced_by: The peer that brought its record.
        attempts: Handshakes that failed.
        last_error: Why the last one did, empty before the first.
    """

    peer_id: PeerId
    name: str
    address: Address
    introduced_by: PeerId
    attempts: int
    last_error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PeeringStatus:
    """
    How the agent stands with the others.

    Attributes:
        digest: 16 bytes that are equal for agents that know the same of all peers.
        agent: What it thinks of itself.
        health: What it thinks of each remote active peer.
        destinations: What each has heard of its own changes.
        pursuits: Who is about to become a peer.
    """

    digest: bytes
    agent: SelfHealth
    health: Mapping[PeerId, PeerHealth]
    destinations: Mapping[PeerId, DestinationStatus]
    pursuits: Sequence[PursuitStatus]


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """
    Who knows the same as this agent.

    Attributes:
        differing: Peers that answer, and know something else still.
        unreachable: Peers that did not answer, or refused, with the reason as a sentence.
    """

    agreeing: Sequence[PeerId]
    differing: Sequence[PeerId]
    unreachable: Mapping[PeerId, str]

    @property
    def agreed(self) -> bool:
        """Whether everybody does."""
        return not self.differing and not self.unreachable
