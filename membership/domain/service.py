"""One service, folded from its events."""

from dataclasses import dataclass

from membership.domain.values import PeerId, ServiceId, UnixUs


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """
    A service between two peers.

    Whether it is active is not stored but derived from its two peers, so that it can neither lag
    behind them nor contradict them.
    """

    service_id: ServiceId
    name: str
    source_peer_id: PeerId
    target_peer_id: PeerId
    created_at_us: UnixUs
