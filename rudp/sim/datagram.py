"""UDP without sockets: a table of who is bound where, and transports that look like asyncio's.

Every IP literal is a host that exists.  A datagram goes over the link of its two hosts and, when
it arrives, to the endpoint that is bound there *then*: first to one connected to the sender, next
to one bound to this very address, last to a wildcard.  If there is none, a sender that is connected
hears ``ConnectionRefusedError`` after the way back, as Linux reports ICMP "port unreachable".

IPv4 and IPv6 are two separate worlds here: an endpoint on ``::`` takes no IPv4.  An endpoint
without a local address speaks from 127.0.0.1 or ::1 to these, and from 10.0.0.1 or fd00::1 to all
others; one on a wildcard answers from the address it was last spoken to at.

A datagram transport hands on nothing of the IP header, so ECN ends here (as on any asyncio loop):
:class:`rudp.sim.Network` carries it.
"""

import asyncio
import errno
import os
import socket
import warnings
import zlib
from collections.abc import Callable, Sequence
from typing import Any, Final, Unpack

from rudp.core.segment.transmit import Address
from rudp.sim.aqm import NOT_ECT
from rudp.sim.clock import Clock
from rudp.sim.link import Copy, LinkOptions
from rudp.sim.paths import Paths
from rudp.sim.resolver import Resolver, socket_address

WILDCARD: Final[dict[int, str]] = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}
LOOPBACK: Final[dict[int, str]] = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
OUTSIDE: Final[dict[int, str]] = {socket.AF_INET: "10.0.0.1", socket.AF_INET6: "fd00::1"}

PAYLOAD_MAX: Final[dict[int, int]] = {socket.AF_INET: 65_507, socket.AF_INET6: 65_527}
"""Octets.  The most a UDP datagram carries without IPv6 jumbograms (RFC 768, RFC 8200 §4.5)."""

EPHEMERAL_PORTS: Final = range(49_152, 65_536)
"""The ports that port 0 picks from (RFC 6335 §6)."""

ICMP_QUOTE: Final = 548
"""Octets of payload an ICMP error quotes at most, to stay within 576 (RFC 1812 §4.3.2.3)."""

PEERS_MAX: Final = 4096
"""How many peers a wildcard endpoint remembers its own address for."""


