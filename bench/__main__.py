"""The command line of the bench."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import rudp
from bench import memory, plot, report
from bench.peers import LOOPS, PEERS, Variant
from bench.run import run
from bench.workloads import WORKLOADS

RESULTS: Final = Path(__file__).parent / "results"
FILE: Final = "results.json"


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m bench",
        description="rudp against TCP and others: interleaved runs, medians, ratios.",
        epilog="Example: python -m bench --only bulk,pingpong --peers rudp,tcp --loops asyncio",
    )
    made.add_argument("--list", action="store_true", help="say what there is, and end")
    made.add_argument(
        "--report", action="store_true", help="measure nothing, print the table of what was"
    )
    made.add_argument("--only", type=names, metavar="A,B", help="workloads (all)")
    made.add_argument("--peers", type=names, metavar="A,B", help="peers (those of the workload)")
    made.add_argument("--loops", type=names, metavar="A,B", help="asyncio, uvloop (both)")
    made.add_argument("--rounds", type=int, help="samples of each variant (3 or 7; quick: 1)")
    made.add_argument("--quick", action="store_true", help="only to see that it works")
    made.add_argument("--mss", type=int, help="rudp's MSS (that of the path)")
    made.add_argument(
        "--aslr", action="store_true", help="leave the layout of memory random, as the system does"
    )
    made.add_argument(
        "--out", type=Path, metavar="FOLDER", help="for the files (bench/results; quick: none)"
    )
    return made


def names(text: str) -> list[str]:
    """Return names separated by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def listing() -> str:
    """Return the workloads and the peers, with the reason where one cannot run."""
    lines = ["Workloads:"]
    lines += [f"  {name:<16}{workload.about}" for name, workload in WORKLOADS.items()]
    lines += ["", "Peers:"]
    for name, kind in PEERS.items():
        reasons = {variant.missing() for variant in chosen([name], None)}
        reason = next(iter(reasons - {None}), "") if None not in reasons else ""
        lines.append(f"  {name:<16}{reason or 'on ' + ' and '.join(kind.loops)}")
    return "\n".join(lines)


def chosen(peers: Sequence[str], loops: Sequence[str] | None) -> list[Variant]:
    """Return the variants of *peers* on *loops*, or on all."""
    return [
        Variant(name, loop)
        for loop in loops or LOOPS
        for name in peers
        if loop in PEERS[name].loops
    ]


def progress(text: str) -> None:
    """Show *text* for the time being, on a terminal."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    made = parser()
    given = made.parse_args(arguments)
    if given.list:
        print(listing())
        return
    if given.report:
        folder = given.out or RESULTS
        if not stored(folder)["workloads"]:
            made.exit(1, f"{made.prog}: no results in {folder}\n")
        show(folder)
        print(report.summary(stored(folder)))
        return
    for option, wanted, known in (
        ("--only", given.only, WORKLOADS),
        ("--peers", given.peers, PEERS),
        ("--loops", given.loops, LOOPS),
    ):
        for name in wanted or ():
            if name not in known:
                made.error(f"{option}: no {name!r}; there are {', '.join(known)}")
    options: dict[str, Any] = {} if given.mss is None else {"mss": given.mss}
    try:
        config = rudp.Config(**options)
    except ValueError as error:
        made.error(str(error))
    if not given.aslr:
        memory.fix_layout()
    out = given.out or (None if given.quick else RESULTS)
    for name in given.only or WORKLOADS:
        workload = WORKLOADS[name]
        result = run(
            name,
            chosen(given.peers or workload.peers, given.loops),
            rounds=given.rounds or (1 if given.quick else workload.rounds),
            amount=workload.quick if given.quick else workload.amount,
            options=options,
            tell=progress,
        )
        progress("")
        print(report.table(name, result) + "\n", flush=True)
        if out is not None:
            store(out, name, result, config)
    if out is not None:
        show(out)


def stored(folder: Path) -> dict[str, Any]:
    """Return the results in *folder*, which may have none yet."""
    file = folder / FILE
    if not file.exists():
        return {"workloads": {}}
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def store(folder: Path, name: str, result: dict[str, Any], config: rudp.Config) -> None:
    """Put a workload's result among those of others in *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    found = stored(folder)
    found["conditions"] = report.conditions(config)
    found["workloads"][name] = result
    order = list(WORKLOADS)
    found["workloads"] = dict(sorted(found["workloads"].items(), key=lambda w: order.index(w[0])))
    (folder / FILE).write_text(json.dumps(found, indent=1) + "\n")


def show(folder: Path) -> None:
    """Write what is in *folder* as Markdown and as pictures."""
    found = stored(folder)
    (folder / "results.md").write_text(report.whole(found))
    try:
        for name, result in found["workloads"].items():
            if result["samples"]:
                plot.draw(name, result, folder / f"{name}.svg")
    except ImportError:
        print("No pictures: they need matplotlib, pip install 'aiorudp[bench]'", file=sys.stderr)


if __name__ == "__main__":
    main()
