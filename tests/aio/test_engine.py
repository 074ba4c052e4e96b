"""What is served at the socket itself: the same stream, counters and callbacks as without it."""

import asyncio
import gc
import socket
import struct
import weakref
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

import rudp
from rudp.core.life.steady import BEST, LANES
from rudp.core.segment.wire import swap_ports
from rudp.core.terms.counters import Count
from tests.aio.kit import HOST

pytest.importorskip("rudp._lane", reason="it was not compiled")

pytestmark = [
    pytest.mark.skipif(not hasattr(socket, "MSG_ERRQUEUE"), reason="Linux alone has it"),
    pytest.mark.skipif(LANES["auto"] is not BEST, reason="another lane was asked for"),
]


class Echo(asyncio.Protocol):
    """Writes back what comes, and keeps the endpoint."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.came = b""
        self.lost: BaseException | None = None
        self.over = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.came += data
        self.transport.write(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.lost = exc
        self.over.set()


class Pair:
    """An echo server's end, and streams to it that are steady already."""

    def __init__(self, server: rudp.Server, made: list[Echo]) -> None:
        self.server = server
        self.address = server.sockets[0].getsockname()
        self._made = made

    async def open(self, config: rudp.Config | None = None) -> None:
        self.reader, self.writer = await rudp.open_connection(*self.address, config=config)
        for _ in range(3):
            assert await self.ask(b"steady") == b"steady"
        self.transport: Any = self.writer.transport
        self.echo = self._made[-1]
        self.echo.came = b""

    async def ask(self, data: bytes) -> bytes:
        self.writer.write(data)
        return await self.reader.readexactly(len(data))

    @property
    def datagrams(self) -> Any:
        """The client's UDP socket, connected to the server's."""
        return self.transport.get_extra_info("endpoint").socket

    def engine(self, transport: Any) -> Any:
        return transport.get_extra_info("endpoint")._engine

    def counters(self) -> dict[str, int]:
        return dict(self.echo.transport.get_extra_info("endpoint").stats())


@pytest_asyncio.fixture
async def pair() -> AsyncIterator[Pair]:
    made: list[Echo] = []

    def echo() -> Echo:
        made.append(Echo())
        return made[-1]

    server = await rudp.create_server(echo, HOST, 0)
    pair = Pair(server, made)
    await pair.open()
    yield pair
    pair.writer.close()
    for each in made:
        if each.transport is not None:
            each.transport.abort()
    server.close()
    await server.wait_closed()


async def test_who_is_steady_is_served_at_the_socket(pair: Pair) -> None:
    engine = pair.engine(pair.transport)
    before = engine.octets_read
    assert await pair.ask(bytes(100)) == bytes(100)
    assert engine.octets_read == before + 100 + 32


