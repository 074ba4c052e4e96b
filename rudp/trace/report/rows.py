"""The events of one connection as rows for the page: short, and each thing said once.

A row is a list: the kind, one letter; the nanoseconds since the row before; the side, 0 or 1; and
what the kind needs.  A segment that arrives refers to the row in which it left.  Of a snapshot
there is what differs from the one before.  Events that say what the next snapshot says anyway (a
round trip measured, a timer set) have no row.

==========  ==================================================================================
``s``       segment sent: state, segment, why, sent again or not
``r``       segment received: state, rows back to where it left or 0, segment or 0, dropped
``x``       segment lost: rows back, segment or 0
``m``       state moved: before, after, cause, why
``l``       range lost: left, right, why
``f``       timer fired: its name
``b``       snapshot: an object of the fields that changed
``w``       watched: state
``p``       another path: peer, local, why
``n``       a step of a punch: what the side does, why or ""
``gap``     left out: how many events
==========  ==================================================================================
"""

import dataclasses
from typing import Any, Final

from rudp.trace import words
from rudp.trace.arrows import arrows, sides
from rudp.trace.events import (
    CandidateFound,
    Event,
    PairChanged,
    PathMoved,
    PunchEnded,
    Punching,
    RangeLost,
    Recording,
    Segment,
    SegmentLost,
    SegmentReceived,
    SegmentSent,
    Snapshot,
    StateMoved,
    TimerFired,
    Watched,
)

_SHOWN: Final = (
    SegmentSent, SegmentReceived, SegmentLost, StateMoved, RangeLost, TimerFired, Snapshot, Watched,
    PathMoved, CandidateFound, PairChanged, PunchEnded,
)  # fmt: skip

NAME_MAX: Final = 60
"""Characters of a connection's name."""

_HEAD: Final = 0.8
"""The share of a run that does not fit which is taken from its beginning; the rest is its end."""

_SNAPSHOT_FIELDS: Final = tuple(
    field.name for field in dataclasses.fields(Snapshot) if field.name not in ("time", "connection")
)

Row = list[Any]


class Connection:
    """What a report shows of a recording: one connection, at both ends if both were watched.

    *connection*: its name at one of them, None for the first of the recording.
    ``sides``: 0 or 1 by the name of a connection.  ``events``: those that have a row, by time;
    ``count``: how many there are with those that have none.
    ``others``: names of the connections that are not shown.  Raises :class:`ValueError` if there
    is none, or not that one.
    """

    def __init__(self, recording: Recording, connection: str | None = None) -> None:
        self.header = recording.header
        ends, self.sides = sides(recording.events, connection)
        self.ends = {end: side for side, end in enumerate(ends)}
        if not self.sides:
            raise ValueError("there is no connection among these events")
        names = dict.fromkeys(
            event.connection for event in recording.events if not isinstance(event, Punching)
        )
        self.others = [name[:NAME_MAX] for name in names if name not in self.sides]
        self.names = ["", ""]
        for name, side in self.sides.items():
            self.names[side] = self.names[side] or name[:NAME_MAX]
        watched: set[str] = set()
        self.events: list[Event] = []
        self.count = 0
        for event in sorted(recording.events, key=lambda event: event.time):
            if isinstance(event, Watched):
                watched.add(event.connection)
            if isinstance(event, Punching):
                is_ours = event.connection in self.ends
            else:
                is_ours = event.connection in self.sides and event.connection in watched
            if is_ours:
                self.count += 1
                if isinstance(event, _SHOWN):
                    self.events.append(event)
        self.arrows = arrows(self.events)
        self.mark_repeats()

    def mark_repeats(self) -> None:
        """Find what was sent again: ``again``, by the identity of the event."""
        self.again: set[int] = set()
        highest: dict[str, int] = {}
        for arrow in self.arrows:
            sent, seg = arrow.sent, arrow.segment
            if sent is None or not seg.space:
                continue
            if "SYN" in seg.flags and highest.get(sent.connection) != seg.seq + 1:
                highest.pop(sent.connection, None)
            before = highest.get(sent.connection)
            if before is not None and seg.seq < before:
                self.again.add(id(sent))
            end = seg.seq + seg.space
            highest[sent.connection] = max(end, end if before is None else before)


def rows(
    connection: Connection, limit: int, start: Event | None = None
) -> tuple[list[Row], int | None]:
    """Return the rows of *connection*, and at which of them *start* stands, None if at none.

    Beyond *limit* of them those in the middle are left out.
    """
    writer = _Writer(connection, limit)
    return writer.rows, writer.at.get(id(start))


