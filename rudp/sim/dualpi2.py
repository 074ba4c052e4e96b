"""DualPI2: a short queue for those who bear many marks, beside the one for all others (RFC 9332).

Who sends ECT(1) promises to answer each mark with a little less, so it can be marked often, and its
queue held below a millisecond.  Everybody else needs a longer one.  Two queues share the link, and
one controller (PI, proportional and integral) looks at the longer delay: its ``p'`` is squared for
the drops of the classic queue and multiplied by ``k`` for the marks of the other, as the one kind
of sender slows down by the square root of what it hears, and the other in proportion.  So both
get about the same, though the short queue goes first.

Names are those of the pseudo code in appendix A.  Nothing here is by chance: a probability is added
up until it makes one (``recur`` there).
"""

import dataclasses
from typing import Final, Literal

from rudp.sim.aqm import NOT_ECT, Aqm, Fifo, Held, Queue, check

TICKS_MAX: Final = 1 << 14
"""Updates that are made up for after a silence; by then nothing is left that could change."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DualPi2(Aqm):
    """A queue for ``Link(queue=...)`` that is two, coupled (RFC 9332).

    ECT(1) and CE go into the one for L4S, all else into the classic one.  The defaults are those
    of appendix A, for round trips of up to 100 ms.  Raises :class:`ValueError` for a value out of
    range.
    """

    limit: int = 1 << 20
    """Octets that may wait in both together, at least 0; what does not fit is dropped."""
    target: float = 0.015
    """Seconds, above 0: the delay at which the classic queue is held."""
    tupdate: float = 0.016
    """Seconds from one update of ``p'`` to the next, 0.001 at least."""
    alpha: float = 0.16
    """Hertz: how much of the distance to the target each update adds to ``p'``."""
    beta: float = 3.2
    """Hertz: how much of the change of the delay since the last one."""
    coupling: float = 2.0
    """The factor ``k``, 0 to 10: marks of the L4S queue are ``k * p'``."""
    threshold: float = 0.0008
    """Seconds in the L4S queue, 0 at least, beyond which its own ramp begins to mark."""
    ramp: float = 0.0004
    """Seconds, 0 at least, from there to where all is marked; 0 makes it a step."""
    scheduler: Literal["wrr", "ts-fifo"] = "wrr"
    """Who goes next: ``"wrr"``, the L4S queue but for ``classic_share``; ``"ts-fifo"``, who came
    first, with ``tshift`` of a start for L4S (§4.1)."""
    classic_share: float = 1 / 16
    """The share of the link, 0.001 to 0.5, that the classic queue has in any case with WRR."""
    tshift: float = 0.05
    """Seconds, 0 at least: the start that L4S has with ``"ts-fifo"``."""

    def __post_init__(self) -> None:
        check("limit", self.limit, 0)
        check("target", self.target, 1e-6)
        check("tupdate", self.tupdate, 0.001)
        check("alpha", self.alpha, 0.0)
        check("beta", self.beta, 0.0)
        check("coupling", self.coupling, 0.0, 10.0)
        check("threshold", self.threshold, 0.0)
        check("ramp", self.ramp, 0.0)
        check("classic_share", self.classic_share, 0.001, 0.5)
        check("tshift", self.tshift, 0.0)
        if self.scheduler not in ("wrr", "ts-fifo"):
            raise ValueError(f"scheduler must be 'wrr' or 'ts-fifo', not {self.scheduler!r}")

    def start(self) -> Queue:
        return _DualPi2Queue(self)


class _Half(Fifo):
    """One of the two, and what its probability has added up to."""

    __slots__ = ("_count",)

    def __init__(self) -> None:
        super().__init__()
        self._count = 0.0

    def recur(self, likelihood: float) -> bool:
        """Return True for this share of the calls, evenly spread (A.1)."""
        self._count += likelihood
        if self._count > 1.0:
            self._count -= 1.0
            return True
        return False


