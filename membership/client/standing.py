"""How an agent stands, as it answers it; the field names are those of its JSON."""

from dataclasses import dataclass

from membership.client.replies import LicenseUsage, LocalPeer


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerStanding:
    """
    What the agent thinks of a peer, and what the peer has heard of the agent.

    Attributes:
        reachable: Whether it answers, None before it was asked since the agent started.
        last_seen: When it last answered or wrote, None for not since the agent started.
        digest_equal: Whether both knew the same at their last comparison; None when they have not
            compared since the agent last learnt something.
        acked_version: The agent's version that it acknowledged.
        is_behind: It has not acknowledged all of the agent's own changes.
        undelivered_since: When the oldest of those was made.
        attempts: Failed attempts in a row to tell it, the first of them at *failing_since*.
        last_error: Why the last request to it came to nothing, empty when it did not.
    """

    peer_id: str
    name: str
    address: str
    reachable: bool | None
    last_seen: str | None
    round_trip_ms: float | None
    digest_equal: bool | None
    acked_version: int
    is_behind: bool
    undelivered_since: str | None
    attempts: int
    failing_since: str | None
    next_attempt_at: str | None
    last_error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentHealth:
    """
    What the agent thinks of itself.

    Attributes:
        loop_lag_ms: How late its event loop ran at worst in the last half minute.
        is_slow: So late that it may misjudge others.
        is_cut_off: It asked several peers lately, and heard of nobody.
        identity_conflict: Who else signs with its key, as a sentence; None for nobody.
    """

    loop_lag_ms: float
    is_slow: bool
    is_cut_off: bool
    identity_conflict: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Introduction:
    """An agent that a peer told of, and that this one is getting acquainted with."""

    peer_id: str
    name: str
    address: str
    introduced_by: str
    attempts: int
    last_error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterStatus:
    """
    How an agent, its licence and its peers stand.

    Attributes:
        observed_at: The moment, by the agent's clock.
        digest: Equal for agents that know the same of all peers, hexadecimal.
    """

    observed_at: str
    peer: LocalPeer
    cluster_id: str
    digest: str
    health: AgentHealth
    license: LicenseUsage
    log_position: int
    peers: tuple[PeerStanding, ...]
    introductions: tuple[Introduction, ...]
    software: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreachable:
    """A peer that did not answer, or refused; *reason* is a sentence."""

    peer_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """
    Who knows the same as the agent.

    Attributes:
        agreed: Everybody does.
        differing: Peers that answer, and know something else still.
    """

    agreed: bool
    agreeing: tuple[str, ...]
    differing: tuple[str, ...]
    unreachable: tuple[Unreachable, ...]
