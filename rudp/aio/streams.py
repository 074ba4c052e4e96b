"""open_connection and start_server, over asyncio's own StreamReader and StreamWriter."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from rudp.aio.connect import create_connection
from rudp.aio.server import Server, create_server

LIMIT: Final = 64 * 1024
"""Octets: asyncio's default for a StreamReader's buffer."""

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
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await create_connection(lambda: protocol, host, port, **options)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


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

    def factory() -> asyncio.StreamReaderProtocol:
        reader = asyncio.StreamReader(limit=limit, loop=loop)
        return asyncio.StreamReaderProtocol(reader, client_connected_cb, loop=loop)

    return await create_server(factory, host, port, **options)
