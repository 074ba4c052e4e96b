"""TIME-WAIT records: how they react to every kind of segment."""

import tracemalloc

import pytest

from rudp.config import Config
from rudp.core.demux.timewait import Reaction, TimeWaitQueue, TimeWaitRecord
from rudp.core.segment import options
from rudp.core.segment.transmit import Path
from rudp.core.segment.wire import ACK, FIN, RST, SYN, Run, pack_segment, read_segment
from rudp.core.terms.counters import Counters
from rudp.core.terms.timers import OFF

PATH: Path = (("192.0.2.1", 4000), "198.51.100.7")
PORTS = 8080 << 16 | 50_000
SND_NXT = 5000
RCV_NXT = 0xFFFF_FFF0  # close to the wrap: ranges above it cross
TS_RECENT = 1000
WND = 1000
MSL2 = 240.0


def record(*, timestamps: bool = True, rfc1337: bool = True, now: float = 100.0) -> TimeWaitRecord:
    recent = TS_RECENT if timestamps else None
    facts = (SND_NXT + (7 << 32), RCV_NXT + (9 << 32), recent, 77, WND >> 2, WND)
    return TimeWaitRecord(PATH, PORTS, facts, MSL2, rfc1337, now=now, tracer=None)


def arriving(
    flags: int, seq: int = 0, *, ack: int = SND_NXT, data: bytes = b"", tsval: int | None = None
) -> Run:
    """Return a segment at RCV.NXT + *seq*."""
    opts = b"" if tsval is None else options.encode((tsval, 0))
    head = pack_segment(PORTS, (RCV_NXT + seq) & 0xFFFF_FFFF, ack, flags, 500, opts)
    run = read_segment(memoryview(head + data), Counters())
    assert run is not None
    return run


def read(segment: bytes) -> Run:
    run = read_segment(memoryview(segment), Counters())
    assert run is not None
    return run


# -- how long ------------------------------------------------------------------------------------


def test_two_msl() -> None:
    """TW-1, MUST-13, TRAP-8, DEF-1: 240 s from the entry."""
    assert 2 * Config().msl == MSL2
    assert record(now=100.0).expires == 340.0


# -- RST -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("timestamps", [False, True])
@pytest.mark.parametrize("seq", [-1, 0, 1, 500, 5000])
@pytest.mark.parametrize("flags", [RST, RST | ACK, RST | SYN, RST | FIN | ACK])
def test_every_reset_is_ignored(flags: int, seq: int, timestamps: bool) -> None:
    """TW-2, TW-3, DEF-45, ST-23, M-8: RFC 1337, fix F1."""
    assert record(timestamps=timestamps).react(arriving(flags, seq), 101.0) is Reaction.DROP


def test_an_exact_reset_ends_it_where_the_rfc_is_followed() -> None:
    """ST-23: SEG.SEQ = RCV.NXT and nothing else."""
    for seq in (-1, 1, 500, 5000):
        reaction = record(rfc1337=False).react(arriving(RST, seq), 101.0)
        assert reaction is Reaction.DROP
    assert record(rfc1337=False).react(arriving(RST), 101.0) is Reaction.DELETE
    assert record(rfc1337=False).react(arriving(RST | ACK), 101.0) is Reaction.DELETE


# -- the repeated FIN ----------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"last words"])
def test_a_repeated_fin_starts_the_wait_anew(data: bytes) -> None:
    """TW-1, TRAP-3, ST-34: with the data it came with, or without."""
    run = arriving(FIN | ACK, -1 - len(data), data=data, tsval=TS_RECENT)
    assert record().react(run, 101.0) is Reaction.RESTART
    run = arriving(FIN | ACK, -1 - len(data), data=data)
    assert record(timestamps=False).react(run, 101.0) is Reaction.RESTART


def test_a_repeated_fin_is_answered_each_time() -> None:
    """TW-1: it stops when the peer has its acknowledgement."""
    held = record()
    for now in (101.0, 101.01, 101.02):
        run = arriving(FIN | ACK, -1, tsval=TS_RECENT + 1)
        assert held.react(run, now) is Reaction.RESTART


