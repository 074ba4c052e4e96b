"""How often one host may ask for something: a bucket of tokens for each, and one for all."""

from collections import OrderedDict
from typing import Final

HOSTS_MAX: Final = 10_000
"""Hosts that are remembered; beyond it those that were quiet for longest are forgotten."""


class Rates:
    """Lets *each* requests a second of one host pass, and *total* of all, in bursts of one second.

    Both are numbers of requests, above 0.
    """

    def __init__(self, each: float, total: float) -> None:
        self._each = each
        self._total = total
        self._all = total
        self._at = 0.0
        self._hosts: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allows(self, host: str, now: float) -> bool:
        """Whether a request of *host* may pass at *now*, in seconds; it counts if it may."""
        self._all = min(self._total, self._all + (now - self._at) * self._total)
        self._at = now
        burst = max(1.0, self._each)
        left, at = self._hosts.pop(host, (burst, now))
        left = min(burst, left + (now - at) * self._each)
        passes = left >= 1.0 and self._all >= 1.0
        if passes:
            left -= 1.0
            self._all -= 1.0
        self._hosts[host] = left, now
        if len(self._hosts) > HOSTS_MAX:
            self._hosts.popitem(last=False)
        return passes
