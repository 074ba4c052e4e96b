"""One connection of many, for who wants to watch no other."""

from rudp.core.segment.transmit import Address, Path, Transmit
from rudp.core.segment.wire import Run
from rudp.core.terms.counters import Count
from rudp.core.terms.state import Cause, State
from rudp.core.terms.why import Why
from rudp.core.watch.tracer import Tracer, Watched

_Key = tuple[Address, int]


class Chosen(Tracer):
    """A tracer that tells *tracer* of the connection that is the *number*-th to open, from 1 on."""

    __slots__ = ("_key", "_left", "_tracer")

    def __init__(self, number: int, tracer: Tracer) -> None:
        self._left = number
        self._tracer = tracer
        self._key: _Key | None = None

    def bound_to(self, local: Address) -> None:
        self._tracer.bound_to(local)

    def run_sent(self, who: Watched, transmit: Transmit, why: Why, now: float) -> None:
        if self._key is not None and _key(who) == self._key:
            self._tracer.run_sent(who, transmit, why, now)

    def run_received(self, who: Watched, run: Run, now: float) -> None:
        if self._key is not None and _key(who) == self._key:
            self._tracer.run_received(who, run, now)

    def run_processed(self, who: Watched, run: Run, dropped: Count | None, now: float) -> None:
        if self._key is not None and _key(who) == self._key:
            self._tracer.run_processed(who, run, dropped, now)

    def state_moved(
        self, who: Watched, before: State, after: State, cause: Cause, now: float
    ) -> None:
        if before is State.CLOSED:
            self._left -= 1
            if not self._left:
                self._key = _key(who)
            elif _key(who) == self._key:  # another connection, between the same ports
                self._key = None
        if self._key is not None and _key(who) == self._key:
            self._tracer.state_moved(who, before, after, cause, now)

    def path_moved(self, who: Watched, before: Path, after: Path, now: float) -> None:
        if (before[0], who.ports) == self._key:
            self._key = after[0], who.ports
            self._tracer.path_moved(who, before, after, now)

    def timer_fired(self, who: Watched, timer: str, now: float) -> None:
        if self._key is not None and _key(who) == self._key:
            self._tracer.timer_fired(who, timer, now)


def _key(who: Watched) -> _Key:
    """Return where *who* sends to, and the ports its segments bear."""
    return who.path[0], who.ports