def test_a_fin_elsewhere_does_not() -> None:
    """TW-1"""
    held = record(timestamps=False)
    assert held.react(arriving(FIN | ACK, 0), 101.0) is Reaction.DROP
    assert held.react(arriving(FIN | ACK, 10), 101.0) is Reaction.DROP
    assert held.react(arriving(FIN | ACK, -50), 101.0) is Reaction.ACKNOWLEDGE


def test_an_old_fin_does_not() -> None:
    """TS-2: an older timestamp earns an acknowledgement and nothing else."""
    run = arriving(FIN | ACK, -1, tsval=TS_RECENT - 1)
    assert record().react(run, 101.0) is Reaction.ACKNOWLEDGE


# -- other segments ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seq", "data", "reaction"),
    [
        (0, b"", Reaction.DROP),  # a bare ACK in the window
        (WND - 1, b"", Reaction.DROP),
        (10, b"data", Reaction.DROP),
        (WND, b"", Reaction.ACKNOWLEDGE),  # outside
        (-1, b"", Reaction.ACKNOWLEDGE),
        (-100, b"old data", Reaction.ACKNOWLEDGE),
        (1 << 30, b"", Reaction.ACKNOWLEDGE),
    ],
)
@pytest.mark.parametrize("timestamps", [False, True])
def test_the_window(seq: int, data: bytes, reaction: Reaction, timestamps: bool) -> None:
    """ST-21, ST-33, TRAP-12"""
    run = arriving(ACK, seq, data=data, tsval=TS_RECENT if timestamps else None)
    assert record(timestamps=timestamps).react(run, 101.0) is reaction


def test_old_timestamps() -> None:
    """ST-20, TS-2: modulo 2**32."""
    for tsval, reaction in (
        (TS_RECENT - 1, Reaction.ACKNOWLEDGE),
        (TS_RECENT - (1 << 30) & 0xFFFF_FFFF, Reaction.ACKNOWLEDGE),
        (TS_RECENT, Reaction.DROP),
        (TS_RECENT + 1, Reaction.DROP),
    ):
        assert record().react(arriving(ACK, tsval=tsval), 101.0) is reaction


def test_missing_timestamps() -> None:
    """M-12, TS-6"""
    assert record().react(arriving(ACK, -100), 101.0) is Reaction.DROP
    assert record().react(arriving(FIN | ACK, -1), 101.0) is Reaction.DROP


def test_answers_are_throttled() -> None:
    """CHAL-4, UDP-25, TW-2, DEF-44: two ends that disagree must not talk for ever."""
    held = record(timestamps=False)
    seen = [held.react(arriving(ACK, -100), 101.0 + n / 10) for n in range(11)]
    assert seen == [Reaction.ACKNOWLEDGE if n in (0, 5, 10) else Reaction.DROP for n in range(11)]


# -- a new SYN (RFC 6191 §2) ---------------------------------------------------------------------

# The last number the peer used was its FIN's, RCV.NXT - 1; "above" begins at RCV.NXT.
ABOVE = [0, 1, 1000, (1 << 31) - 1]
NOT_ABOVE = [-1, -2, -1000, -(1 << 31)]


@pytest.mark.parametrize("seq", [*ABOVE, *NOT_ABOVE])
def test_a_newer_timestamp_is_enough(seq: int) -> None:
    """TW-4a, MAY-2, SHLD-4"""
    assert record().react(arriving(SYN, seq, tsval=TS_RECENT + 1), 101.0) is Reaction.REOPEN


@pytest.mark.parametrize("seq", [*ABOVE, *NOT_ABOVE])
def test_an_older_timestamp_is_an_old_duplicate(seq: int) -> None:
    """TW-4a, TW-2"""
    held = record()
    assert held.react(arriving(SYN, seq, tsval=TS_RECENT - 1), 101.0) is Reaction.CHALLENGE


