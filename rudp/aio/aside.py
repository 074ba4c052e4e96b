"""Leaving a port to others that share it, and going on with the peers that are there.

Processes that share a UDP port, with SO_REUSEPORT, each get the datagrams of some peers, and who
gets whose changes with every process that comes or goes.  Linux looks first for a socket that is
connected to who has sent a datagram.  So one that wants to end makes such a socket for each peer it
has, at the same port, and closes the one that heard everybody: what its peers send goes on coming
here, and all else goes to the others.
"""

from collections.abc import Awaitable, Callable, Mapping, Set
from typing import TYPE_CHECKING, Any, Self

from rudp.core.segment.transmit import Address, Path, Transmit
from rudp.udp.port import Port, Receiver

if TYPE_CHECKING:
    from rudp._lane import Engine


class Told:
    """Takes what a port of one peer receives, and adds to which of our hosts that was sent.

    The socket that heard all hosts was told by the system, and connections are known by it.
    """

    def __init__(self, receiver: Receiver, local: str) -> None:
        self._receiver = receiver
        self._local = local
        self.batch_received = receiver.batch_received
        self.send_failed = receiver.send_failed
        self.ready_to_send = receiver.ready_to_send

    def __getattr__(self, name: str) -> Any:
        """Return what else an engine asks of an endpoint."""
        return getattr(self._receiver, name)

    def datagrams_received(
        self, data: bytes | memoryview, stride: int, address: Address, local: str, ecn: int = 0
    ) -> bool:
        """Hand on one read from the socket."""
        return self._receiver.datagrams_received(data, stride, address, local or self._local, ecn)

    def icmp_received(
        self, code: int, quote: bytes, address: Address | None, local: str, mtu: int
    ) -> None:
        """Hand on an ICMP error."""
        self._receiver.icmp_received(code, quote, address, local or self._local, mtu)


class PeerPorts:
    """The ports of some peers, by path, as one; others are not spoken to."""

    @classmethod
    async def open(
        cls,
        sockname: Address,
        paths: Callable[[], Set[Path]],
        make: Callable[[Path], Awaitable[Port]],
    ) -> Self:
        """*make* a port for each of *paths*, those too that are there only at the end.

        Raises what *make* raises, and leaves none open then.
        """
        ports: dict[Path, Port] = {}
        try:
            while missing := paths() - ports.keys():
                for path in missing:
                    ports[path] = await make(path)
        except BaseException:
            cls(sockname, ports).close()
            raise
        return cls(sockname, ports)

    def __init__(self, sockname: Address, ports: Mapping[Path, Port]) -> None:
        self.sockname = sockname
        self.ecn_capable = all(port.ecn_capable for port in ports.values())
        self._ports = ports
        self._full: set[Port] = set()

    @property
    def engine(self) -> "Engine | None":
        """Nobody: an engine has one socket."""
        return None

    @property
    def socket(self) -> Any:
        """One of the sockets, None if there is no peer."""
        return next((port.socket for port in self._ports.values()), None)

    def send(self, transmit: Transmit) -> bool:
        """Send *transmit*; return False if nothing more is taken until ``ready_to_send``."""
        port = self._ports.get(transmit.path)
        if port is None:
            return True
        if port in self._full:
            if not port.flush():
                return False  # another has room again, this one has not: it is lost on the way
            self._full.discard(port)
        if not port.send(transmit):
            self._full.add(port)
            return False
        return True

    def flush(self) -> bool:
        """Send what was held back."""
        taken = [port.flush() for port in self._ports.values()]  # by all of them
        return all(taken)

    def has_arrivals(self) -> bool:
        """Whether a datagram has arrived that waits to be read."""
        return any(port.has_arrivals() for port in self._ports.values())

    def close(self) -> None:
        """Close all sockets."""
        for port in self._ports.values():
            port.close()

    def abandon(self) -> None:
        """Leave all sockets to the parent."""
        for port in self._ports.values():
            port.abandon()
