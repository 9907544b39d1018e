"""
The facts. Each is a frozen value with a stored name that never changes.

A stored name is not a Python path, so classes may move; a new shape of an old fact gets the
next number and an upcaster in `membership.store.codec`, and the old bytes stay readable for
ever. The order of the fields is the order of the stored array: append, never reorder.

The stream of an event is given by `stream_id`; position and version are added by the store.
"""

from membership.domain.events.agent import (
    LICENSE_STREAM,
    LOG_STREAM,
    REFUSALS_STREAM,
    CommandRefused,
    CredentialCreated,
    EpochBegan,
    LicenseEvent,
    LicenseInstalled,
    LicenseRenewed,
)
from membership.domain.events.event import (
    Actor,
    Event,
    Metadata,
    RecordedEvent,
)
from membership.domain.events.peers import (
    HandshakeEvidence,
    PeerAdded,
    PeerAttested,
    PeerCreated,
    PeerDeactivated,
    PeerEpochObserved,
    PeerEquivocated,
    PeerEvent,
    PeerForked,
    PeerReaddressed,
    PeerRemoved,
    PeerRenamed,
    PeerResumed,
)
from membership.domain.events.services import (
    ServiceEvent,
    ServiceRegistered,
    ServiceRemoved,
)

EVENT_TYPES: tuple[type[Event], ...] = (
    PeerCreated,
    PeerAdded,
    PeerRenamed,
    PeerReaddressed,
    PeerAttested,
    PeerRemoved,
    PeerDeactivated,
    PeerEquivocated,
    PeerResumed,
    PeerForked,
    PeerEpochObserved,
    ServiceRegistered,
    ServiceRemoved,
    LicenseInstalled,
    LicenseRenewed,
    CredentialCreated,
    CommandRefused,
    EpochBegan,
)
"""Every event that this version writes; the codec's table is made from it."""

__all__ = [
    "EVENT_TYPES",
    "LICENSE_STREAM",
    "LOG_STREAM",
    "REFUSALS_STREAM",
    "Actor",
    "CommandRefused",
    "CredentialCreated",
    "EpochBegan",
    "Event",
    "HandshakeEvidence",
    "LicenseEvent",
    "LicenseInstalled",
    "LicenseRenewed",
    "Metadata",
    "PeerAdded",
    "PeerAttested",
    "PeerCreated",
    "PeerDeactivated",
    "PeerEpochObserved",
    "PeerEquivocated",
    "PeerEvent",
    "PeerForked",
    "PeerReaddressed",
    "PeerRemoved",
    "PeerRenamed",
    "PeerResumed",
    "RecordedEvent",
    "ServiceEvent",
    "ServiceRegistered",
    "ServiceRemoved",
]
