"""Programs for two ends of a connection: what each does, in which order, and where both wait.

A script is a list of steps.  Steps that follow one another are taken in one turn of the loop, until
a ``settle``: there both ends wait until everything that is on the way has arrived and been told.
``turns`` lets the loop go round a few times instead; ``stop`` closes the listening server.  An end
is a protocol or a pair of streams; what it does in its callbacks is in its :class:`Character`.
"""

import dataclasses
import random
from typing import Final, Literal

Kind = Literal["protocol", "buffered", "streams"]

UNREAD_MAX: Final = 40_000
"""Octets that may lie unread at an end that has stopped reading.  They fit into the windows of
any TCP, so that it is sure where they are: what does not fit may be anywhere."""

READING: Final = ("read", "exactly", "line", "read_all")
TASKS: Final = (*READING, "drain", "wait_closed")
"""Steps of streams that begin a task, which ends when it does."""


@dataclasses.dataclass(frozen=True)
class Step:
    """*end* is ``client`` or ``server``, or empty for what is not of one end."""

    end: str
    what: str
    size: int = 0

    def __str__(self) -> str:
        return " ".join(filter(None, (self.end, self.what, str(self.size) if self.size else "")))


SETTLE: Final = Step("", "settle")


@dataclasses.dataclass(frozen=True)
class Character:
    """What an end is, and what it does from inside its callbacks.

    *made*, *data*, *eof*, *lost*: a step to take in ``connection_made``, at the first data, at the
    end of the stream and in ``connection_lost``; ``raise`` and ``raise_os`` raise.
    """

    kind: Kind = "protocol"
    keep_open: bool = False
    made: str = ""
    data: str = ""
    eof: str = ""
    lost: str = ""

    def fails(self) -> bool:
        """Return whether a callback raises that must not."""
        return any(call.startswith("raise") for call in (self.data, self.eof))

    def __str__(self) -> str:
        does = [f"{name}={value}" for name, value in dataclasses.asdict(self).items() if value]
        return " ".join(does)


CALM: Final = {field.name: field.default for field in dataclasses.fields(Character)}
"""A protocol that only listens."""


@dataclasses.dataclass(frozen=True)
class Script:
    """Both ends and the steps.  *rushed*: there is no waiting, so the ends race each other."""

    client: Character
    server: Character
    steps: tuple[Step, ...]
    rushed: bool = False
    number: int = 0

    def is_fair(self) -> bool:
        """Return whether it is sure which end acts first: between two waits only one does."""
        acting = ""
        for step in self.steps:
            if step == SETTLE:
                acting = ""
            elif step.end:
                if acting not in ("", step.end):
                    return False
                acting = step.end
        return True

    def is_orderly(self) -> bool:
        """Return whether nothing in it depends on who is faster, even if both act at once."""
        ends = self.client, self.server
        calm = all(end == Character(end.kind, end.kind != "streams") for end in ends)
        written = sum(step.size for step in self.steps if step.what.startswith("write"))
        return (
            calm and written <= UNREAD_MAX and not any(step.what in _HASTY for step in self.steps)
        )

    def __str__(self) -> str:
        lines = [f"client: {self.client}", f"server: {self.server}"]
        return "\n".join([*lines, *(f"  {step}" for step in self.steps)])


_PROTOCOL_STEPS: Final = {
    "write": 14,
    "writelines": 2,
    "write_nothing": 1,
    "write_eof": 3,
    "close": 2,
    "abort": 1,
    "pause": 4,
    "resume": 5,
    "is_closing": 2,
    "is_reading": 2,
    "buffered": 2,
    "limits": 1,
    "bad_limits": 1,
    "set_protocol": 2,
    "write_text": 1,
}
_STREAM_STEPS: Final = {
    "write": 14,
    "writelines": 2,
    "write_eof": 3,
    "close": 2,
    "abort": 1,
    "read": 5,
    "exactly": 4,
    "line": 4,
    "read_all": 2,
    "drain": 5,
    "wait_closed": 2,
    "cancel": 3,
    "is_closing": 2,
    "at_eof": 2,
    "buffered": 1,
    "limits": 1,
}
_HASTY: Final = {"close", "abort", "cancel", "wait_closed", "pause", "resume", "stop"}
"""Steps after which it may matter what has arrived already."""

_IN_CALLBACKS: Final = (
    *("write", "close", "abort", "write_eof", "pause", "raise", "raise_os", "set_protocol"),
    "write_close",  # one after the other
)
_FINISH: Final = ("write", "close", "abort", "write_eof")


def make(number: int) -> Script:
    """Return the script of this *number*; always the same."""
    dice = random.Random(f"script {number}")
    rushed = dice.random() < 0.25
    ends = {end: _character(dice) for end in ("client", "server")}
    orderly = rushed and dice.random() < 0.5
    if orderly:
        ends = {end: Character(one.kind, one.kind != "streams") for end, one in ends.items()}
    # Whoever acts in a callback must be told in one piece, for the rest of a larger one lies unread
    # or not as the pieces were cut.
    sensitive = any(character.data for character in ends.values())
    largest = 250 if sensitive else dice.choice((2_000, 30_000, 3_000_000))
    steps: list[Step] = []
    if orderly:
        largest = 2_000
    for _ in range(dice.randrange(2, 12)):
        end = dice.choice(("client", "server"))
        for _ in range(dice.choice((1, 1, 1, 2, 3))):
            if rushed:
                end = dice.choice(("client", "server"))
            steps.append(_step(dice, end, ends[end].kind, largest))
        if not rushed:
            steps.append(SETTLE)
        elif dice.random() < 0.7:
            steps.append(Step("", "turns", dice.choice((1, 1, 2, 3, 5, 10))))
    if orderly:
        steps = [step for step in steps if step.what not in _HASTY]
    elif dice.random() < 0.1:
        steps.insert(dice.randrange(len(steps)), Step("", "stop"))
    if not orderly and dice.random() < 0.6:  # both in order at last
        for end in dice.sample(("client", "server"), 2):
            steps.append(Step(end, dice.choice(("close", "close", "abort"))))
            if not rushed:
                steps.append(SETTLE)
    return Script(ends["client"], ends["server"], tuple(steps), rushed, number)


def _character(dice: random.Random) -> Character:
    kind: Kind = dice.choice(("protocol", "protocol", "buffered", "streams", "streams"))
    if kind == "streams":
        return Character("streams")
    calls = {}
    for name in ("made", "data", "eof", "lost"):
        if dice.random() < 0.12:
            calls[name] = dice.choice(_FINISH if name == "lost" else _IN_CALLBACKS)
    return Character(kind, dice.random() < 0.5, **calls)


def _step(dice: random.Random, end: str, kind: Kind, largest: int) -> Step:
    table = _STREAM_STEPS if kind == "streams" else _PROTOCOL_STEPS
    (what,) = dice.choices(list(table), list(table.values()))
    size = 0
    if what in ("write", "writelines"):
        size = dice.choice((1, 10, 300, dice.randrange(1, 800), dice.randrange(1, largest)))
        size = min(size, largest)
    elif what in ("read", "exactly"):
        size = dice.choice((1, 10, 300, dice.randrange(1, 3_000), dice.randrange(1, largest)))
    elif what == "limits":
        size = dice.choice((1, 10, 1_000, 100_000))
    return Step(end, what, size)
