"""open_connection and start_server, over asyncio's own StreamReader and StreamWriter."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from ssl import SSLContext, SSLEOFError
from typing import TYPE_CHECKING, Any, Final, Unpack

from rudp.aio.connect import create_connection
from rudp.aio.delivery import innermost
from rudp.aio.options import ConnectOptions, ServeOptions
from rudp.aio.server import Server, create_server
from rudp.aio.tls import start_tls
from rudp.aio.transport import Transport

LIMIT: Final = 64 * 1024
"""Octets: asyncio's default for a StreamReader's buffer."""


class StreamReader(asyncio.StreamReader):
    """asyncio's, which raises what ended the connection only when all that came before is read."""

    if TYPE_CHECKING:  # the base's, which the type stubs leave out
        _buffer: bytearray
        _eof: bool
        _waiter: asyncio.Future[None] | None
        _wait_for_data: Callable[[str], Coroutine[Any, Any, None]]

    def set_exception(self, exc: BaseException) -> None:
        """Raise *exc* where the stream stops; after its regular end that is nowhere.

        ``drain()`` raises it at once.
        """
        if not self._buffer and not self._eof:
            super().set_exception(exc)  # type: ignore[arg-type]
            return

        def stop(_: str) -> Coroutine[Any, Any, None]:
            raise exc

        # From here on: those who read and write all day need not ask whether it is so.
        self.exception = lambda: exc  # type: ignore[assignment,method-assign,return-value]
        self._wait_for_data = stop
        waiter, self._waiter = self._waiter, None  # it wants more than there is
        if waiter is not None and not waiter.done():
            waiter.set_exception(exc)


class StreamWriter(asyncio.StreamWriter):
    """asyncio's, whose ``wait_closed`` means delivered, and whose TLS does not ask the loop."""

    if TYPE_CHECKING:  # the base's, which the type stubs leave out
        _protocol: Any
        _reader: Any
        _transport: Any

    def __init__(
        self,
        transport: asyncio.WriteTransport,
        protocol: asyncio.BaseProtocol,
        reader: asyncio.StreamReader | None,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(transport, protocol, reader, loop)
        self._complete_fut = None  # 144 octets for what nobody waits for

    async def wait_closed(self) -> None:
        """Wait until the peer's TCP has acknowledged all that was written before ``close()``.

        Raises what ended the connection before that; after an ``abort()`` it waits for nobody.
        For a peer that has ended too and has all octets it waits a second: it may be gone.
        A stream of TLS that the peer has cut is an error for who has read past the cut, and for
        nobody else: all that was wanted was read, and what was written is delivered.
        """
        transport = innermost(self.transport)
        # Most often the settlement is the later of the two.
        settled = transport.is_leaving and await transport.settlement()
        closed = self._protocol._get_close_waiter(self)
        if not closed.done():
            await self._wait_for(closed)
        error = closed.exception()
        if error is not None and not (
            isinstance(error, SSLEOFError) and error.__traceback__ is None  # it never was raised
        ):
            raise error
        if not transport.was_aborted:
            await transport.delivery(settled)

    @staticmethod
    async def _wait_for(closed: "asyncio.Future[None]") -> None:
        """Wait for what others wait for as well: whoever is cancelled leaves it as it is."""
        over: asyncio.Future[None] = closed.get_loop().create_future()  # a fork has no running loop

        def wake(_: object) -> None:
            if not over.done():
                over.set_result(None)

        closed.add_done_callback(wake)
        await over

    def handled(self, task: "asyncio.Task[None]") -> None:
        """*task*, which had the stream, is done: do as asyncio if that was not in order."""
        if task.cancelled():
            self.transport.close()
        elif (error := task.exception()) is not None:
            task.get_loop().call_exception_handler(
                {
                    "message": "Unhandled exception in client_connected_cb",
                    "exception": error,
                    "transport": self.transport,
                }
            )
            self.transport.close()

    async def drain(self) -> None:
        """Wait until the transport takes more.  Raises what ended the connection, if it did."""
        transport: Any = self._transport
        if (
            type(transport) is Transport
            and transport.is_steady
            and not self._protocol._paused
            and (self._reader is None or self._reader._exception is None)
        ):
            return  # as nearly always
        error = innermost(self.transport).error
        if error is not None and not self.transport.is_closing():
            raise error  # the protocol hears of it only when it has read all that came before
        await super().drain()

    async def start_tls(
        self,
        sslcontext: SSLContext,
        *,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> None:
        """Go on with TLS; see :func:`rudp.start_tls` for the exceptions."""
        protocol = self._protocol
        await self.drain()
        transport = await start_tls(
            self.transport,
            protocol,
            sslcontext,
            server_side=protocol._client_connected_cb is not None,
            server_hostname=server_hostname,
            ssl_handshake_timeout=ssl_handshake_timeout,
            ssl_shutdown_timeout=ssl_shutdown_timeout,
        )
        self._transport = protocol._transport = transport
        self._reader._transport = transport  # whom it tells to pause
        protocol._over_ssl = True


ClientConnected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None] | None]