@pytest.mark.parametrize(("tsval", "timestamps"), [(TS_RECENT, True), (None, True), (None, False)])
def test_otherwise_the_sequence_number_decides(tsval: int | None, timestamps: bool) -> None:
    """TW-4a for an equal timestamp, TW-4b and TW-4d for a SYN without one, MAY-2"""
    for seq in ABOVE:
        reaction = record(timestamps=timestamps).react(arriving(SYN, seq, tsval=tsval), 101.0)
        assert reaction is Reaction.REOPEN
    for seq in NOT_ABOVE:
        reaction = record(timestamps=timestamps).react(arriving(SYN, seq, tsval=tsval), 101.0)
        assert reaction is Reaction.CHALLENGE


@pytest.mark.parametrize("seq", [*ABOVE, *NOT_ABOVE])
@pytest.mark.parametrize("tsval", [0, 1, 0xFFFF_FFFF])
def test_a_timestamp_where_there_was_none(seq: int, tsval: int) -> None:
    """TW-4c"""
    run = arriving(SYN, seq, tsval=tsval)
    assert record(timestamps=False).react(run, 101.0) is Reaction.REOPEN


def test_an_exact_reset_is_believed_if_it_answers_a_challenge() -> None:
    """TW-3: for as long as a round trip may take; it acknowledges nothing (RFC 9293 §3.5.2)"""
    held = record()
    assert held.react(arriving(SYN, -1000, tsval=1), 101.0) is Reaction.CHALLENGE
    assert held.react(arriving(SYN, -1000, tsval=1), 101.4) is Reaction.DROP
    for flags, seq, now in (
        (RST, -1, 101.5),
        (RST, 1, 101.5),
        (RST | ACK, 0, 101.5),
        (RST, 0, 107),
    ):
        assert held.react(arriving(flags, seq), now) is Reaction.DROP
    assert held.react(arriving(SYN | FIN, 5, tsval=TS_RECENT + 1), 107.0) is Reaction.CHALLENGE
    packed = TimeWaitRecord.unpack(PATH, held.pack(), MSL2, None)
    assert packed.react(arriving(RST), 111.9) is Reaction.DELETE


def test_old_content_is_answered_each_time() -> None:
    """CHAL-4: as in Linux; an empty segment, a moment later, waits for its turn all the same."""
    held = record(timestamps=False)
    for now in (101.0, 101.1, 101.2):
        assert held.react(arriving(ACK, -100, data=b"old"), now) is Reaction.ACKNOWLEDGE
    assert held.react(arriving(ACK, -100), 101.3) is Reaction.ACKNOWLEDGE
    assert held.react(arriving(ACK, -100), 101.4) is Reaction.DROP


def test_a_syn_ack_is_acknowledged() -> None:
    """It is not a new open; and throttled like any stray."""
    held = record()
    run = arriving(SYN | ACK, 10, tsval=TS_RECENT + 1)
    assert held.react(run, 101.0) is Reaction.ACKNOWLEDGE
    assert held.react(run, 101.1) is Reaction.DROP


@pytest.mark.parametrize(
    ("iss", "expected"),
    [
        (SND_NXT + 1, SND_NXT + 1),
        (SND_NXT + 1_000_000, SND_NXT + 1_000_000),
        (SND_NXT, SND_NXT + 65_537),
        (SND_NXT - 1, SND_NXT + 65_537),
        (0xFFFF_FFFF, SND_NXT + 65_537),  # behind, across the wrap
    ],
)
def test_the_successor_starts_above(iss: int, expected: int) -> None:
    """TW-5, MAY-2, TRAP-8"""
    assert record().successor_iss(iss) == expected


def test_the_successor_across_the_wrap() -> None:
    """TW-5, TRAP-12"""
    facts = (0xFFFF_FFF0, RCV_NXT, None, 0, 0, WND)
    held = TimeWaitRecord(PATH, PORTS, facts, MSL2, True, now=0.0, tracer=None)
    assert held.successor_iss(0xFFFF_0000) == 0xFFF1
    assert held.successor_iss(5) == 5


# -- what is answered ----------------------------------------------------------------------------


