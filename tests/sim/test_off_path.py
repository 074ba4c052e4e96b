"""An attacker beside the path, who knows all addresses and ports and cannot read: many tries.

Guessing is bounded by what a guess has to hit.  A RST must hit one number in 2**32; where RFC 793
let any number in the window do, stepping through all numbers by the window's width was sure to
succeed, and so that is what is tried here: the whole space of sequence numbers, window by window,
at both ends of a running transfer.  Data must hit a window and an acknowledgement, at windows of
256 KiB a chance of one in 2**28 for each try, and half of that with timestamps.

Each test says how many tries fail.  All numbers follow from a seed.
"""

import errno
import random
import struct
from collections.abc import Callable, Iterator
from itertools import chain, islice

import pytest

from rudp.config import Config
from rudp.core.segment import options, wire
from rudp.core.segment.transmit import Address
from rudp.core.segment.wire import ACK, FIN, PSH, RST, SYN, URG
from rudp.core.terms.counters import Count
from rudp.core.terms.state import State
from rudp.sim.network import Network

CLIENT = ("10.0.0.1", 4000)
SERVER = ("10.0.0.2", 7000)
PORT = 7000
BUFFER = 256 * 1024
SPACE = 1 << 32
SWEEP = SPACE // BUFFER
"""Tries that step through all sequence numbers, one in each window: 16384."""

CONFIG = Config(receive_buffer=BUFFER, receive_buffer_max=BUFFER)
EVIL = b"\xee" * 1400


def inject(network: Network, data: bytes, source: Address, to: Address) -> None:
    """Let *data* arrive now, as if *source* had sent it, past all links."""
    network.clock.call_at(network.clock.now, network.arrive, data, source, to)


class Transfer:
    """A transfer both ways between two honest hosts, and a place from which to forge."""

    def __init__(self, seed: int, size: int, config: Config = CONFIG) -> None:
        self.network = Network(seed=seed, delay=0.01)
        self.chance = random.Random(seed)
        self.a, self.b = self.network.host(CLIENT, config), self.network.host(SERVER, config)
        self.listener = self.b.table.listen(PORT)
        self.opened = self.a.table.open_active(self.b.path, PORT, 0.0)
        assert self.network.run_until(lambda: bool(self.listener.accepted), limit=5.0)
        self.accepted = self.listener.accepted.popleft()
        self.data = self.chance.randbytes(size)
        self.got = {self.opened: bytearray(), self.accepted: bytearray()}
        for node, connection in ((self.a, self.opened), (self.b, self.accepted)):
            connection.send(self.data)
            node.table.touch(connection)

    def forge(self, segment: Callable[[int], bytes]) -> None:
        """Send what *segment* makes of the ports to either end, under the other's name."""
        inject(self.network, segment(self.opened.ports), CLIENT, SERVER)
        inject(self.network, segment(_swap(self.opened.ports)), SERVER, CLIENT)

    def run(
        self, attack: Iterator[Callable[[int], bytes]] | None = None, each_turn: int = 200
    ) -> float:
        """Let the transfer go on under *attack* until all has arrived; return how long it took.

        The attack ends before the transfer may: octets are held back until it is over.
        """
        begin = self.network.clock.now
        over = False

        def turn() -> bool:
            nonlocal over
            tries = list(islice(attack, each_turn)) if attack is not None else []
            over = not tries
            for one in tries:
                self.forge(one)
            for node, connection in ((self.a, self.opened), (self.b, self.accepted)):
                self.got[connection] += connection.receive()
                node.table.touch(connection)
            return over and all(len(got) >= len(self.data) for got in self.got.values())

        # A turn each millisecond, whatever else happens.
        for _ in range(60_000):
            if turn():
                break
            self.network.run_until(lambda: False, limit=0.001)
        return self.network.clock.now - begin

    def check(self) -> None:
        """Everything arrived as it was sent, and both ends are as well as before."""
        for connection, got in self.got.items():
            assert bytes(got) == self.data
            assert connection.error is None
            assert connection.state is State.ESTABLISHED
        assert self.a.table.connections == self.b.table.connections == 1
        assert not self.count(Count.SACK_INVALID)  # nobody has kept octets that nobody sent

    def count(self, reason: Count) -> int:
        return self.a.table.counters[reason] + self.b.table.counters[reason]


def _swap(ports: int) -> int:
    return (ports & 0xFFFF) << 16 | ports >> 16


def sweep(
    flags: int, chance: random.Random, data: bytes = b"", stamp: bool = False
) -> Iterator[Callable[[int], bytes]]:
    """Yield segments through all sequence numbers; what else is to be guessed is drawn."""
    start = chance.randrange(BUFFER)
    for n in range(SWEEP):
        seq = start + n * BUFFER
        ack = chance.getrandbits(32) if flags & ACK else 0
        opts = options.encode((chance.getrandbits(32), chance.getrandbits(32))) if stamp else b""

        def segment(
            ports: int, seq: int = seq % SPACE, ack: int = ack, opts: bytes = opts
        ) -> bytes:
            return (
                wire.pack_segment(ports, seq, ack, flags, 1000, opts, 1 if flags & URG else 0)
                + data
            )

        yield segment


