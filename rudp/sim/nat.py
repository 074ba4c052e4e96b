"""Routers that translate addresses, as homes and mobile networks have them (RFC 4787).

Hosts behind a NAT speak through one public address.  What a NAT does is the answer to three
questions.  *Mapping*: do all destinations see an inner address and port as the same public port, or
does each destination host, or each destination port, see one of its own?  *Filtering*: who may send
to a public port, everybody, hosts that were spoken to, or only addresses and ports that were?
*Ports*: is the public port the inner one where that is free, or any?  The old names are four of the
answers: full cone, address-restricted, port-restricted and symmetric.

A NAT holds no clock: it is asked with the time, and forgets by itself what has been silent.
"""

import math
import random
from collections.abc import Iterator
from typing import Any, Final, Literal, Self, get_args

from rudp.core.segment.transmit import Address

Scope = Literal["any", "host", "port"]
"""What of the other side counts: nothing, its host, or its host and port.  In RFC 4787's words
endpoint-independent, address-dependent, address- and port-dependent."""

Ports = Literal["preserve", "random"]

STREAM_AFTER: Final = 2.0
"""Seconds from the first datagram after which one more makes a stream, as Linux has it."""

_PORTS: Final = range(1024, 65_536)

SESSIONS_MAX: Final = 65_536
"""Pairs of an inner and an outer address that one NAT remembers; beyond it nothing new gets out."""


class _Session:
    """What is remembered of one destination of a mapping."""

    __slots__ = ("answered", "began", "heard")

    def __init__(self, now: float) -> None:
        self.began = self.heard = now
        self.answered = False


class _Mapping:
    """A public port, whose it is, and with whom he has spoken through it."""

    __slots__ = ("inner", "key", "port", "sessions")

    def __init__(self, key: tuple[Address, object], inner: Address, port: int) -> None:
        self.key = key
        self.inner = inner
        self.port = port
        self.sessions: dict[Address, _Session] = {}


