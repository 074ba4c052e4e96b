"""How far rudp is from what it should reach, for several builds at once: python -m bench.goals.

All builds and asyncio's TCP take turns in one run of each workload, and the table has the ratios
of their medians.  Without ``--build`` these are the sources here, and what ``bench.compiled`` has
made of them, without its lane in C and with it, if there is one.
"""

import argparse
import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from bench import compiled, memory
from bench.__main__ import names, progress
from bench.driver import CPU
from bench.peers import BASELINE, LOOPS, Build, Variant
from bench.report import Medians, Result, baseline, medians, number
from bench.run import run
from bench.workloads import WORKLOADS

SPEED: Final = "speed"
"""How fast it is as a part of TCP's speed; more is better."""

COST: Final = "cost"
"""How often it costs what TCP costs; less is better."""

VALUE: Final = "value"
"""The figure itself, without TCP."""

PURE: Final = "RUDP_PURE"
"""Environment variable: 1 takes everything in Python, ``lane`` only what is written in C alone."""


class Goal(NamedTuple):
    """One row: a *figure* of a *workload*, and how it is looked at.

    *interpreted*, *lane*: what it must reach in Python and with the lane in C, *uvloop*: the
    latter on that loop if it is not the same; *aim*: what it should.
    """

    title: str
    workload: str
    figure: str
    kind: str
    interpreted: float
    lane: float
    aim: float | None
    uvloop: float | None = None


GOALS: Final = (
    Goal("ping-pong of 64 octets on one core", "pingpong", "p50 µs", SPEED, 0.35, 0.9, 1.0),
    Goal("100 connections, echo of 1 KiB", "echo", "messages/s", SPEED, 0.32, 1.5, 2.0, 1.2),
    Goal("open, octet, close: one by one", "open", "connections/s", SPEED, 0.35, 0.75, 1.0),
    Goal("open, octet, close: 32 at a time", "open-32", "connections/s", SPEED, 0.5, 1.1, 1.5),
    Goal("bulk over veth, MTU 1500", "bulk-veth", "MB/s", SPEED, 0.3, 0.7, 1.0),
    Goal("bulk over loopback, writes of 64 KiB", "bulk", "MB/s", SPEED, 0.45, 0.85, 1.0),
    Goal("bulk over loopback, writes of 256 KiB", "bulk-256k", "MB/s", SPEED, 0.45, 0.85, 1.0),
    Goal("bulk over TLS 1.3", "bulk-tls", "MB/s", SPEED, 0.8, 0.95, 1.0),
    Goal("CPU of bulk over veth", "bulk-veth", "CPU s/GB", COST, 3.5, 1.8, 1.3),
    Goal("CPU of closing 2,000 at once", "close-2000", "CPU µs/connection", COST, 2.5, 1.2, None),
    Goal("KiB of one of 10,000 idle", "idle-10000", "KiB/connection", VALUE, 7.5, 6.5, 6.0),
    Goal("a message over 10,000 / over 100", "active", "growth", VALUE, 1.2, 1.2, None),
)

QUICK: Final = {"active": 0.3, "idle-10000": 0.5, "close-2000": 1.0}
"""How much of a workload is enough for a quick look; a fourth of others."""

QUICK_ROUNDS: Final = 5
"""Samples then, where a sample does not want new processes; of others there is one."""


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m bench.goals",
        description="Builds of rudp against asyncio's TCP and their goals: interleaved, medians.",
        epilog="Example: python -m bench.goals --quick --build before=../before --build after=.",
    )
    made.add_argument(
        "--build",
        type=build,
        action="append",
        metavar="NAME=FOLDER[,VARIABLE=VALUE...]",
        help="a folder with the package rudp, and what its processes have in their environment",
    )
    made.add_argument("--only", type=names, metavar="A,B", help="workloads (all that are needed)")
    made.add_argument("--loops", type=names, default=LOOPS[:1], metavar="A,B", help=f"of {LOOPS}")
    made.add_argument("--rounds", type=int, help="samples of each (those of the workload)")
    made.add_argument("--quick", action="store_true", help="minutes instead of half an hour")
    made.add_argument("--out", type=Path, metavar="FILE", help="for all samples, as JSON")
    return made


def build(text: str) -> Build:
    """Return the build that an argument names; for argparse, which shows the error."""
    first, *more = text.split(",")
    name, equals, folder = first.partition("=")
    if not (name and equals and Path(folder, "rudp").is_dir()):
        raise argparse.ArgumentTypeError(f"{first!r} names no folder with a package rudp")
    pairs = [each.partition("=") for each in more]
    if not all(variable and equals for variable, equals, _ in pairs):
        raise argparse.ArgumentTypeError(f"{text!r}: after a comma comes VARIABLE=VALUE")
    return Build(name, Path(folder).resolve(), {variable: value for variable, _, value in pairs})


