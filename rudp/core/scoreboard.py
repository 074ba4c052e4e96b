"""What is in flight: when each stretch was sent, what of it is SACKed and what is called lost.

One :class:`SentRun` stands for a whole run of segments that left together, however many; it is
split only where an acknowledgement or a retransmission cuts it.  SACKed and lost octets are two
sets of ranges over the same line of sequence numbers.  The class keeps books and judges nothing:
what is lost, :mod:`rudp.core.recovery` decides.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from operator import attrgetter
from typing import Final

from rudp.core.ranges import RangeSet

RANGES_MAX: Final = 4096
"""Separate SACKed ranges that are remembered: more than a lossy path makes of 4 MiB in flight.  A
peer may SACK single octets, and each would cost many times its size here, and a datagram for every
octet between them (SB-8)."""

_by_seq = attrgetter("seq")


class SentRun:
    """Octets ``[seq, end)``, sent ``transmissions`` times, the last time at ``sent_at``."""

    __slots__ = ("end", "sent_at", "seq", "transmissions")

    def __init__(self, seq: int, end: int, sent_at: float, transmissions: int) -> None:
        self.seq = seq
        self.end = end
        self.sent_at = sent_at
        self.transmissions = transmissions

    def __repr__(self) -> str:
        return f"<SentRun [{self.seq}, {self.end}) x{self.transmissions} at {self.sent_at:.6f}>"


class Scoreboard:
    """The runs between SND.UNA and SND.NXT, in order and without gaps.

    ``duplicates`` is the SACK of the poor: without the option every duplicate acknowledgement still
    says that one segment has left the network (RFC 5681 §3.2), though not which.  Subtracting
    it here does what RFC 6582 does by inflating cwnd.
    """

    __slots__ = ("duplicates", "lost", "runs", "sacked", "snd_nxt", "snd_una")

    def __init__(self, iss: int) -> None:
        self.snd_una = iss
        self.snd_nxt = iss
        self.runs: list[SentRun] = []
        self.sacked = RangeSet()
        self.lost = RangeSet()
        self.duplicates = 0

    @property
    def in_flight(self) -> int:
        """Octets believed to be in the network: RFC 6675's pipe."""
        outstanding = self.snd_nxt - self.snd_una - self.sacked.octets - self.lost.octets
        return max(outstanding - self.duplicates, 0)

    def on_sent(self, seq: int, end: int, now: float) -> None:
        """Record ``[seq, end)``, sent for the first time, which begins at SND.NXT."""
        self.runs.append(SentRun(seq, end, now, 1))
        self.snd_nxt = end

    def on_resent(self, left: int, right: int, now: float) -> None:
        """Record that ``[left, right)`` was sent again: in flight, and no longer lost."""
        self.lost.remove(left, right)
        i = self._cut(left)
        j = self._cut(right)
        for run in self.runs[i:j]:
            run.sent_at = now
            run.transmissions += 1

    def acknowledge(self, seg_ack: int) -> tuple[int, float | None, bool]:
        """Move SND.UNA to *seg_ack*, at most SND.NXT.

        Return the octets that are news (acknowledged and not SACKed before), when the earliest of
        them was sent, and whether any octet below *seg_ack* was sent more than once (then the
        time of sending proves nothing).  The time is None if all of it had been SACKed.
        """
        before = self.snd_una
        sacked = self.sacked.octets
        sent_at = None
        resent = False
        n = 0
        for run in self.runs:
            if run.seq >= seg_ack:
                break
            if run.transmissions > 1:
                resent = True
            if sent_at is None and (not sacked or self.sacked.gaps(run.seq, min(run.end, seg_ack))):
                sent_at = run.sent_at
            if run.end > seg_ack:
                run.seq = seg_ack
                break
            n += 1
        del self.runs[:n]
        self.snd_una = seg_ack
        if sacked:
            self.sacked.remove_below(seg_ack)
        if self.lost.octets:
            self.lost.remove_below(seg_ack)
        return seg_ack - before - (sacked - self.sacked.octets), sent_at, resent

    def sack(self, blocks: Sequence[tuple[int, int]]) -> int:
        """Mark *blocks*, valid ones above SND.UNA, as SACKed; return how many octets are news.

        Beyond :data:`RANGES_MAX` only blocks count that belong to a range which is known.
        """
        before = self.sacked.octets
        for left, right in blocks:
            full = len(self.sacked) >= RANGES_MAX
            if full and self.sacked.gaps(left, right) == [(left, right)]:
                continue
            self.sacked.add(left, right)
            if self.lost.octets:
                self.lost.remove(left, right)
        return self.sacked.octets - before

    def mark_lost(self, left: int, right: int) -> None:
        """Call the octets of ``[left, right)`` lost that are not SACKed."""
        for gap_left, gap_right in self.sacked.gaps(left, right):
            self.lost.add(gap_left, gap_right)

    def sent_once(self, left: int, right: int) -> list[tuple[int, int]]:
        """Return the parts of ``[left, right)`` that were transmitted only once."""
        found = []
        i = max(bisect_right(self.runs, left, key=_by_seq) - 1, 0)
        while i < len(self.runs) and self.runs[i].seq < right:
            run = self.runs[i]
            if run.transmissions == 1 and run.end > left:
                found.append((max(run.seq, left), min(run.end, right)))
            i += 1
        return found

    def _cut(self, at: int) -> int:
        """Make sure that a run begins at *at*; return its index (or that of the end)."""
        i = bisect_left(self.runs, at, key=_by_seq)
        if i and self.runs[i - 1].end > at:
            run = self.runs[i - 1]
            self.runs.insert(i, SentRun(at, run.end, run.sent_at, run.transmissions))
            run.end = at
        return i
