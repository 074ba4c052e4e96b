"""What stays the same while a report is stepped through: figures, reasons, the state diagram."""

from typing import Any, Final

from rudp.core.terms.state import MOVES, Cause, State
from rudp.core.terms.why import Why
from rudp.trace.events import SegmentSent, StateMoved, TimerFired
from rudp.trace.report.rows import Connection

TIMERS: Final = {
    "retransmission": "RFC 6298 §5",
    "tail-loss probe": "RFC 8985 §7",
    "reordering": "RFC 8985 §6.2",
    "persist": "RFC 9293 §3.8.6.1",
    "delayed ACK": "RFC 9293 §3.8.6.3",
    "idle": "RFC 9293 §3.8.4",
    "patience": "RFC 9293 §3.8.3",
    "2MSL": "RFC 9293 §3.4.2",
}
"""Where a standard asks for a timer, by the name it has in the events."""


def reference() -> dict[str, Any]:
    """Return what the page looks up: reasons, the arrows of the state diagram, the timers."""
    return {
        "why": {why.name: [why.sentence, why.section] for why in Why},
        "states": [str(state) for state in State],
        "moves": [
            [before, after, cause.value]
            for (before, cause), after in MOVES.items()
            if cause is not Cause.DELETE
        ],
        "timers": TIMERS,
    }


def figures(connection: Connection) -> list[list[Any]]:
    """Return the figures of a run, each with its name, its value and its unit."""
    sent = [arrow for arrow in connection.arrows if arrow.sent is not None]
    lost = sum(arrow.lost is not None for arrow in sent)
    events = connection.events
    rows: list[list[Any]] = [["events", connection.count, ""]]
    last = max((arrow.time for arrow in connection.arrows), default=0.0)
    rows.append(["time of the last segment", last, "s"])
    for side, name in enumerate(connection.names):
        mine = [
            each for each in sent if each.sent and connection.sides[each.sent.connection] == side
        ]
        if not name:
            continue
        again = [each for each in mine if id(each.sent) in connection.again]
        octets = sum(each.segment.length for each in mine)
        twice = sum(each.segment.length for each in again)
        rows += [
            [f"{name}: segments sent", len(mine), ""],
            [f"{name}: octets sent", octets, "B"],
            [f"{name}: segments sent again", len(again), ""],
            [f"{name}: octets sent again", twice, "B"],
        ]
    rows.append(["segments lost on the link", lost, ""])
    for timer in ("retransmission", "tail-loss probe"):
        fired = sum(isinstance(each, TimerFired) and each.timer == timer for each in events)
        rows.append([f"{timer} timer fired", fired, ""])
    pure = sum(1 for e in events if isinstance(e, SegmentSent) and not e.segment.space)
    rows.append(["segments that only acknowledge", pure, ""])
    rows.append(["states left", sum(isinstance(each, StateMoved) for each in events), ""])
    return rows