def test_the_answer() -> None:
    """TW-10, ST-34: SND.NXT, RCV.NXT, the last window, the clock of now and TS.Recent."""
    run = read(record().acknowledgment(200.5))
    assert (run.ports, run.flags, run.seq, run.ack) == (PORTS, ACK, SND_NXT, RCV_NXT)
    assert (run.window, run.length) == (WND >> 2, 0)
    assert (run.options.tsval, run.options.tsecr) == (200_500 + 77, TS_RECENT)


def test_the_answer_without_timestamps() -> None:
    """TW-10"""
    segment = record(timestamps=False).acknowledgment(200.5)
    assert len(segment) == 20
    assert read(segment).ack == RCV_NXT


# -- the queue -----------------------------------------------------------------------------------


def test_a_record_is_found_as_it_was_kept() -> None:
    """TW-2, TW-10: packed and unpacked, with and without timestamps and RFC 1337's fix."""
    for timestamps in (False, True):
        for rfc1337 in (False, True):
            queue = TimeWaitQueue()
            kept = record(timestamps=timestamps, rfc1337=rfc1337)
            queue.keep(kept)
            found = queue.find(PATH, PORTS)
            assert found is not None
            assert found.expires == kept.expires
            assert found.acknowledgment(200.5) == kept.acknowledgment(200.5)
            reactions = [r.react(arriving(RST), 101.0) for r in (found, kept)]
            assert reactions[0] is reactions[1]


def test_a_record_belongs_to_one_connection() -> None:
    """W-40: another peer, another of our hosts, other ports are somebody else's."""
    queue = TimeWaitQueue()
    queue.keep(record())
    (address, local) = PATH
    assert queue.find((("192.0.2.1", 4001), local), PORTS) is None
    assert queue.find((address, ""), PORTS) is None
    assert queue.find(PATH, PORTS + 1) is None


def test_answers_are_throttled_from_one_segment_to_the_next() -> None:
    """CHAL-4: the record remembers when it answered."""
    queue = TimeWaitQueue()
    queue.keep(record())
    reactions = []
    for now in (101.0, 101.1):
        found = queue.find(PATH, PORTS)
        assert found is not None
        reactions.append(found.react(arriving(ACK, -5, tsval=TS_RECENT), now))
        queue.update(found)
    assert reactions == [Reaction.ACKNOWLEDGE, Reaction.DROP]


def test_records_expire_in_order_of_their_lifetimes() -> None:
    """TW-1: one that begins anew goes behind the others of its kind."""
    queue = TimeWaitQueue()
    facts = (SND_NXT, RCV_NXT, None, 0, 0, WND)
    for n, lifetime in enumerate((240.0, 240.0, 60.0)):
        queue.keep(TimeWaitRecord(PATH, PORTS + n, facts, lifetime, True, now=float(n)))
    first = queue.find(PATH, PORTS)
    assert first is not None
    assert first.react(arriving(FIN | ACK, -1), 10.0) is Reaction.RESTART
    queue.keep(first)
    expected = [(62.0, PORTS + 2), (241.0, PORTS + 1), (250.0, PORTS)]
    for left, (expiry, ports) in zip((2, 1, 0), expected, strict=True):
        assert queue.next_expiry == expiry
        queue.expire(expiry - 0.1)
        assert queue.find(PATH, ports) is not None
        queue.expire(expiry)
        assert queue.find(PATH, ports) is None
        assert len(queue) == left
    assert queue.next_expiry == OFF


def test_a_record_takes_400_octets() -> None:
    """TW-8: all included, and of long addresses; a resized table may be two thirds empty."""
    queue = TimeWaitQueue()
    facts = (SND_NXT, RCV_NXT, TS_RECENT, 77, WND >> 2, WND)
    count = 5000
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for n in range(count):
            path = (f"2001:db8:1000:2000:3000:4000:5000:{n:x}", 40_000 + n, 0, 0), "2001:db8::2"
            queue.keep(TimeWaitRecord(path, PORTS, facts, MSL2, True, now=0.0))
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(queue) == count
    assert (after - before) / count < 400
