"""Little is written for a while, and then much: what was learned meanwhile must not slow it down.

Whole connections on a path of 100 ms that carries anything.
"""

import pytest

from rudp.config import Config, Congestion
from rudp.core.life.connection import Connection
from rudp.sim.network import Network

RTT = 0.1


class Writer:
    """A connection of one writer and a reader that takes all; *drop* data segments are lost."""

    def __init__(self, congestion: Congestion) -> None:
        config = Config(congestion=congestion)
        self.network = Network(seed=1, delay=RTT / 2)
        far = self.network.host(("10.0.0.2", 7000), config)
        near = self.network.host(("10.0.0.1", 7000), config)
        self._far, self._near = far.table, near.table
        listener = far.table.listen(80)
        self.connection: Connection = near.table.open_active(far.path, 80, 0.0)
        assert self.network.run_until(lambda: bool(listener.accepted), limit=1.0)
        self._reader: Connection = listener.accepted.popleft()
        self._got = self._written = 0

    def _read(self) -> bool:
        if self._reader.readable_octets:
            self._got += len(self._reader.receive())
            self._far.touch(self._reader)
        return self._got == self._written

    def write(self, octets: int) -> float:
        """Write *octets*; return the seconds until they have arrived."""
        began = self.network.clock.now
        self.connection.send(bytes(octets))
        self._near.touch(self.connection)
        self._written += octets
        assert self.network.run_until(self._read, limit=1000.0)
        return self.network.clock.now - began

    def pause(self, seconds: float) -> None:
        self.network.run_until(lambda: False, limit=seconds)

    def lose(self, segments: int) -> None:
        """The next *segments* with data do not arrive."""

        def drop(data: bytes, now: float) -> bool:
            nonlocal segments
            if segments and len(data) > 500:
                segments -= 1
                return True
            return False

        self.network.link("10.0.0.1", "10.0.0.2", drop=drop)


@pytest.mark.parametrize("congestion", ["cubic", "newreno", "bbr"])
@pytest.mark.parametrize("first", [1, 10, 100, 1000])
@pytest.mark.parametrize("times", [1, 20])
def test_a_first_write_of_a_few_octets(congestion: Congestion, first: int, times: int) -> None:
    """CC-12: it says nothing about the path; 100 KB take the four round trips of slow start."""
    writer = Writer(congestion)
    for _ in range(times):
        writer.write(first)
        writer.pause(0.05)
    writer.pause(1.0)
    assert writer.write(100_000) < 5 * RTT


@pytest.mark.parametrize("congestion", ["cubic", "newreno"])
@pytest.mark.parametrize("lost", [1, 2, 3])
@pytest.mark.parametrize("pause", [0.0, 0.6, 3.0])
def test_a_loss_while_little_is_written(congestion: Congestion, lost: int, pause: float) -> None:
    """CC-8, CC-9: 400 KB later take twice as long at most as if nothing had been lost."""
    writer = Writer(congestion)
    took = []
    for losses in (0, lost):
        for _ in range(4):
            writer.write(100_000)
        writer.pause(pause)
        writer.lose(losses)
        for _ in range(5):
            writer.write(4000)
        took.append(writer.write(400_000))
        writer = Writer(congestion)
    assert took[1] < 2 * took[0]