class _DualPi2Queue(Queue):
    """The two queues; *now* is when the link is free."""

    __slots__ = (
        "_credit", "_prevq", "_settings", "_update_at", "base", "classic", "l4s", "p_c_max",
    )  # fmt: skip

    def __init__(self, settings: DualPi2) -> None:
        self._settings = settings
        self.l4s = _Half()
        self.classic = _Half()
        self.base = 0.0  # p'
        self._prevq = 0.0
        self._update_at = settings.tupdate
        self._credit = 0.0  # octets that the classic queue is owed
        k = settings.coupling
        self.p_c_max = min(1 / k**2, 1.0) if k else 1.0

    @property
    def octets(self) -> int:
        return self.l4s.octets + self.classic.octets

    def put(self, held: Held, now: float) -> bool:
        self._update(now)
        if self.octets + held.size > self._settings.limit:
            return False
        (self.l4s if held.ecn & 1 else self.classic).append(held)
        return True

    def take(self, now: float, dropped: list[Held]) -> Held | None:
        self._update(now)
        p_c = self.base * self.base
        while self.l4s or self.classic:
            if self._l4s_is_next(now):
                held = self.l4s.pop()
                gone = self._look_at_l4s(held, p_c, now)
            else:
                held = self.classic.pop()
                gone = self._look_at_classic(held, p_c)
            if not gone:
                return held
            dropped.append(held)
        return None

    def _look_at_l4s(self, held: Held, p_c: float, now: float) -> bool:
        """Mark *held* if it is its turn; return whether it is dropped, which takes overload."""
        p_cl = self._settings.coupling * self.base
        if p_cl < 1.0:
            native = self._laqm(now - held.since) if len(self.l4s) > 1 else 0.0
            if self.l4s.recur(max(native, p_cl)):
                held.mark()
            return False
        # Marks alone do not help any more (§4.2.1 and A.2): what a classic sender would lose.
        if self.l4s.recur(p_c):
            return True
        held.mark()
        return False

    def _look_at_classic(self, held: Held, p_c: float) -> bool:
        """The same for the classic queue, with the square; overload switches ECN off."""
        if not self.classic.recur(p_c):
            return False
        if held.ecn == NOT_ECT or p_c >= self.p_c_max:
            return True
        held.mark()
        return False

    def _laqm(self, delay: float) -> float:
        """The L4S queue's own probability of a mark: a ramp (A.1)."""
        above = delay - self._settings.threshold
        if above <= 0.0:
            return 0.0
        ramp = self._settings.ramp
        return 1.0 if above >= ramp else above / ramp

    def _l4s_is_next(self, now: float) -> bool:
        """The scheduler (§4.1)."""
        if not (self.l4s and self.classic):
            return bool(self.l4s)
        settings = self._settings
        if settings.scheduler == "ts-fifo":
            return self.l4s.delay(now) + settings.tshift >= self.classic.delay(now)
        if self._credit > 0.0:
            self._credit -= (1.0 - settings.classic_share) * self.classic.waiting[0].size
            return False
        self._credit += settings.classic_share * self.l4s.waiting[0].size
        return True

    def _update(self, now: float) -> None:
        """Make the updates of ``p'`` that were due by *now*: nothing has changed since (A.1)."""
        settings = self._settings
        for _ in range(TICKS_MAX):
            if self._update_at > now:
                return
            at = self._update_at
            self._update_at += settings.tupdate
            curq = max(self.classic.delay(at), self.l4s.delay(at))
            base = self.base + settings.alpha * (curq - settings.target)
            base += settings.beta * (curq - self._prevq)
            self.base = min(max(base, 0.0), 1.0)
            self._prevq = curq
            if not (self.base or self.l4s or self.classic):
                break  # it stays like that until something comes
        if self._update_at <= now:
            ticks = int((now - self._update_at) / settings.tupdate) + 1
            self._update_at += ticks * settings.tupdate
