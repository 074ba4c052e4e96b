"""What carries datagrams between two peers that find no way to each other.

It knows nothing of what is in them: each side sends to a port that is the other's for it, and the
segments stay those of the two ends.  So a key that both have protects them here too.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from rudp.core.segment.transmit import Address
from rudp.nat.rates import Bucket

IDLE: Final = 90.0
"""Seconds without a datagram after which it ends."""

UNUSED: Final = 20.0
"""The same for one that has carried nothing: the two have found another way."""

BACKLOG: Final = 256 * 1024
"""Octets that may wait for the system before datagrams are dropped."""


class _Side(asyncio.DatagramProtocol):
    """The port to which one side sends."""

    other: "_Side"
    transport: Any  # asyncio.DatagramTransport, whose type stub lacks a method

    def __init__(self, relay: "Relay", host: str) -> None:
        self._relay = relay
        self._host = host
        self.peer: Address | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is bound."""
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Pass it on, if it is from the host whose port this is: his own may change."""
        if str(addr[0]).removeprefix("::ffff:") != self._host:
            return
        self.peer = addr
        self._relay.pass_on(data, self.other)

    def error_received(self, exc: Exception) -> None:
        """What it was about is lost, as anything may be."""


class Relay:
    """Two ports, and what comes at one leaves from the other.

    *rate*: octets a second, both ways together.  *ended*: called once, when it is over.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, rate: float, ended: Callable[["Relay"], object]
    ) -> None:
        self.carried = 0
        self.dropped = 0
        self._loop = loop
        self._used = loop.time()
        self._octets = Bucket(rate, rate, self._used)
        self._ended = ended
        self._sides: list[_Side] = []
        self._timer: asyncio.TimerHandle | None = None

    async def open(self, places: tuple[tuple[str, str], tuple[str, str]]) -> tuple[int, int]:
        """Bind both ports; return them.

        *places*: for each side the host to bind on, and the one that it will come from.  Raises
        :class:`OSError`.
        """
        try:
            for local, host in places:
                _, side = await self._loop.create_datagram_endpoint(
                    lambda host=host: _Side(self, host),  # type: ignore[misc]
                    local_addr=(local, 0),
                )
                self._sides.append(side)
        except BaseException:
            self.close()
            raise
        first, second = self._sides
        first.other, second.other = second, first
        self._look()
        return self._port(first), self._port(second)

    def pass_on(self, data: bytes, to: _Side) -> None:
        """Send *data* to the peer at *to*, within bounds."""
        now = self._used = self._loop.time()
        room = self._octets.level(now)
        waiting = to.transport.get_write_buffer_size()
        if to.peer is None or len(data) > room or waiting > BACKLOG:
            self.dropped += len(data)
            return
        self._octets.take(len(data))
        self.carried += len(data)
        to.transport.sendto(data, to.peer)

    def close(self) -> None:
        """Be over.  Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
        sides, self._sides = self._sides, []
        for side in sides:
            side.transport.close()
        if sides:
            self._ended(self)

    def _look(self) -> None:
        """End when nothing has come for long."""
        left = self._used + (IDLE if self.carried else UNUSED) - self._loop.time()
        if left <= 0:
            self.close()
        else:
            self._timer = self._loop.call_later(left, self._look)

    @staticmethod
    def _port(side: _Side) -> int:
        return int(side.transport.get_extra_info("sockname")[1])
