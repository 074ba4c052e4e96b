"""What is compared: a network (asyncio's TCP, rudp, rudp on portable sockets) on an event loop."""

import asyncio
import dataclasses
import importlib.util
from typing import Any, Final

import rudp

NETWORKS: Final = ("tcp", "rudp", "rudp-portable")
BASELINE: Final = "tcp"
HOST: Final = "127.0.0.1"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclasses.dataclass(frozen=True)
class Variant:
    """One network on one loop; *mss* as in :class:`rudp.Config`."""

    network: str
    loop: str
    mss: int | None = None

    def __str__(self) -> str:
        return f"{self.network}/{self.loop}"

    def new_loop(self) -> asyncio.AbstractEventLoop:
        if self.loop == "uvloop":
            import uvloop

            return uvloop.new_event_loop()
        return asyncio.new_event_loop()

    def config(self) -> rudp.Config:
        """The defaults but for the MSS, on the sockets that the variant is about."""
        portable = self.network == "rudp-portable"
        return rudp.Config(mss=self.mss, datagram_io="portable" if portable else "auto")

    async def open(self, port: int) -> Streams:
        if self.network == "tcp":
            return await asyncio.open_connection(HOST, port)
        return await rudp.open_connection(HOST, port, config=self.config())

    async def serve(self, handler: Any) -> tuple[Any, int]:
        """Listen at a free port; return the server and the port."""
        server: Any
        if self.network == "tcp":
            server = await asyncio.start_server(handler, HOST, 0)
        else:
            server = await rudp.start_server(handler, HOST, 0, config=self.config())
        return server, server.sockets[0].getsockname()[1]


def loops() -> list[str]:
    """Return the loops that are installed."""
    return ["asyncio", "uvloop"] if importlib.util.find_spec("uvloop") else ["asyncio"]
