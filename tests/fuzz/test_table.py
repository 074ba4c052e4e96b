"""Bad input is counted and dropped, and nothing else ever happens.

A live transfer runs between two tables while a third host sends whatever it likes to both of
them, and real segments are flipped and cut on the way.  Nothing is raised, every octet arrives,
and nothing grows.
"""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rudp.config import Config
from rudp.core.demux.table import ConnectionTable
from rudp.core.segment import wire
from rudp.core.segment.transmit import Path
from rudp.core.terms.counters import Count, Counters
from rudp.sim.network import Network

CLIENT = ("10.0.0.1", 4000)
SERVER = ("10.0.0.2", 7000)
STRANGER = ("10.0.0.3", 6666)
PORT = 7000


def table(seed: int = 0) -> ConnectionTable:
    chance = random.Random(seed)
    return ConnectionTable(Config(), secret=chance.randbytes(32), chance=chance)


def odd_segment(chance: random.Random, ports: int) -> bytes:
    """Return something that looks more or less like a segment."""
    kind = chance.randrange(6)
    if kind == 0:
        return chance.randbytes(chance.randrange(80))
    flags = chance.getrandbits(8)
    options = chance.randbytes(4 * chance.randrange(11)) if kind == 1 else b""
    if kind == 2:
        options = bytes((5, 34)) + chance.randbytes(32) + bytes(2)
    head = wire.pack_segment(
        ports,
        chance.getrandbits(32),
        chance.getrandbits(32),
        flags,
        chance.getrandbits(16),
        options,
        chance.getrandbits(16),
    )
    if kind == 3:  # a data offset of its own
        head = head[:12] + bytes((chance.getrandbits(8),)) + head[13:]
    return head + chance.randbytes(chance.choice((0, 0, 1, 100, 1400)))


@given(st.lists(st.binary(max_size=120), max_size=30), st.integers(1, 200))
def test_random_datagrams(datagrams: list[bytes], stride: int) -> None:
    """M-1..M-6, M-21: whatever comes, in whatever batches, is counted and dropped."""
    victim = table()
    victim.listen(PORT)
    path: Path = (STRANGER, "")
    victim.handle_datagrams(b"".join(datagrams), stride, path, 1.0)
    for datagram in datagrams:
        victim.handle_datagrams(datagram, len(datagram) or 1, path, 1.0)
    while (transmit := victim.poll_transmit(1.0)) is not None:
        assert transmit.total <= 60
    assert victim.connections <= 128


