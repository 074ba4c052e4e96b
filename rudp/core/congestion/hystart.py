"""HyStart++: leaving slow start before the queue overflows (RFC 9406).

Slow start doubles the window until something is lost, and then much is lost at once.  A queue that
begins to fill can be felt earlier: the smallest round trip of a round rises above that of the
round before.  The window then grows at a quarter of the speed for a while (conservative slow
start); if the round trip falls again it was a false alarm, else slow start is over.
"""

import enum
import math
from typing import Final

from rudp.core.congestion.controller import Ack

MIN_RTT_THRESH: Final = 0.004
MAX_RTT_THRESH: Final = 0.016
"""Seconds: bounds of what counts as a rise (HS-1)."""

MIN_RTT_DIVISOR: Final = 8
N_RTT_SAMPLE: Final = 8
"""Samples that a round needs to be judged."""

CSS_GROWTH_DIVISOR: Final = 4
CSS_ROUNDS: Final = 5


class _Phase(enum.Enum):
    SLOW_START = "doubling"
    CSS = "conservative slow start"
    DONE = "slow start is over"


class HyStart:
    """The rounds of the first slow start (HS-2, HS-3)."""

    __slots__ = (
        "_baseline",
        "_css_rounds",
        "_current",
        "_last",
        "_phase",
        "_samples",
        "_window_end",
    )

    def __init__(self) -> None:
        self._phase = _Phase.SLOW_START
        self._window_end: int | None = None
        self._last = math.inf
        self._current = math.inf
        self._samples = 0
        self._baseline = math.inf
        self._css_rounds = 0

    @property
    def is_done(self) -> bool:
        """Whether slow start is left to others from now on."""
        return self._phase is _Phase.DONE

    def resume(self) -> None:
        """The loss that ended it was none: the first slow start goes on."""
        self._phase = _Phase.SLOW_START
        self._baseline = math.inf

    def growth(self, ack: Ack) -> int | None:
        """Return the octets by which cwnd may grow now; None ends slow start (HS-5, HS-6).

        There is no limit L to the growth of one ACK, as sending is paced (HS-1).
        """
        self._sample(ack.rtt)
        if self._phase is _Phase.SLOW_START:
            if self._rises():
                self._baseline = self._current
                self._phase = _Phase.CSS
                self._css_rounds = 0
        elif self._samples >= N_RTT_SAMPLE and self._current < self._baseline:
            self._baseline = math.inf
            self._phase = _Phase.SLOW_START
        if self._window_end is None or ack.snd_una >= self._window_end:
            self._window_end = ack.snd_nxt
            self._last = self._current
            self._current = math.inf
            self._samples = 0
            if self._phase is _Phase.CSS:
                self._css_rounds += 1
                if self._css_rounds >= CSS_ROUNDS:
                    self._phase = _Phase.DONE
                    return None
        if self._phase is _Phase.CSS:
            return ack.delivered // CSS_GROWTH_DIVISOR
        return ack.delivered

    def _sample(self, rtt: float | None) -> None:
        if rtt is not None:
            self._current = min(self._current, rtt)
            self._samples += 1

    def _rises(self) -> bool:
        """Return whether the round trip of this round is above that of the last (HS-4)."""
        if self._samples < N_RTT_SAMPLE or self._last == math.inf or self._current == math.inf:
            return False
        threshold = min(max(self._last / MIN_RTT_DIVISOR, MIN_RTT_THRESH), MAX_RTT_THRESH)
        return self._current >= self._last + threshold
