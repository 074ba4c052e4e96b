"""Each lab: the package's own answer and a learner's pass, slips are found, and it says where."""

import random
import sys
from pathlib import Path
from typing import Any

import pytest

from rudp import build
from rudp.labs.arena import play
from rudp.labs.catalogue import LABS, Lab
from rudp.labs.check import LabError, Verdict, check, load, save, task_of
from rudp.testing import FaultScript
from rudp.trace.events import SegmentSent
from tests.labs.solutions import SLIPS, SOLUTIONS

pytestmark = pytest.mark.skipif(
    build.core() == "compiled", reason="classes in Python cannot derive from compiled ones"
)

labs = pytest.mark.parametrize("lab", LABS.values(), ids=lambda lab: lab.name)


def written(lab: Lab, text: str, folder: Path) -> Path:
    """Write the file of *lab* with *text* in the place of its class."""
    head = lab.start.read_text(encoding="utf-8").partition("\nclass ")[0]
    path = folder / f"lab_{lab.name}.py"
    path.write_text(f"{head}\n{text}", encoding="utf-8")
    return path


def checked(lab: Lab, text: str, folder: Path) -> Verdict:
    return check(*load(written(lab, text, folder)))


@labs
def test_the_packages_own_answer_passes(lab: Lab) -> None:
    task = task_of(lab)
    for seed in range(20):
        task.ask(task.Reference, random.Random(f"{lab.name} {seed}"))
    for seed in range(6):
        outcome = play(task.build(task.Reference), seed=seed, loss=0.04 * seed)
        assert not outcome.problem, seed


def some(*names: str) -> pytest.MarkDecorator:
    """All labs, but those that have not one of *names* take time that only ``-m slow`` has."""
    return pytest.mark.parametrize(
        "lab",
        [
            pytest.param(lab, id=name, marks=[] if name in names else pytest.mark.slow)
            for name, lab in LABS.items()
        ],
    )


@some("wire", "rtt")
def test_a_learners_answer_passes(lab: Lab, tmp_path: Path) -> None:
    verdict = checked(lab, SOLUTIONS[lab.name], tmp_path)
    assert (verdict.grade, verdict.problem) == (100, "")
    assert verdict.fields()["hidden connections"] == [15, 15]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "slip"),
    [
        pytest.param(name, slip, id=f"{name}-{n}")
        for name, slips in SLIPS.items()
        for n, slip in enumerate(slips)
    ],
)
def test_a_slip_is_found(name: str, slip: tuple[str, str], tmp_path: Path) -> None:
    text = SOLUTIONS[name]
    assert slip[0] in text
    verdict = checked(LABS[name], text.replace(*slip), tmp_path)
    assert verdict.grade < 100
    assert verdict.problem


