"""Time that passes only from event to event.

A simulation has no use for waiting: what happens next is the earliest event in a queue, and the
clock reads whatever that event's time is.  An hour of silence costs nothing, and a run is the same
every time, because events of one instant happen in the order in which they were asked for.  The
clock never goes back.
"""

import heapq
import math
from collections.abc import Callable
from typing import Any

_Event = tuple[float, int, Callable[..., object], tuple[Any, ...]]


class Clock:
    """A clock and the queue of what is to happen.  ``now`` is seconds since it was made.

    >>> clock = Clock()
    >>> clock.call_at(2.0, print, "second")
    >>> clock.call_at(0.5, print, "first")
    >>> clock.step(), clock.now
    first
    (True, 0.5)
    >>> clock.run_until(10.0)
    second
    >>> clock.now
    10.0
    """

    __slots__ = ("_count", "_events", "now")

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[_Event] = []
        self._count = 0

    @property
    def next(self) -> float | None:
        """When the next event is due, in seconds, or None when there is none."""
        return self._events[0][0] if self._events else None

    def call_at(self, when: float, callback: Callable[..., object], *args: Any) -> None:
        """Call ``callback(*args)`` at *when*; what is already past happens now.

        Raises :class:`ValueError` for a time that is not a number or never comes.
        """
        if not math.isfinite(when):
            raise ValueError(f"an event needs a finite time, not {when!r}")
        # The count keeps events of one instant in order and callbacks out of the comparison.
        self._count += 1
        heapq.heappush(self._events, (max(when, self.now), self._count, callback, args))

    def step(self) -> bool:
        """Move to the next event and let it happen; return False when there is none."""
        if not self._events:
            return False
        self.now, _, callback, args = heapq.heappop(self._events)
        callback(*args)
        return True

    def run_until(self, when: float) -> None:
        """Let everything happen that is due by *when*, which is the time afterwards.

        Events that these ask for count too, so this ends only if they do not follow each other
        without end within one instant.
        """
        events = self._events
        while events and events[0][0] <= when:
            self.step()
        self.now = max(self.now, when)
