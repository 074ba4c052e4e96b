"""``rudp demo SCENARIO``: what is played, what is shown, and the files that are written."""

import argparse
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rudp.cli import main
from rudp.cli.demo import show
from rudp.cli.demo.faults import Fault
from rudp.cli.demo.scenarios import SCENARIOS, Scenario
from rudp.cli.demo.stage import Stage
from rudp.trace import Recording
from rudp.trace.events import SegmentReceived, SegmentSent, StateMoved
from rudp.trace.kinds import kinds
from tests.cli.ladders.__main__ import FOLDER, played

ISSUED = (
    "handshake close half-close time-wait isn loss fast-retransmit rto reorder zero-window "
    "silly-window cwnd ecn l4s simultaneous-open punch blind overheard signed simultaneous-close "
    "reset restart keep-alive wrap"
)


def recording(capsys: pytest.CaptureFixture[str], *arguments: str) -> Recording:
    """The events that ``rudp demo`` writes with ``--json``."""
    assert main(["demo", *arguments, "--json"]) == 0
    return Recording.parse(capsys.readouterr().out.splitlines())


def whys(run: Recording, connection: str) -> list[str]:
    return [
        event.why.name
        for event in run.events
        if isinstance(event, SegmentSent) and event.connection == connection
    ]


def states(run: Recording, connection: str) -> list[str]:
    return [
        str(event.after)
        for event in run.events
        if isinstance(event, StateMoved) and event.connection == connection
    ]


def test_all_scenarios_are_there() -> None:
    assert list(SCENARIOS) == ISSUED.split()


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_ladder_is_the_expected_one(name: str) -> None:
    """If it should have changed: ``python -m tests.cli.ladders`` writes the new ones."""
    assert played(name) == (FOLDER / f"{name}.txt").read_text(encoding="utf-8")


def test_no_ladder_is_left_over() -> None:
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(SCENARIOS)


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda each: each.name)
def test_every_scenario_is_told(scenario: Scenario) -> None:
    assert scenario.title.endswith((".", "?"))
    assert scenario.look.endswith(".")
    assert scenario.quiz.question.endswith("?")
    assert len(set(scenario.quiz.choices)) == len(scenario.quiz.choices) >= 3
    assert scenario.script.__doc__


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name == "l4s" else name for name in SCENARIOS],
)
@pytest.mark.parametrize("rtt", ["0", "1ms", "300ms"])
def test_every_scenario_comes_to_its_end_on_other_paths(
    name: str, rtt: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in ("2", "3"):
        assert main(["demo", name, "--rtt", rtt, "--loss", "5%", "--seed", seed]) in (0, 1)
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err


def test_what_is_to_be_seen_is_seen(capsys: pytest.CaptureFixture[str]) -> None:
    """MUST-10 (simultaneous open) and others: each scenario shows what it is about."""
    assert "RETRANSMIT_RACK" in whys(recording(capsys, "loss"), "client")
    assert "RETRANSMIT_DUPACK" in whys(recording(capsys, "fast-retransmit"), "client")
    assert whys(recording(capsys, "rto"), "client").count("RETRANSMIT_RTO") == 2
    assert not any("RETRANSMIT" in why for why in whys(recording(capsys, "reorder"), "client"))
    assert whys(recording(capsys, "zero-window"), "client").count("PROBE_ZERO_WINDOW") == 3
    assert "CHALLENGE_ACK" in whys(recording(capsys, "isn"), "client")
    assert "CHALLENGE_ACK" in whys(recording(capsys, "restart"), "server")
    answers = whys(recording(capsys, "blind"), "client")[2:-1]
    assert answers == ["CHALLENGE_ACK"] * 2 + ["ACK_UNACCEPTABLE"] * 2
    assert states(recording(capsys, "overheard"), "client")[-1] == "CLOSED"
    signed = recording(capsys, "signed")
    assert states(signed, "client")[-1] == "ESTABLISHED"
    drops = [each.dropped for each in signed.events if isinstance(each, SegmentReceived)]
    assert [each for each in drops if each] == ["ao_missing"] * 2
    assert "RST_KEEP_ALIVE" in whys(recording(capsys, "keep-alive"), "client")
    assert "TIME_WAIT_ACK" in whys(recording(capsys, "time-wait"), "client")
    opened = recording(capsys, "simultaneous-open")
    closed = recording(capsys, "simultaneous-close")
    for side in ("client", "server"):
        assert states(opened, side) == ["SYN-SENT", "SYN-RECEIVED", "ESTABLISHED"]
        assert states(closed, side)[-4:] == ["FIN-WAIT-1", "CLOSING", "TIME-WAIT", "CLOSED"]
    marked = recording(capsys, "ecn")
    assert {event.segment.ace for event in marked.events if isinstance(event, SegmentSent)} > {0, 7}
    assert not any("RETRANSMIT" in why for why in whys(marked, "client"))
    sizes = [
        event.segment.length
        for event in recording(capsys, "silly-window").events
        if isinstance(event, SegmentSent)
    ]
    assert set(sizes) == {0, 1000}
    numbers = [
        event.segment.wire_seq
        for event in recording(capsys, "wrap").events
        if isinstance(event, SegmentSent) and event.segment.length
    ]
    assert numbers[0] > numbers[-1]


def test_the_segment_that_is_lost_can_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "loss", "--drop", "s:syn:1", "--drop", "c:data:4"]) == 0
    crosses = [line for line in capsys.readouterr().out.splitlines() if "X" in line]
    assert ["SYN,ACK" in crosses[0], "seq=3001" in crosses[1], len(crosses)] == [True, True, 2]
    assert main(["demo", "loss", "--drop", "none"]) == 0
    assert "0 lost, 0 sent again" in capsys.readouterr().out


