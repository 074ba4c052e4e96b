"""Octets that arrived ahead of RCV.NXT, and the SACK blocks that tell the peer about them.

Pieces never overlap: of octets that come twice the first copy is kept (M-16), so nobody can
rewrite what is already here.  Every piece is charged an overhead besides its octets, or a peer
that sends single octets with gaps could make the window cost many times what it promises (BUF-2).
And there is a bound on their number, or each would cost the more time the more there are; what goes
beyond it is not kept.  What has been reported in a SACK block is never thrown away (SACK-5).
"""

from bisect import bisect_left
from typing import Final

from rudp.core.terms.budget import Budget
from rudp.core.terms.ranges import RangeSet

PIECE_OVERHEAD: Final = 160
"""Octets charged for each piece: what CPython spends on a small bytes object, the numbers of its
ends and their places in four lists."""

PIECES_FREE: Final = 1024
PIECE_OCTETS: Final = 512
"""So many pieces may have any size; beyond these all must have so many octets on average.  What
follows on from a smaller one is joined to it, so that small messages in a row are few pieces."""

RANGES_MAX: Final = 4096
"""Gaps there may be: one in eight segments of a window of 48 MiB."""

RECENT: Final = 8
"""Ranges that were touched last and are remembered."""

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
        held = self.held
        gaps = held.gaps(seq, seq + len(data))
        if len(held) >= RANGES_MAX and self._is_alone(seq, seq + len(data)):
            return False
        pieces = len(self._pieces) + len(gaps)
        octets = held.octets
        for left, right in gaps:
            octets += right - left
        if pieces > PIECES_FREE + octets // PIECE_OCTETS:
            return False
        cost = octets + PIECE_OVERHEAD * pieces
        if cost > self.limit or not self._charge(cost):
            return False
        if not self._pieces:
            self._starts, self._pieces = [], []
        for left, right in gaps:
            self._keep(left, data[left - seq : right - seq])
            held.add(left, right)
        self._recent = [seq, *self._recent]
        if len(self._recent) > 8 * RECENT:
            self._tidy()
        return True

    def _is_alone(self, left: int, right: int) -> bool:
        """Whether ``[left, right)`` would be a range of its own."""
        return not self.held.overlaps(left - 1, right + 1)

    def _keep(self, start: int, piece: bytes) -> None:
        """Put *piece*, which overlaps no other, in its place."""
        i = bisect_left(self._starts, start)
        if i:
            before = self._pieces[i - 1]
            if len(before) < PIECE_OCTETS and self._starts[i - 1] + len(before) == start:
                self._pieces[i - 1] = before + piece
                return
        self._starts.insert(i, start)
        self._pieces.insert(i, piece)

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
        blocks = self._tidy()
        del blocks[most:]
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

    def _tidy(self) -> list[tuple[int, int]]:
        """Return the ranges that were touched last, and remember each of them once.

        Else two that take turns would push the memory of the others out.
        """
        blocks: list[tuple[int, int]] = []
        numbers = []
        for number in self._recent:
            block = self.held.range_at(number)
            if block is not None and block not in blocks:
                blocks.append(block)
                numbers.append(number)
                if len(blocks) == RECENT:
                    break
        self._recent = numbers
        return blocks


NOTHING_HELD: Final = Reassembly(0)
"""The queue of a connection that never had a gap, to which nobody adds: it saves 176 octets."""
