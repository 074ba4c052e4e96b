"""Memory that the connections of one endpoint share, so that all together stay within a bound.

It is for what is kept ahead of a gap (BUF-6).  Each connection has a share of its own, which is not
counted here: nobody can take it away from the others, and a forged segment that falls into the
window of somebody's connection does not move a number that others could feel.
"""

from typing import Final

SHARE: Final = 16 * 1024
"""Octets that each connection may hold, whatever the others do: some ten segments."""


class Budget:
    """``used`` of ``limit`` octets are held by those who hold more than their :data:`SHARE`."""

    __slots__ = ("limit", "used")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def change(self, before: int, after: int) -> bool:
        """Someone who holds *before* octets will hold *after*; return False if that is too much.

        Less is never too much.
        """
        difference = max(after - SHARE, 0) - max(before - SHARE, 0)
        if difference > 0 and self.used + difference > self.limit:
            return False
        self.used += difference
        return True
