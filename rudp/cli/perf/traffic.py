"""The octets of a test: pouring them out, taking them in, sending messages there and back.

Everything goes through asyncio's streams, as in the programs people write.  Time is that of
:func:`time.perf_counter`: a loop's own may move by milliseconds.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from typing import Final

from rudp.cli.perf.request import Request
from rudp.cli.running import together

READ: Final = 256 * 1024
"""Octets asked for at once."""

LONG: Final = 3600.0
"""Seconds: a wait without an end would not suit every loop."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Traffic:
    """What one end does on the connections of a test.

    ``received`` counts the octets read from each of them.
    """

    def __init__(self, request: Request, connections: Sequence[Streams]) -> None:
        self.connections = connections
        self.received = [0] * len(connections)
        self._request = request
        if request.window is not None:
            for _, writer in connections:
                sock = writer.get_extra_info("socket")
                for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                    sock.setsockopt(socket.SOL_SOCKET, option, request.window)

    async def pour(self) -> None:
        """Send as fast as possible on all connections until it is enough."""
        await together(*[self._pour(writer) for _, writer in self.connections])

    async def take(self) -> None:
        """Read on all connections until the last octet."""
        await together(*[self._take(n) for n in range(len(self.connections))])

    async def ping(self, on_exchange: Callable[[float], None]) -> None:
        """Send messages and wait for each to come back; tell how long it took in seconds."""
        pings = [self._exchange(n, on_exchange) for n in range(len(self.connections))]
        await together(*pings)

    async def pong(self) -> None:
        """Send back what comes, until cancelled."""
        await together(*[self._answer(n) for n in range(len(self.connections))])

    def _until(self) -> Callable[[int], bool]:
        """Return what says, after so many octets, whether there is more to send."""
        octets = self._request.octets
        if octets is not None:
            return lambda sent: sent < octets
        assert self._request.seconds is not None
        end = time.perf_counter() + self._request.seconds
        return lambda _: time.perf_counter() < end

    def _left(self, began: float) -> float:
        """Return the seconds that a test has left which began then."""
        seconds = self._request.seconds
        return LONG if seconds is None else began + seconds - time.perf_counter()

    async def _pour(self, writer: asyncio.StreamWriter) -> None:
        length = self._request.length
        block = bytes(length)
        goes_on = self._until()
        sent = 0
        rate = self._request.rate
        began = time.perf_counter()
        # The last block is sent in any case, with a one at its end.
        while goes_on(sent + length):
            writer.write(block)
            await writer.drain()
            sent += length
            if rate is not None:
                due = began + sent * 8 / rate
                await asyncio.sleep(min(due - time.perf_counter(), self._left(began)))
        rest = length if self._request.octets is None else self._request.octets - sent
        writer.write(bytes(rest - 1) + b"\1")
        await writer.drain()

    async def _take(self, n: int) -> None:
        reader, _ = self.connections[n]
        data = b"\0"
        while not data[-1]:
            data = await reader.read(READ)
            if not data:
                raise ConnectionError("a connection ended before its last octet")
            self.received[n] += len(data)

    async def _exchange(self, n: int, on_exchange: Callable[[float], None]) -> None:
        reader, writer = self.connections[n]
        length = self._request.length
        message = bytes(length)
        goes_on = self._until()
        while goes_on(self.received[n]):
            began = time.perf_counter()
            writer.write(message)
            await writer.drain()
            await reader.readexactly(length)
            on_exchange(time.perf_counter() - began)
            self.received[n] += length

    async def _answer(self, n: int) -> None:
        reader, writer = self.connections[n]
        while data := await reader.read(READ):
            self.received[n] += len(data)
            writer.write(data)
            await writer.drain()
        raise ConnectionError("a connection ended before the test")
