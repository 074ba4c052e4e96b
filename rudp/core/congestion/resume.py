"""Careful Resume: a connection to a host that is known begins with half of what it had (RFC 9959).

Slow start takes ten round trips to find out what the connection before knew at its end.  That may
no longer be true, so it is tried and not believed, in phases.  *Reconnaissance*: the first window
goes as ever, and shows whether the path looks like the one remembered.  *Unvalidated*: cwnd jumps
to half of what was saved, paced over a round trip.  *Validating*: the first of these octets are
acknowledged, the rest is awaited.  If something is lost on the way it was too much: *Safe Retreat*
goes back to half of what has been seen to arrive, and what was saved is forgotten.
"""

import dataclasses
import enum
from collections.abc import Callable
from typing import ClassVar, Final

from rudp.core.congestion.controller import Ack, Controller, Signal
from rudp.core.congestion.newreno import WindowController
from rudp.core.terms.native import mypyc_attr

PathKey = tuple[str, str, int]
"""A path: the local host, ``""`` where it is not known, the remote one, and the DSCP (§2.2)."""

SHARE: Final = 0.5
"""Of the window that was saved, what is tried: others may have come since (§3.3)."""

RTT_FACTORS: Final = (0.5, 10.0)
"""A round trip that is this much of the one saved, or more, is one of another path (§3.2)."""

LEAST: Final = 4
"""Initial windows; what is less is found soon enough without having been saved (§3.1)."""

RETREAT: Final = 0.5
"""Beta: what of the pipe size slow start goes up to after a retreat (§3.5)."""


@dataclasses.dataclass(frozen=True, slots=True)
class SavedPath:
    """What a connection has found out: octets acknowledged in a round trip, the shortest of these
    in seconds, and when that was."""

    cwnd: int
    rtt: float
    at: float


class SavedPaths:
    """What connections have learned of the paths to their peers, for ``Config(careful_resume=)``.

    It may be shared by any number of connections, servers and clients of one event loop, and
    outlives their sockets.  *lifetime*: seconds, above 0, after which what was learned is not used
    any more; *most*: paths that are remembered, 1 at least, of which the one saved longest ago goes
    first.  Some 300 octets each.  Raises :class:`ValueError` for a value out of range,
    :class:`TypeError` for one of another type.
    """

    __slots__ = ("_paths", "lifetime", "most")

    def __init__(self, *, lifetime: float = 3600.0, most: int = 1024) -> None:
        given: tuple[object, object] = lifetime, most
        if not (isinstance(given[0], (int, float)) and isinstance(given[1], int)):
            raise TypeError("lifetime must be a float and most an int object")  # as if compiled
        if not 0.0 < lifetime < float("inf"):
            raise ValueError(f"lifetime must be a number above 0 and finite, not {lifetime!r}")
        if most < 1:
            raise ValueError(f"most must be at least 1, not {most!r}")
        self.lifetime = lifetime
        self.most = most
        self._paths: dict[PathKey, SavedPath] = {}

    def __len__(self) -> int:
        return len(self._paths)

    def clear(self) -> None:
        """Forget all, after the machine has moved to another network for instance."""
        self._paths.clear()

    def save(self, key: PathKey, cwnd: int, rtt: float, now: float) -> None:
        """Remember what was found out about a path, in place of what was known of it."""
        self._paths.pop(key, None)
        if len(self._paths) >= self.most:
            del self._paths[next(iter(self._paths))]
        self._paths[key] = SavedPath(cwnd, rtt, now)

    def look(self, key: PathKey, now: float) -> SavedPath | None:
        """Return what is known of a path, None if that is nothing, or old."""
        known = self._paths.get(key)
        # A clock that was another one then tells nothing about the age.
        return known if known is not None and 0.0 <= now - known.at < self.lifetime else None

    def forget(self, key: PathKey) -> None:
        """Forget a path: one connection alone may use what was known of it (§3.2)."""
        self._paths.pop(key, None)


class Phase(enum.Enum):
    """Where a connection is that resumes (§3); afterwards there is no such controller any more."""

    RECONNAISSANCE = "Reconnaissance"
    UNVALIDATED = "Unvalidated"
    VALIDATING = "Validating"
    SAFE_RETREAT = "Safe Retreat"


