"""Events as lines of :mod:`logging`, under ``rudp.trace``.

A connection that opens, moves or closes is worth a line at INFO (``rudp.trace.state``), and so is
what became of a punch; segments (``rudp.trace.segment``) and timers (``rudp.trace.timer``) are for
DEBUG, and cost the more the more there are.
"""

import logging
from typing import Final

from rudp.core.terms.feedback import Fallback
from rudp.core.terms.state import State
from rudp.core.watch.tracer import Tracer
from rudp.trace import words
from rudp.trace.events import (
    EcnSettled,
    Event,
    PathMoved,
    PunchEnded,
    Punching,
    RangeLost,
    SegmentReceived,
    SegmentSent,
    StateMoved,
    TimerFired,
    Watched,
)
from rudp.trace.stream import EventLog

states: Final = logging.getLogger("rudp.trace.state")
segments: Final = logging.getLogger("rudp.trace.segment")
timers: Final = logging.getLogger("rudp.trace.timer")

_NEWS: Final = (State.ESTABLISHED, State.CLOSED)
"""States that are worth a line at INFO; the others on the way say little more."""


def log_tracer(end: str) -> Tracer:
    """Return a tracer whose connections, named after *end*, are told to :mod:`logging`."""
    return EventLog(limit=1, sink=log).tracer(end)


def log(event: Event) -> None:
    """Log *event*, if it is one of those that are told."""
    name = event.connection
    if isinstance(event, StateMoved):
        level = logging.INFO if event.after in _NEWS else logging.DEBUG
        states.log(level, "%s: %s -> %s (%s)", name, event.before, event.after, event.cause)
    elif isinstance(event, PathMoved):
        ours = f" from {event.local}" if event.local else ""
        why = event.why.name
        states.info("%s: the path is another, to %s%s (%s)", name, event.peer, ours, why)
    elif isinstance(event, Punching):
        level = logging.INFO if isinstance(event, PunchEnded) else logging.DEBUG
        states.log(level, "%s %s", name, words.punching(event))
    elif isinstance(event, EcnSettled):
        if event.fallback is None:
            states.debug("%s: feedback of marks is %s", name, event.feedback)
        else:
            why = Fallback[event.fallback].sentence
            states.info("%s: our data goes without ECN: %s", name, why)
    elif isinstance(event, Watched):
        ports = event.local_port, event.remote_port
        states.debug("%s: port %d to %s port %d", name, ports[0], event.peer, ports[1])
    elif isinstance(event, SegmentSent):
        if segments.isEnabledFor(logging.DEBUG):
            text = words.segment(event.segment)
            segments.debug("%s: sent %s (%s)", name, text, event.why.name)
    elif isinstance(event, SegmentReceived):
        if segments.isEnabledFor(logging.DEBUG):
            dropped = f", dropped: {event.dropped}" if event.dropped else ""
            segments.debug("%s: received %s%s", name, words.segment(event.segment), dropped)
    elif isinstance(event, RangeLost):
        why = event.why.sentence
        segments.debug("%s: [%d, %d) is lost: %s", name, event.left, event.right, why)
    elif isinstance(event, TimerFired):
        timers.debug("%s: the %s timer fired", name, event.timer)
