"""Accurate ECN over paths that mark, and over those that spoil what it says (RFC 9768 §3.2.2.3)."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rudp.config import Config
from rudp.core.congestion.newreno import NewReno
from rudp.core.segment import options
from rudp.core.segment.transmit import CE, ECT_0, ECT_1
from rudp.core.segment.wire import SYN
from rudp.core.watch.info import ConnectionInfo
from rudp.sim.network import Network
from rudp.trace import EventLog
from rudp.trace.events import EcnSettled, SegmentReceived

CLIENT = ("10.0.0.1", 40_000)
SERVER = ("10.0.0.2", 7000)
SIZE = 300_000

Spoil = Callable[[bytes, int], tuple[bytes, int]]
"""What a path makes of a datagram and its ECN bits."""


class Spoiled(Network):
    """A network whose path changes what passes, in one direction or both."""

    def __init__(self, there: Spoil | None, back: Spoil | None, **path: Any) -> None:
        super().__init__(seed=1, **path)
        self.way = self._spoil
        self._spoils = {CLIENT[0]: there, SERVER[0]: back}

    def _spoil(self, data: bytes, source: Any, destination: Any, ecn: int) -> Any:
        spoil = self._spoils[source[0]]
        if spoil is not None:
            data, ecn = spoil(data, ecn)
        return self.over_link(data, source, destination, ecn)


def flags_of(data: bytes) -> int:
    return (data[12] & 1) << 8 | data[13]


def with_word(data: bytes, word: int) -> bytes:
    """Return *data* with AE, CWR and ECE as in *word*."""
    head = bytes([data[12] & 0xFE | word >> 2, data[13] & 0x3F | (word & 3) << 6])
    return data[:12] + head + data[14:]


def without_option(data: bytes) -> bytes:
    """Return *data* with NOPs in the place of the AccECN option."""
    header = (data[12] >> 4) * 4
    opts, at = bytearray(data[20:header]), 0
    while at < len(opts) and opts[at]:
        length = 1 if opts[at] == options.NOP else opts[at + 1]
        if opts[at] in (options.ACCURATE_ECN_0, options.ACCURATE_ECN_1):
            opts[at : at + length] = bytes([options.NOP]) * length
        at += length
    return data[:20] + bytes(opts) + data[header:]


PATHS: dict[str, Spoil] = {
    "bleaches": lambda data, ecn: (data, 0),
    "makes all ECT(0)": lambda data, ecn: (data, ECT_0),
    "makes ECT(0) of ECT(1)": lambda data, ecn: (data, ECT_0 if ecn == ECT_1 else ecn),
    "marks what is capable": lambda data, ecn: (data, CE if ecn else 0),
    "marks all": lambda data, ecn: (data, CE),
    "clears the three bits": lambda data, ecn: (with_word(data, 0), ecn),
    "clears AE": lambda data, ecn: (with_word(data, flags_of(data) >> 6 & 3), ecn),
    "sets the three bits": lambda data, ecn: (with_word(data, 7), ecn),
    "clears them after the SYN": lambda data, ecn: (
        data if flags_of(data) & SYN else with_word(data, 0),
        ecn,
    ),
    "takes the option away": lambda data, ecn: (without_option(data), ecn),
}


def exchange(network: Network, **config: Any) -> tuple[ConnectionInfo, ConnectionInfo]:
    """Send SIZE octets each way; return what both ends say then."""
    a = network.host(CLIENT, Config(**config))
    b = network.host(SERVER, Config(**config))
    listener = b.table.listen(7000)
    opened = a.table.open_active(b.path, 7000, network.clock.now)
    assert network.run_until(lambda: bool(listener.accepted), limit=30.0)
    accepted = listener.accepted.popleft()
    data = random.Random(1).randbytes(SIZE)
    received = {opened: bytearray(), accepted: bytearray()}
    for host, end in ((a, opened), (b, accepted)):
        end.send(data)
        host.table.touch(end)

    def turn() -> bool:
        for host, end in ((a, opened), (b, accepted)):
            received[end].extend(end.receive())
            host.table.touch(end)
        left = opened.undelivered_octets or accepted.undelivered_octets
        return not left and all(len(each) == SIZE for each in received.values())

    assert network.run_until(turn, limit=120.0)
    assert received[opened] == received[accepted] == data
    return opened.info(), accepted.info()


@pytest.mark.parametrize("congestion", ["newreno", "cubic", "bbr"])
def test_AECN_5_AECN_11_both_ends_count_the_same(congestion: Any) -> None:
    """Each mark is told of once, and there is no loss for want of an answer."""
    network = Network(seed=1, delay=0.02, rate=8e6, queue=60_000, mark=15_000)
    client, server = exchange(network, congestion=congestion)
    marked = network.link(CLIENT[0], SERVER[0]).marked
    assert client.ecn_feedback == server.ecn_feedback == "accurate"
    assert client.delivered_ce == server.ce_received == marked
    assert server.delivered_ce == client.ce_received
    assert marked > 0 or congestion == "bbr"
    assert client.resent == server.resent == 0


class Scalable(NewReno):
    """Reduces by half of each mark's octets (the beginning of what RFC 9332 expects)."""

    answers_marks = True
    ect = ECT_1
    told = 0

    def on_marks(self, segments: int, octets: int, now: float) -> None:
        type(self).told += octets
        self.cwnd = self.ssthresh = max(self.cwnd - octets // 2, 2 * self.smss)


def test_AECN_11_a_controller_is_told_how_many_octets() -> None:
    """The option says it, to the octet; data has the codepoint that the controller wants."""
    Scalable.told = 0
    seen: set[int] = set()
    network = Network(seed=1, delay=0.02, rate=8e6, queue=60_000, mark=15_000)
    log = EventLog()

    def look(data: bytes, ecn: int) -> tuple[bytes, int]:
        seen.add(ecn)
        return data, ecn

    network = Spoiled(look, look, delay=0.02, rate=8e6, queue=60_000, mark=15_000)
    a = network.host(CLIENT, Config(congestion=Scalable))
    b = network.host(SERVER, Config(receive_buffer=1 << 20))
    listener = b.table.listen(7000, tracer=log.tracer("server"))
    opened = a.table.open_active(b.path, 7000, network.clock.now)
    assert network.run_until(lambda: bool(listener.accepted), limit=10.0)
    accepted = listener.accepted.popleft()
    opened.send(bytes(SIZE))
    a.table.touch(opened)
    received = 0

    def turn() -> bool:
        nonlocal received
        received += len(accepted.receive())
        b.table.touch(accepted)
        return received == SIZE and not opened.undelivered_octets

    assert network.run_until(turn, limit=60.0)
    assert seen == {0, ECT_1}
    marked = [
        event.segment.length
        for event in log.events
        if isinstance(event, SegmentReceived) and event.segment.ecn == "CE"
    ]
    assert Scalable.told == sum(marked) > 0
    assert opened.info().delivered_ce == len(marked)
    assert EcnSettled(0.0, "", "accurate", None).feedback in {
        event.feedback for event in log.events if isinstance(event, EcnSettled)
    }


WAYS = [
    (there, back)
    for there in (None, *PATHS)
    for back in (None, *PATHS)
    if not ("clears AE" in (there, back) and "marks" in f"{there} {back}")
]
"""Paths there and back.  Who has AE cleared agrees on classic ECN, which has no answer to marks on
all there is."""


@pytest.mark.parametrize(("there", "back"), WAYS)
def test_AECN_7_a_path_costs_the_use_of_ECN_at_most(there: str | None, back: str | None) -> None:
    """Whatever it spoils, in whichever direction: all octets arrive, and nothing is sent again."""
    spoils = [None if name is None else PATHS[name] for name in (there, back)]
    client, server = exchange(Spoiled(*spoils, delay=0.01))
    assert client.resent == server.resent == 0
    if there == back is None:
        assert client.ecn
        assert server.ecn


@pytest.mark.parametrize("spoiled", ["bleaches", "makes all ECT(0)", "takes the option away"])
def test_AECN_8_AECN_7_what_is_used_all_the_same(spoiled: str) -> None:
    """Who bleaches cannot be told by a handshake without ECT; an option is no condition."""
    client, server = exchange(Spoiled(PATHS[spoiled], PATHS[spoiled], delay=0.01))
    assert client.ecn_feedback == server.ecn_feedback == "accurate"
    expected = None if spoiled != "makes all ECT(0)" else "HANDSHAKE_MANGLED"
    assert client.ecn_fallback == server.ecn_fallback == expected


def fetch(spoil: Spoil | None, lane: Any, octets: int) -> tuple[float, ConnectionInfo]:
    """Send *octets* one way; return the seconds it took, and what the sender says then."""
    network = Spoiled(spoil, spoil, delay=0.02)
    a, b = network.host(CLIENT, Config(lane=lane)), network.host(SERVER, Config(lane=lane))
    listener = b.table.listen(7000)
    opened = a.table.open_active(b.path, 7000, network.clock.now)
    assert network.run_until(lambda: bool(listener.accepted), limit=1.0)
    accepted = listener.accepted.popleft()
    left = missing = octets

    def turn() -> bool:
        nonlocal left, missing
        if opened.room > 0 and left:
            some = min(left, opened.room)
            opened.send(bytes(some))
            left -= some
            a.table.touch(opened)
        missing -= len(accepted.receive())
        b.table.touch(accepted)
        return not missing

    assert network.run_until(turn, limit=60.0)
    return network.clock.now, opened.info()


@pytest.mark.parametrize("lane", ["off", "auto"])
def test_AECN_8_AECN_5_a_path_without_options_is_as_fast(lane: Any) -> None:
    """Who acknowledges many segments at once, none of them marked, tells of no marks."""
    expected, _ = fetch(None, lane, 3_000_000)
    took, info = fetch(PATHS["takes the option away"], lane, 3_000_000)
    assert info.delivered_ce == 0
    assert took == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize(("ours", "theirs"), [("accurate", "classic"), ("classic", "accurate")])
def test_AECN_2_one_end_knows_the_classic_kind_alone(ours: Any, theirs: Any) -> None:
    network = Network(seed=1, delay=0.01)
    a, b = network.host(CLIENT, Config(ecn=ours)), network.host(SERVER, Config(ecn=theirs))
    listener = b.table.listen(7000)
    opened = a.table.open_active(b.path, 7000, network.clock.now)
    assert network.run_until(lambda: bool(listener.accepted), limit=1.0)
    assert opened.info().ecn_feedback == listener.accepted[0].info().ecn_feedback == "classic"
    assert opened.info().ecn


@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_AECN_7_a_path_that_does_anything(data: st.DataObject) -> None:
    """Bits of headers and of the IP header at random, lost datagrams between: all arrives.

    If each counter is another nobody can tell that from marks, and who answers them crawls.
    """
    chance = random.Random(data.draw(st.integers(0, 1 << 32)))
    often = st.sampled_from([0.0, 0.02, 0.5, 1.0])
    rates = data.draw(st.tuples(often, st.sampled_from([0.0, 0.02]), often))

    def spoil(datagram: bytes, ecn: int) -> tuple[bytes, int]:
        if chance.random() < rates[0]:
            ecn = chance.randrange(4)
        if chance.random() < rates[1] and not flags_of(datagram) & SYN:
            datagram = with_word(datagram, chance.randrange(8))
        if chance.random() < rates[2]:
            datagram = without_option(datagram)
        return datagram, ecn

    loss = data.draw(st.sampled_from([0.0, 0.02]))
    exchange(Spoiled(spoil, spoil, delay=0.005, loss=loss))
