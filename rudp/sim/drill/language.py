"""The language of drills: from text to lines of which every word knows its place.

A drill says, a line for each event, what happens to one TCP and what it must answer::

    drill    = { line }
    line     = [ side ":" ] ( head | [ time ] event ) [ "#" comment ]
    side     = "rudp" | "kernel"                   for other implementations the line is not there
    head     = "config" NAME VALUE                 a setting, before the first event
             | "only" side REASON                  no other implementation can play the drill
    time     = [ "+" ] SECONDS                     since the event before, or the beginning
    event    = [ flow ] ">" segment                it must come out, then, and nothing else
             | [ "&" ] [ flow ] "<" segment        it arrives; & in one read with the one before
             | [ flow "." ] VERB { WORD }          a call of the program, or what must hold
    segment  = bits SEQ [ ":" END "(" LENGTH ")" ] { field } [ "<" option { "," option } ">" ]
    bits     = "-" | one or more of "S" "A" "F" "R" "P" "U" "E" "C" "N"
    field    = "ack" NUMBER | "win" NUMBER | "urg" NUMBER | "sum" | "res" | "ce" | "ect" | "ect1"
    option   = "mss" N | "ws" N | "sackOK" | "TS" VALUE ECHO | "sack" { LEFT ":" RIGHT } | "nop"
             | "raw" HEX | "noTS" | "kind" N | "ecn0" { N } | "ecn1" { N }

Comments before the first line tell what the drill shows.  The verbs are :data:`VERBS`.
"""

import dataclasses
import errno
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from rudp.config import Config
from rudp.core.life import tcb
from rudp.core.terms.counters import Count
from rudp.core.terms.state import State
from rudp.core.watch.info import ConnectionInfo

SIDES: Final = ("rudp", "kernel")
"""Implementations that a line may be for."""

LETTERS: Final = "FSRPAUECN"
"""Of the control bits, from bit 0 upwards."""

EVENTS: Final = {
    "ESTABLISHED": tcb.ESTABLISHED,
    "READABLE": tcb.READABLE,
    "WRITABLE": tcb.WRITABLE,
    "EOF": tcb.EOF,
    "ACKED_FIN": tcb.ACKED_FIN,
    "CLOSED": tcb.CLOSED,
    "SOFT_ERROR": tcb.SOFT_ERROR,
    "URGENT": tcb.URGENT,
}
"""What ``poll_events`` may tell, by its name in a drill."""

CALLS: Final = {
    "connect": "[OCTETS]",
    "listen": "",
    "unlisten": "",
    "accept": "",
    "send": "OCTETS [urgent]",
    "read": "OCTETS",
    "shutdown": "",
    "close": "",
    "abort": "",
    "nodelay": "on|off",
    "receive_buffer": "OCTETS",
    "user_timeout": "SECONDS|none",
    "keepalive": "SECONDS SECONDS NUMBER",
    "icmp": "ERRNO [SEQ|short]",
    "fails": "ERROR CALL ...",
}
"""What the program, or a router, does."""

CHECKS: Final = {
    "state": "STATE",
    "error": "ERROR|none",
    "soft": "ERRNO|none",
    "events": "[EVENT] ...",
    "urgent": "OCTETS",
    "unsent": "OCTETS",
    "info": "FIELD VALUE",
    "count": "REASON NUMBER",
    "records": "NUMBER",
    "connections": "NUMBER",
}
"""What must hold."""

STAGE: Final = {
    "wait": "",
    "anew": "SEQ",
    "flow": "NAME HOST:PORT [PORT]",
}
"""What concerns the drill itself."""

VERBS: Final = CALLS | CHECKS | STAGE
"""All verbs, each with the words it takes."""

SEQ_MAX: Final = 1 << 31
OCTETS_MAX: Final = 1 << 28
SECONDS_MAX: Final = 1e9

