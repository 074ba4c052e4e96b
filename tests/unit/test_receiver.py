"""The receiving half: windows, acknowledgements and timestamps of one connection."""

import itertools
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rudp.config import Config
from rudp.core.receive.receiver import (
    PAWS_SLACK,
    PAWS_VALIDITY,
    QUICK_ACKS,
    AckDue,
    Receiver,
    window_shift,
)
from rudp.core.segment.wire import Run, read_runs
from rudp.core.terms.budget import Memory
from rudp.core.terms.counters import Counters
from rudp.core.terms.timers import OFF, Timers

IRS = 0xFFFF_FC18  # 2**32 - 1000: every test crosses the wrap
NXT = IRS + 1
RMSS = 1000
BUFFER = 10_000


def run_of(size: int, segments: int = 1, fill: int = 0) -> Run:
    """Return a run of *segments* segments of *size* octets each."""
    datagrams = []
    for n in range(segments):
        header = struct.pack("!IIIHHI", 1 << 16 | 2, n * size, 0, 0x5010, 100, 0)
        datagrams.append(header + bytes([fill]) * size)
    (run,) = read_runs(memoryview(b"".join(datagrams)), 20 + size, Counters())
    return run


class Half:
    """A receiver with its timers, after the handshake."""

    def __init__(
        self, buffer: int = BUFFER, *, sack: bool = True, shift: int = 0, quick: bool = False
    ) -> None:
        self.timers = Timers()
        self.receiver = Receiver(
            IRS, Config(receive_buffer=buffer, receive_buffer_max=buffer), self.timers
        )
        self.receiver.rmss = RMSS
        self.receiver.sack = sack
        self.receiver.shift = shift
        self.receiver.syn_window_field()
        self.receiver.ack_sent()
        if not quick:
            for _ in range(QUICK_ACKS):
                self.arrive(self.receiver.rcv_nxt, RMSS)
                self.receiver.read()
                self.send_ack()
        self.start = self.receiver.rcv_nxt

    def arrive(self, seq: int, size: int, segments: int = 1, now: float = 0.0) -> None:
        assert self.receiver.is_acceptable(seq, size * segments)
        self.receiver.accept(seq, run_of(size, segments), now)

    def send_ack(self) -> int:
        """Send an acknowledgement; return the window it shows, in octets."""
        field = self.receiver.window_field()
        assert 0 <= field <= 0xFFFF
        self.receiver.ack_sent()
        return field << self.receiver.shift

    def due(self) -> AckDue:
        return self.receiver.ack_due


# -- the window --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("buffer", "shift"),
    [
        (4096, 0),
        (65_535, 0),
        (65_536, 1),
        (131_071, 1),
        (131_072, 2),
        (256 * 1024, 3),
        (4 << 20, 7),
        (1 << 29, 14),
        (1 << 30, 14),
    ],
)
def test_window_shift(buffer: int, shift: int) -> None:
    """WS-1, WS-3, DEF-32: the smallest that lets 16 bits say it, 14 at most."""
    assert window_shift(buffer) == shift


@pytest.mark.parametrize(
    ("buffer", "field"), [(10_000, 10_000), (65_535, 65_535), (256 * 1024, 65_535)]
)
def test_the_window_of_a_syn(buffer: int, field: int) -> None:
    """SWS-6, WS-2: never scaled, and a promise like any other."""
    receiver = Receiver(IRS, Config(receive_buffer=buffer), Timers())
    receiver.shift = 7
    assert receiver.syn_window_field() == field
    assert (receiver.rcv_wnd, receiver.right_edge) == (field, NXT + field)


@pytest.mark.parametrize("shift", [3, 7, 14])
def test_the_first_scaled_window(shift: int) -> None:
    """WS-2, MUST-1: all of the buffer, rounded down to what the field can say."""
    buffer = 256 * 1024
    half = Half(buffer, shift=shift, quick=True)
    window = half.send_ack()
    assert window == min(buffer >> shift << shift, 0xFFFF << shift)
    assert half.receiver.rcv_wnd == window


