"""How much gets through where packets are lost: ``python -m bench.lossy --sim`` or ``--real``.

``--sim`` simulates rudp in virtual time.  ``--real`` sends over :mod:`bench.link` with real
sockets, rudp and the kernel's TCP by turns over the same link, and ``--fetch`` measures there how
long it takes to get a small file.  Reported are medians; of goodput only what comes after a start.
"""

import argparse
import dataclasses
import json
import math
import re
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path as File
from types import FrameType
from typing import Any, Final

import rudp
from bench import ends, goodput, netem, report, units
from bench.cells import CONDITIONS, HELP, RATES, RTTS, Cell, condition, grid
from bench.child import RefusedError
from bench.controllers import ALIASES, available, controller
from bench.link import Path, missing
from bench.netem import NetemPath

FETCH_OCTETS: Final = 100_000
KERNEL: Final = ("cubic", "bbr")
FAILED: Final = {"octets": 0, "resent": 0, "cpu": 0.0, "overflows": 0}
_AVAILABLE: Final = File("/proc/sys/net/ipv4/tcp_available_congestion_control")

Row = dict[str, Any]


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m bench.lossy",
        description="Goodput of rudp over lossy paths, simulated or next to the kernel's TCP.",
        epilog="Example: python -m bench.lossy --real --rtt 20 --loss 1 --rate 100 --rounds 1",
    )
    mode = made.add_mutually_exclusive_group(required=True)
    mode.add_argument("--sim", action="store_true", help="rudp in virtual time")
    mode.add_argument("--real", action="store_true", help="real sockets; Linux and root")
    mode.add_argument("--fetch", action="store_true", help="time to get 100 KB; Linux and root")
    made.add_argument(
        "--netem", action="store_true", help="over the kernel's own tc netem, where it has that"
    )
    cells = made.add_argument_group("cells (all combinations)")
    cells.add_argument("--rtt", nargs="+", type=units.milliseconds, help="ms (2 20 100 200)")
    cells.add_argument("--rate", nargs="+", type=units.megabits, help="Mbit/s (10 100)")
    cells.add_argument("--loss", nargs="+", type=condition, help=f"{HELP} (all)")
    cells.add_argument(
        "--cells",
        nargs="+",
        type=cell,
        metavar="RTT:RATE:LOSS",
        help="single cells, such as 20:100:1 100:10:late, instead of combinations",
    )
    cells.add_argument(
        "--queue", type=units.buffer, default="1bdp", help="1bdp (at least 30 packets), 64k, 50p"
    )
    how = made.add_argument_group("measuring")
    how.add_argument(
        "--controllers",
        type=controllers,
        help="of rudp: names, bbr:0.3 for a loss threshold, or none (those it has of cubic, bbr)",
    )
    how.add_argument("--kernel", type=names_of, help="of the kernel, or none (cubic,bbr)")
    how.add_argument(
        "--config", action="append", type=setting, default=[], metavar="NAME=VALUE",
        help="a field of rudp.Config; may be repeated",
    )  # fmt: skip
    how.add_argument(
        "--start", type=units.seconds, help="s left out (sim: 5; real: 2 and 20 round trips)"
    )
    how.add_argument("--seconds", type=units.seconds, default=10.0, help="s measured (10)")
    how.add_argument("--rounds", type=int, help="of each, by turns (real: 3; fetch: 40)")
    how.add_argument("--seed", type=int, default=0)
    made.add_argument("--json", type=File, metavar="FILE", help="write all that was measured")
    made.add_argument(
        "--update", action="store_true", help="with --sim: keep the figures in tests/sim"
    )
    return made


def controllers(text: str) -> list[str]:
    """Check names of rudp's controllers, separated by commas, or none."""
    names = names_of(text)
    try:
        for name in names:
            controller(name)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return names


def names_of(text: str) -> list[str]:
    """Return names separated by commas, none for ``none``."""
    return [] if text == "none" else text.split(",")