_NUMBER: Final = re.compile(r"-?\d+")
_SECONDS: Final = re.compile(r"\d+(\.\d+)?")
_TIME: Final = re.compile(r"\+?\d+(\.\d+)?(?=\s|$)")
_SIDE: Final = re.compile(r"(\w+):(?=\s)")
_EVENT: Final = re.compile(r"(?P<joined>&?)(?P<flow>\w*)(?P<mark>[<>])(?=\s|$)")
_CALL: Final = re.compile(r"(?:(?P<flow>\w+)\.)?(?P<verb>\w+)(?=\s|$)")
_BITS: Final = re.compile(r"([SAFRPUECN]+|-)(?=\s|$)")
_DATA: Final = re.compile(r":(-?\d+)\((\d+)\)(?=\s|$)")
_WORD: Final = re.compile(r"\S+")
_NAMES: Final = frozenset(errno.errorcode.values())
_ADDRESS: Final = re.compile(r"\S+:\d{1,5}")
_OPTIONS: Final = {
    "mss": r"\d{1,5}",
    "ws": r"\d{1,3}",
    "sackOK": "",
    "TS": r"(-?\d+|\*) (-?\d+|\*)",
    "sack": r"(-?\d+:-?\d+ ?)+",
    "nop": "",
    "raw": r"([0-9a-fA-F]{2})+",
    "noTS": "",
    "kind": r"\d{1,3}",
    "ecn0": r"(\d{1,8} ?){0,3}",
    "ecn1": r"(\d{1,8} ?){0,3}",
}


class DrillSyntaxError(ValueError):
    """A drill cannot be read.

    *line* and *column* count from 1; *text* is the line, *what* says what is wrong with it.
    """

    def __init__(self, what: str, line: int, column: int, text: str) -> None:
        super().__init__(f"line {line}, column {column}: {what}\n{pointed(text, column)}")
        self.what = what
        self.line = line
        self.column = column
        self.text = text


def pointed(text: str, column: int) -> str:
    """Return *text*, and below it a mark under its *column*, from 1 on."""
    bare = text.lstrip()
    return f"    {bare}\n    {' ' * (column - 1 - len(text) + len(bare))}^"


@dataclasses.dataclass
class Segment:
    """A segment in relative numbers, as a line has it; None where the line says nothing.

    ``places``: the column of each word, by the name of its field; empty if no line has it.
    """

    flags: int
    seq: int
    length: int
    ack: int | None = None
    win: int | None = None
    urg: int | None = None
    options: list[str] | None = None
    extras: frozenset[str] = frozenset()
    places: dict[str, int] = dataclasses.field(default_factory=dict, compare=False, repr=False)

    def has(self, letter: str) -> bool:
        """Whether the control bit *letter* is set."""
        return bool(self.flags >> LETTERS.index(letter) & 1)

    def __str__(self) -> str:
        text = f"{''.join(x for x in 'SFRPUECNA' if self.has(x)) or '-'} {self.seq}"
        if self.length:
            text += f":{self.seq + self.length}({self.length})"
        for name in ("ack", "win", "urg"):
            if getattr(self, name) is not None:
                text += f" {name} {getattr(self, name)}"
        for name in sorted(self.extras):
            text += f" {name}"
        if self.options is not None:
            text += f" <{', '.join(self.options)}>"
        return text


@dataclasses.dataclass(frozen=True)
class Line:
    """One event of a drill.

    ``number`` and ``column``, from 1 on, are its place; ``text`` is the line as it stands there.
    ``mark``: ``">"`` for a segment that must come out, ``"<"`` for one that arrives, ``""`` for a
    call or a check.  ``side``: whom the line is for, ``""`` for all.  ``time`` in seconds, None for
    at once, ``relative`` to the event before.  ``joined``: in one read with the segment before.
    """

    number: int
    column: int
    text: str
    side: str = ""
    time: float | None = None
    relative: bool = False
    flow: str = ""
    mark: str = ""
    joined: bool = False
    segment: Segment | None = None
    verb: str = ""
    words: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Setting:
    """A line ``config NAME VALUE``; *side* as in :class:`Line`."""

    name: str
    value: Any
    side: str
    line: int
    column: int
    text: str