def test_the_window_never_promises_more_than_the_buffer() -> None:
    """BUF-1: neither what waits for the reader nor what is out of order is counted twice."""
    half = Half()
    start = half.start
    half.arrive(start, 2000)
    assert half.send_ack() == 8000
    half.arrive(start + 5000, 1000)
    assert half.send_ack() == 8000
    assert half.receiver.right_edge == start + BUFFER
    half.arrive(start + 2000, 3000)
    assert half.receiver.ready_octets == 6000
    assert half.send_ack() == 4000


def test_the_edge_stays_until_it_is_worth_a_segment() -> None:
    """SWS-4, MUST-39, TRAP-5: small reads do not make small windows."""
    half = Half()
    edge = half.receiver.right_edge
    for n in range(3):
        half.arrive(half.start + 300 * n, 300)
        half.receiver.read()
        assert half.send_ack() == BUFFER - 300 * (n + 1)
        assert half.receiver.right_edge == edge
    half.arrive(half.start + 900, 100)
    half.receiver.read()
    assert half.send_ack() == BUFFER
    assert half.receiver.right_edge == edge + 1000


def test_half_of_a_small_buffer_is_worth_it() -> None:
    """SWS-4, MUST-39: min(RCV.BUFF / 2, MSS)."""
    half = Half(4096)
    half.receiver.rmss = 3000
    edge = half.receiver.right_edge
    half.arrive(half.start, 2047)
    half.receiver.read()
    half.send_ack()
    assert half.receiver.right_edge == edge
    half.arrive(half.start + 2047, 1)
    half.receiver.read()
    half.send_ack()
    assert half.receiver.right_edge == edge + 2048


def test_a_window_that_closes_and_opens() -> None:
    """SWS-4, ZWP-6, MAY-8: it shuts octet by octet, and opens with an update of its own."""
    half = Half()
    half.arrive(half.start, BUFFER // 10, 10)
    assert half.send_ack() == 0
    assert half.receiver.rcv_wnd == 0
    assert half.send_ack() == 0
    assert half.due() is AckDue.NO
    assert len(half.receiver.read()) == BUFFER
    assert half.due() is AckDue.NOW
    assert half.send_ack() == BUFFER


@pytest.mark.parametrize(
    ("buffer", "read", "due"),
    [
        (40_000, 9_990, AckDue.NO),
        (40_000, 10_000, AckDue.NOW),  # a quarter of the buffer
        (4_096, 1_990, AckDue.NO),
        (4_096, 2_000, AckDue.NOW),  # two segments
    ],
)
def test_a_window_update_has_to_be_worth_a_segment_of_its_own(
    buffer: int, read: int, due: AckDue
) -> None:
    """SWS-4, DACK-3: two segments or a quarter of the buffer, whichever is more."""
    half = Half(buffer)
    half.arrive(half.start, read // 10, 10)
    half.send_ack()
    assert half.due() is AckDue.NO
    half.receiver.read()
    assert half.due() is due


def test_no_window_update_after_the_peers_fin() -> None:
    """SWS-4: it will send nothing more."""
    half = Half()
    half.arrive(half.start, BUFFER // 10, 9)
    half.receiver.note_fin(half.start + 9000)
    assert half.receiver.take_fin()
    half.send_ack()
    half.receiver.read()
    assert half.due() is AckDue.NO


def test_rounding_never_takes_a_promise_back() -> None:
    """SWS-5, SHLD-14, WS-4: a window in units of 8 octets, of which some are used one by one.

    The SYN promised 65535 octets.  What is left of them is rounded up, and what has been shown once
    is accepted for good.
    """
    half = Half(65_536, shift=3, quick=True)
    edge = 0
    for n in range(20):
        window = half.send_ack()
        assert window == -(-(65_535 - n) // 8) * 8
        shown = half.receiver.rcv_nxt + window
        assert NXT + 65_535 <= shown < NXT + 65_535 + 8
        edge = max(edge, shown)
        assert half.receiver.right_edge == edge
        half.arrive(half.receiver.rcv_nxt, 1)


class Stream:
    """What the peer has sent or will send: octet n is n modulo 251."""

    @staticmethod
    def octets(left: int, right: int) -> bytes:
        return bytes(n % 251 for n in range(left - NXT, right - NXT))

    @staticmethod
    def run(left: int, right: int) -> Run:
        header = struct.pack("!IIIHHI", 1 << 16 | 2, 0, 0, 0x5010, 100, 0)
        datagram = memoryview(header + Stream.octets(left, right))
        (run,) = read_runs(datagram, len(datagram), Counters())
        return run


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["send", "send", "send", "next", "next", "read", "ack"]),
            st.floats(0, 1),
            st.floats(0, 1),
        ),
        max_size=50,
    ),
    st.sampled_from([0, 3, 6]),
    st.sampled_from([4096, 5000]),
    st.booleans(),
)
@settings(max_examples=150)
def test_promises_are_kept(
    steps: list[tuple[str, float, float]], shift: int, buffer: int, sack: bool
) -> None:
    """SHLD-14, SWS-5, BUF-1, BUF-5, SHLD-31, M-16: whatever a peer sends inside the window.

    The edge never moves left; what was shown is accepted; no more is kept than the buffer and the
    rounding allow; the reader gets the octets of the stream, in order.
    """
    half = Half(buffer, shift=shift, sack=sack, quick=True)
    receiver = half.receiver
    half.send_ack()
    read, edge = b"", receiver.right_edge
    arrived: set[int] = set()
    for name, a, b in steps:
        if name == "read":
            read += receiver.read()
        elif name == "ack":
            half.send_ack()
            assert receiver.right_edge >= edge
            edge = receiver.right_edge
        else:
            left = NXT + int(min(a, b) * (edge - NXT)) if name == "send" else receiver.rcv_nxt
            right = min(left + 1 + int(a * 700), edge)
            if left >= right or right <= receiver.rcv_nxt:
                continue
            assert receiver.is_acceptable(left, right - left)
            assert receiver.accept(left, Stream.run(left, right), 0.0)
            arrived |= set(range(left, right))
        expected = NXT
        while expected in arrived:
            expected += 1
        assert receiver.rcv_nxt == expected
        assert receiver.right_edge == edge
        assert receiver.ready_octets + len(receiver.queue) < buffer + (1 << shift)
    read += receiver.read()
    assert read == Stream.octets(NXT, receiver.rcv_nxt)
    assert receiver.delivered == len(read)


