"""
Whom an agent exchanges with next.

Partners take turns, in an order that is shuffled each time, so that every peer is asked within as
many rounds as there are peers, and what the status says of one is never older than that. Chance
alone leaves some of 100 peers unasked for an hour. A peer that failed once is asked again in the
next round, so that a doubt does not last; and one that did not answer before is asked as soon as it
is heard from.

Source of the turns: A. Das et al., "SWIM", 2002, section 4.3.
"""

import asyncio

from membership.commands.ports import Randomness
from membership.domain.values import PeerId
from membership.peering.health import Health
from membership.peering.local import LocalAgent

PROBE_INTERVAL_S = 60.0


class Partners:
    """Picks partners by what is known of their health."""

    def __init__(self, local: LocalAgent, health: Health, randomness: Randomness) -> None:
        self._local = local
        self._health = health
        self._randomness = randomness
        self._turns: dict[bool, list[PeerId]] = {True: [], False: []}
        self._probed_s: dict[PeerId, float] = {}

    def include(self, peer_id: PeerId) -> bool:
        """Return whether the two have anything to tell each other: not once either has left."""
        peer = self._local.views.peers.get(peer_id)
        return self._local.peer.is_active and peer is not None and peer.is_active

    def pick(self, *, reachable: bool) -> PeerId | None:
        """Return whose turn it is, among the unreachable ones or all others."""
        candidates = [
            peer.peer_id
            for peer in self._local.views.peers.active()
            if not peer.is_local
            and (self._health.reachable(peer.peer_id) is not False) is reachable
        ]
        for peer_id in candidates:
            if self._health.is_doubtful(peer_id):
                return peer_id
        present = set(candidates)
        turns = [peer_id for peer_id in self._turns[reachable] if peer_id in present]
        turns = turns or sorted(candidates, key=lambda _: self._randomness.uniform(0.0, 1.0))
        self._turns[reachable] = turns
        return turns.pop() if turns else None

    def needs_probe(self, peer_id: PeerId) -> bool:
        """Return, once a minute, whether a peer that was just heard from did not answer before."""
        if self._health.reachable(peer_id) is not False or not self.include(peer_id):
            return False
        # Two agents that cannot answer each other would wake each other for ever.
        now_s = asyncio.get_running_loop().time()
        if now_s - self._probed_s.get(peer_id, -PROBE_INTERVAL_S) < PROBE_INTERVAL_S:
            return False
        self._probed_s[peer_id] = now_s
        return True
