"""What a congestion controller is told, and what it answers (RFC 5681).

A controller sees octets and times.  It knows no segments and no sockets; the sender asks it for
``cwnd`` and a pacing rate and tells it what became of the octets.  Acknowledgements arrive in
batches, so everything counts octets and never acknowledgements (RFC 3465).

To write one, derive from :class:`Controller`, say how the window grows in ``on_ack`` and how it
shrinks in ``on_congestion``, and name the class in ``Config(congestion=...)``.
"""

import enum
from collections.abc import Callable
from typing import ClassVar, Final

from rudp.core.segment.transmit import ECT_0
from rudp.core.terms.bounds import WINDOW_MAX
from rudp.core.terms.native import mypyc_attr

SSTHRESH_INITIAL: Final = WINDOW_MAX
"""Octets: "arbitrarily high" (RFC 5681 §3.1, CC-3)."""


INITIAL_WINDOW_SEGMENTS: Final = 10
INITIAL_WINDOW_OCTETS: Final = 14_600
"""RFC 6928: IW = min(10 * SMSS, max(2 * SMSS, 14600))."""


def initial_window(smss: int) -> int:
    """Return IW in octets (RFC 6928 §2, CC-1)."""
    return min(INITIAL_WINDOW_SEGMENTS * smss, max(2 * smss, INITIAL_WINDOW_OCTETS))


class Signal(enum.Enum):
    """What made the network ask for less."""

    LOSS = "octets were lost"
    ECN = "a mark of a router was told of (RFC 3168, RFC 9768)"


class Ack:
    """What one batch of acknowledgements brought.

    Many connections share one of these, written anew each time: read it, do not keep it.
    Sizes are octets, times seconds.

    ``now``: when it came.  ``delivered``: acknowledged or SACKed by it for the first time;
    ``lost``: called lost because of it.  ``in_flight``: believed to be in the network, now;
    ``prior_in_flight``: and before it came.  ``cwnd_limited``: cwnd held the sender back, or was
    in use (CC-6), since the acknowledgement before.  ``in_recovery``: fast recovery is under way.
    ``snd_una``, ``snd_nxt``: SND.UNA and SND.NXT, growing numbers, for counting round trips.

    ``rtt``: the round trip of the octets sent last among those delivered, None if there is no
    sound measurement; ``srtt`` and ``min_rtt`` (over 300 s) as they are now, None before the first
    sample.

    A delivery-rate sample (draft-cheng-iccrg-delivery-rate-estimation) is about one run that was
    sent and has now been delivered.  ``delivery_rate``: octets a second, None if there is no
    sample; ``rate_app_limited``: the application, not the network, set that pace;
    ``rate_delivered``: octets delivered between the sending of that run and now;
    ``prior_delivered``: ``total_delivered`` when it was sent; ``tx_in_flight``: octets in flight
    just after it was sent, itself included; ``rate_lost``: octets lost since it was sent.
    ``total_delivered``, ``total_lost``: octets over the life of the connection.
    """

    __slots__ = (
        "cwnd_limited",
        "delivered",
        "delivery_rate",
        "in_flight",
        "in_recovery",
        "lost",
        "min_rtt",
        "now",
        "prior_delivered",
        "prior_in_flight",
        "rate_app_limited",
        "rate_delivered",
        "rate_lost",
        "rtt",
        "snd_nxt",
        "snd_una",
        "srtt",
        "total_delivered",
        "total_lost",
        "tx_in_flight",
    )

    def __init__(self) -> None:
        self.now = 0.0
        self.delivered = 0
        self.lost = 0
        self.in_flight = 0
        self.prior_in_flight = 0
        self.cwnd_limited = False
        self.in_recovery = False
        self.snd_una = 0
        self.snd_nxt = 0
        self.rtt: float | None = None
        self.srtt: float | None = None
        self.min_rtt: float | None = None
        self.delivery_rate: float | None = None
        self.rate_app_limited = False
        self.rate_delivered = 0
        self.rate_lost = 0
        self.prior_delivered = 0
        self.tx_in_flight = 0
        self.total_delivered = 0
        self.total_lost = 0