# -- a buffer that grows -------------------------------------------------------------------------


class Growing(Half):
    """A receiver whose buffer may grow from 10 to 80 KB; a round trip takes 100 ms."""

    def __init__(
        self,
        *,
        timestamps: bool = True,
        fixed: int | None = None,
        memory: Memory | None = None,
    ) -> None:
        self.timers = Timers()
        config = Config(receive_buffer=BUFFER, receive_buffer_max=80_000)
        self.receiver = Receiver(IRS, config, self.timers, memory)
        self.receiver.rmss = self.receiver.rmss_max = RMSS
        self.receiver.sack = True
        self.receiver.shift = window_shift(80_000)
        self.timestamps = timestamps
        if timestamps:
            self.receiver.note_timestamp(1, IRS, 0.0)
        if fixed is not None:
            self.receiver.resize(fixed)
        self.receiver.syn_window_field()
        self.receiver.ack_sent()
        self.now = 1.0

    def round_trip(self, *, read: bool = True, share: float = 1.0) -> int:
        """Let *share* of a window arrive a round trip later; return the next window."""
        receiver = self.receiver
        segments = int(receiver.rcv_wnd * share) // RMSS
        self.now += 0.1
        if self.timestamps:
            receiver.note_tsecr(round(self.now * 1000) - 100, receiver.rcv_nxt, self.now)
        for _ in range(segments):
            self.arrive(receiver.rcv_nxt, RMSS, now=self.now)
            if read:
                receiver.read()
        return self.send_ack()


