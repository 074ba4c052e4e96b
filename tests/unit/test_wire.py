"""The header octet for octet, and runs: packed, read, and read the same as one by one."""

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rudp.core.segment import wire
from rudp.core.segment.options import encode
from rudp.core.segment.transmit import RUN_OCTETS_MAX
from rudp.core.segment.wire import (
    ACK,
    CWR,
    ECE,
    FIN,
    HEADER_SIZE,
    PSH,
    RST,
    RUN_SEGMENTS_MAX,
    SYN,
    URG,
    Run,
    flag_names,
    pack_run,
    pack_segment,
    read_runs,
    read_segment,
)
from rudp.core.terms.counters import Count, Counters

PORTS = 0xC000 << 16 | 0x1F90
U32 = st.integers(0, 0xFFFF_FFFF)
U16 = st.integers(0, 0xFFFF)
option_lists = st.sampled_from(
    [b"", b"\1\1\1\1", encode((1, 2)), encode((1, 2), [(3, 4)]), encode(None, [(3, 4)] * 4)]
)


def segment(
    seq: int = 1000,
    data: bytes = b"",
    *,
    ports: int = PORTS,
    ack: int = 77,
    flags: int = ACK,
    window: int = 500,
    opts: bytes = b"",
    urgent: int = 0,
    checksum: int = 0,
) -> bytes:
    """Return a segment, packed here, field by field."""
    return (
        struct.pack(
            "!HHIIBBHHH",
            ports >> 16,
            ports & 0xFFFF,
            seq & 0xFFFF_FFFF,
            ack,
            (5 + len(opts) // 4) << 4,
            flags,
            window,
            checksum,
            urgent,
        )
        + opts
        + data
    )


def read_one(datagram: bytes) -> Run:
    run = read_segment(memoryview(datagram), Counters())
    assert run is not None
    return run


def read(datagrams: list[bytes]) -> list[Run]:
    """Read *datagrams* as one receive with GRO hands them up."""
    return read_runs(memoryview(b"".join(datagrams)), len(datagrams[0]), Counters())


def shape(runs: list[Run]) -> list[tuple[int, int]]:
    return [(run.segments, run.length) for run in runs]


# -- one header --------------------------------------------------------------------------------


def test_header_layout() -> None:
    """W-1, W-2, W-3, W-4, W-5, W-6, W-7, W-8, W-9, W-10, W-11, W-12"""
    head = pack_segment(
        0x1234 << 16 | 0x5678, 0x9ABCDEF0, 0x0FEDCBA9, ACK | PSH, 0x4321, b"\1\1\1\0"
    )
    assert head.hex(" ", 2) == (
        "1234 5678"  # ports
        " 9abc def0"  # sequence number
        " 0fed cba9"  # acknowledgment number
        " 6018 4321"  # six words, reserved bits 0, ACK PSH; window
        " 0000 0000"  # checksum 0, urgent pointer 0
        " 0101 0100"  # options
    )


def test_syn_layout() -> None:
    """W-4, W-7: no ACK bit, no acknowledgment number."""
    assert pack_segment(PORTS, 0x01020304, 0, SYN, 0xFFFF, b"").hex(" ", 2) == (
        "c000 1f90 0102 0304 0000 0000 5002 ffff 0000 0000"
    )


@pytest.mark.parametrize(
    ("flag", "octet", "name"),
    [
        (CWR, 0x80, "CWR"),
        (ECE, 0x40, "ECE"),
        (URG, 0x20, "URG"),
        (ACK, 0x10, "ACK"),
        (PSH, 0x08, "PSH"),
        (RST, 0x04, "RST"),
        (SYN, 0x02, "SYN"),
        (FIN, 0x01, "FIN"),
    ],
)
def test_flags(flag: int, octet: int, name: str) -> None:
    """W-7: all eight, where RFC 9293 §3.1 puts them."""
    assert pack_segment(PORTS, 0, 0, flag, 0, b"")[13] == octet
    assert read_one(segment(flags=octet)).flags == flag
    assert flag_names(flag) == name


def test_flag_names() -> None:
    assert flag_names(0) == ""
    assert flag_names(FIN | ACK) == "ACK,FIN"
    assert flag_names(0x1FF) == "URG,ACK,PSH,RST,SYN,FIN,ECE,CWR,AE"
    assert flag_names(0xFF) == "URG,ACK,PSH,RST,SYN,FIN,ECE,CWR"


def test_urgent_pointer_layout() -> None:
    """W-10, MUST-62"""
    head = pack_segment(PORTS, 0, 0, ACK | URG, 0, b"", 0x1234)
    assert head[18:20] == b"\x12\x34"
    assert head[16:18] == b"\0\0"
    assert read_one(segment(flags=ACK | URG, urgent=0x1234)).urgent == 0x1234


@pytest.mark.parametrize("words", range(11))
def test_every_data_offset(words: int) -> None:
    """W-5, W-11, W-12: 20 to 60 octets of header."""
    opts = bytes([1]) * 4 * words
    head = pack_segment(PORTS, 5, 6, ACK, 7, opts)
    assert head[12] == (5 + words) << 4
    run = read_one(head + b"data")
    assert (run.length, run.octets(0, 4), run.size) == (4, b"data", len(head) + 4)


def test_every_field_is_read() -> None:
    """W-1, W-2, W-3, W-4, W-8, MUST-1: numbers are unsigned, the window too."""
    run = read_one(segment(0xFFFF_FFFE, b"xyz", ports=0xFFFE_FFFD, ack=0xFFFF_FFFC, window=0xFFFF))
    assert (run.ports, run.seq, run.ack) == (0xFFFE_FFFD, 0xFFFF_FFFE, 0xFFFF_FFFC)
    assert (run.window, run.length, run.segments, run.urgent) == (0xFFFF, 3, 1, 0)


@given(U32, U32, st.integers(0, 0xFF), U16, option_lists, U16)
def test_segment_round_trip(
    seq: int, ack: int, flags: int, window: int, opts: bytes, urgent: int
) -> None:
    """W-3, W-4, W-7, W-8, W-10, W-11"""
    head = pack_segment(PORTS, seq, ack, flags, window, opts, urgent)
    assert head == segment(seq, ack=ack, flags=flags, window=window, opts=opts, urgent=urgent)
    run = read_one(head)
    assert (run.ports, run.seq, run.ack, run.flags) == (PORTS, seq, ack, flags)
    assert (run.window, run.urgent, run.length) == (window, urgent, 0)


@pytest.mark.parametrize("checksum", [0, 1, 0xBEEF, 0xFFFF])
def test_any_checksum_is_accepted(checksum: int) -> None:
    """W-9"""
    run = read_one(segment(data=b"abc", checksum=checksum, urgent=3))
    assert (run.octets(0, 3), run.urgent) == (b"abc", 3)


@pytest.mark.parametrize("reserved", range(0, 16, 2))
def test_reserved_bits_are_ignored(reserved: int) -> None:
    """W-6, M-6: the one that was the last of them is AE now (RFC 9768 §7)."""
    datagram = bytearray(segment(data=b"abc"))
    datagram[12] |= reserved
    run = read_one(bytes(datagram))
    assert (run.flags, run.octets(0, run.length)) == (ACK, b"abc")


# -- what is not a segment ---------------------------------------------------------------------


@pytest.mark.parametrize("size", range(20))
def test_shorter_than_a_header(size: int) -> None:
    """M-1"""
    counters = Counters()
    assert read_runs(memoryview(segment()[:size]), 1500, counters) == []
    assert counters == {Count.SHORT: 1}


@pytest.mark.parametrize("words", [0, 1, 2, 3, 4])
def test_data_offset_below_five(words: int) -> None:
    """M-2, W-5"""
    datagram = bytearray(segment(data=b"abcd"))
    datagram[12] = words << 4
    counters = Counters()
    assert read_runs(memoryview(datagram), 1500, counters) == []
    assert counters == {Count.BAD_OFFSET: 1}


@pytest.mark.parametrize(("words", "data"), [(6, b""), (6, b"abc"), (15, bytes(39))])
def test_data_offset_beyond_the_end(words: int, data: bytes) -> None:
    """M-2, W-5"""
    datagram = bytearray(segment(data=data))
    datagram[12] = words << 4
    counters = Counters()
    assert read_runs(memoryview(datagram), 1500, counters) == []
    assert counters == {Count.BAD_OFFSET: 1}


def test_impossible_option() -> None:
    """M-3, MUST-7"""
    counters = Counters()
    datagram = segment(data=b"abc", opts=bytes([2, 0, 0, 0]))
    assert read_runs(memoryview(datagram), 1500, counters) == []
    assert counters == {Count.BAD_OPTION: 1}


def test_options_that_are_skipped() -> None:
    """M-4, M-5: the segment counts."""
    run = read_one(segment(data=b"abc", opts=bytes([2, 3, 0, 253, 3, 0, 1, 0])))
    assert (run.options.mss, run.octets(0, 3)) == (None, b"abc")


@pytest.mark.parametrize("ports", [0x0000_1F90, 0xC000_0000, 0])
def test_port_zero(ports: int) -> None:
    """W-1, W-2, W-47"""
    counters = Counters()
    assert read_runs(memoryview(segment(ports=ports)), 1500, counters) == []
    assert counters == {Count.BAD_PORT: 1}


def test_bad_datagrams_among_good_ones() -> None:
    """M-1, M-2, M-3: each is counted, the rest is read."""
    good = [segment(1000 + 40 * n, bytes(40)) for n in range(6)]
    bad_offset = bytearray(good[1])
    bad_offset[12] = 0x40
    bad_option = segment(1080, bytes(36), opts=bytes([8, 1, 0, 0]))
    counters = Counters()
    datagrams = [good[0], bytes(bad_offset), bad_option, good[3], good[4], good[5][:19]]
    runs = read_runs(memoryview(b"".join(datagrams)), 60, counters)
    assert [(run.seq, run.segments) for run in runs] == [(1000, 1), (1120, 2)]
    assert counters == {Count.BAD_OFFSET: 1, Count.BAD_OPTION: 1, Count.SHORT: 1}


@given(st.binary(max_size=200), st.integers(1, 100))
def test_random_octets_never_raise(data: bytes, stride: int) -> None:
    """M-1, M-2, M-3, M-21: everything that is no segment is counted, nothing raises."""
    counters = Counters()
    runs = read_runs(memoryview(data), stride, counters)
    datagrams = max(-(-len(data) // stride), 1)
    assert sum(run.segments for run in runs) + sum(counters.values()) == datagrams
    for run in runs:
        assert len(run.octets(0, run.length)) == run.length


# -- reading runs ------------------------------------------------------------------------------


def continuing(count: int, size: int = 100, seq: int = 1000, **fields: int) -> list[bytes]:
    """Return *count* segments with consecutive data of *size* octets each."""
    return [
        segment(seq + n * size, bytes([n % 256]) * size, opts=encode((1, 2)), **fields)
        for n in range(count)
    ]


def test_consecutive_segments_are_one_run() -> None:
    (run,) = read(continuing(10))
    assert (run.segments, run.length, run.seq, run.flags) == (10, 1000, 1000, ACK)
    assert (run.ack, run.window, run.options.tsval, run.size) == (77, 500, 1, 10 * 132)
    assert run.octets(0, 1000) == b"".join(bytes([n]) * 100 for n in range(10))


def test_a_short_last_datagram_belongs_to_the_run() -> None:
    datagrams = continuing(4)
    datagrams[3] = datagrams[3][:-99]
    (run,) = read(datagrams)
    assert (run.segments, run.length) == (4, 301)
    assert run.octets(299, 301) == b"\2\3"


def test_a_full_and_a_short_datagram() -> None:
    datagrams = continuing(2)
    datagrams[1] = datagrams[1][:-1]
    assert shape(read(datagrams)) == [(2, 199)]


def test_a_short_last_datagram_without_data_stands_alone() -> None:
    datagrams = continuing(3)
    datagrams[2] = datagrams[2][:32]
    assert shape(read(datagrams)) == [(2, 200), (1, 0)]


def test_psh_ends_a_run() -> None:
    """PSH-1: the segment that carries it is the last of its run."""
    datagrams = continuing(6)
    for n in (2, 5):
        datagrams[n] = datagrams[n][:13] + bytes([ACK | PSH]) + datagrams[n][14:]
    runs = read(datagrams)
    assert shape(runs) == [(3, 300), (3, 300)]
    assert [run.flags for run in runs] == [ACK | PSH, ACK | PSH]


def test_psh_on_the_first_segment() -> None:
    datagrams = continuing(3)
    datagrams[0] = datagrams[0][:13] + bytes([ACK | PSH]) + datagrams[0][14:]
    runs = read(datagrams)
    assert shape(runs) == [(1, 100), (2, 200)]
    assert [run.flags for run in runs] == [ACK | PSH, ACK]


def test_psh_on_the_short_last_segment() -> None:
    datagrams = continuing(3)
    datagrams[2] = datagrams[2][:13] + bytes([ACK | PSH]) + datagrams[2][14:-10]
    (run,) = read(datagrams)
    assert (run.segments, run.length, run.flags) == (3, 290, ACK | PSH)


@pytest.mark.parametrize("ace", range(8))
@pytest.mark.parametrize("at", [0, 1, 2])
def test_the_same_ACE_field_makes_a_run(ace: int, at: int) -> None:
    """AECN-4: a counter is the same for many; where it changes another run begins."""
    datagrams = continuing(3)
    datagrams[at:] = [
        bytes([*each[:12], each[12] | ace >> 2, each[13] | (ace & 3) << 6]) + each[14:]
        for each in datagrams[at:]
    ]
    runs = read(datagrams)
    whole = at == 0 or not ace
    assert [run.segments for run in runs] == ([3] if whole else [at, 3 - at])
    assert [run.flags for run in runs] == ([ACK | ace << 6] if whole else [ACK, ACK | ace << 6])


@pytest.mark.parametrize("flag", [FIN, SYN, RST, URG])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_other_flags_stand_alone(flag: int, at: int) -> None:
    """W-7: what they say is said of one segment."""
    datagrams = continuing(3)
    datagrams[at] = datagrams[at][:13] + bytes([ACK | flag]) + datagrams[at][14:]
    runs = read(datagrams)
    assert [run.flags for run in runs if run.flags != ACK] == [ACK | flag]
    assert sum(run.segments for run in runs) == 3
    assert next(run for run in runs if run.flags != ACK).segments == 1


@pytest.mark.parametrize(
    ("offset", "what"),
    [
        (0, "source port"),
        (3, "destination port"),
        (4, "sequence number, high"),
        (7, "sequence number, low"),
        (8, "acknowledgment number, high"),
        (11, "acknowledgment number, low"),
        (14, "window, high"),
        (15, "window, low"),
        (19, "urgent pointer"),
        (27, "TSval"),
        (31, "TSecr"),
    ],
)
def test_different_headers_are_different_runs(offset: int, what: str) -> None:
    """W-40, TS-3: segments that differ in *what* do not join, be it a full or the short one."""
    for size in (None, 80):
        datagrams = continuing(5)
        changed = bytearray(datagrams[4 if size else 2])
        changed[offset] ^= 1
        datagrams[4 if size else 2] = bytes(changed[:size])
        expected = [4, 1] if size else [2, 1, 2]
        assert [run.segments for run in read(datagrams)] == expected, what


def test_a_gap_starts_a_new_run() -> None:
    datagrams = continuing(3) + continuing(2, seq=1400)
    assert [(run.seq, run.segments) for run in read(datagrams)] == [(1000, 3), (1400, 2)]


def test_the_same_segment_twice_is_two_runs() -> None:
    datagrams = [*continuing(1), *continuing(1)]
    assert shape(read(datagrams)) == [(1, 100), (1, 100)]


def test_segments_without_data_do_not_join() -> None:
    """NR-1: every duplicate acknowledgement is seen."""
    assert shape(read([segment()] * 4)) == [(1, 0)] * 4


def test_a_run_across_the_wrap() -> None:
    """TRAP-12"""
    (run,) = read(continuing(5, seq=0xFFFF_FFFF - 150))
    assert (run.seq, run.segments) == (0xFFFF_FF69, 5)


def test_a_run_has_at_most_64_segments() -> None:
    assert RUN_SEGMENTS_MAX == 64
    assert shape(read(continuing(64, 10))) == [(64, 640)]
    assert shape(read(continuing(65, 10))) == [(64, 640), (1, 10)]
    assert shape(read(continuing(150, 10))) == [(64, 640), (64, 640), (22, 220)]
    short = [*continuing(64, 10), continuing(65, 10)[64][:-1]]
    assert shape(read(short)) == [(64, 640), (1, 9)]


def test_a_stride_larger_than_the_datagram() -> None:
    runs = read_runs(memoryview(segment(data=b"abc")), 65_535, Counters())
    assert shape(runs) == [(1, 3)]


datagram_lists = st.lists(
    st.tuples(
        st.sampled_from(["next"] * 8 + ["skip", "again", "garbage"]),
        st.sampled_from([ACK] * 8 + [ACK | PSH, ACK | FIN, ACK | SYN, RST, 0]),
        st.sampled_from([77] * 8 + [78]),
        st.sampled_from([0] * 8 + [9]),
        st.sampled_from([encode((1, 2))] * 8 + [encode((2, 2)), bytes([8, 1]) + bytes(10)]),
    ),
    min_size=1,
    max_size=80,
)


def segments_of(run: Run, stride: int) -> list[tuple[object, ...]]:
    """Return what *run* says about each of its segments, all but the last *stride* octets long."""
    room = stride - (run.size - run.length) // run.segments
    return [
        (
            run.ports,
            (run.seq + n * room) & 0xFFFF_FFFF,
            run.ack,
            run.flags if n == run.segments - 1 else run.flags & ~PSH,
            run.window,
            run.urgent,
            (run.options.tsval, run.options.tsecr),
            run.octets(n * room, min((n + 1) * room, run.length)),
        )
        for n in range(run.segments)
    ]


@given(datagram_lists, st.integers(1, 60), st.integers(0, 92), st.integers(-2000, 2000))
def test_joined_reading_equals_reading_each_alone(
    items: list[tuple[str, int, int, int, bytes]], size: int, last_size: int, start: int
) -> None:
    """M-21: runs are a way to go faster and nothing else."""
    seq, datagrams = start, []
    for kind, flags, ack, checksum, opts in items:
        seq += {"next": size, "skip": 3 * size, "again": 0, "garbage": 0}[kind]
        datagram = segment(
            seq, seq.to_bytes(4, "big", signed=True) * size, ack=ack, flags=flags,
            checksum=checksum, opts=opts,
        )[: 32 + size]  # fmt: skip
        datagrams.append(datagram if kind != "garbage" else bytes(len(datagram)))
    datagrams[-1] = datagrams[-1][: max(last_size, 1)]
    stride = len(datagrams[0])
    together, alone = Counters(), Counters()
    runs = read_runs(memoryview(b"".join(datagrams)), stride, together)
    single = [read_segment(memoryview(datagram), alone) for datagram in datagrams]
    assert together == alone
    assert [s for run in runs for s in segments_of(run, stride)] == [
        s for run in single if run is not None for s in segments_of(run, stride)
    ]


@given(st.integers(1, 12), st.integers(1, 40), st.integers(1, 40), option_lists, st.data())
def test_any_stretch_of_a_run(
    count: int, size: int, last_size: int, opts: bytes, data: st.DataObject
) -> None:
    """M-16: the new part of a run can be cut out wherever it begins and ends."""
    stream = bytes(n % 251 for n in range(count * size))
    datagrams = [
        segment(n * size, stream[n * size : (n + 1) * size], opts=opts) for n in range(count)
    ]
    cut = min(last_size, size)
    datagrams[-1] = datagrams[-1][: len(datagrams[-1]) - size + cut]
    stream = stream[: (count - 1) * size + cut]
    (run,) = read(datagrams)
    left = data.draw(st.integers(0, len(stream)))
    right = data.draw(st.integers(left, len(stream)))
    assert run.octets(left, right) == stream[left:right]
    assert run.octets(0, run.length) == stream


def test_octets_are_a_copy() -> None:
    """The receive buffer is used again for the next read."""
    buffer = bytearray(b"".join(continuing(2)))
    (run,) = read_runs(memoryview(buffer), 132, Counters())
    octets = run.octets(0, 200)
    buffer[:] = bytes(len(buffer))
    assert octets == b"\0" * 100 + b"\1" * 100


# -- packing runs ------------------------------------------------------------------------------


def datagrams_of(buffers: list[bytes | memoryview], size: int) -> list[bytes]:
    whole = b"".join(buffers)
    return [whole[at : at + size] for at in range(0, len(whole), size)]


def views(data: bytes, cuts: list[int]) -> list[memoryview]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [memoryview(data)[a:b] for a, b in itertools.pairwise(edges) if a < b]


@given(
    st.binary(min_size=51, max_size=300),
    st.lists(st.integers(0, 300), max_size=8),
    st.integers(1, 50),
    U32,
    st.sampled_from([ACK, ACK | PSH, ACK | FIN, ACK | PSH | FIN]),
    option_lists,
)
def test_a_run_is_packed_segment_by_segment(
    data: bytes, cuts: list[int], mss: int, seq: int, flags: int, opts: bytes
) -> None:
    """W-12, MUST-61, PSH-1: full segments, the last may be shorter; PSH and FIN on the last."""
    buffers = pack_run(PORTS, seq, 7, flags, 8, opts, views(data, cuts), len(data), mss)
    pieces = [data[at : at + mss] for at in range(0, len(data), mss)]
    expected = [
        segment(
            seq + n * mss,
            piece,
            ack=7,
            flags=flags if n == len(pieces) - 1 else ACK,
            window=8,
            opts=opts,
        )
        for n, piece in enumerate(pieces)
    ]
    assert datagrams_of(buffers, HEADER_SIZE + len(opts) + mss) == expected


@given(
    st.binary(min_size=101, max_size=600),
    st.lists(st.integers(0, 600), max_size=8),
    st.integers(10, 100),
    U32,
    st.sampled_from([ACK, ACK | PSH]),
    option_lists,
)
def test_run_round_trip(
    data: bytes, cuts: list[int], mss: int, seq: int, flags: int, opts: bytes
) -> None:
    """W-3, W-12: what one end packs as a run the other end reads as one."""
    buffers = pack_run(PORTS, seq, 7, flags, 8, opts, views(data, cuts), len(data), mss)
    stride = HEADER_SIZE + len(opts) + mss
    (run,) = read_runs(memoryview(b"".join(buffers)), stride, Counters())
    assert (run.ports, run.seq, run.ack, run.flags, run.window) == (PORTS, seq, 7, flags, 8)
    assert (run.length, run.segments) == (len(data), -(-len(data) // mss))
    assert run.octets(0, run.length) == data


def test_data_is_not_copied() -> None:
    data = bytes(1000)
    buffers = pack_run(PORTS, 5, 7, ACK, 8, b"", [memoryview(data)], 1000, 100)
    pieces = [piece for piece in buffers if isinstance(piece, memoryview)]
    assert len(pieces) == 10
    assert all(piece.obj is data for piece in pieces)


def test_a_run_wraps() -> None:
    """TRAP-12"""
    buffers = pack_run(PORTS, 0xFFFF_FFFA, 7, ACK, 8, b"", [memoryview(bytes(30))], 30, 10)
    assert [d[4:8].hex() for d in datagrams_of(buffers, 30)] == ["fffffffa", "00000004", "0000000e"]


def test_limits() -> None:
    """UDP-4: what one send can carry, in datagrams and in octets."""
    assert RUN_OCTETS_MAX == 65_535 - 20 - 8
    assert wire.RUN_SEGMENTS_MAX == 64


def test_repr() -> None:
    assert repr(read_one(segment(data=b"abc"))) == (
        "<Run 49152>8080 seq=1000 ack=77 ACK win=500 len=3 segments=1>"
    )
