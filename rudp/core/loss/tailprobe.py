"""TLP: a probe for the end of a flight, which nothing that follows could show to be lost.

Loss detection lives on acknowledgements of what was sent later.  At the end of a flight there is
nothing later, so after two round trips of silence one segment goes out, new data if there is any,
else the last segment once more; its acknowledgement brings the SACKs that show what is missing, in
place of a retransmission time-out that would cost the whole window (RFC 8985 §7).
"""

from typing import Final

from rudp.core.terms.bounds import CLOCK_TICK

MAX_ACK_DELAY: Final = 0.05
"""Seconds that a peer may wait for company before it acknowledges a lone segment (DEF-24)."""

PTO_MIN: Final = max(0.01, 2 * CLOCK_TICK)
"""Seconds: what a busy event loop may be late by, at either end, without anything being lost; and
more than one tick of the clock, the first of which may be over at once."""

PTO_INITIAL: Final = 1.0
"""Seconds before the first round-trip sample (RFC 8985 §7.2)."""


class TailProbe:
    """The variables TLP.* of RFC 8985 §7.1; numbers are growing ints.

    ``end_seq``: SND.NXT after the probe that is on its way, None if none is.
    """

    __slots__ = ("_is_retrans", "_sampled", "end_seq")

    def __init__(self) -> None:
        self.end_seq: int | None = None
        self._is_retrans = False
        self._sampled = True  # a round-trip sample has come since the last probe

    @property
    def may_probe(self) -> bool:
        """Whether a probe may be sent: one at a time, and one for each sample (TLP-3)."""
        return self.end_seq is None and self._sampled

    def pto(self, srtt: float | None, alone: bool) -> float:
        """Return the seconds to wait before probing; *alone*: one segment is in flight (TLP-2)."""
        if srtt is None:
            return PTO_INITIAL
        pto = 2 * srtt + MAX_ACK_DELAY if alone else 2 * srtt
        return pto if pto > PTO_MIN else PTO_MIN

    def on_sent(self, snd_nxt: int, is_retrans: bool) -> None:
        """The probe has left, and SND.NXT is *snd_nxt*."""
        self.end_seq = snd_nxt
        self._is_retrans = is_retrans
        self._sampled = False

    def on_sample(self) -> None:
        """A round trip was measured."""
        self._sampled = True

    def on_ack(self, seg_ack: int, dsack: tuple[int, int] | None, idle_duplicate: bool) -> bool:
        """Return whether this acknowledgement shows that the probe repaired a loss (§7.4).

        *idle_duplicate*: it neither advances nor brings SACK news.
        """
        end_seq = self.end_seq
        if end_seq is None or seg_ack < end_seq:
            return False
        if not self._is_retrans:  # new data: whatever is missing is detected as always
            self.end_seq = None
        elif dsack is not None and dsack[1] >= end_seq:
            self.end_seq = None  # it arrived twice: nothing was lost
        elif seg_ack > end_seq:
            self.end_seq = None
            return True  # the original never arrived, or its duplicate would have been reported
        elif idle_duplicate:
            self.end_seq = None  # the acknowledgement of the duplicate, from a peer without D-SACK
        return False

    def reset(self) -> None:
        """A recovery begins, or the connection does (TLP-7)."""
        self.end_seq = None
        self._is_retrans = False
