"""Results as Markdown, with the conditions without which the figures say nothing."""

import dataclasses
import datetime
import importlib.metadata
import os
import platform
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import rudp
from bench.cpus import AVAILABLE
from bench.peers import BASELINE, PEERS
from bench.workloads import WORKLOADS

PACKAGES: Final = ("uvloop", "aioquic", "qh3", "aiopquic")

PAIRS: Final = (("tcp", "rudp"), ("tcp/uvloop", "rudp/uvloop"))
OURS: Final = {
    "rudp": "",
    "rudp-compiled": ", compiled",
    "rudp-selector": ", plain sockets",
    "rudp-portable": ", portable path",
}
OTHERS: Final = ("tcp-fresh", *(name for name, kind in PEERS.items() if kind.needs))
TITLES: Final = {"tcp-fresh": "asyncio TCP, small program"}
LAYOUTS: Final = {True: "fixed", False: "random"}
"""Addresses of the processes; see :mod:`bench.memory`."""

Result = dict[str, Any]
Medians = dict[str, dict[str, float]]


def conditions(config: rudp.Config) -> dict[str, Any]:
    """Return what the figures depend on."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "kernel": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "cpu": _cpu(),
        "cpus": len(AVAILABLE) or os.cpu_count(),
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "rudp": rudp.__version__,
        "packages": {name: _version(name) for name in PACKAGES},
        "config": dataclasses.asdict(config),
    }


def medians(result: Result) -> Medians:
    """Return the median of each figure, by variant."""
    return {
        variant: {name: statistics.median(s[name] for s in mine) for name in mine[0]}
        for variant, mine in result["samples"].items()
    }


def baseline(variant: str) -> str:
    """Return what *variant* is compared with: the kernel's TCP on the same loop."""
    _, slash, loop = variant.partition("/")
    return BASELINE + slash + loop


def whole(found: Result) -> str:
    """Return all that is in a file of results, the summary first."""
    parts = ["# Results of `python -m bench`", summary(found)]
    for name, result in found["workloads"].items():
        parts += [f"## {name}", table(name, result)]
    return "\n\n".join(parts) + "\n"


def summary(found: Result) -> str:
    """Return one table of the medians of all workloads; ratios are those of rudp's to TCP's."""
    titles = ["asyncio TCP", "rudp", "ratio", "uvloop TCP", "rudp on uvloop", "ratio"]
    titles += [TITLES.get(name, name) for name in OTHERS]
    rows = list(_rows(found["workloads"]))
    used = [n for n in range(len(titles)) if any(cells[n] for _, cells in rows)]
    lines = [
        f"| | {' | '.join(titles[n] for n in used)} |",
        "|---|" + "---:|" * len(used),
    ]
    lines += [f"| {title} | {' | '.join(cells[n] for n in used)} |" for title, cells in rows]
    return f"{stated(found)}\n\n" + "\n".join(lines)


def _rows(workloads: dict[str, Result]) -> Iterator[tuple[str, list[str]]]:
    """Yield title and cells of each row of the summary."""
    for name, result in workloads.items():
        workload = WORKLOADS[name]
        mine = medians(result)
        networks = [name for name in OURS if name in mine or f"{name}/uvloop" in mine]
        for figure, more in workload.figures.items():
            for network in networks:
                cells = []
                for base, variant in PAIRS:
                    ours = variant.replace("rudp", network)
                    cells += _cell(mine, base, figure) + _cell(mine, ours, figure)
                    cells += _ratio(mine, ours, figure)
                for other in OTHERS:
                    cells += _cell(mine, other, figure)
                how = OURS[network]
                yield f"{workload.about}{how}: {figure}{'' if more else ' ↓'}", cells


def _cell(found: Medians, variant: str, figure: str) -> list[str]:
    return [number(found[variant][figure]) if variant in found else ""]


def _ratio(found: Medians, variant: str, figure: str) -> list[str]:
    base = found.get(baseline(variant), {}).get(figure)
    return [f"{found[variant][figure] / base:.2f}" if base and variant in found else ""]


def stated(found: Result) -> str:
    """Return the conditions in words."""
    where = found["conditions"]
    packages = ", ".join(f"{name} {v}" for name, v in where["packages"].items() if v)
    rounds = sorted(result["rounds"] for result in found["workloads"].values())
    dates = sorted(result["date"][:10] for result in found["workloads"].values())
    layouts = {LAYOUTS[r.get("fixed_layout", False)] for r in found["workloads"].values()}
    return (
        f"{where['python']}, {where['kernel']}, {where['cpus']} CPUs ({where['cpu']}); {packages}; "
        f"{_span(dates)}. Medians of {_span(rounds)} samples in interleaved rounds; client and "
        f"server are processes on a CPU each, at {' or '.join(sorted(layouts))} addresses. Ratios "
        "are of medians, to TCP on the same loop; ↓ marks where less is better."
    )


def _span(values: Sequence[Any]) -> str:
    """Return the first and the last of *values*, once if they are the same."""
    return " to ".join(dict.fromkeys((str(values[0]), str(values[-1]))))


def table(name: str, result: Result) -> str:
    """Return a workload's medians and ratios, variant by variant."""
    workload = WORKLOADS[name]
    found = medians(result)
    better = workload.figures
    lines = [
        f"**{name}**: {workload.about}; {result['amount']:,} {workload.unit}, "
        f"medians of {result['rounds']}; better is "
        + ", ".join(f"{'more' if more else 'less'} {figure}" for figure, more in better.items()),
    ]
    if found:
        titles = " | ".join(f"{figure} | of TCP" for figure in better)
        lines += ["", f"| | {titles} |", "|---|" + "---:|---:|" * len(better)]
    for variant in found:
        cells: list[str] = []
        for figure in better:
            cells += _cell(found, variant, figure) + _ratio(found, variant, figure)
        lines.append(f"| {variant} | {' | '.join(cells)} |")
    shares = {v.partition("/")[0] for v in found if PEERS[v.partition("/")[0]].share < 1}
    notes = [f"{who} does {PEERS[who].share:g} of that." for who in sorted(shares)]
    notes += [f"Left out: {who}: {why}" for who, why in result["skipped"].items()]
    return "\n".join(lines) + "".join(f"\n\n{note}" for note in notes)


def number(value: float) -> str:
    """Return *value* with three digits, or as a whole number above that."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{1 if abs(value) >= 10 else 2}f}"


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor()


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
