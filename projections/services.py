"""
The services, with their activity derived from their peers.

Whether a service is active is asked of the peers at the moment of reading, so a service turns
inactive in the same moment as a peer of its leaves or is removed.
"""

from collections.abc import Iterable, Iterator

from membership.domain.cluster import service_of
from membership.domain.events import RecordedEvent, ServiceRegistered, ServiceRemoved
from membership.domain.peer import PeerStatus
from membership.domain.service import Service
from membership.domain.values import PeerId, ServiceId
from projections.peers import PeersView


class ServicesView:
    """Registered services, by time of creation, then id."""

    def __init__(self, peers: PeersView) -> None:
        self._peers = peers
        self._services: dict[ServiceId, Service] = {}

    def apply(self, recorded: RecordedEvent) -> None:
        """Fold one event in; events of other streams change nothing here."""
        event = recorded.event
        if isinstance(event, ServiceRegistered):
            self._services[event.service_id] = service_of(event, recorded)
        elif isinstance(event, ServiceRemoved):
            self._services.pop(event.service_id, None)

    def restore(self, services: Iterable[Service]) -> None:
        """Take over what another fold came to, instead of its events."""
        self._services = {service.service_id: service for service in services}

    def get(self, service_id: ServiceId) -> Service | None:
        """Return a registered service."""
        return self._services.get(service_id)

    def all(self, involving: PeerId | None = None) -> Iterator[Service]:
        """Yield the services, or those that involve one peer as source or target."""
        ordered = sorted(self._services.values(), key=lambda s: (s.created_at_us, s.service_id))
        for service in ordered:
            if involving in (None, service.source_peer_id, service.target_peer_id):
                yield service

    def inactive_reason(self, service: Service) -> str | None:
        """Return why a service is inactive in a sentence, None while it is active."""
        for role, peer_id in (
            ("source", service.source_peer_id),
            ("target", service.target_peer_id),
        ):
            peer = self._peers.get(peer_id)
            if peer is None or not peer.is_active:
                left = peer is not None and peer.status is PeerStatus.LEFT
                return f"the {role} peer {'left the cluster' if left else 'was removed'}"
        return None
