"""What the MAC of a segment covers (RFC 5925 §5.1), and how one is written and checked.

The message is the sequence number extension, that is what a 32-bit number has grown beyond; the
pseudo-header, without which two connections could lend each other segments; the header with
zeros for checksum and MAC; and the data.  Options are left out if the key says so.

Between two rudps the addresses in the pseudo-header are zeros of IPv4's size, whatever family
carries the datagrams: a NAT, or a move to another network, changes them.  The ports are those of
the header, which nothing on the way changes (decision 57).
"""

from collections.abc import Sequence
from hmac import compare_digest
from typing import Any, Final

from rudp.core.segment.checksum import CHECKSUM_OFFSET, pseudo_header
from rudp.core.segment.mac import MAC_SIZE, Hmac, Mac, Octets
from rudp.core.segment.options import AUTHENTICATION_SIZE, SignedOptions
from rudp.core.segment.wire import HEADER_SIZE, Run

NO_ADDRESS: Final = bytes(4)
"""What stands for either address where NATs may be on the way."""

_BEFORE_MAC: Final = AUTHENTICATION_SIZE - MAC_SIZE
_NO_MAC: Final = bytes(MAC_SIZE)
_NO_CHECKSUM: Final = bytes(2)
_AFTER_CHECKSUM: Final = CHECKSUM_OFFSET + 2


class Signature:
    """Writes and checks the MACs of what goes one way in one connection.

    *mac* has the traffic key of that way; *source* and *destination* are packed addresses;
    *covers_options*: whether TCP options are authenticated too.
    """

    __slots__ = ("_covers_options", "_destination", "_mac", "_source")

    def __init__(self, mac: Mac, source: bytes, destination: bytes, covers_options: bool) -> None:
        self._mac = mac
        self._source = source
        self._destination = destination
        self._covers_options = covers_options

    def _preface(self, extension: int, octets: int) -> bytes:
        """Return what precedes a segment of *octets* octets in the message."""
        number = (extension & 0xFFFF_FFFF).to_bytes(4, "big")
        return number + pseudo_header(self._source, self._destination, octets)

    def begin(self, extension: int, octets: int) -> tuple[Any, Any]:
        """Return the hashes of segments of *octets* octets, see :meth:`Hmac.begin`."""
        assert isinstance(self._mac, Hmac)
        return self._mac.begin(self._preface(extension, octets))

    def sign(self, buffers: list[Octets], size: int, total: int, seq: int) -> None:
        """Write the MACs of the segments in *buffers*, of which each begins with ``bytes``.

        They end with the authentication option, whose MAC is zeros yet; what follows in
        memoryviews is data.  *size* and *total* are those of a
        :class:`~rudp.core.segment.transmit.Transmit`; *seq*: SEG.SEQ of the first, a growing
        number, after which the others come.
        """
        count = -(-total // size)
        shorter = total - (count - 1) * size
        if len(buffers) == 2 * count:  # each segment's data lies in one piece
            heads: list[Any] = buffers[::2]
            macs = self._macs(heads, buffers[1::2], seq >> 32, size, shorter)
            buffers[::2] = [head[:-MAC_SIZE] + mac for head, mac in zip(heads, macs, strict=True)]
            return
        places, bodies = _pieced(buffers)
        heads = [buffers[at] for at in places]
        macs = self._macs(heads, bodies, seq >> 32, size, shorter)
        for at, mac in zip(places, macs, strict=True):
            buffers[at] = bytes(buffers[at])[:-MAC_SIZE] + mac

    def is_on(self, run: Run, seq: int) -> bool:
        """Return whether all segments of *run* have the right MAC; *seq*: SEG.SEQ, growing."""
        opts = run.options
        assert isinstance(opts, SignedOptions)
        at = HEADER_SIZE + opts.mac_at
        macs, bodies = run.cut_out(at, MAC_SIZE)
        first = run.header()
        heads = run.heads(
            b"".join(
                (
                    first[:CHECKSUM_OFFSET],
                    _NO_CHECKSUM,
                    first[_AFTER_CHECKSUM:at],
                    _NO_MAC,
                    first[at + MAC_SIZE :],
                )
            )
        )
        size = run.header_octets + run.segment_octets
        shorter = run.size - (run.segments - 1) * size
        named = at - _BEFORE_MAC
        expected = self._macs(heads, bodies, seq >> 32, size, shorter, named)
        return compare_digest(b"".join(macs), b"".join(expected))

    def _macs(
        self,
        heads: list[bytes],
        bodies: Sequence[Octets],
        extension: int,
        size: int,
        shorter: int,
        named: int = -AUTHENTICATION_SIZE,
    ) -> list[bytes]:
        """Return the MACs of segments with *heads* and *bodies*, *size* octets each.

        The last has *shorter*.  *extension*: that of the first, whose number may wrap after it.
        The authentication option stands at offset *named* of each header.
        """
        wraps = _wrapped(heads)
        if not self._covers_options:
            end = named + AUTHENTICATION_SIZE
            heads = [head[:HEADER_SIZE] + head[named : end or len(head)] for head in heads]
        count = len(heads)
        last = count - 1
        if wraps >= count and (shorter == size or not last):
            return self._mac.each(
                self._preface(extension, shorter if not last else size), heads, bodies
            )
        macs: list[bytes] = []
        begin = 0
        for end in sorted({min(wraps, last), last, count}):
            if begin < end:
                octets = shorter if begin == last else size
                preface = self._preface(extension + (begin >= wraps), octets)
                macs += self._mac.each(preface, heads[begin:end], bodies[begin:end])
            begin = end
        return macs


def _wrapped(heads: list[bytes]) -> int:
    """Return how many of *heads* come before the one whose number has wrapped."""
    if heads[-1][4:8] >= heads[0][4:8]:
        return len(heads)
    first = heads[0][4:8]
    return len([head for head in heads if head[4:8] >= first])


def _pieced(buffers: list[Octets]) -> tuple[list[int], list[Octets]]:
    """Return where in *buffers* headers stand, which are ``bytes``, and the data behind each."""
    places = [n for n, buffer in enumerate(buffers) if isinstance(buffer, bytes)]
    ends = [*places[1:], len(buffers)]
    return places, [
        buffers[at + 1] if end == at + 2 else b"".join(buffers[at + 1 : end])
        for at, end in zip(places, ends, strict=True)
    ]
