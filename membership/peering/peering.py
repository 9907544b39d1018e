"""The peer protocol, put together."""

from collections.abc import Sequence
from dataclasses import dataclass

from membership.commands.bus import CommandBus
from membership.commands.messages import Origin, Receipt
from membership.commands.ports import Clock, DestinationStatus, Randomness
from membership.domain.admission import Admission
from membership.domain.values import Address
from membership.peering.broadcaster import Broadcaster
from membership.peering.endpoint import PeerEndpoint
from membership.peering.inbox import Inbox
from membership.peering.initiator import Errand, Initiator
from membership.peering.invitations import Invitations
from membership.peering.local import LocalAgent
from membership.peering.messenger import Messenger
from membership.peering.responder import Responder
from membership.peering.transport import Transport
from membership.store.rows import Delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the peer protocol gets from outside, real or simulated."""

    bus: CommandBus
    transport: Transport
    clock: Clock
    randomness: Randomness


class Peering:
    """
    One agent's side of the peer protocol.

    Attributes:
        endpoint: Answers frames that arrive.
    """

    def __init__(self, local: LocalAgent, around: Surroundings) -> None:
        clock, randomness = around.clock, around.randomness
        invitations = Invitations()
        messenger = Messenger(local, around.transport, clock=clock, randomness=randomness)
        self._broadcaster = Broadcaster(
            local, around.bus, messenger, clock=clock, randomness=randomness
        )
        self._initiator = Initiator(
            local=local,
            bus=around.bus,
            transport=around.transport,
            clock=clock,
            randomness=randomness,
            invitations=invitations,
        )
        self.endpoint = PeerEndpoint(
            Responder(local, around.bus, randomness, invitations),
            Inbox(local, around.bus),
            self._broadcaster,
        )

    def start(self, deliveries: Sequence[Delivery]) -> None:
        """Begin to tell others what they have not heard yet."""
        self._broadcaster.start(deliveries)

    async def stop(self) -> None:
        """Cancel and await every background task."""
        await self._broadcaster.stop()

    async def add_peer(self, address: Address, label: str, origin: Origin) -> Receipt:
        """Add the agent at *address*; raises as `Initiator.add`."""
        errand = Errand(address=address, how=Admission.OPERATOR, origin=origin, label=label)
        return await self._initiator.add(errand)

    def destinations(self) -> Sequence[DestinationStatus]:
        """Return how far each peer has heard of this agent's own changes."""
        return self._broadcaster.destinations()