@pytest.mark.parametrize(
    ("flags", "data", "stamp"),
    [
        (RST, b"", False),
        (RST | ACK, b"", False),
        (SYN, b"", True),
        (SYN | ACK, b"", True),
        (ACK, b"", True),
        (FIN | ACK, b"", True),
        (PSH | ACK, EVIL, True),
        (PSH | ACK | URG, EVIL, True),
    ],
    ids=["RST", "RST-ACK", "SYN", "SYN-ACK", "ACK", "FIN", "data", "urgent"],
)
def test_CHAL_1_CHAL_2_all_sequence_numbers(flags: int, data: bytes, stamp: bool) -> None:
    """ST-21..27, TS-2, MAY-12: 16384 tries at each end, one of which lies in the window.

    The transfer under attack takes no longer than an honest one by more than a few round trips.
    """
    calm = Transfer(1, 2_000_000).run()
    victim = Transfer(1, 2_000_000)
    took = victim.run(sweep(flags, random.Random(flags), data, stamp))
    victim.check()
    assert took < calm + 0.2 + SWEEP / 200 * 0.001
    if flags & (RST | SYN):
        assert victim.count(Count.CHALLENGE_ACK) > 0  # one has come near, and was asked


def test_CHAL_1_CHAL_2_all_sequence_numbers_without_timestamps() -> None:
    """MAY-12: here nothing but SEQ and ACK protects: 4 * 16384 tries at each end with data."""
    config = Config(receive_buffer=BUFFER, receive_buffer_max=BUFFER, timestamps=False)
    victim = Transfer(2, 2_000_000, config)
    chance = random.Random(7)
    rounds = [sweep(PSH | ACK, chance, EVIL) for _ in range(4)]
    victim.run(chain.from_iterable(rounds), each_turn=1000)
    victim.check()
    assert victim.count(Count.ACK_UNACCEPTABLE) > 0  # it was in the window


def test_CHAL_3_the_answers_to_a_sweep_are_few() -> None:
    """CHAL-4, UDP-24: 32768 segments without data in 164 ms draw a handful of ACKs.

    So do 1000 RSTs from somebody who has found the window.
    """
    victim = Transfer(3, 0)
    victim.network.run_until(lambda: False, limit=1.0)
    before = victim.accepted.info().segments_out + victim.opened.info().segments_out
    victim.run(sweep(RST, random.Random(1)))
    victim.run(sweep(ACK, random.Random(2), stamp=True))
    rcv_nxt = victim.accepted.time_wait_facts[1]
    for seq in range(rcv_nxt + 1, rcv_nxt + 1001):
        segment = wire.pack_segment(victim.opened.ports, seq % SPACE, 0, RST, 0, b"")
        inject(victim.network, segment, CLIENT, SERVER)
        victim.network.run_until(lambda: False, limit=0.0001)
    after = victim.accepted.info().segments_out + victim.opened.info().segments_out
    assert after - before <= 2 * (10 + 2)
    assert victim.count(Count.ACK_THROTTLED) > SWEEP // 4


def test_ICMP_2_ICMP_5_forged_errors_at_all_numbers() -> None:
    """ICMP-1..5, PMTU-8, SHLD-26: errors that quote all numbers, a window apart: 3 * 16384 tries.

    What is in flight is less than that apart from SND.UNA, so one quote in each round may fit; even
    that ends nothing and makes no datagram smaller than any path carries.
    """
    victim = Transfer(4, 2_000_000)
    for n in range(SWEEP):
        seq = n * BUFFER
        for node, peer, ports in (
            (victim.a, SERVER, victim.opened.ports),
            (victim.b, CLIENT, victim.accepted.ports),
        ):
            quote = struct.pack("!II", ports, seq) + bytes(12)
            for code, mtu in (
                (errno.ECONNREFUSED, None),
                (errno.EHOSTUNREACH, None),
                (errno.EMSGSIZE, 68),
            ):
                now = victim.network.clock.now
                node.table.handle_icmp(code, quote, (peer, ""), now, mtu=mtu)
        if n % 64 == 0:
            victim.network.run_until(lambda: False, limit=0.001)
    victim.run()
    victim.check()
    assert victim.opened.info().pmtu >= 1200
    assert victim.count(Count.ICMP_IGNORED) > 5 * SWEEP


