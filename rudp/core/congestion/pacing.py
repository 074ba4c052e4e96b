"""Pacing: spreading a window over its round trip (RFC 9002 §7.7, RFC 8085 §3.1).

A window that leaves in one burst arrives in one burst at the first queue that is shorter than it.
Paced, it leaves as bursts of a millisecond's worth: finer would cost a timer and a system call for
each segment, and an event loop's clock is no better.  The timer is allowed to be late: a burst's
worth of time that was missed is made up for, and no more (PACE-4).
"""

import math
from typing import ClassVar, Final

from rudp.core.terms.bounds import CLOCK_TICK

BURST_SECONDS: Final = max(0.001, CLOCK_TICK)
"""How much time one burst stands for (PACE-2); epoll's time-outs are whole milliseconds.  A clock
that stands still for longer has to be made up for, or a fifth of the rate would be left."""

BURST_SEGMENTS: Final = 2
"""Segments of a burst at least, where a controller names the pace: the peer acknowledges every
second one."""

WINDOW_BURST_SEGMENTS: Final = 10
"""The same where the pace follows from a window: what may leave at once at the beginning may do so
later (RFC 9002 §7.7).  With two, a short transfer over a lossy path took 5 % longer, because a
small window spent most of its round trip on pacing; goodput in the long run is the same."""

SLOW_START_GAIN: Final = 2.0
AVOIDANCE_GAIN: Final = 1.2
"""Pace as a multiple of cwnd / SRTT, so that pacing never is what limits growth (PACE-1)."""

LONG_AGO: Final = -math.inf
"""A moment before all others."""


def window_rate(cwnd: int, ssthresh: int, spread: float | None) -> float | None:
    """Return the octets a second that spread *cwnd* over *spread* seconds, None for no pacing."""
    if not spread:
        return None
    return (SLOW_START_GAIN if cwnd < ssthresh else AVOIDANCE_GAIN) * cwnd / spread


class Pacer:
    """When the next burst may leave.  *free*: octets that leave unpaced first (PACE-3).

    Rates are octets a second, infinity for no pacing; times seconds.  ``window_burst``: segments of
    a burst at least where the pace follows from a window.
    """

    __slots__ = ("_free", "next_at")

    window_burst: ClassVar[int] = WINDOW_BURST_SEGMENTS

    def __init__(self, free: int) -> None:
        self.next_at = LONG_AGO
        self._free = free

    def least(self, chosen: float | None, smss: int) -> int:
        """Return the octets that may leave at once, whatever the pace (PACE-2).

        *chosen*: the pace that a controller names, None if it follows from its window.
        """
        return (BURST_SEGMENTS if chosen else self.window_burst) * smss

    def room(self, rate: float, least: int, now: float) -> int:
        """Return how many octets may leave now; 0 means: not before ``next_at``.

        *least*: the octets of a burst at least.
        """
        behind = now - self.next_at
        if behind < 0.0:
            return self._free
        burst = rate * BURST_SECONDS
        if burst < least:
            burst = float(least)
        saved = behind * rate
        return int(saved + burst if saved < burst else burst + burst)

    def on_sent(self, octets: int, rate: float, least: int, now: float) -> None:
        """*octets* have left."""
        if self._free > 0:
            self._free -= octets
        burst = rate * BURST_SECONDS
        began = now - (burst if burst > least else least) / rate
        if began < self.next_at:
            began = self.next_at
        self.next_at = began + octets / rate


class FinePacer(Pacer):
    """The same for a controller that wants its bursts to be shorter, *seconds*, than a timer is.

    One segment may be a burst, and the first window is paced, too, over the round trip of the SYN.
    What a timer is late is made up for as ever, and nothing else: who waited for acknowledgements
    and not for the pace would send in one burst what the window lets go then.
    """

    __slots__ = ("_seconds", "_waits")

    window_burst: ClassVar[int] = BURST_SEGMENTS

    def __init__(self, seconds: float) -> None:
        super().__init__(0)
        self._seconds = seconds
        self._waits = False  # the pace was what held us back when we were asked last

    def room(self, rate: float, least: int, now: float) -> int:
        """Return how many octets may leave now, as :meth:`Pacer.room`."""
        behind = now - self.next_at
        if behind < 0.0:
            self._waits = True
            return 0
        burst = max(rate * self._seconds, least / BURST_SEGMENTS)
        return int(burst + min(behind, self._late()) * rate)

    def on_sent(self, octets: int, rate: float, least: int, now: float) -> None:
        """*octets* have left."""
        self.next_at = max(now - self._late(), self.next_at) + octets / rate
        self._waits = False

    def _late(self) -> float:
        """Seconds that are made up for, at most."""
        return BURST_SECONDS if self._waits else 0.0


def pacer(free: int, seconds: float | None) -> Pacer:
    """Return a pacer with bursts of so many *seconds*, None for the usual ones.

    *free*: octets that leave unpaced first, if they are these.
    """
    if seconds is None or seconds >= BURST_SECONDS:
        return Pacer(free)
    return FinePacer(seconds)
