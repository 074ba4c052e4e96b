"""What a peer can do: listen, and open a connection with one stream on it."""

import abc
import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Connection(NamedTuple):
    """A stream of a connection of its own; ``await close()`` ends both."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    close: Callable[[], Awaitable[None]]


class Peer(abc.ABC):
    """One implementation, at its defaults."""

    @abc.abstractmethod
    async def listen(self, handler: Handler, host: str) -> int:
        """Serve *handler* at *host* until the loop ends; return the port."""

    @abc.abstractmethod
    async def open(self, host: str, port: int) -> Connection:
        """Connect."""


def over(streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> Connection:
    """Return the connection that ends with its stream, as those of asyncio do."""
    reader, writer = streams

    async def close() -> None:
        writer.close()
        await writer.wait_closed()

    return Connection(reader, writer, close)
