"""A run as tables for people, with the conditions without which the figures say nothing."""

import dataclasses
import datetime
import importlib.metadata
import os
import platform
import statistics
from pathlib import Path
from typing import Any

import rudp
from bench.cpus import AVAILABLE
from bench.peers import BASELINE
from bench.workloads import WORKLOADS


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
        "uvloop": _version("uvloop"),
        "config": dataclasses.asdict(config),
    }


def medians(result: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return the median of each figure, by variant."""
    return {
        variant: {name: statistics.median(s[name] for s in mine) for name in mine[0]}
        for variant, mine in result["samples"].items()
    }


def baseline(variant: str) -> str:
    """Return what *variant* is compared with: the kernel's TCP on the same loop."""
    _, slash, loop = variant.partition("/")
    return BASELINE + slash + loop


def table(name: str, result: dict[str, Any]) -> str:
    """Return a workload's medians, and their ratios to TCP on the same loop, as Markdown."""
    workload = WORKLOADS[name]
    found = medians(result)
    better = workload.figures
    titles = [f"{figure} | of TCP" for figure in better]
    lines = [
        f"**{name}**: {workload.about}; {result['amount']:,} {workload.unit}, "
        f"medians of {result['rounds']}; better is "
        + ", ".join(f"{'more' if more else 'less'} {figure}" for figure, more in better.items()),
        "",
    ]
    if found:
        lines += [f"| | {' | '.join(titles)} |", "|---|" + "---:|---:|" * len(better)]
    for variant, mine in found.items():
        cells = []
        for figure in better:
            base = found.get(baseline(variant), {}).get(figure)
            ratio = f"{mine[figure] / base:.2f}" if base else ""
            cells.append(f"{number(mine[figure])} | {ratio}")
        lines.append(f"| {variant} | {' | '.join(cells)} |")
    lines += [f"\nLeft out: {who}: {why}" for who, why in result["skipped"].items()]
    return "\n".join(lines)


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
