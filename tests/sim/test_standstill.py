"""One end stands still, or acknowledgements are lost: the time that passes is no round trip.

A process is stopped, a loop is blocked by a computation, a debugger waits.  What the sender learns
about that time must not govern what it does after it (UNDO-8, PACE-1).
"""

import math

import pytest

from rudp.aio.endpoint import STANDSTILL
from rudp.config import Config, Congestion
from rudp.core.demux.table import ConnectionTable
from rudp.core.life.connection import Connection
from rudp.core.segment.transmit import Path, Transmit
from rudp.sim.network import Network

SOCKET_OCTETS = 212_992
"""What a socket keeps for a process that does not read it: Linux's default."""

CHUNK = 65_536
PERIOD = 0.05


class Sleeper:
    """A table whose process can be stopped: its socket fills up, its timers are late."""

    def __init__(self, table: ConnectionTable) -> None:
        self.table = table
        self.asleep = False
        self._held: list[tuple[bytes, int, Path, int]] = []
        self._room = SOCKET_OCTETS

    @property
    def next_deadline(self) -> float:
        return math.inf if self.asleep else self.table.next_deadline

    def handle_datagrams(self, data: bytes, stride: int, path: Path, now: float, ecn: int) -> None:
        if not self.asleep:
            self.table.handle_datagrams(data, stride, path, now, ecn)
        elif len(data) <= self._room:
            self._room -= len(data)
            self._held.append((data, stride, path, ecn))

    def handle_timeouts(self, now: float) -> None:
        if not self.asleep:
            self.table.handle_timeouts(now)

    def poll_transmit(self, now: float) -> Transmit | None:
        return None if self.asleep else self.table.poll_transmit(now)

    def wake(self, now: float) -> None:
        self.asleep = False
        late = now - self.table.next_deadline
        if late > STANDSTILL:  # as an endpoint sees it
            self.table.stood_still(late)
        for data, stride, path, ecn in self._held:
            self.table.handle_datagrams(data, stride, path, now, ecn)
        self._held.clear()
        self._room = SOCKET_OCTETS
        self.table.handle_timeouts(now)


class Stream:
    """A writer of 1.3 MB/s, a reader that takes all, and a path of 1 ms between them."""

    def __init__(self, **settings: object) -> None:
        config = Config(mss=1440, **settings)  # type: ignore[arg-type]
        self.network = Network(seed=1, delay=0.0005)
        far = self.network.host(("10.0.0.2", 7000), config)
        near = self.network.host(("10.0.0.1", 7000), config)
        self._far, self._near = far.table, near.table
        listener = self._far.listen(80)
        self.writer: Connection = self._near.open_active(far.path, 80, 0.0)
        assert self.network.run_until(lambda: bool(listener.accepted), limit=1.0)
        self.reader: Connection = listener.accepted.popleft()
        self.ends = {"reader": Sleeper(self._far), "writer": Sleeper(self._near)}
        far.table, near.table = self.ends["reader"], self.ends["writer"]  # type: ignore[assignment]
        self.got = 0

    def _read(self) -> bool:
        if not self.ends["reader"].asleep and self.reader.readable_octets:
            self.got += len(self.reader.receive())
            self._far.touch(self.reader)
        return False

    def run(self, seconds: float) -> float:
        """Go on for *seconds*; return the octets a second that arrive."""
        end = self.network.clock.now + seconds
        before = self.got
        while self.network.clock.now < end - 1e-9:
            if not self.ends["writer"].asleep and self.writer.unsent_octets < 4 * CHUNK:
                self.writer.send(bytes(CHUNK))
                self._near.touch(self.writer)
            self.network.run_until(self._read, limit=min(PERIOD, end - self.network.clock.now))
        return (self.got - before) / seconds