class _Writer:
    """Writes the rows; knows where each segment left, and each side's last snapshot."""

    def __init__(self, connection: Connection, limit: int) -> None:
        self.connection = connection
        self.rows: list[Row] = []
        self.now = 0
        self.at: dict[int, int] = {}  # the row of an event, by its identity
        self.last: list[dict[str, Any]] = [{}, {}]
        self.origin: dict[int, int] = {}  # of an event that arrives: which event left
        lost: dict[tuple[str, Segment, float], list[int]] = {}
        for arrow in connection.arrows:
            if arrow.sent is not None and arrow.received is not None:
                self.origin[id(arrow.received)] = id(arrow.sent)
            elif arrow.sent is not None and arrow.lost is not None:
                key = arrow.sent.connection, arrow.segment, arrow.lost
                lost.setdefault(key, []).append(id(arrow.sent))
        for event in connection.events:
            if isinstance(event, SegmentLost):
                found = lost.get((event.connection, event.segment, event.time))
                if found:
                    self.origin[id(event)] = found.pop(0)
        self.write(limit)

    def write(self, limit: int) -> None:
        events = self.connection.events
        if len(events) <= limit:
            head, middle, tail = events, [], []
        else:
            cut = int(limit * _HEAD)
            rest = len(events) - (limit - cut)
            head, middle, tail = events[:cut], events[cut:rest], events[rest:]
        for event in head:
            self.add(event)
        if middle:
            # The last snapshot of each side tells where the rest begins.
            known = {self.side(each): each for each in middle if isinstance(each, Snapshot)}
            left_out = len(middle) - len(known)
            self.row(
                "gap", min([*(each.time for each in known.values()), tail[0].time]), 0, left_out
            )
            for each in sorted(known.values(), key=lambda each: each.time):
                self.add(each)
        for event in tail:
            self.add(event)

    def side(self, event: Event) -> int:
        if isinstance(event, Punching):
            return self.connection.ends[event.connection]
        return self.connection.sides[event.connection]

    def row(self, kind: str, time: float, side: int, *fields: Any) -> None:
        now = round(time * 1e9)
        self.rows.append([kind, now - self.now, side, *fields])
        self.now = now

    def add(self, event: Event) -> None:
        """Write the row of *event*."""
        time, side = event.time, self.side(event)
        here = self.at[id(event)] = len(self.rows)
        if isinstance(event, SegmentSent):
            again = int(id(event) in self.connection.again)
            self.row("s", time, side, event.state, _plain(event.segment), event.why.name, again)
        elif isinstance(event, SegmentReceived | SegmentLost):
            left = self.at.get(self.origin.get(id(event), -1))
            back = 0 if left is None else here - left
            seg = 0 if back else _plain(event.segment)
            if isinstance(event, SegmentLost):
                self.row("x", time, side, back, seg)
            else:
                self.row("r", time, side, event.state, back, seg, event.dropped)
        elif isinstance(event, StateMoved):
            self.row("m", time, side, event.before, event.after, event.cause, event.why.name)
        elif isinstance(event, PathMoved):
            self.row("p", time, side, event.peer, event.local, event.why.name)
        elif isinstance(event, Punching):
            why = event.why.name if isinstance(event, PairChanged) else ""
            self.row("n", time, side, words.punching(event), why)
        elif isinstance(event, RangeLost):
            self.row("l", time, side, event.left, event.right, event.why.name)
        elif isinstance(event, TimerFired):
            self.row("f", time, side, event.timer)
        elif isinstance(event, Snapshot):
            fields = {name: getattr(event, name) for name in _SNAPSHOT_FIELDS}
            last, self.last[side] = self.last[side], fields
            news = {name: each for name, each in fields.items() if not last or last[name] != each}
            self.row("b", time, side, news)
        elif isinstance(event, Watched):
            self.row("w", time, side, event.state)


_OPTIONS: Final = (
    "mss", "window_scale", "sack_permitted", "sack", "tsval", "tsecr", "key_id", "next_key_id",
    "path", "cookie",
)  # fmt: skip


def _plain(seg: Segment) -> Row:
    """Return a header: flags, seq, ack, window, length, and the options as an object or nothing."""
    options = {
        name: value for name in _OPTIONS if (value := getattr(seg, name)) not in (None, False, ())
    }
    return [seg.flags, seg.seq, seg.ack, seg.window, seg.length, *([options] if options else [])]
