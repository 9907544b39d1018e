"""What the API needs of the agent, handed in by wiring."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from membership.commands.bus import CommandBus
from membership.commands.messages import Origin, Receipt
from membership.commands.ports import Clock, IdSource, PeeringStatus, Randomness, SyncReport
from membership.domain.values import Address
from membership.proof.signing import Signer
from membership.transparency.log import TransparencyLog
from projections.live_history import History
from projections.views import Views


class PeeringPort(Protocol):
    """The part of the peer protocol that clients set off or look at."""

    async def add_peer(self, address: Address, label: str, origin: Origin) -> Receipt:
        """
        Shake hands with the agent at *address* and seat it; *label* is empty for none.

        The receipt's result is its id.

        Raises:
            MembershipError: Refused here or there, or the other side could not be proved.
        """

    async def sync(self, wait_s: float) -> SyncReport:
        """
        Compare with every peer now, and again until those that answer agree or *wait_s* is over.

        Raises:
            LocalPeerDeactivated: This agent has left.
            StoreUnavailable: What others told cannot be written now.
        """

    def status(self) -> PeeringStatus:
        """Return how this agent stands with the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiContext:
    """
    The agent as the API sees it.

    Attributes:
        signer: The agent's own key; signs the tokens.
        install_license: Verifies, saves and submits a raw licence document; raises
            `LicenseInvalid`.
        software: Name and version, such as `membership/0.1.0`.
    """

    views: Views
    history: History
    bus: CommandBus
    clock: Clock
    ids: IdSource
    randomness: Randomness
    signer: Signer
    peering: PeeringPort
    install_license: Callable[[bytes, Origin], Awaitable[Receipt]]
    log: TransparencyLog
    software: str


CONTEXT: web.AppKey[ApiContext] = web.AppKey("context", ApiContext)
