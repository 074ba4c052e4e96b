"""What once went wrong, found by reading the code with an attacker's or a pessimist's eye."""

import heapq
import random
import struct
import tracemalloc

import pytest

from rudp.config import Config
from rudp.core.demux.table import ConnectionTable
from rudp.core.loss.scoreboard import RANGES_MAX, Scoreboard
from rudp.core.receive.receiver import QUICK_ACKS, Receiver
from rudp.core.segment.wire import read_segment
from rudp.core.terms.counters import Counters
from rudp.core.terms.timers import Timers
from rudp.sim.network import Network
from tests.scripts.kit import Play, active, passive

MIB = 1024 * 1024


def test_ZWP_2_an_acknowledgement_beside_a_window_probe(play: Play) -> None:
    """MUST-66: our ACK lies within the window we are probing, so the peer heeds it."""
    play(
        active()
        + """
        send 5
        > PA 1:6(5) ack 1
        +0.1 < A 1 ack 6 win 0
        send 100
        +0.3 > A 6:7(1) ack 1             # refused: SND.NXT is now outside of the window
        +0.1 < A 1 ack 6 win 0
        +0.1 < A 1:11(10) ack 6 win 0
        +0.04 > A 6 ack 11
        < A 11 ack 6 win 1000             # it opens: what was refused goes again
        > A 6:7(1) ack 11
        > PA 7:106(99) ack 11
        +0.1 < A 11 ack 106 win 1000
        < A 11:21(10) ack 106 win 1000
        +0.04 > A 106 ack 21
        """
    )


def test_ST_6_the_reset_of_an_abort_beside_a_window_probe(play: Play) -> None:
    """ST-23: the RST has the number that the peer expects, or it would go unheard."""
    play(
        active()
        + """
        send 5
        > PA 1:6(5) ack 1
        +0.1 < A 1 ack 6 win 0
        send 100
        +0.3 > A 6:7(1) ack 1
        +0.1 < A 1 ack 6 win 0
        abort
        > RA 6 ack 1
        """
    )


def test_TRAP_4_data_flows_one_way_while_the_other_is_shut() -> None:
    """ZWP-3, ZWP-6: a reader that stopped reading can go on writing at full speed."""
    network = Network(delay=0.01)
    a, b = network.host(("10.0.0.1", 1)), network.host(("10.0.0.2", 2))
    listener = b.table.listen(80)
    ours = a.table.open_active(b.path, 80, 0.0)
    assert network.run_until(lambda: bool(listener.accepted), limit=10.0)
    theirs = listener.accepted.popleft()
    theirs.send(bytes(MIB))  # nobody reads it
    b.table.touch(theirs)
    network.run_until(lambda: False, limit=5.0)
    ours.send(bytes(MIB))
    a.table.touch(ours)
    received = 0

    def all_read() -> bool:
        nonlocal received
        received += len(theirs.receive())
        b.table.touch(theirs)
        return received == MIB

    assert network.run_until(all_read, limit=5.0)
    assert ours.info().resent == 0


