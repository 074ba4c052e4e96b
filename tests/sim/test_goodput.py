"""Goodput in virtual time, held against a table that is kept.

Chance is seeded, so that a figure changes only when what is sent changes.  A change for the better
is one to be kept: ``python -m bench.lossy --sim --update`` writes the table anew, which takes some
minutes; the cells tried here are those of 10 Mbit/s that say most.
"""

import pytest

from bench import goodput
from bench.cells import Cell, grid
from bench.controllers import controller
from bench.link import link_pair
from bench.simulation import Simulation
from rudp.sim.link import UDP_OVERHEAD

RATE = 10e6
CELLS = [
    Cell(0.02, RATE, "1"),
    Cell(0.02, RATE, "late"),
    Cell(0.1, RATE, "0"),
    Cell(0.2, RATE, "3"),
]
MORE_CELLS = [Cell(0.02, RATE, "0"), Cell(0.02, RATE, "burst"), Cell(0.1, RATE, "1")]
RELATIVE, ABSOLUTE = 0.25, 0.05
"""How far a figure may be from the table's, as a share of it and in Mbit/s."""


def test_the_table_is_whole() -> None:
    for name, cells in goodput.load().items():
        controller(name)
        assert set(cells) == {str(cell) for cell in grid()}


@pytest.mark.parametrize(
    "cell",
    [*CELLS, *(pytest.param(cell, marks=pytest.mark.slow) for cell in MORE_CELLS)],
    ids=str,
)
@pytest.mark.parametrize("congestion", goodput.load())
def test_goodput_is_what_it_was(congestion: str, cell: Cell) -> None:
    kept = goodput.load()[congestion][str(cell)]
    assert goodput.measure(cell, congestion)["mbits"] == pytest.approx(
        kept, rel=RELATIVE, abs=ABSOLUTE
    )


def test_two_runs_of_one_seed_are_alike() -> None:
    cell = Cell(0.02, RATE, "3")
    first, second = (goodput.measure(cell, "newreno", start=1.0, seconds=1.0) for _ in range(2))
    assert first == second
    other = goodput.measure(cell, "newreno", start=1.0, seconds=1.0, seed=1)
    assert other != first


def test_flows_share_the_link_and_no_more() -> None:
    forward, backward = Cell(0.02, RATE, "0").options()
    forward["overhead"] = backward["overhead"] = UDP_OVERHEAD
    simulation = Simulation(*link_pair(forward, backward, 0))
    waits: list[float] = []
    simulation.waited = lambda flow, wait, sending: waits.append(wait)
    for start in (0.0, 0.1, 0.2):
        simulation.add("newreno", {"congestion": "newreno"}, start=start)
    simulation.run(5.0)
    received = [flow.received for flow in simulation.flows]
    assert all(received)
    assert sum(received) * 8 <= RATE * 5.0
    queue = forward["queue"]
    assert isinstance(queue, int)
    assert 0.0 < max(waits) <= (queue + 1500) * 8 / RATE