def setting(text: str) -> tuple[str, Any]:
    """Return name and value of a field of :class:`rudp.Config`."""
    found = re.fullmatch(r"(\w+)=(.+)", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    name, word = found.groups()
    try:
        value = json.loads({"True": "true", "False": "false", "None": "null"}.get(word, word))
    except ValueError:
        value = word
    try:
        rudp.Config(**{name: value})
    except (TypeError, ValueError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return name, value


def cell(text: str) -> Cell:
    """Return the path that ``20:100:1`` means: RTT in ms, rate in Mbit/s, condition."""
    parts = text.split(":")
    if len(parts) != 3:
        raise argparse.ArgumentTypeError(f"{text!r} is not RTT:RATE:LOSS, such as 20:100:1")
    return Cell(units.milliseconds(parts[0]), units.megabits(parts[1]), condition(parts[2]))


def chosen_cells(given: argparse.Namespace) -> list[Cell]:
    """Return the cells that were asked for, or those of the mode."""
    if given.cells:
        return [dataclasses.replace(one, queue=given.queue) for one in given.cells]
    rtts, rates, conditions = RTTS, RATES, CONDITIONS
    if given.fetch:
        rtts, rates, conditions = (0.1,), (100e6,), ("0", "1", "3")
    return grid(given.rtt or rtts, given.rate or rates, given.loss or conditions, given.queue)


# -- in virtual time -------------------------------------------------------------------------------


def simulate(cells: Sequence[Cell], given: argparse.Namespace) -> Iterator[Row]:
    """Yield a row for each cell and controller."""
    start = goodput.START if given.start is None else given.start
    settings = dict(given.config)
    for where in cells:
        for name in given.controllers:
            found = goodput.measure(
                where, name, settings, start=start, seconds=given.seconds, seed=given.seed
            )
            yield {"cell": str(where), "variant": f"rudp {name}"} | found


# -- over real sockets -----------------------------------------------------------------------------


def kernel_has(wanted: Sequence[str]) -> list[str]:
    """Return those of the kernel's controllers that it has, and say which it lacks."""
    there = _AVAILABLE.read_text().split()
    for name in wanted:
        if name not in there:
            print(f"The kernel has no {name}; where it is a module: modprobe tcp_{name}")
    return [name for name in wanted if name in there]


def variants(given: argparse.Namespace) -> list[tuple[str, str]]:
    """Return network and controller of all that take their turn."""
    return [("tcp", name) for name in given.kernel] + [("rudp", name) for name in given.controllers]


def transfer(cells: Sequence[Cell], given: argparse.Namespace) -> Iterator[Row]:
    """Yield a row for each cell and variant: goodput, and what was sent again for what was lost.

    A connection that failed has delivered nothing; the samples in the JSON say why.
    """
    made = NetemPath if given.netem else Path
    for where in cells:
        start = 2.0 + 20 * where.rtt if given.start is None else given.start
        samples: dict[tuple[str, str], list[Row]] = {each: [] for each in variants(given)}
        with (
            made(*where.options(), seed=given.seed) as path,
            ends.Ends(path, dict(given.config), given.controllers) as both,
        ):
            for _ in range(given.rounds or 3):
                for each, mine in samples.items():
                    before = path.counters()["forward"]
                    try:
                        sample = both.push(*each, start, given.seconds)
                    except RefusedError as error:
                        sample = FAILED | {"error": str(error)}
                    time.sleep(0.2 + 3 * where.rtt)  # until nothing is under way any more
                    after = path.counters()["forward"]
                    changes = {name: after[name] - before[name] for name in before}
                    mine.append(sample | changes | {"latest": after["latest"]})
        medians = {
            each: statistics.median(sample["octets"] for sample in mine) * 8 / given.seconds / 1e6
            for each, mine in samples.items()
        }
        for each, mine in samples.items():
            resent = sum(sample["resent"] for sample in mine)
            lost = sum(sample["lost_octets"] for sample in mine)
            yield {
                "cell": str(where),
                "variant": " ".join(each),
                "mbits": medians[each],
                "ratio": ratio(each, medians),
                "resent": resent,
                "lost": lost,
                "overflows": sum(sample["overflows"] for sample in mine),
                "failed": sum("error" in sample for sample in mine),
                "needless": max(resent - lost, 0) / resent if resent else 0.0,
                "samples": mine,
            }


def ratio(each: tuple[str, str], medians: dict[tuple[str, str], float]) -> float | None:
    """Return *each* of rudp divided by the kernel's controller of that name, or by its cubic."""
    network, name = each
    if network == "tcp":
        return None
    kind = name.partition(":")[0]
    kernel = {v: k for k, v in ALIASES.items()}.get(kind, kind)
    base = medians.get(("tcp", kernel)) or medians.get(("tcp", "cubic"))
    return medians[each] / base if base else None


def fetch(cells: Sequence[Cell], given: argparse.Namespace) -> Iterator[Row]:
    """Yield a row for each cell and variant: seconds until 100 KB were there, inf for never."""
    made = NetemPath if given.netem else Path
    for where in cells:
        times: dict[tuple[str, str], list[float]] = {each: [] for each in variants(given)}
        data, acknowledgements = where.options()
        with (
            made(acknowledgements, data, seed=given.seed) as path,
            ends.Ends(path, dict(given.config), given.controllers) as both,
        ):
            for _ in range(given.rounds or 40):
                for each, mine in times.items():
                    try:
                        mine.append(both.fetch(*each, FETCH_OCTETS))
                    except RefusedError:
                        mine.append(math.inf)
                    time.sleep(0.05 + 2 * where.rtt)
        medians = {each: statistics.median(mine) for each, mine in times.items()}
        for each, mine in times.items():
            yield {
                "cell": str(where),
                "variant": " ".join(each),
                "median": medians[each],
                "failed": mine.count(math.inf),
                "p95": sorted(mine)[min(len(mine) * 95 // 100, len(mine) - 1)],
                "ratio": ratio(each, medians),
                "samples": mine,
            }


# -- the table -------------------------------------------------------------------------------------

WIDTH: Final = 12
COLUMNS: Final[dict[str, tuple[str, Callable[[Any], str]]]] = {
    "mbits": ("Mbit/s", lambda value: f"{value:.2f}"),
    "median": ("median s", lambda value: f"{value:.3f}"),
    "p95": ("p95 s", lambda value: f"{value:.3f}"),
    "ratio": ("of kernel", lambda value: "" if value is None else f"{value:.2f}"),
    "resent": ("resent", lambda value: f"{value:,.0f}"),
    "lost": ("lost", lambda value: f"{value:,.0f}"),
    "needless": ("needless", lambda value: f"{value:.1%}"),
    "overflows": ("overflows", str),
    "failed": ("failed", str),
}


def show(rows: Iterator[Row]) -> list[Row]:
    """Print each row as soon as it is there; return all."""
    seen: list[Row] = []
    for row in rows:
        columns = [name for name in COLUMNS if name in row]
        if not seen:
            titles = "".join(f"{COLUMNS[name][0]:>{WIDTH}}" for name in columns)
            print(f"{'':<28}{'':<14}{titles}")
        cell_name = row["cell"] if not seen or seen[-1]["cell"] != row["cell"] else ""
        cells = "".join(f"{COLUMNS[name][1](row[name]):>{WIDTH}}" for name in columns)
        print(f"{cell_name:<28}{row['variant']:<14}{cells}", flush=True)
        seen.append(row)
    return seen


def _stop(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def main(arguments: Sequence[str] | None = None) -> None:
    made = parser()
    given = made.parse_args(arguments)
    if given.update and not given.sim:
        made.error("--update goes with --sim")
    if given.update and (given.config or given.start or given.seed or given.seconds != 10.0):
        made.error("--update is for the figures as they come, without other settings")
    if given.controllers is None:
        given.controllers = available()
    cells = chosen_cells(given)
    if given.sim:
        rows = show(simulate(cells, given))
    else:
        reason = netem.missing() if given.netem else missing()
        if reason is not None:
            made.exit(1, f"{made.prog}: {reason}\n")
        given.kernel = kernel_has(KERNEL if given.kernel is None else given.kernel)
        rows = show((fetch if given.fetch else transfer)(cells, given))
    if given.update:
        table: dict[str, dict[str, float]] = {}
        for row in rows:
            name = row["variant"].removeprefix("rudp ")
            table.setdefault(name, {})[row["cell"]] = round(row["mbits"], 4)
        goodput.store(table)
    if given.json is not None:
        config = rudp.Config(**dict(given.config))
        found = {"arguments": sys.argv[1:], "conditions": report.conditions(config), "rows": rows}
        given.json.write_text(json.dumps(found, indent=1, default=str) + "\n")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stop)  # what was begun is stopped and taken away
    main()
