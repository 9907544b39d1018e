"""
Entries of the history as JSON: every key, and nothing else.

An entry tells who did what, when, from where and why, and what was so before and after it. What is
secret is in no entry; signed records and the evidence of handshakes are in the export, as bytes.
"""

from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import TypeVar

import orjson

from membership.api import schema
from membership.domain.events import (
    CommandRefused,
    CredentialCreated,
    Event,
    LicenseEvent,
    PeerAdded,
    PeerEquivocated,
    PeerRemoved,
)
from membership.domain.history import Entry, Subject, actor_text
from membership.domain.license import License
from membership.domain.peer import Peer
from membership.domain.rfc3339 import rfc3339
from membership.domain.service import Service
from membership.domain.values import PeerId, UnixUs
from projections.past import Change, Difference, Differences, ServiceThen

SEQUENCE_DIGITS = 20
_AUTH_TYPES = {
    "client": "service_account",
    "operator": "user",
    "peer": "service_account",
    "system": "system",
}
Fields = Mapping[str, object]
T = TypeVar("T")


def encode_entry(entry: Entry) -> bytes:
    """Return an entry."""
    return orjson.dumps(_entry(entry))


def encode_cloud_event(entry: Entry, local_id: PeerId) -> bytes:
    """
    Return an entry as a CloudEvent 1.0, with the registered extensions that apply.

    Attributes that would be empty are left out, as the specification wants it.
    """
    recorded, metadata = entry.recorded, entry.recorded.metadata
    attributes = {
        "specversion": "1.0",
        "id": metadata.event_id,
        "source": f"/v1/peers/{local_id}",
        "type": entry.type,
        "subject": _subject_id(recorded.event),
        "time": rfc3339(metadata.occurred_at_us),
        "datacontenttype": "application/json",
        "sequence": f"{recorded.position:0{SEQUENCE_DIGITS}}",
        "recordedtime": rfc3339(metadata.recorded_at_us),
        "correlationid": metadata.correlation_id,
        "causationid": metadata.causation_id,
        "authtype": _AUTH_TYPES[metadata.actor.kind],
        "authid": actor_text(metadata.actor),
    }
    present: dict[str, object] = {name: value for name, value in attributes.items() if value}
    return orjson.dumps(present | {"data": _entry(entry)})


def encode_difference(difference: Difference, start_at_us: UnixUs, end_at_us: UnixUs) -> bytes:
    """Return what differs between two moments."""
    return orjson.dumps(
        {
            "from": _moment(difference.start, start_at_us),
            "to": _moment(difference.end, end_at_us),
            "peers": _differences(difference.peers, schema.encode_peer, _gone_peer),
            "services": _differences(
                difference.services, _service, lambda change: _service(change.before)
            ),
        }
    )


def _entry(entry: Entry) -> Fields:
    recorded, metadata = entry.recorded, entry.recorded.metadata
    event, actor = recorded.event, metadata.actor
    return {
        "position": recorded.position,
        "id": metadata.event_id,
        "type": entry.type,
        "subject": _subject_id(event),
        "subject_name": _subject_name(event, entry.after or entry.before),
        "version": recorded.version,
        "occurred_at": rfc3339(metadata.occurred_at_us),
        "recorded_at": rfc3339(metadata.recorded_at_us),
        "actor": {"kind": actor.kind, "id": actor.id, "scopes": actor.scopes},
        "source": metadata.source,
        "reason": metadata.reason,
        "outcome": "refused" if isinstance(event, CommandRefused) else "done",
        "changes": _changes(entry),
        "details": _details(entry),
        "request_id": metadata.request_id,
        "correlation_id": metadata.correlation_id,
        "causation_id": metadata.causation_id,
        "software": metadata.software,
    }


def _subject_id(event: Event) -> str:
    match event:
        case CommandRefused():
            return event.subject
        case LicenseEvent():
            return event.license_id
    return event.stream_id


def _subject_name(event: Event, subject: Subject | None) -> str:
    match subject:
        case Peer() | Service():
            return subject.name
        case License():
            return subject.customer
    return event.description if isinstance(event, CredentialCreated) else ""


def _changes(entry: Entry) -> Fields:
    event = entry.recorded.event
    before, after = _shown(entry.before), _shown(entry.after)
    if isinstance(event, CredentialCreated):
        after = {"description": event.description, "scopes": event.scopes}
    # What begins or ends to exist is told by what it has, not by what it has not.
    exists_throughout = bool(before and after)
    names = dict.fromkeys((*before, *after))
    return {
        name: {"before": before.get(name), "after": after.get(name)}
        for name in names
        if before.get(name) != after.get(name)
        and (exists_throughout or before.get(name) or after.get(name))
    }


def _shown(subject: Subject | None) -> Fields:
    match subject:
        case Peer():
            return _shown_peer(subject)
        case Service():
            return {
                "name": subject.name,
                "source_peer_id": subject.source_peer_id,
                "target_peer_id": subject.target_peer_id,
            }
        case License():
            return {
                "revision": subject.revision,
                "customer": subject.customer,
                "issued_at": rfc3339(subject.issued_at_us),
                "expires_at": rfc3339(subject.expires_at_us),
                "max_nodes": subject.max_nodes,
                "issuer": _base64(subject.issuer),
                "cluster_id": subject.cluster_id.hex(),
            }
    return {}


def _shown_peer(peer: Peer) -> Fields:
    waits_for_seat = peer.claimed_address != peer.address
    return {
        "status": peer.status.value,
        "name": peer.name,
        "own_name": peer.own_name,
        "label": peer.label,
        "address": peer.address,
        "claimed_address": peer.claimed_address if waits_for_seat else None,
        "public_key": _base64(peer.public_key),
        # The local peer's is the version of the entry itself.
        "subject_version": None if peer.is_local else peer.subject_version,
        "equivocated": peer.equivocated,
    }


def _details(entry: Entry) -> Fields:
    """Return what there is to know of an event beside the states of its subject."""
    match entry.recorded.event, entry.before:
        case PeerAdded() as event, _:
            return {"how": event.how, "introduced_by": event.introduced_by}
        case PeerRemoved(), Peer() as peer:
            return {"address": peer.address}
        case PeerEquivocated() as event, _:
            return {"subject_version": event.subject_version}
        case CommandRefused() as event, _:
            return {"command": event.command, "code": event.code, "message": event.message}
    return {}


def _moment(position: int, at_us: UnixUs) -> Fields:
    return {"position": position, "recorded_at": rfc3339(at_us)}


def _differences(
    differences: Differences[T], encode: Callable[[T], bytes], gone: Callable[[Change[T]], bytes]
) -> Fields:
    def plain(value: T) -> dict[str, object]:
        fields: dict[str, object] = orjson.loads(encode(value))
        return fields

    def changed(before: T, after: T) -> Fields:
        old, new = plain(before), plain(after)
        return {
            "id": new["id"],
            "name": new["name"],
            "changes": {
                name: {"before": old[name], "after": new[name]}
                for name in new
                if old[name] != new[name]
            },
        }

    return {
        "added": [plain(value) for value in differences.added],
        "removed": [orjson.Fragment(gone(change)) for change in differences.removed],
        "changed": [changed(c.before, c.after) for c in differences.changed if c.after is not None],
    }


def _gone_peer(change: Change[Peer]) -> bytes:
    return schema.encode_peer_with_standing(change.after or change.before)


def _service(then: ServiceThen) -> bytes:
    return schema.encode_service(then.service, then.inactive_reason)


def _base64(value: bytes) -> str:
    return b64encode(value).decode()
