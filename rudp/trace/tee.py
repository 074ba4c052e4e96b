"""Several watchers of one connection."""

from rudp.core.segment.transmit import Address, Path, Transmit
from rudp.core.segment.wire import Run
from rudp.core.terms.counters import Count
from rudp.core.terms.feedback import Fallback, Feedback
from rudp.core.terms.state import Cause, State
from rudp.core.terms.why import Why
from rudp.core.watch.tracer import Tracer, Watched


class Tee(Tracer):
    """A tracer that tells all of *tracers*, in their order, what it is told."""

    __slots__ = ("_tracers",)

    def __init__(self, *tracers: Tracer) -> None:
        self._tracers = tracers

    def bound_to(self, local: Address) -> None:
        for each in self._tracers:
            each.bound_to(local)

    def run_sent(self, who: Watched, transmit: Transmit, why: Why, now: float) -> None:
        for each in self._tracers:
            each.run_sent(who, transmit, why, now)

    def run_received(self, who: Watched, run: Run, now: float) -> None:
        for each in self._tracers:
            each.run_received(who, run, now)

    def run_processed(self, who: Watched, run: Run, dropped: Count | None, now: float) -> None:
        for each in self._tracers:
            each.run_processed(who, run, dropped, now)

    def state_moved(
        self, who: Watched, before: State, after: State, cause: Cause, now: float
    ) -> None:
        for each in self._tracers:
            each.state_moved(who, before, after, cause, now)

    def path_moved(self, who: Watched, before: Path, after: Path, now: float) -> None:
        for each in self._tracers:
            each.path_moved(who, before, after, now)

    def ecn_settled(
        self, who: Watched, feedback: Feedback, fallback: Fallback | None, now: float
    ) -> None:
        for each in self._tracers:
            each.ecn_settled(who, feedback, fallback, now)

    def candidate_found(self, ours: bool, address: Address, candidate: str, now: float) -> None:
        for each in self._tracers:
            each.candidate_found(ours, address, candidate, now)

    def pair_changed(
        self, address: Address, candidate: str, why: Why, trouble: str | None, now: float
    ) -> None:
        for each in self._tracers:
            each.pair_changed(address, candidate, why, trouble, now)

    def punch_ended(self, candidate: str | None, verdict: str, now: float) -> None:
        for each in self._tracers:
            each.punch_ended(candidate, verdict, now)

    def timer_fired(self, who: Watched, timer: str, now: float) -> None:
        for each in self._tracers:
            each.timer_fired(who, timer, now)
