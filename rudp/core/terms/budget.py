"""Memory that the connections of one endpoint share, so that all together stay within a bound.

It is for what is kept ahead of a gap, and for what buffers have grown to (BUF-6).  Each connection
has a share of its own, which is not counted here: nobody can take it away from the others, and a
forged segment that falls into the window of somebody's connection does not move a number that
others could feel.
"""

from typing import Final

SHARE: Final = 16 * 1024
"""Octets that each connection may hold ahead of a gap, whatever the others do: ten segments."""

BUFFER_SHARE: Final = 6 * 1024 * 1024
"""Octets to which each buffer may grow, whatever the others do: 100 Mbit/s over 200 ms, with
losses."""


class Budget:
    """``used`` of ``limit`` octets are held by those who hold more than their ``share``."""

    __slots__ = ("limit", "share", "used")

    def __init__(self, limit: int, share: int) -> None:
        self.limit = limit
        self.share = share
        self.used = 0

    def change(self, before: int, after: int) -> bool:
        """Someone who holds *before* octets will hold *after*; return False if that is too much.

        Less is never too much.
        """
        difference = max(after - self.share, 0) - max(before - self.share, 0)
        if difference > 0 and self.used + difference > self.limit:
            return False
        self.used += difference
        return True


class Memory:
    """What the connections of one endpoint share.

    ``reassembly``: octets ahead of gaps; ``buffers``: what send and receive buffers may hold.
    """

    __slots__ = ("buffers", "reassembly")

    def __init__(self, reassembly_max: int, buffers_max: int) -> None:
        self.reassembly = Budget(reassembly_max, SHARE)
        self.buffers = Budget(buffers_max, BUFFER_SHARE)
