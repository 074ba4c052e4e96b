"""RACK: what was sent before something that has arrived should have arrived too (RFC 8985).

The time of sending, not the sequence number, tells what is overdue, so retransmissions are judged
like everything else and a lost retransmission is found.  Networks reorder; how long to wait for a
late segment is learned: from segments that arrive after their successors, and from duplicates
(D-SACK), which show that waiting a little longer would have saved a retransmission.
"""

from collections.abc import Iterable
from typing import Final

from rudp.core.loss.rtt import GRANULARITY
from rudp.core.loss.scoreboard import Scoreboard, SentRun

DUP_THRESH: Final = 3
"""SACKed segments that stand for a loss without any waiting, until reordering is seen."""

REO_WND_PERSIST: Final = 16
"""Recoveries for which a widened reordering window lasts (RFC 8985 §6.2, step 4)."""

EARLY: Final = 1e-6
"""Seconds that a deadline may be off by, as sums of floats are."""


class Rack:
    """The variables RACK.* of RFC 8985 §5.2; times in seconds, numbers as growing ints.

    *iss*: a number below all that is in flight; *rtt*: the latest round trip, 0 before the first.
    ``deadline``: when to look again, because something may yet arrive late; None if nothing may.
    ``reordering_seen``: a segment that was sent once came after a later one.
    """

    __slots__ = (
        "_dsack_round",
        "_end_seq",
        "_fack",
        "_order",
        "_persist",
        "_reo_wnd_mult",
        "_rtt",
        "_sacked_segments",
        "_xmit_ts",
        "deadline",
        "reordering_seen",
    )

    def __init__(self, iss: int, rtt: float = 0.0) -> None:
        self.deadline: float | None = None
        self.reordering_seen = False
        self._order = 0  # in place of RACK.xmit_ts: a clock of 15 ms cannot tell what left first
        self._xmit_ts = 0.0
        self._end_seq = iss
        self._rtt = rtt
        self._fack = iss
        self._reo_wnd_mult = 1
        self._persist = 0
        self._dsack_round: int | None = None  # SND.NXT when a D-SACK last widened the window
        self._sacked_segments = 0

    def on_delivered(
        self,
        runs: Iterable[SentRun],
        tsecr: int | None,
        snd_una: int,
        min_rtt: float | None,
        now: float,
    ) -> None:
        """Enter *runs*, delivered now, in ascending order (§6.2, steps 1 to 3).

        *tsecr*: the time in ms of our clock that the peer echoes, None without timestamps.
        It is that of what arrived in order, below *snd_una*: above a hole it is always old, and of
        what is SACKed there only the time tells which copy came.
        """
        for run in runs:
            rtt = now - run.sent_at
            if run.end > self._fack:
                self._fack = run.end
            elif run.transmissions == 1:
                self.reordering_seen = True
            if run.transmissions > 1 and (
                # It answers an earlier copy, by the echo or because no answer is so quick.
                (tsecr is not None and run.seq < snd_una and tsecr < int(run.sent_at * 1000))
                or (min_rtt is not None and rtt < min_rtt)
            ):
                continue
            self._rtt = rtt
            if run.order > self._order or (run.order == self._order and run.end > self._end_seq):
                self._order = run.order
                self._xmit_ts = run.sent_at
                self._end_seq = run.end

    def is_behind(self, snd_una: int, oldest: SentRun | None) -> bool:
        """Whether nothing has arrived that was sent with, or after, *oldest* or what follows it."""
        if self._fack > snd_una:
            return False
        return oldest is None or self._order < oldest.order

    def note_latest(self, end: int, order: int, sent_at: float, rtt: float) -> None:
        """The latest of what was delivered in order ends at *end*; see :meth:`on_delivered`."""
        self._fack = self._end_seq = end
        self._order = order
        self._xmit_ts = sent_at
        self._rtt = rtt

    def on_sacked(self, runs: Iterable[SentRun], smss: int, sacked: int) -> None:
        """Count the segments of *runs*, newly SACKed, of *sacked* octets in all."""
        if not sacked:
            self._sacked_segments = 0
        for run in runs:
            self._sacked_segments += -((run.seq - run.end) // smss)

    def on_dsack(self, snd_una: int, snd_nxt: int) -> None:
        """A retransmission was not needed: wait longer, once in a round trip (§6.2, step 4)."""
        if self._dsack_round is not None and snd_una < self._dsack_round:
            return
        self._dsack_round = snd_nxt
        self._reo_wnd_mult += 1
        self._persist = REO_WND_PERSIST

    def on_recovered(self) -> None:
        """An episode is over: after some of them the window narrows again."""
        if self._persist:
            self._persist -= 1
            if not self._persist:
                self._reo_wnd_mult = 1

    def reo_wnd(self, in_recovery: bool, min_rtt: float | None, srtt: float | None) -> float:
        """Return how many seconds a segment may be late (RACK-8)."""
        if not self.reordering_seen and (in_recovery or self._sacked_segments >= DUP_THRESH):
            return 0.0
        if min_rtt is None or srtt is None:
            return 0.0
        least = min_rtt if min_rtt > GRANULARITY else GRANULARITY  # a coarse clock measures 0
        return min(self._reo_wnd_mult * least / 4, srtt if srtt > GRANULARITY else GRANULARITY)

    def is_ahead(self, board: Scoreboard) -> bool:
        """Return whether something in flight on *board* was sent before what has arrived."""
        oldest = board.oldest
        return oldest is not None and (oldest.order, oldest.end) < (self._order, self._end_seq)

    def detect(self, board: Scoreboard, reo_wnd: float, now: float) -> list[SentRun]:
        """Call lost on *board* what is overdue, return it, and set ``deadline`` (§6.2, step 5)."""
        self.deadline = None
        lost = []
        due = now + EARLY - self._rtt - reo_wnd
        for run in board.oldest_first():
            if (run.order, run.end) >= (self._order, self._end_seq):
                break
            if run.sent_at > due:
                # The rest was sent later; one look at the end of their time serves for all.
                self.deadline = self._xmit_ts + self._rtt + reo_wnd
                break
            board.mark_lost(run)
            lost.append(run)
        return lost

    def overdue(self, board: Scoreboard, reo_wnd: float, now: float) -> list[SentRun]:
        """Call lost what was sent so long ago that the timer's expiry settles it (RACK-13)."""
        self.deadline = None
        lost = []
        for run in board.oldest_first():
            if run.sent_at + self._rtt + reo_wnd > now + EARLY:
                break
            board.mark_lost(run)
            lost.append(run)
        return lost