@given(st.integers(0, 2**32), st.data())
def test_bits_flipped_in_a_real_segment(seed: int, data: st.DataObject) -> None:
    """M-1..M-7: a segment that was damaged does no more than any other segment."""
    a, b = table(1), table(2)
    listener = b.listen(PORT)
    opened = a.open_active((SERVER, ""), PORT, 0.0)
    for _ in range(3):
        for one, other, source in ((a, b, CLIENT), (b, a, SERVER)):
            while (transmit := one.poll_transmit(0.0)) is not None:
                for datagram in transmit.datagrams():
                    other.handle_datagrams(datagram, len(datagram), (source, ""), 0.0)
    accepted = listener.accepted.popleft()
    opened.send(random.Random(seed).randbytes(300))
    a.touch(opened)
    transmit = a.poll_transmit(0.0)
    assert transmit is not None
    (datagram,) = transmit.datagrams()
    bit = data.draw(st.integers(0, 8 * len(datagram) - 1))
    size = data.draw(st.integers(0, len(datagram)))
    damaged = bytearray(datagram)
    damaged[bit // 8] ^= 1 << bit % 8
    b.handle_datagrams(bytes(damaged[:size]), max(size, 1), (CLIENT, ""), 0.0)
    assert len(accepted.receive()) <= 300
    while b.poll_transmit(0.0) is not None:
        pass


@pytest.mark.parametrize("seed", range(5))
def test_a_live_transfer_among_junk(seed: int) -> None:
    """M-1..M-21, W-45, CHAL-7, UDP-23, TRAP-7: strangers and spoofed ports change nothing.

    The stranger knows the ports; it does not know the UDP address of the peer, which is part of a
    connection's name.
    """
    network = Network(seed=seed, delay=0.005)
    a, b = network.host(CLIENT), network.host(SERVER, Config(resets_max=40))
    listener = b.table.listen(PORT)
    opened = a.table.open_active(b.path, PORT, 0.0)
    assert network.run_until(lambda: bool(listener.accepted), limit=5.0)
    accepted = listener.accepted.popleft()
    chance = random.Random(seed)
    data = chance.randbytes(500_000)
    opened.send(data)
    opened.shutdown(network.clock.now)
    a.table.touch(opened)
    got = bytearray()
    towards_a, towards_b = PORT << 16 | opened.ports >> 16, opened.ports

    def turn() -> bool:
        for _ in range(20):
            network.send(odd_segment(chance, towards_b), STRANGER, SERVER)
            network.send(odd_segment(chance, towards_a), STRANGER, CLIENT)
            network.send(odd_segment(chance, chance.getrandbits(32)), STRANGER, SERVER)
        got.extend(accepted.receive())
        b.table.touch(accepted)
        return accepted.fin_received and not accepted.readable_octets

    assert network.run_until(turn, limit=120.0)
    assert bytes(got) == data
    assert opened.error is None
    assert accepted.error is None
    assert a.table.connections + b.table.connections <= 2 + 128
    assert b.table.counters[Count.BAD_OPTION] > 0
    assert b.table.counters[Count.NO_CONNECTION] > 0
    assert b.table.counters[Count.RST_THROTTLED] > 0


@pytest.mark.parametrize("seed", range(5))
def test_spoofed_segments_with_the_right_addresses(seed: int) -> None:
    """CHAL-1, CHAL-2, CHAL-3, M-11, M-13, M-15: who guesses everything but the numbers fails.

    Data that happens to fall into the window with a plausible ACK is the one thing TCP cannot
    tell; the odds of that are one in millions for each segment, and none of these has them.
    """
    network = Network(seed=seed, delay=0.005)
    a, b = network.host(CLIENT), network.host(SERVER)
    listener = b.table.listen(PORT)
    opened = a.table.open_active(b.path, PORT, 0.0)
    assert network.run_until(lambda: bool(listener.accepted), limit=5.0)
    accepted = listener.accepted.popleft()
    chance = random.Random(~seed)
    data = chance.randbytes(300_000)
    opened.send(data)
    opened.shutdown(network.clock.now)
    a.table.touch(opened)
    got = bytearray()

    def turn() -> bool:
        for _ in range(30):
            network.send(odd_segment(chance, opened.ports), CLIENT, SERVER)
        got.extend(accepted.receive())
        b.table.touch(accepted)
        return accepted.fin_received and not accepted.readable_octets

    assert network.run_until(turn, limit=120.0)
    assert bytes(got) == data
    assert accepted.error is None


def test_two_tables_with_stale_state_fall_silent() -> None:
    """UDP-25, CHAL-4, TRAP-7: ACK against ACK and RST against RST end by themselves."""
    for seed in range(200):
        chance = random.Random(seed)
        a, b = table(1), table(2)
        a.listen(PORT)
        ports = PORT << 16 | PORT
        first = wire.pack_segment(
            ports, chance.getrandbits(32), chance.getrandbits(32), chance.getrandbits(6), 1000, b""
        )
        b.handle_datagrams(first, len(first), (CLIENT, ""), 1.0)
        exchanged = 0
        moved = True
        while moved:
            moved = False
            for one, other, source in ((b, a, SERVER), (a, b, CLIENT)):
                while (transmit := one.poll_transmit(1.0)) is not None:
                    for datagram in transmit.datagrams():
                        other.handle_datagrams(datagram, len(datagram), (source, ""), 1.0)
                        moved = True
                        exchanged += 1
            assert exchanged < 10


@given(st.binary(max_size=200))
def test_reading_never_raises(data: bytes) -> None:
    """M-1, M-2, M-3, M-21: the parser takes any octets."""
    counters = Counters()
    run = wire.read_segment(memoryview(data), counters)
    assert (run is None) == bool(sum(counters.values()))
    if run is not None:
        assert len(run.octets(0, run.length)) == run.length
