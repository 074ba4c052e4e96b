"""Which segment that came is which that left: the arrows of a ladder.

Each end tells of its own.  What joins them is the header, for the 32-bit numbers and the timestamp
of a segment tell it from nearly all others; of those that look alike, what the link has lost is the
one sent just then, and the others keep their order.
"""

import dataclasses
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from rudp.core.terms.state import State
from rudp.trace.events import (
    Event,
    Segment,
    SegmentLost,
    SegmentReceived,
    SegmentSent,
    Watched,
)

_Mark = tuple[object, ...]

ALIKE_MAX: Final = 64
"""Segments that look alike and wait for their arrival, at most."""


NAMED: Final = 10
"""Connections named, at most, to who has asked for one that is not there."""


@dataclasses.dataclass(slots=True)
class Arrow:
    """One segment on its way.

    ``sent``: None if nobody watched it leave, or if it came a second time; ``received``: None if
    nobody watched it arrive.  ``lost``: when the link is known to have lost it, seconds.
    """

    segment: Segment
    sent: SegmentSent | None
    received: SegmentReceived | None = None
    lost: float | None = None

    @property
    def time(self) -> float:
        """When it is first heard of, seconds since the run began."""
        if self.sent is not None:
            return self.sent.time
        assert self.received is not None
        return self.received.time


def arrows(events: Iterable[Event]) -> list[Arrow]:
    """Return the segments of *events*, in the order in which they are first heard of."""
    found: list[Arrow] = []
    ports: dict[str, tuple[int, int]] = {}
    waiting: dict[_Mark, list[Arrow]] = defaultdict(list)
    latest: dict[tuple[str, _Mark], SegmentReceived] = {}
    for event in events:
        if isinstance(event, Watched):
            ports[event.connection] = event.local_port, event.remote_port
        elif isinstance(event, SegmentSent):
            mark = _mark(event.segment, ports[event.connection])
            arrow = Arrow(event.segment, event)
            found.append(arrow)
            alike = waiting[mark]
            alike.append(arrow)
            del alike[:-ALIKE_MAX]
        elif isinstance(event, SegmentLost):
            alike = waiting[_mark(event.segment, ports[event.connection])]
            if alike:
                alike.pop().lost = event.time
        elif isinstance(event, SegmentReceived):
            mark = _mark(event.segment, ports[event.connection][::-1])
            before = latest.get((event.connection.partition("#")[0], mark))
            latest[event.connection.partition("#")[0], mark] = event
            if waiting[mark]:
                waiting[mark].pop(0).received = event
            elif not (
                # TIME-WAIT had this SYN in its hands and let the listener have it.
                before is not None
                and (before.state, event.state) == (State.TIME_WAIT, State.LISTEN)
                and before.time == event.time
            ):
                found.append(Arrow(event.segment, None, event))
    return found


def sides(
    events: Iterable[Event], connection: str | None = None
) -> tuple[list[str], dict[str, int]]:
    """Return the ends to be drawn, and which side of them each connection is at, by its name.

    The side is the place in the list, 0 at the left.  *connection*: the name of one of those to be
    drawn, None for the first that there is; with it come those that its peer, and itself before or
    after, have between the same ports.  The list is empty without any; :class:`ValueError` is
    raised if one was asked for that is not there.
    """
    watched = [event for event in events if isinstance(event, Watched)]
    chosen = next((each for each in watched if connection in (None, each.connection)), None)
    if chosen is None:
        if connection is None:
            return [], {}
        known = list(dict.fromkeys(each.connection for each in watched))
        more = f" and {len(known) - NAMED} more" if len(known) > NAMED else ""
        named = f", only {', '.join(known[:NAMED])}{more}" if known else ""
        raise ValueError(f"there is no connection {connection!r}{named}")
    ports = chosen.local_port, chosen.remote_port
    others = [each for each in watched if each.end != chosen.end]
    peers = [each for each in others if (each.remote_port, each.local_port) == ports]
    pair = {chosen.end, *(each.end for each in [*peers, *others][:1])}
    ends = [end for end in dict.fromkeys(each.end for each in watched) if end in pair]
    found = {}
    for each in watched:
        mine = each.local_port, each.remote_port
        if each.end in pair and mine == (ports if each.end == chosen.end else ports[::-1]):
            found[each.connection] = ends.index(each.end)
    return ends, found


def _mark(segment: Segment, ports: tuple[int, int]) -> _Mark:
    """Return what tells *segment*, sent from the first of *ports* to the second, from others."""
    return (
        ports, segment.wire_seq, segment.wire_ack, segment.flags, segment.length,
        segment.tsval, segment.tsecr,
    )  # fmt: skip
