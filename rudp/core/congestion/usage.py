"""How much of the congestion window was in use: when it may grow, and from where it is reduced.

A window grows only while it is what limits (CC-6).  With pacing it is full at one moment of a round
trip and not at each acknowledgement, so use is remembered for a round trip.

A reduction starts from what was in flight, but not only at that moment (CC-9): who sends little
just now loses a segment as easily, and would be left with a share of that little.  RFC 9438 §4.6
lets a sender reduce from cwnd as long as a window that is not used cannot pass for one that was
earned.  Here that is seen to by looking back some seconds, which is the idea of RFC 7661 with a
longer memory; Linux lets an unused window decay instead.
"""

from typing import Final

PERIOD: Final = 5.0
"""Seconds; what was in flight is remembered for one to two of these.  RFC 7661 §4.2 looks back one
second at least, and lets a sender keep a window that it does not use for five minutes."""


class Usage:
    """*una*: SND.UNA at the beginning.  Numbers are growing ints, sizes octets, times seconds.

    ``cwnd_limited``: cwnd was what held us back, in this round trip or the last; ``most``: the
    most that was in flight in the same time.
    """

    __slots__ = ("before", "cwnd_limited", "end", "most", "peak", "until")

    def __init__(self, una: int) -> None:
        self.cwnd_limited = False
        self.most = 0
        self.end = una  # SND.NXT when these two were noted
        self.peak = 0  # the most that was in flight in this period
        self.before = 0  # and in the one before
        self.until = 0.0  # when this period ends

    def on_sent(self, in_flight: int, limited: bool, una: int, nxt: int, now: float) -> None:
        """Something left, and *in_flight* octets are in the network; *limited*: cwnd is full."""
        if now >= self.until:
            self._turn(now)
        if in_flight > self.peak:
            self.peak = in_flight
        if limited or una >= self.end or (in_flight > self.most and not self.cwnd_limited):
            self.note(in_flight, limited, nxt)

    def note(self, in_flight: int, limited: bool, nxt: int) -> None:
        """Remember this for a round trip."""
        self.cwnd_limited = limited
        self.most = in_flight
        self.end = nxt

    def recent(self, now: float) -> int:
        """Return the most octets that were in flight at once in the last seconds."""
        if now >= self.until:
            self._turn(now)
        return self.peak if self.peak > self.before else self.before

    def before_reduction(self, flight_size: int, ceiling: int, now: float) -> int:
        """Return the octets from which to reduce, with *flight_size* outstanding now (CC-9).

        That is FlightSize, if as much is in flight as there ever is.  If it is less than a few
        seconds ago, this is not where the network's limit lies; then it is cwnd, the *ceiling*,
        which slow start may have made twice as large as what was used (CC-6).  Limited transmit
        went beyond cwnd and is not counted (RFC 5681 §3.2, step 2).
        """
        return min(max(2 * self.recent(now) - flight_size, flight_size), ceiling)

    def _turn(self, now: float) -> None:
        self.before = self.peak if now < self.until + PERIOD else 0
        self.peak = 0
        self.until = now + PERIOD
