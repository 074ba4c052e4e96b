"""A ladder: two sides, time running down, and an arrow for each segment between them.

The form is that of the figures in RFC 9293 §3.5 and §3.6: a line shows a segment, at both ends the
state of the connection once it has left and once it has arrived.  A segment that is overtaken by
other events takes two lines, and dots where it is on its way; one that never arrives ends in a
cross.  A ladder only looks, and it stays small: long stretches of plain data fold into one line.
Where a line would be longer than the terminal, words are left out, alike in all segments of a kind.
"""

import dataclasses
import enum
import shutil
import textwrap
from collections import deque
from collections.abc import Iterator
from typing import Final, Literal

from rudp.core.terms.state import State
from rudp.core.terms.why import Why
from rudp.core.watch.tracer import Tracer
from rudp.trace import words
from rudp.trace.arrows import sides
from rudp.trace.events import (
    Event,
    PairChanged,
    PathMoved,
    Punching,
    Recording,
    Segment,
    SegmentReceived,
    SegmentSent,
    StateMoved,
    Watched,
)
from rudp.trace.stream import EventLog

LEFT: Final = "left"
RIGHT: Final = "right"

Explain = Literal["short", "rfc"]

_SIDES: Final = {LEFT: 0, RIGHT: 1}
_STATE_COLUMN: Final = max(len(str(state)) for state in State)
_TIME_COLUMN: Final = 9

WIDTH_MIN: Final = 64
"""Columns below which a ladder does not get narrower."""

_EASY: Final = 12
"""Columns that an arrow has beside its words where there is room."""

_TIGHT: Final = 8
"""The same where there is none: ``-- words ... `` or ``-- words -->``."""

_MARKS: Final = ("SYN", "FIN", "RST")
"""Segments with one of these are never folded."""

_BY_USER: Final = frozenset({State.LISTEN, State.SYN_SENT, State.FIN_WAIT_1, State.LAST_ACK})
"""States that a call of the user leads to; into all others, save CLOSED, a segment leads."""


class _Kind(enum.Enum):
    """What a line shows."""

    SENT = "a segment of which nothing more is known"
    WHOLE = "a segment from one side to the other"
    LEFT = "a segment that leaves and arrives further down"
    ARRIVED = "a segment that left further up, or unseen"
    MOVED = "a state and no segment"
    NOTED = "words, and no segment"
    FOLDED = "segments that were counted and forgotten"


@dataclasses.dataclass(slots=True)
class _Line:
    """One line of the ladder; *side* is 0 for the left end and 1 for the right, here the sender."""

    kind: _Kind
    side: int
    now: float
    number: int
    segment: Segment | None = None
    again: bool = False
    why: Why | None = None
    dropped: str | None = None
    states: list[State | None] = dataclasses.field(default_factory=lambda: [None, None])


class _Fold:
    """What was folded into one line, by the side that sent it."""

    def __init__(self) -> None:
        self.segments = [0, 0]
        self.octets = [0, 0]
        self.again = [0, 0]

    def add(self, line: _Line) -> None:
        if line.segment is not None:
            self.segments[line.side] += 1
            self.octets[line.side] += line.segment.length
            self.again[line.side] += line.again

    def labels(self) -> list[str]:
        """Return what each side sent."""
        parts = []
        for side, arrow in enumerate(("-->", "<--")):
            if self.segments[side]:
                again = f", {self.again[side]} again" if self.again[side] else ""
                size = words.octets(self.octets[side])
                parts.append(f"{arrow} {self.segments[side]} segments, {size}{again}")
        return parts


@dataclasses.dataclass(slots=True)
class _Columns:
    """How wide the columns are: times, the left side's states, the arrows, all of a line."""

    time: int
    left: int
    middle: int
    all: int

    def row(self, time: str, states: list[State | None], middle: str) -> str:
        left, right = ("" if state is None else str(state) for state in states)
        return self.line(time, left, middle, right)

    def line(self, time: str, left: str, middle: str, right: str) -> str:
        return f"{time:>{self.time}}  {left:{self.left}}  {middle:{self.middle}}  {right}".rstrip()

    def aside(self, middle: str) -> str:
        """Return one more line of the column of arrows."""
        return self.line("", "", middle, "")

    def reason(self, text: str) -> str:
        """Return *text* below an arrow, on as many lines as it takes."""
        indent = " " * (self.time + self.left + 7)
        return "\n".join(
            textwrap.wrap(text, self.all, initial_indent=indent, subsequent_indent=indent)
        )


