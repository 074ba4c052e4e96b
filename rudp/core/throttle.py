"""How many segments of no connection are answered with a RST (UDP-23).

A host gets a few a second, and all together get a limited number, or forged source addresses would
make us work for nothing.  A number that all share can be read from outside, by using it up and
counting what is missing: then somebody else was answered, so there is no connection where a forged
segment went (as with the challenge ACKs of CVE-2016-5696).  So nobody knows the number: each second
has one of its own, drawn between half the limit and all of it.
"""

import random

from rudp.config import Config


class ResetThrottle:
    """Counts the RSTs of each second; *chance* draws how many there may be."""

    __slots__ = ("_chance", "_config", "_left", "_second", "_to_host")

    def __init__(self, config: Config, chance: random.Random) -> None:
        self._config = config
        self._chance = chance
        self._second: int | None = None
        self._left = 0
        self._to_host: dict[str, int] = {}  # no more hosts than there were resets

    def allows(self, host: str, now: float) -> bool:
        """Return whether *host* may be sent a RST at *now*, and count it if so."""
        config = self._config
        second = int(now)
        if second != self._second:
            self._second = second
            self._to_host.clear()
            self._left = config.resets_max - self._chance.randrange(config.resets_max // 2 + 1)
        sent = self._to_host.get(host, 0)
        if not self._left or sent >= config.resets_per_source:
            return False
        self._left -= 1
        self._to_host[host] = sent + 1
        return True
