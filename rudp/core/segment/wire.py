"""The header of RFC 9293 §3.1, twenty octets, as the payload of a UDP datagram.

A *run* is a stretch of segments of one connection that carry consecutive data and otherwise the
same header.  Large transfers consist of little else, so the codec packs and reads runs: a run
costs one object however many segments it holds.  Segments that do not fit together are runs of
one.  The checksum field goes out as zero and is not looked at (W-9): the checksum of UDP covers
the same octets.
"""

import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

from rudp.core.segment import options
from rudp.core.segment.mac import MAC_SIZE
from rudp.core.segment.seqnum import SEQ_MASK
from rudp.core.terms.counters import Count, Counters

FIN: Final = 0x01
SYN: Final = 0x02
RST: Final = 0x04
PSH: Final = 0x08
ACK: Final = 0x10
URG: Final = 0x20
ECE: Final = 0x40
CWR: Final = 0x80
AE: Final = 0x100

FLAG_NAMES: Final = (
    (URG, "URG"),
    (ACK, "ACK"),
    (PSH, "PSH"),
    (RST, "RST"),
    (SYN, "SYN"),
    (FIN, "FIN"),
    (ECE, "ECE"),
    (CWR, "CWR"),
    (AE, "AE"),
)

HEADER_SIZE: Final = 20
"""Octets of the fixed header."""

STAMPED_SIZE: Final = 32
"""Octets of a header whose only option is timestamps, as nearly all are."""

RUN_SEGMENTS_MAX: Final = 64
"""Segments that one run may hold; Linux takes no more in one send (UDP_MAX_SEGMENTS)."""

# Ports in one word; acknowledgment number, offset, flags and window in another.  Two segments of
# a run differ in nothing but the sequence number between them, and perhaps in PSH.
_HEADER: Final = struct.Struct("!IIQI")
STAMPED: Final = struct.Struct("!IIQIIII")  # followed by timestamps and nothing else (RFC 7323 A)
_BEGINNING: Final = struct.Struct("!II")  # ports and sequence number
_LONERS: Final = FIN | SYN | RST | PSH | URG  # a segment with one of these is not continued


def swap_ports(ports: int) -> int:
    """Return *ports* with source and destination exchanged."""
    return (ports & 0xFFFF) << 16 | ports >> 16


def flag_names(flags: int) -> str:
    """Return *flags* in words, ``"ACK,FIN"``, in the order of the header."""
    return ",".join(name for bit, name in FLAG_NAMES if flags & bit)


