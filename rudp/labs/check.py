"""Puts a learner's class to the test, and finds the smallest thing that breaks it.

First come questions, then connections over bad paths, each with seeds that are told and with others
that are not, so that nobody writes for the seeds.  When a connection breaks, the smallest fault
script that breaks it is looked for, and the place where the run differs from that of the reference.
"""

import dataclasses
import importlib
import importlib.util
import math
import random
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, cast

from rudp.labs.arena import Outcome, is_of, play, told
from rudp.labs.catalogue import LABS, Lab
from rudp.labs.lab import Setup, Wrong
from rudp.testing import FaultScript, faults
from rudp.trace import Ladder, Recording, report, words
from rudp.trace.events import Event, SegmentSent

QUESTIONS: Final = (5, 20)
CONNECTIONS: Final = (5, 15)
"""How many seeds are told, and how many are not."""

LOSSES: Final = (0.0, 0.03, 0.08, 0.15)
"""Shares of segments that are lost: the first connection has none."""

MORE: Final = 2.0
"""A class to which cwnd or the timer belongs may send so many times what the reference sends."""

MORE_SEGMENTS: Final = 40
"""And so many segments beyond that."""

EXAMPLES: Final = 150
"""Fault scripts that are tried to find one that breaks a class."""

FAULTS_MAX: Final = 6
ROWS: Final = 14
"""Rows of the ladder before the place where two runs differ; and what was lost before."""

_LOST: Final = re.compile("-X| X-")  # how a ladder draws it

MODULE: Final = "lab_under_check"
"""What the module of the learner is called while it is checked."""

_LAB: Final = re.compile(r'\s*(?:#[^\n]*\n\s*)*"""Lab (\w+):')


class Task(Protocol):
    """A module of :mod:`rudp.labs.tasks`."""

    Reference: Any

    def ask(self, cls: Any, chance: random.Random) -> None:
        """Put questions to a class."""

    def build(self, cls: Any) -> Setup:
        """Return how a class takes the place of the part."""


def task_of(lab: Lab) -> Task:
    """Return the task of *lab*; the core must not be compiled, as classes derive from it."""
    return cast(Task, importlib.import_module(f"rudp.labs.tasks.{lab.name}"))


class LabError(Exception):
    """A file cannot be checked; the text says why."""


@dataclasses.dataclass
class Group:
    """How many of some questions or connections went well."""

    name: str
    total: int
    passed: int = 0


@dataclasses.dataclass
class Verdict:
    """What a check has found.

    ``grade``: percent of all that was put to the class.  ``problem``: the first that went wrong, ""
    if nothing.  ``faults``: a fault script that makes a connection break, None if none does, and
    ``smallest``: whether no smaller one was found that does.  ``where``: where the run differs from
    the reference's.  ``runs``: both of them, and ``start``: the event of the first at that place.
    """

    lab: str
    groups: list[Group] = dataclasses.field(default_factory=list)
    problem: str = ""
    faults: str | None = None
    smallest: bool = False
    where: str = ""
    runs: tuple[Recording, Recording] | None = None
    start: Event | None = None

    @property
    def grade(self) -> int:
        """0 to 100."""
        total = sum(group.total for group in self.groups)
        return 100 * sum(group.passed for group in self.groups) // total if total else 0

    def fields(self) -> dict[str, Any]:
        """Return what a program wants to know."""
        groups = {one.name: [one.passed, one.total] for one in self.groups}
        return {
            "lab": self.lab,
            "grade": self.grade,
            "problem": self.problem,
            "faults": self.faults,
            "smallest": self.smallest,
            "where": self.where,
        } | groups


def lab_of(text: str) -> Lab:
    """Return the lab that a file is for, by its first line.  Raises :class:`LabError`."""
    found = _LAB.match(text)
    if found is None or found[1] not in LABS:
        known = ", ".join(LABS)
        raise LabError(f'the first line does not say """Lab NAME: with one of {known}')
    return LABS[found[1]]