class DatagramNetwork(Paths):
    """The simulated network of one loop: its links, taps and bound endpoints."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        resolver: Resolver,
        *,
        seed: int | str = 0,
        **options: Unpack[LinkOptions],
    ) -> None:
        super().__init__(clock, seed=seed, **options)
        self.loop = loop
        self.resolver = resolver
        self._bound: dict[tuple[str, int], list[DatagramTransport]] = {}
        self._last_port = EPHEMERAL_PORTS[-1]

    def open(
        self,
        protocol_factory: Callable[[], asyncio.DatagramProtocol],
        family: int,
        local: Address | None,
        remote: Address | None,
        *,
        reuse_port: bool = False,
    ) -> "DatagramTransport":
        """Bind an endpoint to *local* (port 0 or None: any) and connect it to *remote* if given.

        The protocol is made once the address is known to be free.  Raises :class:`OSError`
        (``EADDRINUSE``) when it is not.
        """
        host, port = (local or (WILDCARD[family], 0))[:2]
        if remote is not None:
            remote = self.reachable(remote, family)
            if host == WILDCARD[family]:
                host = _own_host(remote[0], family)
        if port == 0:
            port = self._free_port(host)
        taken = self._bound.get((host, port), [])
        if taken and not (reuse_port and all(other.reuse_port for other in taken)):
            raise OSError(errno.EADDRINUSE, f"{os.strerror(errno.EADDRINUSE)}: {(host, port)!r}")
        name = socket_address(family, host, port)
        transport = DatagramTransport(self, protocol_factory(), family, name, remote, reuse_port)
        self._bound[host, port] = [*taken, transport]
        return transport

    def release(self, transport: "DatagramTransport") -> None:
        """Forget a bound endpoint; what arrives for it from now on is refused."""
        key = transport.sockname[:2]
        taken = self._bound[key]
        taken.remove(transport)
        if not taken:
            del self._bound[key]

    def clear(self) -> None:
        """Forget all endpoints, as the end of a process does."""
        self._bound.clear()

    def reachable(self, address: Address, family: int) -> Address:
        """Return *address* in its full form, names looked up.  Raises :class:`OSError`."""
        infos = self.resolver.getaddrinfo(
            address[0], address[1], family=family, type=socket.SOCK_DGRAM
        )
        host, port = infos[0][4][:2]
        if not 0 < port < 65_536:
            raise OSError(errno.EINVAL, f"{os.strerror(errno.EINVAL)}: port {port}")
        # To the unspecified address means to oneself, as on Linux.
        host = LOOPBACK[family] if host == WILDCARD[family] else host
        return socket_address(family, host, port)

    def arrive(self, data: bytes, source: Address, destination: Address, ecn: int = 0) -> None:
        endpoint = self._endpoint(destination, source)
        if endpoint is not None:
            self.report("delivered", data, source, destination)
            self.loop.call_soon(endpoint.receive, data, source, destination)
            return
        self.report("refused", data, source, destination)
        # The error takes the way back, with all that can happen there.
        back = self.link(*self.joined(destination[0], source[0]))

        def tell(copies: list[Copy]) -> None:
            for when, *_ in copies:
                self.clock.call_at(when, self._refuse, source, destination)

        quote = data[:ICMP_QUOTE]
        if back.holds:
            self.hold(back, quote, NOT_ECT, tell)
        else:
            tell(back.convey(quote, NOT_ECT, self.clock.now))

    def _refuse(self, source: Address, destination: Address) -> None:
        destination = self.seen_as(destination, source)
        endpoint = self._endpoint(self.whose(source), destination)
        if endpoint is not None and endpoint.peername == destination:
            self.loop.call_soon(endpoint.refuse)

    def _endpoint(self, local: Address, remote: Address) -> "DatagramTransport | None":
        """Return who at *local* takes a datagram from *remote*."""
        host, port = local[:2]
        exact: Sequence[DatagramTransport] = self._bound.get((host, port), ())
        for endpoint in exact:
            if endpoint.peername == remote:
                return endpoint
        wildcard = WILDCARD[socket.AF_INET if len(local) == 2 else socket.AF_INET6]
        for bound in (exact, self._bound.get((wildcard, port), ())):
            open_to_all = [endpoint for endpoint in bound if endpoint.peername is None]
            if open_to_all:
                # Those that share a port by reuse_port share the senders, each always the same.
                return open_to_all[zlib.crc32(repr(remote).encode()) % len(open_to_all)]
        return None

    def _free_port(self, host: str) -> int:
        for _ in EPHEMERAL_PORTS:
            self._last_port += 1
            if self._last_port not in EPHEMERAL_PORTS:
                self._last_port = EPHEMERAL_PORTS[0]
            if (host, self._last_port) not in self._bound:
                return self._last_port
        raise OSError(errno.EADDRINUSE, f"no free port left on {host}")


class DatagramTransport(asyncio.DatagramTransport):
    """One bound endpoint; made by :meth:`VirtualLoop.create_datagram_endpoint`.

    It never fills up: a datagram is on its link when :meth:`sendto` returns, so ``pause_writing``
    is never called and only the link drops.
    """

    def __init__(
        self,
        network: DatagramNetwork,
        protocol: asyncio.DatagramProtocol,
        family: int,
        sockname: Address,
        peername: Address | None,
        reuse_port: bool,
    ) -> None:
        super().__init__({"sockname": sockname, "peername": peername})
        self.sockname = sockname
        self.peername = peername
        self.reuse_port = reuse_port
        self._network = network
        self._loop = network.loop
        self._protocol: asyncio.DatagramProtocol | None = protocol
        self._family = family
        self._closing = False
        # For a wildcard: the address of ours that a peer last spoke to.
        self._spoken_to: dict[Address, Address] = {}
        self._loop.call_soon(protocol.connection_made, self)

    def __repr__(self) -> str:
        state = " closing" if self._closing else ""
        peer = f" -> {self.peername}" if self.peername else ""
        return f"<DatagramTransport{state} {self.sockname}{peer}>"

    def __del__(self, _warn: Any = warnings.warn) -> None:
        if not self._closing:
            _warn(f"unclosed transport {self!r}", ResourceWarning, source=self)

    def sendto(self, data: Any, addr: Any = None) -> None:
        """Send *data* to *addr*, or to the connected peer; what the system would refuse to send
        goes to ``error_received``, as with asyncio's own transports."""
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"data must be a bytes-like object, not {type(data).__name__!r}")
        if self.peername is not None and addr not in (None, self.peername):
            raise ValueError(f"Invalid address: must be None or {self.peername}")
        if self.peername is None and addr is None:
            raise TypeError("an endpoint that is not connected needs an address to send to")
        if self._protocol is None or self._closing:
            return
        try:
            destination = self.peername or self._network.reachable(addr, self._family)
            octets = bytes(data)
            if len(octets) > PAYLOAD_MAX[self._family]:
                raise OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE))
        except OSError as error:
            self._protocol.error_received(error)
            return
        self._network.send(octets, self._source(destination), destination)

    def receive(self, data: bytes, source: Address, destination: Address) -> None:
        """Take a datagram from the network."""
        if self._closing or self._protocol is None:
            return
        if destination != self.sockname:
            self._spoken_to.pop(source, None)
            if len(self._spoken_to) == PEERS_MAX:
                del self._spoken_to[next(iter(self._spoken_to))]
            self._spoken_to[source] = destination
        self._protocol.datagram_received(data, source)

    def refuse(self) -> None:
        """Take the news that nobody is bound at the peer's address."""
        if self._protocol is not None and not self._closing:
            reason = os.strerror(errno.ECONNREFUSED)
            self._protocol.error_received(ConnectionRefusedError(errno.ECONNREFUSED, reason))

    def close(self) -> None:
        """Close at once; ``connection_lost`` follows in the next turn of the loop."""
        if not self._closing:
            self._closing = True
            if not self._loop.is_closed():
                self._network.release(self)
                self._loop.call_soon(self._lost)

    def abort(self) -> None:
        """Close: there is nothing buffered that could be lost."""
        self.close()

    def is_closing(self) -> bool:
        return self._closing

    def get_protocol(self) -> asyncio.BaseProtocol:
        assert self._protocol is not None
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol  # type: ignore[assignment]

    def get_write_buffer_size(self) -> int:
        return 0

    def _lost(self) -> None:
        protocol, self._protocol = self._protocol, None
        if protocol is not None:
            protocol.connection_lost(None)

    def _source(self, destination: Address) -> Address:
        if self.sockname[0] != WILDCARD[self._family]:
            return self.sockname
        known = self._spoken_to.get(destination)
        if known is not None:
            return known
        host = _own_host(destination[0], self._family)
        return socket_address(self._family, host, self.sockname[1])


def _own_host(destination: str, family: int) -> str:
    """Return the address an endpoint without one of its own speaks to *destination* from."""
    if destination == "::1" or destination.startswith("127."):
        return LOOPBACK[family]
    return OUTSIDE[family]
