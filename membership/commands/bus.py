"""Where the API and the peer protocol hand in commands, and wait for what became of them."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from membership.commands.messages import SYSTEM_ORIGIN, Command, Origin, Receipt, Request
from membership.commands.processor import Processed
from membership.domain.events import RecordedEvent

log = logging.getLogger(__name__)


class Writer(Protocol):
    """Something that processes requests in batches and settles their futures."""

    def put(self, work: Request) -> "asyncio.Future[object]":
        """Queue *work*; the future is settled when its batch is."""

    async def stop(self) -> None:
        """Finish what is queued."""


class CommandBus:
    """Submits commands to the one writer and publishes what they recorded."""

    def __init__(self, start_writer: Callable[[Callable[..., None]], Writer]) -> None:
        self._listeners: list[Callable[[Sequence[RecordedEvent]], None]] = []
        self._writer = start_writer(self._settle)

    def subscribe(self, listener: Callable[[Sequence[RecordedEvent]], None]) -> None:
        """
        Call *listener* on the loop with each batch of new events, in the log's order.

        Listeners run in the order of subscription, before the caller of a command is answered.
        """
        self._listeners.append(listener)

    async def submit(self, command: Command, origin: Origin = SYSTEM_ORIGIN) -> Receipt:
        """
        Carry a command out; returns after its events are on disk and in the views.

        Raises:
            MembershipError: It is refused.
            StoreUnavailable: The log cannot be written now.
            WriterStopped: The agent is stopping.
        """
        outcome = await asyncio.shield(self._writer.put(Request(command, origin)))
        if not isinstance(outcome, Receipt):
            message = "the writer answers with receipts"
            raise TypeError(message)
        return outcome

    async def stop(self) -> None:
        """Finish what is queued and take no more."""
        await self._writer.stop()

    def _settle(self, processed: Processed, futures: Sequence["asyncio.Future[object]"]) -> None:
        outcomes = processed.outcomes
        try:
            self._publish(processed.events)
        except Exception as error:
            # It is on disk, and cannot be shown: whoever asked hears that, and does not wait for
            # ever.
            log.exception("what was recorded could not be published")
            outcomes = [error] * len(futures)
        for future, outcome in zip(futures, outcomes, strict=True):
            if isinstance(outcome, Receipt):
                future.set_result(outcome)
            else:
                future.set_exception(outcome)

    def _publish(self, events: Sequence[RecordedEvent]) -> None:
        if events:
            for listener in self._listeners:
                listener(events)
