"""Lab congestion: how much may be in flight (RFC 5681 §3.1, §3.2).

In slow start, while ``cwnd`` is below ``ssthresh``, the window grows by what is acknowledged, by
one segment (``self.smss``) for each acknowledgement at most.  Above, in congestion avoidance, it
grows by about one segment in each round trip: after ``cwnd`` octets have been acknowledged.  It
grows only while it was the limit (``ack.cwnd_limited``).

When a loss is found half of what was in flight is enough: ``ssthresh = max(flight / 2, 2 * SMSS)``.
When the retransmission timer expires the window is one segment, and ``ssthresh`` the same half; if
the timer expires again for the same octets (``first`` is false), ``ssthresh`` stays.

The base class has ``cwnd``, ``ssthresh`` and ``smss``, all in octets.
"""

from rudp.core.congestion.controller import Ack, Controller, Signal


class Reno(Controller):
    """The congestion window of one connection."""

    def on_ack(self, ack: Ack) -> None:
        """``ack.delivered`` octets have arrived, by word of an acknowledgement."""
        raise NotImplementedError

    def on_congestion(self, signal: Signal, flight_size: int, now: float) -> None:
        """The network asks for less; *flight_size*: octets sent and not acknowledged.

        Set ``ssthresh``.  After ``Signal.LOSS`` the core leads ``cwnd`` down to it; after
        ``Signal.ECN`` set ``cwnd`` to the same.
        """
        raise NotImplementedError

    def on_timeout(self, flight_size: int, first: bool, now: float) -> None:
        """The retransmission timer has expired, *first*: not before for these octets."""
        raise NotImplementedError
