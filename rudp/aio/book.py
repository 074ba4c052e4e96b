"""What is written down of connections that have ended, so that sums over all never get smaller.

There is one for each event loop, once somebody has asked for metrics (:mod:`rudp.metrics`).  Those
that live are counted when they are asked; who ends is entered here.
"""

import bisect
from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar, Final

from rudp.core.life.connection import Connection
from rudp.core.life.tally import COUNTED, Tally
from rudp.core.life.tcb import Opened
from rudp.core.segment.addresses import name_of
from rudp.core.segment.transmit import Address
from rudp.core.terms.counters import Count, Counters
from rudp.core.terms.state import State
from rudp.core.watch.stats import EndpointStats

OPENING_BOUNDS: Final = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
)
"""Seconds: the upper bounds of :attr:`Page.openings`; one more has what took longer."""

PAGES_MAX: Final = 64
"""Listeners, and sockets, that are told apart; the others are together under ``"other"``."""

_BEFORE: Final = frozenset({State.CLOSED, State.LISTEN, State.SYN_SENT, State.SYN_RECEIVED})


class Page:
    """What is known of the connections of one listener, or of those that were opened here.

    ``counted``: of those that have ended, as :data:`~rudp.core.life.tally.COUNTED` names it.
    ``openings``: how many took how long to open, by :data:`OPENING_BOUNDS`; ``opening_sum``:
    seconds of all.  ``closed``, ``broken``, ``failed``: how many have ended in order, by an error,
    and before they were open.
    """

    __slots__ = ("broken", "closed", "counted", "failed", "opening_sum", "openings")

    def __init__(self) -> None:
        self.counted = [0] * len(COUNTED)
        self.openings = [0] * (len(OPENING_BOUNDS) + 1)
        self.opening_sum = 0.0
        self.closed = 0
        self.broken = 0
        self.failed = 0

    def add(self, other: "Page") -> None:
        """Add what *other* has."""
        self.counted = sums(self.counted, other.counted)
        self.openings = sums(self.openings, other.openings)
        self.opening_sum += other.opening_sum
        self.closed += other.closed
        self.broken += other.broken
        self.failed += other.failed


class Book:
    """The pages of one event loop, by listener: its TCP port, ``""`` for what was opened here.

    ``dropped``: what sockets that are closed have counted, by the address of each and
    :class:`~rudp.core.terms.counters.Count`; ``""`` is the address of all that were clients'.
    ``hearers``: called with the seconds that each connection took to open, and its page's name.
    """

    hearers: ClassVar[list[Callable[[float, str], None]]] = []

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.dropped: dict[str, Counters] = {}

    def opened(self, connection: Connection) -> None:
        """*connection* is open."""
        name = self.name(connection)
        page = self._page(name)
        took = sum(connection.state_times.values())
        page.openings[bisect.bisect_left(OPENING_BOUNDS, took)] += 1
        page.opening_sum += took
        for hear in self.hearers:
            hear(took, name)

    def ended(self, connection: Connection) -> None:
        """*connection* has no user any more, and nothing of his is left in it."""
        page = self._page(self.name(connection))
        tally = Tally()
        connection.count(tally)
        page.counted = sums(page.counted, tally.counted)
        if {connection.state, *connection.state_times} <= _BEFORE:
            page.failed += 1
        elif connection.error is not None:
            page.broken += 1
        else:
            page.closed += 1

    def left(self, sockname: Address, listens: bool, stats: EndpointStats) -> None:
        """A socket is closed, at which whoever *listens*; *stats*: what it has counted."""
        enter(self.dropped, sockname, listens, stats)

    def name(self, connection: Connection) -> str:
        """Return which page *connection* is on."""
        if connection.opened is Opened.ACTIVE:
            return ""
        return _listed(self.pages, str(connection.ports >> 16))

    def _page(self, name: str) -> Page:
        page = self.pages.get(name)
        if page is None:
            page = self.pages[name] = Page()
        return page


def enter(
    dropped: dict[str, Counters], sockname: Address, listens: bool, stats: EndpointStats
) -> None:
    """Add to *dropped* what a socket at *sockname* has counted."""
    name = _listed(dropped, name_of(sockname)) if listens else ""
    into = dropped.setdefault(name, Counters())
    counted: Mapping[str, Any] = stats
    for reason in Count:
        if counted[reason.value]:
            into[reason] += counted[reason.value]


def sums(some: list[int], others: list[int]) -> list[int]:
    """Return the sums of both, place by place."""
    return [a + b for a, b in zip(some, others, strict=True)]


def _listed(known: Collection[str], name: str) -> str:
    """Return *name*, or ``"other"`` if enough others are known."""
    return name if name in known or len(known) < PAGES_MAX else "other"
