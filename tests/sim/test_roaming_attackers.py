"""Who has no key moves no connection, whatever he copies, holds up or makes up (RFC 9000 §9.3).

The attacker is at an address of his own, hears each segment, and may hold up or drop what he likes.
"""

import random

import pytest

from rudp.config import Config
from rudp.core.segment import options, wire
from rudp.core.segment.options import PathWord, encode_roaming, encode_unsigned
from rudp.core.segment.transmit import Address
from rudp.core.segment.wire import ACK, PSH, swap_ports
from rudp.core.terms.counters import Count
from rudp.keys import MasterKey
from tests.sim.roam import CLIENT, KEY, PORT, SERVER, Travellers

EVIL = ("203.0.113.66", 6666)
FEW, MANY = 1_000, 100_000
amounts = pytest.mark.parametrize(
    "tries", [FEW, pytest.param(MANY, marks=[pytest.mark.slow, pytest.mark.timeout(600)])]
)


class Watched(Travellers):
    """What passes is heard by somebody at :data:`EVIL`, and so is what is sent there."""

    def __init__(self, seed: int = 1) -> None:
        super().__init__(seed=seed)
        self.heard: list[tuple[bytes, Address, Address]] = []
        self.got: list[bytes] = []  # what was sent to the attacker
        self.network.taps.append(
            lambda what, now, data, source, to: (
                self.heard.append((data, source, to)) if what == "sent" else None
            )
        )
        arrive = self.network.arrive

        def catch(data: bytes, source: Address, destination: Address, ecn: int = 0) -> None:
            if destination == EVIL:
                self.got.append(data)
            else:
                arrive(data, source, destination, ecn)

        self.network.arrive = catch  # type: ignore[method-assign]

    def inject(self, data: bytes, source: Address = EVIL, to: Address = SERVER) -> None:
        self.network.clock.call_at(self.now, self.network.arrive, data, source, to)

    def from_client(self) -> list[bytes]:
        return [data for data, source, _ in self.heard if source == CLIENT]

    def assert_nothing_moved(self) -> None:
        assert self.b.table.counters[Count.PATH_MOVED] == 0
        assert self.peer == self.nat.outer
        assert self.accepted.path == (self.nat.outer, "")


@amounts
def test_replays_from_elsewhere(tries: int) -> None:
    """What is older than the latest is not even asked about; nothing goes to the attacker."""
    pair = Watched()
    for _ in range(5):
        pair.transfer(20_000, 20_000, [])
    old = pair.from_client()
    pair.transfer(1000, 1000, [])
    pair.wait(1.0)
    for n in range(tries):
        pair.inject(old[n % len(old)])
        if n % 100 == 99:
            pair.wait(0.01)
    pair.wait(1.0)
    pair.assert_nothing_moved()
    assert not pair.got
    assert pair.b.table.counters[Count.PATH_CHALLENGED] == 0
    pair.transfer(20_000, 20_000, [])


def test_a_copy_that_comes_first_gets_questions_and_nothing_else() -> None:
    """RFC 9000 §9.3.3: each copy overtakes the original, and the attacker cannot answer.

    He gets no more than three octets for each that he sends (§8.1).
    """
    pair = Watched()
    over_link = pair.network.over_link
    paid = 0

    def overtaken(data: bytes, source: Address, to: Address, ecn: int) -> list[object]:
        nonlocal paid
        if source == CLIENT:
            pair.inject(data)
            paid += len(data)
            source = pair.nat.outer
        return over_link(data, source, to, ecn)  # type: ignore[return-value]

    pair.network.way = overtaken  # type: ignore[assignment]
    for _ in range(20):
        pair.transfer(50_000, 50_000, [])
    pair.wait(1.0)
    pair.assert_nothing_moved()
    assert pair.got
    assert sum(map(len, pair.got)) <= 3 * paid
    for data in pair.got:
        run = wire.read_segment(memoryview(data), pair.a.table.counters)
        assert run is not None
        assert not run.length


def test_who_forwards_the_question_hears_the_answer_of_the_peers_own_address() -> None:
    """The client answers from where it is, and that shows where it is."""
    pair = Watched()
    pair.transfer(1000, 1000, [])
    pair.opened.send(b"x" * 1000)
    pair.touch()
    over_link = pair.network.over_link

    def overtaken(data: bytes, source: Address, to: Address, ecn: int) -> list[object]:
        if source == CLIENT:
            pair.inject(data)
            source = pair.nat.outer
        return over_link(data, source, to, ecn)  # type: ignore[return-value]

    pair.network.way = overtaken  # type: ignore[assignment]
    pair.wait(0.005)
    pair.network.way = pair.nat.carry
    pair.network.run_until(lambda: bool(pair.got), limit=1.0)
    for data in pair.got:
        pair.inject(data, SERVER, pair.nat.outer)
    pair.wait(1.0)
    pair.assert_nothing_moved()
    assert pair.b.table.counters[Count.PATH_CHALLENGED] >= 1
    # Nor does the answer count once the original is there, copied to the attacker's address.
    for data in pair.from_client():
        pair.inject(data)
    pair.wait(1.0)
    pair.assert_nothing_moved()


@pytest.mark.parametrize("held", [0.05, 0.5, 3.0])
def test_who_holds_segments_up_and_sends_them_from_elsewhere(held: float) -> None:
    """He drops what he copies, and brings it late: for a while the peer is silent, and no more."""
    pair = Watched()
    pair.transfer(100_000, 100_000, [])
    chance = random.Random(7)
    over_link = pair.network.over_link

    def delaying(data: bytes, source: Address, to: Address, ecn: int) -> list[object]:
        if source == CLIENT:
            source = pair.nat.outer
            if chance.random() < 0.1:
                pair.network.clock.call_at(pair.now + held, pair.network.arrive, data, EVIL, SERVER)
                return []
        return over_link(data, source, to, ecn)  # type: ignore[return-value]

    pair.network.way = delaying  # type: ignore[assignment]
    pair.transfer(500_000, 500_000, [])
    pair.network.way = pair.nat.carry
    pair.wait(5.0)
    pair.assert_nothing_moved()
    pair.transfer(20_000, 20_000, [])


