"""The smoothed round-trip time and the retransmission time-out (RFC 6298).

A sample may come from a segment that was sent once, or from an echoed timestamp; never from the
acknowledgement of a segment that was sent twice, which could answer either copy (Karn's rule).
Choosing the sample is the sender's part; here is the arithmetic.
"""

from typing import Final, Literal

GRANULARITY: Final = 0.001
"""Seconds: G, what a timer of an event loop can be trusted with."""

RTO_INITIAL: Final = 1.0
"""Seconds before the first sample (RFC 6298 §2.1)."""

RTO_AFTER_SYN_LOSS: Final = 3.0
"""Seconds, once data flows, if the SYN had to be sent again (RFC 6298 §5.7)."""


class Rtt:
    """SRTT, RTTVAR and RTO of one connection, in seconds.

    *form* is ``"linux"``: RTO = SRTT + max(4 * RTTVAR, floor), which keeps the floor out of the way
    of long paths; or ``"rfc"``: RTO = max(floor, SRTT + max(G, 4 * RTTVAR)).
    """

    __slots__ = ("_ceiling", "_floor", "_form", "backoffs", "min_rtt", "rto", "rttvar", "srtt")

    def __init__(self, floor: float, ceiling: float, form: Literal["linux", "rfc"]) -> None:
        self._floor = floor
        self._ceiling = ceiling
        self._form = form
        self.srtt: float | None = None
        self.rttvar = 0.0
        self.min_rtt: float | None = None
        self.rto = RTO_INITIAL
        self.backoffs = 0

    def sample(self, r: float) -> None:
        """Take the measurement *r*, seconds; this also ends any back-off (RFC 6298 §5)."""
        r = max(r, 0.0)
        if self.srtt is None:
            self.srtt = r
            self.rttvar = r / 2
        else:
            self.rttvar += (abs(self.srtt - r) - self.rttvar) / 4
            self.srtt += (r - self.srtt) / 8
        if self.min_rtt is None or r < self.min_rtt:
            self.min_rtt = r
        self.backoffs = 0
        if self._form == "linux":
            rto = self.srtt + max(4 * self.rttvar, self._floor)
        else:
            rto = max(self._floor, self.srtt + max(4 * self.rttvar, GRANULARITY))
        self.rto = min(rto, self._ceiling)

    def back_off(self) -> None:
        """Double the RTO after it expired (RFC 6298 §5.5); it stays so until the next sample."""
        self.rto = min(self.rto * 2, self._ceiling)
        self.backoffs += 1

    def syn_was_lost(self) -> None:
        """Begin the data transfer with a cautious RTO (RFC 6298 §5.7)."""
        self.backoffs = 0
        self.rto = max(RTO_INITIAL, min(RTO_AFTER_SYN_LOSS, self._ceiling))
