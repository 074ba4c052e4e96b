"""Congestion controllers share one bottleneck: ``python bench/race.py reno cubic bbr mine.py``.

Each flow of rudp sends as much as its controller lets it, in virtual time, from one host to
another, and all of them through one queue.  Who gets how much, and how long the queue is
meanwhile, is what there is to know of a controller.

A file of your own defines one class that derives from
:class:`rudp.core.congestion.controller.Controller`, or from one of its kinds; that module says
what a controller hears and what it answers.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

if not __package__:  # run as a file: the rest is beside its folder
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import units
from bench.controllers import controller
from bench.link import link_pair, options
from bench.queues import queue
from bench.simulation import Flow, Simulation
from rudp.sim.link import UDP_OVERHEAD

FLOWS_MAX: Final = 64


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python bench/race.py",
        description="Let congestion controllers compete for one link, in virtual time.  Each name "
        "is a flow; a name may come more than once.",
        epilog="Examples: two of a kind, `race.py cubic cubic --stagger 10`; against a deep "
        "buffer, `race.py bbr cubic --buffer 4bdp --plot race.png`; your own, `race.py reno "
        "mine.py`, where mine.py defines one class that derives from "
        "rudp.core.congestion.controller.Controller; L4S, `race.py prague cubic --queue dualpi2`.",
    )
    made.add_argument(
        "flows",
        nargs="+",
        metavar="CONTROLLER",
        help="a name of rudp's (reno, ...), bbr:0.3 for a loss threshold, or a Python file",
    )
    made.add_argument(
        "--rtt",
        type=units.milliseconds,
        default=0.04,
        metavar="MS",
        help="round-trip time without the queue (40ms)",
    )
    made.add_argument(
        "--rate", type=units.rate, default=20e6, metavar="BITS", help="of the link, bit/s (20M)"
    )
    made.add_argument(
        "--buffer",
        type=units.buffer,
        default="1bdp",
        metavar="SIZE",
        help="of the link: 1bdp (rate times RTT, at least 30 packets), 64k octets, 50p packets",
    )
    made.add_argument(
        "--queue",
        default="droptail",
        metavar="KIND",
        help="droptail, codel or dualpi2; the settings of rudp.sim may follow, as in "
        "dualpi2:threshold=0.0005,ramp=0 (droptail)",
    )
    made.add_argument(
        "--loss",
        type=units.percent,
        default=0.0,
        metavar="%",
        help="percentage of packets that are lost besides (0)",
    )
    made.add_argument(
        "--seconds", type=units.seconds, default=30.0, metavar="S", help="to measure (30)"
    )
    made.add_argument(
        "--start",
        type=units.seconds,
        default=5.0,
        metavar="S",
        help="to leave out after the last flow has begun (5)",
    )
    made.add_argument(
        "--stagger",
        type=units.seconds,
        default=0.2,
        metavar="S",
        help="between the beginnings of two flows (0.2)",
    )
    made.add_argument("--seed", type=int, default=0, help="of all chance (0)")
    made.add_argument(
        "--plot", type=Path, metavar="FILE", help="draw goodput and queue over time (matplotlib)"
    )
    made.add_argument("--json", type=Path, metavar="FILE", help="write the figures and the series")
    return made


class Race:
    """The simulation and what is noted of it, every *interval* seconds and for each datagram.

    ``times``: ends of intervals; ``rates``: for each flow, bit/s in each interval; ``queue``: the
    mean seconds a datagram took to get through queue and link in each interval; ``waits``: what
    each took, and ``queued``: what of it was in the queue, by the names of the flows.
    """

    def __init__(self, simulation: Simulation, interval: float) -> None:
        self.simulation = simulation
        self.times: list[float] = []
        self.rates: list[list[float]] = [[] for _ in simulation.flows]
        self.queue: list[float] = []
        self.waits: list[float] = []
        self.queued: dict[int, list[float]] = {}
        self._interval = interval
        simulation.waited = self._waited

    def run(self, until: float) -> None:
        """Go on until *until*; ``waits`` and ``queued`` are then those since the last call."""
        self.waits.clear()
        self.queued.clear()
        simulation = self.simulation
        began = simulation.now
        count = max(round((until - began) / self._interval), 1)
        took = (until - began) / count
        for number in range(1, count + 1):
            before = [flow.received for flow in simulation.flows]
            seen = len(self.waits)
            simulation.run(began + number * took)
            self.times.append(simulation.now)
            self.queue.append(statistics.fmean(self.waits[seen:] or [0.0]))
            for rates, flow, octets in zip(self.rates, simulation.flows, before, strict=True):
                rates.append((flow.received - octets) * 8 / took)

    def _waited(self, flow: Flow, wait: float, sending: float) -> None:
        self.waits.append(wait)
        self.queued.setdefault(id(flow), []).append(max(wait - sending, 0.0))


def percentile(values: Sequence[float], share: float) -> float:
    """Return what *share* of *values* do not exceed, 0.0 if there are none."""
    ordered = sorted(values) or [0.0]
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def jain(shares: Sequence[float]) -> float:
    """Return Jain's index of fairness: 1 if all get the same, 1/n if one gets all."""
    squares = len(shares) * sum(share * share for share in shares)
    return sum(shares) ** 2 / squares if squares else 0.0


