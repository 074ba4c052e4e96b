"""A path with losses between a client and a UDP address, by real sockets on loopback."""

import asyncio
import contextlib
import functools
import random
from collections.abc import AsyncIterator, Callable
from typing import Any


class _Side(asyncio.DatagramProtocol):
    def __init__(self, received: Callable[[bytes, Any], None]) -> None:
        self.received = received

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.received(data, addr)


class Relay:
    """Forwards between the last client heard and *target*; *loss* of each way's datagrams go.

    ``address`` is where the client sends to; ``dropped`` counts, towards target and back.
    """

    def __init__(
        self, target: tuple[str, int], loss: float, seed: int, at: tuple[str, int]
    ) -> None:
        self.target = target
        self.loss = loss
        self.chance = random.Random(seed)
        self.client: Any = None
        self.address = at
        self.dropped = [0, 0]

    async def open(self, stack: contextlib.ExitStack) -> None:
        loop = asyncio.get_running_loop()
        self.front, self.back = [
            (await loop.create_datagram_endpoint(functools.partial(_Side, to), local))[0]
            for to, local in ((self._outward, self.address), (self._homeward, ("127.0.0.1", 0)))
        ]
        stack.callback(self.front.close)
        stack.callback(self.back.close)
        self.address = self.front.get_extra_info("sockname")

    def _outward(self, data: bytes, addr: Any) -> None:
        self.client = addr
        if self.chance.random() < self.loss:
            self.dropped[0] += 1
        else:
            self.back.sendto(data, self.target)

    def _homeward(self, data: bytes, addr: Any) -> None:
        if self.chance.random() < self.loss:
            self.dropped[1] += 1
        else:
            self.front.sendto(data, self.client)


@contextlib.asynccontextmanager
async def relay(
    target: tuple[str, int], *, loss: float, seed: int, at: tuple[str, int] = ("127.0.0.1", 0)
) -> AsyncIterator[Relay]:
    """Open a relay to *target* for the time of the block, at the address *at*."""
    made = Relay(target, loss, seed, at)
    with contextlib.ExitStack() as stack:
        await made.open(stack)
        yield made
