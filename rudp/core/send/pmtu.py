"""Finding the largest datagram that a path carries, with data for probes (RFC 8899).

Routers need not say that a datagram was too large, and what they say may be forged; so sizes are
tried.  The first probe has the size of the local link, because most paths are Ethernet from end to
end and one round trip settles it; then the interval between what passed and what did not is
halved.  A probe that is lost says little by itself: three in a row say that the size does not fit.
What is known to pass is in ``plpmtu``; all sizes are octets of UDP payload.

Loopback is trusted with what its interface says, until something shows that more than loopback is
in between: a forwarder that reads into a buffer of its own may cut what is larger, or drop it.
"""

import enum
import math
from typing import Final, NamedTuple

from rudp.config import MSS_FLOOR
from rudp.core.loss.scoreboard import SentRun
from rudp.core.segment.wire import HEADER_SIZE

MAX_PROBES: Final = 3
"""Probes of one size that are lost before it counts as too large (DEF-38)."""

RAISE_TIMER: Final = 600.0
"""Seconds after which a search that ended is taken up again: paths change (DEF-38)."""

SIZES: Final = (1232, 1252, 1372, 1392, 1412, 1432, 1452, 1472)
"""Payloads of usual paths, tunnels among them (PMTU-7)."""

PAUSE_MAX: Final = 5
"""Round trips, at most, between a size that failed and the next that is tried.  A search has few
such steps; with a window of segments as many round trips it could take minutes (PMTU-12)."""

STEP_MIN: Final = 8
"""Octets.  A gap that is smaller is not worth a probe."""

CUT_MIN: Final = MSS_FLOOR + HEADER_SIZE
"""Octets.  However little a cutting path or a lying peer lets through, no less is sent."""


class Payloads(NamedTuple):
    """Octets of UDP payload on the way to one peer.

    ``base``: carried by any path; ``floor``: by any host; ``ceiling``: by the local link;
    ``receive``: what we announce to be ready for.  ``trusted``: the link is the whole path, as far
    as we know, so that there is nothing to search for.
    """

    base: int
    floor: int
    ceiling: int
    receive: int
    trusted: bool = False


class SearchState(enum.Enum):
    """Where the search is (RFC 8899 §5.2)."""

    DISABLED = "not searching"
    SEARCHING = "trying larger sizes"
    COMPLETE = "the largest size is known"
    ERROR = "not even the base size passes, or nothing at all"