@pytest.mark.parametrize("timestamps", [True, False])
def test_TW_3_TIME_WAIT_is_not_cut_short(timestamps: bool) -> None:
    """RFC 1337, TW-2, TW-6: RST, ACK, data and SYN at all numbers, 4 * 16384 tries.

    SYNs may make a half-open child where the record was, since a new client may; it dies, and the
    record is there again for the rest of its time.
    """
    config = Config(
        receive_buffer=BUFFER, receive_buffer_max=BUFFER, timestamps=timestamps, msl=120.0
    )
    victim = Transfer(5, 1000, config)
    victim.run()
    for node, connection in ((victim.b, victim.accepted), (victim.a, victim.opened)):
        connection.shutdown(victim.network.clock.now)
        node.table.touch(connection)
        victim.network.run_until(lambda: False, limit=1.0)
    assert victim.b.table.time_wait_records == 1
    ends = victim.network.clock.now - 1.0 + 240.0
    del victim.network.nodes[CLIENT]  # it has forgotten everything and answers nothing
    chance = random.Random(6)
    for flags, data in ((RST, b""), (ACK, b""), (PSH | ACK, EVIL), (SYN, b"")):
        for n, segment in enumerate(sweep(flags, chance, data, stamp=timestamps)):
            inject(victim.network, segment(victim.opened.ports), CLIENT, SERVER)
            if n % 256 == 0:
                victim.network.run_until(lambda: False, limit=0.001)
    victim.network.run_until(lambda: False, limit=100.0)
    assert victim.b.table.time_wait_records == 1
    assert not victim.listener.accepted
    victim.network.run_until(lambda: False, limit=ends - victim.network.clock.now + 0.5)
    assert victim.b.table.time_wait_records == 0


@pytest.mark.parametrize("timestamps", [True, False])
def test_TW_2_segments_of_an_earlier_connection(timestamps: bool) -> None:
    """ISN-2, ISN-4, TS-2, PAWS: all a connection ever sent, again and again, into its successor.

    Same addresses, same ports, opened as soon as RFC 6191 lets it: each old segment three times.
    """
    config = Config(receive_buffer=BUFFER, receive_buffer_max=BUFFER, timestamps=timestamps)
    victim = Transfer(8, 300_000, config)
    old: list[tuple[bytes, tuple[str, int], tuple[str, int]]] = []
    victim.network.taps.append(
        lambda what, now, data, source, to: (
            old.append((data, source, to)) if what == "sent" else None
        )
    )
    victim.run()
    for node, connection in ((victim.b, victim.accepted), (victim.a, victim.opened)):
        connection.close(victim.network.clock.now)
        node.table.touch(connection)
        victim.network.run_until(lambda: False, limit=1.0)
    victim.network.taps.clear()
    local = victim.opened.ports >> 16
    now = victim.network.clock.now
    victim.opened = victim.a.table.open_active(victim.b.path, PORT, now, local_port=local)
    replays = iter(old * 3)

    def turn() -> bool:
        for data, source, to in islice(replays, 20):
            inject(victim.network, data, source, to)
        return bool(victim.listener.accepted)

    assert victim.network.run_until(turn, limit=20.0)
    victim.accepted = victim.listener.accepted.popleft()
    data = victim.data[::-1]
    got = bytearray()
    victim.opened.send(data)
    victim.a.table.touch(victim.opened)

    def again() -> bool:
        turn()
        got.extend(victim.accepted.receive())
        victim.b.table.touch(victim.accepted)
        return len(got) >= len(data)

    assert victim.network.run_until(again, limit=60.0)
    for left in replays:
        inject(victim.network, *left)
    victim.network.run_until(lambda: False, limit=1.0)
    assert bytes(got + victim.accepted.receive()) == data
    assert victim.opened.error is victim.accepted.error is None
    assert victim.opened.state is victim.accepted.state is State.ESTABLISHED


@pytest.mark.parametrize("loss", [0.0, 0.3])
@pytest.mark.parametrize("seed", range(5))
def test_ST_14_ST_17_an_open_among_forgeries(seed: int, loss: float) -> None:
    """Decision 23: 20 forgeries a millisecond while a connection opens, with and without loss.

    SYN, SYN,ACK, RST and ACK of both names; the RSTs fit the SYNs that were forged before them.
    """
    network = Network(seed=seed, delay=0.01, loss=loss)
    a, b = network.host(CLIENT, CONFIG), network.host(SERVER, CONFIG)
    listener = b.table.listen(PORT)
    opened = a.table.open_active(b.path, PORT, 0.0)
    chance = random.Random(seed)

    def turn() -> bool:
        for _ in range(4):
            seq = chance.getrandbits(32)
            for flags, number in ((SYN, seq), (RST, seq + 1), (SYN | ACK, seq), (ACK, seq)):
                ack = chance.getrandbits(32) if flags & ACK else 0
                ports = _swap(opened.ports)
                segment = wire.pack_segment(ports, number % SPACE, ack, flags, 9, b"")
                inject(network, segment, SERVER, CLIENT)
            ack = chance.getrandbits(32)
            segment = wire.pack_segment(opened.ports, seq, ack, ACK, 9, b"")
            inject(network, segment, CLIENT, SERVER)
        network.run_until(lambda: False, limit=0.001)
        return bool(listener.accepted) and opened.state is State.ESTABLISHED

    assert any(turn() for _ in range(60_000 if loss else 100))
    accepted = listener.accepted.popleft()
    opened.send(b"hello")
    a.table.touch(opened)
    assert network.run_until(lambda: accepted.readable_octets == 5, limit=60.0)
    assert accepted.receive() == b"hello"