@pytest.mark.parametrize("size", [1, 5000, 300_000])
async def test_octets_are_those_that_were_written(pair: Pair, size: int) -> None:
    data = bytes(range(251)) * (size // 251 + 1)
    assert await pair.ask(data) == data


@pytest.mark.parametrize("size", [5000, 300_000])
async def test_without_batches(pair: Pair, size: int) -> None:
    """Python sends one by one what the device does not take in one piece."""
    pair.engine(pair.transport).gso = False
    pair.engine(pair.echo.transport).gso = False
    data = bytes(range(251)) * (size // 251)
    assert await pair.ask(data) == data


async def test_a_socket_that_is_full(pair: Pair) -> None:
    """What was written waits for its turn, and nothing of it is lost."""
    engine = pair.engine(pair.transport)
    engine.blocked = True
    pair.writer.write(b"first")
    await asyncio.sleep(0.01)
    assert pair.echo.came == b""
    engine.blocked = False
    engine.wake()
    assert await pair.reader.readexactly(5) == b"first"


async def test_other_fields_in_the_ip_header(pair: Pair) -> None:
    """The one who sends first with another DSCP has Python set it for all that follow."""
    pair.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 8 << 2)
    for _ in range(8):
        assert await pair.ask(b"marked") == b"marked"
    assert pair.engine(pair.transport).dscp == 8
    assert pair.datagrams.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 8 << 2


def header(ports: int, offset: int = 8, options: bytes = b"\x01\x01\x08\x0a" + bytes(8)) -> bytes:
    word = offset << 28 | 0x10 << 16 | 100
    return struct.pack("!IIIII", ports, 1, 1, word, 0) + options


MALFORMED = {
    "empty": (b"", Count.SHORT),
    "short": (bytes(19), Count.SHORT),
    "low offset": (header(7 << 16 | 7, 4), Count.BAD_OFFSET),
    "high offset": (header(7 << 16 | 7, 9), Count.BAD_OFFSET),
    "option": (header(7 << 16 | 7, 6, b"\x08\x00\x00\x00"), Count.BAD_OPTION),
    "port": (header(7), Count.BAD_PORT),
    "stranger": (header(7 << 16 | 7), Count.NO_CONNECTION),
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_what_is_malformed_is_counted(pair: Pair, name: str) -> None:
    """M-1, M-2, M-3, W-47: beside a connection that is served, and among its datagrams."""
    datagram, count = MALFORMED[name]
    reason = str(count)
    before = pair.counters()[reason]
    pair.writer.write(b"before")
    for _ in range(3):
        pair.datagrams.send(datagram)
    pair.writer.write(b"after")
    assert await pair.reader.readexactly(11) == b"beforeafter"
    for _ in range(100):
        if pair.counters()[reason] == before + 3:
            break
        await asyncio.sleep(0.01)
    assert pair.counters()[reason] == before + 3
    assert await pair.ask(b"on") == b"on"


async def test_what_a_lane_declines_goes_to_the_rfc_s_code(pair: Pair) -> None:
    """Old segments of the connection itself: each is answered, and the stream goes on."""
    connection = pair.transport._connection
    for offset in (8, 5):
        datagram = header(connection.ports, offset)
        pair.datagrams.send(datagram)
        assert await pair.ask(b"on") == b"on"
    assert swap_ports(connection.ports) == pair.echo.transport._connection.ports


async def test_reading_that_pauses(pair: Pair) -> None:
    pair.echo.transport.pause_reading()
    pair.writer.write(b"later")
    await asyncio.sleep(0.02)
    assert pair.echo.came == b""
    pair.echo.transport.resume_reading()
    assert await pair.reader.readexactly(5) == b"later"


async def test_another_protocol(pair: Pair) -> None:
    other = Echo()
    other.transport = pair.echo.transport
    pair.echo.transport.set_protocol(other)
    assert await pair.ask(b"who is it?") == b"who is it?"
    assert (pair.echo.came, other.came) == (b"", b"who is it?")


async def test_a_protocol_that_fails(pair: Pair, reports: list[dict[str, Any]]) -> None:
    def fail(_: bytes) -> None:
        raise ValueError("no")

    pair.echo.data_received = fail  # type: ignore[method-assign,assignment]
    pair.writer.write(b"go")
    await pair.echo.over.wait()
    assert isinstance(pair.echo.lost, ValueError)
    assert reports.pop()["message"] == "Fatal error: protocol could not take data."
    with pytest.raises(ConnectionResetError):
        await pair.reader.read()


async def test_who_writes_in_pieces_sends_them_together(pair: Pair) -> None:
    """The first piece of an answer leaves at once, until it is known that more will follow."""
    for _ in range(3):
        pair.writer.write(b"head")
        pair.writer.write(b"body")
        assert await pair.reader.readexactly(8) == b"headbody"
    before = pair.transport.info().segments_out
    for _ in range(10):
        pair.writer.write(b"head")
        pair.writer.write(b"body")
        assert await pair.reader.readexactly(8) == b"headbody"
    assert pair.transport.info().segments_out - before <= 12


async def test_a_paused_writer_is_resumed(pair: Pair) -> None:
    data = bytes(4_000_000)

    async def write() -> None:
        for _ in range(3):
            pair.writer.write(data)
            await pair.writer.drain()

    task = asyncio.create_task(write())
    assert await pair.reader.readexactly(3 * len(data)) == 3 * data
    await task


async def test_nothing_is_left_of_a_connection(pair: Pair) -> None:
    reader, writer = await rudp.open_connection(*pair.address)
    for _ in range(4):
        writer.write(b"x")
        await reader.readexactly(1)
    transport = weakref.ref(writer.transport)
    writer.close()
    await writer.wait_closed()
    del reader, writer
    for _ in range(100):
        gc.collect()
        if transport() is None:
            break
        await asyncio.sleep(0.01)
    assert transport() is None
