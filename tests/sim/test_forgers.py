"""An attacker who knows everything but the key: he reads each segment, and injects his own.

He has all numbers, those that come next among them, and sends what would end, fill or move an
unsigned connection at once.  Each kind of segment is tried many times with another MAC, also with
one that was on a true segment; and all that was said is said again.  None of it does anything but
count.  The normal run makes a part of the tries, ``-m slow`` all 100,000 of each kind.
"""

import dataclasses
import random
from collections.abc import Callable

import pytest

from rudp.config import Config
from rudp.core.life.connection import Connection
from rudp.core.segment import options, wire
from rudp.core.segment.options import encode_unsigned
from rudp.core.segment.transmit import Address
from rudp.core.segment.wire import ACK, FIN, PSH, RST, SYN, URG
from rudp.core.terms.counters import Count
from rudp.core.terms.state import State
from rudp.keys import MasterKey
from rudp.sim.network import Network

CLIENT = ("10.0.0.1", 4000)
SERVER = ("10.0.0.2", 7000)
PORT = 7000
KEY = MasterKey(secret=b"known to two, and nobody else")
CONFIG = Config(keys=(KEY,), receive_buffer=65_536, receive_buffer_max=65_536)
EVIL = b"\xee" * 100
MASK = 0xFFFF_FFFF

FEW = 2_000
MANY = 100_000

amounts = pytest.mark.parametrize(
    "tries", [FEW, pytest.param(MANY, marks=[pytest.mark.slow, pytest.mark.timeout(600)])]
)


class Victims:
    """A connection of two honest hosts, and what an attacker on the path between them knows."""

    def __init__(self, server: Config = CONFIG, seed: int = 1) -> None:
        self.chance = random.Random(seed)
        self.network = Network(seed=seed, delay=0.01)
        self.heard: list[tuple[bytes, Address, Address]] = []
        self.network.taps.append(
            lambda what, now, data, source, to: (
                self.heard.append((data, source, to)) if what == "sent" else None
            )
        )
        self.a, self.b = self.network.host(CLIENT, CONFIG), self.network.host(SERVER, server)
        self.listener = self.b.table.listen(PORT)
        self.opened = self.a.table.open_active(self.b.path, PORT, 0.0)

    def establish(self) -> None:
        assert self.network.run_until(lambda: bool(self.listener.accepted), limit=5.0)
        self.accepted = self.listener.accepted.popleft()
        self.exchange(b"before" * 1000)

    def wait(self, seconds: float) -> None:
        self.network.run_until(lambda: False, limit=seconds)

    def exchange(self, data: bytes) -> None:
        """Both say *data*, and both hear it and nothing else."""
        ends = ((self.a, self.opened), (self.b, self.accepted))
        got: dict[Connection, bytearray] = {connection: bytearray() for _, connection in ends}
        for _, connection in ends:
            connection.send(data)

        def turn() -> bool:
            for node, connection in ends:
                got[connection].extend(connection.receive())
                node.table.touch(connection)
            return all(len(octets) >= len(data) for octets in got.values())

        assert self.network.run_until(turn, limit=60.0)
        assert all(bytes(octets) == data for octets in got.values())
        self.wait(1.0)

    def looks(self) -> list[tuple[object, ...]]:
        """Return all that an attack could move."""
        return [
            (
                connection.state,
                connection.error,
                connection.soft_error,
                connection.readable_octets,
                connection.time_wait_facts,
                connection.info().bytes_received,
                connection.info().bytes_acked,
                connection.info().segments_out,
                connection.info().cwnd,
                connection.next_deadline,
                connection.info().key_ids,
            )
            for connection in (self.opened, self.accepted)
        ]

    def numbers(self) -> tuple[int, int, int, int]:
        """Return ports, SEG.SEQ and SEG.ACK that fit to the octet, and TSval, of the client."""
        snd_nxt, rcv_nxt, *_ = self.opened.time_wait_facts
        stamp = int(self.network.clock.now * 1000)
        return self.opened.ports, snd_nxt & MASK, rcv_nxt & MASK, stamp

    def forge(self, segment: bytes, source: Address = CLIENT, to: Address = SERVER) -> None:
        self.network.clock.call_at(self.network.clock.now, self.network.arrive, segment, source, to)

    def count(self, *reasons: Count) -> int:
        return sum(node.table.counters[each] for node in (self.a, self.b) for each in reasons)


def signed(option: bytes, mac: bytes) -> bytes:
    return option[:-12] + mac


