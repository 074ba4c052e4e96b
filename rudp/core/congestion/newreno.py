"""Slow start, congestion avoidance and the halving of the window (RFC 5681, RFC 6582).

Below ``ssthresh`` the window grows by what is acknowledged, above by one segment for each window;
a loss halves what is in flight, a time-out starts from one segment.  The inflation of RFC 6582 is
not here: octets that left the network are subtracted by the scoreboard instead, which lets the
same code serve connections with and without SACK.
"""

from typing import Final

from rudp.config import WINDOW_MAX

SSTHRESH_INITIAL: Final = WINDOW_MAX
"""Octets: "arbitrarily high" (RFC 5681 §3.1)."""


class NewReno:
    """The standard controller, and the yardstick for all others.

    *smss*: the largest segment, *initial_window*: IW, both in octets.
    """

    __slots__ = ("_acked", "_restart_window", "_smss", "cwnd", "ssthresh")

    def __init__(self, smss: int, initial_window: int) -> None:
        self._smss = smss
        self._restart_window = initial_window
        self.cwnd = initial_window
        self.ssthresh = SSTHRESH_INITIAL
        self._acked = 0  # octets acknowledged in avoidance since cwnd grew last

    def on_ack(self, acked: int, cwnd_limited: bool, now: float) -> None:
        """Grow, if the window was used (RFC 5681 §3.1, CC-4, CC-5, CC-6)."""
        if not cwnd_limited:
            return
        if self.cwnd < self.ssthresh:
            # One ACK may cover a batch, so L is not limited to one segment (RFC 3465 §2.3);
            # growth stays below doubling in a round trip because it never exceeds what was acked.
            grown = min(self.cwnd + acked, self.ssthresh)
            acked -= grown - self.cwnd
            self.cwnd = min(grown, WINDOW_MAX)
        self._acked += acked
        if self._acked >= self.cwnd:
            self._acked -= self.cwnd
            self.cwnd = min(self.cwnd + self._smss, WINDOW_MAX)

    def on_loss(self, flight_size: int, now: float) -> None:
        """Halve (RFC 5681 §3.2, equation 4)."""
        self.ssthresh = max(flight_size // 2, 2 * self._smss)
        self.cwnd = self.ssthresh
        self._acked = 0

    def on_recovered(self, flight_size: int, now: float) -> None:
        """Leave fast recovery without a burst (RFC 6582 §3.2, step 3, option 1)."""
        self.cwnd = min(self.ssthresh, max(flight_size, self._smss) + self._smss)

    def on_timeout(self, flight_size: int, first: bool, now: float) -> None:
        """Fall back to one segment (RFC 5681 §3.1, equations 4 and the loss window)."""
        if first:
            self.ssthresh = max(flight_size // 2, 2 * self._smss)
        self.cwnd = self._smss
        self._acked = 0

    def on_idle(self, now: float) -> None:
        """Return to the restart window (RFC 5681 §4.1)."""
        self.cwnd = min(self.cwnd, self._restart_window)
