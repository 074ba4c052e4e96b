"""SYN cookies by themselves: what goes in comes out, and nothing else does."""

import random

import hypothesis.strategies as st
from hypothesis import given

from rudp.config import Config
from rudp.core.demux.syncookie import MSS_TABLE, SynCookies
from rudp.core.life.tcb import AMPLIFICATION
from rudp.core.segment import options, wire
from rudp.core.segment.isn import IsnSource
from rudp.core.segment.transmit import Path
from rudp.core.segment.wire import ACK, CWR, ECE, SYN, Run
from rudp.core.terms.counters import Counters

SECRET = bytes(range(32))
PATH: Path = (("192.0.2.1", 4000), "198.51.100.7")
PORTS = 1000 << 16 | 80
SPACE = 1 << 32

cookies = SynCookies(SECRET, IsnSource(SECRET))


def segment(seq: int, ack: int, flags: int, opts: bytes) -> Run:
    packed = wire.pack_segment(PORTS, seq % SPACE, ack % SPACE, flags, 1000, opts)
    run = wire.read_segment(memoryview(packed), Counters())
    assert run is not None
    return run


def answer(syn: Run, now: float, config: Config, path: Path = PATH) -> Run:
    packed = cookies.syn_ack(syn, path, config, 1452, True, now)
    run = wire.read_segment(memoryview(packed), Counters())
    assert run is not None
    return run


numbers = st.integers(0, SPACE - 1)
offers = st.builds(
    options.encode_syn,
    st.integers(0, 0xFFFF),
    window_scale=st.none() | st.integers(0, 255),
    sack_permitted=st.booleans(),
    timestamps=st.none() | st.tuples(numbers, st.just(0)),
)
configs = st.builds(
    Config,
    timestamps=st.booleans(),
    sack=st.booleans(),
    window_scaling=st.booleans(),
    ecn=st.sampled_from(["accept", "off"]),
)
moments = st.floats(0.0, 5e6)


@given(numbers, offers, st.sampled_from([SYN, SYN | ECE | CWR]), configs, moments, st.floats(0, 60))
def test_SYNC_2_SYNC_3_there_and_back(
    irs: int, offer: bytes, flags: int, config: Config, now: float, late: float
) -> None:
    """SYNC-5, UDP-21: both ends agree on the same, and nobody is sent more than he sent."""
    syn = segment(irs, 0, flags, offer)
    got = answer(syn, now, config)
    assert got.flags | ECE == SYN | ACK | ECE
    assert got.ack == (irs + 1) % SPACE
    assert got.size <= max(syn.size, 24) <= AMPLIFICATION * syn.size
    said = got.options
    opts = b""
    if said.tsval is not None:
        opts = options.encode((77, said.tsval))
    back = cookies.syn_of(segment(irs + 1, got.seq + 1, ACK, opts), PATH, now + late)
    assert back is not None
    assert back.seq == irs
    assert back.ports == PORTS
    assert back.options.mss in MSS_TABLE
    assert back.options.mss <= max(syn.options.mss or 0, MSS_TABLE[0])
    assert (back.options.tsval is None) is (said.tsval is None)
    assert back.options.sack_permitted is said.sack_permitted
    assert (back.options.window_scale is None) is (said.window_scale is None)
    if said.window_scale is not None:
        assert syn.options.window_scale is not None
        assert back.options.window_scale == min(syn.options.window_scale, 14)
    assert bool(back.flags & ECE) is bool(got.flags & ECE)


@given(numbers, moments)
def test_SYNC_5_the_clock_never_runs_backwards(irs: int, now: float) -> None:
    """TS-1: the stamp of the SYN,ACK is not newer than the clock, and 64 ms older at most."""
    syn = segment(
        irs,
        0,
        SYN,
        options.encode_syn(1000, window_scale=None, sack_permitted=True, timestamps=(1, 0)),
    )
    stamp = answer(syn, now, Config()).options.tsval
    assert stamp is not None
    clock = int(now * 1000) + IsnSource(SECRET).timestamp_offset(PATH, 80 << 16 | 1000)
    assert (clock - stamp) % SPACE <= 64


def test_SYNC_2_who_has_not_seen_it_has_to_guess() -> None:
    """Neither neighbours of a cookie nor numbers at random are taken."""
    chance = random.Random(1)
    syn = segment(
        5000,
        0,
        SYN,
        options.encode_syn(1000, window_scale=None, sack_permitted=False, timestamps=None),
    )
    iss = answer(syn, 1000.0, Config()).seq
    guesses = [iss + 1 + off for off in range(-500, 500) if off]
    guesses += [chance.randrange(SPACE) for _ in range(20_000)]
    hits = [ack for ack in guesses if cookies.syn_of(segment(5001, ack, ACK, b""), PATH, 1000.0)]
    assert hits == []
    others = [5001 + off for off in range(-500, 500) if off]
    assert not any(cookies.syn_of(segment(seq, iss + 1, ACK, b""), PATH, 1000.0) for seq in others)


def test_SYNC_2_another_secret_another_cookie() -> None:
    syn = segment(5000, 0, SYN, b"")
    other = SynCookies(bytes(32), IsnSource(bytes(32)))
    assert other.iss(syn, PATH, Config(), 0.0) != cookies.iss(syn, PATH, Config(), 0.0)
    assert cookies.iss(syn, PATH, Config(), 0.0) == cookies.iss(syn, PATH, Config(), 59.9)
    assert cookies.iss(syn, PATH, Config(), 0.0) != cookies.iss(syn, PATH, Config(), 60.0)


def test_SYNC_4_no_option_over_IPv6() -> None:
    """MUST-15: 1220, rounded down."""
    path: Path = (("2001:db8::1", 4000), "")
    got = answer(segment(0, 0, SYN, b""), 0.0, Config(), path)
    back = cookies.syn_of(segment(1, got.seq + 1, ACK, b""), path, 0.0)
    assert back is not None
    assert back.options.mss == 1212
