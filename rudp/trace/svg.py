"""A ladder as a picture: two life lines, time running down, a slanted arrow for each segment.

An arrow begins where the segment left and ends where it arrived, so its slant is the delay.  What
is lost ends in a cross on the way.  Beside the lines stand the states and the windows announced;
who rests on an arrow is told why it was sent.  Where nothing happens for long the lines are broken
and say for how long; what happens at one instant is drawn one below the other.
"""

import dataclasses
from collections.abc import Iterable
from typing import Final
from xml.sax.saxutils import escape

from rudp.trace import words
from rudp.trace.arrows import Arrow, arrows, sides
from rudp.trace.events import (
    Event,
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

LEFT: Final = 250.0
RIGHT: Final = 790.0
WIDTH: Final = 1040.0
TOP: Final = 56.0

_STYLE: Final = """\
svg{font:12px ui-monospace,Menlo,Consolas,monospace;background:#fff;color:#1a1a1a}
text{fill:currentColor}.time{fill:#767676}.life{stroke:#9a9a9a}.gap{stroke:#9a9a9a;\
stroke-dasharray:2 4}.state{font-weight:600}.dim{fill:#767676}
.arrow{stroke-width:1.5;fill:none}.data{stroke:#0072b2}.ack{stroke:#767676}.mark{stroke:#009e73}
.again{stroke:#d55e00}.cross{stroke:#d55e00;stroke-width:2.5}.head{stroke:none}
.head.data{fill:#0072b2}.head.ack{fill:#767676}.head.mark{fill:#009e73}.head.again{fill:#d55e00}
@media (prefers-color-scheme:dark){svg{background:#16181d;color:#e8e8e8}.data{stroke:#56b4e9}\
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


def ladder(events: Iterable[Event], *, title: str = "", limit: int = 400) -> str:
    """Return the ladder of *events* as SVG.

    It shows the first connection of the first two ends.  *limit*: arrows drawn, the first ones;
    a last line says how many more there were.  Raises :class:`ValueError` if there is none.
    """
    return _Picture(list(events), limit).draw(title)


class _Picture:
    """Gathers what is to be drawn, gives each a height, and draws."""

    def __init__(self, events: list[Event], limit: int) -> None:
        self.sides = sides(events)
        if not self.sides:
            raise ValueError("there is no connection among these events")
        ours = [event for event in events if event.connection in self.sides]
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

    # -- gathering -------------------------------------------------------------------------------

    def point(self, event: Event, rows: float = 1.0) -> _Point:
        point = _Point(event.time, self.sides[event.connection], rows)
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

    def fall(self, passage: _Passage) -> float:
        """Return how far *passage*, which did not arrive, would have fallen: as its neighbour."""
        assert passage.start is not None
        here = passage.start.y
        falls = [
            (abs(other.start.y - here), other.end.y - other.start.y)
            for other in self.passages
            if other.start and other.end and other.side == passage.side
        ]
        return min(falls, default=(0.0, SLANT))[1]

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
        parts += [self.one(passage) for passage in self.passages]
        parts += [self.aside(*note) for note in self.notes]
        parts += self.times()
        if self.more:
            text = f"and {self.more} more segments"
            parts.append(_text(WIDTH / 2, self.height + 6, text, "dim", "middle"))
        parts.append("</svg>\n")
        return "\n".join(parts)

    def broken(self, top: float, bottom: float, seconds: float) -> str:
        lines = [_line(x, top, x, bottom, "gap") for x in (LEFT, RIGHT)]
        text = _text(WIDTH / 2, (top + bottom) / 2 + 4, words.seconds(seconds), "time", "middle")
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

    def aside(self, point: _Point, text: str, style: str) -> str:
        """Write *text* outside the life line; what follows a NUL is shown on demand."""
        text, _, tip = text.partition("\0")
        x, anchor = (LEFT - 10, "end") if point.side == 0 else (RIGHT + 10, "start")
        return _text(x, point.y + 4, text, style, anchor, tip)

    def one(self, passage: _Passage) -> str:
        arrow, side = passage.arrow, passage.side
        x1, x2 = (LEFT, RIGHT) if side == 0 else (RIGHT, LEFT)
        start, end = passage.start, passage.end
        y1 = start.y if start else end.y - SLANT if end else TOP
        y2 = end.y if end else y1 + self.fall(passage)
        if not start:  # nobody saw it leave: it comes out of the middle
            x1, y1 = (x1 + x2) / 2, (y1 + y2) / 2
        if not end:
            x2, y2 = x1 + (x2 - x1) * 0.6, y1 + (y2 - y1) * 0.6
        style = _style(arrow.segment, again=passage.again)
        tip = ""
        if arrow.sent is not None:
            why = arrow.sent.why
            tip = f"{why.name}: {why.sentence} ({why.section})"
        shapes = [_line(x1, y1, x2, y2, f"arrow {style}")]
        shapes.append(_head(x2, y2, x1, y1, style) if end else _cross(x2, y2))
        label = words.segment(arrow.segment) + (" again" if passage.again else "")
        # Nearer to the sender, so that those of two arrows that cross keep apart.
        across = RIGHT - LEFT if side == 0 else LEFT - RIGHT
        middle = x1 + across * 0.34 if start else (x1 + x2) / 2
        slope = (y2 - y1) / abs(x2 - x1) * (1 if side == 0 else -1)
        at = y1 + (y2 - y1) * abs(middle - x1) / abs(x2 - x1)
        turned = (
            f'<g transform="translate({middle:.1f} {at - 4:.1f}) rotate({_degrees(slope):.2f})">'
        )
        shapes.append(f"{turned}{_text(0, 0, label, '', 'middle')}</g>")
        return f"<g><title>{escape(tip)}</title>{''.join(shapes)}</g>"


def _style(segment: Segment, *, again: bool) -> str:
    if again:
        return "again"
    if segment.space > segment.length or "RST" in segment.flags:
        return "mark"
    return "data" if segment.length else "ack"


def _degrees(slope: float) -> float:
    return max(min(slope, 1.0), -1.0) * 57.29577951308232  # small angles: tan x is x


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
