"""How fast the network delivers (draft-cheng-iccrg-delivery-rate-estimation).

When a run is sent it is stamped with how much had been delivered by then; when it is acknowledged,
the difference is what got through in the meantime.  The slower of the pace of sending and the pace
of acknowledging is taken, so neither a burst that is acknowledged at once nor an acknowledgement
that was held back can pretend to a rate.  A sample taken while the application had nothing to send
says little about the network, and is marked so.
"""

from collections.abc import Iterable

from rudp.core.congestion.controller import Ack
from rudp.core.loss.scoreboard import SentRun


class DeliveryRate:
    """The counters C.* of the draft, in octets and seconds, and the samples they give.

    ``delivered`` and ``lost`` count over the life of the connection.  ``app_limited`` is 0, or the
    value of ``delivered`` up to which samples are limited by the application.  ``rate``: the
    latest sample that was not, octets a second, None before the first.
    """

    __slots__ = ("app_limited", "delivered", "delivered_at", "first_sent_at", "lost", "rate")

    def __init__(self) -> None:
        self.delivered = 0
        self.lost = 0
        self.app_limited = 0
        self.rate: float | None = None
        self.delivered_at = 0.0
        self.first_sent_at = 0.0

    def on_sent(self, run: SentRun, in_flight: int, now: float) -> None:
        """Stamp *run*, which leaves now; *in_flight*: octets in flight, *run* included."""
        if in_flight <= run.end - run.seq:  # a new flight begins: what went before says nothing
            self.first_sent_at = self.delivered_at = now
        run.first_sent_at = self.first_sent_at
        run.delivered_at = self.delivered_at
        run.delivered = self.delivered
        run.app_limited = self.app_limited > 0
        run.tx_in_flight = in_flight
        run.lost_before = self.lost

    def on_app_limited(self, in_flight: int) -> None:
        """The application has nothing to send, though the network would take more."""
        self.app_limited = self.delivered + in_flight or 1

    def sample(self, runs: Iterable[SentRun], ack: Ack, min_rtt: float | None, now: float) -> None:
        """Count *runs*, which were delivered now, and write the sample they give into *ack*.

        A sample over less than *min_rtt* would be an artefact of bunched acknowledgements.
        """
        newest: SentRun | None = None
        before = delivered = self.delivered
        for run in runs:
            delivered += run.end - run.seq
            if (
                newest is None
                or run.order > newest.order
                or (run.order == newest.order and run.end > newest.end)
            ):
                newest = run
        ack.delivered = delivered - before
        self.delivered = delivered
        ack.delivery_rate = None
        ack.total_delivered = delivered
        ack.total_lost = self.lost
        if newest is None:
            ack.prior_delivered = ack.rate_delivered = ack.rate_lost = ack.tx_in_flight = 0
            ack.rate_app_limited = False
            return
        self.delivered_at = now
        if delivered > self.app_limited:
            self.app_limited = 0
        interval = now - newest.delivered_at
        send_elapsed = newest.sent_at - newest.first_sent_at
        if send_elapsed > interval:
            interval = send_elapsed
        self.first_sent_at = newest.sent_at
        got = delivered - newest.delivered
        ack.prior_delivered = newest.delivered
        ack.rate_delivered = got
        ack.rate_lost = self.lost - newest.lost_before
        ack.rate_app_limited = newest.app_limited
        ack.tx_in_flight = newest.tx_in_flight
        if interval <= 0.0 or (min_rtt is not None and interval < min_rtt):
            return
        rate = ack.delivery_rate = got / interval
        if not newest.app_limited or self.rate is None or rate > self.rate:
            self.rate = rate
