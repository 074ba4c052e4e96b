"""The header of RFC 9293 §3.1, twenty octets, as the payload of a UDP datagram.

A *run* is a stretch of segments of one connection that carry consecutive data and otherwise the
same header.  Large transfers consist of little else, so the codec packs and reads runs: a run
costs one object however many segments it holds.  Segments that do not fit together are runs of
one.  The checksum field goes out as zero and is not looked at (W-9): the checksum of UDP covers
the same octets.
"""

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from rudp.core import options
from rudp.core.counters import Count, Counters

FIN: Final = 0x01
SYN: Final = 0x02
RST: Final = 0x04
PSH: Final = 0x08
ACK: Final = 0x10
URG: Final = 0x20
ECE: Final = 0x40
CWR: Final = 0x80

FLAG_NAMES: Final = (
    (URG, "URG"),
    (ACK, "ACK"),
    (PSH, "PSH"),
    (RST, "RST"),
    (SYN, "SYN"),
    (FIN, "FIN"),
    (ECE, "ECE"),
    (CWR, "CWR"),
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
_STAMPED: Final = struct.Struct("!IIQIIII")  # followed by timestamps and nothing else (RFC 7323 A)
_LONERS: Final = ~ACK & 0xFF  # a segment with one of these flags is not continued by another


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
    ``ce``: a router on the way has marked them (RFC 3168); whoever reads the socket knows.
    """

    __slots__ = (
        "_header",
        "_stride",
        "_view",
        "ack",
        "ce",
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
        self.flags = word >> 16 & 0xFF
        self.window = word & 0xFFFF
        self.urgent = urgent
        self.options = opts
        self.ce = False
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
            return b"".join([view[at + header : at + stride] for at in range(0, self.size, stride)])
        parts = []
        for at in range(start // room, (stop - 1) // room + 1):
            base = at * stride + header
            left = max(start - at * room, 0)
            parts.append(view[base + left : base + min(stop - at * room, room)])
        return b"".join(parts)

    def header(self) -> bytes:
        """Return the header of the first segment, options included."""
        return bytes(self._view[: self._header])

    def datagrams(self) -> list[bytes]:
        """Return the segments one by one as they came, copied out of the receive buffer."""
        view, stride = self._view, self._stride
        return [bytes(view[at : at + stride]) for at in range(0, self.size, stride)]

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
        ports, seq, word, tail, layout, tsval, tsecr = _STAMPED.unpack_from(datagram)
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
    """Extend *run* with the segments at offset *at* that continue it; return the offset after."""
    first = at - stride
    header = stride - run.length
    layout = _comparison(header, run.length)
    ports, seq, rest = layout.unpack_from(data, first)
    whole = min((len(data) - first) // stride, RUN_SEGMENTS_MAX)
    count = 1
    for ports2, seq2, rest2 in layout.iter_unpack(data[at : first + whole * stride]):
        seq = seq + run.length & 0xFFFF_FFFF
        if seq2 != seq or rest2 != rest or ports2 != ports:
            break
        count += 1
    end = first + count * stride
    pushed = False
    if count < RUN_SEGMENTS_MAX and len(data) - end > header:  # the next may be the last of it
        ports2, seq2, rest2 = _comparison(header, 0).unpack_from(data, end)
        seq = run.seq + count * run.length & 0xFFFF_FFFF
        if seq2 == seq and ports2 == ports and rest2 in (rest, _with_push(rest)):
            pushed = rest2 != rest
            end = min(end + stride, len(data))
            count += 1
    if count > 1:
        run.extend(data[first:end], count, pushed=pushed)
    return end


@lru_cache(maxsize=256)
def _comparison(header_octets: int, data_octets: int) -> struct.Struct:
    """Return a layout for comparing headers: ports, sequence number, and all that follows it."""
    return struct.Struct(f"!II{header_octets - 8}s{data_octets}x")


def _with_push(rest: bytes) -> bytes:
    """Return *rest* of a header, what follows the sequence number, with PSH."""
    return rest[:5] + bytes([rest[5] | PSH]) + rest[6:]


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

    *length* is at least 1.  All segments carry *flags*, but PSH and FIN only the last.  The data is
    not copied.
    """
    inner = flags & ~(PSH | FIN)
    word = ack << 32 | (HEADER_SIZE + len(opts)) << 26 | inner << 16 | window
    pack = _layout(len(opts)).pack
    heads = [
        pack(ports, here & 0xFFFF_FFFF, word, 0, opts) for here in range(seq, seq + length, mss)
    ]
    if flags != inner:
        last = seq + (len(heads) - 1) * mss
        heads[-1] = pack(ports, last & 0xFFFF_FFFF, word | (flags - inner) << 16, 0, opts)
    if len(chunks) == 1:
        (chunk,) = chunks
        pieces = [chunk[at : at + mss] for at in range(0, length, mss)]
        buffers: list[bytes | memoryview] = [b""] * (2 * len(heads))
        buffers[::2] = heads
        buffers[1::2] = pieces
        return buffers
    buffers = []
    append = buffers.append
    following = iter(heads)
    room = 0  # octets that the segment being filled still takes
    for chunk in chunks:
        at = 0
        octets = len(chunk)
        while at < octets:
            if not room:
                append(next(following))
                room = mss
            append(chunk[at : at + room])
            at += room
            room = at - octets if at > octets else 0
    return buffers


@lru_cache(maxsize=64)
def _layout(option_octets: int) -> struct.Struct:
    return struct.Struct(f"!IIQI{option_octets}s")
