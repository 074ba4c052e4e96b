"""A ladder as a picture: two life lines, time running down, a slanted arrow for each segment.

An arrow begins where the segment left and ends where it arrived, so its slant is the delay.  What
is lost ends in a cross on the way.  Beside the lines stand the states and the windows announced;
who rests on an arrow is told why it was sent.  Where nothing happens for long the lines are broken
and say for how long; what happens at one instant is drawn one below the other.  Where many segments
are on their way at once all is drawn smaller, and only so many arrows have words that none covers
another; what was lost or sent again has the right of way.
"""

import dataclasses
import math
from collections.abc import Iterable
from typing import Final
from xml.sax.saxutils import escape

from rudp.trace import words
from rudp.trace.arrows import Arrow, arrows, sides
from rudp.trace.events import (
    Event,
    PathMoved,
    Punching,
    Segment,
    SegmentReceived,
    SegmentSent,
    StateMoved,
    TimerFired,
    WindowAnnounced,
)

ROW: Final = 18.0
"""Pixels between two things at one side, at least."""

GAP: Final = 70.0
"""Pixels that a silence takes, at most; longer ones are broken."""

SLANT: Final = 36.0
"""Pixels by which an arrow of the usual delay falls."""

FALL: Final = 260.0
"""Pixels by which most arrows fall, at most."""

LETTERING: Final = 15.0
"""Pixels that a line of words takes."""

LETTER: Final = 7.25
"""Pixels that a letter takes."""

STEEP: Final = 0.35
"""The usual slope from which on words are level and do not follow their arrow."""

INSET: Final = 16.0
"""Pixels from the beginning of an arrow to that of its words."""

LOST_AT: Final = 0.6
"""The share of its way that is drawn of a segment which did not arrive."""

LEFT: Final = 280.0
RIGHT: Final = 820.0
WIDTH: Final = 1070.0
TOP: Final = 56.0

_STYLE: Final = """\
svg{font:12px ui-monospace,Menlo,Consolas,monospace;background:#fff;color:#1a1a1a}
text{fill:currentColor}.words text{paint-order:stroke;stroke:#fff;stroke-width:3px;\
stroke-linejoin:round}.time{fill:#767676}.life{stroke:#9a9a9a}.gap{stroke:#9a9a9a;\
stroke-dasharray:2 4}.state{font-weight:600}.dim{fill:#767676}
.arrow{stroke-width:1.5;fill:none}.data{stroke:#0072b2}.ack{stroke:#767676}.mark{stroke:#009e73}
.again{stroke:#d55e00}.cross{stroke:#d55e00;stroke-width:2.5}.head{stroke:none}
.head.data{fill:#0072b2}.head.ack{fill:#767676}.head.mark{fill:#009e73}.head.again{fill:#d55e00}
@media (prefers-color-scheme:dark){svg{background:#16181d;color:#e8e8e8}\
.words text{stroke:#16181d}.data{stroke:#56b4e9}\
.head.data{fill:#56b4e9}.again,.cross{stroke:#e69f00}.head.again{fill:#e69f00}\
.mark{stroke:#2fc79a}.head.mark{fill:#2fc79a}.time,.dim{fill:#9a9a9a}.ack{stroke:#9a9a9a}\
.head.ack{fill:#9a9a9a}}
"""


@dataclasses.dataclass(slots=True)
class _Point:
    """Something at one side; ``y`` is found once all points are known."""

    time: float
    side: int
    rows: float = 1.0
    y: float = 0.0


@dataclasses.dataclass(slots=True)
class _Passage:
    """An arrow between two points; one of them is None where nobody watched."""

    arrow: Arrow
    side: int  # of the sender
    again: bool
    start: _Point | None
    end: _Point | None
    fall: float = SLANT  # pixels, all the way

    @property
    def y(self) -> float:
        """Where it begins, or would."""
        if self.start is not None:
            return self.start.y
        return TOP if self.end is None else self.end.y - SLANT

    @property
    def is_rare(self) -> bool:
        segment = self.arrow.segment
        return self.again or self.arrow.lost is not None or segment.space > segment.length


def ladder(
    events: Iterable[Event], *, title: str = "", limit: int = 400, connection: str | None = None
) -> str:
    """Return the ladder of *events* as SVG.

    *limit*: arrows drawn, the first ones; a last line says how many more there were.  *connection*:
    which one, by its name at one of its ends (``"client#2"``), None for the first.  Raises
    :class:`ValueError` if there is none.
    """
    return _Picture(list(events), limit, connection).draw(title)