@pytest.mark.parametrize("timestamps", [True, False])
def test_the_buffer_grows_with_the_reader(timestamps: bool) -> None:
    """BUF-3: as far as it may, and not beyond; the out-of-order queue grows with it."""
    half = Growing(timestamps=timestamps)
    limit = half.receiver.queue_limit
    windows = [half.round_trip() for _ in range(10)]
    assert windows == sorted(windows)
    assert 79_000 < windows[-1] <= half.receiver.receive_buffer == 80_000
    assert half.receiver.queue_limit >= 8 * limit
    rtt = half.receiver.autotune.rtt
    assert rtt is not None
    assert 0.0999 < rtt < 0.2001  # without timestamps it may be that of two windows


def test_BUF_6_beyond_a_share_the_receive_buffers_have_a_bound_together() -> None:
    """The promise stands, and what one leaves at its end the other may have."""
    memory = Memory(0, 60_000)
    memory.buffers.share = 20_000
    first, second = Growing(memory=memory), Growing(memory=memory)
    for _ in range(10):
        first.round_trip()
    assert first.receiver.receive_buffer == 80_000
    assert memory.buffers.used == 60_000
    for _ in range(5):
        second.round_trip()
    assert second.receiver.receive_buffer == 20_000
    assert memory.buffers.used == 60_000
    first.receiver.end()
    assert memory.buffers.used == 0
    second.receiver.end()
    assert memory.buffers.used == 0


def test_the_buffer_does_not_grow_for_a_reader_that_does_not_read() -> None:
    """BUF-3, BUF-5: the window shuts."""
    half = Growing()
    windows = [half.round_trip(read=False) for _ in range(10)]
    assert half.receiver.receive_buffer == BUFFER
    assert windows[-1] < RMSS


def test_the_buffer_does_not_grow_for_a_sender_that_has_little_to_send() -> None:
    """BUF-3"""
    half = Growing()
    for _ in range(10):
        assert half.round_trip(share=0.2) <= BUFFER
    assert half.receiver.receive_buffer == BUFFER


def test_a_buffer_that_was_chosen_stays() -> None:
    """BUF-3: as SO_RCVBUF does on Linux."""
    half = Growing(fixed=20_000)
    for _ in range(10):
        half.round_trip()
    assert half.receiver.receive_buffer == 20_000


def test_a_buffer_that_has_grown_keeps_its_promises() -> None:
    """BUF-3, SHLD-14: when it is made small again, too."""
    half = Growing()
    for _ in range(10):
        half.round_trip()
    edge = half.receiver.right_edge
    half.receiver.resize(5000)
    half.send_ack()
    assert half.receiver.right_edge == edge
    assert half.receiver.is_acceptable(edge - 1, 1)
    assert half.receiver.queue_limit >= 2 * half.receiver.rcv_wnd


# -- which segments are acceptable ---------------------------------------------------------------


@given(st.integers(-30, 30), st.integers(0, 20), st.integers(0, 20))
def test_acceptability(offset: int, length: int, taken: int) -> None:
    """ST-21, RFC 9293 §3.4, Table 5 (here one that spans the whole window is taken, too)."""
    half = Half(4096, quick=True)
    receiver = half.receiver
    if taken:
        half.arrive(NXT, 4096 - taken)
        half.send_ack()
    window = receiver.rcv_wnd
    assert window == (taken or 4096)
    nxt = receiver.rcv_nxt
    seq = nxt + offset

    def inside(number: int) -> bool:
        return nxt <= number < nxt + window

    table = inside(seq) or inside(seq + length - 1) if length else inside(seq)
    spans = length > 0 and seq < nxt and seq + length > nxt + window
    assert receiver.is_acceptable(seq, length) is (table or spans)


def test_acceptability_with_the_window_shut() -> None:
    """ST-21, MUST-66: only SEG.SEQ = RCV.NXT, and no data."""
    half = Half(4096, quick=True)
    half.arrive(NXT, 4096)
    half.send_ack()
    nxt = half.receiver.rcv_nxt
    assert half.receiver.rcv_wnd == 0
    assert half.receiver.is_acceptable(nxt, 0)
    for seq, length in ((nxt, 1), (nxt - 1, 1), (nxt - 1, 2), (nxt + 1, 0), (nxt - 1, 0)):
        assert not half.receiver.is_acceptable(seq, length)


