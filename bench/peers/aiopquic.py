"""aiopquic: picoquic, in C and on a thread of its own, behind asyncio.

It has no streams, so this makes them: octets that its ring has no room for wait in a task, and
``drain()`` waits with them.
"""

import asyncio
import contextlib
import socket
from typing import Any

from aiopquic.asyncio.client import connect
from aiopquic.asyncio.protocol import QuicConnectionProtocol
from aiopquic.asyncio.server import serve
from aiopquic.quic.configuration import QuicConfiguration
from aiopquic.quic.events import ConnectionTerminated, StreamDataReceived

from bench.peers import base, quic

CONNECTIONS = 20_000
"""At most; its default of 256 is fewer than the bench opens."""


class Peer(quic.Quic):
    """aiopquic at its defaults."""

    def configuration(self, **options: Any) -> Any:
        return QuicConfiguration(
            alpn_protocols=["bench"],
            idle_timeout=quic.IDLE,
            max_connections=CONNECTIONS,
            **options,
        )

    async def listen(self, handler: base.Handler, host: str) -> int:
        def make(quic: Any, stream_handler: Any = None) -> Protocol:
            return Protocol(quic, lambda streams: self.begin(handler, *streams))

        port = free_port()
        self._server = await serve(host, port, configuration=self.of_server(), create_protocol=make)
        return port

    async def open(self, host: str, port: int) -> base.Connection:
        async with contextlib.AsyncExitStack() as stack:
            protocol = await stack.enter_async_context(
                connect(host, port, configuration=self.of_client(), create_protocol=Protocol)
            )
            which = protocol._quic.get_next_available_stream_id()
            reader, writer = protocol.stream(which)
            return base.Connection(reader, writer, stack.pop_all().aclose)
        raise AssertionError


def free_port() -> int:
    """Return a UDP port: aiopquic does not tell which one it was given."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("", 0))
        port: int = sock.getsockname()[1]
        return port


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Protocol(QuicConnectionProtocol):  # type: ignore[misc]
    """Gives each stream its reader and writer, and those of the peer to *accepted*."""

    def __init__(self, quic: Any, accepted: Any = None, stream_handler: Any = None) -> None:
        super().__init__(quic)
        self._accepted = accepted
        self._streams: dict[int, Streams] = {}

    def stream(self, which: int) -> Streams:
        """Return the ends of a stream, which are made if need be."""
        if which not in self._streams:
            reader = asyncio.StreamReader()
            protocol = asyncio.StreamReaderProtocol(reader)
            transport = Transport(self._quic, which, protocol)
            writer = asyncio.StreamWriter(transport, protocol, reader, asyncio.get_running_loop())
            self._streams[which] = reader, writer
            if self._accepted is not None:
                self._accepted((reader, writer))
        return self._streams[which]

    def quic_event_received(self, event: Any) -> None:
        if isinstance(event, StreamDataReceived):
            reader, _ = self.stream(event.stream_id)
            reader.feed_data(event.data)
            if event.end_stream:
                reader.feed_eof()
        elif isinstance(event, ConnectionTerminated):
            for reader, _ in self._streams.values():
                reader.feed_eof()


class Transport(asyncio.WriteTransport):
    """The writing half of a stream."""

    def __init__(self, quic: Any, which: int, protocol: asyncio.StreamReaderProtocol) -> None:
        super().__init__()
        self._quic = quic
        self._which = which
        self._protocol = protocol
        self._waiting: list[bytes] = []
        self._ended = False
        self._task: asyncio.Task[None] | None = None

    def write(self, data: Any) -> None:
        if self._task is None:
            try:
                self._quic.send_stream_data(self._which, data)
            except BufferError:
                self._task = asyncio.ensure_future(self._wait())
                self._protocol.pause_writing()
            else:
                return
        self._waiting.append(bytes(data))

    async def _wait(self) -> None:
        while self._waiting:
            await self._quic.send_stream_data_drained(self._which, self._waiting[0])
            self._waiting.pop(0)
        if self._ended:
            await self._quic.send_stream_data_drained(self._which, b"", end_stream=True)
        self._task = None
        self._protocol.resume_writing()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if not self._ended:
            self._ended = True
            if self._task is None:
                self._quic.send_stream_data(self._which, b"", end_stream=True)

    def close(self) -> None:
        self.write_eof()

    def is_closing(self) -> bool:
        return self._ended

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default
