"""One interface for asyncio's TCP and for rudp, protocols that write all down, pairs of them.

A test that takes the fixture ``net`` runs over asyncio's own TCP (the yardstick, on asyncio's own
loop only), over rudp's three ways to sockets, and over rudp on virtual time.
"""

import asyncio
import contextlib
import dataclasses
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any, TypeVar

import rudp

P = TypeVar("P", bound=asyncio.BaseProtocol)

HOST = "127.0.0.1"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclasses.dataclass(frozen=True)
class Net:
    """asyncio's TCP if *config* is None, else rudp with that."""

    name: str
    config: rudp.Config | None

    @property
    def is_tcp(self) -> bool:
        return self.config is None

    @property
    def is_virtual(self) -> bool:
        return self.name == "virtual"

    def with_config(self, **changes: Any) -> "Net":
        """Return the same with other settings; TCP takes no notice."""
        if self.config is None:
            return self
        return dataclasses.replace(self, config=dataclasses.replace(self.config, **changes))

    async def create_connection(
        self,
        factory: Callable[[], P],
        host: str | None = None,
        port: int | None = None,
        **options: Any,
    ) -> tuple[asyncio.Transport, P]:
        if self.config is None:
            loop: Any = asyncio.get_running_loop()
            opened: tuple[asyncio.Transport, P] = await loop.create_connection(
                factory, host, port, **options
            )
            return opened
        return await rudp.create_connection(factory, host, port, config=self.config, **options)

    async def create_server(
        self, factory: Callable[[], asyncio.BaseProtocol], host: Any = HOST, port: int = 0, **o: Any
    ) -> asyncio.Server | rudp.Server:
        if self.config is None:
            loop = asyncio.get_running_loop()
            return await loop.create_server(factory, host, port, **o)
        return await rudp.create_server(factory, host, port, config=self.config, **o)

    async def open_connection(self, host: str, port: int, **options: Any) -> Streams:
        if self.config is None:
            return await asyncio.open_connection(host, port, **options)
        return await rudp.open_connection(host, port, config=self.config, **options)

    async def start_server(
        self, connected: Callable[..., Any], host: Any = HOST, port: int = 0, **options: Any
    ) -> asyncio.Server | rudp.Server:
        if self.config is None:
            return await asyncio.start_server(connected, host, port, **options)
        return await rudp.start_server(connected, host, port, config=self.config, **options)

    async def start_tls(
        self,
        transport: asyncio.Transport,
        protocol: asyncio.BaseProtocol,
        context: ssl.SSLContext,
        **options: Any,
    ) -> asyncio.Transport:
        if self.config is None:
            loop = asyncio.get_running_loop()
            secured = await loop.start_tls(transport, protocol, context, **options)
            assert isinstance(secured, asyncio.Transport)
            return secured
        return await rudp.start_tls(transport, protocol, context, **options)

    def bound_socket(self, family: int = socket.AF_INET, host: str = HOST) -> socket.socket:
        """Return a bound socket of the kind this network lives on."""
        kind = socket.SOCK_STREAM if self.is_tcp else socket.SOCK_DGRAM
        sock = socket.socket(family, kind)
        sock.bind((host, 0))
        return sock


