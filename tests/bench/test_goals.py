"""The table of goals: what it makes of samples, and which builds it measures."""

import argparse
from pathlib import Path
from typing import Any

import pytest

from bench import compiled, goals
from bench.driver import CPU
from bench.goals import GOALS
from bench.peers import Build, Variant
from bench.workloads import WORKLOADS
from tests.bench.kit import run


def result(**samples: list[dict[str, float]]) -> dict[str, Any]:
    return {"samples": samples, "skipped": {}}


def row(text: str, title: str) -> list[str]:
    (line,) = (line for line in text.splitlines() if line.startswith(f"| {title}"))
    return [cell.strip() for cell in line.split("|")[2:-1]]


def test_goals_are_about_figures_that_there_are() -> None:
    for goal in GOALS:
        assert goal.figure in WORKLOADS[goal.workload].figures
        assert goal.kind in (goals.SPEED, goals.COST, goals.VALUE)
    assert set(goals.QUICK) <= {goal.workload for goal in GOALS}


def test_speed_is_a_part_of_the_speed_of_tcp() -> None:
    fast = [{"MB/s": speed, CPU: 1.0} for speed in (100, 1000, 4000)]
    slow = [{"MB/s": speed, CPU: 4.0} for speed in (1, 500, 600)]
    text = goals.table({"bulk": result(tcp=fast, ours=slow)}, ["ours"])
    assert row(text, "bulk over loopback, writes of 64 KiB") == ["0.50 (0.25)", "0.45", "0.85", "1"]


def test_speed_of_what_is_told_in_seconds_is_the_inverse() -> None:
    found = result(tcp=[{"p50 µs": 20.0, CPU: 1.0}], ours=[{"p50 µs": 80.0, CPU: 2.0}])
    text = goals.table({"pingpong": found}, ["ours"])
    assert row(text, "ping-pong")[0] == "0.25 (0.50)"


def test_cost_is_a_multiple_and_says_nothing_twice() -> None:
    found = result(
        tcp=[{"CPU µs/connection": 50.0, CPU: 1.0}], ours=[{"CPU µs/connection": 175.0, CPU: 9.0}]
    )
    text = goals.table({"close-2000": found}, ["ours"])
    assert row(text, "CPU of closing")[0] == "3.50"


def test_value_needs_no_tcp() -> None:
    found = result(ours=[{"growth": 1.1, CPU: 9.0}])
    assert row(goals.table({"active": found}, ["ours"]), "a message")[0] == "1.10"


def test_each_loop_is_compared_with_its_own_tcp() -> None:
    samples = {"tcp": 200.0, "tcp/uvloop": 400.0, "ours": 100.0, "ours/uvloop": 100.0}
    found = {"samples": {name: [{"messages/s": value}] for name, value in samples.items()}}
    text = goals.table({"echo": found | {"skipped": {}}}, ["ours", "ours/uvloop"])
    assert row(text, "100 connections")[:2] == ["0.50", "0.25"]


def test_what_was_not_measured_is_left_empty_with_the_reason() -> None:
    found = {"samples": {"tcp": [{"MB/s": 1.0, CPU: 1.0}]}, "skipped": {"ours": "it fell ill"}}
    text = goals.table({"bulk": found}, ["ours"])
    assert row(text, "bulk over loopback, writes of 64 KiB")[0] == ""
    assert "Left out of bulk: ours: it fell ill" in text


def test_build_is_a_folder_and_an_environment() -> None:
    made = goals.build(f"mine={compiled.ROOT},RUDP_PURE=1,OTHER=a=b")
    assert (made.name, made.folder) == ("mine", compiled.ROOT)
    assert made.environment == {"RUDP_PURE": "1", "OTHER": "a=b"}
    variant = Variant("rudp", "uvloop", made)
    assert str(variant) == "mine/uvloop"
    assert variant.environment["RUDP_PURE"] == "1"
    assert set(Variant("rudp", "uvloop").environment) < set(variant.environment)
    assert str(variant.baseline) == "tcp/uvloop"


@pytest.mark.parametrize("wrong", ["", "mine", "=.", "mine=/nowhere", f"a={compiled.ROOT},PURE"])
def test_wrong_build_is_refused(wrong: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        goals.build(wrong)


def test_two_builds_need_two_names(capsys: pytest.CaptureFixture[str]) -> None:
    for names in (["a", "a"], ["tcp"]):
        with pytest.raises(SystemExit):
            goals.main([f"--build={name}={compiled.ROOT}" for name in names])
        assert "a name of its own" in capsys.readouterr().err


def test_unknown_workload_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        goals.main(["--only", "growth"])
    assert "--only: no 'growth'; there are pingpong" in capsys.readouterr().err


def test_a_build_stands_beside_this_bench(tmp_path: Path) -> None:
    (tmp_path / "rudp").mkdir()
    (tmp_path / "core__mypyc.so").touch()
    (tmp_path / "bench").mkdir()
    with goals.staged([Build("other", tmp_path)]) as (made,):
        assert (made.folder / "rudp").resolve() == tmp_path / "rudp"
        assert (made.folder / "core__mypyc.so").exists()
        assert (made.folder / "bench" / "goals.py").samefile(goals.__file__)
    assert not made.folder.exists()


def test_builds_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "FOLDER", tmp_path)
    monkeypatch.setattr(compiled, "built", lambda: False)
    assert [build.name for build in goals.at_hand()] == ["interpreted"]
    monkeypatch.setattr(compiled, "built", lambda: True)
    assert [build.name for build in goals.at_hand()] == ["interpreted", "compiled"]
    (tmp_path / "rudp" / "core").mkdir(parents=True)
    (tmp_path / "rudp" / "core" / "_lane.abi3.so").touch()
    *_, lane = goals.at_hand()
    assert (lane.name, dict(lane.environment)) == ("lane", {})


@pytest.mark.slow
def test_quick_table_of_two_builds(tmp_path: Path) -> None:
    builds = [f"--build={name}={compiled.ROOT}" for name in ("one", "two")]
    file = tmp_path / "samples.json"
    done = run(
        *("-m", "bench.goals", "--quick", "--rounds", "1", "--only", "pingpong", *builds),
        *("--out", str(file)),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("| | one | two |")
    assert all("(" in cell for cell in row(done.stdout, "ping-pong")[:2])
    assert file.stat().st_size > 0