@some("handshake", "receiver")
def test_the_file_to_begin_with_is_not_written_yet(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(lab.start.read_text(encoding="utf-8"), encoding="utf-8")
    found, cls = load(path)
    assert found is lab
    assert cls.__name__ == lab.called
    verdict = check(lab, cls)
    assert verdict.grade < 50
    assert "NotImplementedError" in verdict.problem


@pytest.mark.slow
def test_another_salt_is_other_hidden_seeds(tmp_path: Path) -> None:
    """What was written for the seeds that are known fails."""
    path = written(LABS["checksum"], SOLUTIONS["checksum"], tmp_path)
    lab, cls = load(path)
    asked: list[set[bytes]] = []
    for salt in ("", "2026"):
        seen: set[bytes] = set()

        class Spy(cls):  # type: ignore[misc, valid-type]
            def compute(self, source: bytes, destination: bytes, segment: bytes) -> int:
                seen.add(source)  # noqa: B023 - it is used before the next
                found: int = super().compute(source, destination, segment)
                return found

        assert check(lab, Spy, salt=salt).grade == 100
        asked.append(seen)
    assert asked[0] != asked[1]
    assert asked[0] & asked[1]


def test_the_smallest_faults_and_where_the_run_differs(tmp_path: Path) -> None:
    """A sender that sends nothing again breaks with one loss; without any it is in order."""
    slip = SLIPS["sender"][1]
    verdict = checked(LABS["sender"], SOLUTIONS["sender"].replace(*slip), tmp_path)
    assert verdict.faults is not None
    assert verdict.smallest
    script = FaultScript(verdict.faults)
    assert len(script) == 1
    (fault,) = script
    assert (fault.side, fault.kind, fault.action) == ("c", "data", "lost")
    lines = verdict.where.splitlines()
    assert lines[0].split() == ["ms", "client", "server"]
    assert any(line.endswith("-X") for line in lines)  # the one that is lost
    assert "Here the client of the reference sends:" in lines
    assert "SYN" not in lines[-1]
    page = tmp_path / "both.html"
    assert save(verdict, str(page))
    assert isinstance(verdict.start, SegmentSent)
    assert f"{verdict.start.time * 1000:.1f}" in lines[-4]
    assert f"Lab sender: {fault}" in page.read_text(encoding="utf-8")


def test_without_hypothesis_the_faults_are_those_that_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    slip = SLIPS["sender"][1]
    verdict = checked(LABS["sender"], SOLUTIONS["sender"].replace(*slip), tmp_path)
    assert not verdict.smallest
    assert verdict.faults is not None
    assert len(FaultScript(verdict.faults)) > 1
    assert "Here the client of the reference sends:" in verdict.where


def test_a_connection_that_breaks_without_faults(tmp_path: Path) -> None:
    slip = ("datagram[20:size]", 'b""'), ("datagram[size:]", "datagram[size:][:1]")
    text = SOLUTIONS["wire"]
    for one in slip:
        text = text.replace(*one)
    verdict = checked(LABS["wire"], text, tmp_path)
    assert verdict.faults == ""


def test_who_sends_too_much_fails_though_all_arrives(tmp_path: Path) -> None:
    text = SOLUTIONS["rtt"].replace("min(max(rto, self.floor), self.ceiling)", "0.02")
    verdict = checked(LABS["rtt"], text.replace("self.rto = 1.0", "self.rto = 0.02"), tmp_path)
    assert verdict.grade < 60


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "the first line does not say"),
        ('"""Lab dance: steps."""\n', "the first line does not say"),
        ('"""Lab wire: a slip."""\ndef (', "line 2 is no Python"),
        ('"""Lab wire: no class."""\n', "it has no class Codec"),
        ('"""Lab wire: a function."""\ndef Codec(): ...\n', "it has no class Codec"),
        ('"""Lab wire: raises."""\n1 / 0\n', "it raised ZeroDivisionError"),
        ('"""Lab wire: ends."""\nraise SystemExit(3)\n', "it raised SystemExit"),
    ],
)
def test_a_file_that_cannot_be_checked(text: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(LabError, match=why):
        load(path)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="cannot read it: No such file"):
        load(tmp_path / "none.py")
    path = tmp_path / "mine.py"
    path.write_bytes(b"\xff")
    with pytest.raises(LabError, match="not text in UTF-8"):
        load(path)


@pytest.mark.parametrize(
    "text",
    [
        "class Codec:\n    def __init__(self): 1 / 0\n",
        "class Codec:\n    def parse(self, datagram): raise KeyboardInterrupt\n",
        "class Codec:\n    def parse(self, datagram): return 5\n    build = parse\n",
        "class Codec:\n    def parse(self): pass\n    def build(self, header, data): return None\n",
        "class Codec:\n    parse = None\n    build = 3\n",
        "class Codec:\n    def parse(self, d): return ()\n    def build(self, h, d): return 'x'\n",
    ],
)
def test_whatever_a_class_does_is_its_grade(text: str, tmp_path: Path) -> None:
    """Exceptions and answers of other kinds are wrong answers, and none comes out."""
    if "KeyboardInterrupt" in text:
        text = text.replace("KeyboardInterrupt", "RecursionError('deep')")
    verdict = checked(LABS["wire"], text, tmp_path)
    assert verdict.grade == 0
    assert verdict.problem


def junk(*_: Any) -> Any:
    return "junk"


@pytest.mark.slow
@labs
def test_a_class_of_junk(lab: Lab, tmp_path: Path) -> None:
    """Whatever its methods return, the check comes to an end and says what is wrong."""
    task = task_of(lab)
    methods = [name for name in vars(load(lab.start)[1]) if not name.startswith("_")]
    base = task.Reference
    cls = type(lab.called, (base,), dict.fromkeys(methods, junk))
    verdict = check(lab, cls)
    assert verdict.grade < 50
    assert verdict.problem
