"""The bench runs and its JSON has the shape others may rely on; speed is not judged."""

import importlib.util
import json
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

import rudp
from bench import __main__ as command
from bench import compiled, memory, plot, report
from bench.driver import CPU
from bench.link import no_namespaces
from bench.pattern import BLOCK, READ, fits
from bench.peers import Variant
from bench.workloads import WORKLOADS
from tests.bench.kit import run


def results(out: Path, *arguments: str) -> dict[str, Any]:
    done = run("-m", "bench", "--quick", *arguments, "--out", str(out))
    assert done.returncode == 0, done.stderr
    if importlib.util.find_spec("matplotlib"):
        assert not done.stderr
    else:
        assert done.stderr.startswith("No pictures: they need matplotlib")
    found: dict[str, Any] = json.loads((out / "results.json").read_text())
    assert f"**{list(found['workloads'])[-1]}**" in done.stdout
    return found


@pytest.mark.slow
def test_quick_run_measures_every_variant(tmp_path: Path) -> None:
    names = "bulk,bulk-256k,pingpong,open,open-32,echo"
    networks = ["tcp", "rudp", "rudp-selector", "rudp-portable"]
    how = ["--loops", "asyncio", "--peers", ",".join(networks)]
    found = results(tmp_path, "--only", names, *how)
    assert found["conditions"]["config"]["receive_buffer"] > 0
    assert {"date", "python", "kernel", "cpus", "cpu", "rudp"} <= set(found["conditions"])
    assert list(found["workloads"]) == names.split(",")
    for name, result in found["workloads"].items():
        assert {"date", "amount", "rounds", "fixed_layout", "options"} <= set(result)
        assert list(result["samples"]) == networks, result["skipped"]
        for samples in result["samples"].values():
            assert len(samples) == 1
            assert all(samples[0][figure] > 0 for figure in WORKLOADS[name].figures)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["idle-2000", "close-2000", "active", "growth", "fan-in", "time-wait"]
)
def test_quick_run_of_a_workload_of_scale(tmp_path: Path, name: str) -> None:
    how = ["--only", name, "--peers", "rudp", "--loops", "asyncio"]
    result = results(tmp_path, *how)["workloads"][name]
    assert list(result["samples"]) == ["rudp"], result["skipped"]
    assert set(WORKLOADS[name].figures) <= set(result["samples"]["rudp"][0])


@pytest.mark.slow
def test_quick_run_over_tls(tmp_path: Path) -> None:
    pytest.importorskip("trustme")
    how = ["--only", "bulk-tls", "--peers", "tcp,rudp", "--loops", "asyncio"]
    result = results(tmp_path, *how)["workloads"]["bulk-tls"]
    assert list(result["samples"]) == ["tcp", "rudp"], result["skipped"]
    assert all(mine[0][CPU] > 0 for mine in result["samples"].values())


@pytest.mark.slow
def test_results_of_another_run_are_kept(tmp_path: Path) -> None:
    for name in ("pingpong", "open"):
        found = results(tmp_path, "--only", name, "--peers", "rudp", "--loops", "asyncio")
    assert list(found["workloads"]) == ["pingpong", "open"]


@pytest.mark.interop
@pytest.mark.parametrize("name", ["aioquic", "qh3", "aiopquic"])
def test_another_peer(tmp_path: Path, name: str) -> None:
    pytest.importorskip(name)
    how = ["--only", "bulk,open", "--peers", name]
    for result in results(tmp_path, *how)["workloads"].values():
        assert list(result["samples"]) == [name], result["skipped"]


def test_a_peer_that_is_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert Variant("qh3", "asyncio").missing() == "qh3 is not installed"
    assert Variant("rudp", "uvloop").missing() == "uvloop is not installed"
    assert Variant("rudp", "asyncio").missing() is None


def test_a_core_compiled_for_another_python_does_not_count(tmp_path: Path) -> None:
    assert not compiled.built(tmp_path / "none")
    (tmp_path / "core__mypyc.cpython-27-elsewhere.so").touch()
    assert not compiled.built(tmp_path)
    (tmp_path / f"core__mypyc{sysconfig.get_config_var('EXT_SUFFIX')}").touch()
    assert compiled.built(tmp_path)


