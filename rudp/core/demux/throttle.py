"""How many segments of no connection are answered with a RST (UDP-23).

A RST is no longer than the segment that asks for it, so nobody is flooded by way of us; what has to
be bounded is the work.  All together get a number of thousands a second, which is some part of a
processor, a host gets a share of it, so that one that repeats itself leaves some to the others, and
one connection, that is a pair of ports there and here, gets ten, where one is enough.

A number that all share can be read from outside, by using it up and counting what is missing: then
somebody else was answered, so there is no connection where a forged segment went (as with the
challenge ACKs of CVE-2016-5696).  So nobody knows the number: each second has one of its own, drawn
between half the limit and all of it, and one question about one pair of ports moves it by ten.
"""

import random
from typing import Final

from rudp.config import Config
from rudp.core.segment.transmit import Path

TO_ONE: Final = 10
"""RSTs a second for one connection."""


class ResetThrottle:
    """Counts the RSTs of each second; *chance* draws how many there may be."""

    __slots__ = ("_chance", "_config", "_left", "_second", "_to_host", "_to_one")

    def __init__(self, config: Config, chance: random.Random) -> None:
        self._config = config
        self._chance = chance
        self._second: int | None = None
        self._left = 0
        self._to_host: dict[str, int] = {}  # no more hosts than there were resets
        self._to_one: dict[tuple[Path, int], int] = {}  # nor connections

    def allows(self, path: Path, ports: int, now: float) -> bool:
        """Return whether what came from *path* with *ports* may be answered at *now*.

        It is counted if so.
        """
        config = self._config
        second = int(now)
        if second != self._second:
            self._second = second
            self._to_host.clear()
            self._to_one.clear()
            self._left = config.resets_max - self._chance.randrange(config.resets_max // 2 + 1)
        one = path, ports
        host = str(path[0][0])
        to_one = self._to_one.get(one, 0)
        to_host = self._to_host.get(host, 0)
        if not self._left or to_one >= TO_ONE or to_host >= config.resets_per_source:
            return False
        self._left -= 1
        self._to_one[one] = to_one + 1
        self._to_host[host] = to_host + 1
        return True