def load(path: Path) -> tuple[Lab, Any]:
    """Return the lab and the class in the file *path*.  Raises :class:`LabError`."""
    try:
        lab = lab_of(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise LabError(f"cannot read it: {error.strerror}") from None
    except UnicodeDecodeError:
        raise LabError("it is not text in UTF-8") from None
    spec = importlib.util.spec_from_file_location(MODULE, path)
    if spec is None or spec.loader is None:
        raise LabError("its name does not end with .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = module  # a name of its own: the file may be called random.py
    sys.path.append(str(path.resolve().parent))  # and what stands beside it hides nothing
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise LabError(f"line {error.lineno} is no Python: {error.msg}") from None
    except (Exception, SystemExit) as error:
        raise LabError(told(error)) from None
    cls = getattr(module, lab.called, None)
    if not isinstance(cls, type):
        raise LabError(f"it has no class {lab.called}")
    return lab, cls


def check(
    lab: Lab, cls: Any, *, tell: Callable[[str], None] = lambda _: None, salt: str = ""
) -> Verdict:
    """Put *cls* to the test; *tell* is told what comes next.  Each *salt* has its hidden seeds."""
    verdict = Verdict(lab.name)
    for name, seeds in _seeds(lab, "questions", QUESTIONS, salt):
        group = Group(name, len(seeds))
        verdict.groups.append(group)
        for seed in seeds:
            tell(_step(name, seed))
            problem = _asked(lab, cls, seed)
            group.passed += not problem
            verdict.problem = verdict.problem or problem
    broken = None
    for name, seeds in _seeds(lab, "connections", CONNECTIONS, salt):
        group = Group(name, len(seeds))
        verdict.groups.append(group)
        for number, seed in enumerate(seeds):
            tell(_step(name, seed))
            outcome = _connected(lab, cls, seed, LOSSES[number % len(LOSSES)])
            group.passed += not outcome.problem
            if outcome.problem and broken is None:
                broken = outcome
    if broken is not None and (not verdict.problem or not _is_unwritten(verdict.problem)):
        tell("the smallest fault script that breaks it")
        _explain(lab, cls, broken, verdict)
    elif broken is not None:
        verdict.problem = verdict.problem or broken.problem
    return verdict


def save(verdict: Verdict, path: str) -> bool:
    """Write the page that compares both runs to *path*; return whether there are any.

    It opens where they begin to differ.
    """
    if verdict.runs is None:
        return False
    title = f"Lab {verdict.lab}: {verdict.faults or 'no faults'}"
    names = ("yours", "the reference")
    report.save(path, *verdict.runs, title=title, names=names, start=verdict.start)
    return True


def _step(name: str, seed: int | str) -> str:
    """Say what is done; hidden seeds stay so."""
    return f"{name}, seed {seed}" if isinstance(seed, int) else name


def _seeds(
    lab: Lab, what: str, numbers: tuple[int, int], salt: str
) -> Iterator[tuple[str, Sequence[int | str]]]:
    shown, hidden = numbers
    yield what, list(range(1, shown + 1))
    yield f"hidden {what}", [f"{salt}{lab.name} {what} {n}" for n in range(hidden)]


def _is_unwritten(problem: str) -> bool:
    return "NotImplementedError" in problem


def _asked(lab: Lab, cls: Any, seed: int | str) -> str:
    """Return what is wrong with the answers, "" if nothing."""
    try:
        task_of(lab).ask(cls, random.Random(f"{lab.name} {seed}"))
    except Wrong as wrong:
        return str(wrong)
    except Exception as error:  # whatever the class of the learner raises
        return told(error)
    return ""


def _connected(lab: Lab, cls: Any, seed: int | str, loss: float) -> Outcome:
    number = random.Random(f"{lab.name} {seed}").getrandbits(32)
    outcome = _played(lab, cls, seed=number, loss=loss)
    if not outcome.problem and lab.heed:
        right = _played(lab, task_of(lab).Reference, seed=number, loss=loss)
        most = int(MORE * right.segments) + MORE_SEGMENTS
        if outcome.segments > most:
            outcome.problem = (
                f"it has sent {outcome.segments} segments where the reference sends "
                f"{right.segments}: more than {most} is too much"
            )
    return outcome


def _played(lab: Lab, cls: Any, **options: Any) -> Outcome:
    try:
        setup = task_of(lab).build(cls)
    except Exception as error:  # the class cannot even be made
        return Outcome(told(error), 0.0, 0, FaultScript(lenient=True), Recording.parse(_EMPTY))
    return play(setup, **options)


_EMPTY: Final = ('{"events": "rudp", "format": 1, "ends": []}',)


def _explain(lab: Lab, cls: Any, broken: Outcome, verdict: Verdict) -> None:
    """Find the smallest script that breaks the class, and where its run differs."""
    script = _smallest(lambda one: bool(_played(lab, cls, script=one).problem))
    verdict.smallest = script is not None
    if script is None:  # it takes more than a few faults, or there is no hypothesis
        script = broken.happened
    mine = _played(lab, cls, script=script)
    right = _played(lab, task_of(lab).Reference, script=script)
    verdict.problem = verdict.problem or mine.problem or broken.problem
    verdict.faults = "; ".join(map(str, script))
    if mine.recording.events:
        verdict.runs = mine.recording, right.recording
        side = task_of(lab).build(task_of(lab).Reference).side
        verdict.where, verdict.start = _difference(side, mine, right)


def _smallest(breaks: Callable[[FaultScript], bool]) -> FaultScript | None:
    """Return the smallest fault script for which *breaks* holds, None if none is found."""
    try:
        from hypothesis import HealthCheck, Phase, find, settings
        from hypothesis.errors import NoSuchExample
    except ImportError:  # it is an extra
        return None
    quiet = settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    scripts = faults(actions=("lost", "late", "twice"), most=FAULTS_MAX, seconds=1.0)
    try:
        return find(scripts, breaks, settings=quiet, random=random.Random(1))
    except NoSuchExample:
        return None


def _difference(side: str, mine: Outcome, right: Outcome) -> tuple[str, Event]:
    """Find the first segment of *side* in which the learner's run is not that of the reference.

    Return the ladder up to there and what the other sends, and the event.
    """
    sent = [
        [
            event
            for event in outcome.recording.events
            if isinstance(event, SegmentSent) and is_of(event.connection, side)
        ]
        for outcome in (mine, right)
    ]
    same = 0
    for given, wanted in zip(*sent, strict=False):
        if words.segment(given.segment) != words.segment(wanted.segment):
            break  # the words have relative numbers: an ISN may be any
        if abs(given.time - wanted.time) > 1e-6:
            break
        same += 1
    theirs = sent[1][same] if same < len(sent[1]) else None
    if same < len(sent[0]):
        start: Event = sent[0][same]
        until = start.time
    else:  # silence, from the time at which the reference speaks; and what comes of it
        silent = math.inf if theirs is None else theirs.time
        events = mine.recording.events
        start = [event for event in events if event.time <= silent or event is events[0]][-1]
        until = math.inf
    reference = "         nothing"
    if theirs is not None:
        reference = f"{theirs.time * 1000:9.1f}  {words.segment(theirs.segment)}"
    ladder = Ladder(fold=None)
    ladder.draw(mine.recording)
    begin = mine.recording.events[0].time
    rows = [text for time, text in ladder.rows() if time + begin <= until + 1e-6]
    lost = [text for text in rows[:-ROWS] if _LOST.search(text)]
    shown = [*ladder.head(), *lost, *(["      ..."] if rows[:-ROWS] else []), *rows[-ROWS:]]
    return "\n".join([*shown, "", f"Here the {side} of the reference sends:", reference]), start
