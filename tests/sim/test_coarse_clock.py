"""A clock that moves on every 15.6 ms, as on Windows before Python 3.13: many round trips in one.

Time says nothing then about what left first or how far away the peer is, and little about when
the next burst may leave; neither may cost much.
"""

import math

import pytest

from rudp.config import Config, Congestion
from rudp.core.congestion import bbr, pacing
from rudp.core.demux.table import ConnectionTable
from rudp.core.loss import rtt as estimator
from rudp.core.loss import tailprobe
from rudp.core.segment.transmit import Path, Transmit
from rudp.sim.network import Network

TICK = 1 / 64
OCTETS = 2_000_000


class Coarse:
    """A table that is told the time of the last tick, and wakes at the next."""

    def __init__(self, table: ConnectionTable) -> None:
        self.table = table

    @staticmethod
    def _at(now: float) -> float:
        return math.floor(now / TICK + 1e-9) * TICK

    @property
    def next_deadline(self) -> float:
        deadline = self.table.next_deadline
        return deadline if deadline == math.inf else math.ceil(deadline / TICK) * TICK

    def handle_datagrams(self, data: bytes, stride: int, path: Path, now: float, ecn: int) -> None:
        self.table.handle_datagrams(data, stride, path, self._at(now), ecn)

    def handle_timeouts(self, now: float) -> None:
        self.table.handle_timeouts(self._at(now))

    def poll_transmit(self, now: float) -> Transmit | None:
        return self.table.poll_transmit(self._at(now))


def transfer(rtt: float, rate: float, loss: float, congestion: Congestion, coarse: bool) -> float:
    """Return the seconds that OCTETS take; none but what is lost is sent again with CUBIC."""
    config = Config(congestion=congestion)
    queue = int(max(2 * rate * rtt / 8, 45_000))
    network = Network(seed=1, delay=rtt / 2, rate=rate, queue=queue)
    far = network.host(("10.0.0.2", 7000), config)
    near = network.host(("10.0.0.1", 7000), config)
    there, here = far.table, near.table
    listener = there.listen(80)
    writer = here.open_active(far.path, 80, 0.0)
    if coarse:
        far.table, near.table = Coarse(there), Coarse(here)  # type: ignore[assignment]
    assert network.run_until(lambda: bool(listener.accepted), limit=1.0)
    reader = listener.accepted.popleft()
    link = network.link("10.0.0.1", "10.0.0.2", loss=loss)
    got = 0

    def read() -> bool:
        nonlocal got
        if reader.readable_octets:
            got += len(reader.receive())
            there.touch(reader)
        return got == OCTETS

    writer.send(bytes(OCTETS))
    here.touch(writer)
    began = network.clock.now
    assert network.run_until(read, limit=100.0)
    if congestion == "cubic":
        assert writer.info().resent <= (link.lost + link.dropped) * writer.mss
    return network.clock.now - began


@pytest.mark.parametrize("loss", [0.0, 0.01])
@pytest.mark.parametrize(
    ("congestion", "rtt", "rate"),
    [("cubic", 0.0005, 100e6), ("cubic", 0.02, 10e6), ("bbr", 0.02, 10e6), ("bbr", 0.1, 20e6)],
)
def test_a_clock_of_fifteen_milliseconds(
    monkeypatch: pytest.MonkeyPatch, congestion: Congestion, rtt: float, rate: float, loss: float
) -> None:
    """PACE-2, PACE-4, RACK-9: as much gets through as with a fine clock, nearly."""
    fine = transfer(rtt, rate, loss, congestion, coarse=False)
    monkeypatch.setattr(pacing, "BURST_SECONDS", TICK)
    monkeypatch.setattr(bbr, "BURST_SECONDS", TICK)
    monkeypatch.setattr(tailprobe, "PTO_MIN", 2 * TICK)
    monkeypatch.setattr(estimator, "GRANULARITY", TICK)
    assert transfer(rtt, rate, loss, congestion, coarse=True) < 1.5 * fine
