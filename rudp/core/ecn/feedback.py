"""What the peer says of the marks on what we sent, and whether to believe it (RFC 9768 §3.2).

The ACE field has three bits and may have gone round between two acknowledgements; the AccECN option
tells octets, where it gets through.  What they say is made into one number of segments and one of
octets, each mark told of once.  The path may spoil the ECN bits, the three flags or the option:
each case has a test, and costs the use of ECN at most.
"""

from typing import Final

from rudp.core.ecn.counts import FIRST_OCTETS
from rudp.core.segment.ace import FIRST_ACE
from rudp.core.segment.options import EcnCounters
from rudp.core.segment.seqnum import wire_after
from rudp.core.segment.transmit import CE, ECT_0, ECT_1
from rudp.core.terms.feedback import Fallback

CYCLE: Final = 8
"""Values of the ACE field."""

ROUNDS: Final = 4
"""Round trips in which each segment comes with a mark: no router does that (§3.2.2.3)."""

ALL: Final = 7 / 8
"""The share of octets that stands for all: without an option they are estimated."""

THINNED: Final = 4.0
"""Segments to an acknowledgement, on the average, above which it is usual that one covers many: the
receiver reads them together, or something on the way leaves acknowledgements out."""

_MEMORY: Final = 64  # acknowledgements that the average goes back

_SMALL: Final = 2  # what is left of a full segment where it is unlikely (A.2.2: SAFETY_FACTOR)