def at_hand() -> list[Build]:
    """Return what can be measured here."""
    found = [Build("interpreted", compiled.ROOT, {PURE: "1"})]
    if compiled.built():
        found.append(Build("compiled", compiled.FOLDER, {PURE: "lane"}))
        if any(compiled.FOLDER.glob("rudp/**/_lane*.so")):
            found.append(Build("lane", compiled.FOLDER))
    return found


@contextlib.contextmanager
def staged(builds: Sequence[Build]) -> Iterator[list[Build]]:
    """Give each build a folder in which it stands beside this bench, whatever bench it has."""
    with tempfile.TemporaryDirectory() as temporary:
        made = []
        for each in builds:
            folder = Path(temporary, each.name)
            folder.mkdir()
            (folder / "bench").symlink_to(compiled.ROOT / "bench")
            for entry in (each.folder / "rudp", *each.folder.glob("*.so")):
                (folder / entry.name).symlink_to(entry)
            made.append(Build(each.name, folder, each.environment))
        yield made


def measure(
    builds: Sequence[Build],
    workloads: Sequence[str],
    loops: Sequence[str],
    *,
    rounds: int | None,
    quick: bool,
) -> dict[str, Result]:
    """Return the result of each of *workloads*."""
    found = {}
    for name in workloads:
        workload = WORKLOADS[name]
        compared = any(goal.workload == name and goal.kind != VALUE for goal in GOALS)
        variants = []
        for loop in loops:
            variants += [Variant(BASELINE, loop)] if compared else []
            variants += [Variant("rudp", loop, each) for each in builds]
        usual = workload.rounds
        if quick:
            usual = 1 if workload.fresh else QUICK_ROUNDS
        found[name] = run(
            name,
            variants,
            rounds=rounds or usual,
            amount=int(workload.amount * (QUICK.get(name, 0.25) if quick else 1)),
            options={},
            tell=progress,
        )
        progress("")
    return found


def seen(goal: Goal, found: Medians, variant: str) -> float | None:
    """Return the figure of *goal* as it looks at it, None if something was not measured."""
    mine = found.get(variant, {}).get(goal.figure)
    if goal.kind == VALUE or mine is None:
        return mine
    base = found.get(baseline(variant), {}).get(goal.figure)
    if not mine or not base:
        return None
    more_is_better = WORKLOADS[goal.workload].figures[goal.figure]
    return base / mine if goal.kind == SPEED and not more_is_better else mine / base


def by_cpu(goal: Goal, found: Medians, variant: str) -> float | None:
    """Return what the CPU time of both processes says of a speed: TCP's as a part of ours.

    It is the steadier one where the machine has other things to do.
    """
    mine = found.get(variant, {}).get(CPU)
    base = found.get(baseline(variant), {}).get(CPU)
    return base / mine if goal.kind == SPEED and mine and base else None


def table(found: dict[str, Result], variants: Sequence[str]) -> str:
    """Return a row for each goal that was measured; in brackets what the CPU time says."""
    lines = [
        f"| | {' | '.join(variants)} | interpreted must | lane must | aim |",
        "|---|" + "---:|" * (len(variants) + 3),
    ]
    for goal in GOALS:
        if goal.workload not in found:
            continue
        mine = medians(found[goal.workload])
        cells = []
        for variant in variants:
            value, cpu = seen(goal, mine, variant), by_cpu(goal, mine, variant)
            cells.append(
                ("" if value is None else number(value)) + ("" if cpu is None else f" ({cpu:.2f})")
            )
        lane = f"{goal.lane:g}" + ("" if goal.uvloop is None else f", uvloop {goal.uvloop:g}")
        aim = "" if goal.aim is None else f"{goal.aim:g}"
        title = goal.title + (", times TCP's ↓" if goal.kind == COST else "")
        title += " ↓" if goal.kind == VALUE else ""
        lines.append(f"| {title} | {' | '.join(cells)} | {goal.interpreted:g} | {lane} | {aim} |")
    notes = [
        f"Left out of {name}: {who}: {why}"
        for name, result in found.items()
        for who, why in result["skipped"].items()
    ]
    return "\n".join(lines) + "".join(f"\n\n{note}" for note in notes)


def main(arguments: Sequence[str] | None = None) -> None:
    made = parser()
    given = made.parse_args(arguments)
    needed = list(dict.fromkeys(goal.workload for goal in GOALS))
    for option, wanted, known in (
        ("--only", given.only, needed),
        ("--loops", given.loops, LOOPS),
    ):
        for name in wanted or ():
            if name not in known:
                made.error(f"{option}: no {name!r}; there are {', '.join(known)}")
    builds = given.build or at_hand()
    if len({each.name for each in builds} - {BASELINE}) < len(builds):
        made.error("--build: each needs a name of its own")
    memory.fix_layout()
    with staged(builds) as ready:
        found = measure(
            ready, given.only or needed, given.loops, rounds=given.rounds, quick=given.quick
        )
    variants = [str(Variant("rudp", loop, each)) for each in builds for loop in given.loops]
    print(table(found, variants))
    if given.out is not None:
        given.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
