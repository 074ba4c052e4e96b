"""The graphs of a report: what the snapshots of each side say over time, thinned.

All of a run is drawn, however long it is.  So that this takes bounded room, time is cut into slots,
and of each slot the snapshots are kept in which cwnd is lowest and highest, and the last one.
"""

from collections.abc import Iterable
from typing import Any, Final

from rudp.core.watch.tracer import Ranges
from rudp.trace.events import Snapshot
from rudp.trace.report.rows import Connection

SLOTS: Final = 200
"""Slots of time: at most three points each."""

MARKS_MAX: Final = 1200
"""Segments drawn in a time-sequence graph."""

RATES: Final = 60
"""Slots of time in which goodput is counted."""


def graphs(connection: Connection) -> list[dict[str, Any]]:
    """Return for each side the columns of its graphs; times are seconds, sizes octets."""
    events = connection.events
    end = max((event.time for event in events), default=0.0)
    moving = [
        arrow.time
        for arrow in connection.arrows
        if arrow.segment.space or "RST" in arrow.segment.flags
    ]
    # The four minutes of TIME-WAIT at the end would leave no room for the rest.
    end = min(end, max(moving, default=end) * 1.1 + 0.02)
    start = min((event.time for event in events), default=0.0)
    snapshots: list[list[Snapshot]] = [[], []]
    for event in events:
        if isinstance(event, Snapshot) and event.time <= end:
            snapshots[connection.sides[event.connection]].append(event)
    return [
        {
            "end": end,
            "octets": max((each.snd_una for each in snapshots[side]), default=0),
            "columns": _columns(_thinned(snapshots[side], start, end)),
            "marks": _marks(connection, side),
            "marks_all": sum(1 for _ in _data(connection, side)),
            "goodput": _goodput(snapshots, side, start, end),
        }
        for side in (0, 1)
    ]


def _thinned(snapshots: list[Snapshot], start: float, end: float) -> list[Snapshot]:
    """Return a bounded number of *snapshots*: of each instant at most the last one."""
    snapshots = list({each.time: each for each in snapshots}.values())
    if len(snapshots) <= 3 * SLOTS:
        return snapshots
    width = (end - start) / SLOTS or 1.0
    slots: dict[int, list[Snapshot]] = {}
    for each in snapshots:
        slots.setdefault(min(int((each.time - start) / width), SLOTS), []).append(each)
    kept = []
    for slot in slots.values():
        chosen = {id(each): each for each in (
            min(slot, key=lambda each: each.cwnd), max(slot, key=lambda each: each.cwnd), slot[-1]
        )}  # fmt: skip
        kept += sorted(chosen.values(), key=lambda each: each.time)
    return kept


def _columns(snapshots: list[Snapshot]) -> dict[str, list[float | None]]:
    return {
        "time": [each.time for each in snapshots],
        "una": [each.snd_una for each in snapshots],
        "nxt": [each.snd_nxt for each in snapshots],
        "window": [each.snd_una + each.snd_wnd for each in snapshots],
        "cwnd": [each.cwnd for each in snapshots],
        "ssthresh": [each.ssthresh for each in snapshots],
        "flight": [each.in_flight for each in snapshots],
        "srtt": [each.srtt for each in snapshots],
        "min_rtt": [each.min_rtt for each in snapshots],
        "rto": [each.rto for each in snapshots],
        "snd_wnd": [each.snd_wnd for each in snapshots],
        "rcv_wnd": [each.rcv_wnd for each in snapshots],
        "unread": [each.unread for each in snapshots],
        "held": [_octets(each.held) for each in snapshots],
    }


def _data(connection: Connection, side: int) -> Iterable[list[float]]:
    """Yield what takes numbers: time, first number, how many, and 0, 1 again, 2 lost."""
    for arrow in connection.arrows:
        sent, seg = arrow.sent, arrow.segment
        if sent is not None and seg.space and connection.sides[sent.connection] == side:
            fate = 2 if arrow.lost is not None else int(id(sent) in connection.again)
            yield [sent.time, seg.seq, seg.space, fate]


def _marks(connection: Connection, side: int) -> list[list[float]]:
    """Return a bounded number of segments: those that are something special first."""
    marks = list(_data(connection, side))
    if len(marks) <= MARKS_MAX:
        return marks
    special = [mark for mark in marks if mark[3]]
    plain = [mark for mark in marks if not mark[3]]
    special = special[:: -(-len(special) // (MARKS_MAX // 2)) or 1]
    plain = plain[:: -(-len(plain) // (MARKS_MAX - len(special))) or 1]
    return sorted(special + plain)


def _octets(ranges: Ranges) -> int:
    return sum(right - left for left, right in ranges)


def _goodput(
    snapshots: list[list[Snapshot]], side: int, start: float, end: float
) -> dict[str, Any]:
    """Return how fast the octets of *side* got across, each of them counted once.

    ``rates``: of each slot of time its middle, the octets a second that arrived in it, and those
    that could be read from then on, in order.  ``slot``: seconds.  ``at_reader``: whether the
    reader's end tells so; else it is what the sender heard.  ``filled``: how often a hole was
    filled with octets waiting behind it, how many became readable at once at most, and when.
    """
    peer = snapshots[1 - side]
    told = [
        (each.time, each.rcv_nxt, _octets(each.held))
        if peer
        else (each.time, each.snd_una, _octets(each.sacked))
        for each in peer or snapshots[side]
    ]
    width = (end - start) / RATES
    if width <= 0 or not told:
        return {"rates": [], "slot": 0.0, "at_reader": bool(peer), "filled": [0, 0, 0.0]}
    arrived, readable = [0] * RATES, [0] * RATES
    most = before = waiting = fills = largest = 0
    when = 0.0
    for time, number, held in told:
        slot = min(int((time - start) / width), RATES - 1)
        arrived[slot] += max(number + held - most, 0)
        readable[slot] += max(number - before, 0)
        if waiting and number > before:
            fills += 1
            if number - before > largest:
                largest, when = number - before, time
        most = max(most, number + held)
        before, waiting = max(before, number), held
    rates = [
        [round(start + (n + 0.5) * width, 6), round(arrived[n] / width), round(readable[n] / width)]
        for n in range(RATES)
    ]
    return {
        "rates": rates,
        "slot": width,
        "at_reader": bool(peer),
        "filled": [fills, largest, when],
    }
