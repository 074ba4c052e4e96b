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


def pto(srtt: float | None, alone: bool) -> float:
    """Return the seconds to wait before probing; *alone*: one segment is in flight (TLP-2)."""
    if srtt is None:
        return PTO_INITIAL
    wait = 2 * srtt + MAX_ACK_DELAY if alone else 2 * srtt
    return wait if wait > PTO_MIN else PTO_MIN


class TailProbe:
    """A probe that is on its way, and no longer: the variables TLP.* of RFC 8985 §7.1.

    *end_seq*: SND.NXT after it, a growing int; *is_retrans*: it repeats what was sent before.
    """

    __slots__ = ("_end_seq", "_is_retrans")

    def __init__(self, end_seq: int, is_retrans: bool) -> None:
        self._end_seq = end_seq
        self._is_retrans = is_retrans

    def is_over(self, seg_ack: int, dsack: tuple[int, int] | None, idle_duplicate: bool) -> bool:
        """Return whether this acknowledgement shows what became of the probe (§7.4).

        *idle_duplicate*: it neither advances nor brings SACK news.
        """
        if seg_ack < self._end_seq:
            return False
        return (
            not self._is_retrans  # new data: whatever is missing is detected as always
            or seg_ack > self._end_seq
            or self._is_double(dsack)
            or idle_duplicate  # it answers the duplicate, and the peer has no D-SACK
        )

    def has_repaired(self, seg_ack: int, dsack: tuple[int, int] | None) -> bool:
        """Return whether it repaired a loss, as the acknowledgement shows that it is over.

        The original never arrived, or its duplicate would have been reported.
        """
        return self._is_retrans and seg_ack > self._end_seq and not self._is_double(dsack)

    def _is_double(self, dsack: tuple[int, int] | None) -> bool:
        """Whether the peer reports that it came twice: nothing was lost."""
        return dsack is not None and dsack[1] >= self._end_seq