class Recorder(asyncio.Protocol):
    """Writes down every callback; *keep_open* is what ``eof_received`` returns."""

    transport: asyncio.Transport

    def __init__(self, *, keep_open: bool = False) -> None:
        self.calls: list[str] = []
        self.data = bytearray()
        self.keep_open = keep_open
        loop = asyncio.get_running_loop()
        self.made: asyncio.Future[None] = loop.create_future()
        self.eof: asyncio.Future[None] = loop.create_future()
        self.lost: asyncio.Future[BaseException | None] = loop.create_future()
        self._moved = asyncio.Event()

    def note(self, call: str) -> None:
        """Write *call* down, repetitions of data once."""
        if call != "data" or self.calls[-1:] != ["data"]:
            self.calls.append(call)
        self._moved.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.note("made")
        self.made.set_result(None)

    def data_received(self, data: bytes) -> None:
        assert type(data) is bytes
        assert data, "never without data"
        self.data += data
        self.note("data")

    def eof_received(self) -> bool | None:
        self.note("eof")
        self.eof.set_result(None)
        return self.keep_open

    def pause_writing(self) -> None:
        self.note("pause")

    def resume_writing(self) -> None:
        self.note("resume")

    def connection_lost(self, exc: BaseException | None) -> None:
        self.note("lost")
        self.lost.set_result(exc)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until *condition* holds; it is asked after every callback."""
        while not condition():
            self._moved.clear()
            await self._moved.wait()

    async def received(self, size: int) -> bytes:
        """Wait for *size* octets in all and return what there is."""
        await self.until(lambda: len(self.data) >= size)
        return bytes(self.data)


class Stubborn(Recorder):
    """Keeps its half open when the peer has sent its last."""

    def __init__(self) -> None:
        super().__init__(keep_open=True)


@dataclasses.dataclass
class Pair:
    """Both ends of one connection; the protocols are whatever the test asked for."""

    net: Net
    address: tuple[Any, ...]
    client: Any
    server: Any
    listening: Any
    connect: Mapping[str, Any]

    @property
    def near(self) -> asyncio.Transport:
        transport: asyncio.Transport = self.client.transport
        return transport

    @property
    def far(self) -> asyncio.Transport:
        transport: asyncio.Transport = self.server.transport
        return transport

    async def settle(self) -> None:
        """Let everything that is under way arrive: another connection goes there and back.

        It shares the sockets, which keep the order.
        """
        if self.net.is_virtual:
            await asyncio.sleep(1.0)
            return
        for _ in range(3):
            _, other = await self.net.create_connection(Recorder, *self.address[:2], **self.connect)
            other.transport.close()
            await other.lost


@contextlib.asynccontextmanager
async def pair(
    net: Net,
    client: Callable[[], Any] = Recorder,
    server: Callable[[], Any] = Recorder,
    *,
    host: str = HOST,
    connect: Mapping[str, Any] | None = None,
    listen: Mapping[str, Any] | None = None,
) -> AsyncIterator[Pair]:
    """Connect two protocols; afterwards abort what is left of them and wait for it.

    *connect*, *listen*: more arguments for ``create_connection`` and ``create_server``.
    """
    accepted: list[Any] = []
    first: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def factory() -> Any:
        if first.done():
            accepted.append(Recorder())
        else:
            first.set_result(server())
            accepted.append(first.result())
        return accepted[-1]

    listening = await net.create_server(factory, host, 0, **(listen or {}))
    address = listening.sockets[0].getsockname()
    async with cleared(listening):
        _, near = await net.create_connection(client, *address[:2], **(connect or {}))
        far = await first
        await far.made
        try:
            # Another connection needs what the server asks of each.
            again = connect if connect and listen else {}
            yield Pair(net, address, near, far, listening, again)
        finally:
            for end in (near, *accepted):
                if end.made.done():
                    end.transport.abort()
                    await end.lost


@contextlib.asynccontextmanager
async def cleared(server: Any) -> AsyncIterator[Any]:
    """Close *server* at the end and wait until the last of its connections is gone."""
    try:
        yield server
    except BaseException:
        server.close()  # a test that failed may have left some that never end
        raise
    server.close()
    await server.wait_closed()


def address_of(server: Any) -> tuple[str, int]:
    """Return where *server* listens."""
    host, port = server.sockets[0].getsockname()[:2]
    return host, port


async def close(writer: asyncio.StreamWriter) -> None:
    """Close and wait."""
    writer.close()
    await writer.wait_closed()


@contextlib.asynccontextmanager
async def stream_pair(
    net: Net, *, limit: int = 64 * 1024
) -> AsyncIterator[tuple[Streams, Streams]]:
    """Connect streams: ``(client's, server's)``, both closed by force at the end."""
    accepted: asyncio.Future[Streams] = asyncio.get_running_loop().create_future()
    server = await net.start_server(lambda *s: accepted.set_result(s), limit=limit)
    async with cleared(server):
        near = await net.open_connection(*address_of(server), limit=limit)
        far = await accepted
        try:
            yield near, far
        finally:
            for _, writer in (near, far):
                writer.transport.abort()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()


async def feed(writer: asyncio.StreamWriter, data: bytes) -> None:
    """Write *data* in pieces, as fast as they are taken."""
    for at in range(0, len(data), 65_536):
        writer.write(data[at : at + 65_536])
        await writer.drain()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back what comes until the stream ends, then close."""
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        await close(writer)
    except OSError:
        writer.transport.abort()


@contextlib.asynccontextmanager
async def serving(host: str = HOST, **options: Any) -> AsyncIterator[tuple[rudp.Server, int]]:
    """Echo at *host*; enter with the server and its port."""
    server = await rudp.start_server(echo, host, 0, **options)
    async with server:
        yield server, server.sockets[0].getsockname()[1]


async def cancelled(task: "asyncio.Task[Any]") -> None:
    """Cancel *task* and wait for it."""
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def turns(count: int) -> None:
    """Let the loop go round *count* times."""
    for _ in range(count):
        await asyncio.sleep(0)


def spawn(coroutine: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
    return asyncio.get_running_loop().create_task(coroutine)


if hasattr(asyncio, "eager_task_factory"):
    eager_task_factory: Any = asyncio.eager_task_factory
else:

    class _EagerTask(asyncio.tasks._PyTask):  # type: ignore[name-defined,misc]
        """What Python 3.12 has: a task whose first step runs before the call returns."""

        def __init__(self, coro: Coroutine[Any, Any, Any], *, loop: Any, **options: Any) -> None:
            super().__init__(coro, loop=loop, **options)
            loop._ready.pop().cancel()  # the first step, a turn later
            outer = asyncio.current_task(loop)
            if outer is not None:
                asyncio.tasks._leave_task(loop, outer)
            try:
                self._context.run(self._Task__step)
            finally:
                if outer is not None:
                    asyncio.tasks._enter_task(loop, outer)

    def eager_task_factory(loop: Any, coro: Any, **options: Any) -> Any:
        """Return a task that has begun, as Python 3.12's factory of that name does."""
        if not loop.is_running():
            return asyncio.Task(coro, loop=loop, **options)
        return _EagerTask(coro, loop=loop, **options)
