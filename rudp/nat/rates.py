"""How often one host may ask for something: a bucket of tokens for each, and one for all."""

from collections import OrderedDict
from typing import Final

HOSTS_MAX: Final = 10_000
"""Hosts that are remembered; beyond it those that were quiet for longest are forgotten."""


class Bucket:
    """Fills with *rate* tokens a second up to *burst*; it is full at *now*, in seconds."""

    __slots__ = ("_at", "_burst", "_left", "_rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._at = now

    def level(self, now: float) -> float:
        """Return how many tokens there are at *now*."""
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        return self._left

    def take(self, tokens: float) -> None:
        """Take so many *tokens* of those that :meth:`level` has found."""
        self._left -= tokens


class Rates:
    """Lets *each* requests a second of one host pass, and *total* of all, in bursts of one second.

    Both are numbers of requests, above 0.
    """

    def __init__(self, each: float, total: float) -> None:
        self._each = each
        self._all = Bucket(total, total, 0.0)
        self._hosts: OrderedDict[str, Bucket] = OrderedDict()

    def allows(self, host: str, now: float) -> bool:
        """Whether a request of *host* may pass at *now*, in seconds; it counts if it may."""
        bucket = self._hosts.pop(host, None)
        if bucket is None:
            bucket = Bucket(self._each, max(1.0, self._each), now)
        self._hosts[host] = bucket
        if len(self._hosts) > HOSTS_MAX:
            self._hosts.popitem(last=False)
        if min(bucket.level(now), self._all.level(now)) < 1.0:
            return False
        bucket.take(1.0)
        self._all.take(1.0)
        return True
