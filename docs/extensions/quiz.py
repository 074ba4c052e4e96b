"""Questions about runs of ``rudp demo``, whose right answers are read out of the runs.

A text holds questions, with an empty line between two of them::

    How many segments does the client send again?
    $ rudp demo loss --drop c:data:8
    = sum(each.again for each in client.sent)
    - none
    - all eight
    The first line that is neither a choice nor one of those above, and all after it, says why.

``$`` is the run, and may be left out if it is the one of the question before.  ``=`` is an
expression of Python that finds the right answer among what :func:`seen` gives.  ``-`` are wrong
ones.
"""

import contextlib
import dataclasses
import io
import random
import shlex
from typing import Any, Final

from rudp.cli import main
from rudp.trace import Recording
from rudp.trace.arrows import arrows
from rudp.trace.events import CongestionChanged, SegmentReceived, StateMoved, TimerFired

COMMAND: Final = "$ rudp demo "


@dataclasses.dataclass(frozen=True)
class Question:
    """*run*: the arguments of ``rudp demo``.  *found*: the expression.  *wrong*: other choices."""

    text: str
    run: str
    found: str
    wrong: tuple[str, ...]
    why: str

    def answer(self) -> str:
        """Play the run and return the right answer."""
        names = seen(recording(self.run))
        return str(eval(self.found, names))

    def choices(self, right: str) -> list[str]:
        """Return *right* among the wrong ones: numbers ascend, all else is shuffled."""
        choices = [right, *self.wrong]
        try:
            choices.sort(key=lambda each: float(each.split()[0].replace(",", "")))
        except ValueError:
            choices.sort()
            random.Random(self.text).shuffle(choices)
        return choices


def parse(text: str) -> list[Question]:
    """Return the questions of *text*.  Raises :class:`ValueError` for what is none."""
    questions = []
    run = ""
    for part in text.strip().split("\n\n"):
        found = ""
        wrong: list[str] = []
        asked: list[str] = []
        why: list[str] = []
        for line in map(str.strip, part.strip().splitlines()):
            if line.startswith(COMMAND):
                run = line.removeprefix(COMMAND)
            elif line.startswith("= "):
                found = line[2:]
            elif line.startswith("- "):
                wrong.append(line[2:])
            else:
                (why if wrong else asked).append(line)
        if not (run and found and len(wrong) >= 2 and asked and why):
            raise ValueError(f"a question lacks something:\n{part}")
        questions.append(Question(" ".join(asked), run, found, tuple(wrong), " ".join(why)))
    return questions


def recording(arguments: str) -> Recording:
    """Play ``rudp demo`` with *arguments* and return what happened."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        status = main(["demo", *shlex.split(arguments), "--json"])
    if status:
        raise ValueError(f"rudp demo {arguments} ends with status {status}")
    return Recording.parse(told.getvalue().splitlines())


@dataclasses.dataclass
class Sent:
    """A segment that was sent: its header, and what became of it.

    ``ms``: milliseconds of the run.  ``again``: some of it had been sent before.  ``lost``: the
    path lost it.
    """

    by: str
    ms: float
    flags: str
    seq: int
    ack: int | None
    length: int
    window: int
    sack: tuple[tuple[int, int], ...]
    why: str
    again: bool
    lost: bool


@dataclasses.dataclass
class End:
    """One side.  ``states``: those it has walked through.  ``dropped``: why, of what it dropped.

    ``timers``: those that have expired.  ``windows``: each size that cwnd has had, in segments.
    """

    sent: list[Sent]
    states: list[str]
    dropped: list[str]
    timers: list[str]
    windows: list[int]


def seen(run: Recording) -> dict[str, Any]:
    """Return the names of expressions: ``client``, ``server``, ``sent`` by both, ``seconds``."""
    sent = []
    highest: dict[str, int] = {}
    for arrow in arrows(run.events):
        if arrow.sent is not None:
            header, by = arrow.sent.segment, arrow.sent.connection.partition("#")[0]
            again = bool(header.space) and header.seq < highest.get(by, 0)
            highest[by] = max(highest.get(by, 0), header.seq + header.space)
            lost = arrow.lost is not None
            sent.append(
                Sent(
                    by, arrow.sent.time * 1000, header.flags, header.seq, header.ack,
                    header.length, header.window, header.sack, arrow.sent.why.name, again, lost,
                )
            )  # fmt: skip
    ends = {side: _end(run, side, sent) for side in ("client", "server")}
    return {"sent": sent, "seconds": run.events[-1].time, **ends}


def _end(run: Recording, side: str, sent: list[Sent]) -> End:
    mine = [each for each in run.events if each.connection.partition("#")[0] == side]
    return End(
        [each for each in sent if each.by == side],
        [str(each.after) for each in mine if isinstance(each, StateMoved)],
        [each.dropped for each in mine if isinstance(each, SegmentReceived) and each.dropped],
        [each.timer for each in mine if isinstance(each, TimerFired)],
        [each.cwnd // 1000 for each in mine if isinstance(each, CongestionChanged)],
    )