def test_two_runs_of_one_seed_are_alike(capsys: pytest.CaptureFixture[str]) -> None:
    first, second, other = (
        recording(capsys, "cwnd", "--loss", "2%", "--seed", seed) for seed in ("7", "7", "8")
    )
    assert list(first.lines()) == list(second.lines())
    assert first.events != other.events
    assert first.header.seed == 7
    assert first.header.script == {"scenario": "cwnd", "rtt": 0.02, "loss": 0.02, "drop": []}


def test_files(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    capture, picture, page = (tmp_path / f"run.{kind}" for kind in ("pcapng", "svg", "html"))
    files = ["--pcapng", str(capture), "--svg", str(picture), "--html", str(page)]
    assert main(["demo", "close", *files]) == 0
    assert "close: Each direction is closed by itself." in page.read_text()
    assert capture.read_bytes().startswith(b"\x0a\x0d\x0d\x0a")
    assert "FIN-WAIT-1" in picture.read_text()
    assert "FIN,ACK" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--pcapng", "--svg", "--html"])
def test_a_file_that_cannot_be_written(
    option: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["demo", "close", option, str(tmp_path / "no" / "file")])
    assert exit_.value.code == 2
    assert "cannot write" in capsys.readouterr().err


def test_a_scenario_that_cannot_end(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["demo", "loss", "--loss", "100%"])
    assert exit_.value.code == 1
    out, err = capsys.readouterr()
    assert out.count("SYN seq=0") == 8  # and then the client gives up
    assert "the scenario ends here" in err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nowhere"], "invalid choice: 'nowhere'"),
        (["close", "--size", "1M"], "--size is for the demo without a scenario"),
        (["close", "--delay", "0"], "--delay is for the demo without a scenario"),
        (["--rtt", "1"], "--rtt is for the demo with a scenario"),
        (["--step"], "--step is for the demo with a scenario"),
        (["close", "--json", "--quiz"], "--json goes without"),
        (["close", "--step", "--speed", "2"], "not allowed with"),
        (["close", "--speed", "0"], "not between"),
        (["close", "--speed", "fast"], "not a number"),
        (["close", "--explain", "long"], "invalid choice"),
        (["close", "--rtt", "11s"], "not between"),
        (["wrap", "--real"], "wrap is for virtual time alone: the clock"),
        (["isn", "--real"], "isn is for virtual time alone: it forges"),
        (["--real"], "--real is for the demo with a scenario"),
        (["close", "--drop", "data"], "is not a segment such as c:data:2"),
    ],
)
def test_what_cannot_be_used(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["demo", *arguments])
    assert exit_.value.code == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    ["", "c", "c:data", "c:data:0", "x:data:1", "c:psh:1", "c:data:٣", "c:data:9" + "9" * 99],
)
def test_no_fault(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        Fault.parse(text)


def test_what_is_no_segment_is_lost_as_any() -> None:
    assert kinds(b"short") == ["any"]


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_quiz(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The question comes before the ladder, and the look that would give it away does not."""
    quiz = SCENARIOS["close"].quiz
    verdicts = []
    for letter in ("a", "b", "C)", "?", ""):
        answer(monkeypatch, f"{letter}\n" if letter else "")
        assert main(["demo", "close", "--quiz"]) == 0
        out = capsys.readouterr().out
        assert out.index(quiz.question) < out.index("SYN-SENT") < out.index(quiz.because)
        assert "A FIN takes a sequence number" not in out
        assert SCENARIOS["close"].title not in out
        assert out.count("That is none of the answers; type a, b or c:") == (letter == "?")
        verdicts.append("Right: " in out)
    assert sum(verdicts) == 1


def test_the_quiz_asks_until_it_has_an_answer(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, "\nyes\nab\nz\nB\n")
    assert main(["demo", "close", "--quiz"]) == 0
    out = capsys.readouterr().out
    assert out.count("That is none of the answers") == 4
    assert out.index("none of the answers") < out.index("SYN-SENT")
    answer(monkeypatch, "b")
    assert main(["demo", "close", "--quiz"]) == 0
    assert capsys.readouterr().out[-100:] == out[-100:]


def test_step_by_step(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["demo", "close"]) == 0
    at_once = capsys.readouterr().out
    keys = io.StringIO("\n" * 20)
    monkeypatch.setattr("sys.stdin", keys)
    assert main(["demo", "close", "--step"]) == 0
    assert capsys.readouterr().out == at_once
    assert keys.tell() == len(re.findall(r"^ +[\d.]+  ", at_once, re.MULTILINE))


def test_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    assert main(["demo", "close", "--speed", "0.5"]) == 0
    assert slept[:3] == pytest.approx([0.0, 0.02, 0.02])
    assert slept[-1] == show.PAUSE_MAX  # TIME-WAIT


def test_no_colours_even_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "loss", "--explain", "short"]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_json_lines_are_an_events_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run = recording(capsys, "half-close")
    run.save(tmp_path / "events.jsonl")
    assert Recording.load(tmp_path / "events.jsonl").events == run.events
    header: Any = json.loads(next(iter(run.lines())))
    assert header["ends"] == ["client", "server"]


@pytest.mark.parametrize("option", ["--json", "--quiz"])
def test_whoever_reads_the_output_may_go(option: str) -> None:
    """``rudp demo cwnd | head -1`` ends without a traceback."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-W", "error", "-m", "rudp", "demo", "cwnd", option]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=writing, stderr=subprocess.PIPE, timeout=60
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_forged_reset_is_a_segment() -> None:
    scenario = SCENARIOS["isn"]
    stage = Stage(scenario.config(), rtt=0.02)
    scenario.script(stage)
    assert str(stage.client.state) == str(stage.server.state) == "ESTABLISHED"


def test_the_queue_of_l4s_is_short_and_the_other_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "l4s"]) == 0
    found = re.findall(
        r"(Prague|CUBIC).*?([\d.]+) Mbit/s, .*?([\d.]+) ms at p99", capsys.readouterr().out
    )
    (prague, fast, short), (cubic, faster, long) = found
    assert (prague, cubic) == ("Prague", "CUBIC")
    assert float(short) < 2.0 < 15.0 < float(long)
    assert float(fast) > 0.8 * float(faster)
