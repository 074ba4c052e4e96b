"""A client that comes back: how long 10 MB take then, and what happens if the path has changed."""

import asyncio
import dataclasses
from typing import Any

import pytest

import rudp
from rudp.core.congestion.resume import SavedPaths
from rudp.core.demux.table import ConnectionTable
from rudp.core.life.connection import Connection
from rudp.sim.network import Network, Node

CLIENT = ("10.0.0.1", 40_000)
SERVER = ("10.0.0.2", 7000)
RTT = 0.1
SIZE = 10_000_000
BUFFER = {"receive_buffer": 1 << 24}


@dataclasses.dataclass
class World:
    """A server that sends, a client that reads, and 100 ms between them."""

    rate: float
    paths: SavedPaths | None
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        settings = BUFFER | self.settings
        bdp = int(self.rate * RTT / 8)
        self.network = Network(seed=1, delay=RTT / 2, rate=self.rate, queue=max(bdp, 30_000))
        self.client = self.network.host(CLIENT, rudp.Config(**settings))
        config = rudp.Config(careful_resume=self.paths, **settings)
        self.server = self.network.host(SERVER, config)
        self.listener = self.server.table.listen(7000)
        self.seen: list[str] = []

    def narrow(self, factor: float) -> None:
        """The way to the client has another rate from now on."""
        rate = self.rate * factor
        queue = max(int(rate * RTT / 8), 30_000)
        self.network.link(SERVER[0], CLIENT[0], rate=rate, queue=queue)

    def open(self) -> tuple[Connection, Connection]:
        ours = self.client.table.open_active(self.server.path, 7000, self.now)
        assert self.network.run_until(lambda: bool(self.listener.accepted), limit=10.0)
        return ours, self.listener.accepted.popleft()

    @property
    def now(self) -> float:
        return self.network.clock.now

    def send(self, ours: Connection, served: Connection, size: int) -> None:
        served.send(bytes(size))
        self.server.table.touch(served)
        came = 0

        def turn() -> bool:
            nonlocal came
            if not ours.readable_octets:
                return False
            before, came = came, came + len(ours.receive())
            self.client.table.touch(ours)
            if before >> 15 != came >> 15:
                name = served.info().congestion
                if name not in self.seen[-1:]:
                    self.seen.append(name)
            return came >= size

        assert self.network.run_until(turn, limit=600.0)

    def end(self, node: Node[ConnectionTable], connection: Connection) -> None:
        connection.close(self.now)
        node.table.touch(connection)

    def transfer(self, size: int = SIZE) -> tuple[float, int]:
        """Return the seconds that a connection and *size* octets take, and what was sent again."""
        began = self.now
        self.seen.clear()
        ours, served = self.open()
        self.send(ours, served, size)
        took = self.now - began
        resent = served.info().resent
        self.end(self.client, ours)
        self.end(self.server, served)
        self.network.run_until(lambda: False, 1.0)
        return took, resent


@pytest.mark.parametrize("rate", [100e6, pytest.param(500e6, marks=pytest.mark.slow)])
def test_RES_13_10_MB_take_30_percent_less_when_the_path_is_known(rate: float) -> None:
    world = World(rate, SavedPaths())
    first, _ = world.transfer()
    again, resent = world.transfer()
    assert again < 0.7 * first
    assert resent == 0
    assert world.seen == ["CarefulResume", "Cubic"]
    assert world.paths is not None
    assert len(world.paths) == 1  # saved anew


def test_without_it_each_connection_begins_alike() -> None:
    world = World(200e6, None)
    first, _ = world.transfer(2_000_000)
    again, _ = world.transfer(2_000_000)
    assert again == pytest.approx(first, rel=0.05)
    assert world.seen == ["Cubic"]


@pytest.mark.parametrize(
    "factor", [0.25, *(pytest.param(factor, marks=pytest.mark.slow) for factor in (0.5, 0.1))]
)
def test_RES_10_RES_13_a_path_that_became_narrower_costs_no_time(factor: float) -> None:
    """Half of what was saved is too much there; the retreat is as quick as slow start was."""
    usual = World(100e6, None)
    usual.narrow(factor)
    expected, _ = usual.transfer()
    world = World(100e6, SavedPaths())
    world.transfer()
    world.narrow(factor)
    took, resent = world.transfer()
    assert took < 1.02 * expected
    assert resent < 0.1 * SIZE
    known = world.paths
    assert known is not None
    assert len(known) == 1  # what the narrow path has taught


def test_RES_5_of_two_connections_at_once_one_resumes() -> None:
    world = World(100e6, SavedPaths())
    world.transfer()
    pairs = [world.open(), world.open()]
    assert [served.info().congestion for _, served in pairs] == ["CarefulResume"] * 2
    jumps = []
    for ours, served in pairs:
        served.send(bytes(1_000_000))
        world.server.table.touch(served)
        world.network.run_until(lambda: False, 0.001)
        jumps.append((ours, served))
    most = [0, 0]

    def turn() -> bool:
        for number, (ours, served) in enumerate(jumps):
            most[number] = max(most[number], served.info().cwnd)
            if ours.receive():
                world.client.table.touch(ours)
        return False

    world.network.run_until(turn, limit=0.13)
    assert most[0] > 500_000
    assert most[1] < 50_000


@pytest.mark.parametrize("congestion", ["bbr", "lossy"])
def test_a_controller_without_a_window_of_its_own_begins_as_ever(congestion: str) -> None:
    world = World(50e6, SavedPaths(), {"congestion": congestion})
    world.transfer(2_000_000)
    world.transfer(2_000_000)
    assert world.seen == ["Bbr"]


def test_RES_1_a_short_connection_leaves_nothing() -> None:
    paths = SavedPaths()
    world = World(100e6, paths)
    world.transfer(20_000)
    assert len(paths) == 0


def test_a_connection_that_resumed_is_steady_afterwards() -> None:
    """And not before: nothing of it is left that would keep it from the quick way."""
    world = World(100e6, SavedPaths())
    world.transfer()
    before = world.server.table.surroundings.lanes_entered
    ours, served = world.open()
    world.send(ours, served, 100_000)
    assert served.info().congestion == "CarefulResume"
    assert world.server.table.surroundings.lanes_entered == before
    world.send(ours, served, 3_000_000)
    assert served.info().congestion == "Cubic"
    assert world.server.table.surroundings.lanes_entered > before


async def fetch(paths: SavedPaths) -> list[float]:
    """Ask twice for 5 MB, over sockets that are closed in between."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes(5_000_000))
        await writer.drain()
        await reader.read()
        writer.close()
        await writer.wait_closed()

    config = rudp.Config(careful_resume=paths, receive_buffer=1 << 24)
    loop = asyncio.get_running_loop()
    times = []
    async with await rudp.start_server(serve, "10.0.0.2", 9000, config=config):
        for _ in range(2):
            began = loop.time()
            reader, writer = await rudp.open_connection("10.0.0.2", 9000, config=config)
            await reader.readexactly(5_000_000)
            times.append(loop.time() - began)
            writer.close()
            await writer.wait_closed()
            await asyncio.sleep(1.0)
    return times


def test_RES_13_streams_that_come_back_are_quicker() -> None:
    first, again = rudp.sim.run(fetch(SavedPaths()), delay=RTT / 2, rate=200e6, queue=2_500_000)
    assert again < 0.7 * first
