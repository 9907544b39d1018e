"""Facts about the agent itself: its licences, its clients, its log, what it refused."""

from dataclasses import dataclass

from membership.domain.events.event import Event
from membership.domain.values import ClusterId, PublicKey, StreamId, UnixUs

LICENSE_STREAM = StreamId("00000000000000000000000001")
"""The licences of this agent, one revision after the other."""

REFUSALS_STREAM = StreamId("00000000000000000000000002")
"""Writes of authenticated callers that were refused."""

LOG_STREAM = StreamId("00000000000000000000000003")
"""What happened to the log itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenseEvent(Event):
    """A fact about this agent's licence; its secret is never part of it."""

    license_id: str
    revision: int
    customer: str
    issued_at_us: UnixUs
    expires_at_us: UnixUs
    max_nodes: int
    issuer: PublicKey
    cluster_id: ClusterId
    signature: bytes

    @property
    def stream_id(self) -> StreamId:
        """The one stream of licences."""
        return LICENSE_STREAM


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenseInstalled(LicenseEvent):
    """The first licence; its issuer is pinned from here on."""

    stored_as = "license.installed.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenseRenewed(LicenseEvent):
    """A higher revision of the same licence."""

    stored_as = "license.renewed.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialCreated(Event):
    """A client may ask for tokens. *secret_hash* is an argon2id string."""

    stored_as = "credential.created.v1"

    client_id: StreamId
    description: str
    scopes: tuple[str, ...]
    secret_hash: str

    @property
    def stream_id(self) -> StreamId:
        """The credential's own stream."""
        return self.client_id


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRefused(Event):
    """
    An authenticated caller asked for a change and was refused.

    Attributes:
        command: What was asked, as method and route.
        subject: What it was asked of: an id, an address, or empty.
        code: The error code that the caller received.
        message: The sentence that the caller received.
    """

    stored_as = "command.refused.v1"

    command: str
    subject: str
    code: str
    message: str

    @property
    def stream_id(self) -> StreamId:
        """The one stream of refusals."""
        return REFUSALS_STREAM


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochBegan(Event):
    """
    The agent signs its log under a new origin from here on.

    It had signed a checkpoint that its log does not bear out: an old backup was put back, and the
    entries behind it are lost. *former_checkpoint* is that note, the largest that anybody had
    kept: it names the origin, size and root of what was.
    """

    stored_as = "log.epoch_began.v1"

    epoch: int
    former_checkpoint: bytes

    @property
    def stream_id(self) -> StreamId:
        """The one stream of the log itself."""
        return LOG_STREAM