class Run:
    """One segment, or several with consecutive data, as they came from the wire.

    ``ports`` is source port << 16 | destination port.  ``seq``, ``ack`` and ``urgent`` are the
    32- and 16-bit numbers of the first header.  ``flags`` are those of the last segment.
    ``length`` counts the octets of data of all ``segments``, ``size`` the octets on the wire.
    ``ecn``: the two ECN bits of their IP headers (RFC 3168 §5), CE if a router on the way has
    marked them; whoever reads the socket knows.
    """

    __slots__ = (
        "_header",
        "_stride",
        "_view",
        "ack",
        "ecn",
        "flags",
        "length",
        "options",
        "ports",
        "segments",
        "seq",
        "size",
        "urgent",
        "window",
    )

    def __init__(
        self,
        ports: int,
        seq: int,
        word: int,
        urgent: int,
        opts: options.Options,
        view: memoryview,
        header: int,
    ) -> None:
        self.ports = ports
        self.seq = seq
        self.ack = word >> 32
        self.flags = word >> 16 & 0x1FF
        self.window = word & 0xFFFF
        self.urgent = urgent
        self.options = opts
        self.ecn = 0
        self.segments = 1
        self._view = view
        self._header = header
        self._stride = self.size = size = len(view)
        self.length = size - header

    @property
    def segment_octets(self) -> int:
        """Octets of data in the first segment, which is no shorter than the others."""
        return self._stride - self._header

    def octets(self, start: int, stop: int) -> bytes:
        """Return the data from offset *start* up to *stop*, copied out of the receive buffer."""
        header = self._header
        if self.segments == 1:
            return bytes(self._view[header + start : header + stop])
        view = self._view
        stride = self._stride
        room = stride - header
        if start == 0 and stop == self.length:
            return b"".join(_cutter(header, room, stride, self.segments)(view))
        parts = []
        for at in range(start // room, (stop - 1) // room + 1):
            base = at * stride + header
            left = max(start - at * room, 0)
            parts.append(view[base + left : base + min(stop - at * room, room)])
        return b"".join(parts)

    @property
    def header_octets(self) -> int:
        """Octets of each header, options included."""
        return self._header

    def header(self) -> bytes:
        """Return the header of the first segment, options included."""
        return bytes(self._view[: self._header])

    def datagrams(self) -> list[bytes]:
        """Return the segments one by one as they came, copied out of the receive buffer."""
        view, stride = self._view, self._stride
        return [bytes(view[at : at + stride]) for at in range(0, self.size, stride)]

    def heads(self, first: bytes) -> list[bytes]:
        """Return the headers of the segments, the first of which is *first*, or much like it.

        They differ in their sequence numbers, and the last may have PSH.
        """
        if self.segments == 1:
            return [first]
        packed = _headers(first, self.seq, self.segment_octets, self.segments)
        heads = [*_repeated(f"{len(first)}s", self.segments).unpack(packed)]
        if self.flags & ~first[13] & PSH:
            heads[-1] = _with_push(heads[-1])
        return heads

    def cut_out(self, at: int, size: int) -> tuple[list[bytes], Sequence[memoryview]]:
        """Return *size* octets at offset *at* of each header, and the data behind each.

        The data is where it lies in the receive buffer.
        """
        view, header, stride = self._view, self._header, self._stride
        if self.segments == 1:
            return [bytes(view[at : at + size])], [view[header:]]
        whole = self.size // stride
        found = [*_repeated(f"{at}x{size}s{stride - at - size}x", whole).unpack_from(view)]
        if whole < self.segments:
            begin = whole * stride + at
            found.append(bytes(view[begin : begin + size]))
        return found, _cutter(header, stride - header, stride, self.segments)(view)

    def each(self) -> list[memoryview]:
        """Return the segments one by one, where they lie in the receive buffer."""
        if self.segments == 1:
            return [self._view]
        return list(_cutter(0, self._stride, self._stride, self.segments)(self._view))

    def extend(self, view: memoryview, segments: int, *, pushed: bool) -> None:
        """Make the run as long as *view*, which holds *segments* segments."""
        self._view = view
        self.segments = segments
        self.size = len(view)
        self.length = len(view) - segments * self._header
        if pushed:
            self.flags |= PSH

    def __repr__(self) -> str:
        return (
            f"<Run {self.ports >> 16}>{self.ports & 0xFFFF} seq={self.seq} ack={self.ack} "
            f"{flag_names(self.flags) or 'none'} win={self.window} len={self.length} "
            f"segments={self.segments}>"
        )


def read_runs(data: memoryview, stride: int, counters: Counters) -> list[Run]:
    """Return the runs in *data*, datagrams of *stride* octets each (the last may be shorter).

    What is not a segment is counted and left out: shorter than a header (M-1), a data offset below
    5 or beyond the end (M-2), an option with an impossible length (M-3), a port 0 (W-47).
    """
    total = len(data)
    if total <= stride:
        run = read_segment(data, counters)
        return [run] if run is not None else []
    runs = []
    at = 0
    while at < total:
        run = read_segment(data[at : at + stride], counters)
        at += stride
        if run is None:
            continue
        runs.append(run)
        if run.length and at < total and not run.flags & _LONERS:
            at = _join(run, data, at, stride)
    return runs


def read_segment(datagram: memoryview, counters: Counters) -> Run | None:
    """Return the one segment in *datagram*, or None after counting why there is none."""
    size = len(datagram)
    if size >= STAMPED_SIZE:
        ports, seq, word, tail, layout, tsval, tsecr = STAMPED.unpack_from(datagram)
        stamped = layout == options.TIMESTAMPS_ALONE and word >> 28 & 0xF == STAMPED_SIZE // 4
        if stamped and ports >> 16 and ports & 0xFFFF:
            stamps = options.Options(tsval, tsecr)
            return Run(ports, seq, word, tail & 0xFFFF, stamps, datagram, STAMPED_SIZE)
    elif size < HEADER_SIZE:
        counters[Count.SHORT] += 1
        return None
    ports, seq, word, tail = _HEADER.unpack_from(datagram)
    header = (word >> 28 & 0xF) * 4
    if header < HEADER_SIZE or header > size:
        counters[Count.BAD_OFFSET] += 1
        return None
    if not ports >> 16 or not ports & 0xFFFF:
        counters[Count.BAD_PORT] += 1
        return None
    opts = options.decode(datagram[HEADER_SIZE:header])
    if opts is None:
        counters[Count.BAD_OPTION] += 1
        return None
    return Run(ports, seq, word, tail & 0xFFFF, opts, datagram, header)


def _join(run: Run, data: memoryview, at: int, stride: int) -> int:
    """Extend *run* with the segments at offset *at* that continue it; return the offset after.

    Of two that are signed the MACs differ, and are not looked at here.
    """
    room = run.length
    header = stride - room
    left = len(data) - at
    if left <= header or _BEGINNING.unpack_from(data, at) != (run.ports, run.seq + room & SEQ_MASK):
        return at
    first = at - stride
    head = run.header()
    opts = run.options
    shape = f"{header}s"
    if isinstance(opts, options.SignedOptions):
        gap = HEADER_SIZE + opts.mac_at
        shape = f"{gap}s{MAC_SIZE}x{header - gap - MAC_SIZE}s"
        head = head[:gap] + head[gap + MAC_SIZE :]
    octets = len(head)
    count = 1
    whole = min(left // stride + 1, RUN_SEGMENTS_MAX)
    if whole > 1:
        came = b"".join(_repeated(f"{shape}{room}x", whole).unpack_from(data, first))
        expected = _headers(head, run.seq, room, whole)
        if came == expected:
            count = whole
        else:
            while (
                came[count * octets : (count + 1) * octets]
                == expected[count * octets : (count + 1) * octets]
            ):
                count += 1
    end = first + count * stride
    pushed = False
    if count < RUN_SEGMENTS_MAX and len(data) - end > header:  # the next may be the last of it
        last = b"".join(_repeated(shape, 1).unpack_from(data, end))
        seq = run.seq + count * room & SEQ_MASK
        pushed = last == _headers(_with_push(head), seq, room, 1)
        if pushed or last == _headers(head, seq, room, 1):
            end = min(end + stride, len(data))
            count += 1
    if count > 1:
        run.extend(data[first:end], count, pushed=pushed)
    return end


def _with_push(header: bytes) -> bytes:
    """Return *header* with PSH."""
    return header[:13] + bytes([header[13] | PSH]) + header[14:]


def _headers(header: bytes, seq: int, octets: int, count: int) -> bytes:
    """Return *count* headers in a row like *header*, of segments of *octets* each from *seq* on."""
    stop = seq + count * octets
    fields: list[bytes | int] = [header[:4], 0, header[8:]] * count
    numbers = range(seq, stop, octets)
    fields[1::3] = numbers if stop <= SEQ_MASK else [number & SEQ_MASK for number in numbers]
    return _repeated(f"4sI{len(header) - 8}s", count).pack(*fields)


@lru_cache(maxsize=256)
def _repeated(layout: str, count: int) -> struct.Struct:
    return struct.Struct("!" + layout * count)


@lru_cache(maxsize=256)
def _cutter(start: int, size: int, stride: int, count: int) -> Callable[[Any], tuple[Any, ...]]:
    """Return what cuts *count* pieces out of a buffer, each *stride* octets after the one before.

    It takes one step for all of them, where a loop would take several for each.  *count*: 2 or
    more.  What lies beyond the end of the buffer is left out of the last piece.
    """
    return itemgetter(
        *[slice(at, at + size) for at in range(start, start + count * stride, stride)]
    )


def pack_segment(
    ports: int, seq: int, ack: int, flags: int, window: int, opts: bytes, urgent: int = 0
) -> bytes:
    """Return the header of one segment, options included.

    *ports* is source port << 16 | destination port; *seq* and *ack* are 32-bit numbers; *opts* a
    multiple of four octets, 40 at most; *urgent* the urgent pointer, 0 without URG (W-10).
    """
    word = ack << 32 | (HEADER_SIZE + len(opts)) << 26 | flags << 16 | window
    return _HEADER.pack(ports, seq, word, urgent) + opts


def pack_run(
    ports: int,
    seq: int,
    ack: int,
    flags: int,
    window: int,
    opts: bytes,
    chunks: Sequence[memoryview],
    length: int,
    mss: int,
) -> list[bytes | memoryview]:
    """Return the buffers of a run: *length* octets in *chunks*, cut into segments of *mss* octets.

    There are two segments at least.  All carry *flags*, but PSH and FIN only the last.  The data is
    not copied.
    """
    inner = flags & ~(PSH | FIN)
    count = -(-length // mss)
    head = pack_segment(ports, seq, ack, inner, window, opts)
    packed = _headers(head, seq, mss, count)
    heads: list[bytes] = [*_repeated(f"{len(head)}s", count).unpack(packed)]
    if flags != inner:
        last = seq + (count - 1) * mss & SEQ_MASK
        heads[-1] = pack_segment(ports, last, ack, flags, window, opts)
    buffers: list[bytes | memoryview] = []
    done = 0  # segments that have begun
    room = 0  # octets that the last of them still takes
    for chunk in chunks:
        octets = len(chunk)
        at = min(room, octets)
        if at:
            buffers.append(chunk[:at])
            room -= at
        whole = (octets - at) // mss
        if whole > 1:
            both: list[bytes | memoryview] = [b""] * (2 * whole)
            both[::2] = heads[done : done + whole]
            both[1::2] = _cutter(0, mss, mss, whole)(chunk[at:])
            buffers += both
            done += whole
            at += whole * mss
        while at < octets:  # one whole segment at most, and the beginning of another
            piece = chunk[at : at + mss]
            buffers += heads[done], piece
            done += 1
            at += len(piece)
            room = mss - len(piece)
    return buffers