class _Picture:
    """Gathers what is to be drawn, gives each a height, and draws."""

    def __init__(self, events: list[Event], limit: int, connection: str | None) -> None:
        ends, self.sides = sides(events, connection)
        self.places = {end: side for side, end in enumerate(ends)} | self.sides
        if not self.sides:
            raise ValueError("there is no connection among these events")
        ours = [
            event
            for event in events
            if event.connection in (ends if isinstance(event, Punching) else self.sides)
        ]
        everything = arrows(ours)
        self.more = max(len(everything) - limit, 0)
        shown = everything[:limit]
        self.until = everything[limit].time if self.more else float("inf")
        self.ends: dict[int, _Point] = {}  # by the identity of an event
        self.points: list[_Point] = []
        self.notes: list[tuple[_Point, str, str]] = []
        starts = {id(a.sent): a for a in shown if a.sent is not None}
        arrivals = {id(a.received): a for a in shown if a.received is not None}
        for event in ours:
            if event.time <= self.until:
                self.note(event, starts, arrivals)
        self.passages = [self.passage(arrow) for arrow in shown]
        self.mark_repeats()
        self.breaks: list[tuple[float, float, float]] = []
        self.height = self.lay_out()
        self.is_level = False
        self.fit()

    # -- gathering -------------------------------------------------------------------------------

    def point(self, event: Event, rows: float = 1.0) -> _Point:
        point = _Point(event.time, self.places[event.connection], rows)
        self.points.append(point)
        return point

    def note(self, event: Event, starts: dict[int, Arrow], arrivals: dict[int, Arrow]) -> None:
        """Make the points and notes of one event."""
        if isinstance(event, SegmentSent | SegmentReceived):
            if id(event) in starts or id(event) in arrivals:
                point = self.ends[id(event)] = self.point(event)
                if isinstance(event, SegmentReceived) and event.dropped is not None:
                    self.notes.append((point, f"dropped: {event.dropped}", "dim"))
        elif isinstance(event, StateMoved):
            text = f"{event.cause}: {event.why.sentence}"
            self.notes.append((self.point(event), f"{event.after}\0{text}", "state"))
        elif isinstance(event, PathMoved):
            self.notes.append((self.point(event), f"path to {event.peer}", "state"))
        elif isinstance(event, Punching):
            self.notes.append((self.point(event), words.punching(event), "dim"))
        elif isinstance(event, TimerFired):
            self.notes.append((self.point(event), f"{event.timer} timer", "dim"))
        elif isinstance(event, WindowAnnounced) and not event.rcv_wnd:
            self.notes.append((self.point(event), "window shut", "dim"))

    def passage(self, arrow: Arrow) -> _Passage:
        sent, received = arrow.sent, arrow.received
        side = self.sides[sent.connection] if sent else 1 - self.sides[received.connection]  # type: ignore[union-attr]
        start = self.ends.get(id(sent)) if sent else None
        end = self.ends.get(id(received)) if received else None
        return _Passage(arrow, side, False, start, end)

    def mark_repeats(self) -> None:
        """Find what was sent again."""
        highest = [-1, -1]
        for passage in self.passages:
            segment = passage.arrow.segment
            if not segment.space or passage.arrow.sent is None:
                continue
            passage.again = segment.seq < highest[passage.side]
            highest[passage.side] = max(highest[passage.side], segment.seq + segment.space)

    # -- heights ---------------------------------------------------------------------------------

    def lay_out(self) -> float:
        """Give every point its height: later is lower, and two at one side keep their distance."""
        delays = sorted(
            passage.end.time - passage.start.time
            for passage in self.passages
            if passage.start and passage.end and passage.end.time > passage.start.time
        )
        scale = SLANT / delays[len(delays) // 2] if delays else SLANT / 0.01
        order = sorted(range(len(self.points)), key=lambda n: (self.points[n].time, n))
        lowest = [TOP, TOP]
        here, now = TOP, self.points[order[0]].time if order else 0.0
        for n in order:
            point = self.points[n]
            wait = (point.time - now) * scale
            if wait > GAP:
                self.breaks.append((here + GAP * 0.25, here + GAP * 0.75, point.time - now))
            here += min(wait, GAP)
            now = point.time
            here = point.y = max(here, lowest[point.side] + ROW * point.rows)
            lowest[point.side] = point.y
        return max(lowest) + 2 * ROW

    def fit(self) -> None:
        """Find how far each arrow falls, and draw all smaller if most fall too far."""
        for side in (0, 1):
            sent = [passage for passage in self.passages if passage.side == side]
            near: list[list[tuple[float, float]]] = [[] for _ in sent]  # how far away, how deep
            for order in (range(len(sent)), reversed(range(len(sent)))):
                last = None
                for n in order:
                    start, end = sent[n].start, sent[n].end
                    if start is not None and end is not None:
                        last = start.y, end.y - start.y
                    if last is not None:
                        near[n].append((abs(last[0] - sent[n].y), last[1]))
            for passage, neighbours in zip(sent, near, strict=True):
                # What does not arrive would have fallen as its nearest neighbours do.
                falls = [fall for far, fall in neighbours if far == min(neighbours)[0]]
                passage.fall = sum(falls) / len(falls) if falls else SLANT
        falls = sorted(passage.fall for passage in self.passages)
        usual = falls[len(falls) * 9 // 10] if falls else SLANT
        zoom = min(1.0, FALL / usual)
        self.is_level = usual * zoom >= STEEP * (RIGHT - LEFT)
        for point in self.points:
            point.y = TOP + (point.y - TOP) * zoom
        for passage in self.passages:
            passage.fall *= zoom
        self.breaks = [
            (TOP + (top - TOP) * zoom, TOP + (bottom - TOP) * zoom, seconds)
            for top, bottom, seconds in self.breaks
            if (bottom - top) * zoom >= LETTERING
        ]
        self.height = max([TOP, *(point.y for point in self.points)]) + 2 * ROW

    def worded(self) -> dict[int, bool]:
        """Return which passages have words, and of these which are crossed by an arrow."""
        found: dict[int, bool] = {}
        for side in (0, 1):
            mine = sorted((each for each in self.passages if each.side == side), key=_y)
            others = sorted((each for each in self.passages if each.side != side), key=_y)
            rare: list[_Passage] = []
            for each in mine:
                if each.is_rare and (not rare or each.y - rare[-1].y >= self.distance(each)):
                    rare.append(each)
            kept: list[_Passage] = []
            coming = [*rare]
            for each in mine:
                if coming and each is coming[0]:
                    kept.append(coming.pop(0))
                elif (not kept or each.y - kept[-1].y >= self.distance(each)) and (
                    not coming or coming[0].y - each.y >= self.distance(each)
                ):
                    kept.append(each)
            for each in kept:
                found[id(each)] = any(
                    other.y < each.y + each.fall + LETTERING
                    and other.y + other.fall > each.y - LETTERING
                    for other in others
                )
        return found

    def distance(self, passage: _Passage) -> float:
        """Return how far below the words above those of *passage* must begin."""
        if self.is_level:
            return 2 * LETTERING
        return LETTERING * math.hypot(1, passage.fall / (RIGHT - LEFT))

    # -- drawing ---------------------------------------------------------------------------------

    def draw(self, title: str) -> str:
        names = ["", ""]
        for name, side in self.sides.items():
            names[side] = names[side] or name
        height = self.height + (ROW if self.more else 0)
        box = f'width="{WIDTH:g}" height="{height:.0f}" viewBox="0 0 {WIDTH:g} {height:.0f}"'
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {box}>',
            f"<title>{escape(title or ' and '.join(filter(None, names)))}</title>",
            f"<style>{_STYLE}</style>",
            _text(LEFT, 24, names[0], "state", "middle"),
            _text(RIGHT, 24, names[1], "state", "middle"),
        ]
        bottom = self.height - ROW
        parts += [_line(x, TOP - 20, x, bottom, "life") for x in (LEFT, RIGHT)]
        parts += [self.broken(*each) for each in self.breaks]
        worded = self.worded()
        parts += [self.one(passage) for passage in self.passages]
        for passage in self.passages:
            if id(passage) in worded:
                parts += self.words(passage, is_crossed=worded[id(passage)])
        parts += [_cross(*self.ends_at(each)[2:]) for each in self.passages if not each.end]
        parts += self.asides()
        parts += self.times()
        if self.more:
            text = f"and {self.more} more segments"
            parts.append(_text(WIDTH / 2, self.height + 6, text, "dim", "middle"))
        parts.append("</svg>\n")
        return "\n".join(parts)

    def broken(self, top: float, bottom: float, seconds: float) -> str:
        lines = [_line(x, top, x, bottom, "gap") for x in (LEFT, RIGHT)]
        text = _text(LEFT + INSET, (top + bottom) / 2 + 4, words.seconds(seconds), "time", "start")
        return "\n".join([*lines, text])

    def times(self) -> list[str]:
        """Write the time beside each instant, as far as there is room."""
        parts, last, lowest = [], None, -ROW
        for point in sorted(self.points, key=lambda point: point.y):
            if point.time != last and point.y >= lowest + ROW:
                text = f"{point.time * 1000:.1f} ms" if point.time < 10 else f"{point.time:.1f} s"
                parts.append(_text(6, point.y + 4, text, "time", "start"))
                last, lowest = point.time, point.y
        return parts

    def asides(self) -> list[str]:
        """Write the notes, as far as there is room; states have the right of way."""
        taken: tuple[list[float], list[float]] = ([], [])
        parts = []
        for point, text, style in sorted(self.notes, key=lambda note: note[2] != "state"):
            if all(abs(point.y - y) >= LETTERING - 2 for y in taken[point.side]):
                taken[point.side].append(point.y)
                parts.append(self.aside(point, text, style))
        return parts

    def aside(self, point: _Point, text: str, style: str) -> str:
        """Write *text* outside the life line; what follows a NUL is shown on demand."""
        text, _, tip = text.partition("\0")
        x, anchor = (LEFT - 10, "end") if point.side == 0 else (RIGHT + 10, "start")
        return _text(x, point.y + 4, text, style, anchor, tip)

    def ends_at(self, passage: _Passage) -> tuple[float, float, float, float]:
        """Return where an arrow begins and where it ends."""
        x1, x2 = (LEFT, RIGHT) if passage.side == 0 else (RIGHT, LEFT)
        y1 = passage.y
        y2 = passage.end.y if passage.end else y1 + passage.fall
        if not passage.start:  # nobody saw it leave: it comes out of the middle
            x1, y1 = (x1 + x2) / 2, (y1 + y2) / 2
        if not passage.end:
            x2, y2 = x1 + (x2 - x1) * LOST_AT, y1 + (y2 - y1) * LOST_AT
        return x1, y1, x2, y2

    def one(self, passage: _Passage) -> str:
        x1, y1, x2, y2 = self.ends_at(passage)
        style = _style(passage.arrow.segment, again=passage.again)
        tip = ""
        if passage.arrow.sent is not None:
            why = passage.arrow.sent.why
            tip = f"{why.name}: {why.sentence} ({why.section})"
        shapes = [_line(x1, y1, x2, y2, f"arrow {style}")]
        if passage.end:
            shapes.append(_head(x2, y2, x1, y1, style))
        return f"<g><title>{escape(tip)}</title>{''.join(shapes)}</g>"

    def words(self, passage: _Passage, *, is_crossed: bool) -> list[str]:
        """Write at an arrow as much of its header as it has room for.

        The words begin at the sender, so that those of two arrows that cross keep apart.
        """
        x1, y1, x2, y2 = self.ends_at(passage)
        way = 1 if x2 > x1 else -1
        slope = (y2 - y1) / abs(x2 - x1)
        across = RIGHT - LEFT if passage.start else (RIGHT - LEFT) / 2
        room = (across / 2 if is_crossed and passage.start else across) - INSET - 4
        again = " again" if passage.again else ""
        for form in words.forms(passage.arrow.segment):
            text = form + again
            if len(text) * LETTER <= room:
                break
        else:
            return []
        degrees = 0.0 if self.is_level else math.degrees(math.atan(slope)) * way
        x = x1 + INSET * way
        y = y1 + (2.0 if self.is_level else slope * INSET - 4)
        anchor = "start" if way > 0 else "end"
        turned = f'<g class="words" transform="translate({x:.1f} {y:.1f}) rotate({degrees:.2f})">'
        return [f"{turned}{_text(0, 0, text, '', anchor)}</g>"]


def _y(passage: _Passage) -> float:
    return passage.y


def _style(segment: Segment, *, again: bool) -> str:
    if again:
        return "again"
    if segment.space > segment.length or "RST" in segment.flags:
        return "mark"
    return "data" if segment.length else "ack"


def _text(x: float, y: float, text: str, style: str, anchor: str, tip: str = "") -> str:
    more = f"<title>{escape(tip)}</title>" if tip else ""
    name = f' class="{style}"' if style else ""
    where = f'x="{x:g}" y="{y:.1f}" text-anchor="{anchor}"'
    return f"<text {where}{name}>{more}{escape(text)}</text>"


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    return f'<line class="{style}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _head(x: float, y: float, from_x: float, from_y: float, style: str) -> str:
    """Return the head of an arrow that ends at (*x*, *y*)."""
    back = -8.0 if x > from_x else 8.0
    slope = (y - from_y) / (x - from_x)
    base = y + back * slope
    points = f"{x:.1f},{y:.1f} {x + back:.1f},{base - 4:.1f} {x + back:.1f},{base + 4:.1f}"
    return f'<polygon class="head {style}" points="{points}"/>'


def _cross(x: float, y: float) -> str:
    return "".join(_line(x - 6, y - d, x + 6, y + d, "cross") for d in (6, -6))
