"""CoDel: what stands in a queue for too long, for too long, is too much (RFC 8289).

A queue that empties now and then does its work; one in which even the luckiest datagram waits
longer than ``target`` for a whole ``interval`` only delays.  Then one is dropped, or marked, at the
head, where the news reaches its sender soonest; and the next after an interval that shrinks with
the square root of how many there were, until the delay is below the target.
"""

import dataclasses
import math
from typing import Final

from rudp.sim.aqm import NOT_ECT, Aqm, Fifo, Held, Queue, check

MAXPACKET: Final = 1514
"""Octets; with no more than that behind it the link would run dry without the datagram."""

RECENT_INTERVALS: Final = 16
"""Intervals for which the pace of dropping is remembered (§5.4, as in the kernels)."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CoDel(Aqm):
    """A queue for ``Link(queue=...)`` that CoDel looks after (RFC 8289).

    Raises :class:`ValueError` for a value out of range.
    """

    limit: int = 1 << 20
    """Octets that may wait, at least 0; what does not fit is dropped."""
    target: float = 0.005
    """Seconds, 0 at least, that a datagram may wait for good (§4.4: 5 ms)."""
    interval: float = 0.1
    """Seconds, 0.001 at least, for which more is borne: a round trip of the longer kind (§4.3)."""
    ecn: bool = True
    """Whether ECN-capable datagrams are marked in place of being dropped (RFC 3168)."""

    def __post_init__(self) -> None:
        check("limit", self.limit, 0)
        check("target", self.target, 0.0)
        check("interval", self.interval, 0.001)

    def start(self) -> Queue:
        return _CoDelQueue(self)


class _CoDelQueue(Queue):
    """The state of §5.3; *now* is when the link is free."""

    __slots__ = ("_count", "_drop_next", "_dropping", "_fifo", "_first_above", "_last", "_settings")

    def __init__(self, settings: CoDel) -> None:
        self._settings = settings
        self._fifo = Fifo()
        self._first_above = math.inf  # when it is too long that the delay is above the target
        self._dropping = False
        self._drop_next = 0.0
        self._count = 0  # drops since dropping began
        self._last = 0  # and how many there were when it began last

    @property
    def octets(self) -> int:
        return self._fifo.octets

    def put(self, held: Held, now: float) -> bool:
        if self._fifo.octets + held.size > self._settings.limit:
            return False
        self._fifo.append(held)
        return True

    def take(self, now: float, dropped: list[Held]) -> Held | None:
        held, too_long = self._next(now)
        if held is None:
            self._dropping = False
            return None
        if not self._dropping:
            return self._begin(held, now, dropped) if too_long else held
        while self._dropping:
            if not too_long or held is None:
                self._dropping = False
            elif now < self._drop_next:
                break
            else:
                self._count += 1
                if self._mark(held):
                    self._drop_next += self._pause()
                    break
                dropped.append(held)
                held, too_long = self._next(now)
                if too_long:
                    self._drop_next += self._pause()
        return held

    def _begin(self, held: Held, now: float, dropped: list[Held]) -> Held | None:
        """Drop the first one; where that was done lately, begin at the pace that it had (§5.4)."""
        kept: Held | None = held
        if not self._mark(held):
            dropped.append(held)
            kept, _ = self._next(now)
        self._dropping = True
        recently = now - self._drop_next < RECENT_INTERVALS * self._settings.interval
        since = self._count - self._last
        self._count = since if recently and since > 1 else 1
        self._last = self._count
        self._drop_next = now + self._pause()
        return kept

    def _next(self, now: float) -> tuple[Held | None, bool]:
        """Return the next one, and whether the delay is above the target for too long (§5.6)."""
        settings, fifo = self._settings, self._fifo
        if not fifo:
            self._first_above = math.inf
            return None, False
        held = fifo.pop()
        if now - held.since < settings.target or fifo.octets <= MAXPACKET:
            self._first_above = math.inf
            return held, False
        if self._first_above == math.inf:
            self._first_above = now + settings.interval
            return held, False
        return held, now >= self._first_above

    def _mark(self, held: Held) -> bool:
        if not self._settings.ecn or held.ecn == NOT_ECT:
            return False
        held.mark()
        return True

    def _pause(self) -> float:
        """The control law: by the square root, the rate of TCP falls in proportion (§3.2)."""
        return self._settings.interval / math.sqrt(self._count)
