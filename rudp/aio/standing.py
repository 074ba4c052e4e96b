"""Sockets that stand for something: for a connection that is open, or for an address.

A program that makes its sockets itself hands them to the loop, call by call, and never looks
inside.  So a TCP socket can stand for a connection over rudp until that is taken, and a listening
one for the address at which connections arrive; the system knows of neither.  Nobody hears of it
when a socket is closed: what it stands for ends with the object, or when somebody looks.
"""

import asyncio
import socket
import weakref
from collections.abc import Callable
from typing import Any, Final

from rudp.aio.server import Held, Server
from rudp.aio.transport import Transport

_ARRIVED_MAX: Final = 128
"""Connections that wait for being accepted; more are reset."""

_SOON: Final = 0.05
"""Seconds in which who has stopped accepting will have closed the socket."""


class Standing:
    """What *sock* stands for on *loop*: *transport*, which is given up if the socket is."""

    def __init__(
        self, sock: socket.socket, transport: Transport, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._transport = transport
        self._forgotten = _at_the_end(sock, loop, transport.abort)

    def take(self, sock: socket.socket) -> Transport:
        """Return the connection, which lives without *sock* from now on."""
        self._forgotten.detach()
        sock.close()  # who hands it over does not close it, and nobody has a use for it
        return self._transport


class Arrivals:
    """The connections at the address of *sock*, a TCP socket, which are accepted one by one.

    ``server``: to be set to what makes its protocols with :meth:`hold`.
    """

    server: Server | None = None

    def __init__(self, sock: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        self._sock = weakref.ref(sock)
        self._loop = loop
        self._arrived: asyncio.Queue[Transport] = asyncio.Queue(_ARRIVED_MAX)
        _at_the_end(sock, loop, self._look)

    def hold(self) -> Held:
        """Return the protocol of one that arrives."""
        return Held(self._loop, self._arrive)

    def _arrive(self, transport: Transport) -> None:
        try:
            self._arrived.put_nowait(transport)
        except asyncio.QueueFull:
            transport.reset()
        self._look()

    async def accept(self) -> tuple[socket.socket, Transport]:
        """Wait for the next; return it with a socket that can stand for it."""
        try:
            transport = await self._arrived.get()
        except asyncio.CancelledError:
            self._loop.call_later(_SOON, self._look)
            raise
        family = (
            socket.AF_INET6 if ":" in transport.get_extra_info("peername")[0] else socket.AF_INET
        )
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        return sock, transport

    def _look(self) -> None:
        """End if the socket is closed."""
        sock = self._sock()
        if self.server is not None and (sock is None or sock.fileno() < 0):
            self.server.close()
            while not self._arrived.empty():
                self._arrived.get_nowait().reset()


def _at_the_end(
    sock: socket.socket, loop: asyncio.AbstractEventLoop, call: Callable[[], Any]
) -> "weakref.finalize[[], socket.socket]":
    """Call *call* on *loop* when *sock* is forgotten, in whatever thread that happens."""

    def tell() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(call)

    finalizer = weakref.finalize(sock, tell)
    finalizer.atexit = False
    return finalizer
