"""Which link serves whom, and who may watch.

Between any two hosts there are two links, one for each direction, made when the first datagram
needs them.  All have the same options until one is told otherwise, and each has a seed of its own
that follows from the one seed of the run and the two host names: what happens on one path does not
depend on what is sent on another.

A host that talks to itself (everything on 127.0.0.1, say) uses one link for both directions, which
then share its rate and its queue.  Give the two ends different addresses for a full-duplex path.
"""

import abc
from collections.abc import Callable
from typing import Any, Literal, Unpack

from rudp.core.segment.transmit import Address
from rudp.sim.clock import Clock
from rudp.sim.link import Link, LinkOptions

Tap = Callable[
    [Literal["sent", "lost", "delivered", "refused"], float, bytes, Address, Address], Any
]
"""An observer: what happened, when (seconds), the datagram, from which address, to which.

``sent`` comes once for each datagram, then ``lost`` at the same time, or one ``delivered`` for
each copy that arrives; ``refused`` is a copy that arrives where nobody listens.
"""


Arrival = tuple[float, bytes, Address, Address, int]
"""A copy of a datagram: when it arrives (seconds), the octets, from which address, to which, and
its ECN bits."""

Way = Callable[[bytes, Address, Address, int], list[Arrival]]
"""What a datagram with these ECN bits meets between two addresses."""


class Paths(abc.ABC):
    """Hosts joined by links on one clock; what arrives goes to :meth:`arrive`."""

    def __init__(
        self, clock: Clock, *, seed: int | str = 0, **options: Unpack[LinkOptions]
    ) -> None:
        """Make paths whose links have *options* and chances that follow from *seed*.

        Raises :class:`ValueError` for a value out of range.
        """
        self.clock = clock
        self.seed = seed
        self.taps: list[Tap] = []
        self.links: dict[tuple[str, str], Link] = {}
        # What stands before the links, None for nothing; it hands on to :meth:`over_link`.
        self.way: Way | None = None
        # One that carries nothing checks the options now and keeps them for the others.
        self._model = Link(**options)

    @abc.abstractmethod
    def arrive(self, data: bytes, source: Address, destination: Address, ecn: int) -> None:
        """Take a datagram that has reached *destination*'s host; ``clock.now`` is the time.

        *ecn*: its ECN bits, which a queue on the way may have changed.
        """

    def link(self, source: str, destination: str, **options: Unpack[LinkOptions]) -> Link:
        """Return the link from host *source* to host *destination*, with *options* changed.

        Raises :class:`ValueError` for a value out of range.
        """
        link = self.links.get((source, destination))
        if link is None:
            seed = f"{self.seed} {source} {destination}"
            link = self.links[source, destination] = Link(seed=seed, **self._model.options)
        if options:
            link.configure(**options)
        return link

    def send(self, data: bytes, source: Address, destination: Address, ecn: int = 0) -> None:
        """Put a datagram on the path from *source* to *destination*, whoever sends it.

        *ecn*: the two ECN bits of its IP header.
        """
        arrivals = (self.way or self.over_link)(data, source, destination, ecn)
        if self.taps:
            self.report("sent", data, source, destination)
            if not arrivals:
                self.report("lost", data, source, destination)
        for when, *arrival in arrivals:
            self.clock.call_at(when, self.arrive, *arrival)

    def over_link(
        self, data: bytes, source: Address, destination: Address, ecn: int
    ) -> list[Arrival]:
        """Let the link of the two hosts carry a datagram; return what arrives."""
        link = self.link(source[0], destination[0])
        return [
            (when, copy, source, destination, bits)
            for when, copy, bits in link.convey(data, ecn, self.clock.now)
        ]

    def report(
        self,
        what: Literal["sent", "lost", "delivered", "refused"],
        data: bytes,
        source: Address,
        destination: Address,
    ) -> None:
        """Tell every tap what has just happened to a datagram."""
        for tap in self.taps:
            tap(what, self.clock.now, data, source, destination)
