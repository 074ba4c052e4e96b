"""A flood of SYNs with forged sources: what it leaves behind, and what it costs everybody else.

``RUDP_FLOOD=200000`` makes it as large as a release is tried with; each address sends four SYNs.
"""

import os
import random
import tracemalloc
from typing import Final, Unpack

import pytest

from rudp.config import Config
from rudp.core.demux.table import ConnectionTable
from rudp.core.life.connection import Connection
from rudp.core.segment import options, wire
from rudp.core.terms.counters import Count
from rudp.sim.link import UDP_OVERHEAD, Link, LinkOptions
from rudp.sim.network import Network, Node

SYNS: Final = int(os.environ.get("RUDP_FLOOD", "20000"))
PER_ADDRESS: Final = 4
PER_SECOND: Final = 10_000
SERVER: Final = ("10.0.0.2", 7000)
PORT: Final = 7000
RATE: Final = 50e6
DELAY: Final = 0.01
CHUNK: Final = 64 * 1024


class Flood:
    """SYNs as many clients would send them, each from one of many addresses."""

    def __init__(self) -> None:
        self.chance = random.Random(7)
        self.sources = [
            (
                f"198.{18 + n // 65_536}.{n // 256 % 256}.{n % 256}",
                self.chance.randrange(1024, 65_536),
            )
            for n in range(max(SYNS // PER_ADDRESS, 1))
        ]
        self.sent = 0

    def syn(self) -> tuple[bytes, tuple[str, int]]:
        """Return the next SYN and where it claims to be from."""
        source = self.sources[self.sent % len(self.sources)]
        self.sent += 1
        opts = options.encode_syn(
            1452,
            window_scale=7,
            sack_permitted=True,
            timestamps=(self.chance.getrandbits(32), 0),
        )
        ports = self.chance.randrange(1024, 65_536) << 16 | PORT
        seq = self.chance.getrandbits(32)
        return wire.pack_segment(ports, seq, 0, wire.SYN, 65_535, opts), source


class AccessLink(Network):
    """A network in which the server has one link to all the world, and one from it."""

    def link(self, source: str, destination: str, **settings: Unpack[LinkOptions]) -> Link:
        if SERVER[0] in (source, destination):
            source, destination = (
                ("world", destination) if destination == SERVER[0] else (source, "world")
            )
        return super().link(source, destination, **settings)


class Exchange:
    """The server, four clients that download without end, and more that come for an echo."""

    def __init__(self) -> None:
        self.network = AccessLink(
            seed=3,
            delay=DELAY,
            rate=RATE,
            queue=int(2 * DELAY * RATE / 8),
            overhead=UDP_OVERHEAD,
        )
        self.server = self.network.host(SERVER)
        self.listener = self.server.table.listen(PORT)
        self.bulk = self.network.host(("10.0.0.1", 4000))
        self.visitors = self.network.host(("10.0.0.3", 4000))
        self.downloads = [self.open(self.bulk) for _ in range(4)]
        self.serving: list[Connection] = []
        self.echoing: list[Connection] = []
        self.visits: dict[Connection, tuple[bytes, bytearray]] = {}
        self.waiting: list[Connection] = []
        self.delivered = 0

    def open(self, node: Node[ConnectionTable]) -> Connection:
        return node.table.open_active(self.server.path, PORT, self.network.clock.now)

    def visit(self) -> None:
        """A new client opens, says something and waits to hear it again."""
        connection = self.open(self.visitors)
        text = f"visit {len(self.visits)} ".encode() * 100
        connection.send(text)
        self.visits[connection] = text, bytearray()
        self.waiting.append(connection)

    def turn(self) -> None:
        """Let every program do what its connection allows."""
        while self.listener.accepted:
            connection = self.listener.accepted.popleft()
            visitor = connection.path[0] == self.visitors.address
            (self.echoing if visitor else self.serving).append(connection)
        for connection in self.serving:
            while connection.unsent_octets < 4 * CHUNK:
                connection.send(bytes(CHUNK))
                self.server.table.touch(connection)
        for connection in list(self.echoing):
            if data := connection.receive():
                connection.send(data)
                self.server.table.touch(connection)
            if connection.fin_received:
                connection.close(self.network.clock.now)
                self.server.table.touch(connection)
                self.echoing.remove(connection)
        for connection in self.downloads:
            if data := connection.receive():
                self.delivered += len(data)
                self.bulk.table.touch(connection)
        for connection in list(self.waiting):
            if data := connection.receive():
                text, heard = self.visits[connection]
                heard += data
                if len(heard) == len(text):
                    connection.close(self.network.clock.now)
                    self.waiting.remove(connection)
                self.visitors.table.touch(connection)

    def run(self, seconds: float) -> int:
        """Let time pass; return the octets per second that were downloaded."""
        before = self.delivered
        end = self.network.clock.now + seconds

        def over() -> bool:
            self.turn()
            return self.network.clock.now >= end

        self.network.run_until(over, limit=seconds)
        return int((self.delivered - before) / seconds)

    def flood(self, flood: Flood) -> int:
        """Let the flood come, and ten new clients a second; return what was downloaded."""
        clock = self.network.clock
        start = clock.now
        for n in range(SYNS):
            clock.call_at(start + n / PER_SECOND, lambda: self.network.send(*flood.syn(), SERVER))
        for n in range(max(SYNS // 1000, 1)):
            clock.call_at(start + n / 10, self.visit)
        return self.run(SYNS / PER_SECOND)


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_SYNC_1_others_hardly_feel_it() -> None:
    """DEF-41: transfers keep four fifths of their rate, and whoever comes meanwhile is served.

    The flood itself takes a ninth of the link, each way.
    """
    exchange = Exchange()
    exchange.run(1.0)
    seconds = SYNS / PER_SECOND
    before = exchange.run(seconds)
    during = exchange.flood(Flood())
    table = exchange.server.table
    assert table.half_open <= Config().half_open_max
    assert table.connections <= Config().half_open_max + 4 + len(exchange.visits)
    for connection in exchange.serving:
        connection.abort(exchange.network.clock.now)
        table.touch(connection)
    exchange.serving.clear()
    exchange.run(20.0)
    assert not exchange.visitors.table.connections
    for text, heard in exchange.visits.values():
        assert heard == text
    assert table.counters[Count.COOKIE_ACCEPTED] > len(exchange.visits) / 2
    print(f"downloads {before} octets/s, during the flood {during}: {during / before:.3f}")
    assert 0.8 * before < during
    assert exchange.network.run_until(lambda: not table.connections, limit=64.0)


@pytest.mark.slow
def test_SYNC_1_memory_stays_flat() -> None:
    """BUF-6: once as many are half open as may be, nothing of a SYN remains."""
    table = ConnectionTable(Config(), secret=bytes(32), chance=random.Random(1))
    table.listen(PORT)
    flood = Flood()

    def quarter() -> int:
        for _ in range(SYNS // 4):
            data, source = flood.syn()
            now = flood.sent / PER_SECOND
            table.handle_datagrams(data, len(data), (source, ""), now)
            table.handle_timeouts(now)
            while table.poll_transmit(now) is not None:
                pass
            table.poll_events()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        quarter()
        tracemalloc.reset_peak()
        levels = [quarter() for _ in range(3)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    print(f"octets after each quarter: {levels}, at most {peak}")
    # The half-open children grow a little as they send again; nothing is kept for each SYN.
    assert max(levels) - min(levels) < 256 * 1024
    assert peak - min(levels) < 512 * 1024
    assert table.counters[Count.COOKIE_SENT] >= SYNS - 4 * Config().half_open_max
