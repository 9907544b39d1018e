"""A network that loses, repeats, delays, reorders and cuts, as its seed decides."""

import asyncio
import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from membership.domain.values import Address
from membership.peering.transport import TransportFailed
from membership.peering.wire import MalformedFrame
from membership.store.errors import StoreUnavailable
from membership.store.writer import WriterStopped

TIMEOUT_S = 5.0
REPEAT_WITHIN_S = 20.0
MAX_OVERHEARD = 256


class Listener(Protocol):
    """Whoever answers at an address; *life* counts how often it was started there."""

    number: int
    address: Address
    lag_s: float
    lives: int

    async def answer(self, path: str, frame: bytes, source: str) -> bytes:
        """Return the answer; raises as `PeerEndpoint.handle`."""


@dataclass(slots=True)
class Weather:
    """How bad the network is: probabilities a frame, seconds of delay."""

    loss: float = 0.0
    repeat: float = 0.0
    delay_s: float = 0.02


@dataclass(frozen=True, slots=True)
class Overheard:
    """A frame that an attacker on the network has copied."""

    sender: int
    receiver: Address
    path: str
    frame: bytes


@dataclass(slots=True)
class FaultyNetwork:
    """
    Carries frames between hosts.

    Attributes:
        find: Returns who listens at an address now.
        cut: Pairs (from, to) of hosts whose frames do not arrive.
        carried: How many frames were sent, lost ones included.
        carried_bytes: Their size, with that of the answers.
        on_frame: Called for every frame with the address that it is sent to.
    """

    chance: random.Random
    find: Callable[[Address], Listener | None]
    weather: Weather = field(default_factory=Weather)
    cut: set[tuple[int, int]] = field(default_factory=set)
    overheard: list[Overheard] = field(default_factory=list)
    carried: int = 0
    carried_bytes: int = 0
    on_frame: Callable[[Address], None] = lambda _: None
    _repeats: set[asyncio.Task[None]] = field(default_factory=set)
    _answered: dict[bytes, tuple[int, int]] = field(default_factory=dict)

    async def carry(self, sender: Listener, address: Address, path: str, frame: bytes) -> bytes:
        """Return the answer to a frame; raises `TransportFailed`."""
        self.carried += 1
        self.carried_bytes += len(frame)
        self.on_frame(address)
        self._overhear(Overheard(sender.number, address, path, frame))
        await self._delay(sender)
        listener = self.find(address)
        if listener is None:
            raise TransportFailed("refused")
        if self._is_lost(sender.number, listener.number):
            await asyncio.sleep(TIMEOUT_S)
            raise TransportFailed("timeout")
        if self.chance.random() < self.weather.repeat:
            self._repeat_later(address, path, frame)
        answer = await self.deliver(listener, path, frame)
        await self._delay(listener)
        # Whoever crashed meanwhile sends nothing any more, and whoever moved is somebody else.
        if self.find(address) is not listener or self._is_lost(listener.number, sender.number):
            await asyncio.sleep(TIMEOUT_S)
            raise TransportFailed("timeout")
        self.carried_bytes += len(answer)
        return answer

    async def deliver(self, listener: Listener, path: str, frame: bytes) -> bytes:
        """Hand a frame over; raises `TransportFailed`."""
        try:
            answer = await listener.answer(path, frame, "10.0.0.1")
        except MalformedFrame:
            raise TransportFailed("wrong_protocol") from None
        except (StoreUnavailable, WriterStopped):
            raise TransportFailed("overloaded") from None
        self._answered[_name_of(frame)] = (listener.number, listener.lives)
        return answer

    def was_answered(self, listener: Listener, frame: bytes) -> bool:
        """Whether the agent that listens there now has dealt with this very frame before."""
        return self._answered.get(_name_of(frame)) == (listener.number, listener.lives)

    def _repeat_later(self, address: Address, path: str, frame: bytes) -> None:
        async def repeat() -> None:
            await asyncio.sleep(self.chance.uniform(0.0, REPEAT_WITHIN_S))
            listener = self.find(address)
            if listener is not None:
                try:
                    await self.deliver(listener, path, frame)
                except TransportFailed:
                    return

        task = asyncio.create_task(repeat())
        self._repeats.add(task)
        task.add_done_callback(self._repeats.discard)

    async def _delay(self, side: Listener) -> None:
        await asyncio.sleep(self.chance.expovariate(1.0 / self.weather.delay_s) + side.lag_s)

    def _is_lost(self, sender: int, receiver: int) -> bool:
        return (sender, receiver) in self.cut or self.chance.random() < self.weather.loss

    def _overhear(self, overheard: Overheard) -> None:
        if len(self.overheard) < MAX_OVERHEARD:
            self.overheard.append(overheard)
        else:
            self.overheard[self.chance.randrange(MAX_OVERHEARD)] = overheard


def _name_of(frame: bytes) -> bytes:
    return hashlib.blake2b(frame, digest_size=16).digest()