# -- data and FIN --------------------------------------------------------------------------------


def test_old_octets_are_cut_off() -> None:
    """M-16, ST-33"""
    half = Half(quick=True)
    receiver = half.receiver
    receiver.accept(NXT, Stream.run(NXT, NXT + 10), 0.0)
    receiver.accept(NXT + 5, Stream.run(NXT + 5, NXT + 20), 0.0)
    assert receiver.read() == Stream.octets(NXT, NXT + 20)


def test_octets_beyond_the_window_are_cut_off() -> None:
    """ST-33, M-19"""
    half = Half(4096, quick=True)
    receiver = half.receiver
    receiver.accept(NXT, Stream.run(NXT, NXT + 5000), 0.0)
    assert receiver.rcv_nxt == NXT + 4096
    assert receiver.read() == Stream.octets(NXT, NXT + 4096)


def test_large_pieces_come_by_themselves() -> None:
    """RECEIVE may return less than was asked for, and loses nothing (RFC 9293 §3.10.3)."""
    half = Half(1 << 18, quick=True)
    receiver = half.receiver
    edges = [0, 10, 40_000, 40_010, 60_000]
    for left, right in itertools.pairwise(edges):
        receiver.accept(NXT + left, Stream.run(NXT + left, NXT + right), 0.0)
    whole = Stream.octets(NXT, NXT + 60_000)
    pieces = [receiver.read(20)]  # no large one, and not more than was asked for
    while receiver.ready_octets:
        pieces.append(receiver.read(1 << 18))
    assert [len(piece) for piece in pieces] == [20, 39_980, 20_000]
    assert b"".join(pieces) == whole


def test_a_gap_is_filled() -> None:
    """SHLD-31"""
    half = Half(quick=True)
    receiver = half.receiver
    for left, right in ((10, 20), (30, 40), (20, 25)):
        receiver.accept(NXT + left, Stream.run(NXT + left, NXT + right), 0.0)
    assert (receiver.rcv_nxt, receiver.read()) == (NXT, b"")
    receiver.accept(NXT, Stream.run(NXT, NXT + 10), 0.0)
    assert receiver.read() == Stream.octets(NXT, NXT + 25)
    assert receiver.sack_blocks(4) == [((NXT + 30) & 0xFFFF_FFFF, (NXT + 40) & 0xFFFF_FFFF)]


def test_sack_blocks_wrap() -> None:
    """TRAP-12, W-25"""
    half = Half(quick=True)
    half.arrive(NXT + 500, 1000)
    assert half.receiver.sack_blocks(4) == [(0xFFFF_FC19 + 500, 501)]


def test_fin() -> None:
    """ST-34"""
    half = Half(quick=True)
    receiver = half.receiver
    half.arrive(NXT, 10)
    receiver.note_fin(NXT + 10)
    assert not receiver.fin_received
    assert receiver.take_fin()
    assert (receiver.fin_received, receiver.rcv_nxt) == (True, NXT + 11)
    assert not receiver.take_fin()


def test_a_fin_above_a_gap_waits() -> None:
    """TRAP-3, ST-34"""
    half = Half(quick=True)
    receiver = half.receiver
    half.arrive(NXT + 10, 10)
    receiver.note_fin(NXT + 20)
    assert not receiver.take_fin()
    half.arrive(NXT, 10)
    assert receiver.take_fin()
    assert receiver.rcv_nxt == NXT + 21


def test_the_first_fin_counts() -> None:
    """M-17: its number cannot move."""
    half = Half(quick=True)
    receiver = half.receiver
    receiver.note_fin(NXT + 20)
    receiver.note_fin(NXT + 10)
    receiver.note_fin(NXT + 30)
    half.arrive(NXT, 20)
    assert receiver.take_fin()


def test_data_beyond_the_fin_is_dropped() -> None:
    """M-17: in one segment with data before it, or alone."""
    half = Half(quick=True)
    receiver = half.receiver
    receiver.note_fin(NXT + 20)
    half.arrive(NXT + 30, 5)
    half.arrive(NXT, 50)
    assert receiver.read() == bytes(20)
    assert receiver.take_fin()
    assert (receiver.rcv_nxt, receiver.read()) == (NXT + 21, b"")


