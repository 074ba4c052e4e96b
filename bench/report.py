"""A run as a table for people and as JSON, with the conditions without which it says nothing."""

import dataclasses
import datetime
import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

import rudp
from bench.cpus import AVAILABLE
from bench.workload import WORKLOADS


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


def table(results: list[dict[str, Any]]) -> str:
    """Return the medians, and in brackets the median ratios to TCP on the same loop."""
    lines = []
    for workload, module in WORKLOADS.items():
        chosen = [result for result in results if result["workload"] == workload]
        if not chosen:
            continue
        better = module.MORE_IS_BETTER
        names = list(better)
        hints = ", ".join(f"{name}: {'more' if better[name] else 'less'}" for name in names)
        lines += [
            "",
            f"{workload:<24}{''.join(f'{name:>20}' for name in names)}   better is {hints}",
        ]
        for result in chosen:
            cells = []
            for name in names:
                ratio = result["ratio"].get(name)
                relative = f"({ratio:.2f} x)" if ratio is not None else ""
                cells.append(f"{result['median'][name]:10.1f} {relative:>9}")
            lines.append(f"{result['variant']:<24}{''.join(cells)}{_losses(result)}")
    return "\n".join(lines)


def _losses(result: dict[str, Any]) -> str:
    resent = sum(sample.get("octets_resent", 0) for sample in result["samples"])
    return f"   {resent:,} octets sent again" if resent else ""


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
