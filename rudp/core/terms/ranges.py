"""Sets of sequence numbers as sorted, disjoint, half-open ranges.

What was selectively acknowledged, what is lost and what arrived out of order are all stretches of
the same line.  Two parallel sorted lists hold the left and right edges, so every question is a
bisection and touches only the ranges it concerns.  Ranges that meet are one range.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Final

_NONE: Final[list[int]] = []
"""The edges of every empty set that never was another: most connections have two such sets."""


class RangeSet:
    """A set of ints, kept as ranges ``[left, right)``; ``octets`` is how many ints it holds."""

    __slots__ = ("lefts", "octets", "rights")

    def __init__(self) -> None:
        self.lefts = _NONE
        self.rights = _NONE
        self.octets = 0

    def __len__(self) -> int:
        """Return the number of ranges."""
        return len(self.lefts)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self.lefts, self.rights, strict=True)

    def __contains__(self, number: int) -> bool:
        i = bisect_right(self.lefts, number) - 1
        return i >= 0 and number < self.rights[i]

    def __repr__(self) -> str:
        return f"RangeSet({list(self)})"

    def add(self, left: int, right: int) -> None:
        """Put ``[left, right)`` in."""
        if left >= right:
            return
        if not self.lefts:
            self.lefts, self.rights = [left], [right]
            self.octets = right - left
            return
        i = bisect_left(self.rights, left)
        j = bisect_right(self.lefts, right)
        if i < j:
            left = min(left, self.lefts[i])
            right = max(right, self.rights[j - 1])
            self.octets -= sum(self.rights[i:j]) - sum(self.lefts[i:j])
        self.lefts[i:j] = [left]
        self.rights[i:j] = [right]
        self.octets += right - left

    def remove(self, left: int, right: int) -> None:
        """Take ``[left, right)`` out, where it is in."""
        i = bisect_right(self.rights, left)
        j = bisect_left(self.lefts, right)
        if i >= j or left >= right:
            return
        lefts, rights = [], []
        if self.lefts[i] < left:
            lefts.append(self.lefts[i])
            rights.append(left)
        if self.rights[j - 1] > right:
            lefts.append(right)
            rights.append(self.rights[j - 1])
        self.octets -= sum(self.rights[i:j]) - sum(self.lefts[i:j])
        self.octets += sum(rights) - sum(lefts)
        self.lefts[i:j] = lefts
        self.rights[i:j] = rights

    def remove_below(self, number: int) -> None:
        """Take out everything below *number*."""
        if self.lefts and self.lefts[0] < number:
            self.remove(self.lefts[0], number)

    def clear(self) -> None:
        """Take everything out."""
        self.lefts = self.rights = _NONE
        self.octets = 0

    def range_at(self, number: int) -> tuple[int, int] | None:
        """Return the range that holds *number*, or None."""
        i = bisect_right(self.lefts, number) - 1
        if i >= 0 and number < self.rights[i]:
            return self.lefts[i], self.rights[i]
        return None

    def overlaps(self, left: int, right: int) -> list[tuple[int, int]]:
        """Return the ranges within ``[left, right)`` that are in the set, in order."""
        if left >= right:
            return []
        found = []
        i = bisect_right(self.rights, left)
        while i < len(self.lefts) and self.lefts[i] < right:
            found.append((max(left, self.lefts[i]), min(right, self.rights[i])))
            i += 1
        return found

    def gaps(self, left: int, right: int) -> list[tuple[int, int]]:
        """Return the ranges within ``[left, right)`` that are not in the set, in order."""
        found = []
        i = bisect_right(self.rights, left)
        while i < len(self.lefts) and self.lefts[i] < right:
            if self.lefts[i] > left:
                found.append((left, self.lefts[i]))
            left = self.rights[i]
            i += 1
        if left < right:
            found.append((left, right))
        return found