@pytest.mark.parametrize("seconds", [0.15, 0.25, 5.0, 56.0])
@pytest.mark.parametrize("stopped", ["reader", "writer", "reader writer"])
@pytest.mark.parametrize("timestamps", [False, True])
@pytest.mark.parametrize("congestion", ["cubic", "newreno", "bbr"])
def test_it_goes_on_as_it_was(
    congestion: Congestion, timestamps: bool, stopped: str, seconds: float
) -> None:
    """UNDO-8, PACE-1: from the first second on, and with the estimate of before."""
    stream = Stream(congestion=congestion, timestamps=timestamps)
    rate = stream.run(2.0)
    for end in stopped.split():
        stream.ends[end].asleep = True
    stream.run(seconds)
    for end in stopped.split():
        stream.ends[end].wake(stream.network.clock.now)
    assert stream.run(1.0) > 0.99 * rate
    info = stream.writer.info()
    assert info.srtt is not None
    assert info.srtt < 0.1
    assert info.rto < 1.0


@pytest.mark.parametrize("timestamps", [False, True])
def test_what_waits_in_the_socket_measures_no_round_trip(timestamps: bool) -> None:
    """UNDO-8: the acknowledgements came in time, and were read when the process went on."""
    stream = Stream(timestamps=timestamps)
    stream.run(1.0)
    before = stream.writer.info()
    stream.writer.send(bytes(CHUNK))
    stream.ends["writer"].table.touch(stream.writer)
    stream.network.run_until(lambda: stream.writer.unacked_octets, limit=1.0)
    stream.ends["writer"].asleep = True
    stream.run(20.0)
    stream.ends["writer"].wake(stream.network.clock.now)
    after = stream.writer.info()
    assert (after.srtt, after.rto) == (before.srtt, before.rto)
    stream.run(0.1)
    assert stream.writer.info().rto < 0.3


def test_a_handshake_in_trouble_does_not_govern_the_rto() -> None:
    """RTO-4, RTO-7: the echo of SYN,ACK is that of the SYN, however often it is sent."""
    network = Network(seed=1, delay=0.005)
    far, near = network.host(("10.0.0.2", 7000)), network.host(("10.0.0.1", 7000))
    listener = far.table.listen(80)
    network.link("10.0.0.1", "10.0.0.2", drop=lambda data, now: now < 0.5)  # the first SYN
    network.link("10.0.0.2", "10.0.0.1", drop=lambda data, now: now < 1.5)  # and its answer
    writer = near.table.open_active(far.path, 80, 0.0)
    assert network.run_until(lambda: bool(listener.accepted), limit=5.0)
    for _ in range(2):
        writer.send(b"word")
        near.table.touch(writer)
        network.run_until(lambda: False, limit=0.1)
    assert writer.info().rto < 0.4


def transfer(seed: int, loss: float, octets: int, limit: float, config: Config) -> Connection:
    """Send *octets* over 100 ms with *loss* both ways; return the writer, all having arrived."""
    network = Network(seed=seed, delay=0.05)
    far = network.host(("10.0.0.2", 7000), config)
    near = network.host(("10.0.0.1", 7000), config)
    listener = far.table.listen(80)
    writer = near.table.open_active(far.path, 80, 0.0)
    assert network.run_until(lambda: bool(listener.accepted), limit=60.0)
    reader = listener.accepted.popleft()
    for ends in (("10.0.0.1", "10.0.0.2"), ("10.0.0.2", "10.0.0.1")):
        network.link(*ends, loss=loss)
    got = 0

    def read() -> bool:
        nonlocal got
        if reader.readable_octets:
            got += len(reader.receive())
            far.table.touch(reader)
        return got == octets

    writer.send(bytes(octets))
    near.table.touch(writer)
    assert network.run_until(read, limit)
    return writer


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("congestion", ["cubic", "newreno"])
@pytest.mark.parametrize(("loss", "kbits"), [(0.05, 300), (0.1, 150)])
def test_loss_both_ways(congestion: Congestion, loss: float, kbits: float, seed: int) -> None:
    """UNDO-6, UNDO-8, RTO-12: SRTT stays near 100 ms, and what gets through is worth having.

    Three quarters of what the worst of ten seeds gave is asked for.
    """
    octets = 500_000
    limit = octets * 8 / 1000 / kbits
    writer = transfer(seed, loss, octets, limit, Config(congestion=congestion))
    srtt = writer.info().srtt
    assert srtt is not None
    assert srtt < 0.25