class Nat:
    """A NAT whose public address is *outside*; :meth:`Paths.put_behind` gives it hosts.

    *mapping*, *filtering*: see :data:`Scope`.  *ports*: ``"preserve"`` keeps the inner port's
    number where no other mapping has it, and takes the next free one where one has; ``"random"``
    draws one that follows from *seed*.  *hairpin*: whether hosts behind it reach each other at its
    public address (RFC 4787 §6).  *lifetime*: seconds of silence after which a destination is
    forgotten, and the mapping with its last one; *stream_lifetime*: the same once there were
    answers and a datagram more than 2 s after the first, as Linux has it.

    The default is what most homes have.  Raises :class:`ValueError` for a value out of range.

    >>> nat = Nat.symmetric("203.0.113.1")
    >>> one = nat.outward(("10.0.0.2", 5000), ("192.0.2.1", 80), now=0.0)
    >>> two = nat.outward(("10.0.0.2", 5000), ("192.0.2.1", 81), now=0.0)
    >>> one == two
    False
    """

    def __init__(
        self,
        outside: str,
        *,
        mapping: Scope = "any",
        filtering: Scope = "port",
        ports: Ports = "preserve",
        hairpin: bool = False,
        lifetime: float = 30.0,
        stream_lifetime: float = 120.0,
        seed: int | str = 0,
    ) -> None:
        for name, value in (("mapping", mapping), ("filtering", filtering)):
            if value not in get_args(Scope):
                raise ValueError(f"{name} must be 'any', 'host' or 'port', not {value!r}")
        if ports not in get_args(Ports):
            raise ValueError(f"ports must be 'preserve' or 'random', not {ports!r}")
        for name, seconds in (("lifetime", lifetime), ("stream_lifetime", stream_lifetime)):
            if not 0.0 < seconds <= math.inf:
                raise ValueError(f"{name} must be above 0 seconds, not {seconds!r}")
        self.outside = outside
        self.mapping: Scope = mapping
        self.filtering: Scope = filtering
        self.ports: Ports = ports
        self.hairpin = hairpin
        self.lifetime = lifetime
        self.stream_lifetime = stream_lifetime
        #: Datagrams from outside that nobody had asked for.
        self.filtered = 0
        self._random = random.Random(f"{seed} nat {outside}")
        self._by_key: dict[tuple[Address, object], _Mapping] = {}
        self._by_port: dict[int, _Mapping] = {}
        self._former: dict[int, Address] = {}
        self._count = 0

    @classmethod
    def full_cone(cls, outside: str, **options: Any) -> Self:
        """Return one whose mappings anybody may use."""
        return cls(outside, **({"filtering": "any"} | options))

    @classmethod
    def address_restricted(cls, outside: str, **options: Any) -> Self:
        """Return one that lets in the hosts that were spoken to."""
        return cls(outside, **({"filtering": "host"} | options))

    @classmethod
    def port_restricted(cls, outside: str, **options: Any) -> Self:
        """Return one that lets in only the addresses and ports that were spoken to."""
        return cls(outside, **({"filtering": "port"} | options))

    @classmethod
    def symmetric(cls, outside: str, **options: Any) -> Self:
        """Return one that gives each destination another port, and lets in nobody else there."""
        return cls(outside, **({"mapping": "port", "ports": "random"} | options))

    def __repr__(self) -> str:
        return (
            f"Nat({self.outside!r}, mapping={self.mapping!r}, filtering={self.filtering!r}, "
            f"ports={self.ports!r}, hairpin={self.hairpin})"
        )

    def outward(self, inner: Address, remote: Address, now: float) -> Address | None:
        """Send from *inner* to *remote*; return the public address that is seen there.

        None if there is no room for it.  *now*: seconds.
        """
        key = (inner[:2], _part(remote, self.mapping))
        found = self._living(self._by_key.get(key), now)
        if found is None:
            found = self._new(key, inner, now)
            if found is None:
                return None
        session = found.sessions.get(remote)
        if session is None:
            if self._count >= SESSIONS_MAX:
                self._sweep(now)
                if self._count >= SESSIONS_MAX:
                    return None
                self._by_key[key] = self._by_port[found.port] = found
            session = found.sessions[remote] = _Session(now)
            self._count += 1
        session.heard = now
        return self._public(found.port)

    def inward(self, outer: Address, remote: Address, now: float) -> Address | None:
        """Take what *remote* sends to *outer*; return for whom it is, None if it stays out."""
        found = self._living(self._by_port.get(outer[1]), now)
        if found is not None:
            asked = [
                session
                for address, session in found.sessions.items()
                if _part(address, self.filtering) == _part(remote, self.filtering)
            ]
            if asked:
                session = found.sessions.get(remote)
                if session is not None:
                    session.heard = now
                    session.answered = True
                return found.inner
        self.filtered += 1
        return None

    def forget(self, inner: Address | str | None = None) -> None:
        """Forget the mappings of *inner*, an address or a host; of all without it.

        What comes for them is lost, and what *inner* sends next gets another port: those that were
        forgotten like this are not given again.
        """
        for found in list(self._by_port.values()):
            whose = found.inner[0] if isinstance(inner, str) else found.inner
            if inner is None or whose == inner:
                self._former[found.port] = found.inner
                self._drop(found)

    def mappings(self, now: float) -> Iterator[tuple[Address, Address, list[Address]]]:
        """Yield what is remembered: the inner address, the public one, and who was spoken to."""
        for found in list(self._by_port.values()):
            if self._living(found, now) is not None:
                yield found.inner, self._public(found.port), list(found.sessions)

    def inner_of(self, outer: Address) -> Address | None:
        """Return whose the public address *outer* is or was, None for nobody's."""
        found = self._by_port.get(outer[1])
        return self._former.get(outer[1]) if found is None else found.inner

    def outer_of(self, inner: Address, remote: Address) -> Address | None:
        """Return as what *remote* sees *inner*, None if *inner* has not spoken to it."""
        found = self._by_key.get((inner[:2], _part(remote, self.mapping)))
        return None if found is None else self._public(found.port)

    # -- inside ----------------------------------------------------------------------------------

    def _public(self, port: int) -> Address:
        return (self.outside, port, 0, 0) if ":" in self.outside else (self.outside, port)

    def _lives(self, session: _Session, now: float) -> bool:
        stream = session.answered and session.heard - session.began > STREAM_AFTER
        return now - session.heard <= (self.stream_lifetime if stream else self.lifetime)

    def _living(self, found: _Mapping | None, now: float) -> _Mapping | None:
        """Return *found* if it is still remembered, less the destinations that are not."""
        if found is None:
            return None
        gone = [key for key, session in found.sessions.items() if not self._lives(session, now)]
        for key in gone:
            del found.sessions[key]
        self._count -= len(gone)
        if found.sessions:
            return found
        self._drop(found)
        return None

    def _sweep(self, now: float) -> None:
        for found in list(self._by_port.values()):
            self._living(found, now)

    def _drop(self, found: _Mapping) -> None:
        self._count -= len(found.sessions)
        found.sessions.clear()
        self._by_port.pop(found.port, None)
        self._by_key.pop(found.key, None)

    def _new(self, key: tuple[Address, object], inner: Address, now: float) -> _Mapping | None:
        if len(self._by_port) >= len(_PORTS):
            self._sweep(now)
        port = self._free_port(inner[1], now)
        if port is None:
            return None
        found = _Mapping(key, inner, port)
        self._by_key[key] = self._by_port[port] = found
        return found

    def _free_port(self, wanted: int, now: float) -> int | None:
        if self.ports == "random":
            wanted = self._random.choice(_PORTS)
        for step in range(len(_PORTS)):
            port = wanted if not step else _PORTS[(wanted - _PORTS.start + step) % len(_PORTS)]
            if port not in self._former and self._living(self._by_port.get(port), now) is None:
                return port
        return None


def _part(address: Address, scope: Scope) -> object:
    """Return what of *address* counts."""
    if scope == "any":
        return None
    return address[0] if scope == "host" else address[:2]
