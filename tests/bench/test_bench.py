"""The bench runs and its JSON has the shape others may rely on; speed is not judged."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "bench", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("processes", [1, 2])
def test_quick_run_measures_every_variant(tmp_path: Path, processes: int) -> None:
    file = tmp_path / "bench.json"
    one = ["--one-process"] if processes == 1 else []
    done = bench("--quick", "--rounds", "1", "--loops", "asyncio", "--json", str(file), *one)
    assert done.returncode == 0, done.stderr
    assert not done.stderr

    report: dict[str, Any] = json.loads(file.read_text())
    conditions = report["conditions"]
    assert conditions["processes"] == processes
    assert conditions["rounds"] == 1
    assert conditions["config"]["receive_buffer"] > 0
    assert {"date", "python", "kernel", "cpus", "cpu", "rudp", "amounts"} <= set(conditions)

    figures = {"bulk": {"MB/s"}, "ping-pong": {"p50 µs", "p99 µs"}}
    networks = ["tcp", "rudp", "rudp-portable"]
    expected = [(workload, f"{network}/asyncio") for workload in figures for network in networks]
    assert [(r["workload"], r["variant"]) for r in report["results"]] == expected
    for result in report["results"]:
        names = figures[result["workload"]]
        assert len(result["samples"]) == 1
        assert names <= set(result["median"])
        assert set(result["ratio"]) == names
        assert all(result["median"][name] > 0 for name in names)
        assert result["variant"] in done.stdout
        if result["variant"] == "tcp/asyncio":
            assert all(ratio == 1 for ratio in result["ratio"].values())


def test_workloads_and_variants_can_be_chosen() -> None:
    done = bench("bulk", "--quick", "--rounds", "1", "--networks", "rudp", "--loops", "asyncio")
    assert done.returncode == 0, done.stderr
    assert "rudp/asyncio" in done.stdout
    assert "tcp/asyncio" not in done.stdout
    assert "ping-pong" not in done.stdout


def test_unknown_workload_is_refused() -> None:
    done = bench("sideways")
    assert done.returncode == 2
    assert "unknown workload 'sideways'" in done.stderr
