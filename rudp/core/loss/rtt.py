"""The smoothed round-trip time, its minimum, and the retransmission time-out (RFC 6298).

A sample may come from a segment that was sent once, or from an echoed timestamp; never from the
acknowledgement of a segment that was sent twice, which could answer either copy (Karn's rule).
Choosing the sample is the sender's part; here is the arithmetic.
"""

import math
from typing import Final, Literal

from rudp.core.terms.bounds import CLOCK_TICK

GRANULARITY: Final = max(0.001, CLOCK_TICK)
"""Seconds: G, what a timer of an event loop can be trusted with."""

RTO_INITIAL: Final = 1.0
"""Seconds before the first sample (RFC 6298 §2.1)."""

RTO_AFTER_SYN_LOSS: Final = 3.0
"""Seconds, once data flows, if the SYN had to be sent again (RFC 6298 §5.7)."""

QUEUE_GAIN: Final = 4.0
QUEUE_SECONDS: Final = 0.1
"""A window is spread over four smallest round trips and this many seconds at most."""

MIN_RTT_WINDOW: Final = 300.0
"""Seconds that a smallest round trip counts (RACK-2, DEF-23): a path may become longer."""

MIN_RTT_SPACING: Final = MIN_RTT_WINDOW / 64
"""Seconds between two candidates that are remembered, so that there are never more than 65."""


class Rtt:
    """SRTT, RTTVAR, RTO and the minimum of one connection, in seconds.

    *form* is ``"linux"``: RTO = SRTT + max(4 * RTTVAR, floor), which keeps the floor out of the way
    of long paths; or ``"rfc"``: RTO = max(floor, SRTT + max(G, 4 * RTTVAR)).
    """

    __slots__ = (
        "_ceiling",
        "_floor",
        "_form",
        "_former",
        "_spurious",
        "backoffs",
        "minima",
        "rto",
        "rttvar",
        "srtt",
    )

    def __init__(self, floor: float, ceiling: float, form: Literal["linux", "rfc"]) -> None:
        self._floor = floor
        self._ceiling = ceiling
        self._form = form
        self.srtt: float | None = None
        self.rttvar = 0.0
        self.rto = RTO_INITIAL
        self.backoffs = 0
        # Candidates for the minimum, each later and larger than the one before; and after each
        # its time.  A list, or pairs, would take twice as much.
        self.minima: tuple[float, ...] = ()
        self._spurious = False  # the timer expired for nothing, and no sample has come since
        # SRTT, RTTVAR and RTO before a sample was believed, until the next shows whether it lasts;
        # an RTO without end where there was no sample before.
        self._former: tuple[float, float, float] | None = None

    @property
    def min_rtt(self) -> float | None:
        """The smallest round trip of the last 300 seconds, None before the first."""
        return self.minima[0] if self.minima else None

    @property
    def is_settled(self) -> bool:
        """Whether the next sample is taken as any: there was one, and none is in doubt."""
        doubt = self.backoffs or self._spurious or self._former is not None
        return self.srtt is not None and not doubt

    @property
    def spread(self) -> float | None:
        """Seconds over which a window is to be spread, None before the first sample (PACE-1).

        SRTT, as long as a queue can explain it.  An end that stood still, or whose acknowledgements
        were lost, leaves an SRTT of that time, and a window spread over that would bring so few
        samples that it stays so.  Less than the round trip does no harm: the window is still the
        limit, and acknowledgements set the pace.
        """
        srtt = self.srtt
        if srtt is None or not self.minima:
            return srtt
        bound = QUEUE_GAIN * self.minima[0] + QUEUE_SECONDS
        return srtt if srtt < bound else bound

    def observe(self, r: float, now: float) -> None:
        """Let *r*, any sound measurement, count for the minimum.

        A negative one is none: the clock went back.
        """
        if r < 0.0:
            return
        minima = self.minima
        first, end = 0, len(minima)
        if (
            end
            and r > minima[-2]
            and now - minima[-1] < MIN_RTT_SPACING
            and minima[1] >= now - MIN_RTT_WINDOW
        ):
            return  # nothing smaller, nothing that will be looked for, nothing too old
        while first < end and minima[first + 1] < now - MIN_RTT_WINDOW:
            first += 2
        while first < end and minima[end - 2] >= r:
            end -= 2
        minima = minima[first:end]
        if not minima or now - minima[-1] >= MIN_RTT_SPACING:
            minima += r, now
        self.minima = minima

    def sample(self, r: float) -> None:
        """Take the measurement *r*, seconds; this also ends any back-off (RFC 6298 §5).

        The first is that of the handshake, and a SYN,ACK that had to be sent again bears the echo
        of the first: what took as long as that does not govern beyond the next sample.
        """
        if r < 0.0:
            r = 0.0
        srtt = self.srtt
        if srtt is None:
            self.srtt = r
            self.rttvar = r / 2
            if r >= RTO_INITIAL:
                self._former = r, self.rttvar, math.inf
        elif self._former is not None and self._former[2] == math.inf:
            self.srtt = r
            self.rttvar = r / 2
            self._former = None
        elif self._spurious:  # the delay has grown suddenly: believe the sample (UNDO-8)
            if self._former is None:
                self._former = srtt, self.rttvar, self.timeout(srtt, self.rttvar)
            self.srtt = max(srtt + 2 * GRANULARITY, r)
            self.rttvar = max(self.rttvar, r / 2)
        else:
            if self._former is not None:
                former_srtt, former_rttvar, former_rto = self._former
                self._former = None
                if r < former_rto:  # it was a moment's: no time-out would have been wrong
                    srtt, self.rttvar = former_srtt, former_rttvar
            error = r - srtt
            self.rttvar += (abs(error) - self.rttvar) / 4
            self.srtt = srtt + error / 8
        self._spurious = False
        self.backoffs = 0
        self.rto = self.timeout(self.srtt, self.rttvar)

    def timeout(self, srtt: float, rttvar: float) -> float:
        """Return the RTO that follows from *srtt* and *rttvar* (RTO-2, RTO-5, RTO-6)."""
        variance = 4 * rttvar
        if self._form == "linux":
            rto = srtt + (variance if variance > self._floor else self._floor)
        else:
            rto = max(self._floor, srtt + max(variance, GRANULARITY))
        return rto if rto < self._ceiling else self._ceiling

    def back_off(self) -> None:
        """Double the RTO after it expired (RFC 6298 §5.5); it stays so until the next sample."""
        self.rto = min(self.rto * 2, self._ceiling)
        self.backoffs += 1

    def was_answered(self, r: float) -> None:
        """The copy that was sent last is answered *r* seconds later, but perhaps it was another.

        That measures nothing; but what is answered within the RTO shows that the path is no longer
        than it was, so the back-off is over.
        """
        if self.backoffs and self.srtt is not None:
            rto = self.timeout(self.srtt, self.rttvar)
            if r < rto:
                self.rto = rto
                self.backoffs = 0

    def was_spurious(self) -> None:
        """The timer expired although nothing was lost: adapt to the next sample (RFC 4015 §4.2)."""
        self._spurious = True

    def was_settled(self) -> None:
        """Nothing that is in doubt matters any more."""
        self._spurious = False
        self._former = None

    def syn_was_lost(self) -> None:
        """Begin the data transfer with a cautious RTO (RFC 6298 §5.7)."""
        self.backoffs = 0
        self.rto = max(RTO_INITIAL, min(RTO_AFTER_SYN_LOSS, self._ceiling))
