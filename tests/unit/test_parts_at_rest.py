"""What a connection shares with all others until something happens to it (decision 66)."""

import collections
import gc

import pytest

from rudp.config import Config
from rudp.core.congestion.pacing import Pacer
from rudp.core.demux.table import ConnectionTable
from rudp.core.life.connection import Connection
from rudp.core.loss.rack import Rack
from rudp.core.loss.recovery import NOTHING_MISSING, Phase, Recovery
from rudp.core.receive.autotune import LITTLE, UNTUNED, Autotune
from rudp.core.send.pmtu import PathMtu, Payloads
from rudp.core.watch.info import ConnectionInfo
from rudp.sim.network import Network, Node

CLIENT = ("10.0.0.1", 4000)
SERVER = ("10.0.0.2", 7000)
PARTS = (Recovery, Rack, PathMtu, Pacer, Autotune)


class Pairs:
    """Connections of one client to one server, both in the simulator."""

    def __init__(self) -> None:
        self.network = Network(delay=0.01)
        self.client = self.network.host(CLIENT)
        self.server: Node[ConnectionTable] = self.network.host(SERVER)
        self._listener = self.server.table.listen(80)

    def open(self) -> tuple[Connection, Connection]:
        """Open one, and carry an octet each way."""
        ours = self.client.table.open_active(self.server.path, 80, self.network.clock.now)
        assert self.network.run_until(lambda: bool(self._listener.accepted), limit=1.0)
        theirs = self._listener.accepted.popleft()
        for one, other in ((ours, theirs), (theirs, ours)):
            self.carry(one, other, 1)
        return ours, theirs

    def carry(self, one: Connection, other: Connection, octets: int) -> None:
        one.send(bytes(octets))
        table = self.client.table if one.opened.name == "ACTIVE" else self.server.table
        table.touch(one)
        read = 0

        def done() -> bool:
            nonlocal read
            read += len(other.receive())
            return read == octets

        assert self.network.run_until(done, limit=5.0)


def made() -> collections.Counter[type]:
    """Return how many there are of each of the parts."""
    gc.collect()
    return collections.Counter(type(each) for each in gc.get_objects() if type(each) in PARTS)


@pytest.fixture
def pairs() -> Pairs:
    return Pairs()


def test_a_quiet_connection_has_none_of_its_own(pairs: Pairs) -> None:
    """There is one for each table at the most."""
    opened = [pairs.open()]
    before = made()
    opened += [pairs.open() for _ in range(20)]
    assert made() - before == collections.Counter()
    assert len(opened) == 21


def test_who_sends_again_has_its_own(pairs: Pairs) -> None:
    """RTO-16, RACK-13: and nobody else hears of it."""
    (ours, theirs), (other, _) = pairs.open(), pairs.open()
    pairs.network.run_until(lambda: False, limit=0.5)  # all is acknowledged
    before = made()
    pairs.network.link(CLIENT[0], SERVER[0], loss=1.0)
    ours.send(b"lost")
    pairs.client.table.touch(ours)
    pairs.network.run_until(lambda: ours.info().resent, limit=2.0)
    pairs.network.link(CLIENT[0], SERVER[0], loss=0.0)
    assert pairs.network.run_until(lambda: theirs.receive() == b"lost", limit=5.0)
    gained = made() - before
    assert (gained[Recovery], gained[Rack]) == (1, 1)
    assert not other.info().reordering_seen
    rack = NOTHING_MISSING.rack
    assert NOTHING_MISSING.phase is Phase.OPEN
    assert NOTHING_MISSING.deadline is None
    assert rack is not None
    assert rack.is_behind(1, None)
    assert not rack.reordering_seen


def test_DEF_38_BUF_3_who_carries_much_has_its_own(pairs: Pairs) -> None:
    (ours, theirs), (other, _) = pairs.open(), pairs.open()
    assert theirs.info().rcv_rtt is None
    size = ours.info().pmtu
    before = made()
    for _ in range(4):
        pairs.carry(ours, theirs, 100_000)
    gained = made() - before
    assert (gained[PathMtu], gained[Pacer]) == (1, 1)
    assert gained[Autotune] == 1
    assert theirs.info().rcv_rtt == pytest.approx(0.02, abs=0.002)
    assert ours.info().pmtu > size == other.info().pmtu
    assert UNTUNED.rtt is None


@pytest.mark.parametrize("lane", ["auto", "python", "off"])
def test_BUF_3_the_round_trip_is_known_once_more_than_a_little_has_come(lane: str) -> None:
    """Whoever serves the connection."""
    pairs = Pairs()
    config = Config(lane=lane)  # type: ignore[arg-type]
    ours = pairs.client.table.open_active(pairs.server.path, 80, 0.0, config=config)
    pairs.network.run_until(lambda: bool(pairs._listener.accepted), limit=1.0)
    theirs = pairs._listener.accepted.popleft()

    def after(octets: int) -> ConnectionInfo:
        for _ in range(octets // 64):
            pairs.carry(ours, theirs, 64)
            pairs.carry(theirs, ours, 64)
        return ours.info()

    assert after(LITTLE).rcv_rtt is None
    assert after(64).rcv_rtt == pytest.approx(0.02, abs=0.002)


def test_W_53_a_smaller_limit_is_for_one_alone() -> None:
    shared = PathMtu(Payloads(1200, 548, 1472, 1472), search=True, shared=True)
    own = shared.own()
    assert own is not shared
    assert own.own() is own
    own.limit(600)
    assert (own.plpmtu, shared.plpmtu) == (600, 1200)
    assert shared.own().plpmtu == 1200
    assert shared.begins_like(Payloads(1200, 548, 1472, 1472), True)
    assert not shared.begins_like(Payloads(1200, 548, 1472, 1472), False)
    assert not own.begins_like(Payloads(1200, 548, 1472, 1472), True)
