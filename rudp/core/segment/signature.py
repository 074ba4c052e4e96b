"""What the MAC of a segment covers (RFC 5925 §5.1), and how one is written and checked.

The message is the sequence number extension, that is what a 32-bit number has grown beyond; the
pseudo-header, without which two connections could lend each other segments; the header with
zeros for checksum and MAC; and the data.  Options are left out if the key says so.

Between two rudps the addresses in the pseudo-header are zeros of IPv4's size, whatever family
carries the datagrams: a NAT, or a move to another network, changes them.  The ports are those of
the header, which nothing on the way changes (decision 52).
"""

from collections.abc import Iterator
from hmac import compare_digest
from typing import Final

from rudp.core.segment.checksum import CHECKSUM_OFFSET, pseudo_header
from rudp.core.segment.mac import MAC_SIZE, Mac, Octets
from rudp.core.segment.options import AUTHENTICATION_SIZE, SignedOptions
from rudp.core.segment.wire import HEADER_SIZE, Run

NO_ADDRESS: Final = bytes(4)
"""What stands for either address where NATs may be on the way."""

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

    def sign(self, buffers: list[Octets], size: int, total: int, seq: int) -> None:
        """Write the MACs of the segments in *buffers*, of which each begins with ``bytes``.

        They end with the authentication option, whose MAC is zeros yet; what follows in
        memoryviews is data.  *size* and *total* are those of a
        :class:`~rudp.core.segment.transmit.Transmit`; *seq*: SEG.SEQ of the first, a growing
        number, after which the others come.
        """
        first = (seq & 0xFFFF_FFFF).to_bytes(4, "big")
        extension = seq >> 32
        preface = self._preface(extension, size)
        left = total
        heads = [n for n, buffer in enumerate(buffers) if isinstance(buffer, bytes)]
        ends = [*heads[1:], len(buffers)]
        mac = self._mac
        for at, end in zip(heads, ends, strict=True):
            head = bytes(buffers[at])
            wrapped = head[4:8] < first
            before = preface
            if wrapped or left < size:
                octets = sum([len(buffer) for buffer in buffers[at:end]])
                before = self._preface(extension + wrapped, octets)
            left -= size
            covered = head
            if not self._covers_options:
                covered = head[:HEADER_SIZE] + head[-AUTHENTICATION_SIZE:]
            data = buffers[at + 1 : end]
            buffers[at] = head[:-MAC_SIZE] + mac([before + covered, *data])

    def is_on(self, run: Run, seq: int) -> bool:
        """Return whether all segments of *run* have the right MAC; *seq*: SEG.SEQ, growing."""
        opts = run.options
        assert isinstance(opts, SignedOptions)
        mac_at = HEADER_SIZE + opts.mac_at
        macs = [bytes(view[mac_at : mac_at + MAC_SIZE]) for view in run.each()]
        expected = self._expected(run, seq, mac_at)
        return compare_digest(b"".join(macs), b"".join(expected))

    def _expected(self, run: Run, seq: int, mac_at: int) -> Iterator[bytes]:
        mac = self._mac
        after = mac_at + MAC_SIZE
        header = run.header_octets
        room = run.segment_octets
        size = header + room
        extension = seq >> 32
        preface = self._preface(extension, size)
        plain = run.header()[CHECKSUM_OFFSET:_AFTER_CHECKSUM] == _NO_CHECKSUM
        for view in run.each():
            octets = len(view)
            before = preface
            if octets != size or seq >> 32 != extension:
                before = self._preface(seq >> 32, octets)
            seq += room
            if plain and self._covers_options:
                yield mac((b"".join((before, view[:mac_at], _NO_MAC)), view[after:]))
                continue
            begin = view[:CHECKSUM_OFFSET], _NO_CHECKSUM, view[_AFTER_CHECKSUM:HEADER_SIZE]
            if self._covers_options:
                rest = view[HEADER_SIZE:mac_at], _NO_MAC, view[after:]
            else:
                named = mac_at - (AUTHENTICATION_SIZE - MAC_SIZE)
                rest = view[named:mac_at], _NO_MAC, view[header:]
            yield mac((before, *begin, *rest))
