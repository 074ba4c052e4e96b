"""How large the receive buffer should be: as large as the reader is quick (BUF-3).

A window limits a connection to one window per round trip, and nobody knows a path's round trip or
rate beforehand.  But the receiver sees how much its reader takes in a round trip.  If that is a
good part of the window, the window may be what limits it, and twice as much is worth having: one
window on its way, one that waits behind a hole while what is missing is sent again.  A sender in
slow start doubles meanwhile, so growth is added twice more.  A reader that does not read makes
nothing grow, and a buffer never shrinks.  (The idea is Fisk and Feng's dynamic right-sizing.)
"""

from typing import Final

TICK: Final = 0.001
"""Seconds: the timestamp clock cannot show a shorter round trip (TS-1)."""

HEADROOM: Final = 4
"""An initial buffer of so many times what is read in a round trip needs no growth: two for the
path and the holes, two for slow start."""


LITTLE: Final = 4 * 1024
"""Octets.  Who was sent no more in all knows of no round trip: no window is as small."""


class Autotune:
    """The receiver's round trip, and what is read in one.

    Sizes are octets, times seconds.  *receive_buffer*: what the connection begins with.  ``rtt``:
    the round trip as far as a receiver can tell, ``min_rtt`` the shortest; None before the first
    measurement.
    """

    __slots__ = (
        "_edge",
        "_edge_at",
        "_most_read",
        "_read_before",
        "min_rtt",
        "rtt",
        "since",
        "tsecr",
    )

    def __init__(self, receive_buffer: int) -> None:
        self.rtt: float | None = None
        self.min_rtt: float | None = None
        self.tsecr: int | None = None  # the echo that was measured last
        self._edge: int | None = None  # what lies beyond it was granted after _edge_at
        self._edge_at = 0.0
        self.since = 0.0  # when the current measurement of reading began
        self._read_before = 0  # octets read in all, then
        self._most_read = receive_buffer // HEADROOM  # in any one round trip

    def own(self, receive_buffer: int) -> "Autotune":
        """Return what its connection has to itself; to be asked before anything here changes."""
        return Autotune(receive_buffer) if self is UNTUNED else self

    def on_tsecr(self, tsecr: int, now: float) -> None:
        """Data echoes the time *tsecr*, in ms of our clock: when we sent what it answers.

        Only the first data that echoes it was not held up by its predecessors.  The peer may have
        had nothing to send for a while, so what is shorter is believed at once.
        """
        if tsecr == self.tsecr:
            return
        self.tsecr = tsecr
        rtt = max(int(now * 1000) / 1000 - tsecr / 1000, TICK)
        if self.rtt is None or rtt < self.rtt:
            self.rtt = rtt
        else:
            self.rtt += (rtt - self.rtt) / 8
        self.min_rtt = rtt if self.min_rtt is None else min(self.min_rtt, rtt)

    def on_window(self, rcv_nxt: int, right_edge: int, now: float) -> None:
        """Without timestamps: RCV.NXT moved, and the peer may send up to *right_edge*.

        An octet beyond the edge of some moment answers an acknowledgement that was sent later, so
        it comes a round trip after that moment at least; only the shortest such time is of use.
        """
        if self._edge is not None and rcv_nxt <= self._edge:
            return
        if self._edge is not None:
            rtt = max(now - self._edge_at, TICK)
            self.rtt = self.min_rtt = rtt if self.rtt is None else min(self.rtt, rtt)
        self._edge = right_edge
        self._edge_at = now

    def wanted(self, octets_read: int, now: float) -> int:
        """Return the size worth having, 0 for no opinion.  *octets_read*: in all, up to *now*."""
        if self.rtt is None or now - self.since < self.rtt:
            return 0
        # A reader that took a whole buffer at once after a long rest is no quick reader.
        read = int((octets_read - self._read_before) * self.rtt / (now - self.since))
        self._read_before = octets_read
        self.since = now
        if read <= self._most_read:
            return 0
        growth = read - self._most_read
        self._most_read = read
        return 2 * read + 2 * min(2 * growth, read)


UNTUNED: Final = Autotune(0)
"""That of all connections which were sent :data:`LITTLE`, or less; nobody changes it."""
