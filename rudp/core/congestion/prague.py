"""Prague: many small answers to many marks (draft-briscoe-iccrg-prague-congestion-control-04).

A queue for L4S (RFC 9331, RFC 9332) marks long before it is long, and often.  To halve the window
for each would be far too much: here the share of octets that were marked is averaged (``alpha``),
and once in a round trip half of that share is taken from the window.  A flow that is marked twice
in a round trip stays where it is; its window does not swing, and needs no queue to swing in.

Such a mark can only be told from one of a classic queue by who asked for it: ECT(1) says "I answer
like this".  A flow that is not marked is CUBIC, and becomes so again at a loss or when it has not
been marked for long, until the next mark; with a peer that does not count marks it is CUBIC
altogether.
"""

import math
from typing import ClassVar, Final

from rudp.core.congestion.controller import Ack, Signal
from rudp.core.congestion.cubic import Cubic
from rudp.core.congestion.pacing import AVOIDANCE_GAIN, LONG_AGO, SLOW_START_GAIN
from rudp.core.segment.transmit import ECT_1
from rudp.core.terms.bounds import WINDOW_MAX
from rudp.core.terms.native import mypyc_attr

GAIN: Final = 1 / 16
"""g: how much of what a round trip says goes into ``alpha``."""

VIRTUAL_RTT: Final = 0.025
"""Seconds: a shorter round trip is treated like one of these.  Else flows with one would take all
from the others, which have no longer a queue in common with them that makes both long."""

QUIET: Final = 2.0
"""Rounds without a mark, as a multiple of the square root of the window in segments, after which
there is more room than one segment in a round trip will find soon.  A flow alone on its link is
marked every so often, without the factor."""

BURST_SECONDS: Final = 0.000_25
"""How much time one burst stands for: a millisecond's worth would be the queue."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Prague(Cubic):
    """A scalable controller, for peers that count marks (RFC 9768).

    ``alpha``: the average share of octets that were marked, 0 to 1; 1 before anything is known.
    ``scalable``: marks are what says how much may be in flight; else it is CUBIC.
    """

    __slots__ = (
        "_acked", "_heard", "_marked", "_quiet", "_reduced_at", "_reduced_until", "_rest",
        "_round_began", "_round_end", "_una", "alpha", "scalable",
    )  # fmt: skip

    answers_marks: ClassVar[bool] = True
    ect: ClassVar[int] = ECT_1
    burst_seconds: ClassVar[float | None] = BURST_SECONDS

    def __init__(self, smss: int, initial_window: int, *, hystart: bool = True) -> None:
        super().__init__(smss, initial_window, hystart=hystart)
        self.alpha = 1.0
        self.scalable = False
        self._acked = 0  # octets delivered in this round
        self._marked = 0  # and how many of them were marked
        self._heard = 0  # octets marked that no acknowledgement has been asked about yet
        self._quiet = 0  # rounds in a row without a mark
        self._round_began = LONG_AGO
        self._round_end = 0  # SND.NXT then
        self._reduced_until = 0  # SND.NXT when the window was reduced last
        self._reduced_at = LONG_AGO  # and the time
        self._una = 0  # SND.UNA at the acknowledgement before
        self._rest = 0.0  # octets of growth that did not make a whole octet yet

    def on_marks(self, segments: int, octets: int, now: float) -> None:
        """Marks count by their octets; a segment without any counts as one."""
        self._heard += max(octets, segments)

    def on_ack(self, ack: Ack) -> None:
        """Average, reduce if something was marked, and grow by what was not."""
        marked, self._heard = self._heard, 0
        srtt = ack.srtt or VIRTUAL_RTT
        virtual = max(srtt, VIRTUAL_RTT)
        wait = virtual if virtual > srtt else 0.0  # beyond the round trip that has been waited for
        self._acked += ack.delivered
        self._marked += marked
        if ack.snd_una >= self._round_end and ack.now - self._round_began >= wait:
            self._end_of_round(ack)
        if marked:
            self.scalable = True
            # What is marked here was sent before this acknowledgement's own number.
            if self._una >= self._reduced_until and ack.now - self._reduced_at >= wait:
                self._reduce(ack)
        if self.scalable and self.cwnd >= self.ssthresh:
            self._untried -= ack.delivered
            if ack.cwnd_limited:
                self._grow(max(ack.delivered - marked, 0), srtt / virtual)
        else:
            super().on_ack(ack)
        self._una = ack.snd_una
        self.pacing_rate = self._gain() * self.cwnd / srtt if ack.srtt else None

    def _gain(self) -> float:
        if self.cwnd < self.ssthresh:
            return SLOW_START_GAIN
        return 1.0 if self.scalable else AVOIDANCE_GAIN

    def _end_of_round(self, ack: Ack) -> None:
        """A round trip is over, or a virtual one: average."""
        if self.scalable and self._acked:
            share = min(self._marked / self._acked, 1.0)
            self.alpha += GAIN * (share - self.alpha)
            if self._marked:
                self._quiet = 0
            elif ack.cwnd_limited:
                self._quiet += 1
                if self._quiet > QUIET * math.sqrt(self.cwnd / self.smss):
                    self._become_classic()
        self._acked = self._marked = 0
        self._round_began = ack.now
        self._round_end = ack.snd_nxt

    def _reduce(self, ack: Ack) -> None:
        """Take half of ``alpha`` from the window, once in a round trip."""
        self._starts = False  # a mark ends the first slow start
        self._reduced_at = ack.now
        self._reduced_until = ack.snd_nxt
        self.cwnd = max(int(self.cwnd * (1 - self.alpha / 2)), 2 * self.smss)
        self.ssthresh = self.cwnd
        self.earned = 0

    def _grow(self, octets: int, share: float) -> None:
        """One segment for each virtual round trip, if nothing is marked.

        *share*: of the round trip in a virtual one.  So much shorter is the window than it would be
        with that, and so much more often a round trip comes.
        """
        grown = self._rest + self.smss * octets / self.cwnd * share * share
        self._rest = grown - int(grown)
        self.cwnd = min(self.cwnd + int(grown), WINDOW_MAX)

    def on_congestion(self, signal: Signal, flight_size: int, now: float) -> None:
        """A loss, or a mark that a peer has not counted: be CUBIC."""
        self._become_classic()
        super().on_congestion(signal, flight_size, now)

    def on_timeout(self, flight_size: int, first: bool, now: float) -> None:
        """The same, and begin with one segment."""
        self._become_classic()
        super().on_timeout(flight_size, first, now)

    def _become_classic(self) -> None:
        self.scalable = False
        self.pacing_rate = None
        self._heard = self._quiet = 0
        self._epoch = None  # the curve begins here