@dataclasses.dataclass(frozen=True)
class Drill:
    """A drill that was read: see :func:`parse`.

    ``about``: the comment at its head.  ``only``: the one side that can play it, ``""`` for all,
    and ``reason`` why.
    """

    name: str
    about: str
    only: str
    reason: str
    config: tuple[Setting, ...]
    lines: tuple[Line, ...]

    @property
    def title(self) -> str:
        """The first line of ``about``."""
        return self.about.partition("\n")[0]

    def settings(self, side: str) -> dict[str, Any]:
        """Return the settings for *side*, by name."""
        return {one.name: one.value for one in self.config if one.side in ("", side)}

    def events(self, side: str) -> list[Line]:
        """Return the lines for *side*."""
        return [line for line in self.lines if line.side in ("", side)]


def parse(text: str, name: str = "") -> Drill:
    """Read a drill; *name*: what it is called.  Raises :class:`DrillSyntaxError`."""
    about: list[str] = []
    only = reason = ""
    config: list[Setting] = []
    lines: list[Line] = []
    begun = False
    for number, raw in enumerate(text.splitlines(), start=1):
        bare, hash_, comment = raw.partition("#")
        if not bare.strip():
            if not begun and hash_:
                about.append(comment.strip())
            continue
        begun = True
        words = _Words(bare.rstrip(), number)
        side = _side(words)
        if words.accept(re.compile(r"config(?=\s)")):
            if lines:
                raise words.error("config stands before the first event", back=True)
            config.append(_setting(words, side))
        elif words.accept(re.compile(r"only(?=\s)")):
            if lines or only:
                raise words.error("only stands once, before the first event", back=True)
            only = words.choice(SIDES, "an implementation")
            reason = words.rest()
            if not reason:
                raise words.error("the reason is missing")
        else:
            lines.append(_event(words, side))
    drill = Drill(name, "\n".join(about), only, reason, tuple(config), tuple(lines))
    _check_config(drill)
    return drill


