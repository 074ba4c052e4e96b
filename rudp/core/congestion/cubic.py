"""CUBIC: growth that depends on the time since the last loss, not on the round trip (RFC 9438).

After a reduction the window returns quickly to the neighbourhood of where the loss was, stays there
for a while, and then probes further and further: a cubic curve with its flat part at W_max.  On
paths where Reno would be faster, short or slow ones, it does as Reno would.  Windows are counted
in segments here, as the RFC does, and kept as floats.
"""

from typing import Final

from rudp.core.congestion.controller import Ack
from rudp.core.congestion.hystart import HyStart
from rudp.core.congestion.newreno import WindowController
from rudp.core.terms.bounds import WINDOW_MAX
from rudp.core.terms.native import mypyc_attr

C: Final = 0.4
"""Segments a second, to the third: how steep the curve is (CUB-1)."""

BETA: Final = 0.7
"""What is left of the window after a loss."""

ALPHA: Final = 3 * (1 - BETA) / (1 + BETA)
"""Segments per window that make Reno with BETA as fast as Reno with a half (9/17)."""

_State = tuple[float, float, float, float, float | None, bool]


@mypyc_attr(allow_interpreted_subclasses=True)
class Cubic(WindowController):
    """The default controller.  *hystart*: leave the first slow start by RFC 9406.

    ``w_max``: where the last loss was; ``k``: seconds until the curve is there again; ``w_est``:
    what Reno would have; all windows in segments.
    """

    __slots__ = (
        "_cwnd_prior",
        "_epoch",
        "_fraction",
        "_hystart",
        "_idle_since",
        "_prior",
        "_starts",
        "k",
        "w_est",
        "w_max",
    )

    beta = BETA

    def __init__(self, smss: int, initial_window: int, *, hystart: bool = True) -> None:
        super().__init__(smss, initial_window)
        self._hystart: HyStart | None = None  # made when the window is used
        self._starts = hystart  # the first slow start is not over yet
        self.w_max = 0.0
        self.k = 0.0
        self.w_est = 0.0
        self._cwnd_prior = 0.0
        self._epoch: float | None = None  # when congestion avoidance began; None: it has not
        self._idle_since: float | None = None  # cwnd has not been the limit since then
        self._fraction = 0.0  # octets of growth that did not make a whole octet yet
        self._prior: _State | None = None  # before the last reduction

    def on_ack(self, ack: Ack) -> None:
        """Grow, if the window was used (CUB-2 to CUB-5, CC-6)."""
        self._untried -= ack.delivered
        if not ack.cwnd_limited:
            if self._idle_since is None:
                self._idle_since = ack.now
            return
        if self._idle_since is not None:
            if self._epoch is not None:  # time without use is not time (CUB-3)
                self._epoch += ack.now - self._idle_since
            self._idle_since = None
        delivered = ack.delivered
        if self.cwnd < self.ssthresh:
            delivered = self._slow_start(ack)
        if delivered > 0 and self.cwnd >= self.ssthresh:
            self._avoidance(delivered, ack.srtt or 0.0, ack.now)

    def on_unused(self, delivered: int, since: float) -> None:
        """Octets have arrived while the window was not in use, which is no time (CUB-3)."""
        super().on_unused(delivered, since)
        if self._idle_since is None:
            self._idle_since = since

    def _slow_start(self, ack: Ack) -> int:
        """Grow by what was delivered; return the octets that are left for avoidance."""
        growth: int | None = ack.delivered
        if self._starts:
            if self._hystart is None:
                self._hystart = HyStart()
            growth = self._hystart.growth(ack)
            if growth is None:  # a queue is building up: avoidance begins here (CUB-9)
                self._starts = False
                self.ssthresh = self.cwnd
                self._cwnd_prior = self.w_max = self.cwnd / self.smss
                return 0
        assert growth is not None
        grown = min(self.cwnd + growth, self.ssthresh, WINDOW_MAX)
        rest = self.cwnd + growth - grown
        self.cwnd = grown
        return rest

    def _avoidance(self, delivered: int, srtt: float, now: float) -> None:
        cwnd = self.cwnd / self.smss
        segments = delivered / self.smss
        if self._epoch is None:
            self._begin(cwnd, now)
        assert self._epoch is not None
        t = now - self._epoch
        self.w_est += (1.0 if self.w_est >= self._cwnd_prior else ALPHA) * segments / cwnd
        if self._w_cubic(t) < self.w_est:
            # Reno's window, or less if it ran ahead while cwnd was something else's doing.
            grown = max(cwnd, self.w_est)
        else:
            target = min(max(self._w_cubic(t + srtt), cwnd), 1.5 * cwnd)
            # (target - cwnd) / cwnd for each segment; for a batch of a whole window, all of it.
            grown = cwnd + (target - cwnd) * min(segments / cwnd, 1.0)
        octets = (grown - cwnd) * self.smss + self._fraction
        self._fraction = octets - int(octets)
        self.cwnd = min(self.cwnd + int(octets), WINDOW_MAX)

    def _begin(self, cwnd: float, now: float) -> None:
        """An epoch of congestion avoidance begins (CUB-2)."""
        self._epoch = now
        self.w_est = cwnd
        if cwnd >= self.w_max:
            self.w_max = cwnd
            self.k = 0.0
        else:
            self.k = float(((self.w_max - cwnd) / C) ** (1 / 3))

    def _w_cubic(self, t: float) -> float:
        return C * (t - self.k) ** 3 + self.w_max

    # -- reductions ------------------------------------------------------------------------------

    def _reduced(self, flight_size: int) -> int:
        """Seven tenths of the window, and the curve begins anew (CUB-6, CUB-7).

        The window is what was in flight, if cwnd had grown beyond what the peer let us send: seven
        tenths of more than that would be no reduction at all.
        """
        self._starts = False  # a loss or a mark ends the first slow start (HS-7)
        window = min(max(self.cwnd, self.earned), flight_size)
        cwnd = window / self.smss
        self._cwnd_prior = cwnd
        # A window that is smaller than at the last loss makes room for others (fast convergence).
        self.w_max = cwnd * (1 + BETA) / 2 if cwnd < self.w_max else cwnd
        self._epoch = None
        self._fraction = 0.0
        return int(window * BETA)

    def on_timeout(self, flight_size: int, first: bool, now: float) -> None:
        """One segment; the first avoidance after it begins flat (CUB-8)."""
        super().on_timeout(flight_size, first, now)
        self.w_max = 0.0
        self._epoch = None

    def _remember(self) -> None:
        super()._remember()
        self._prior = self._state()

    def _state(self) -> _State:
        return self.w_max, self.k, self.w_est, self._cwnd_prior, self._epoch, self._starts

    def on_undo(self, most: int, now: float) -> None:
        """Be as before the last reduction, the curve too (CUB-10)."""
        super().on_undo(most, now)
        if self._prior is None:
            return
        self.w_max, self.k, self.w_est, self._cwnd_prior, self._epoch, starts = self._prior
        if starts:
            self._starts = True
            if self._hystart is not None:
                self._hystart.resume()

    def on_restart(self, idle: float, rto: float, now: float) -> None:
        """Return to the restart window; the time of silence is no time of growth (CUB-3)."""
        if idle > rto and self._epoch is not None:
            self._epoch += idle
        super().on_restart(idle, rto, now)