def test_data_beyond_the_fin_that_came_before_it_is_dropped() -> None:
    """M-17: whichever came first."""
    half = Half(quick=True)
    receiver = half.receiver
    half.arrive(NXT + 10, 50)
    receiver.note_fin(NXT + 20)
    half.arrive(NXT, 10)
    assert receiver.read() == bytes(20)
    assert receiver.take_fin()
    assert receiver.rcv_nxt == NXT + 21


def test_discard() -> None:
    """MAY-1: nobody will read, and nothing is kept."""
    half = Half(quick=True)
    half.arrive(NXT, 10)
    half.arrive(NXT + 20, 10)
    half.receiver.discard()
    assert (half.receiver.ready_octets, len(half.receiver.queue)) == (0, 0)
    assert half.receiver.read() == b""


# -- acknowledgements ----------------------------------------------------------------------------


def test_an_acknowledgement_is_delayed() -> None:
    """SHLD-18, MUST-40, DACK-1: by 40 ms, from the first segment on."""
    half = Half()
    half.arrive(half.start, 100, now=5.0)
    assert half.due() is AckDue.LATER
    assert half.timers.ack == pytest.approx(5.04)
    half.arrive(half.start + 100, 100, now=5.03)
    assert half.timers.ack == pytest.approx(5.04)
    half.receiver.on_ack_timeout()
    assert (half.due(), half.timers.ack) == (AckDue.NOW, OFF)


def test_the_delay_is_below_half_a_second() -> None:
    """MUST-40"""
    with pytest.raises(ValueError, match="delayed_ack"):
        Config(delayed_ack=0.5)
    timers = Timers()
    receiver = Receiver(IRS, Config(delayed_ack=0.499), timers)
    receiver.syn_window_field()
    receiver.accept(NXT, run_of(1), 7.0)
    assert 7.0 < timers.ack < 7.5


def test_every_second_full_segment() -> None:
    """SHLD-19, DACK-2"""
    half = Half()
    for n in range(0, 8, 2):
        half.arrive(half.start + n * RMSS, RMSS)
        assert half.due() is AckDue.LATER
        half.arrive(half.start + (n + 1) * RMSS, RMSS)
        assert half.due() is AckDue.NOW
        half.send_ack()
        assert (half.due(), half.timers.ack) == (AckDue.NO, OFF)


def test_more_than_a_full_segment_does_not_wait() -> None:
    """SHLD-19, DACK-2, TLP-2: in whatever pieces; a probe waits longer for a lone segment only."""
    half = Half()
    for n in range(10):
        half.arrive(half.start + 100 * n, 100)
        assert half.due() is AckDue.LATER
    half.arrive(half.start + 1000, 1)
    assert half.due() is AckDue.NOW


def test_after_a_silence_full_segments_are_acknowledged_at_once_again() -> None:
    """DACK-5: the peer may be in slow start again."""
    half = Half()
    for now, due in ((1.0, AckDue.LATER), (2.0, AckDue.LATER), (3.1, AckDue.NOW)):
        half.arrive(half.receiver.rcv_nxt, RMSS, now=now)
        assert half.due() is due
        half.receiver.read()
        half.send_ack()
    for _ in range(QUICK_ACKS - 1):
        half.arrive(half.receiver.rcv_nxt, RMSS, now=3.1)
        assert half.due() is AckDue.NOW
        half.receiver.read()
        half.send_ack()
    half.arrive(half.receiver.rcv_nxt, RMSS, now=3.1)
    assert half.due() is AckDue.LATER


def test_a_run_of_two_full_segments() -> None:
    """SHLD-19, MUST-58, MUST-59: and one acknowledgement for a run, however long."""
    half = Half()
    half.arrive(half.start, RMSS, 5)
    assert half.due() is AckDue.NOW
    half.send_ack()
    assert half.due() is AckDue.NO


