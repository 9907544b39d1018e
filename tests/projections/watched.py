"""Views that are watched: which peers were encoded, and when."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from membership.domain.events import Event, RecordedEvent
from membership.domain.peer import Peer
from projections.views import Views
from tests.domain.histories import created, licensed, recorded


@dataclass(slots=True)
class Watched:
    """
    Views over a log that grows.

    Attributes:
        encoded: The name of each peer that was encoded, in order.
    """

    log: list[RecordedEvent] = field(default_factory=list)
    encoded: list[str] = field(default_factory=list)
    views: Views = field(init=False)

    def __post_init__(self) -> None:
        self.views = Views(self._encode)

    def happen(self, *events: Event) -> None:
        """Let events happen, one a second, and the views follow."""
        new = recorded(*events, after=self.log)
        self.log += new
        self.views.apply(new)

    def _encode(self, peer: Peer) -> bytes:
        self.encoded.append(peer.name or peer.address.partition(".")[0])
        return body_of(peer)


def body_of(peer: Peer) -> bytes:
    """Return what stands for the JSON of a peer."""
    return f"{peer.peer_id} {peer.name!r} {peer.address} {peer.created_at_us}".encode()


def founded(*events: Event) -> Watched:
    """Return the watched views of a licensed agent after *events*."""
    watched = Watched()
    watched.happen(created(), licensed(), *events)
    return watched


def rebuilt(log: Iterable[RecordedEvent]) -> Views:
    """Return views over a log that was there before they were."""
    views = Views(body_of)
    views.apply(log)
    return views
