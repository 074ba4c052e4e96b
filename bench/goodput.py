"""Steady goodput of rudp in virtual time, cell by cell, and the table of it that is kept.

The start is left out, because it is about something else.  A cell of little goodput is simulated
for longer than one of much: it costs little, and its losses are so few that chance decides.
"""

import json
from pathlib import Path
from typing import Any, Final

from bench.cells import Cell
from bench.controllers import controller
from bench.link import link_pair
from bench.simulation import Flow, Simulation
from rudp.sim.link import UDP_OVERHEAD

START: Final = 5.0
SECONDS: Final = 10.0
OCTETS: Final = 5_000_000
STRETCHES_MAX: Final = 6
"""Measured are *SECONDS*, and as many more times, at most, as it takes for *OCTETS* to arrive."""

TABLE: Final = Path(__file__).resolve().parents[1] / "tests" / "sim" / "goodput.json"


def measure(
    cell: Cell,
    congestion: str,
    settings: dict[str, Any] | None = None,
    *,
    start: float = START,
    seconds: float = SECONDS,
    seed: int = 0,
) -> dict[str, Any]:
    """Return what one flow of rudp with *congestion* achieves on the path *cell*.

    ``mbits``: megabits of data a second after *start* seconds; over the whole run ``resent``
    octets and ``lost`` datagrams.
    """
    forward, backward = cell.options()
    forward["overhead"] = backward["overhead"] = UDP_OVERHEAD
    simulation = Simulation(*link_pair(forward, backward, seed), seed=seed)
    flow: Flow = simulation.add(
        congestion, (settings or {}) | {"congestion": controller(congestion)}
    )
    simulation.run(start)
    before = flow.received
    measured = 0.0
    for _ in range(STRETCHES_MAX):
        measured += seconds
        simulation.run(start + measured)
        if flow.received - before >= OCTETS:
            break
    return {
        "mbits": (flow.received - before) * 8 / measured / 1e6,
        "resent": flow.info().resent,
        "lost": flow.lost,
    }


def load() -> dict[str, dict[str, float]]:
    """Return the table that is kept: Mbit/s by controller and by name of the cell."""
    table: dict[str, dict[str, float]] = json.loads(TABLE.read_text())
    return table


def store(table: dict[str, dict[str, float]]) -> None:
    """Keep *table*, leaving what it does not mention as it was."""
    kept = load() if TABLE.exists() else {}
    for name, cells in table.items():
        kept.setdefault(name, {}).update(cells)
    TABLE.write_text(json.dumps(kept, indent=1) + "\n")