@mypyc_attr(allow_interpreted_subclasses=True)
class Controller:
    """The congestion control of one connection; all sizes in octets, all times in seconds.

    ``smss``: the largest segment.  ``cwnd`` and ``ssthresh``: RFC 5681.  ``earned``: what cwnd was
    before a pause made it smaller, 0 after a reduction.  ``pacing_rate``: octets a second, None to
    let the sender derive it from cwnd and SRTT.  ``uses_prr``: in fast recovery
    Proportional Rate Reduction leads the window down to ``ssthresh`` (RFC 9937), and ``on_ack`` is
    not called until it is over; a controller that does without is asked for its ``cwnd`` all the
    time and hears of every acknowledgement.

    ``answers_marks``: where the peer counts marks (RFC 9768) ``on_marks`` is all that is said of
    them; without it, or such a peer, there is one ``on_congestion`` for each window of data, too.
    ``ect``: what the IP headers of new data say to such a peer, ECT_0 (2) or ECT_1 (1), which asks
    for the treatment of L4S (RFC 9331): a controller that sends it answers marks.
    ``burst_seconds``: how much of its pace leaves at once, where the loop's timer is as fine as
    that; None for what others have, a millisecond.
    """

    __slots__ = ("cwnd", "earned", "pacing_rate", "smss", "ssthresh")

    uses_prr: ClassVar[bool] = True
    answers_marks: ClassVar[bool] = False
    ect: ClassVar[int] = ECT_0
    burst_seconds: ClassVar[float | None] = None

    def __init__(self, smss: int, initial_window: int) -> None:
        self.smss = smss
        self.cwnd = initial_window
        self.earned = 0
        self.ssthresh = SSTHRESH_INITIAL
        self.pacing_rate: float | None = None

    def on_ack(self, ack: Ack) -> None:
        """Octets were delivered.  Called for every acknowledgement that says so or shows a loss."""
        raise NotImplementedError

    def on_congestion(self, signal: Signal, flight_size: int, now: float) -> None:
        """The network asks for less: set ``ssthresh``, and ``cwnd`` if *signal* is ECN.

        Once for each window of data.  *flight_size*: octets sent and not acknowledged, or if more
        was in flight a few seconds ago up to ``cwnd``, or ``earned`` (CC-9).  After
        ``Signal.LOSS`` fast recovery begins.
        """
        raise NotImplementedError

    def on_marks(self, segments: int, octets: int, now: float) -> None:
        """The acknowledgement at hand tells of marks of routers on so many *segments*, 1 or more.

        *octets* of data were in them, at least as far as the peer says so (RFC 9768 §3.2.3), else
        as many as is likely.  Each mark is told of once, also in recovery and in what acknowledges
        nothing new; :meth:`on_ack`, if it is called, comes after it.
        """

    def on_recovered(self, most: int, now: float) -> None:
        """Fast recovery is over; ``cwnd`` may be *most* at most, so no burst follows (PRR-8)."""
        self.cwnd = min(self.ssthresh, most)

    def on_timeout(self, flight_size: int, first: bool, now: float) -> None:
        """The retransmission timer expired, *first*: not before for these octets (RTO-15)."""
        raise NotImplementedError

    def on_undo(self, most: int, now: float) -> None:
        """The last reduction, of ``on_congestion`` or ``on_timeout``, was for nothing: undo it.

        ``cwnd`` may be *most* at most, so that no burst follows (RFC 4015 §3.2).
        """

    def on_restart(self, idle: float, rto: float, now: float) -> None:
        """Sending begins anew with nothing in flight, *idle* seconds after the last octets left."""

    def on_range_lost(
        self, octets: int, tx_in_flight: int, lost_since: int, app_limited: bool, now: float
    ) -> None:
        """*octets* sent together were called lost.

        *tx_in_flight*: octets in flight just after they were sent; *lost_since*: octets lost since
        then, these included; *app_limited*: the application set the pace when they were sent.
        """

    def resize(self, smss: int) -> None:
        """Segments have another size from now on; ``cwnd`` in octets stays (PMTU-10).

        Unless it would not hold one of them, and nothing could be sent.
        """
        self.smss = smss
        self.cwnd = max(self.cwnd, smss)


ControllerFactory = Callable[[int, int], Controller]
"""Makes a controller from SMSS and the initial window, both in octets."""
