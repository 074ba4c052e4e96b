"""What a fault script calls each segment of a recording, so that a click can lose it."""

from collections import Counter

from rudp.testing import Fault
from rudp.trace.arrows import sides
from rudp.trace.events import Recording, Segment, SegmentSent, Watched


def sent(recording: Recording) -> list[list[str]]:
    """Return for both sides of the first connection the names of its segments as they leave.

    ``c:data:2`` is the client's second segment with data (:mod:`rudp.testing.script`).  Where two
    ends of one name follow each other on the same ports they are the same connection here.
    """
    _, places = sides(recording.events)
    watched = {each.connection: each for each in recording.events if isinstance(each, Watched)}
    client = next(iter(watched.values())).end
    found: list[list[str]] = [[], []]
    counts: Counter[tuple[str, str]] = Counter()
    for event in recording.events:
        if isinstance(event, SegmentSent) and event.connection in places:
            side = "c" if watched[event.connection].end == client else "s"
            kinds = _kinds(event.segment)
            for kind in kinds:
                counts[side, kind] += 1
            fault = Fault(side, kinds[1], counts[side, kinds[1]], "lost")
            found[places[event.connection]].append(fault.where)
    return found


def _kinds(segment: Segment) -> list[str]:
    """Return what :func:`rudp.trace.kinds.kinds_of` says of a segment, from its event."""
    found = [kind for kind in ("syn", "fin", "rst") if kind.upper() in segment.flags]
    if segment.length:
        found.append("data")
    return ["any", *(found or ["ack"])]
