"""The race of controllers: fairness is counted rightly, and mistakes are explained."""

import importlib.util
import json
from pathlib import Path

import pytest

from bench import race
from tests.bench.kit import run

MINE = """
from rudp.core.congestion.newreno import NewReno

class Mine(NewReno):
    '''NewReno under another name.'''
"""
SHORT = ["--seconds", "2", "--start", "1", "--rate", "5M"]


def test_jains_index() -> None:
    assert race.jain([5.0, 5.0, 5.0, 5.0]) == pytest.approx(1.0)
    assert race.jain([5.0, 0.0, 0.0, 0.0]) == pytest.approx(0.25)
    assert race.jain([0.0, 0.0]) == 0.0


def test_a_name_races_a_file(tmp_path: Path) -> None:
    mine, file = tmp_path / "mine.py", tmp_path / "race.json"
    mine.write_text(MINE)
    done = run("bench/race.py", "reno", str(mine), *SHORT, "--json", str(file))
    assert done.returncode == 0, done.stderr
    found = json.loads(file.read_text())
    assert [flow["name"] for flow in found["flows"]] == ["reno", "mine.py"]
    assert found["utilisation"] > 0.5
    assert 0.5 < found["jain"] <= 1.0
    assert 0.0 < found["queue_mean"] <= found["queue_p95"]
    assert sum(flow["share"] for flow in found["flows"]) == pytest.approx(1.0)
    assert "Jain's index" in done.stdout
    times = found["series"]["times"]
    assert times == sorted(times)
    assert all(len(rates) == len(times) for rates in found["series"]["rates"])


def test_the_same_seed_gives_the_same_race(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        race.main(["reno", "reno", *SHORT, "--loss", "1%"])
    text = capsys.readouterr().out
    half = len(text) // 2
    assert text[:half] == text[half:]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("x = 1\n", "has none"),
        (MINE + "class Other(NewReno): pass\n", "has Mine, Other"),
        ("def (", "cannot read"),
        (None, "cannot read"),
    ],
)
def test_a_file_must_define_one_controller(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, complaint: str
) -> None:
    file = tmp_path / "mine.py"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SystemExit):
        race.main([str(file)])
    assert complaint in capsys.readouterr().err


def test_unknown_controller_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        race.main(["reno", "nobody"])
    assert "'nobody'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("queue", "complaint"),
    [
        ("red", "'red'"),
        ("droptail:limit=1", "'droptail:limit=1'"),
        ("codel:colour=1", "no setting 'colour'"),
        ("codel:ecn=maybe", "ecn of codel cannot be 'maybe'"),
        ("codel:target=", "target of codel cannot be ''"),
        ("dualpi2:limit=1.5", "limit of dualpi2 cannot be '1.5'"),
        ("dualpi2:threshold=-1", "threshold must be at least 0"),
        ("dualpi2:scheduler=fair", "scheduler must be"),
    ],
)
def test_a_queue_that_cannot_be_is_refused(
    capsys: pytest.CaptureFixture[str], queue: str, complaint: str
) -> None:
    with pytest.raises(SystemExit):
        race.main(["reno", "--queue", queue])
    assert complaint in capsys.readouterr().err


def test_plot_is_drawn_or_says_what_it_needs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "race.svg"
    arguments = ["reno", *SHORT, "--plot", str(file)]
    if importlib.util.find_spec("matplotlib") is None:
        with pytest.raises(SystemExit):
            race.main(arguments)
        assert "aiorudp[bench]" in capsys.readouterr().err
    else:
        race.main(arguments)
        assert file.stat().st_size > 0
