"""
Events into entries of the history: what each was about, before and after it.

An event alone does not tell what it changed: a removal names a peer and not what was removed, a
licence does not name the one before it. So every entry carries its subject in both states. They
come from the same fold as everything else; there is no second notion of what an event does.
"""

from dataclasses import replace

from membership.domain.cluster import service_of
from membership.domain.errors import InvalidId
from membership.domain.events import (
    CommandRefused,
    LicenseEvent,
    PeerAdded,
    PeerEvent,
    RecordedEvent,
    ServiceEvent,
    ServiceRegistered,
)
from membership.domain.history import Entry, Subject
from membership.domain.license import license_of
from membership.domain.peer import Peer, evolve_peer
from membership.domain.service import Service
from membership.domain.values import PeerId, StreamId, parse_ulid


def subject_of(recorded: RecordedEvent) -> StreamId | None:
    """Return the stream of what the event is about; None when that is not one thing."""
    event = recorded.event
    if isinstance(event, PeerEvent | ServiceEvent | LicenseEvent):
        return event.stream_id
    named = _named(event.subject) if isinstance(event, CommandRefused) else ()
    return StreamId(named[0]) if len(named) == 1 else None


def entry_of(recorded: RecordedEvent, before: Subject | None, previous: int) -> Entry:
    """
    Return the entry of an event.

    Args:
        before: The state that its subject had, from the log up to this event.
        previous: The position of the event that made *before*, 0 for none.
    """
    return Entry(
        recorded=recorded,
        subject_id=subject_of(recorded),
        previous=previous,
        before=before,
        after=_evolved(before, recorded),
        peers=tuple(dict.fromkeys(_involved(recorded, before))),
    )


def _evolved(before: Subject | None, recorded: RecordedEvent) -> Subject | None:
    match recorded.event:
        case PeerEvent():
            peer = evolve_peer(before if isinstance(before, Peer) else None, recorded)
            return replace(peer, record=b"") if peer.record else peer
        case ServiceRegistered() as event:
            return service_of(event, recorded)
        case ServiceEvent():
            return None
        case LicenseEvent() as event:
            return license_of(event)
    return before


def _involved(recorded: RecordedEvent, before: Subject | None) -> tuple[PeerId, ...]:
    match recorded.event:
        case PeerAdded() as event if event.introduced_by is not None:
            return event.peer_id, event.introduced_by
        case PeerEvent() as event:
            return (event.peer_id,)
        case ServiceRegistered() as event:
            return event.source_peer_id, event.target_peer_id
        case ServiceEvent() | CommandRefused() if isinstance(before, Service):
            return before.source_peer_id, before.target_peer_id
        case CommandRefused(subject=subject):
            # Also of peers that are unknown here: who tried what with them may be asked, too.
            return tuple(map(PeerId, _named(subject)))
    return ()


def _named(subject: str) -> tuple[str, ...]:
    """Return the ids in the subject of a refused command, which may also be an address."""
    try:
        return tuple(parse_ulid(word) for word in subject.split())
    except InvalidId:
        return ()
