"""Sequence numbers wrap on the wire and nowhere else (RFC 9293 §3.4).

The header has room for 32 bits.  A connection counts with plain ints that begin at the initial
sequence number and only ever grow, so every inequality of the RFC can be written down as it is
printed there, and lists of numbers sort.  The conversion happens at the door: :func:`from_wire`
for each SEG.SEQ, SEG.ACK and SACK edge that comes in, :func:`to_wire` for each that leaves.
"""

from typing import Final

SEQ_MASK: Final = 0xFFFF_FFFF
SEQ_HALF: Final = 0x8000_0000


def to_wire(number: int) -> int:
    """Return the low 32 bits of *number*, which is what a header shows of it."""
    return number & SEQ_MASK


def from_wire(bits: int, near: int) -> int:
    """Return the number with the low 32 bits *bits* that lies closest to *near*.

    *near* is a current number of the same direction: RCV.NXT for SEG.SEQ, SND.UNA for SEG.ACK.
    No window exceeds 2**30 octets (RFC 7323 §2.3), so anything that belongs to the connection
    lies within 2**31 of it; anything else is old or forged and fails the tests that follow.
    """
    return near + ((bits - near + SEQ_HALF) & SEQ_MASK) - SEQ_HALF


def wire_after(a: int, b: int) -> bool:
    """Return whether the 32-bit number *a* comes after *b*, modulo 2**32 (RFC 9293 §3.4)."""
    return 0 < ((a - b) & SEQ_MASK) < SEQ_HALF