@amounts
def test_forged_words(tries: int) -> None:
    """Tokens are no secrets, and questions can be made up: without the MAC they are nobody's."""
    pair = Watched()
    pair.transfer(20_000, 20_000, [])
    chance = random.Random(5)
    iss, irs, *_ = pair.opened.initial_numbers
    assert irs is not None
    token = irs.to_bytes(4, "big") + iss.to_bytes(4, "big")[:3]
    snd_nxt, rcv_nxt, *_ = pair.opened.time_wait_facts
    ports = pair.opened.ports
    before = dict(pair.b.table.counters.items())
    for n in range(tries):
        word = PathWord(n % 3)
        value = token if word is PathWord.TOKEN else chance.randbytes(7)
        stamps = options.encode((int(pair.now * 1000) + 1 & 0xFFFF_FFFF, 0))
        signature = encode_unsigned(0, 0)[:-12] + chance.randbytes(12)
        opts = stamps + encode_roaming(word, value) + signature
        seq, ack = snd_nxt & 0xFFFF_FFFF, rcv_nxt & 0xFFFF_FFFF
        there = wire.pack_segment(ports, seq, ack, ACK | PSH * (n % 2), 500, opts)
        pair.inject(there + b"evil" * (n % 2), EVIL if n % 4 else pair.nat.outer)
        back = wire.pack_segment(swap_ports(ports), ack, seq, ACK, 500, opts)
        pair.inject(back, SERVER, pair.nat.outer)
        if n % 100 == 99:
            pair.wait(0.0)
    pair.wait(0.5)
    pair.assert_nothing_moved()
    assert not pair.got
    changed = {
        name for name, count in pair.b.table.counters.items() if count != before.get(name, 0)
    }
    assert changed <= {Count.AO_MAC_WRONG, Count.NO_CONNECTION}
    pair.transfer(20_000, 20_000, [])


def test_a_key_with_a_network_keeps_its_peers_there() -> None:
    key = MasterKey(secret=KEY.secret, network="192.0.2.0/24")
    pair = Travellers(server=Config(keys=(key,)))
    pair.move()
    pair.transfer(1000, 1000, [])
    pair.move("198.51.100.1")
    pair.opened.send(b"x")
    pair.touch()
    pair.wait(5.0)
    assert pair.peer == ("192.0.2.1", 10_001)
    assert pair.b.table.counters[Count.PATH_CHALLENGED] == 1


@pytest.mark.parametrize(
    "config",
    [
        Config(),
        Config(keys=(MasterKey(secret=KEY.secret, covers_options=False),)),
        Config(keys=(MasterKey(secret=KEY.secret, addresses=("10.0.0.1", "10.0.0.2")),)),
    ],
    ids=["no key", "options not covered", "addresses covered"],
)
def test_who_does_not_roam_says_nothing_about_it(config: Config) -> None:
    mirror = config
    if config.keys and config.keys[0].addresses != "none":
        mirror = Config(keys=(MasterKey(secret=KEY.secret, addresses=("10.0.0.2", "10.0.0.1")),))
    pair = Travellers(config, mirror)
    sent: list[bytes] = []
    pair.network.taps.append(lambda what, now, data, source, to: sent.append(data))
    pair.transfer(100_000, 100_000, [])
    pair.a.table.open_active(pair.b.path, PORT, pair.now)
    pair.wait(1.0)
    assert sent
    words = (options.ROAMING_OFFER, bytes((options.EXPERIMENT, options.ROAMING_SIZE, 0x52, 0x44)))
    assert not any(word in data[20:60] for data in sent for word in words)
    assert not pair.a.table.may_rebind
    pair.move()
    pair.opened.send(b"lost")
    pair.touch()
    pair.wait(2.0)
    assert not pair.accepted.readable_octets
    assert pair.b.table.counters[Count.PATH_CHALLENGED] == 0


def test_a_SYN_has_room_for_the_offer() -> None:
    """MSS, SACK permitted, timestamps, window scale, a signature and the offer: forty octets."""
    pair = Travellers()
    sent: list[bytes] = []
    pair.network.taps.append(lambda what, now, data, source, to: sent.append(data))
    pair.a.table.open_active(pair.b.path, PORT, pair.now)
    pair.network.step()
    assert len(sent[0]) == 60
    assert options.ROAMING_OFFER in sent[0]


def test_among_many_with_the_same_ports_the_token_finds_it() -> None:
    """A dozen clients with the same two TCP ports: each but a few would need too many tries."""
    pair = Travellers()
    local = pair.opened.ports >> 16
    others = []
    for n in range(12):
        node = pair.network.host((f"10.0.1.{n}", 4000), Config(keys=(KEY,)))
        others.append(node.table.open_active(pair.b.path, PORT, pair.now, local_port=local))
    assert pair.network.run_until(lambda: len(pair.listener.accepted) == 12, limit=5.0)
    pair.transfer(1000, 1000, [])
    pair.move()
    last = pair.accepted
    pair.opened.send(b"x" * 3000)
    pair.touch()
    pair.network.run_until(lambda: last.path[0] == pair.nat.outer, limit=60.0)
    assert last.path[0] == pair.nat.outer
    assert pair.b.table.counters[Count.PATH_MOVED] == 1
    assert all(opened.error is None for opened in others)
