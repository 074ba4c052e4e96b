"""Which link serves whom, and who may watch.

Between any two hosts there are two links, one for each direction, made when the first datagram
needs them.  All have the same options until one is told otherwise, and each has a seed of its own
that follows from the one seed of the run and the two host names: what happens on one path does not
depend on what is sent on another.

A host that talks to itself (everything on 127.0.0.1, say) uses one link for both directions, which
then share its rate and its queue.  Give the two ends different addresses for a full-duplex path.

Hosts may be put behind a NAT.  What they send gets its public address before the link, and what
comes for that address is theirs, if the NAT lets it in, after the link: links join what has an
address of its own.  Hosts behind one NAT reach each other without it, and nobody else by the
addresses they have behind it.
"""

import abc
import math
from collections.abc import Callable
from typing import Any, Literal, Unpack

from rudp.core.segment.transmit import Address
from rudp.sim.clock import Clock
from rudp.sim.link import Copy, Link, LinkOptions
from rudp.sim.nat import Nat

Tap = Callable[
    [Literal["sent", "lost", "delivered", "refused"], float, bytes, Address, Address], Any
]
"""An observer: what happened, when (seconds), the datagram, from which address, to which.

``sent`` comes once for each datagram, then ``lost`` at the same time, or one ``delivered`` for
each copy that arrives; ``refused`` is a copy that arrives where nobody listens, and ``lost`` at a
later time one that a NAT did not let in or a managed queue has dropped.  Behind a NAT the addresses
are those that sender and receiver see.
"""


Arrival = tuple[float, bytes, Address, Address, int]
"""A copy of a datagram: when it arrives (seconds), the octets, from which address, to which, and
its ECN bits."""

Way = Callable[[bytes, Address, Address, int], list[Arrival] | None]
"""What a datagram with these ECN bits meets between two addresses; None: that is not known yet."""

Fate = Callable[[list[Arrival]], list[Arrival]]
"""Is told what arrives of a datagram, and returns what does after all."""


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
        # By the host behind it, and by its own address.
        self._nats: dict[str, Nat] = {}
        # When those with managed queues are asked next what has left them.
        self._asked: dict[Link, float] = {}
        self._outsides: dict[str, Nat] = {}
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

    def put_behind(self, nat: Nat, *hosts: str) -> Nat:
        """Put *hosts* behind *nat*, which may itself be put behind another by its public address.

        Returns *nat*.  Raises :class:`ValueError` for a host that is behind one already, or where
        the public address is another NAT's.
        """
        if self._outsides.setdefault(nat.outside, nat) is not nat:
            raise ValueError(f"there is another NAT at {nat.outside}")
        for host in hosts:
            if self._nats.setdefault(host, nat) is not nat:
                raise ValueError(f"{host} is behind {self._nats[host]!r} already")
            if host == nat.outside:
                raise ValueError(f"{host} cannot be behind itself")
        return nat

    def nat_of(self, host: str) -> Nat | None:
        """Return the NAT that *host* is behind."""
        return self._nats.get(host)

    def whose(self, address: Address) -> Address:
        """Return who is behind the public *address* of a NAT, or *address* if nobody is."""
        while (nat := self._outsides.get(address[0])) is not None:
            inner = nat.inner_of(address)
            if inner is None:
                break
            address = inner
        return address

    def joined(self, source: str, destination: str) -> tuple[str, str]:
        """Return the hosts whose link carries what host *source* sends to host *destination*."""
        while (nat := self._nats.get(source)) is not None:
            if self._nats.get(destination) is nat:
                break
            source = nat.outside
            if destination == source:
                break
        return source, destination

    def send(self, data: bytes, source: Address, destination: Address, ecn: int = 0) -> None:
        """Put a datagram on the path from *source* to *destination*, whoever sends it.

        *ecn*: the two ECN bits of its IP header.
        """
        arrivals = (self.way or self.over_link)(data, source, destination, ecn)
        if self.taps:
            self.report("sent", data, source, destination)
        if arrivals is not None:
            self._expect(arrivals, data, source, destination)

    def _expect(
        self, arrivals: list[Arrival], data: bytes, source: Address, destination: Address
    ) -> None:
        """*arrivals* are what is left of a datagram."""
        if not arrivals and self.taps:
            self.report("lost", data, source, destination)
        take = self._come_in if self._outsides else self.arrive
        for when, *arrival in arrivals:
            self.clock.call_at(when, take, *arrival)

    def over_link(
        self,
        data: bytes,
        source: Address,
        destination: Address,
        ecn: int,
        fate: Fate | None = None,
    ) -> list[Arrival] | None:
        """Let the link of the two hosts carry a datagram; return what arrives.

        *fate* has the last word.  If a managed queue holds the datagram that comes later, and
        what is returned now is None.
        """
        if self._nats:
            seen = self._go_out(source, destination)
            if seen is None:
                return [] if fate is None else fate([])
            source = seen
        link = self.link(source[0], destination[0])

        def decided(copies: list[Copy]) -> list[Arrival]:
            arrivals = [(when, copy, source, destination, bits) for when, copy, bits in copies]
            return arrivals if fate is None else fate(arrivals)

        if not link.holds:
            return decided(link.convey(data, ecn, self.clock.now))
        self.hold(
            link,
            data,
            ecn,
            lambda copies: self._expect(decided(copies), data, source, destination),
        )
        return None

    def hold(self, link: Link, data: bytes, ecn: int, tell: Callable[[list[Copy]], object]) -> None:
        """Put a datagram into the managed queue of *link*; *tell* what becomes of it, some time."""
        link.hold(data, ecn, self.clock.now, tell)
        self._ask(link)

    def _ask(self, link: Link) -> None:
        """Tell what has left *link*'s queue, and see to it that it is asked again."""
        now = self.clock.now
        for tell, copies in link.release(now):
            tell(copies)
        due = link.due
        if due < math.inf and self._asked.get(link, -math.inf) <= now:
            self._asked[link] = due
            self.clock.call_at(due, self._ask, link)

    def _go_out(self, source: Address, destination: Address) -> Address | None:
        """Return *source* as *destination* sees it, None if nothing leads there."""
        now = self.clock.now
        while (nat := self._nats.get(source[0])) is not None:
            if self._nats.get(destination[0]) is nat:
                return source
            if destination[0] == nat.outside and not nat.hairpin:
                return None
            seen = nat.outward(source, destination, now)
            if seen is None or destination[0] == nat.outside:
                return seen
            source = seen
        return None if destination[0] in self._nats else source

    def _come_in(self, data: bytes, source: Address, destination: Address, ecn: int) -> None:
        """Take a datagram that may have to pass NATs."""
        now = self.clock.now
        while (nat := self._outsides.get(destination[0])) is not None:
            inner = nat.inward(destination, source, now)
            if inner is None:
                self.report("lost", data, source, destination)
                return
            destination = inner
        self.arrive(data, source, destination, ecn)

    def seen_as(self, inner: Address, remote: Address) -> Address:
        """Return as what *remote* sees *inner*; *inner* itself if no NAT is between them."""
        while (nat := self._nats.get(inner[0])) is not None:
            if self._nats.get(remote[0]) is nat:
                break
            outer = nat.outer_of(inner, remote)
            if outer is None:
                break
            inner = outer
        return inner

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
