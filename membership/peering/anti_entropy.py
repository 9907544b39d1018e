"""
Anti-entropy: whoever missed something learns it from anybody.

Push reaches who is up, at once. Everything else is the work of a quiet round: every 10 seconds
each agent compares one digest with one other agent. Nearly always they are equal, and a round
costs one small message and its answer, whatever the size of the cluster. When they differ, three
short messages settle it:

    digest    → ours                         ← theirs, and the sums of their buckets
    summary   → who we know there, how far   ← records that we lack, names that they lack
    records   → what they lack               ← what became of each

Since records prove themselves, it does not matter who passes them on; so a peer that was off
for a week hears from the first agent that it meets of everyone who left, moved or was renamed.
Once a minute an agent that could not be reached is tried too, because somebody has to find out
that it is back. The rounds of different agents drift apart by chance.
"""

import asyncio
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from membership.commands.ports import Randomness
from membership.domain.admission import Admission
from membership.domain.events import PeerAdded, RecordedEvent
from membership.domain.values import PeerId, ulid_bytes, ulid_text
from membership.peering.book import BUCKET_BYTES, BUCKETS, DIGEST_BYTES, RecordBook, Standing
from membership.peering.envelope import ID_BYTES
from membership.peering.health import Health
from membership.peering.intake import RecordIntake
from membership.peering.local import LocalAgent
from membership.peering.messenger import RECORDS, VERDICTS, DeliveryFailed, Messenger
from membership.peering.partners import Partners
from membership.peering.records import open_record
from membership.peering.wire import MAX_FRAME_BYTES, MalformedFrame, check_shape, sized
from membership.store.errors import StoreError
from membership.store.writer import WriterStopped

DIGEST, SUMMARY = "digest", "summary"
ROUND_S = 10.0
ROUND_SPREAD = 0.2
FIRST_ROUND_S = 2.0
UNREACHABLE_EVERY_S = 60.0
MAX_RECORDS = 128
MAX_ENTRIES = 1_500
_MAX_RECORD_BYTES = MAX_FRAME_BYTES * 3 // 4

log = logging.getLogger(__name__)


