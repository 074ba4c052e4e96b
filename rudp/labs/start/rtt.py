"""Lab rtt: how long to wait for an acknowledgement (RFC 6298 §2, §5).

The first measurement R gives SRTT = R and RTTVAR = R/2.  Each later one R' gives first

    RTTVAR = 3/4 * RTTVAR + 1/4 * |SRTT - R'|

and then SRTT = 7/8 * SRTT + 1/8 * R'.  After each

    RTO = SRTT + max(G, 4 * RTTVAR)

but never less than the floor and never more than the ceiling.  Before the first measurement the
RTO is 1 s.  When it expires it doubles, up to the ceiling, and stays so until the next measurement.
"""

G = 0.001
"""Seconds: the granularity of the clock."""


class Rto:
    """The retransmission time-out of a connection; all times are seconds."""

    def __init__(self, floor: float, ceiling: float) -> None:
        self.floor = floor
        self.ceiling = ceiling
        self.rto = 1.0

    def sample(self, r: float) -> None:
        """A round trip of *r* was measured."""
        raise NotImplementedError

    def back_off(self) -> None:
        """The RTO has expired."""
        raise NotImplementedError
