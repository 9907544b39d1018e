"""
Witnessed: how the agent's own log gets its cosignatures.

When its log has a new checkpoint, an agent shows it to its peers, some at each round, with the
proof that it continues what each of them has seen. What they answer is theirs to sign, under the
rules of `membership.peering.witness`. With every message go a few notes of other logs; and when
there is nothing new, such notes go to somebody once a minute all the same, so that two views of one
log meet (see `membership.peering.hearsay`).

A round never waits for a write, and no write for a round. A witness that is away is shown the
newest checkpoint when it is back, and none of those between.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from membership.commands.ports import Clock, Randomness
from membership.domain.values import PeerId
from membership.peering.health import Health
from membership.peering.hearsay import PROVE, Hearsay
from membership.peering.local import LocalAgent
from membership.peering.messenger import REFUSED, DeliveryFailed, Messenger
from membership.peering.recollection import RECALL, Recollection
from membership.peering.wire import MalformedFrame, check_shape
from membership.peering.witness import Proof, Witness
from membership.proof.checkpoint import SignedCheckpoint, parse_checkpoint
from membership.proof.cosignature import verify_cosignature, witness_key, witness_name
from membership.proof.note import InvalidNote, parse_note, parse_signature
from membership.store.errors import StoreError
from membership.store.rows import StoredCosignature
from membership.store.writer import WriterStopped
from membership.transparency.log import TransparencyLog

WITNESS = "witness"
KINDS = frozenset({WITNESS, PROVE, RECALL})
ROUND_S = 10.0
ROUND_SPREAD = 0.2
FIRST_ROUND_S = 4.0
PASS_ON_S = 60.0
MAX_PARTNERS = 16

log = logging.getLogger(__name__)


class Witnessing:
    """Runs the rounds, and answers those of others."""

    def __init__(
        self,
        local: LocalAgent,
        own_log: TransparencyLog,
        witness: Witness,
        recollection: Recollection,
        hearsay: Hearsay,
        messenger: Messenger,
        health: Health,
        *,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self._local = local
        self._log = own_log
        self._witness = witness
        self._recollection = recollection
        self._hearsay = hearsay
        self._messenger = messenger
        self._health = health
        self._clock = clock
        self._randomness = randomness
        self._origin = own_log.key.name
        self._seen: dict[PeerId, int] = {}
        self._shown: dict[PeerId, int] = {}

    def start(self, cosignatures: Sequence[StoredCosignature]) -> None:
        """Take up what the witnesses said last; ask them, before anything else is signed."""
        self._seen = {row.witness_id: row.size for row in cosignatures}
        self._recollection.start(has_witnesses=bool(self._peers()))

    def witnessed_size(self, peer_id: PeerId) -> int:
        """Return the largest checkpoint of this log that a peer has cosigned, 0 for none."""
        return self._seen.get(peer_id, 0) if self._origin == self._log.key.name else 0

    async def run(self) -> None:
        """Run rounds for ever."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._randomness.uniform(0.0, FIRST_ROUND_S))
        pass_on_s = loop.time() + self._randomness.uniform(0.0, PASS_ON_S)
        while True:
            partners = self._sample(self._behind())
            if not partners and loop.time() >= pass_on_s:
                pass_on_s = loop.time() + PASS_ON_S
                partners = self._sample(self._in_reach())[:1] or self._sample(self._peers())
            if self._local.peer.is_active:
                await self._round(partners)
            spread = self._randomness.uniform(1 - ROUND_SPREAD, 1 + ROUND_SPREAD)
            await asyncio.sleep(ROUND_S * spread)

    async def _round(self, partners: Sequence[PeerId]) -> None:
        try:
            if self._recollection.is_complete:
                await asyncio.gather(*map(self._show, partners))
            else:
                # Whoever is in reach is asked at once, and all the others once a minute.
                witnesses = self._sample(self._in_reach()) or partners
                if witnesses or not self._peers():
                    await self._recollection.recall(witnesses)
            await self._witness.judge_the_silent()
        except (StoreError, WriterStopped) as failure:
            log.debug("a round of witnesses was cut short: %s", failure)
        except Exception:
            log.exception("a round of witnesses failed in an unforeseen way")

    def _peers(self) -> list[PeerId]:
        return [p.peer_id for p in self._local.views.peers.active() if not p.is_local]

    def _behind(self) -> list[PeerId]:
        """Return the peers in reach that were not shown the newest checkpoint yet."""
        newest = self._log.newest
        if newest is None:
            return []
        if self._origin != self._log.key.name:
            self._origin, self._seen, self._shown = self._log.key.name, {}, {}
        return [
            peer_id
            for peer_id in self._in_reach()
            if max(self._shown.get(peer_id, 0), self._seen.get(peer_id, 0)) < newest.size
        ]

    def _in_reach(self) -> list[PeerId]:
        return [
            peer_id for peer_id in self._peers() if self._health.reachable(peer_id) is not False
        ]

    def _sample(self, peers: list[PeerId]) -> list[PeerId]:
        chosen: list[PeerId] = []
        while peers and len(chosen) < MAX_PARTNERS:
            chosen.append(peers.pop(self._randomness.choice_index(len(peers))))
        return chosen

    async def _show(self, partner: PeerId) -> None:
        """
        Show one peer the newest checkpoint, again if it knows another one than was thought.

        Raises nothing: what one of many raises would hide from `gather` that it was cancelled.
        """
        newest = self._log.newest
        if newest is None:
            return
        try:
            held = await self._show_once(partner, newest, self._seen.get(partner, 0))
            if held is not None and await self._recollection.meet(held):
                size = parse_checkpoint(parse_note(held).text).size
                if 0 < size < newest.size:
                    await self._show_once(partner, newest, size)
        except (DeliveryFailed, InvalidNote, MalformedFrame, StoreError, WriterStopped) as failure:
            log.debug("%s did not witness: %s", partner, failure)

    async def _show_once(
        self, partner: PeerId, newest: SignedCheckpoint, known_size: int
    ) -> bytes | None:
        """Return None when the peer has cosigned, else the note that it holds of this log."""
        path: Sequence[bytes] = ()
        if 0 < known_size < newest.size:
            path = await self._log.consistency_proof(known_size, newest.size)
        body = [bytes(newest.note), known_size, list(path), self._hearsay.some(partner)]
        answer = await self._messenger.ask(partner, WITNESS, body, WITNESS)
        check_shape(answer, (str, bytes, list))
        line, held, notes = answer
        check_shape(notes, [bytes] * len(notes))
        self._hearsay.take(notes)
        self._shown[partner] = newest.size
        if not line:
            return bytes(held)
        await self._save(partner, newest, line)
        return None

    async def _save(self, partner: PeerId, newest: SignedCheckpoint, line: str) -> None:
        peer = self._local.views.peers.get(partner)
        if peer is None or newest.checkpoint.origin != self._log.key.name:
            return
        key = witness_key(witness_name(self._local.cluster_id, partner), peer.public_key)
        signature = parse_signature(line.removesuffix("\n"))
        verify_cosignature(signature, key, newest.note.text)
        row = StoredCosignature(partner, newest.size, signature.line, self._clock.now_us())
        await self._log.save_cosignature(row)
        self._seen[partner] = newest.size

    async def answer(self, kind: str, sender: PeerId, body: list[Any]) -> tuple[str, list[Any]]:
        """
        Return the kind and the body of the answer to a message of one of `KINDS`.

        Raises:
            MalformedFrame: It is none.
            StoreUnavailable: What it brings cannot be kept now.
        """
        if kind == WITNESS:
            return WITNESS, await self._answer_witness(sender, body)
        if kind == RECALL:
            head = self._witness.head(sender)
            return RECALL, [head.note if head is not None else b""]
        check_shape(body, (int, int))
        first, second = body
        newest = self._log.newest
        if newest is None or not 0 < first <= second <= newest.size:
            return REFUSED, ["no_such_size"]
        return PROVE, list(await self._log.consistency_proof(first, second))

    async def _answer_witness(self, sender: PeerId, body: list[Any]) -> list[Any]:
        check_shape(body, (bytes, int, list, list))
        note, known_size, path, notes = body
        check_shape(path, [bytes] * len(path))
        check_shape(notes, [bytes] * len(notes))
        try:
            shown = self._witness.open(note)
        except InvalidNote as failure:
            raise MalformedFrame(str(failure)) from None
        if shown.peer_id != sender:
            message = "it is a checkpoint of another log"
            raise MalformedFrame(message)
        line, held = await self._witness.show(shown, Proof(known_size, shown.size, path))
        self._hearsay.take(notes)
        return [line, held, self._hearsay.some(sender)]