KINDS: dict[str, tuple[int, bytes]] = {
    "RST": (RST, b""),
    "RST-ACK": (RST | ACK, b""),
    "SYN": (SYN, b""),
    "SYN-ACK": (SYN | ACK, b""),
    "ACK": (ACK, b""),
    "data": (PSH | ACK, EVIL),
    "urgent": (PSH | ACK | URG, EVIL),
    "FIN": (FIN | ACK, b""),
    "nothing": (0, b""),
}


@amounts
@pytest.mark.parametrize(("flags", "data"), KINDS.values(), ids=KINDS)
def test_forged_segments(flags: int, data: bytes, tries: int) -> None:
    """RFC 5925 §7.4: exact numbers in both directions, and 96 bits of chance."""
    victims = Victims()
    victims.establish()
    before = victims.looks()
    ports, seq, ack, stamp = victims.numbers()
    true = [heard[0] for heard in victims.heard]
    for n in range(tries // 2):
        mac = victims.chance.randbytes(12)
        if n % 8 == 0:
            mac = true[n % len(true)][-12:]
        stamps = options.encode((stamp & MASK, 0))
        option = signed(encode_unsigned(0, 0), mac)
        if n % 16 == 1:
            option = b""
        elif n % 16 == 3:
            option = signed(encode_unsigned(victims.chance.randrange(1, 256), 1), mac)
        opts = stamps + option
        urgent = len(data) if flags & URG else 0
        there = wire.pack_segment(ports, seq, ack, flags, 500, opts, urgent) + data
        victims.forge(there)
        back = (ports & 0xFFFF) << 16 | ports >> 16
        here = wire.pack_segment(back, ack, seq, flags, 500, opts, urgent) + data
        victims.forge(here, SERVER, CLIENT)
        if n % 500 == 499:
            victims.network.run_until(lambda: False, limit=0.0)
    victims.network.run_until(lambda: False, limit=0.0)
    assert victims.looks() == before
    doubted = victims.count(Count.AO_MISSING, Count.AO_KEY_UNKNOWN, Count.AO_MAC_WRONG)
    assert doubted == tries // 2 * 2
    assert victims.count(*Count) == doubted  # nothing else has counted, and so nothing was answered
    victims.exchange(b"after" * 1000)


@amounts
def test_replayed_segments(tries: int) -> None:
    """All that was ever said, again and again: it is authentic, and old (RFC 5925 §6.2).

    The receiver acknowledges, as for any duplicate; nobody's numbers, windows or states move.
    """
    victims = Victims()
    victims.establish()
    for n in range(5):
        victims.exchange(bytes([n]) * 20_000)
    old = list(victims.heard)

    def still() -> list[object]:
        return [
            (
                connection.state,
                connection.error,
                connection.readable_octets,
                connection.time_wait_facts[:2],
                connection.info().cwnd,
                connection.info().bytes_acked,
                connection.info().key_ids,
            )
            for connection in (victims.opened, victims.accepted)
        ]

    before = still()
    for n in range(tries):
        victims.forge(*old[n % len(old)])
        if n % 200 == 199:
            victims.wait(0.05)
    victims.wait(1.0)
    assert still() == before
    assert not victims.count(Count.AO_MISSING, Count.AO_KEY_UNKNOWN, Count.AO_MAC_WRONG)
    victims.exchange(b"after" * 1000)


@amounts
def test_replays_of_an_earlier_connection(tries: int) -> None:
    """The same ports, the same key: other initial numbers make other traffic keys (§5.2)."""
    victims = Victims()
    victims.establish()
    victims.exchange(b"x" * 50_000)
    for node, connection in ((victims.b, victims.accepted), (victims.a, victims.opened)):
        connection.close(victims.network.clock.now)
        node.table.touch(connection)
        victims.wait(1.0)
    old = [heard for heard in victims.heard if not heard[0][13] & SYN]
    now = victims.network.clock.now
    local = victims.opened.ports >> 16
    victims.opened = victims.a.table.open_active(victims.b.path, PORT, now, local_port=local)
    victims.establish()
    before = victims.looks()
    for n in range(tries):
        victims.forge(*old[n % len(old)])
        if n % 500 == 499:
            victims.network.run_until(lambda: False, limit=0.0)
    victims.network.run_until(lambda: False, limit=0.0)
    assert victims.looks() == before
    assert victims.count(Count.AO_MAC_WRONG) == tries
    victims.exchange(b"after" * 1000)


@amounts
def test_forged_opens(tries: int) -> None:
    """SYNs at a listener: no half-open connection, no cookie, no answer."""
    victims = Victims()
    victims.establish()
    sent = len(victims.heard)
    for n in range(tries):
        ports = victims.chance.randrange(1024, 65_536) << 16 | PORT
        opts = options.encode_syn(
            1400, window_scale=7, sack_permitted=True, timestamps=(1, 0), signed=True
        )
        opts += signed(encode_unsigned(0, 0), victims.chance.randbytes(12))
        victims.forge(wire.pack_segment(ports, n, 0, SYN, 500, opts if n % 4 else b""))
        if n % 500 == 499:
            victims.network.run_until(lambda: False, limit=0.0)
    victims.wait(0.5)
    assert victims.b.table.half_open == 0
    assert len(victims.heard) == sent
    assert victims.count(Count.AO_MISSING, Count.AO_MAC_WRONG) == tries
    victims.exchange(b"after" * 1000)


@amounts
def test_forged_cookies(tries: int) -> None:
    """The attacker has seen the SYN,ACK, so he knows the cookie: without the key it opens nothing.

    The true ACK is held up until he has tried.
    """
    victims = Victims(dataclasses.replace(CONFIG, half_open_max=0))
    held: list[bytes] = []
    arrive: Callable[..., None] = victims.network.arrive

    def hold(data: bytes, source: Address, destination: Address, ecn: int = 0) -> None:
        if destination == SERVER and len(victims.heard) > 2 and data[13] & SYN == 0:
            held.append(data)
        else:
            arrive(data, source, destination, ecn)

    victims.network.arrive = hold  # type: ignore[method-assign]
    victims.network.run_until(lambda: bool(held), limit=1.0)
    victims.network.arrive = arrive  # type: ignore[method-assign]
    true = held[0]
    for n in range(tries):
        forged = true[:-12] + victims.chance.randbytes(12) + (EVIL if n % 2 else b"")
        victims.forge(forged)
        if n % 500 == 499:
            victims.network.run_until(lambda: False, limit=0.0)
    victims.network.run_until(lambda: False, limit=0.0)
    assert not victims.listener.accepted
    assert victims.b.table.connections == 0
    assert victims.count(Count.AO_MAC_WRONG) == tries
    victims.forge(true)
    victims.establish()


@amounts
@pytest.mark.parametrize("name", ["SYN-ACK", "RST-ACK", "SYN", "ACK"])
def test_forged_answers_to_a_SYN(name: str, tries: int) -> None:
    """He answers before the server does, with the right number: the client wants it signed."""
    victims = Victims()
    victims.network.step()
    iss = victims.opened.initial_numbers[0]
    ports = victims.opened.ports
    back = (ports & 0xFFFF) << 16 | ports >> 16
    flags, data = KINDS[name]
    for n in range(tries):
        seq = victims.chance.getrandbits(32)
        opts = signed(encode_unsigned(0, 0), victims.chance.randbytes(12)) if n % 4 else b""
        forged = wire.pack_segment(back, seq, iss + 1 & MASK, flags, 500, opts) + data
        victims.forge(forged, SERVER, CLIENT)
        if n % 500 == 499:
            victims.network.run_until(lambda: False, limit=0.0)
    assert victims.opened.state is State.SYN_SENT
    victims.establish()
    assert victims.count(Count.AO_MISSING, Count.AO_MAC_WRONG) == tries


@amounts
def test_forged_segments_in_TIME_WAIT(tries: int) -> None:
    """RST, SYN, FIN and data at the exact number: the record is as it was, and says nothing."""
    victims = Victims()
    victims.establish()
    for node, connection in ((victims.b, victims.accepted), (victims.a, victims.opened)):
        connection.close(victims.network.clock.now)
        node.table.touch(connection)
        victims.wait(1.0)
    assert victims.b.table.time_wait_records == 1
    sent = len(victims.heard)
    last = [data for data, source, _ in victims.heard if source == CLIENT][-1]
    kinds = list(KINDS.values())
    for n in range(tries):
        flags, data = kinds[n % len(kinds)]
        forged = bytearray(last[:-12] + victims.chance.randbytes(12) + data)
        forged[13] = flags
        victims.forge(bytes(forged))
        if n % 500 == 499:
            victims.network.run_until(lambda: False, limit=0.0)
    victims.network.run_until(lambda: False, limit=0.0)
    assert victims.b.table.time_wait_records == 1
    assert victims.count(Count.AO_MAC_WRONG) == tries
    assert len(victims.heard) == sent
