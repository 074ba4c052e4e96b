"""Header prediction changes what a segment costs, and nothing else.

The same traffic over the same path, once with it and once without: every datagram that leaves, when
and why, and what each side knows after every segment, are the same.
"""

import random
from typing import Any

import pytest

from rudp.config import Config
from rudp.core.life import arrival
from rudp.core.life.connection import Connection
from rudp.core.life.prediction import as_predicted
from rudp.core.life.tcb import Tcb
from rudp.core.receive.receiver import Receiver
from rudp.core.segment.transmit import Transmit
from rudp.core.segment.wire import Run
from rudp.core.terms.counters import Count
from rudp.core.terms.why import Why
from rudp.core.watch.tracer import Tracer, Watched
from rudp.sim.network import Network

CLIENT = ("10.0.0.1", 40_000)
SERVER = ("10.0.0.2", 7000)
SIZES = (1, 64, 500, 1448, 5000, 70_000)
TURNS = 400

pytestmark = pytest.mark.skipif(
    not str(arrival.__file__).endswith(".py"), reason="compiled functions cannot be replaced"
)

BAD = {"loss": 0.02, "reorder": 0.03, "reorder_delay": 0.01, "duplicate": 0.01}
PATHS: dict[str, dict[str, Any]] = {
    "clean": {"delay": 0.01},
    "narrow": {"delay": 0.01, "rate": 250_000, "queue": 20_000},
    "marking": {"delay": 0.01, "rate": 250_000, "queue": 100_000, "mark": 3000},
    "bad": {"delay": 0.01, **BAD},
}


class Diary(Tracer):
    """Writes down what happens."""

    def __init__(self) -> None:
        self.pages: list[tuple[Any, ...]] = []

    def run_sent(self, who: Watched, transmit: Transmit, why: Why, now: float) -> None:
        self.pages.append((now, why, transmit.datagrams()))

    def run_processed(self, who: Watched, run: Run, dropped: Count | None, now: float) -> None:
        self.pages.append((now, run.seq, dropped, who.blocks()))


def talk(path: dict[str, Any], config: Config, seed: int) -> list[tuple[Any, ...]]:
    """Let both sides write and read at random; return the diary of both."""
    network = Network(seed=seed, **path)
    diary = Diary()
    a, b = network.host(CLIENT, config), network.host(SERVER, config)
    a.table.tracer = b.table.tracer = diary
    a.table.enable_ecn()
    b.table.enable_ecn()
    listener = b.table.listen(7000)
    client = a.table.open_active(b.path, 7000, network.clock.now)
    assert network.run_until(lambda: bool(listener.accepted), limit=60.0)
    chance = random.Random(seed)
    sides = [(a.table, client), (b.table, listener.accepted.popleft())]
    for _ in range(TURNS):
        for table, connection in sides:
            _act(connection, chance, network.clock.now)
            table.touch(connection)
        network.run_until(lambda: False, limit=chance.choice((0.0, 0.001, 0.03)))
    return diary.pages


def _act(connection: Connection, chance: random.Random, now: float) -> None:
    if connection.unsent_octets < SIZES[-1] and chance.random() < 0.5:
        connection.send(chance.randbytes(chance.choice(SIZES)))
    if chance.random() < 0.8:
        connection.receive(chance.choice((None, 1000)))


@pytest.mark.parametrize("options", [{}, {"timestamps": False}, {"sack": False}, {"ecn": "on"}])
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("seed", range(4))
def test_the_wire_does_not_tell(
    monkeypatch: pytest.MonkeyPatch, path: str, options: dict[str, Any], seed: int
) -> None:
    """§3.10.7.4, TS-3, DACK-1: step by step or at once."""
    predicted = 0

    def count(tcb: Tcb, receiver: Receiver, run: Run, now: float) -> bool:
        nonlocal predicted
        found = as_predicted(tcb, receiver, run, now)
        predicted += found
        return found

    config = Config(**options)
    monkeypatch.setattr(arrival, "as_predicted", count)
    at_once = talk(PATHS[path], config, seed)
    monkeypatch.setattr(arrival, "as_predicted", lambda *args: False)
    step_by_step = talk(PATHS[path], config, seed)
    assert (predicted > 20) is config.timestamps
    assert len(at_once) == len(step_by_step) > 300
    for here, there in zip(at_once, step_by_step, strict=True):
        assert here == there
