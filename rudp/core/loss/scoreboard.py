"""What is in flight: when each stretch was sent, what of it is SACKed and what is called lost.

One :class:`SentRun` stands for a whole run of segments that left together, however many; it is
split only where an acknowledgement, a loss or a retransmission cuts it.  Each run has one fate, and
those in flight are also strung together in the order in which they were sent last, because loss
detection asks about time, not about numbers.  The class keeps books and judges nothing: what is
lost, :mod:`rudp.core.loss.recovery` decides.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Final

from rudp.core.terms.ranges import RangeSet

RANGES_MAX: Final = 4096
"""Separate SACKed ranges that are remembered: more than a lossy path makes of 4 MiB in flight.  A
peer may SACK single octets, and each would cost many times its size here, and a datagram for every
octet between them (SB-8)."""

IN_FLIGHT: Final = 0
SACKED: Final = 1
LOST: Final = 2
"""The fate of a run: no news of it, arrived ahead of its turn, or given up and not sent again."""

_by_seq = attrgetter("seq")


class SentRun:
    """Octets ``[seq, end)``, sent ``transmissions`` times, the last time at ``sent_at``.

    ``order``: the later it left, the larger; a clock may stand still meanwhile.
    ``is_probe``: it was sent to try a larger segment size (PMTU-4).  ``mss``: octets of its
    segments, counted from ``origin``, as it was sent first.  The other fields remember what was
    known of the delivery rate when it left: see :mod:`rudp.core.congestion.rate`, their owner.
    """

    __slots__ = (
        "app_limited",
        "delivered",
        "delivered_at",
        "end",
        "fate",
        "first_sent_at",
        "is_probe",
        "lost_before",
        "mss",
        "newer",
        "older",
        "order",
        "origin",
        "sent_at",
        "seq",
        "transmissions",
        "tx_in_flight",
    )

    older: "SentRun | None"
    newer: "SentRun | None"

    def __init__(
        self, seq: int, end: int, sent_at: float, transmissions: int, mss: int, origin: int
    ) -> None:
        self.seq = seq
        self.end = end
        self.sent_at = sent_at
        self.transmissions = transmissions
        self.mss = mss
        self.origin = origin
        self.fate = IN_FLIGHT
        self.order = 0
        self.is_probe = False
        self.older = None
        self.newer = None
        self.delivered = 0
        self.delivered_at = 0.0
        self.first_sent_at = 0.0
        self.app_limited = False
        self.tx_in_flight = 0
        self.lost_before = 0

    def __repr__(self) -> str:
        fate = ("in flight", "SACKed", "lost")[self.fate]
        return (
            f"<SentRun [{self.seq}, {self.end}) {fate} x{self.transmissions} at {self.sent_at:.6f}>"
        )

    def split(self, at: int) -> "SentRun":
        """Give the octets from *at* on to a run of their own, and return it."""
        rest = SentRun(at, self.end, self.sent_at, self.transmissions, self.mss, self.origin)
        rest.fate = self.fate
        rest.order = self.order
        rest.is_probe = self.is_probe
        rest.delivered = self.delivered
        rest.delivered_at = self.delivered_at
        rest.first_sent_at = self.first_sent_at
        rest.app_limited = self.app_limited
        rest.tx_in_flight = self.tx_in_flight
        rest.lost_before = self.lost_before
        self.end = at
        return rest


_NONE_LOST: Final = RangeSet()
_NOTHING: Final[list[SentRun]] = []
"""What nobody adds to: where nothing is in flight, or ever was lost, there is none."""


class Scoreboard:
    """The runs between SND.UNA and SND.NXT, in order and without gaps.

    ``sacked``: octets SACKed.  ``lost``: the octets called lost and not sent again, as ranges; an
    index of the runs with that fate.  ``oldest``: the run in flight that was sent longest ago.
    ``duplicates`` is the SACK of the poor: without the option every duplicate acknowledgement still
    says that one segment has left the network (RFC 5681 §3.2), though not which.  Subtracting it
    here does what RFC 6582 does by inflating cwnd.  ``torn``: what the latest
    acknowledgement leaves out of segments that have arrived in part, ``(begin, left, right)`` each:
    ``[begin, right)`` was sent in one, and ``[left, right)`` is missing.
    """

    __slots__ = (
        "_newest",
        "_sacked_ranges",
        "duplicates",
        "lost",
        "oldest",
        "runs",
        "sacked",
        "sends",
        "snd_nxt",
        "snd_una",
        "torn",
    )

    def __init__(self, iss: int) -> None:
        self.snd_una = iss
        self.snd_nxt = iss
        self.runs = _NOTHING
        self.sacked = 0
        self.lost = _NONE_LOST
        self.duplicates = 0
        self._sacked_ranges = 0
        self.sends = 0  # how often something left
        self.torn: tuple[tuple[int, int, int], ...] = ()  # a list takes 56 octets even if empty
        self.oldest: SentRun | None = None
        self._newest: SentRun | None = None

    @property
    def flight_size(self) -> int:
        """Octets sent and not cumulatively acknowledged (RFC 5681 §2)."""
        return self.snd_nxt - self.snd_una

    @property
    def in_flight(self) -> int:
        """Octets believed to be in the network: RFC 6675's pipe, RFC 9937's inflight (PRR-2)."""
        octets = self.snd_nxt - self.snd_una - self.sacked - self.lost.octets - self.duplicates
        return octets if octets > 0 else 0

    def oldest_first(self) -> Iterator[SentRun]:
        """Yield the runs in flight, the one that was sent longest ago first.

        The run that was yielded last may meanwhile be called lost.
        """
        run = self.oldest
        while run is not None:
            following = run.newer
            yield run
            run = following

    def sacked_ranges(self) -> Iterator[tuple[int, int]]:
        """Yield what is SACKed, in order."""
        if self.sacked:
            yield from ((run.seq, run.end) for run in self.runs if run.fate == SACKED)

    # -- sending ---------------------------------------------------------------------------------

    def on_sent(self, seq: int, end: int, now: float, mss: int = 0) -> SentRun:
        """Record ``[seq, end)``, sent for the first time, which begins at SND.NXT.

        *mss*: octets of its segments; 0 for a single one.
        """
        mss = mss or end - seq
        run = SentRun(seq, end, now, 1, mss, seq)
        self.sends = run.order = self.sends + 1
        if self.runs:
            self.runs.append(run)
        else:
            self.runs = [run]
        self._append(run)
        self.snd_nxt = end
        return run

    def separate(self, at: int) -> None:
        """Begin another run at *at*: no segment holds octets on both sides of it."""
        self._cut(at)

    def on_resent(self, left: int, right: int, now: float) -> list[SentRun]:
        """Record that ``[left, right)`` was sent again: in flight, and no longer lost."""
        self.lost.remove(left, right)
        i = self._cut(left)
        j = self._cut(right)
        resent = [run for run in self.runs[i:j] if run.fate != SACKED]
        self.sends += 1
        for run in resent:
            run.order = self.sends
            if run.fate == IN_FLIGHT:
                self._unlink(run)
            run.fate = IN_FLIGHT
            run.sent_at = now
            run.transmissions += 1
            run.is_probe = False
            self._append(run)
        return resent

    # -- acknowledgements ------------------------------------------------------------------------

    def acknowledge(self, seg_ack: int) -> tuple[list[SentRun], bool]:
        """Move SND.UNA to *seg_ack*, at most SND.NXT.

        Return the runs that are news (not SACKed before), in order, and whether any octet below
        *seg_ack* was sent more than once: then the time of sending proves nothing (Karn's rule).
        """
        runs = self.runs
        if seg_ack == self.snd_nxt and not self.sacked and not self.lost.octets:
            self.runs = _NOTHING
            self.oldest = self._newest = None
            self.snd_una = seg_ack
            resent = False
            for run in runs:
                run.older = run.newer = None
                if run.transmissions > 1:
                    resent = True
            return runs, resent
        news = []
        resent = False
        n = 0
        for run in runs:
            if run.seq >= seg_ack:
                break
            if run.end > seg_ack:
                self._look_for_tear(run, seg_ack)
                rest = run.split(seg_ack)
                runs.insert(n + 1, rest)
                if run.fate == IN_FLIGHT:
                    self._insert_after(run, rest)
                elif run.fate == SACKED:
                    self._sacked_ranges += 1
            n += 1
            if run.transmissions > 1:
                resent = True
            if run.fate == SACKED:
                self.sacked -= run.end - run.seq
                self._sacked_ranges -= 1
                continue
            if run.fate == IN_FLIGHT:
                self._unlink(run)
            news.append(run)
        del runs[:n]
        self.snd_una = seg_ack
        if self.lost.octets:
            self.lost.remove_below(seg_ack)
        return news, resent

    def sack(self, blocks: Sequence[tuple[int, int]]) -> list[SentRun]:
        """Mark *blocks*, valid ones above SND.UNA, as SACKed; return the runs that are news.

        Beyond :data:`RANGES_MAX` only blocks count that belong to a range which is known.
        """
        news: list[SentRun] = []
        for left, right in sorted(blocks):
            if self._is_sacked(left, right):
                continue
            if self._sacked_ranges >= RANGES_MAX and not self._touches_sacked(left, right):
                continue
            i = self._cut(left)
            j = bisect_left(self.runs, right, key=_by_seq)
            if self.runs[j - 1].end > right:
                self._look_for_tear(self.runs[j - 1], right)
                self._cut(right)
            for run in self.runs[i:j]:
                if run.fate == SACKED:
                    self._sacked_ranges -= 1
                    continue
                if run.fate == IN_FLIGHT:
                    self._unlink(run)
                news.append(run)
                self.sacked += run.end - run.seq
            self._merge(i, j, left, right)
            if self.lost.octets:
                self.lost.remove(left, right)
        return news

    def restore(self, snd_una: int, snd_nxt: int, sends: int, runs: list[SentRun]) -> None:
        """Take the state of a lane: *runs*, all in flight, each sent once; something left *sends*
        times.
        """
        self.snd_una = snd_una
        self.snd_nxt = snd_nxt
        self.sends = sends
        self.runs = runs or _NOTHING
        self.oldest = self._newest = None
        for run in runs:
            self._append(run)

    def forget_sacks(self) -> None:
        """The receiver took back what it had SACKed (RFC 2018 §8): all of that is lost."""
        for run in self.runs:
            if run.fate == SACKED:
                self._lose(run)
        self.sacked = self._sacked_ranges = 0

    # -- losses ----------------------------------------------------------------------------------

    def mark_lost(self, run: SentRun) -> None:
        """Call *run*, one in flight, lost."""
        self._unlink(run)
        self._lose(run)

    def _lose(self, run: SentRun) -> None:
        run.fate = LOST
        if self.lost is _NONE_LOST:
            self.lost = RangeSet()
        self.lost.add(run.seq, run.end)

    def mark_range_lost(self, left: int, right: int) -> list[SentRun]:
        """Call what is in flight of ``[left, right)`` lost; return these runs."""
        i = self._cut(left)
        j = self._cut(right)
        found = [run for run in self.runs[i:j] if run.fate == IN_FLIGHT]
        for run in found:
            self.mark_lost(run)
        return found

    def forget_losses(self) -> None:
        """What is called lost and was not sent again is in flight after all (UNDO-7)."""
        if not self.lost.octets:
            return
        self.lost.clear()
        oldest_first = sorted(
            (run for run in self.runs if run.fate != SACKED), key=attrgetter("order", "seq")
        )
        self.oldest = self._newest = None
        for run in oldest_first:
            run.fate = IN_FLIGHT
            self._append(run)

    # -- inside ----------------------------------------------------------------------------------

    def _look_for_tear(self, run: SentRun, at: int) -> None:
        """*run* has arrived up to *at*: is that within a segment, which somebody has cut off?

        Of what was sent again nobody knows in which segments it came.
        """
        if run.transmissions > 1 or run.fate == SACKED:
            return
        octets = (at - run.origin) % run.mss
        if octets:
            begin = at - octets
            self.torn += ((begin, at, min(begin + run.mss, run.end)),)

    def _cut(self, at: int) -> int:
        """Make sure that a run begins at *at*; return its index (or that of the end)."""
        runs = self.runs
        i = bisect_left(runs, at, key=_by_seq)
        if i and runs[i - 1].end > at:
            run = runs[i - 1]
            rest = run.split(at)
            runs.insert(i, rest)
            if run.fate == IN_FLIGHT:
                self._insert_after(run, rest)
            elif run.fate == SACKED:
                self._sacked_ranges += 1
        return i

    def _merge(self, i: int, j: int, left: int, right: int) -> None:
        """Let one SACKed run stand for ``runs[i:j]``, that is ``[left, right)``, and neighbours."""
        runs = self.runs
        if i and runs[i - 1].fate == SACKED:
            i -= 1
            left = runs[i].seq
            self._sacked_ranges -= 1
        if j < len(runs) and runs[j].fate == SACKED:
            right = runs[j].end
            j += 1
            self._sacked_ranges -= 1
        transmissions = max(run.transmissions for run in runs[i:j])
        merged = SentRun(left, right, runs[i].sent_at, transmissions, right - left, left)
        merged.fate = SACKED
        runs[i:j] = [merged]
        self._sacked_ranges += 1

    def _is_sacked(self, left: int, right: int) -> bool:
        """Return whether one SACKed run holds ``[left, right)``, as most blocks are old news."""
        i = bisect_left(self.runs, left + 1, key=_by_seq) - 1
        return i >= 0 and self.runs[i].fate == SACKED and self.runs[i].end >= right

    def _touches_sacked(self, left: int, right: int) -> bool:
        """Return whether ``[left, right)`` overlaps or meets a SACKed run."""
        i = max(bisect_left(self.runs, left, key=_by_seq) - 1, 0)
        while i < len(self.runs) and self.runs[i].seq <= right:
            if self.runs[i].fate == SACKED and self.runs[i].end >= left:
                return True
            i += 1
        return False

    def _append(self, run: SentRun) -> None:
        """String *run* behind all others: it was sent last."""
        run.older = self._newest
        run.newer = None
        if self._newest is None:
            self.oldest = run
        else:
            self._newest.newer = run
        self._newest = run

    def _insert_after(self, run: SentRun, rest: SentRun) -> None:
        """String *rest*, cut off from *run*, right behind it."""
        rest.older = run
        rest.newer = run.newer
        if run.newer is None:
            self._newest = rest
        else:
            run.newer.older = rest
        run.newer = rest

    def _unlink(self, run: SentRun) -> None:
        """Take *run*, which is in flight no longer, off the string."""
        if run.older is None:
            self.oldest = run.newer
        else:
            run.older.newer = run.newer
        if run.newer is None:
            self._newest = run.older
        else:
            run.newer.older = run.older
        run.older = run.newer = None
