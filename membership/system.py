"""The only clock, the only randomness and the only source of identifiers."""

import os
import random
import secrets
import time

from ulid import ULID

from membership.domain.values import UnixUs


class SystemClock:
    """The machine's wall clock."""

    def now_us(self) -> UnixUs:
        """Return the present moment."""
        return UnixUs(time.time_ns() // 1_000)


class SystemIds:
    """Random ULIDs: 48 bits of milliseconds, 80 random bits."""

    def new_ulid(self) -> str:
        """Return a new ULID."""
        milliseconds = time.time_ns() // 1_000_000
        return str(ULID(milliseconds.to_bytes(6, "big") + os.urandom(10)))


class SystemRandomness:
    """The operating system's generator for secrets, a seeded one for everything else."""

    def __init__(self) -> None:
        self._jitter = random.Random(secrets.randbits(64))

    def token(self, length: int) -> bytes:
        """Return *length* bytes fit for keys and nonces."""
        return secrets.token_bytes(length)

    def uniform(self, low: float, high: float) -> float:
        """Return a number between *low* and *high*, fit for jitter only."""
        return self._jitter.uniform(low, high)

    def choice_index(self, count: int) -> int:
        """Return an index below *count*, fit for picking a partner only."""
        return self._jitter.randrange(count)