class StreamProtocol(asyncio.StreamReaderProtocol):
    """asyncio's, but with a :class:`StreamWriter` of ours, and 500 octets less for each connection.

    asyncio's has an empty deque, a closure and a future for ``wait_closed()``, and changing the
    class of the writer that it makes would give that a dictionary of its own.
    """

    _client_connected_cb: ClientConnected | None
    if TYPE_CHECKING:  # the base's, which the type stubs leave out
        _loop: asyncio.AbstractEventLoop
        _stream_reader: asyncio.StreamReader | None

    def __init__(
        self,
        reader: asyncio.StreamReader,
        connected: ClientConnected | None,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._close_waiter: asyncio.Future[None] | None = None
        self._draining: list[asyncio.Future[None]] | None = None
        super().__init__(reader, connected, loop=loop)

    @property
    def _drain_waiters(self) -> "list[asyncio.Future[None]]":
        """Who awaits ``drain()`` is entered here, made when somebody looks."""
        if self._draining is None:
            self._draining = []
        return self._draining

    @_drain_waiters.setter
    def _drain_waiters(self, waiters: "list[asyncio.Future[None]]") -> None:
        """The base class comes with one, of 600 octets; nobody is in it yet."""

    @property
    def _closed(self) -> "asyncio.Future[None]":
        """What ``wait_closed()`` awaits, made when it is asked for."""
        if self._close_waiter is None:
            self._close_waiter = self._loop.create_future()
        return self._close_waiter

    @_closed.setter
    def _closed(self, future: "asyncio.Future[None]") -> None:
        """The base class comes with one; nobody has seen it yet."""

    def connection_lost(self, exc: BaseException | None) -> None:
        """Tell reader and writer; that nobody asks the latter for its error is no error."""
        super().connection_lost(exc)  # type: ignore[arg-type]
        if exc is not None:
            self._closed.exception()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Make the writer, and begin the task that handles the connection."""
        connected, self._client_connected_cb = self._client_connected_cb, None
        super().connection_made(transport)
        self._client_connected_cb = connected
        reader = self._stream_reader
        if connected is None or reader is None:
            return
        loop = self._loop
        writer = self._stream_writer = StreamWriter(
            transport,  # type: ignore[arg-type]
            self,
            reader,
            loop,
        )
        handling = connected(reader, writer)
        if asyncio.iscoroutine(handling):
            self._task = loop.create_task(handling)
            self._task.add_done_callback(writer.handled)
        self._strong_reader = None


async def open_connection(
    host: str | None = None,
    port: int | None = None,
    *,
    limit: int = LIMIT,
    **options: Unpack[ConnectOptions],
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection; return ``(reader, writer)``, a :class:`StreamReader` and StreamWriter.

    *limit*: octets that the reader buffers.  *options*: those of
    :func:`rudp.create_connection`, ``config=`` among them, and its exceptions.
    """
    loop = asyncio.get_running_loop()
    reader = StreamReader(limit=limit, loop=loop)
    protocol = StreamProtocol(reader, None, loop)
    transport, _ = await create_connection(lambda: protocol, host, port, **options)
    return reader, StreamWriter(transport, protocol, reader, loop)


async def start_server(
    client_connected_cb: ClientConnected,
    host: str | Iterable[str] | None = None,
    port: int | None = None,
    *,
    limit: int = LIMIT,
    **options: Unpack[ServeOptions],
) -> Server:
    """Listen, and call *client_connected_cb(reader, writer)* for each connection.

    If it is a coroutine function, each call becomes a task.  *options*: those of
    :func:`rudp.create_server`, ``config=`` among them, and its exceptions.
    """
    loop = asyncio.get_running_loop()

    def factory() -> asyncio.StreamReaderProtocol:
        reader = StreamReader(limit=limit, loop=loop)
        return StreamProtocol(reader, client_connected_cb, loop)

    return await create_server(factory, host, port, **options)
