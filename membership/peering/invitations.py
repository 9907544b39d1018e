"""
Peers that an operator here asked for, and whose agent said that it had removed this one.

When two agents have removed each other, neither can add the other alone: each refuses the
other's handshake until its own operator wants it. So an add that fails for this reason is
remembered for an hour, and the other side's add, when it comes, completes both.
"""

import asyncio

from membership.domain.values import PeerId

INVITATION_S = 3_600
MAX_INVITATIONS = 1_024


class Invitations:
    """A bounded memory; a restart forgets it, and then the add is simply repeated."""

    def __init__(self) -> None:
        self._until_s: dict[PeerId, float] = {}

    def offer(self, peer_id: PeerId) -> None:
        """Remember that *peer_id* is wanted here; the oldest of too many is forgotten."""
        self._until_s.pop(peer_id, None)
        if len(self._until_s) >= MAX_INVITATIONS:
            del self._until_s[next(iter(self._until_s))]
        self._until_s[peer_id] = asyncio.get_running_loop().time() + INVITATION_S

    def holds(self, peer_id: PeerId) -> bool:
        """Return whether *peer_id* was wanted within the last hour."""
        return self._until_s.get(peer_id, 0.0) > asyncio.get_running_loop().time()

    def withdraw(self, peer_id: PeerId) -> None:
        """Forget that *peer_id* was wanted."""
        self._until_s.pop(peer_id, None)
