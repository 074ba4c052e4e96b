"""A bad path between two sockets of this machine.

It is a third UDP socket.  The client takes it for the server and the server takes it for the
client; what comes from one goes to the other, when and if a :class:`rudp.sim.Link` says so.  The
links are those of the simulator, here on the time of a real loop.
"""

import asyncio
import socket
from typing import Any, Final

from rudp.sim import Clock, Link

RECEIVE_BUFFER: Final = 4 << 20
"""Octets asked of the system, so that bursts are dropped by the links alone."""

Address = tuple[Any, ...]


class BadPath(asyncio.DatagramProtocol):
    """Carries datagrams between *server* and whoever else sends: over *there*, and *back*.

    ``address`` is where the client sends to.
    """

    def __init__(self, server: Address, there: Link, back: Link) -> None:
        self.address: Address = ()
        self._server = server
        self._there = there
        self._back = back
        self._client: Address | None = None
        self._loop = asyncio.get_running_loop()
        # The clock keeps datagrams of one instant in order, which the loop's timers do not.
        self._clock = Clock()
        self._alarm: asyncio.TimerHandle | None = None
        self._transport: asyncio.DatagramTransport | None = None

    async def open(self) -> None:
        """Bind the socket.  Raises :class:`OSError`."""
        await self._loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))

    def close(self) -> None:
        """Close the socket; what is on its way is lost."""
        if self._alarm is not None:
            self._alarm.cancel()
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: Any) -> None:
        """The socket is bound."""
        self._transport = transport
        self.address = transport.get_extra_info("sockname")
        sock = transport.get_extra_info("socket")
        if sock is not None:  # loops of virtual time have none
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Send *data* on to the other side, as its link says."""
        if addr == self._server:
            link, target = self._back, self._client
        else:
            link, target = self._there, self._server
            self._client = addr
        if target is not None:
            for when, copy in link.carry(data, self._loop.time()):
                self._clock.call_at(when, self._deliver, copy, target)
            self._proceed()

    def _proceed(self) -> None:
        """Deliver what is due, and come back for the rest."""
        self._clock.run_until(self._loop.time())
        due = self._clock.next
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if due is not None:
            self._alarm = self._loop.call_at(due, self._proceed)

    def _deliver(self, data: bytes, target: Address) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, target)