class AntiEntropy:
    """Runs the rounds; `exchange` is one of them."""

    def __init__(
        self,
        local: LocalAgent,
        book: RecordBook,
        intake: RecordIntake,
        messenger: Messenger,
        health: Health,
        randomness: Randomness,
    ) -> None:
        self._book = book
        self._intake = intake
        self._messenger = messenger
        self._health = health
        self._randomness = randomness
        self._partners = Partners(local, health, randomness)
        self._acquaintances: asyncio.Queue[PeerId] = asyncio.Queue()

    def on_events(self, events: Iterable[RecordedEvent]) -> None:
        """Exchange at once with whom an operator added: two clusters may just have met."""
        for recorded in events:
            event = recorded.event
            if isinstance(event, PeerAdded) and event.how == Admission.OPERATOR:
                self._acquaintances.put_nowait(event.peer_id)

    def sign_of_life(self, peer_id: PeerId) -> None:
        """Exchange soon with a peer that was just heard from, if it did not answer before."""
        if self._partners.needs_probe(peer_id):
            self._acquaintances.put_nowait(peer_id)

    async def run(self) -> None:
        """Run rounds for ever."""
        loop = asyncio.get_running_loop()
        due_s = loop.time() + self._randomness.uniform(0.0, FIRST_ROUND_S)
        unreachable_due_s = loop.time() + UNREACHABLE_EVERY_S
        while True:
            await self._meet_acquaintances(due_s)
            await self._round(self._partners.pick(reachable=True))
            if loop.time() >= unreachable_due_s:
                unreachable_due_s = loop.time() + UNREACHABLE_EVERY_S
                await self._round(self._partners.pick(reachable=False))
            spread = self._randomness.uniform(1 - ROUND_SPREAD, 1 + ROUND_SPREAD)
            due_s = loop.time() + ROUND_S * spread

    async def _meet_acquaintances(self, until_s: float) -> None:
        loop = asyncio.get_running_loop()
        while loop.time() < until_s:
            try:
                # No wait_for: one that is cancelled as its end comes, goes on (gh-86296).
                async with asyncio.timeout_at(until_s):
                    partner = await self._acquaintances.get()
            except TimeoutError:
                return
            await self._round(partner)

    async def _round(self, partner: PeerId | None) -> None:
        if partner is None or not self._partners.include(partner):
            return
        try:
            await self.exchange(partner)
        except DeliveryFailed as failure:
            log.debug("no exchange with %s: %s", partner, failure)
        except (StoreError, WriterStopped) as failure:
            log.debug("an exchange with %s was cut short: %s", partner, failure)
        except Exception:
            log.exception("an exchange with %s failed in an unforeseen way", partner)

    async def exchange(self, partner: PeerId) -> bool:
        """
        Compare with one peer and settle what differs; return whether both know the same now.

        Raises:
            DeliveryFailed: The peer did not answer as it should.
            StoreUnavailable: What it told cannot be written now.
        """
        theirs, buckets = await self._compare(partner)
        if theirs == self._book.digest():
            return True
        try:
            await self._settle(partner, self._book.differing(buckets))
        except MalformedFrame as failure:
            raise DeliveryFailed(str(failure)) from None
        theirs, _ = await self._compare(partner)
        return theirs == self._book.digest()

    async def _compare(self, partner: PeerId) -> tuple[bytes, bytes]:
        answer = await self._messenger.ask(partner, DIGEST, [self._book.digest()], DIGEST)
        try:
            check_shape(answer, (bytes, bytes))
            theirs, ours = sized(answer[0], DIGEST_BYTES, "a digest"), self._book.digest()
            self._health.compared(partner, ours=ours, theirs=theirs)
            if theirs == ours:
                return theirs, b""
            return theirs, sized(answer[1], BUCKETS * BUCKET_BYTES, "the sums of the buckets")
        except MalformedFrame as failure:
            raise DeliveryFailed(str(failure)) from None

    async def _settle(self, partner: PeerId, differing: Sequence[int]) -> None:
        indexes, entries = self._fitting(differing)
        body = [list(indexes), [[ulid_bytes(p), *s] for p, s in entries.items()]]
        answer = await self._messenger.ask(partner, SUMMARY, body, SUMMARY)
        check_shape(answer, (list, list))
        records, wanted = answer
        check_shape(records, [bytes] * len(records))
        for record in [open_record(signed) for signed in records]:
            await self._intake.take(record, partner, source="", correlation_id="anti-entropy")
        names = [_peer_id(raw) for raw in wanted]
        for chunk in _chunks([self._book.signed_record(name) for name in names]):
            await self._messenger.ask(partner, RECORDS, chunk, VERDICTS)

    def _fitting(self, indexes: Sequence[int]) -> tuple[Sequence[int], Mapping[PeerId, Standing]]:
        """Return as many of the buckets as one message holds; the others wait for a round."""
        chosen: list[int] = []
        entries: dict[PeerId, Standing] = {}
        for index in indexes:
            more = self._book.in_buckets([index])
            if chosen and len(entries) + len(more) > MAX_ENTRIES:
                break
            chosen.append(index)
            entries |= more
        return chosen, entries

    def answer_digest(self, sender: PeerId, body: list[Any]) -> list[Any]:
        """Return this agent's digest, and its buckets when the sender's differs."""
        check_shape(body, (bytes,))
        theirs, ours = sized(body[0], DIGEST_BYTES, "a digest"), self._book.digest()
        self._health.compared(sender, ours=ours, theirs=theirs)
        return [ours, b"" if theirs == ours else self._book.buckets()]

    def answer_summary(self, body: list[Any]) -> list[Any]:
        """Return the records that the sender lacks, and the ids whose records it has."""
        check_shape(body, (list, list))
        indexes, entries = body
        check_shape(indexes, [int] * len(indexes))
        if len(indexes) > BUCKETS or not all(0 <= index < BUCKETS for index in indexes):
            message = "there is no such bucket"
            raise MalformedFrame(message)
        ours, theirs = self._book.in_buckets(indexes), dict(_entries(entries))
        behind = [p for p, standing in ours.items() if standing.is_news_to(theirs.get(p))]
        ahead = [p for p, standing in theirs.items() if standing.is_news_to(ours.get(p))]
        first = next(_chunks([self._book.signed_record(name) for name in behind]), [])
        return [first, [ulid_bytes(name) for name in ahead[:MAX_RECORDS]]]


def _entries(entries: list[Any]) -> Iterator[tuple[PeerId, Standing]]:
    for entry in entries:
        check_shape(entry, (bytes, bool, int, int))
        yield _peer_id(entry[0]), Standing(*entry[1:])


def _peer_id(raw: object) -> PeerId:
    if not isinstance(raw, bytes):
        message = "a peer id is bytes"
        raise MalformedFrame(message)
    return PeerId(ulid_text(sized(raw, ID_BYTES, "a peer id")))


def _chunks(records: Sequence[bytes | None]) -> Iterator[list[bytes]]:
    """Yield the records in messages that fit a frame."""
    chunk: list[bytes] = []
    size = 0
    for record in records:
        if not record:
            continue
        if len(chunk) == MAX_RECORDS or size + len(record) > _MAX_RECORD_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk.append(record)
        size += len(record)
    if chunk:
        yield chunk
