"""What a peer can do: listen, and open a connection with one stream on it."""

import abc
import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Connection(NamedTuple):
    """A stream of a connection of its own; ``await close()`` ends both."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    close: Callable[[], Awaitable[None]]


class Peer(abc.ABC):
    """One implementation, at its defaults; *tls*: with TLS 1.3, which QUIC always has."""

    tls = False

    def serving(self) -> dict[str, Any]:
        """Return the arguments that make a server one of TLS, if it should be."""
        if not self.tls:
            return {}
        import trustme

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
        return {"ssl": context}

    def opening(self) -> dict[str, Any]:
        """Return those of its client, which takes any certificate."""
        if not self.tls:
            return {}
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return {"ssl": context}

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
