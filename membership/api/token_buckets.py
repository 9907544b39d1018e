"""How many requests a source may make: token buckets, a bounded number of them."""

from math import ceil


class TokenBuckets:
    """
    One bucket a source. It holds *burst* tokens and gets *per_s* new ones a second.

    At most *max_sources* are remembered, those that asked last. A source that is forgotten
    begins with a full bucket, as every stranger does.
    """

    def __init__(self, *, burst: int, per_s: float, max_sources: int) -> None:
        self._burst = burst
        self._per_s = per_s
        self._max_sources = max_sources
        self._levels: dict[str, tuple[float, float]] = {}

    def wait_s(self, source: str, now_s: float) -> int:
        """Take one token at *now_s*, any monotonic clock; else return the seconds until one."""
        level, at_s = self._levels.pop(source, (float(self._burst), now_s))
        level = min(float(self._burst), level + (now_s - at_s) * self._per_s)
        wait_s = 0
        if level >= 1:
            level -= 1
        else:
            wait_s = ceil((1 - level) / self._per_s)
        if len(self._levels) >= self._max_sources:
            del self._levels[next(iter(self._levels))]
        self._levels[source] = (level, now_s)
        return wait_s
