"""What a congestion controller is told, and what it answers (RFC 5681).

A controller sees octets and times.  It knows no segments, no sequence numbers and no sockets; the
sender asks it for ``cwnd`` and tells it what became of the octets.  Acknowledgements arrive in
batches, so everything counts octets and never acknowledgements (RFC 3465).
"""

from collections.abc import Callable
from typing import Protocol


class Controller(Protocol):
    """The congestion control of one connection; all sizes in octets, all times in seconds."""

    cwnd: int
    ssthresh: int

    def on_ack(self, acked: int, cwnd_limited: bool, now: float) -> None:
        """*acked* octets were delivered, outside of fast recovery.

        *cwnd_limited*: the window was what held the sender back since the last acknowledgement.
        """

    def on_loss(self, flight_size: int, now: float) -> None:
        """A loss was detected; recovery begins.  *flight_size*: octets sent, not acknowledged."""

    def on_recovered(self, flight_size: int, now: float) -> None:
        """Fast recovery is over."""

    def on_timeout(self, flight_size: int, first: bool, now: float) -> None:
        """The retransmission timer expired, *first*: not before for these octets."""

    def on_idle(self, now: float) -> None:
        """Nothing was sent for longer than the RTO, and sending is about to begin again."""


ControllerFactory = Callable[[int, int], Controller]
"""Makes a controller from SMSS and the initial window, both in octets."""