@pytest.mark.interop
def test_bulk_between_namespaces(tmp_path: Path) -> None:
    how = ["--only", "bulk-veth", "--peers", "rudp", "--loops", "asyncio"]
    result = results(tmp_path, *how)["workloads"]["bulk-veth"]
    if (reason := no_namespaces()) is not None:
        assert result["skipped"] == {"*": reason}
        pytest.skip(reason)
    assert result["samples"]["rudp"][0]["MB/s"] > 0, result["skipped"]


def test_processes_lie_at_the_same_addresses() -> None:
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(id(print))'])"
    fix = "from bench import memory; memory.fix_layout()"
    tell = "print(memory.layout_is_fixed(), flush=True)"
    if not shutil.which("setarch") or subprocess.run(["setarch", "-R", "true"]).returncode:
        pytest.skip("needs Linux, and a setarch that is permitted")
    fixed, *addresses = run("-c", f"{fix}; {tell}; {child}; {child}").stdout.split()
    assert fixed == "True"
    assert addresses[0] == addresses[1]


def test_layout_stays_random_where_it_cannot_be_fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    memory.fix_layout()
    assert not memory.layout_is_fixed()


def samples(*values: float) -> list[dict[str, float]]:
    return [{"connections/s": value} for value in values]


RESULT = {
    "date": "2026-11-25T00:00:00+00:00",
    "amount": 10,
    "rounds": 3,
    "fixed_layout": True,
    "samples": {
        "tcp": samples(100, 200, 900),
        "rudp": samples(1, 100, 200),
        "rudp/uvloop": samples(5),
        "qh3": samples(7),
    },
    "skipped": {"tcp/uvloop": "there is none"},
}


def test_table_compares_with_tcp_on_the_same_loop() -> None:
    table = report.table("open", RESULT)
    assert "| rudp | 100 | 0.50 |" in table
    assert "| rudp/uvloop | 5.00 |  |" in table
    assert "qh3 does 0.0625 of that" in table
    assert "tcp/uvloop: there is none" in table


def test_summary_has_a_row_for_each_figure_and_the_conditions() -> None:
    found = {"conditions": report.conditions(rudp.Config()), "workloads": {"open": RESULT}}
    text = report.summary(found)
    assert found["conditions"]["kernel"] in text
    assert "at fixed addresses" in text
    assert "| | asyncio TCP | rudp | ratio | rudp on uvloop | qh3 |" in text
    assert "connections/s | 200 | 100 | 0.50 | 5.00 | 7.00 |" in text
    assert text in report.whole(found)


def test_report_is_written_from_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit):
        command.main(["--report", "--out", str(tmp_path)])
    command.store(tmp_path, "open", RESULT, rudp.Config())
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    command.main(["--report", "--out", str(tmp_path)])
    told = capsys.readouterr()
    assert "connections/s | 200 | 100 | 0.50" in told.out
    assert "aiorudp[bench]" in told.err
    assert told.out.strip() in (tmp_path / "results.md").read_text()


def test_picture_of_a_workload(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    plot.draw("open", RESULT, tmp_path / "open.svg")
    assert (tmp_path / "open.svg").stat().st_size > 0


def test_reader_notices_what_is_not_in_its_place() -> None:
    assert fits(BLOCK[100:300], 100)
    assert fits(BLOCK[-100:] + BLOCK[: READ - 100], 5 * len(BLOCK) - 100)
    assert not fits(BLOCK[100:300], 101)
    assert not fits(BLOCK[100:299] + b"?", 100)


@pytest.mark.parametrize("option", ["--only", "--peers", "--loops"])
def test_unknown_name_is_refused(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main([option, "sideways"])
    assert ended.value.code == 2
    assert f"{option}: no 'sideways'; there are" in capsys.readouterr().err


def test_list_tells_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    command.main(["--list"])
    text = capsys.readouterr().out
    for name in (*WORKLOADS, "rudp-selector", "rudp-portable"):
        assert name in text
