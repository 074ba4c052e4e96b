"""Closed ports: how often in a row the peer's host has said that nobody is there.

An ICMP error can be forged by whoever guesses the ports and a number that is in flight (RFC 5927),
so an established connection takes each for a passing trouble.  What nobody can forge is that the
peer itself says nothing meanwhile: so refusals count that follow each other without a segment from
the peer between them, and of those that answer one flight only the first.  Between two flights to a
peer that is silent lies a time-out.
"""

from rudp.core.terms.timers import OFF


class Refusals:
    """Counts them for ``Config.unreachable``; made when the first is heard."""

    __slots__ = ("_at", "_count")

    def __init__(self) -> None:
        self._count = 0
        self._at = -OFF

    def note(self, last_heard: float, flight_time: float, now: float) -> int:
        """One is heard at *now*; return how many have been, in a row.

        *last_heard*: when the peer was.  *flight_time*: seconds within which all of one flight are
        answered; what comes in it counts no further.
        """
        if last_heard >= self._at:
            self._count = 1
        elif now - self._at < flight_time:
            return self._count
        else:
            self._count += 1
        self._at = now
        return self._count