class Marked:
    """The marks on what we sent, as the peer counts them.

    ``ce``: segments, and 5.  ``fallback``: why nothing of ours is capable any more, None if it is;
    ``heeds``: whether marks are answered.  ``segments`` and ``octets``: what :meth:`news` has found
    last.  *reads*: whether an option came with the handshake.
    """

    __slots__ = (
        "_begun", "_covered", "_estimated", "_option", "_round_end", "_rounds", "_tsval", "ce",
        "fallback", "heeds", "octets", "reads", "segments",
    )  # fmt: skip

    def __init__(self) -> None:
        self.ce = FIRST_ACE
        self.fallback: Fallback | None = None
        self.heeds = True
        self.reads = False
        self.segments = 0
        self.octets = 0
        self._option = [*FIRST_OCTETS]
        self._estimated = 0  # octets told of before an option said how many they are
        self._covered = 0.0  # segments that an acknowledgement covers, on the average
        self._tsval: int | None = None  # of what was heeded last
        self._begun = False  # a counter has come
        self._rounds = 0  # with nothing but marks
        self._round_end = 0

    @property
    def is_settled(self) -> bool:
        """Whether the tests of the beginning are over, and a counter that stays tells of no marks.

        Where no option gets through it may also have gone round.
        """
        return self._begun and self._rounds <= 0 and self.reads

    @property
    def reason(self) -> str | None:
        """The name of the reason for which nothing of ours is capable any more, None for none."""
        return None if self.fallback is None else self.fallback.name

    def first_option(self, counters: EcnCounters | None) -> None:
        """These *counters* came with the handshake, or none (§3.2.3.2.3, §3.2.3.2.4, AECN-8).

        Where something has cleared them no option is read any more.
        """
        self.reads = counters is not None
        if counters is not None and 0 in (counters[ECT_0], counters[ECT_1]):
            self.reads = False
            self._option = []

    def give_up(self, fallback: Fallback, *, heeds: bool = True) -> bool:
        """Send nothing capable from now on; *heeds*: marks are still answered.

        Return whether that is news.
        """
        self.heeds = self.heeds and heeds
        if self.fallback is not None:
            return False
        self.fallback = fallback
        return True

    def resume(self, tsval: int, *, acked: bool) -> None:
        """What came up to *tsval* told of no mark; *acked*: it acknowledged something.

        *tsval* is negative if nothing came.
        """
        if tsval >= 0:
            self._tsval = tsval
        if acked and self.heeds:
            self._rounds = -1

    def news(
        self,
        ace: int,
        counters: EcnCounters | None,
        acked: int,
        smss: int,
        tsval: int | None,
        window: tuple[int, int],
        *,
        bare: bool = False,
    ) -> Fallback | None:
        """An acknowledgement of *acked* octets more tells of *ace* and *counters* (AECN-5).

        It is not older than the others, or *acked* is 0; *tsval*: its timestamp.  *window*: what it
        acknowledges, and SND.NXT.  *bare*: it says nothing but that our SYN came.  Return a new
        reason to fall back, None if there is none.
        """
        self.segments = self.octets = 0
        if not acked and not self._is_newer(tsval):
            return None  # it may have been overtaken by another (A.1)
        self._tsval = tsval
        if bare:
            return None
        first, self._begun = not self._begun, True
        if first and not ace:
            return Fallback.ACE_ZERO if self.give_up(Fallback.ACE_ZERO, heeds=False) else None
        least = (ace - self.ce) % CYCLE
        covered = -(-acked // smss)
        if acked and not self.reads:
            self._covered += (covered - self._covered) / (_MEMORY if self._covered else 1)
        marked = None if counters is None or not self._option else self._read(counters)
        segments = self._safe(least, covered, marked, smss)
        self.ce += segments
        if not self.heeds or (not acked and window[0] == window[1]):
            return None  # nothing of ours that has data can have been marked
        self.segments = segments
        unexplained = marked and not segments and not self._estimated and covered < CYCLE
        self.octets = self._octets(segments, marked, acked, smss)
        if unexplained and self.give_up(Fallback.COUNTERS_DISAGREE):
            return Fallback.COUNTERS_DISAGREE
        if marked is None:
            marked = self.octets
            if covered >= CYCLE and not self.reads:
                if not least:
                    return None  # it may be none or all
                marked = min(_most(least, covered) * smss, acked)
        return self._watch(marked, acked, window)

    def _is_newer(self, tsval: int | None) -> bool:
        """Return whether what says so by its timestamp was sent after all that was heeded."""
        if tsval is None:
            return False
        return self._tsval is None or wire_after(tsval, self._tsval)

    def _read(self, counters: EcnCounters) -> int:
        """Return by how much the octets with CE have grown since the last option that told."""
        self.reads = True
        grown = 0
        for kind, value in enumerate(counters):
            if value is None:
                continue
            more = (value - self._option[kind]) & 0xFF_FFFF
            if more >= 1 << 23:
                continue  # it is older than the one before
            self._option[kind] = value
            if kind == CE:
                grown = more
        return grown

    def _safe(self, least: int, covered: int, marked: int | None, smss: int) -> int:
        """Return how many segments more are marked: *least*, or whole cycles more (A.2).

        *covered*: segments acknowledged, at most; *marked*: octets with marks among them, None if
        that is not known.  If it is usual that so many are, a cycle is not likely, as marks are
        told of before there are eight (§3.2.2.5.1); if not, acknowledgements were lost.
        """
        if covered < CYCLE:
            return least
        most = _most(least, covered)
        if most <= least:
            return least
        if marked is None:
            if self.reads or self._covered > THINNED:
                return least  # what changes is told of in the option, and this had none
            return most
        if marked <= smss * least and marked < most * smss // _SMALL:
            return least
        return most

    def _octets(self, segments: int, marked: int | None, acked: int, smss: int) -> int:
        """Return how many octets more were in marked segments, as far as one can know (A.3)."""
        if marked is None:
            guess = segments * smss
            if acked:
                guess = min(guess, acked)
            self._estimated += guess
            return guess
        told, self._estimated = self._estimated, 0
        return max(marked - told, 0)

    def _watch(self, marked: int, acked: int, window: tuple[int, int]) -> Fallback | None:
        """Are all *acked* octets *marked*, round after round?  (§3.2.2.3)"""
        if self._rounds < 0 or not acked:
            return None
        if marked < acked * ALL:
            self._rounds = -1
            return None
        seg_ack, snd_nxt = window
        if seg_ack < self._round_end:
            return None
        self._round_end = snd_nxt
        self._rounds += 1
        if self._rounds <= ROUNDS:
            return None
        self._rounds = -1
        return Fallback.ALWAYS_MARKED if self.give_up(Fallback.ALWAYS_MARKED, heeds=False) else None


def _most(least: int, covered: int) -> int:
    """Return how many of *covered* segments, 8 at least, may be marked: *least*, and cycles."""
    return covered - (covered - least) % CYCLE
