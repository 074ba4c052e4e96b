"""The flight recorder: the last few things that happened to a connection.

It is for the day on which a connection dies, and until then it must cost next to nothing: each
event is one tuple in a ring, with the header of a run for the whole of it and no octet of data.
A bulk transfer takes 1.2 % more instructions (sockets aside), an idle connection 0.9 KiB.
Nobody reads them before there is an error to explain; see :mod:`rudp.trace.recall`.
"""

from typing import Any, Final

from rudp.core.counters import Count
from rudp.core.state import Cause, State
from rudp.core.tracer import Tracer, Watched
from rudp.core.transmit import Transmit
from rudp.core.why import Why
from rudp.core.wire import Run

SENT: Final = 0
"""now, state, header of the first segment, octets in all, octets of each, reason, last header."""

RECEIVED: Final = 1
"""now, state, header of the first segment, octets in all, octets of each, flags of the last."""

DROPPED: Final = 2
"""now, reason: what was received last is meant."""

MOVED: Final = 3
"""now, state before, state after, cause."""

FIRED: Final = 4
"""now, timer."""


SPARE: Final = 16
"""Events above the limit that may gather before the oldest are thrown away, all at once."""


class FlightRecorder(Tracer):
    """Keeps the last *most* events, and passes all of them on to *following*, a tracer or None."""

    __slots__ = ("_events", "_most", "following")

    def __init__(self, most: int, following: Tracer | None) -> None:
        self._events: list[tuple[Any, ...]] = []  # a deque takes 760 octets while it is empty
        self._most = most
        self.following = following

    @property
    def events(self) -> tuple[tuple[Any, ...], ...]:
        """The events, oldest first; the first field of each is one of the kinds above."""
        return tuple(self._events[-self._most :])

    def _keep(self, event: tuple[Any, ...]) -> None:
        events = self._events
        events.append(event)
        if len(events) > self._most + SPARE:
            del events[:SPARE]

    def run_sent(self, who: Watched, transmit: Transmit, why: Why, now: float) -> None:
        buffers, size = transmit.buffers, transmit.size
        last = None
        if transmit.total > size:
            # Only the last segment has FIN.  What is no header here is the application's own data.
            last = buffers[-2]
            if type(last) is not bytes:
                last = None
        self._keep((SENT, now, who.state, buffers[0], transmit.total, size, why, last))
        if self.following is not None:
            self.following.run_sent(who, transmit, why, now)

    def run_received(self, who: Watched, run: Run, now: float) -> None:
        header = run.header()
        size = len(header) + run.segment_octets
        self._keep((RECEIVED, now, who.state, header, run.size, size, run.flags))
        if self.following is not None:
            self.following.run_received(who, run, now)

    def run_processed(self, who: Watched, run: Run, dropped: Count | None, now: float) -> None:
        if dropped is not None:
            self._keep((DROPPED, now, dropped))
        if self.following is not None:
            self.following.run_processed(who, run, dropped, now)

    def state_moved(
        self, who: Watched, before: State, after: State, cause: Cause, now: float
    ) -> None:
        self._keep((MOVED, now, before, after, cause))
        if self.following is not None:
            self.following.state_moved(who, before, after, cause, now)

    def timer_fired(self, who: Watched, timer: str, now: float) -> None:
        self._keep((FIRED, now, timer))
        if self.following is not None:
            self.following.timer_fired(who, timer, now)
