"""The marks that came, and how the peer is told of them (RFC 9768 §3.2, the data receiver).

Four counters grow for as long as the connection lives: segments with CE, whose last three bits are
the ACE field of all we send, and octets of data with CE, ECT(0) and ECT(1), whose last 24 bits the
AccECN option carries.  They only grow, so an acknowledgement that is lost takes nothing with it.
"""

from typing import Final

from rudp.core.segment.ace import FIRST_ACE
from rudp.core.segment.options import accurate_ecn
from rudp.core.segment.transmit import CE, ECT_0, ECT_1

FIRST_OCTETS: Final = (0, 1, 1, 0)
"""Where counters of octets begin, by the two ECN bits: those of capable ones not at 0, so that who
gets 0 knows that something on the way has cleared them (RFC 9768 §3.2.1)."""

MARKS_WITH_DATA: Final = 2
MARKS_WITHOUT: Final = 3
"""Marks after which an ACK is due, with data to be acknowledged or without (§3.2.2.5.1)."""

REPEATS: Final = 2
"""Acknowledgements that carry the option after something has changed: the first may be lost."""


class Counts:
    """What has come on one connection.

    ``ce``: segments with CE, and 5; ``octets``: of data, by the two ECN bits.  ``owed``:
    acknowledgements that are to carry the option yet; ``silent``: it does not get through, and is
    not sent.  ``came``: the ECN bits of the latest segment with data, None before one.
    """

    __slots__ = ("_marks", "_saying", "_seen", "_told", "came", "ce", "octets", "owed", "silent")

    def __init__(self) -> None:
        self.ce = FIRST_ACE
        self.octets = [*FIRST_OCTETS]
        self.owed = REPEATS
        self.silent = False
        self.came: int | None = None
        self._marks = 0  # since the last acknowledgement
        self._seen = 0  # kinds of octets that have ever come, as bits
        self._told = [*FIRST_OCTETS]  # what the latest option said
        self._saying: tuple[int, ...] | None = None  # what of them the option made last says

    @property
    def ace(self) -> int:
        """The ACE field, 0 to 7."""
        return self.ce & 7

    @property
    def is_quiet(self) -> bool:
        """Whether there is nothing to tell of but the same number."""
        return not self._marks and not self.is_due

    @property
    def is_due(self) -> bool:
        """Whether the option is to be sent with the next acknowledgement."""
        return self.owed > 0 and not self.silent

    def count(self, ecn: int, segments: int, octets: int, unacked: bool) -> bool:
        """Count acceptable *segments* with the ECN bits *ecn*; is an ACK due at once?

        *octets*: of data in all.  *unacked*: there is data to be acknowledged, theirs included.
        """
        due = False
        if ecn == CE:
            self.ce += segments
            self._marks += segments
            due = self._marks >= (MARKS_WITH_DATA if unacked else MARKS_WITHOUT)
        if octets:
            due = due or (ecn == CE and self.came != CE)
            self.octets[ecn] += octets
            if ecn and (ecn == CE or ecn != self.came):
                self._seen |= 1 << ecn
                self.owed = REPEATS
            self.came = ecn
        return due

    def count_on(self, octets: int) -> None:
        """So many *octets* more came as those before."""
        if octets and self.came is not None:
            self.octets[self.came] += octets

    def acknowledged(self) -> None:
        """An acknowledgement left, with the option made last, if there was one."""
        self._marks = 0
        if self._saying is not None:
            for kind in self._saying:
                self._told[kind] = self.octets[kind]
            self._saying = None
            self.owed -= 1

    def option(self, room: int) -> bytes:
        """Return the option that is due, at most *room* octets, padding included; ``b""`` for none.

        It may leave out fields at its end that have not changed since the one before, and none
        that have (§3.2.3.3, AECN-6).
        """
        self._saying = None
        if not self.is_due:
            return b""
        ect_1_first = bool(self._seen >> ECT_1 & 1) and self.came != ECT_0
        order = (ECT_1, CE, ECT_0) if ect_1_first else (ECT_0, CE, ECT_1)
        counters = self.octets
        changed = [n for n, kind in enumerate(order) if counters[kind] != self._told[kind]]
        fields = 3
        if self._seen:
            ever = [n for n, kind in enumerate(order) if self._seen >> kind & 1]
            fields = 1 + max(ever)
        least = 1 + max(changed, default=-1)
        while fields and _padded(fields) > room:
            fields -= 1
        if fields < least or (not fields and room < _padded(0)):
            return b""
        self._saying = order[:fields]
        values = [counters[kind] & 0xFF_FFFF for kind in order[:fields]]
        return accurate_ecn(values, ect_1_first=ect_1_first)


def _padded(fields: int) -> int:
    """Return the octets of an option of so many *fields*, padding included."""
    return (2 + 3 * fields + 3) // 4 * 4
