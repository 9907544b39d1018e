"""Facts about services."""

from dataclasses import dataclass

from membership.domain.events.event import Event
from membership.domain.values import PeerId, ServiceId, StreamId


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceEvent(Event):
    """A fact about one service."""

    service_id: ServiceId

    @property
    def stream_id(self) -> StreamId:
        """The service's own stream."""
        return StreamId(self.service_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRegistered(ServiceEvent):
    """A service between two active peers was registered."""

    stored_as = "service.registered.v1"

    name: str
    source_peer_id: PeerId
    target_peer_id: PeerId


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRemoved(ServiceEvent):
    """A service was removed."""

    stored_as = "service.removed.v1"
