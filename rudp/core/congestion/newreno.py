"""Slow start, congestion avoidance and the halving of the window (RFC 5681, RFC 6582).

Below ``ssthresh`` the window grows by what is acknowledged, above by one segment for each window;
a loss halves what is in flight, a time-out starts from one segment.  The inflation of RFC 6582 is
not here: octets that left the network are subtracted by the scoreboard instead, which lets the
same code serve connections with and without SACK.
"""

from typing import ClassVar, Final

from rudp.core.congestion.controller import Ack, Controller, Signal
from rudp.core.terms.bounds import WINDOW_MAX
from rudp.core.terms.native import mypyc_attr

RESTART_SEGMENTS: Final = 4
RESTART_OCTETS: Final = 4380
"""RFC 3390's initial window, min(4 * SMSS, max(2 * SMSS, 4380)): the restart window of a path on
which the larger one was too much (RFC 6928 §4)."""


@mypyc_attr(allow_interpreted_subclasses=True)
class WindowController(Controller):
    """What all controllers share that know nothing but a window: restart, ECN, loss window, undo.

    A kind of its own says in :meth:`_reduced` what is left of *flight_size* after a reduction, the
    share ``beta`` as a rule, and keeps in :meth:`_remember` what :meth:`on_undo` needs besides
    ``cwnd`` and ``ssthresh``.
    """

    beta: ClassVar[float]

    __slots__ = ("_prior_cwnd", "_prior_ssthresh", "_restart_window", "_untried")

    def __init__(self, smss: int, initial_window: int) -> None:
        super().__init__(smss, initial_window)
        self._restart_window = initial_window
        self._prior_cwnd = initial_window
        self._prior_ssthresh = self.ssthresh
        self._untried = initial_window  # octets of the first window not yet seen to arrive

    def _reduced(self, flight_size: int) -> int:
        """Return the octets that may be in flight after a reduction, before any lower bound."""
        raise NotImplementedError

    def on_unused(self, delivered: int, since: float) -> None:
        """*delivered* octets have arrived, the first at *since*, and cwnd never was the limit.

        It does what :meth:`on_ack` does with each acknowledgement without ``cwnd_limited``.
        """
        self._untried -= delivered

    def _remember(self) -> None:
        self._prior_cwnd = self.cwnd
        self._prior_ssthresh = self.ssthresh

    def _lost_after_start(self) -> None:
        """The first window was too much: begin with less after a pause (CC-11)."""
        if self._untried > 0:
            small = min(RESTART_SEGMENTS * self.smss, max(2 * self.smss, RESTART_OCTETS))
            self._restart_window = min(self._restart_window, small)

    def on_congestion(self, signal: Signal, flight_size: int, now: float) -> None:
        """Reduce; after a loss PRR leads the way down to ssthresh (CC-9).

        A window that a pause made smaller is reduced itself, and grows in slow start to the share
        of what it was before.
        """
        self._remember()
        if signal is Signal.LOSS:
            self._lost_after_start()
        floor = 2 if signal is Signal.LOSS else 1
        target = self._reduced(flight_size)
        most = int(self.cwnd * self.beta) if self.earned > self.cwnd else target
        self.cwnd = max(min(target, most), floor * self.smss)
        self.ssthresh = max(target, 2 * self.smss)
        self.earned = 0

    def on_recovered(self, most: int, now: float) -> None:
        """Fast recovery is over (PRR-8)."""
        self.cwnd = min(self.cwnd, self.ssthresh, most)

    def on_timeout(self, flight_size: int, first: bool, now: float) -> None:
        """Fall back to one segment (RFC 5681 §3.1, RTO-15)."""
        if first:
            self._remember()
            self._lost_after_start()
            self.ssthresh = max(self._reduced(flight_size), 2 * self.smss)
        self.cwnd = self.smss
        self.earned = 0

    def on_undo(self, most: int, now: float) -> None:
        """Be as before the last reduction (UNDO-7)."""
        self.cwnd = min(max(self.cwnd, self._prior_cwnd), most)
        self.ssthresh = max(self.ssthresh, self._prior_ssthresh)

    def on_restart(self, idle: float, rto: float, now: float) -> None:
        """Return to the restart window after more than an RTO (RFC 5681 §4.1, CC-8)."""
        if idle > rto:
            self.earned = max(self.earned, self.cwnd)
            self.cwnd = self._untried = min(self.cwnd, self._restart_window)


@mypyc_attr(allow_interpreted_subclasses=True)
class NewReno(WindowController):
    """The standard controller, and the yardstick for all others.

    *smss*: the largest segment, *initial_window*: IW, both in octets.
    """

    __slots__ = ("_acked",)

    beta = 0.5

    def __init__(self, smss: int, initial_window: int) -> None:
        super().__init__(smss, initial_window)
        self._acked = 0  # octets acknowledged in avoidance since cwnd grew last

    def on_ack(self, ack: Ack) -> None:
        """Grow, if the window was used (RFC 5681 §3.1, CC-4, CC-5, CC-6)."""
        self._untried -= ack.delivered
        if not ack.cwnd_limited:
            return
        acked = ack.delivered
        if self.cwnd < self.ssthresh:
            # One ACK may cover a batch, so L is not limited to one segment (RFC 3465 §2.3);
            # growth stays below doubling in a round trip because it never exceeds what was acked.
            grown = min(self.cwnd + acked, self.ssthresh)
            acked -= grown - self.cwnd
            self.cwnd = min(grown, WINDOW_MAX)
        self._acked += acked
        if self._acked >= self.cwnd:
            self._acked -= self.cwnd
            self.cwnd = min(self.cwnd + self.smss, WINDOW_MAX)

    def _reduced(self, flight_size: int) -> int:
        """Half (RFC 5681 §3.1, equation 4)."""
        self._acked = 0
        return flight_size // 2
