"""The lossy benches: their arguments, and tiny runs of each; figures are not judged."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench import lossy
from bench.cells import CONDITIONS, RATES, RTTS, Cell, grid
from bench.controllers import controller
from rudp.sim.link import Link
from tests.bench.kit import need_paths, run


def program(tmp_path: Path, *arguments: str) -> list[dict[str, Any]]:
    """Return the rows that a run has written."""
    file = tmp_path / "rows.json"
    done = run("-m", "bench.lossy", *arguments, "--json", str(file))
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    found: list[dict[str, Any]] = json.loads(file.read_text())["rows"]
    for row in found:
        assert row["cell"] in done.stdout
        assert row["variant"] in done.stdout
    return found


def test_every_cell_is_a_path() -> None:
    cells = grid()
    assert len(cells) == len(RTTS) * len(RATES) * len(CONDITIONS)
    assert len({str(cell) for cell in cells}) == len(cells)
    for cell in cells:
        for options in cell.options():
            Link(**options)


def test_bursts_lose_one_packet_in_a_hundred_and_late_ones_none() -> None:
    for condition, lost in (("burst", 0.01), ("late", 0.0)):
        options, _ = Cell(0.02, 1e8, condition).options()
        link = Link(seed=1, **options)
        for n in range(100_000):
            link.carry(b"", n / 1e3)
        assert link.lost / 100_000 == pytest.approx(lost, rel=0.1)


def test_cells_can_be_chosen() -> None:
    given = lossy.parser().parse_args(["--sim", "--rtt", "20", "100", "--loss", "1", "late"])
    assert [str(cell) for cell in lossy.chosen_cells(given)] == [
        f"{rtt} ms, {rate} Mbit/s, {what}"
        for rate in (10, 100)
        for rtt in (20, 100)
        for what in ("1 %", "late")
    ]
    given = lossy.parser().parse_args(["--real", "--cells", "20:100:burst", "--queue", "2bdp"])
    assert lossy.chosen_cells(given) == [Cell(0.02, 100e6, "burst", "2bdp")]


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        ["--sim", "--real"],
        ["--sim", "--loss", "often"],
        ["--sim", "--cells", "20:100"],
        ["--sim", "--controllers", "nobody"],
        ["--sim", "--controllers", "newreno:0.3"],
        ["--sim", "--config", "mss=1"],
        ["--sim", "--config", "nothing=1"],
        ["--real", "--update"],
        ["--sim", "--update", "--config", "mss=1400"],
    ],
)
def test_wrong_arguments_are_explained(
    wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        lossy.main(wrong)
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_settings_are_python_values_or_json() -> None:
    assert lossy.setting("mss=1400") == ("mss", 1400)
    assert lossy.setting("sack=False") == ("sack", False)
    assert lossy.setting("rto_form=rfc") == ("rto_form", "rfc")


def test_ratio_is_to_the_kernels_controller_of_that_name() -> None:
    medians = {
        ("tcp", "cubic"): 10.0,
        ("tcp", "bbr"): 20.0,
        ("rudp", "bbr:0.3"): 30.0,
        ("rudp", "newreno"): 5.0,
    }
    assert lossy.ratio(("rudp", "bbr:0.3"), medians) == 1.5
    assert lossy.ratio(("rudp", "newreno"), medians) == 0.5
    assert lossy.ratio(("rudp", "newreno"), medians | {("tcp", "reno"): 50.0}) == 0.1
    assert lossy.ratio(("tcp", "bbr"), medians) is None


def test_reno_is_the_kernels_name_for_newreno() -> None:
    assert controller("reno") == "newreno"


def test_simulated_run(tmp_path: Path) -> None:
    one = ["--cells", "20:10:1", "100:10:late", "--controllers", "newreno"]
    rows = program(tmp_path, "--sim", *one, "--start", "0.5", "--seconds", "0.5")
    assert len(rows) == 2
    assert all(0.0 < row["mbits"] < 10.0 for row in rows)


@pytest.mark.slow
@pytest.mark.interop
def test_real_run(tmp_path: Path) -> None:
    need_paths()
    how = ["--controllers", "newreno", "--kernel", "reno", "--start", "0.1", "--seconds", "0.3"]
    rows = program(tmp_path, "--real", "--cells", "2:10:0", "--rounds", "1", *how)
    assert [row["variant"] for row in rows] == ["tcp reno", "rudp newreno"]
    assert all(row["mbits"] > 0.0 for row in rows)
    assert rows[1]["ratio"] == pytest.approx(rows[1]["mbits"] / rows[0]["mbits"])


@pytest.mark.slow
@pytest.mark.interop
def test_fetching_run(tmp_path: Path) -> None:
    need_paths()
    how = ["--controllers", "newreno", "--kernel", "reno", "--rounds", "1"]
    rows = program(tmp_path, "--fetch", "--cells", "2:100:0", *how)
    assert [row["variant"] for row in rows] == ["tcp reno", "rudp newreno"]
    assert all(row["median"] >= 100_000 * 8 / 100e6 for row in rows)


@pytest.mark.slow
@pytest.mark.interop
def test_a_fetch_that_fails_never_ends(tmp_path: Path) -> None:
    need_paths()
    how = ["--controllers", "newreno", "--kernel", "none", "--config", "connect_timeout=0.3"]
    (row,) = program(tmp_path, "--fetch", "--cells", "2:100:100", "--rounds", "1", *how)
    assert row["failed"] == 1
    assert row["median"] == float("inf")
