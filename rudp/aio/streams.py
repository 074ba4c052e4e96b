"""open_connection and start_server, over asyncio's own StreamReader and StreamWriter."""

import asyncio
from collections.abc import Awaitable, Callable
from ssl import SSLContext
from typing import Any, Final

from rudp.aio.connect import create_connection
from rudp.aio.server import Server, create_server
from rudp.aio.tls import start_tls

LIMIT: Final = 64 * 1024
"""Octets: asyncio's default for a StreamReader's buffer."""


class StreamWriter(asyncio.StreamWriter):
    """asyncio's, with a ``start_tls`` that does not ask the loop: uvloop's would refuse."""

    async def start_tls(
        self,
        sslcontext: SSLContext,
        *,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> None:
        """Go on with TLS; see :func:`rudp.start_tls` for the exceptions."""
        protocol = self._protocol  # type: ignore[attr-defined]
        await self.drain()
        transport = await start_tls(
            self.transport,  # type: ignore[arg-type]
            protocol,
            sslcontext,
            server_side=protocol._client_connected_cb is not None,
            server_hostname=server_hostname,
            ssl_handshake_timeout=ssl_handshake_timeout,
            ssl_shutdown_timeout=ssl_shutdown_timeout,
        )
        self._transport = protocol._transport = transport
        protocol._over_ssl = True


ClientConnected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None] | None]


async def open_connection(
    host: str | None = None, port: int | None = None, *, limit: int = LIMIT, **options: Any
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection; return ``(reader, writer)``, asyncio's own.

    *limit*: octets that the reader buffers.  *options*: those of
    :func:`rudp.create_connection`, ``config=`` among them, and its exceptions.
    """
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=limit, loop=loop)
    protocol = _protocol(reader, None, loop)
    transport, _ = await create_connection(lambda: protocol, host, port, **options)
    return reader, StreamWriter(transport, protocol, reader, loop)


async def start_server(
    client_connected_cb: ClientConnected,
    host: Any = None,
    port: int | None = None,
    *,
    limit: int = LIMIT,
    **options: Any,
) -> Server:
    """Listen, and call *client_connected_cb(reader, writer)* for each connection.

    If it is a coroutine function, each call becomes a task.  *options*: those of
    :func:`rudp.create_server`, ``config=`` among them, and its exceptions.
    """
    loop = asyncio.get_running_loop()

    def connected(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Awaitable[None] | None:
        # StreamReaderProtocol makes the writer and has no place to say of which class.
        writer.__class__ = StreamWriter
        return client_connected_cb(reader, writer)

    def factory() -> asyncio.StreamReaderProtocol:
        reader = asyncio.StreamReader(limit=limit, loop=loop)
        return _protocol(reader, connected, loop)

    return await create_server(factory, host, port, **options)


def _protocol(
    reader: asyncio.StreamReader,
    connected: ClientConnected | None,
    loop: asyncio.AbstractEventLoop,
) -> asyncio.StreamReaderProtocol:
    """Return the protocol that feeds *reader*."""
    protocol = asyncio.StreamReaderProtocol(reader, connected, loop=loop)
    # Whoever awaits drain() is entered here.  Empty, asyncio's deque takes 760 octets for each
    # connection and a list 56.
    protocol._drain_waiters = []  # type: ignore[attr-defined]
    return protocol