def race(given: argparse.Namespace, controllers: Sequence[Any]) -> tuple[Race, dict[str, Any]]:
    """Run the race; return it and its figures."""
    forward, backward = options(rtt=given.rtt, rate=given.rate, queue=given.buffer, loss=given.loss)
    forward["overhead"] = backward["overhead"] = UDP_OVERHEAD
    limit = forward["queue"]
    assert isinstance(limit, int)
    forward["queue"] = queue(given.queue, limit)
    simulation = Simulation(*link_pair(forward, backward, given.seed), seed=given.seed)
    for number, (name, congestion) in enumerate(zip(given.flows, controllers, strict=True)):
        simulation.add(Path(name).name, {"congestion": congestion}, start=number * given.stagger)
    run = Race(simulation, max(0.1, 2 * given.rtt))
    start = (len(given.flows) - 1) * given.stagger + given.start
    run.run(start)
    before = [(flow.received, flow.lost, flow.dropped) for flow in simulation.flows]
    link = simulation.forward
    carried, marked = link.sent - link.dropped, link.marked
    run.run(start + given.seconds)
    flows = [
        _figures(flow, earlier, given.seconds)
        for flow, earlier in zip(simulation.flows, before, strict=True)
    ]
    rates = [flow["mbits"] for flow in flows]
    for flow in flows:
        flow["share"] = flow["mbits"] / sum(rates) if any(rates) else 0.0
    for flow, each in zip(flows, simulation.flows, strict=True):
        queued = run.queued.get(id(each), [])
        flow["queued_median"] = percentile(queued, 0.5)
        flow["queued_p99"] = percentile(queued, 0.99)
    waits = run.waits or [0.0]
    return run, {
        "flows": flows,
        "mbits": sum(rates),
        "utilisation": sum(rates) * 1e6 / given.rate,
        "jain": jain(rates),
        "queue_mean": statistics.fmean(waits),
        "queue_p95": percentile(waits, 0.95),
        "marked": (link.marked - marked) / max(link.sent - link.dropped - carried, 1),
    }


def _figures(flow: Flow, before: tuple[int, int, int], seconds: float) -> dict[str, Any]:
    received, lost, dropped = before
    return {
        "name": flow.name,
        "mbits": (flow.received - received) * 8 / seconds / 1e6,
        "lost": flow.lost - lost,
        "dropped": flow.dropped - dropped,
    }


def show(figures: dict[str, Any]) -> None:
    """Print the figures."""
    print(
        f"{'flow':<24}{'Mbit/s':>10}{'share':>10}{'lost':>10}{'in queue':>10}"
        f"{'waits, ms':>12}{'p99':>8}"
    )
    for flow in figures["flows"]:
        print(
            f"{flow['name']:<24}{flow['mbits']:>10.2f}{flow['share']:>10.1%}"
            f"{flow['lost']:>10,}{flow['dropped']:>10,}"
            f"{flow['queued_median'] * 1e3:>12.2f}{flow['queued_p99'] * 1e3:>8.2f}"
        )
    print(
        f"\n{figures['mbits']:.2f} Mbit/s of data in all, {figures['utilisation']:.1%} of the "
        f"link; Jain's index {figures['jain']:.3f}\n"
        f"through queue and link in {figures['queue_mean'] * 1e3:.1f} ms in the mean, "
        f"{figures['queue_p95'] * 1e3:.1f} ms at the 95th percentile"
        + (f"; {figures['marked']:.2%} marked" if figures["marked"] else "")
    )


def plot(run: Race, file: Path) -> None:
    """Draw goodput of each flow and the queue over time; ImportError without matplotlib."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    for flow, rates in zip(run.simulation.flows, run.rates, strict=True):
        above.plot(run.times, [rate / 1e6 for rate in rates], label=flow.name)
    above.set_ylabel("goodput, Mbit/s")
    above.legend()
    below.plot(run.times, [wait * 1e3 for wait in run.queue], color="black")
    below.set_ylabel("queue, ms")
    below.set_xlabel("s")
    for axes in (above, below):
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    figure.savefig(file)


def main(arguments: Sequence[str] | None = None) -> None:
    made = parser()
    given = made.parse_args(arguments)
    if len(given.flows) > FLOWS_MAX:
        made.error(f"at most {FLOWS_MAX} flows")
    if given.seconds <= 0:
        made.error("--seconds must be above 0")
    try:
        controllers = [controller(name) for name in given.flows]
    except ValueError as error:
        made.error(str(error))
    try:
        run, figures = race(given, controllers)
    except ValueError as error:
        made.error(str(error))
    show(figures)
    if given.json is not None:
        series = {"times": run.times, "rates": run.rates, "queue": run.queue}
        given.json.write_text(json.dumps(figures | {"series": series}, indent=1) + "\n")
    if given.plot is not None:
        try:
            plot(run, given.plot)
        except ImportError:
            made.exit(1, "--plot needs matplotlib: pip install 'aiorudp[bench]'\n")
        except (OSError, ValueError) as error:
            made.exit(1, f"cannot draw {given.plot}: {error}\n")


if __name__ == "__main__":
    main()