class PathMtu:
    """The search of one connection.

    Without *search*, or with nothing to search for, the size stays at ``base``.  *shared*: those
    that begin alike have it together, until something happens to one of them (:meth:`own`).
    ``probing``: the size of the probe that is on its way, or None.  ``trusted``: the size is that
    of the link, and nothing has spoken against it.  ``full_losses``: how often in a row full
    segments were lost, and none has arrived.  Times are seconds.
    """

    __slots__ = (
        "_ceiling",
        "_failures",
        "_floor",
        "_next_at",
        "_raise_at",
        "_search",
        "_shared",
        "_too_big",
        "base",
        "full_losses",
        "plpmtu",
        "probing",
        "state",
        "trusted",
    )

    def __init__(self, payloads: Payloads, *, search: bool, shared: bool = False) -> None:
        self._shared = payloads if shared else None
        self._search = search
        self.base = min(payloads.base, payloads.ceiling)
        self._floor = min(payloads.floor, self.base)
        self._ceiling = payloads.ceiling
        self.trusted = payloads.trusted
        self.plpmtu = self._ceiling if self.trusted else self.base
        self.state = SearchState.DISABLED
        if search and self.base < self._ceiling:
            self.state = SearchState.COMPLETE if self.trusted else SearchState.SEARCHING
        self.probing: int | None = None
        self.full_losses = 0
        self._too_big = self._ceiling + 1
        self._failures = 0
        self._next_at = 0.0
        self._raise_at = math.inf

    def own(self) -> "PathMtu":
        """Return what its connection has to itself; to be asked before anything here changes."""
        return self if self._shared is None else PathMtu(self._shared, search=self._search)

    def begins_like(self, payloads: Payloads, search: bool) -> bool:
        """Whether it is shared by those that have *payloads* and *search*."""
        return self._shared == payloads and self._search is search

    def limited(self, ceiling: int) -> "PathMtu":
        """Return this, or what it becomes where :meth:`limit` changes something."""
        if ceiling >= self._ceiling:
            return self
        own = self.own()
        own.limit(ceiling)
        return own

    def limit(self, ceiling: int) -> None:
        """The peer takes, or the user wants, no more than *ceiling* octets (W-53)."""
        if ceiling < self._ceiling:
            self._ceiling = ceiling
            self._too_big = ceiling + 1
            self._stay_below_ceiling()

    def _stay_below_ceiling(self) -> None:
        self.base = min(self.base, self._ceiling)
        self._floor = min(self._floor, self.base)
        self.plpmtu = min(self.plpmtu, self._ceiling)

    def next_probe(self, now: float) -> int | None:
        """Return the size to be tried now, None if there is nothing to try (PMTU-3, PMTU-7)."""
        if self.state is SearchState.COMPLETE and now >= self._raise_at:
            self.state = SearchState.SEARCHING
            self._too_big = self._ceiling + 1
        if self.probing is not None or now < self._next_at:
            return None
        if self.state is SearchState.ERROR:
            return self.base
        if self.state is not SearchState.SEARCHING:
            return None
        if self._too_big > self._ceiling > self.plpmtu:
            return self._ceiling
        between = [size for size in SIZES if self.plpmtu < size < self._too_big]
        if between:
            return between[len(between) // 2]
        if self._too_big - self.plpmtu > STEP_MIN:
            return (self.plpmtu + self._too_big) // 2
        self._complete(now)
        return None

    def _complete(self, now: float) -> None:
        self.state = SearchState.COMPLETE
        self._raise_at = now + RAISE_TIMER

    def on_probe_sent(self, size: int) -> None:
        """A datagram of *size* octets, as :meth:`next_probe` said, has left."""
        self.probing = size

    def on_probe_delivered(self) -> None:
        """It arrived: the path carries that much (PMTU-5)."""
        size, self.probing = self.probing, None
        if size is None:
            return
        if self.state is SearchState.ERROR:
            self.state = SearchState.SEARCHING
            self._too_big = self._ceiling + 1
        if size < self._too_big:
            self.plpmtu = max(self.plpmtu, size)
            self._failures = 0

    def on_arrived(self, runs: list[SentRun], smss: int) -> bool:
        """*runs* have arrived while it is open how large segments may be (PMTU-5, PMTU-9).

        Return whether one of them was a probe.  *smss*: octets of a full segment.
        """
        probed = self.probing is not None and any(run.is_probe for run in runs)
        if probed:
            self.on_probe_delivered()
        if any(run.end - run.seq >= smss for run in runs):
            self.full_losses = 0
        return probed

    def on_probe_lost(self, pause: float, now: float) -> None:
        """It was lost; wait *pause* seconds after a size is given up (PMTU-12)."""
        size, self.probing = self.probing, None
        if size is None:
            return
        self._failures += 1
        if self._failures >= MAX_PROBES:
            self._failures = 0
            self._too_big = min(self._too_big, size)
            self.state = SearchState.SEARCHING  # perhaps below the base
        elif self.state is not SearchState.ERROR:
            return
        self._next_at = now + pause

    def on_cut(self, passed: int, pause: float, now: float) -> None:
        """Of a larger datagram *passed* octets have arrived: something on the way cuts.

        So much passes, then, and no more.  But whoever is there may go, and an acknowledgement of
        half a segment may have other causes: one probe of the largest size settles it (PMTU-3).
        """
        size = max(passed, CUT_MIN)
        probed, self.probing = self.probing, None
        self._failures = 0
        self.trusted = False
        if probed is not None and self.plpmtu <= size < probed:
            self.plpmtu = size
            self._too_big = min(self._too_big, size + 1)
            self.state = SearchState.SEARCHING
        elif size < self.plpmtu:
            self.plpmtu = size
            self.base = min(self.base, size)
            self._floor = min(self._floor, size)
            if self.state is not SearchState.DISABLED:
                self.state = SearchState.SEARCHING
                self._next_at = now + pause

    def on_too_big(self, payload: int, now: float) -> None:
        """A router says that no more than *payload* octets pass; the quote was checked (PMTU-8).

        It may make us more modest, down to the base, and never bolder.
        """
        if self.state is SearchState.DISABLED or payload < self._floor:
            return
        if payload < self._too_big - 1:
            self._too_big = max(payload, self.base) + 1
        if payload < self.plpmtu:
            self.plpmtu = max(payload, min(self.base, self.plpmtu))
            self._complete(now)

    def on_refused(self, size: int, link: int | None = None) -> bool:
        """The system does not take a datagram of *size* octets (EMSGSIZE, PMTU-13).

        *link*: what the local link takes now, if that is known: where larger ones have passed until
        now, it passes.  Return whether smaller ones will do: what any host takes was refused for
        another reason.
        """
        if size <= self._floor:
            return False
        if link is None or not self._floor <= link < size:
            link = None
        self.probing = None
        self._failures = 0
        self._too_big = min(self._too_big, size)
        self._ceiling = min(self._ceiling, size - 1 if link is None else link)
        if self.plpmtu >= size:
            fallback = self.base if self.base < size else self._floor
            self.plpmtu = fallback if link is None else link
            if self.state is not SearchState.DISABLED:
                self.state = SearchState.SEARCHING
        self._stay_below_ceiling()
        return True

    def on_full_lost(self, pause: float, now: float) -> bool:
        """Full segments were lost: does the path take this size?  Return whether that changed.

        Where losses are plain, some full segment arrives before this has happened three times
        (PMTU-9).
        """
        self.full_losses += 1
        return (
            self.full_losses >= MAX_PROBES and not self.trusted and self.on_black_hole(pause, now)
        )

    def on_black_hole(self, pause: float, now: float) -> bool:
        """Segments of this size do not arrive any more: fall back; return whether that changed.

        First to the base, then to the floor (PMTU-9).  After *pause* seconds the size that failed
        is tried again: if the peer was only away for a while, one probe shows it, and if not, one
        or two more, as the segments that were lost have been probes too.
        """
        self.probing = None
        self.full_losses = 0
        self._failures = 1
        if self.state is SearchState.DISABLED or self.plpmtu <= self._floor:
            return False
        if self.plpmtu > self.base:
            self.plpmtu = self.base
            self.state = SearchState.SEARCHING
        else:
            self.plpmtu = self._floor
            self.state = SearchState.ERROR
        self._next_at = now + pause
        return True
