"""
When an agent meets a record of its own that its log does not know.

The record is signed with its key, so it was made by this identity: either in a life that the log
has lost, because an old backup was put back, or by a twin, a second process with a copy of this
agent's data. From one record alone nobody can tell which.

Either way the agent resumes: it takes note of the record and goes on above its version, since
otherwise the others would take everything that it says for stale. After a restored backup that
happens once, and all is well. With a twin it happens again, since each of the two answers the
other. So the second time is reported as a conflict, for an operator to stop one of them, and the
waits between two times double, so that they cannot fill their logs or storm their peers. Whoever
is left alone has the last word by itself.
"""

import asyncio

FIRST_WAIT_S = 60.0
MAX_WAIT_S = 3_600.0


class Lineage:
    """How often this process has resumed, and when it may again."""

    def __init__(self) -> None:
        self._resumptions = 0
        self._next_s = float("-inf")

    @property
    def has_resumed(self) -> bool:
        """Whether it has happened before, so that it is no restored backup any more."""
        return self._resumptions > 0

    def may_resume(self) -> bool:
        """Whether it is time to go on above a version that is not known here."""
        return asyncio.get_running_loop().time() >= self._next_s

    def resumed(self) -> None:
        """Begin the next wait."""
        wait_s = min(MAX_WAIT_S, FIRST_WAIT_S * 2.0**self._resumptions)
        self._next_s = asyncio.get_running_loop().time() + wait_s
        self._resumptions += 1