def test_a_deadline_that_comes_back_does_not_fill_the_heap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Delayed ACKs come before the keep-alive, which each time was filed anew.

    The heap was rebuilt at every third entry then, which costs as much as a scan each time.
    """
    rebuilds = 0

    def heapify(heap: list[tuple[float, int]]) -> None:
        nonlocal rebuilds
        rebuilds += 1
        real_heapify(heap)

    real_heapify = heapq.heapify
    monkeypatch.setattr(heapq, "heapify", heapify)
    config = Config(keepalive=True)
    network = Network(delay=0.001)
    a = network.host(("10.0.0.1", 1), config)
    b = network.host(("10.0.0.2", 2), config)
    listener = b.table.listen(80)
    pairs = []
    for _ in range(100):
        ours = a.table.open_active(b.path, 80, network.clock.now)
        assert network.run_until(lambda: bool(listener.accepted), limit=1.0)
        pairs.append((ours, listener.accepted.popleft()))
    for ours, theirs in pairs * 4:
        ours.send(b"x")
        a.table.touch(ours)
        network.run_until(lambda: False, limit=0.05)
        assert theirs.receive() == b"x"
        b.table.touch(theirs)
    assert rebuilds < 20


def test_SB_8_a_peer_that_sacks_single_octets() -> None:
    """The ranges remembered are bounded; blocks that extend one of them still count."""
    board = Scoreboard(0)
    board.on_sent(0, 4 * MIB, 0.0)
    for left in range(1, 4 * RANGES_MAX, 2):
        board.sack([(left, left + 1)])
    assert board.sacked == RANGES_MAX
    assert len(board.runs) <= 2 * RANGES_MAX + 1
    assert board.sack([(3 * MIB, 4 * MIB)]) == []
    last = 2 * RANGES_MAX
    for block, news in (
        ((last - 1, last + 1000), 1000),
        ((1, last), RANGES_MAX - 1),
        ((3 * MIB, 4 * MIB), MIB),
    ):
        assert sum(run.end - run.seq for run in board.sack([block])) == news


def test_BUF_2_small_segments_for_a_reader_that_stopped() -> None:
    """What waits in order costs about what the window promises, in whatever pieces it came."""
    octets = 32 * 1024
    receiver = Receiver(0, Config(receive_buffer=octets), Timers())
    receiver.syn_window_field()
    datagram = memoryview(struct.pack("!IIQI", 1 << 16 | 2, 0, 5 << 28, 0) + b"ab")
    run = read_segment(datagram, Counters())
    assert run is not None
    tracemalloc.start()
    try:
        for seq in range(1, octets, 2):
            receiver.accept(seq, run, 0.0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert receiver.ready_octets == octets
    assert peak < 4 * octets
    assert receiver.read() == b"ab" * (octets // 2)


def test_SWS_4_a_segment_nearly_as_large_as_the_buffer() -> None:
    """Reading half of the buffer is worth a window update, be it less than two segments.

    The rest of the promise was too small for the peer to use before its override timer ran out.
    """
    config = Config(receive_buffer=65_536)
    network = Network(delay=0.0001)
    tables = [
        ConnectionTable(config, secret=bytes(16), chance=random.Random(n), loopback_payload=65_488)
        for n in range(2)
    ]
    a = network.attach(("127.0.0.1", 1), tables[0])
    b = network.attach(("127.0.0.1", 2), tables[1])
    listener = b.table.listen(80)
    ours = a.table.open_active(b.path, 80, 0.0)
    assert network.run_until(lambda: bool(listener.accepted), limit=1.0)
    theirs = listener.accepted.popleft()
    ours.send(bytes(MIB))
    a.table.touch(ours)
    received = 0
    while received < MIB and network.clock.now < 10.0:
        network.run_until(lambda: False, limit=0.001)
        received += len(theirs.receive())
        b.table.touch(theirs)
    assert network.clock.now < 0.1


@pytest.mark.parametrize(
    ("forged", "answer"),
    [
        ("A 1 ack 1000000", "> A 1 ack 1"),
        ("S 1", "> A 1 ack 1"),
        ("- 1", ""),
    ],
)
def test_TS_3_who_moves_ts_recent(play: Play, forged: str, answer: str) -> None:
    """MAY-12, TRAP-11: only a segment with a plausible ACK, or PAWS would shut the peer out."""
    play(passive("mss 1000, TS 0 0"))
    play(
        f"""
        < {forged} <TS 1000000000 0>
        {answer}
        < PA 1:11(10) ack 1 <TS 110 100>
        +0.04 > A 1 ack 11
        count PAWS 0
        """
    )


def test_KA_2_data_takes_over_from_keep_alive_probes(play: Play) -> None:
    """MUST-26: what is outstanding is the better probe, and its timer decides."""
    play(passive())
    play(
        """
        keepalive 10 5 9
        +10 > A 0 ack 1
        +1 send 10
        > PA 1:11(10) ack 1
        +0.3 > PA 1:11(10) ack 1
        +0.6 > PA 1:11(10) ack 1
        +1.2 > PA 1:11(10) ack 1
        +2.4 > PA 1:11(10) ack 1
        +4.8 > PA 1:11(10) ack 1
        +1 < A 1 ack 11
        +10 > A 10 ack 1                  # silence again
        +5 > A 10 ack 1
        """
    )


def test_RTO_7_the_echo_of_a_copy_whose_acknowledgement_was_lost(play: Play) -> None:
    """MUST-18: it measures our own time-out, and a longer one follows from it the next time."""
    play(active("mss 1000, TS 0 0"))
    play(
        """
        info srtt 0.1
        send 10
        > PA 1:11(10) ack 1 <TS 100 0>
        +0.3 > PA 1:11(10) ack 1 <TS 400 0>
        +0.1 < A 1 ack 11 <TS 200 100>    # the first copy had arrived, its ACK had not
        info srtt 0.1
        info backoffs 1
        send 10
        > PA 11:21(10) ack 1 <TS 500 200>
        +0.1 < A 1 ack 21 <TS 550 500>    # a new octet, sent once
        info srtt 0.1
        info backoffs 0
        """
    )


def test_RTO_7_the_echo_of_the_copy_that_was_sent_last(play: Play) -> None:
    play(active("mss 1000, TS 0 0"))
    play(
        """
        send 10
        > PA 1:11(10) ack 1
        +0.3 > PA 1:11(10) ack 1 <TS 400 0>
        +0.1 < A 1 ack 11 <TS 450 400>
        info srtt 0.1
        info backoffs 0
        """
    )


def test_SHLD_19_an_announced_mss_below_the_default(play: Play) -> None:
    """DACK-5: segments of that size are full, the first as well as every second later."""
    play.configure(mss=100)
    play(passive("mss 1000"))
    script = []
    for n in range(20):
        right = 101 + n * 100
        script.append(f"< A {1 + n * 100}:{right}(100) ack 1")
        if n < QUICK_ACKS or n % 2:
            script.append(f"> A 1 ack {right}")
    play("\n".join(script))


def test_CC_4_slow_start_goes_on_when_a_time_out_is_repaired(play: Play) -> None:
    """NR-6 is about fast recovery: cwnd fell to two segments a second time."""
    segments = "\n".join(f"> A {1 + n * 1000}:{1001 + n * 1000}(1000) ack 1" for n in range(8))
    play(active("mss 1000", win=10000))
    play(
        f"""
        send 9000
        {segments}
        > PA 8001:9001(1000) ack 1
        +0.3 > A 1:1001(1000) ack 1
        +0.1 < A 1 ack 1001 win 10000
        > A 1001:2001(1000) ack 1
        > A 2001:3001(1000) ack 1
        +0.1 < A 1 ack 3001 win 10000
        > A 3001:4001(1000) ack 1
        > A 4001:5001(1000) ack 1
        > A 5001:6001(1000) ack 1
        > A 6001:7001(1000) ack 1
        info cwnd 4000
        +0.1 < A 1 ack 9001 win 10000     # the others had not been lost
        info ssthresh 4500
        info cwnd 5500
        """
    )


def test_M_15_an_urgent_pointer_to_what_was_read(play: Play) -> None:
    """MUST-32, MUST-33: no news; to what waits unread it is, however late it comes."""
    play(passive("mss 1000"))
    play(
        """
        < PA 1:101(100) ack 1
        +0.04 > A 1 ack 101
        read 100
        events READABLE ESTABLISHED WRITABLE
        < PAU 91:111(20) ack 1 urg 10     # it was read before it was called urgent
        events READABLE
        urgent 0
        < PAU 91:121(30) ack 1 urg 15
        events READABLE URGENT
        urgent 5
        +0.04 > A 1 ack 121
        """
    )


def test_SHLD_31_a_receive_buffer_that_grew(play: Play) -> None:
    """SACK-5: all of the window that is announced then may be filled out of order."""
    play.configure(receive_buffer=4096)
    play(passive("mss 1000, sackOK"))
    play("receive_buffer 60000\n< PA 1:101(100) ack 1\n+0.04 > A 1 ack 101 win 59900")
    script = []
    for left in range(1101, 59_101, 1000):
        script.append(f"< A {left}:{left + 1000}(1000) ack 1")
        script.append(f"> A 1 ack 101 <sack 1101:{left + 1000}>")
    play("\n".join(script))
    play("count REASSEMBLY_OVERFLOW 0")


def test_ST_23_a_SYN_in_the_read_that_brought_the_RST(play: Play) -> None:
    """The peer's host has crashed: it answers our challenge, and its SYN follows at once."""
    play(passive())
    play(
        """
        < S -70000 <mss 1000>
        > A 1 ack 1
        < R 1
        &< S 5000 <mss 1000>
        error ConnectionResetError
        > SA 25000 ack 5001
        """
    )