def test_the_first_segments_are_not_delayed() -> None:
    """DACK-5: sixteen full-sized ones, so that the peer's slow start is not held up."""
    half = Half(quick=True)
    seen = []
    for n in range(18):
        half.arrive(NXT + n * RMSS, RMSS)
        seen.append(half.due())
        half.receiver.read()
        half.receiver.ack_sent()
        half.receiver.window_field()
    assert seen == [AckDue.NOW] * 16 + [AckDue.LATER] * 2


@pytest.mark.parametrize("sack", [False, True])
def test_out_of_order_data_is_acknowledged_at_once(sack: bool) -> None:
    """DACK-2, MAY-13"""
    half = Half(sack=sack)
    half.arrive(half.start + 100, 100)
    assert half.due() is AckDue.NOW


def test_a_filled_gap_is_acknowledged_at_once() -> None:
    """DACK-2: all of it, or a part at its lower edge."""
    half = Half()
    half.arrive(half.start + 500, 100)
    half.send_ack()
    half.arrive(half.start, 200)
    half.send_ack()
    half.arrive(half.start + 200, 300)
    assert half.due() is AckDue.NOW
    half.send_ack()
    assert half.receiver.last_ack_sent == half.start + 600


def test_part_of_a_gap_is_acknowledged_at_once() -> None:
    """DACK-2, RFC 5681 §4.2"""
    half = Half()
    half.arrive(half.start + 500, 100)
    half.send_ack()
    half.arrive(half.start, 200)
    assert half.due() is AckDue.NOW


def test_a_duplicate_is_acknowledged_at_once() -> None:
    """DACK-2: the acknowledgement before it may have been lost."""
    half = Half()
    half.arrive(half.start, 500)
    half.send_ack()
    half.receiver.accept(half.start, run_of(500), 0.0)
    assert half.due() is AckDue.NOW


def test_a_fin_is_acknowledged_at_once() -> None:
    """DACK-2, ST-34"""
    half = Half()
    half.receiver.note_fin(half.start)
    half.receiver.take_fin()
    assert half.due() is AckDue.NOW


def test_never_two_acknowledgements_for_one_segment() -> None:
    """DACK-3"""
    for sack in (False, True):
        half = Half(sack=sack)
        for seq, size in ((200, 100), (0, 100), (100, 100), (0, 100), (300, 50)):
            half.receiver.accept(half.start + seq, run_of(size), 0.0)
            if half.due() is AckDue.NOW:
                half.send_ack()
                assert half.due() is AckDue.NO


def test_duplicates_for_a_peer_that_counts() -> None:
    """DACK-4: without SACK each segment out of order has its own acknowledgement."""
    half = Half(sack=False)
    half.arrive(half.start + 100, 100, 5)
    half.arrive(half.start + 700, 100)
    sent = 0
    while half.due() is AckDue.NOW:
        half.send_ack()
        sent += 1
    assert sent == 6


def test_one_acknowledgement_where_sack_says_it_all() -> None:
    """DACK-4, MUST-58, MUST-59"""
    half = Half(sack=True)
    half.arrive(half.start + 100, 100, 5)
    half.arrive(half.start + 700, 100)
    half.send_ack()
    assert half.due() is AckDue.NO


def test_duplicates_are_bounded() -> None:
    """DACK-4, UDP-1: however much comes in one batch."""
    half = Half(sack=False)
    for _ in range(50):
        half.receiver.accept(half.start + 100, run_of(10, 60), 0.0)
    sent = 0
    while half.due() is AckDue.NOW:
        half.send_ack()
        sent += 1
    assert sent <= 65


def test_an_acknowledgement_cancels_the_delay() -> None:
    """DACK-6: data on its way out carries it."""
    half = Half()
    half.arrive(half.start, 100, now=1.0)
    half.receiver.window_field()
    half.receiver.ack_sent()
    assert (half.due(), half.timers.ack) == (AckDue.NO, OFF)
    half.receiver.on_ack_timeout()
    assert half.due() is AckDue.NO


def test_last_ack_sent() -> None:
    """DACK-7"""
    half = Half()
    half.arrive(half.start, 100)
    assert half.receiver.last_ack_sent == half.start
    half.send_ack()
    assert half.receiver.last_ack_sent == half.start + 100


