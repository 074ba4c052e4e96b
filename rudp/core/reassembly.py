"""Octets that arrived ahead of RCV.NXT, and the SACK blocks that tell the peer about them.

Pieces never overlap: of octets that come twice the first copy is kept (M-16), so nobody can
rewrite what is already here.  Every piece is charged an overhead besides its octets, or a peer
that sends single octets with gaps could make the window cost many times what it promises (BUF-2).
What has been reported in a SACK block is never thrown away (SACK-5).
"""

from bisect import bisect_left
from typing import Final

from rudp.core.budget import Budget
from rudp.core.ranges import RangeSet

PIECE_OVERHEAD: Final = 128
"""Octets charged for each piece: about what CPython spends on a small bytes object and its place
in two lists."""

_NONE: Final[list[int]] = []
_NOTHING: Final[list[bytes]] = []


class Reassembly:
    """The out-of-order queue; *limit* bounds octets plus overhead.

    *budget*: what it shares with other queues, None if nothing.
    """

    __slots__ = ("_budget", "_charged", "_pieces", "_recent", "_starts", "held", "limit")

    def __init__(self, limit: int, budget: Budget | None = None) -> None:
        self.limit = limit
        self._budget = budget
        self._charged = 0  # octets and overhead, as the budget knows them
        self.held = RangeSet()
        # The lists are made when there is something to keep: most connections never have a gap.
        self._starts: list[int] = _NONE
        self._pieces: list[bytes] = _NOTHING
        self._recent: list[int] = _NONE  # a number out of each lately touched range, latest first

    def __len__(self) -> int:
        """Return the number of octets held."""
        return self.held.octets

    def insert(self, seq: int, data: bytes) -> bool:
        """Keep those octets of *data*, which begins at *seq*, that are not here yet.

        Return False if there is no room: then nothing was kept and the peer will send it again.
        """
        gaps = self.held.gaps(seq, seq + len(data))
        cost = self.held.octets + PIECE_OVERHEAD * (len(self._pieces) + len(gaps))
        cost += sum(right - left for left, right in gaps)
        if cost > self.limit or not self._charge(cost):
            return False
        if not self._pieces:
            self._starts, self._pieces = [], []
        for left, right in gaps:
            i = bisect_left(self._starts, left)
            self._starts.insert(i, left)
            self._pieces.insert(i, data[left - seq : right - seq])
            self.held.add(left, right)
        self._touch(seq)
        return True

    def take(self, rcv_nxt: int) -> list[bytes]:
        """Return and forget the pieces that follow on from *rcv_nxt*; what lies below goes too."""
        found = []
        n = 0
        for start, piece in zip(self._starts, self._pieces, strict=True):
            if start > rcv_nxt:
                break
            n += 1
            if start + len(piece) > rcv_nxt:
                found.append(piece[rcv_nxt - start :] if start < rcv_nxt else piece)
                rcv_nxt = start + len(piece)
        del self._starts[:n]
        del self._pieces[:n]
        self.held.remove_below(rcv_nxt)
        self._charge(self.held.octets + PIECE_OVERHEAD * len(self._pieces))
        return found

    def clear(self) -> None:
        """Forget everything."""
        self.held.clear()
        self._starts = self._recent = _NONE
        self._pieces = _NOTHING
        self._charge(0)

    def sack_blocks(self, most: int) -> list[tuple[int, int]]:
        """Return up to *most* blocks, the range that changed last first (RFC 2018 §4, SACK-2)."""
        blocks: list[tuple[int, int]] = []
        for number in self._recent:
            block = self.held.range_at(number)
            if block is not None and block not in blocks:
                blocks.append(block)
                if len(blocks) == most:
                    return blocks
        for block in self.held:
            if len(blocks) == most:
                break
            if block not in blocks:
                blocks.append(block)
        return blocks

    def _charge(self, cost: int) -> bool:
        """Tell the budget that the queue costs *cost* from now on; return False if it says no."""
        if self._budget is not None:
            if not self._budget.change(self._charged, cost):
                return False
            self._charged = cost
        return True

    def _touch(self, seq: int) -> None:
        touched = self.held.range_at(seq)
        if self._recent and self.held.range_at(self._recent[0]) == touched:
            return
        # Each range once, or two that take turns would push the memory of the others out.
        others = [n for n in self._recent if self.held.range_at(n) not in (touched, None)]
        self._recent = [seq, *others[:7]]
