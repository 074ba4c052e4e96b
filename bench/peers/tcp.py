"""asyncio's streams over the kernel's TCP: what everything else is compared with."""

import asyncio

from bench.peers import base


class Peer(base.Peer):
    """TCP as asyncio sets it up, with Nagle's algorithm off."""

    async def listen(self, handler: base.Handler, host: str) -> int:
        self._server = await asyncio.start_server(handler, host, 0, backlog=1024, **self.serving())
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def open(self, host: str, port: int) -> base.Connection:
        return base.over(await asyncio.open_connection(host, port, **self.opening()))
