"""What every managed queue of a link has in common.

A queue that only drops what does not fit knows the fate of a datagram when it comes.  One that is
managed (AQM, RFC 7567) decides later, when the datagram has come to its head: what comes behind it
in the meantime may be sent first, and how long it has waited is known only then.  So it is given
what waits, and asked for the next whenever the link is free.
"""

import abc
import math
from collections import deque
from typing import Any, Final

from rudp.core.segment.transmit import CE

NOT_ECT: Final = 0
"""The ECN bits of those who do not heed marks (RFC 3168 §5)."""


class Held:
    """A datagram that waits.

    ``size``: octets it needs of the rate; ``ecn``: its ECN bits; ``since``: when it came, in
    seconds; ``tag``: whatever the one who put it on the link wants back; ``marked``: by this queue.
    """

    __slots__ = ("data", "ecn", "marked", "since", "size", "tag")

    def __init__(self, data: bytes, size: int, ecn: int, since: float, tag: Any) -> None:
        self.data = data
        self.size = size
        self.ecn = ecn
        self.since = since
        self.tag = tag
        self.marked = False

    def mark(self) -> None:
        """Congestion is experienced here (RFC 3168 §5)."""
        self.ecn = CE
        self.marked = True


class Fifo:
    """Datagrams in the order in which they came, and their ``octets``."""

    __slots__ = ("octets", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[Held] = deque()
        self.octets = 0

    def __len__(self) -> int:
        return len(self.waiting)

    def append(self, held: Held) -> None:
        """Put *held* at the end."""
        self.waiting.append(held)
        self.octets += held.size

    def pop(self) -> Held:
        """Take the first one out."""
        held = self.waiting.popleft()
        self.octets -= held.size
        return held

    def delay(self, now: float) -> float:
        """Return for how many seconds the first one has waited; 0 if there is none."""
        return now - self.waiting[0].since if self.waiting else 0.0


class Queue(abc.ABC):
    """What waits for a link, and who decides about it.  Times are seconds and do not decrease."""

    __slots__ = ()

    @property
    @abc.abstractmethod
    def octets(self) -> int:
        """Octets that wait."""

    @abc.abstractmethod
    def put(self, held: Held, now: float) -> bool:
        """Take *held* in; False if there is no room."""

    @abc.abstractmethod
    def take(self, now: float, dropped: list[Held]) -> Held | None:
        """Return what is sent now, marked if it is to be, or None if nothing waits.

        What is dropped in its place is added to *dropped*.
        """


class Aqm(abc.ABC):
    """The settings of a managed queue, to be given as ``Link(queue=...)``.

    They may be used for any number of links; each makes a queue of its own.
    """

    __slots__ = ()

    @abc.abstractmethod
    def start(self) -> Queue:
        """Return a new, empty queue."""


def check(name: str, value: float, low: float, high: float = math.inf) -> None:
    """Raise :class:`ValueError` unless *value* is a finite number from *low* to *high*."""
    if not (math.isfinite(value) and low <= value <= high):
        above = "" if high == math.inf else f" and at most {high:g}"
        raise ValueError(f"{name} must be at least {low:g}{above}, not {value!r}")