# -- timestamps ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recent", "tsval", "old"),
    [
        (1000, 999, True),
        (1000, 1000, False),
        (1000, 1001, False),
        (5, 0xFFFF_FFFF, True),
        (0xFFFF_FFFF, 5, False),
        (0x8000_0000, 1, True),  # 2**31 - 1 behind
        (0x8000_0000, 0, False),  # half the space away is ahead
        (0, 0x8000_0001, True),
        (0, 0x7FFF_FFFF, False),
    ],
)
def test_paws(recent: int, tsval: int, old: bool) -> None:
    """TS-2, TRAP-11: old is 0 < TS.Recent - TSval < 2**31."""
    half = Half()
    half.receiver.note_timestamp(recent, half.start, 10.0)
    assert half.receiver.is_old(tsval, False, 11.0) is old


def test_what_is_late_may_be_a_little_older() -> None:
    """TS-2: up to 250 ticks, if it may have been overtaken."""
    half = Half()
    half.receiver.note_timestamp(1000, half.start, 10.0)
    assert not half.receiver.is_old(1000 - PAWS_SLACK, True, 11.0)
    assert half.receiver.is_old(1000 - PAWS_SLACK - 1, True, 11.0)


def test_paws_needs_a_timestamp_of_the_peer() -> None:
    """TS-2: TS.Recent must be valid."""
    assert not Half().receiver.is_old(0, False, 0.0)


def test_ts_recent_of_24_days_ago_says_nothing() -> None:
    """TS-4, DEF-30"""
    assert PAWS_VALIDITY == 24 * 24 * 3600
    half = Half()
    receiver = half.receiver
    receiver.note_timestamp(1000, half.start, 0.0)
    assert receiver.is_old(999, False, PAWS_VALIDITY - 1)
    assert not receiver.is_old(999, False, PAWS_VALIDITY)
    receiver.note_timestamp(999, half.start, PAWS_VALIDITY - 1)
    assert receiver.ts_recent == 1000
    receiver.note_timestamp(999, half.start, PAWS_VALIDITY)
    assert receiver.ts_recent == 999
    assert receiver.is_old(998, False, PAWS_VALIDITY)


def test_a_delayed_acknowledgement_echoes_the_earliest_segment() -> None:
    """TS-3: SEG.SEQ =< Last.ACK.sent picks it (RFC 7323 §4.3, example A)."""
    half = Half()
    receiver = half.receiver
    for n in range(3):
        receiver.note_timestamp(100 + n, half.start + 100 * n, 1.0)
        half.arrive(half.start + 100 * n, 100)
    assert receiver.ts_recent == 100
    half.send_ack()
    receiver.note_timestamp(103, half.start + 300, 1.0)
    assert receiver.ts_recent == 103


def test_a_gap_does_not_move_ts_recent_and_its_filler_does() -> None:
    """TS-3, TRAP-11: RFC 7323 §4.3, example B: A, C, B, E, D, F with TSval 1, 3, 2, 5, 4, 6.

    After each an acknowledgement leaves; it echoes 1, 1, 2, 2, 4, 6.
    """
    half = Half()
    receiver = half.receiver
    echoes = []
    for segment, tsval in ((0, 1), (2, 3), (1, 2), (4, 5), (3, 4), (5, 6)):
        receiver.note_timestamp(tsval, half.start + 100 * segment, 1.0)
        half.arrive(half.start + 100 * segment, 100)
        echoes.append(receiver.ts_recent)
        half.send_ack()
    assert echoes == [1, 1, 2, 2, 4, 6]


def test_an_older_timestamp_does_not_move_ts_recent_back() -> None:
    """TS-3"""
    half = Half()
    half.receiver.note_timestamp(1000, half.start, 1.0)
    half.receiver.note_timestamp(999, half.start, 2.0)
    assert half.receiver.ts_recent == 1000
    half.receiver.note_timestamp(1000, half.start, 3.0)
    assert half.receiver.ts_recent_at == 3.0
