"""What a setting of the playground leads to, in any Python."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from rudp import build
from rudp.playground import Setting, SettingError, run
from rudp.playground import lab as lab_on_the_page
from rudp.playground.names import sent
from rudp.playground.play import EVENTS_MAX, TEXT_MAX
from rudp.playground.scenarios import SCENARIOS
from rudp.playground.site import choices
from rudp.trace import Recording
from rudp.trace.arrows import sides
from rudp.trace.events import SegmentLost, SegmentSent, StateMoved
from tests.labs.solutions import SLIPS, SOLUTIONS

ROOT = Path(__file__).resolve().parents[2]


def play(**fields: Any) -> Any:
    return run(json.dumps(fields))


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_comes_to_its_end(name: str) -> None:
    played = play(scenario=name)
    assert not played.problem
    assert "never came" not in played.output
    if SCENARIOS[name].kind == "programs":
        moves = [each for each in played.recording.events if isinstance(each, StateMoved)]
        assert {str(each.after) for each in moves} & {"CLOSED", "TIME-WAIT"}
    assert Recording.parse(played.log().splitlines()).events == played.recording.events


@pytest.mark.parametrize("name", ["loss", "half-close", "cwnd"])
def test_the_same_setting_gives_the_same_run(name: str) -> None:
    fields = {"scenario": name, "loss": 0.1, "seed": 7}
    assert play(**fields).log() == play(**fields).log()
    assert play(**fields).log() != play(**fields | {"seed": 8}).log()


@pytest.mark.parametrize("name", ["loss", "hello", "tail", "both-close", "half-close"])
def test_each_segment_can_be_lost_by_its_name(name: str) -> None:
    """The name at an arrow is what the fault script calls the segment."""
    before = play(scenario=name, faults="")
    _, places = sides(before.recording.events)
    for side, names in enumerate(sent(before.recording)):
        for at, where in enumerate(names):
            played = play(scenario=name, faults=f"{where} lost")
            end = next(name for name, place in places.items() if place == side)
            mine = [
                each
                for each in played.recording.events
                if isinstance(each, SegmentSent | SegmentLost) and each.connection == end
            ]
            leaving = [n for n, each in enumerate(mine) if isinstance(each, SegmentSent)]
            here = mine[leaving[at]]
            fate = next(each for each in mine[leaving[at] :] if isinstance(each, SegmentLost))
            assert isinstance(here, SegmentSent)
            assert (fate.segment, fate.time) == (here.segment, here.time), where
            assert played.happened == f"{where} lost"


BODY = "async def server(r, w): await r.read()\n"


@pytest.mark.parametrize(
    ("program", "problem"),
    [
        ("x = = 1", "line 1 is no Python: invalid syntax"),
        ("\n1 / 0", "line 2: ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit(3)", "line 2: SystemExit: 3"),
        ("x = 1", "there is no: async def client(reader, writer)"),
        (
            f"{BODY}async def client(r, w): 1 / 0",
            "the client: line 2: ZeroDivisionError: division by zero",
        ),
        (
            f"{BODY}async def client(r, w): raise SystemExit",
            "the client: line 2: SystemExit",
        ),
        (
            f"{BODY}async def client(r, w):\n  await r.read()",
            "after 120 virtual seconds the client waits in line 3 and the server waits in line 1",
        ),
        (
            f"{BODY}async def client(r, w):\n  while 1: await asyncio.sleep(1)",
            "after 120 virtual seconds the client waits in line 3 and the server waits in line 1",
        ),
        (
            f"{BODY}async def fail(): 1 / 0\nasync def client(r, w): await asyncio.gather(fail())",
            "the client: line 2: ZeroDivisionError: division by zero",
        ),
    ],
)
def test_what_is_wrong_with_a_program_is_said(program: str, problem: str) -> None:
    played = play(program=program)
    assert played.problem == problem
    assert json.loads(played.answer())["problem"] == problem


@pytest.mark.slow
def test_a_program_that_floods_is_ended() -> None:
    flood = (
        "async def client(r, w):\n  while 1: w.write(bytes(99999)); await w.drain()\n"
        "async def server(r, w):\n  while await r.read(99999): pass"
    )
    played = play(program=flood, rate=1e8)
    assert played.problem == f"it was ended after {EVENTS_MAX} events"


def test_what_is_printed_is_kept_within_bounds() -> None:
    printing = f"print('x' * {TEXT_MAX * 2})\nprint('y')\n{BODY}async def client(r, w): pass"
    played = play(program=printing)
    assert played.output == "x" * TEXT_MAX


def test_a_path_that_nothing_passes() -> None:
    played = play(faults="c:any down 500s")
    assert played.problem.startswith("the connection could not be opened")
    assert played.recording.events


def test_a_controller_that_fails_is_told() -> None:
    played = play(scenario="race", program="import rudp\nclass A(rudp.Controller): pass")
    assert "NotImplementedError" in played.problem
    assert play(scenario="race", program="").problem.startswith("there is no class")


def test_a_race_shows_both_connections() -> None:
    played = play(scenario="race")
    answer = json.loads(played.answer())
    assert [flow["name"] for flow in answer["flows"]] == ["yours", "CUBIC"]
    assert sum(flow["share"] for flow in answer["flows"]) == pytest.approx(1)
    assert len(answer["runs"]) == 2


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[1]", "JSON object"),
        ("{", "JSON object"),
        ('{"scenario": "x"}', "no scenario 'x'"),
        ('{"scenario": []}', "no scenario"),
        ('{"speed": 1}', "no speed"),
        ('{"rtt": -1}', "rtt is a number from 0 to 2"),
        ('{"rtt": NaN}', "rtt is a number"),
        ('{"rtt": true}', "rtt is a number"),
        ('{"rtt": null}', "rtt is a number"),
        ('{"loss": 0.9}', "loss is a number"),
        ('{"queue": 2000.5}', "queue is a whole number"),
        ('{"sack": 1}', "sack is true or false"),
        ('{"congestion": "x"}', "congestion is one of"),
        ('{"congestion": {}}', "congestion is one of"),
        ('{"faults": "c:data"}', "needs a fault"),
        ('{"faults": 1}', "a fault script is text"),
        ('{"program": 1}', "a program is text"),
        (json.dumps({"program": "x" * 50_001}), "at most 50000"),
    ],
)
def test_what_is_no_setting_is_refused(text: str, why: str) -> None:
    with pytest.raises(SettingError, match=why):
        Setting.parse(text)


def test_what_the_page_offers_can_be_played() -> None:
    offered = choices()
    for each in offered["scenarios"]:
        Setting.parse(
            json.dumps(offered["defaults"] | each["setting"] | {"scenario": each["name"]})
        )
    assert json.loads(json.dumps(offered)) == offered | {
        "ranges": {name: list(bounds) for name, bounds in offered["ranges"].items()}
    }


@pytest.mark.skipif(build.core() == "compiled", reason="classes derive from the core in Python")
def test_a_lab_is_checked() -> None:
    begun = lab_on_the_page.begin("close")
    head, _, _ = begun.partition("class Machine")
    right = json.loads(lab_on_the_page.check("close", head + SOLUTIONS["close"]))
    assert right["verdict"]["grade"] == 100
    assert right["runs"] == []
    old, new = SLIPS["close"][0]
    told: list[str] = []
    slip = SOLUTIONS["close"].replace(old, new)
    wrong = json.loads(lab_on_the_page.check("close", head + slip, told.append))
    assert wrong["verdict"]["grade"] < 100
    assert told[0] == "questions, seed 1"
    broken = json.loads(lab_on_the_page.check("close", "1 +"))
    assert broken["verdict"]["problem"].startswith("the first line does not say")


def test_the_page_for_teachers_has_all_that_a_link_may_have() -> None:
    page = (ROOT / "docs" / "playground" / "teaching.md").read_text(encoding="utf-8")
    rows = "\n".join(line for line in page.splitlines() if line.startswith("| `"))
    words = {field.name for field in dataclasses.fields(Setting)} | set(SCENARIOS)
    words |= set(choices()["congestion"])
    assert not {word for word in words if f"`{word}`" not in rows}
