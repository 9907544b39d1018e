"""What an auditor reads: events, each with what it changed, and the ways to ask for them."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

from membership.domain.events import (
    Actor,
    Event,
    LicenseEvent,
    PeerEvent,
    RecordedEvent,
    ServiceEvent,
)
from membership.domain.license import License
from membership.domain.peer import Peer
from membership.domain.service import Service
from membership.domain.values import PeerId, StreamId

Subject = Peer | Service | License
"""What an event may change; a peer is without its record, which stays in the log alone."""

_CHANGING = (PeerEvent, ServiceEvent, LicenseEvent)


class IndexDamaged(Exception):
    """The index of the history contradicts itself; it is thrown away and made anew."""


class State(NamedTuple):
    """A subject as the event at *position* left it; None when there was none any more."""

    position: int
    subject: Subject | None


class Facet(NamedTuple):
    """
    What entries may have in common; None is any.

    Attributes:
        peer: A peer that the event involves, whether or not it changed it.
        type: The event's type without its version, like `peer.renamed`.
        actor: Who did it, as `kind:id`.
    """

    peer: PeerId | None = None
    type: str | None = None
    actor: str | None = None

    def parts(self) -> Iterator["Facet"]:
        """Yield what an entry with this facet is to be found under, the peer always included."""
        for type_, actor in product((None, self.type), (None, self.actor)):
            if (self.peer, type_, actor) != (None, None, None):
                yield Facet(self.peer, type_, actor)

    def matches(self, entry: "Entry") -> bool:
        """Return whether *entry* has all of it."""
        return (
            (self.peer is None or self.peer in entry.peers)
            and self.type in (None, entry.type)
            and self.actor in (None, entry.actor)
        )


ANY = Facet()
"""What every entry has in common."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """
    One event, and what it is about before and after it.

    Attributes:
        subject_id: The stream of what it is about; None when that is not one thing in this log.
        previous: The position of the event that last changed the subject, 0 for none.
        before: The subject before; None when there was none.
        after: The subject after; None when there is none any more.
        peers: Every peer involved: the subject, who introduced it, both ends of a service.
    """

    recorded: RecordedEvent
    subject_id: StreamId | None
    previous: int
    before: Subject | None
    after: Subject | None
    peers: tuple[PeerId, ...]

    @property
    def type(self) -> str:
        """The event's type without its version."""
        return type_of(self.recorded.event)

    @property
    def actor(self) -> str:
        """Who did it, as `kind:id`."""
        return actor_text(self.recorded.metadata.actor)

    @property
    def is_change(self) -> bool:
        """Whether the event changed its subject, and is not merely about it."""
        return isinstance(self.recorded.event, _CHANGING)

    def facets(self) -> Iterator[Facet]:
        """Yield the fullest facets of the entry: one without a peer, and one for each."""
        type_, actor = self.type, self.actor
        for peer in (None, *self.peers):
            yield Facet(peer, type_, actor)


def type_of(event: Event | type[Event]) -> str:
    """Return `peer.renamed` for what is stored as `peer.renamed.v1`."""
    return event.stored_as.rpartition(".")[0]


def actor_text(actor: Actor) -> str:
    """Return an actor as it is asked for: `client:01J…`, `operator:operator`."""
    return f"{actor.kind}:{actor.id}"
