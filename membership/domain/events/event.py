"""An event, and what stands beside it in the log."""

from dataclasses import dataclass, field
from typing import ClassVar

from membership.domain.values import StreamId, UnixUs


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A fact about one stream."""

    stored_as: ClassVar[str]

    @property
    def stream_id(self) -> StreamId:
        """The stream that this fact belongs to."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who did it: *kind* is `client`, `operator`, `peer` or `system`; *id* within its kind."""

    kind: str
    id: str
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """
    What every event carries beside its fact.

    Attributes:
        event_id: A ULID of its own.
        occurred_at_us: When the cause happened, by the clock of whoever caused it.
        recorded_at_us: When this agent wrote it, by this agent's clock.
        source: The address that the request came from, empty when it came from inside.
        request_id: The request that caused it, as in `X-Request-Id`.
        correlation_id: What belongs together across agents.
        causation_id: The event or message that led to it, empty for a direct command.
        reason: What the caller gave as `X-Reason`.
        software: Name and version of the writing software.
    """

    event_id: str
    occurred_at_us: UnixUs
    recorded_at_us: UnixUs
    actor: Actor
    source: str = ""
    request_id: str = ""
    correlation_id: str = ""
    causation_id: str = ""
    reason: str = ""
    software: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedEvent:
    """
    An event as it stands in the log.

    Attributes:
        position: Its place in this agent's whole log, dense from 1.
        version: Its place in its own stream, dense from 1.
    """

    position: int
    version: int
    event: Event
    metadata: Metadata = field(repr=False)