@mypyc_attr(allow_interpreted_subclasses=True)
class CarefulResume(Controller):
    """Stands before the controller *inner* until it is clear what the path bears.

    Then, in the Normal phase, *over* is called with *inner*, which takes its place.  *known*: what
    was saved; *paths* and *key*: where.  ``pipe_size``: octets known to have fitted into the path.
    """

    __slots__ = (
        "_began", "_first", "_initial", "_inner", "_key", "_known", "_last", "_over", "_paths",
        "_untried", "phase", "pipe_size",
    )  # fmt: skip

    uses_prr: ClassVar[bool] = False

    def __init__(
        self,
        inner: WindowController,
        known: SavedPath,
        paths: SavedPaths,
        key: PathKey,
        over: Callable[[Controller], None],
    ) -> None:
        super().__init__(inner.smss, inner.cwnd)
        self.phase = Phase.RECONNAISSANCE
        self.pipe_size = 0
        self._inner = inner
        self._known = known
        self._paths = paths
        self._key = key
        self._over = over
        self._initial = inner.cwnd
        self._untried = inner.cwnd  # octets of that not yet seen to arrive
        self._began = 0.0  # when the window jumped
        self._first = 0  # SND.NXT then
        self._last = 0  # and when the window was no longer tried

    def on_ack(self, ack: Ack) -> None:
        """Go through the phases, as far as this acknowledgement shows something."""
        phase = self.phase
        if phase is Phase.RECONNAISSANCE:
            self._inner.on_ack(ack)
            self._reconnoitre(ack)
        else:
            self.pipe_size += ack.delivered
            if phase is Phase.UNVALIDATED:
                self._look_at_jump(ack)
            elif phase is Phase.VALIDATING:
                self._validate(ack)
            else:
                self._retreat(ack)
        self._follow()

    def _reconnoitre(self, ack: Ack) -> None:
        """The first window has arrived: is this the path that was known (§3.2)?"""
        self._untried -= ack.delivered
        if self._untried >= self.smss or not ack.cwnd_limited:
            return  # some is still on its way, or nothing more is asked for
        known = self._paths.look(self._key, ack.now)
        low, high = RTT_FACTORS
        rtt = ack.min_rtt
        jump = int(self._known.cwnd * SHARE)
        if (
            known is not self._known  # too old, or in use by another connection
            or rtt is None
            or not low * known.rtt < rtt < high * known.rtt
            or jump <= self._inner.cwnd
        ):
            self._finish()
            return
        self._paths.forget(self._key)
        self.phase = Phase.UNVALIDATED
        self.pipe_size = ack.in_flight
        self._began = ack.now
        self._first = ack.snd_nxt
        self._inner.cwnd = jump
        self._inner.pacing_rate = jump / (ack.srtt or rtt)

    def _look_at_jump(self, ack: Ack) -> None:
        """Octets of the jump arrive, or a round trip is over: what of it was used (§3.3)?"""
        took = ack.now - self._began
        if ack.snd_una <= self._first and took <= (ack.srtt or took):
            return
        inner = self._inner
        inner.pacing_rate = None
        self._last = ack.snd_nxt
        flight = ack.snd_nxt - ack.snd_una
        if flight <= self.pipe_size:
            inner.cwnd = max(self.pipe_size, self._initial)
            self._finish()
        else:
            inner.cwnd = flight
            self.phase = Phase.VALIDATING

    def _validate(self, ack: Ack) -> None:
        """The rest of the jump arrives, and the window grows as it would (§3.4)."""
        if not ack.lost:
            self._inner.on_ack(ack)
        if ack.snd_una >= self._last:
            # To double once more would only fill the queue: what the path bears is known by now.
            self._inner.ssthresh = max(self._known.cwnd, self._inner.cwnd)
            self._finish()

    def _retreat(self, ack: Ack) -> None:
        """Nothing grows until all of the jump has arrived; what has is where slow start ends."""
        if self._last < 0:
            self._last = ack.snd_nxt  # the loss was found by this acknowledgement
        if ack.snd_una >= self._last:
            self._inner.ssthresh = self._floor(self.pipe_size * RETREAT)
            self._finish()

    def _floor(self, octets: float) -> int:
        return max(int(octets), 2 * self.smss)

    def _finish(self) -> None:
        """The Normal phase: *inner* goes on alone."""
        self._inner.pacing_rate = None
        self._over(self._inner)

    def _follow(self) -> None:
        """Have the numbers of *inner*, which are what is asked for."""
        inner = self._inner
        self.cwnd, self.ssthresh, self.earned = inner.cwnd, inner.ssthresh, inner.earned
        self.pacing_rate = inner.pacing_rate

    # -- what goes wrong -------------------------------------------------------------------------

    def on_congestion(self, signal: Signal, flight_size: int, now: float) -> None:
        """A loss or a mark: retreat, if more was tried than usual (§3.5)."""
        inner = self._inner
        if self.phase is Phase.RECONNAISSANCE:
            inner.on_congestion(signal, flight_size, now)
            self._finish()
        elif self.phase is Phase.SAFE_RETREAT:
            inner.cwnd = self._floor(inner.cwnd * RETREAT)
        else:
            if self.phase is Phase.UNVALIDATED:
                self._last = -1
            inner.on_congestion(signal, min(flight_size, self.pipe_size), now)
            inner.cwnd = inner.ssthresh = self._floor(self.pipe_size * SHARE)
            inner.pacing_rate = None
            self.phase = Phase.SAFE_RETREAT
        self._follow()

    def on_recovered(self, most: int, now: float) -> None:
        """What was lost is repaired; the retreat goes on until all of the jump is acknowledged."""
        self._inner.cwnd = min(self._inner.cwnd, most)
        self._follow()

    def on_timeout(self, flight_size: int, first: bool, now: float) -> None:
        """Nothing comes back: as with any connection, and not beyond what was seen to arrive."""
        inner = self._inner
        inner.on_timeout(flight_size, first, now)
        if self.phase is not Phase.RECONNAISSANCE:
            inner.ssthresh = min(inner.ssthresh, self._floor(self.pipe_size * RETREAT))
        self._finish()
        self._follow()

    def on_restart(self, idle: float, rto: float, now: float) -> None:
        """A pause: what was tried and not used has gone."""
        self._inner.on_restart(idle, rto, now)
        if idle > rto and self.phase is not Phase.RECONNAISSANCE:
            self._finish()
        self._follow()

    def resize(self, smss: int) -> None:
        self.smss = smss
        self._inner.resize(smss)
        self._follow()
