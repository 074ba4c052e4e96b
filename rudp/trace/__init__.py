"""Watching connections: tracers that turn what the core tells into something to look at.

Each is given to a connection or a server with the keyword ``tracer=``.  :class:`EventLog` writes
down everything that happens as typed events (:mod:`rudp.trace.events`), in memory and as a file of
JSON lines; :class:`Ladder` draws the segments between two sides as text,
:func:`rudp.trace.svg.ladder` as a picture; :func:`rudp.trace.report.save` makes a page to step
through; :class:`Capture` writes a file for Wireshark; :func:`rudp.trace.qlog.save` one for qvis;
:func:`log_tracer` tells :mod:`logging`.
"""

from rudp.core.terms.why import Why
from rudp.trace.capture import Capture
from rudp.trace.events import Event, Header, Recording
from rudp.trace.ladder import Ladder
from rudp.trace.log import log_tracer
from rudp.trace.stream import EventLog

__all__ = ["Capture", "Event", "EventLog", "Header", "Ladder", "Recording", "Why", "log_tracer"]