class _Words:
    """A line that is read word by word."""

    def __init__(self, text: str, number: int) -> None:
        self.text = text
        self.number = number
        self.at = 0
        self.last = 0

    def error(self, what: str, *, back: bool = False) -> DrillSyntaxError:
        """Return the error that stands here, or with *back* at the word before."""
        self._skip()
        return DrillSyntaxError(what, self.number, (self.last if back else self.at) + 1, self.text)

    def accept(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Take what *pattern* matches, if it does here."""
        self._skip()
        found = pattern.match(self.text, self.at)
        if found is not None:
            self.last, self.at = self.at, found.end()
        return found

    def take(self, pattern: re.Pattern[str], what: str) -> re.Match[str]:
        """Take what *pattern* matches; *what*: how people call it."""
        found = self.accept(pattern)
        if found is None:
            word = _WORD.match(self.text, self.at)
            instead = f", not {word[0]!r}" if word else ""
            raise self.error(f"here belongs {what}{instead}")
        return found

    def word(self, what: str) -> str:
        """Take a word."""
        return self.take(_WORD, what)[0]

    def number_from(self, low: int, high: int, what: str) -> int:
        """Take a whole number."""
        number = int(self.take(_NUMBER, what)[0])
        if not low <= number <= high:
            raise self.error(f"{what} is {low} to {high}", back=True)
        return number

    def choice(self, words: tuple[str, ...], what: str) -> str:
        """Take one of *words*."""
        word = self.word(what)
        if word not in words:
            raise self.error(f"{what} is {' or '.join(words)}, not {word!r}", back=True)
        return word

    def rest(self) -> str:
        """Take all that follows."""
        self._skip()
        self.last, rest = self.at, self.text[self.at :]
        self.at = len(self.text)
        return rest.strip()

    def ended(self) -> bool:
        """Whether nothing follows."""
        self._skip()
        return self.at == len(self.text)

    def end(self, what: str) -> None:
        """Take the end of the line; *what*: that of which it is the end."""
        if not self.ended():
            raise self.error(f"{what} ends before {self.text[self.at :]!r}")

    def _skip(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1


def _side(words: _Words) -> str:
    found = words.accept(_SIDE)
    if found is None:
        return ""
    if found[1] not in SIDES:
        raise words.error(f"a line is for {' or '.join(SIDES)}, not {found[1]!r}", back=True)
    return found[1]


def _setting(words: _Words, side: str) -> Setting:
    name = words.word("the name of a setting")
    column = words.last + 1
    if name not in Config.__dataclass_fields__:
        raise words.error(f"rudp.Config has no setting {name!r}", back=True)
    text = words.word("a value")
    words.end("the setting")
    value: Any = {"on": True, "off": False, "none": None}.get(text, text)
    if name in ("ecn", "lane"):
        value = text  # these have modes of these names
    elif _NUMBER.fullmatch(text):
        value = int(text)
    elif _SECONDS.fullmatch(text):
        value = float(text)
    return Setting(name, value, side, words.number, column, words.text)


def _check_config(drill: Drill) -> None:
    """Is each setting one that rudp can have?"""
    so_far: dict[str, Any] = {}
    for one in drill.config:
        if one.side in ("", "rudp"):
            so_far[one.name] = one.value
            try:
                Config(**so_far)
            except (ValueError, TypeError) as error:
                raise DrillSyntaxError(str(error), one.line, one.column, one.text) from None


def _event(words: _Words, side: str) -> Line:
    stamp = words.accept(_TIME)
    time, relative = None, False
    if stamp is not None:
        time, relative = float(stamp[0]), stamp[0].startswith("+")
        if time > SECONDS_MAX:
            raise words.error(f"a time is at most {SECONDS_MAX:.0f} s", back=True)
    found = words.accept(_EVENT)
    column = words.last + 1
    if found is not None:
        if found["joined"] and found["mark"] == ">":
            raise words.error("only segments that arrive can be in one read", back=True)
        if found["joined"] and time is not None:
            raise words.error("what is in one read comes at one time", back=True)
        segment = _segment(words, column)
        return Line(
            words.number,
            column,
            words.text,
            side,
            time,
            relative,
            found["flow"],
            found["mark"],
            bool(found["joined"]),
            segment,
        )
    call = words.take(_CALL, "an event: a segment after > or <, or a verb")
    column = words.last + 1
    verb = call["verb"]
    if verb not in VERBS:
        raise words.error(f"there is no such event: {verb}", back=True)
    arguments = tuple(_arguments(words, verb))
    flow = call["flow"] or ""
    return Line(
        words.number, column, words.text, side, time, relative, flow, verb=verb, words=arguments
    )


def _segment(words: _Words, column: int) -> Segment:
    """Read a segment."""
    places = {"": column}
    bits = words.take(_BITS, "the control bits of a segment, such as SA, or -")[1]
    places["flags"] = words.last + 1
    flags = 0
    for letter in bits.replace("-", ""):
        if flags >> LETTERS.index(letter) & 1:
            raise words.error(f"{letter} stands there twice", back=True)
        flags |= 1 << LETTERS.index(letter)
    seq = words.number_from(-SEQ_MAX, SEQ_MAX, "a sequence number")
    places["seq"] = places["length"] = words.last + 1
    length = 0
    data = _DATA.match(words.text, words.at)
    if data is not None:
        words.accept(_DATA)
        length = int(data[2])
        if not length <= 0xFFFF:
            raise words.error("a segment has at most 65535 octets", back=True)
        if int(data[1]) != seq + length:
            raise words.error(
                f"the length does not fit the numbers: {seq} and {length} octets are "
                f"{seq + length}",
                back=True,
            )
    segment = Segment(flags, seq, length, places=places)
    extras = set()
    while not words.ended():
        if words.accept(re.compile("<")):
            places["options"] = words.last + 1
            segment.options = _options(words)
            words.end("a segment")
            break
        name = words.word("a field")
        if name in places or name in extras:
            raise words.error(f"{name} stands there twice", back=True)
        places[name] = words.last + 1
        if name in ("ack", "win", "urg"):
            low = -SEQ_MAX if name == "ack" else 0
            high = SEQ_MAX if name == "ack" else 0xFFFF
            setattr(segment, name, words.number_from(low, high, f"the number of {name}"))
        elif name in ("sum", "res", "ce", "ect", "ect1"):
            extras.add(name)
        else:
            raise words.error(
                f"a segment has no field {name!r}: ack, win, urg, sum, res, ce, ect, ect1, "
                "<options>",
                back=True,
            )
    segment.extras = frozenset(extras)
    return segment


def _options(words: _Words) -> list[str]:
    """Read options up to the ``>``."""
    inside = words.take(re.compile(r"([^<>]*)>"), "a list of options, which ends with >")
    options = []
    at = inside.start(1)
    for one in inside[1].split(","):
        option = " ".join(one.split())
        if option:
            name, _, values = option.partition(" ")
            words.last = at + len(one) - len(one.lstrip())
            if name not in _OPTIONS:
                raise words.error(f"there is no such option: {name}", back=True)
            if not re.fullmatch(_OPTIONS[name], values):
                raise words.error(f"the option {name} has not such values: {values!r}", back=True)
            options.append(option)
        at += len(one) + 1
    return options


def _arguments(words: _Words, verb: str) -> Iterator[str]:
    """Read what follows *verb*."""
    usage = f"{verb} takes {VERBS[verb] or 'nothing'}"
    kinds = VERBS[verb].split()
    if "..." in kinds:
        kinds = [*kinds[: kinds.index("...")], *["[" + kinds[-2].strip("[]") + "]"] * 16]
    for kind in kinds:
        optional, kind = kind.startswith("["), kind.strip("[]")
        if words.ended():
            if optional:
                return
            raise words.error(usage)
        if kind == "CALL":
            call = words.word("a call")
            if call not in CALLS or call == "fails":
                raise words.error(f"there is no such call: {call}", back=True)
            yield call
            yield from _arguments(words, call)
            return
        word = words.word(kind)
        if not any(_KINDS.get(name, name.__eq__)(word) for name in kind.split("|")):
            raise words.error(f"{usage}; {word!r} is no {kind}", back=True)
        yield word
    words.end(usage)


def _whole(low: int, high: int) -> Callable[[str], bool]:
    return lambda word: bool(_NUMBER.fullmatch(word)) and low <= int(word) <= high


_KINDS: Final[dict[str, Callable[[str], bool]]] = {
    "OCTETS": _whole(0, OCTETS_MAX),
    "NUMBER": _whole(0, OCTETS_MAX),
    "SEQ": _whole(-SEQ_MAX, SEQ_MAX),
    "PORT": _whole(0, 0xFFFF),
    "SECONDS": lambda word: bool(_SECONDS.fullmatch(word)) and float(word) <= SECONDS_MAX,
    "ERRNO": _NAMES.__contains__,
    "ERROR": lambda word: word in _NAMES or word.endswith("Error"),
    "STATE": {str(state) for state in State}.__contains__,
    "EVENT": EVENTS.__contains__,
    "REASON": Count.__members__.__contains__,
    "FIELD": ConnectionInfo.__annotations__.__contains__,
    "VALUE": bool,
    "NAME": str.isidentifier,
    "HOST:PORT": lambda word: bool(_ADDRESS.fullmatch(word)),
}
"""Which words are of a kind."""
