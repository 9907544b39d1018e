"""The licence: what it allows, and where it stands in time."""

from dataclasses import dataclass
from enum import StrEnum

from membership.domain.events import LicenseEvent
from membership.domain.values import ClusterId, PublicKey, UnixUs

US_PER_DAY = 86_400_000_000
WARNING_DAYS = 30
GRACE_DAYS = 14


class LicenseState(StrEnum):
    """Where a licence stands in time."""

    VALID = "valid"
    WARNING = "warning"
    """It expires within 30 days."""
    GRACE = "grace"
    """It expired at most 14 days ago; everything works."""
    READ_ONLY = "read_only"
    """Expired, grace over: reads go on, writes are refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class License:
    """A licence without its secret; times in microseconds since the epoch."""

    license_id: str
    revision: int
    customer: str
    issued_at_us: UnixUs
    expires_at_us: UnixUs
    max_nodes: int
    issuer: PublicKey
    cluster_id: ClusterId
    signature: bytes

    def state(self, now_us: UnixUs) -> LicenseState:
        """Return where the licence stands at *now_us*."""
        if now_us >= self.expires_at_us + GRACE_DAYS * US_PER_DAY:
            return LicenseState.READ_ONLY
        if now_us >= self.expires_at_us:
            return LicenseState.GRACE
        if now_us >= self.expires_at_us - WARNING_DAYS * US_PER_DAY:
            return LicenseState.WARNING
        return LicenseState.VALID


def license_of(event: LicenseEvent) -> License:
    """Return the licence that an event installed or renewed."""
    return License(
        license_id=event.license_id,
        revision=event.revision,
        customer=event.customer,
        issued_at_us=event.issued_at_us,
        expires_at_us=event.expires_at_us,
        max_nodes=event.max_nodes,
        issuer=event.issuer,
        cluster_id=event.cluster_id,
        signature=event.signature,
    )