class Ladder:
    """Draws one connection: the first that either of its tracers hears of.

    ``left`` and ``right`` are tracers, for ``tracer=`` of the two ends; the ends need one clock.
    With one of them alone, the other side's states stay empty and no loss can be seen.

    *left_name*, *right_name*: what stands above the columns.  *absolute*: show sequence numbers as
    on the wire instead of counting from the initial ones.  *fold*: of each stretch of segments
    without SYN, FIN and RST keep so many lines at its beginning and at its end; None keeps all.
    *limit*: lines kept, at least 1; older ones are forgotten first.  *explain*: say below each line
    in a sentence why the segment was sent, and the counter that it was dropped under, if it was;
    with ``"rfc"`` also the code of the reason and the section of a standard; None says nothing.
    *width*: columns that a line may take, at least 64, for which words are left out where it has to
    be; None takes what the terminal has, or COLUMNS says, when it is drawn, and 80 where there is
    neither.  Raises :class:`ValueError`.

    ::

        ladder = Ladder()
        server = await rudp.start_server(handler, "127.0.0.1", 9000, tracer=ladder.right)
        reader, writer = await rudp.open_connection("127.0.0.1", 9000, tracer=ladder.left)
        ...
        print(ladder)
    """

    def __init__(
        self,
        left_name: str = "client",
        right_name: str = "server",
        *,
        absolute: bool = False,
        fold: int | None = 4,
        limit: int = 1000,
        explain: Explain | None = None,
        width: int | None = None,
    ) -> None:
        if fold is not None and fold < 1:
            raise ValueError(f"fold must be at least 1 or None, not {fold!r}")
        if limit < 1:
            raise ValueError(f"limit must be at least 1, not {limit!r}")
        if width is not None and width < WIDTH_MIN:
            raise ValueError(f"width must be at least {WIDTH_MIN} or None, not {width!r}")
        self._names = left_name, right_name
        self._absolute = absolute
        self._fold = fold
        self._limit = limit
        self._explain = explain
        self._width = width
        self._log = EventLog(limit=1, sink=self.take)
        self._watched = [False, False]
        self._ports: int | None = None  # left port << 16 | right port
        self._sides = _SIDES  # by the name of an end
        self._drawn: dict[str, int] = {}  # the sides of the connections that are drawn, by name
        self._start: float | None = None
        self._number = 0
        self._lines: deque[_Line] = deque()
        self._folds: dict[int, _Fold] = {}  # by the number of their line
        self._notes: dict[int, str] = {}  # words that stand alone, likewise
        self._forgotten = 0
        # By side: the state at the top and now, the line where it last acted, the line it last
        # received by if it did nothing since, its segments that have not arrived.
        self._top: list[State | None] = [None, None]
        self._states: list[State | None] = [None, None]
        self._acted = [0, 0]
        self._receipt: list[tuple[float, _Line] | None] = [None, None]
        self._open: tuple[list[_Line], list[_Line]] = ([], [])
        # By side: the initial number on the wire, and the highest number it used.
        self._syn: list[int | None] = [None, None]
        self._snd_max: list[int | None] = [None, None]
        self._stretch = 0  # lines at the end that may be folded
        self._folding: _Line | None = None  # the line that takes them

    @property
    def left(self) -> Tracer:
        """The tracer for the left side; asking for it means that this side is watched."""
        self._watched[0] = True
        return self._log.tracer(LEFT)

    @property
    def right(self) -> Tracer:
        """The tracer for the right side; asking for it means that this side is watched."""
        self._watched[1] = True
        return self._log.tracer(RIGHT)

    def clear(self) -> None:
        """Forget the lines drawn so far; states and numbers go on from where they are."""
        self._lines.clear()
        self._folds.clear()
        self._notes.clear()
        self._forgotten = 0
        self._top = self._states.copy()
        self._receipt = [None, None]
        for waiting in self._open:
            waiting.clear()
        self._stretch = 0
        self._folding = None

    def __str__(self) -> str:
        return "\n".join([*self.head(), *(text for _, text in self.rows())])

    def head(self) -> list[str]:
        """Return what stands above the first segment: names, and the states to begin with."""
        columns = self._columns()
        left, right = self._names
        return [columns.line("ms", left, "", right), columns.row("", self._top, "")]

    def rows(self) -> list[tuple[float, str]]:
        """Return the rest: for each line its time, in seconds since the first, and its text.

        With an explanation the text has more than one line, and so it may have where many segments
        are folded.
        """
        columns = self._columns()
        labels = self._labels(columns.middle - _TIGHT)
        rows = []
        if self._forgotten:
            text = f"... {self._forgotten} lines ..."
            rows.append((0.0, columns.row("", [None, None], text)))
        for line, label in zip(self._lines, labels, strict=True):
            first, *more = self._middle(line, label, columns.middle)
            texts = [columns.row(self._time(line), line.states, first)]
            texts += [columns.aside(each) for each in more]
            if self._explain is not None:
                texts += [columns.reason(reason) for reason in _reasons(line, self._explain)]
            rows.append((line.now - (self._start or 0.0), "\n".join(texts)))
        return rows

    def take(self, event: Event) -> None:
        """Draw *event*, if it belongs to the connection that is drawn."""
        if isinstance(event, Watched):
            self._choose(event)
            return
        if isinstance(event, Punching):
            self._punching(event)
            return
        side = self._drawn.get(event.connection)
        if side is None:
            return
        if isinstance(event, SegmentSent):
            self._depart(side, event.segment, event.state, event.time, event.why)
        elif isinstance(event, SegmentReceived):
            self._arrive(side, event)
        elif isinstance(event, StateMoved):
            self._move(side, event.before, event.after, event.time, event.why)
        elif isinstance(event, PathMoved):
            self._note(side, f"path to {event.peer}", event.time, event.why)

    @classmethod
    def of(
        cls,
        recording: Recording,
        *,
        absolute: bool = False,
        fold: int | None = 4,
        connection: str | None = None,
    ) -> "Ladder":
        """Return the ladder of a connection of *recording*; its ends give the names.

        *connection*: which one, by its name at one of its ends (``"client#2"``), None for the
        first.  Raises :class:`ValueError` if that is not there.
        """
        ends, _ = sides(recording.events, connection)
        ladder = cls(*[*ends, "", ""][:2], absolute=absolute, fold=fold)
        ladder.draw(recording, connection)
        return ladder

    def draw(self, recording: Recording, connection: str | None = None) -> None:
        """Draw the events of a connection of *recording*, as :meth:`of` does."""
        ends, found = sides(recording.events, connection)
        self._drawn |= found
        self._sides = {end: side for side, end in enumerate(ends)}
        for side, _ in enumerate(ends):
            self._watched[side] = True
        for event in recording.events:
            if not isinstance(event, Watched):
                self.take(event)

    # -- what is drawn ---------------------------------------------------------------------------

    def _choose(self, event: Watched) -> None:
        """Is this an end of the connection that is drawn?  The first one becomes it."""
        side = self._sides.get(event.end)
        if side is None:
            return
        ports = event.local_port << 16 | event.remote_port
        if side == 1:
            ports = (ports & 0xFFFF) << 16 | ports >> 16
        if self._ports is None:
            self._ports = ports
        if ports == self._ports:
            self._drawn[event.connection] = side

    def _depart(self, side: int, seg: Segment, state: State, now: float, why: Why) -> None:
        last = self._lines[-1] if self._lines else None
        if last is not None and last.kind is _Kind.MOVED and (last.side, last.now) == (side, now):
            self._lines.pop()  # what it shows, this line shows as well
        line = self._line(_Kind.SENT, side, seg, now)
        line.again = self._is_again(side, seg)
        line.why = why
        line.states[side] = self._states[side] = state
        self._begin(side, state)
        self._open[side].append(line)
        self._acted[side] = line.number
        self._receipt[side] = None
        self._append(line)

    def _arrive(self, side: int, event: SegmentReceived) -> None:
        seg, state, now = event.segment, event.state, event.time
        sender = 1 - side
        self._states[side] = state
        self._begin(side, state)
        waiting = self._open[sender]
        found = [line for line in waiting if line.segment and _same(seg, line.segment)]
        # Of several that look alike, an ACK is the oldest, for they keep their order; but what
        # was sent again arrives because the older one was lost.
        found = found[-1:] if seg.space else found[:1]
        for line in found:
            waiting.remove(line)
            if line.number > self._acted[side]:
                line.kind = _Kind.WHOLE
                self._received(side, line, event)
            else:
                line.kind = _Kind.LEFT
                self._arrived(side, event)
        if found:
            return
        receipt = self._receipt[side]
        if state is State.LISTEN and receipt is not None and receipt[0] == now:
            # TIME-WAIT had this SYN in its hands and let the listener have it.
            receipt[1].states[side] = state
        elif _is_marked(seg) or not (self._watched[sender] and self._folds):
            self._arrived(side, event)

    def _move(self, side: int, before: State, after: State, now: float, why: Why) -> None:
        self._states[side] = after
        self._begin(side, after if after is State.LISTEN else before)
        receipt = self._receipt[side]
        if after in _BY_USER:
            return  # the segment that follows shows it
        if receipt is not None and receipt[0] == now:
            receipt[1].states[side] = after
        elif after is State.CLOSED:
            line = self._line(_Kind.MOVED, side, None, now)
            line.why = why
            line.states[side] = after
            self._append(line)

    def _punching(self, event: Punching) -> None:
        side = self._sides.get(event.connection)
        if side is not None:
            why = event.why if isinstance(event, PairChanged) else None
            self._note(side, words.punching(event), event.time, why)

    def _note(self, side: int, text: str, now: float, why: Why | None) -> None:
        """Draw words on a line of their own."""
        line = self._line(_Kind.NOTED, side, None, now)
        line.why = why
        self._notes[line.number] = text
        self._append(line)

    # -- inside ----------------------------------------------------------------------------------

    def _begin(self, side: int, state: State) -> None:
        """The ladder begins with *side* in *state*, if it has not begun."""
        if self._top[side] is None:
            self._top[side] = state

    def _line(self, kind: _Kind, side: int, seg: Segment | None, now: float) -> _Line:
        if self._start is None:
            self._start = now
        self._number += 1
        return _Line(kind, side, now, self._number, seg)

    def _arrived(self, side: int, event: SegmentReceived) -> None:
        """Draw the arrival of a segment on a line of its own."""
        line = self._line(_Kind.ARRIVED, 1 - side, event.segment, event.time)
        self._received(side, line, event)
        self._append(line)

    def _received(self, side: int, line: _Line, event: SegmentReceived) -> None:
        line.states[side] = event.state
        line.dropped = event.dropped
        self._acted[side] = line.number
        self._receipt[side] = event.time, line

    def _is_again(self, side: int, seg: Segment) -> bool:
        """Has *side* sent these numbers before?"""
        if "SYN" in seg.flags and self._syn[side] != seg.wire_seq:
            self._syn[side] = seg.wire_seq
            self._snd_max[side] = None  # another connection of the same ports
        end = seg.seq + seg.space
        highest = self._snd_max[side]
        if highest is None or end > highest:
            self._snd_max[side] = end
        return bool(seg.space and highest is not None and seg.seq < highest)

    def _append(self, line: _Line) -> None:
        self._lines.append(line)
        if line.segment is None or _is_marked(line.segment):
            self._stretch = 0
            self._folding = None
        else:
            self._stretch += 1
            if self._fold is not None and self._stretch > 2 * self._fold:
                self._fold_one(self._fold)
        if len(self._lines) > self._limit:
            self._forget(self._lines.popleft())
            self._forgotten += 1

    def _fold_one(self, keep: int) -> None:
        """Take the line before the last *keep* into the fold of this stretch."""
        at = len(self._lines) - 1 - keep
        if at < 0:
            return
        line = self._lines[at]
        del self._lines[at]
        if self._folding is None:
            self._folding = self._line(_Kind.FOLDED, line.side, None, line.now)
            self._folds[self._folding.number] = _Fold()
            self._lines.insert(at, self._folding)
        fold = self._folds.get(self._folding.number)
        if fold is not None and (line.kind is not _Kind.ARRIVED or not self._watched[line.side]):
            fold.add(line)
        self._forget(line)

    def _forget(self, line: _Line) -> None:
        """Let nothing hold on to a line that is gone."""
        self._folds.pop(line.number, None)
        self._notes.pop(line.number, None)
        if line.kind is _Kind.SENT:
            self._open[line.side].remove(line)

    # -- drawing ---------------------------------------------------------------------------------

    def _columns(self) -> _Columns:
        """Return columns with room for all words, or as wide as a line may be."""
        width = self._width
        if width is None:
            width = max(shutil.get_terminal_size((80, 24)).columns, WIDTH_MIN)
        states = [
            [self._top[side], *(line.states[side] for line in self._lines)] for side in (0, 1)
        ]
        left, right = (
            max([len(name), *(len(str(state)) for state in column if state is not None)])
            for name, column in zip(self._names, states, strict=True)
        )
        folded = [_folded(fold.labels()) for fold in self._folds.values()]
        middle = max([36, *(len(label) + _EASY for label in self._labels(None)), *map(len, folded)])
        easy = _Columns(_TIME_COLUMN, max(left, _STATE_COLUMN), middle, width)
        if easy.time + easy.left + easy.middle + right + 6 <= width:
            return easy
        time = max([2, *(len(self._time(line)) for line in self._lines)])
        middle = min(width - time - left - right - 6, middle)
        return _Columns(time, left, max(middle, WIDTH_MIN // 3), width)

    def _time(self, line: _Line) -> str:
        return f"{(line.now - (self._start or 0.0)) * 1000:.1f}"

    def _labels(self, room: int | None) -> list[str]:
        """Return the words at each line's arrow: in full, or in *room* columns.

        Of segments of a kind all leave out the same.
        """
        forms = [self._forms(line) for line in self._lines]
        level: dict[str, int] = {}
        for kind, texts in forms:
            at = level.get(kind, 0)
            while room is not None and at < len(texts) - 1 and len(texts[at]) > room:
                at += 1
            level[kind] = at
        labels = [texts[level[kind]] for kind, texts in forms]
        if room is None:
            return labels
        return [_cut(text, room) for text in labels]

    def _forms(self, line: _Line) -> tuple[str, tuple[str, ...]]:
        """Return the kind of a line's segment, and its header in words, shorter and shorter."""
        seg = line.segment
        if seg is None:
            return "none", (self._notes.get(line.number, ""),)
        kind = "data" if seg.length else "SACK" if seg.sack else "other"
        if "SYN" in seg.flags:
            kind = "SYN"
        again = " again" if line.again else ""
        forms = words.forms(seg, absolute=self._absolute)
        return kind, tuple(f"{form}{again}" for form in forms)

    def _middle(self, line: _Line, label: str, width: int) -> list[str]:
        """Return what stands between the sides, on one line of *width* columns or more lines."""
        if line.kind is not _Kind.FOLDED:
            return [self._arrow(line, label, width)]
        parts = self._folds[line.number].labels()
        whole = _folded(parts)
        return [whole] if len(whole) <= width else [_folded([part]) for part in parts]

    def _arrow(self, line: _Line, label: str, width: int) -> str:
        """Return the arrow of a line, *width* columns or less."""
        kind = line.kind
        if kind is _Kind.MOVED:
            return ""
        if kind is _Kind.NOTED:
            note = _folded([label])
            return note if line.side == 0 else note.rjust(width)
        if kind is _Kind.SENT and not self._watched[1 - line.side]:
            kind = _Kind.WHOLE
        shaft = f"-- {label} "
        tail = " ..." if kind is _Kind.ARRIVED else ""
        head = {_Kind.SENT: "X" + 4 * " ", _Kind.LEFT: " ..."}.get(kind, ">")
        if line.side == 0:
            return tail[::-1] + shaft.ljust(width - len(head) - len(tail), "-") + head
        head = head[::-1].replace(">", "<")
        return head + shaft.ljust(width - len(head) - len(tail), "-") + tail


def _cut(label: str, room: int) -> str:
    """Return the words at an arrow, cut if nothing else helps; "again" stays."""
    if len(label) <= room:
        return label
    text = label.removesuffix(" again")
    again = label[len(text) :]
    return f"{text[: room - 2 - len(again)]}..{again}"


def _folded(parts: list[str]) -> str:
    """Return what is written in place of the segments of a fold."""
    return f"... {'; '.join(parts)} ..."


def _same(came: Segment, sent: Segment) -> bool:
    """May the segment that *came* be the one that was *sent*?"""
    return _identity(came) == _identity(sent)


def _identity(seg: Segment) -> tuple[object, ...]:
    return seg.wire_seq, seg.wire_ack, seg.flags, seg.length, seg.tsval


def _is_marked(seg: Segment) -> bool:
    """Has it a control bit that keeps it from being folded?"""
    return any(mark in seg.flags for mark in _MARKS)


def _reasons(line: _Line, explain: Explain) -> Iterator[str]:
    """Yield why a segment was sent, and why it was dropped, in words."""
    if line.why is not None:
        where = f" ({line.why.name}, {line.why.section})" if explain == "rfc" else ""
        yield f"{line.why.sentence}{where}"
    if line.dropped is not None:
        yield f"dropped: {line.dropped}"
