"""What is served at the socket itself: the same stream, counters and callbacks as without it."""

import asyncio
import contextlib
import dataclasses
import gc
import socket
import struct
import time
import weakref
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

import rudp
from rudp.core.life.signedlane import SignedLane
from rudp.core.life.steady import BEST, LANES
from rudp.core.segment.isn import IsnSource
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
        self.transport: Any = self.writer.transport
        for turn in range(50):  # on a slow machine a timer gives a lane back now and then
            assert await self.ask(b"steady") == b"steady"
            self.echo = self._made[-1]
            ends: tuple[Any, Any] = (self.transport, self.echo.transport)
            if turn >= 2 and all(each._connection.lane is not None for each in ends):
                break
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


@contextlib.asynccontextmanager
async def steady(config: rudp.Config | None = None) -> AsyncIterator[Pair]:
    """A pair both of whose ends have *config*."""
    made: list[Echo] = []

    def echo() -> Echo:
        made.append(Echo())
        return made[-1]

    server = await rudp.create_server(echo, HOST, 0, config=config)
    pair = Pair(server, made)
    await pair.open(config)
    yield pair
    pair.writer.close()
    for each in made:
        if each.transport is not None:
            each.transport.abort()
    server.close()
    await server.wait_closed()


@pytest_asyncio.fixture
async def pair() -> AsyncIterator[Pair]:
    async with steady() as pair:
        yield pair


OLD = rudp.MasterKey(secret=bytes(16), send_id=1, recv_id=1)
NEW = rudp.MasterKey(secret=bytes(20), send_id=2, recv_id=2, algorithm="HMAC-SHA-1-96")


@pytest_asyncio.fixture
async def keyed() -> AsyncIterator[Pair]:
    async with steady(rudp.Config(keys=(OLD, NEW))) as pair:
        yield pair


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


class TestKeys:
    """Whose segments are signed is served at the socket too (RFC 5925 §7.3, §7.4)."""

    async def test_they_are_checked_at_the_socket(self, keyed: Pair) -> None:
        engine = keyed.engine(keyed.transport)
        before = engine.octets_read
        assert await keyed.ask(bytes(100)) == bytes(100)
        assert engine.octets_read == before + 100 + 48

    @pytest.mark.parametrize("gso", [True, False])
    @pytest.mark.parametrize("size", [1, 5000, 300_000, 3_000_000])
    async def test_octets_are_those_that_were_written(
        self, keyed: Pair, size: int, gso: bool
    ) -> None:
        for transport in (keyed.transport, keyed.echo.transport):
            keyed.engine(transport).gso = gso
        data = bytes(range(251)) * (size // 251 + 1)
        assert await keyed.ask(data) == data
        assert not any(n for name, n in keyed.counters().items() if name.startswith("ao_"))

    async def test_at_the_wrap(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """§6.2: the numbers pass 2**32 in the midst of a run, both ways."""
        monkeypatch.setattr(IsnSource, "iss", lambda _, __, ports, ___: 0xFFFE_0000 - (ports >> 16))
        async with steady(rudp.Config(keys=(OLD,), mss=1432)) as pair:
            engine = pair.engine(pair.echo.transport)
            before = engine.octets_read
            data = bytes(range(250)) * 4000
            assert await pair.ask(data) == data
            assert engine.octets_read > before
            assert not any(n for name, n in pair.counters().items() if name.startswith("ao_"))

    @pytest.mark.parametrize("kind", ["forged", "bare", "unknown", "filled in"])
    async def test_what_is_forged_ends_no_lane(self, keyed: Pair, kind: str) -> None:
        """It has the right numbers, and all but the key."""
        connection = keyed.echo.transport._connection
        lane = connection.lane
        key_id = 9 if kind == "unknown" else 1
        option = bytes((29, 16, key_id, 1)) + b"MAC, perhaps"
        stamps = b"\x01\x01\x08\x0a" + lane.ts_recent.to_bytes(4, "big") + bytes(4)
        length = 8 if kind == "bare" else 12
        datagram = struct.pack(
            "!IIIII",
            swap_ports(connection.ports),
            lane.rcv_nxt & 0xFFFF_FFFF,
            lane.snd_nxt & 0xFFFF_FFFF,
            length << 28 | 0x18 << 16 | 1000,
            7 << 16 if kind == "filled in" else 0,
        )
        datagram += stamps if kind == "bare" else stamps + option
        for octets in (b"", b"forged", bytes(1400)):
            keyed.datagrams.send(datagram + octets)
        reason = {"bare": "ao_missing", "unknown": "ao_key_unknown"}.get(kind, "ao_mac_wrong")
        assert await keyed.ask(b"true") == b"true"
        for _ in range(100):
            if keyed.counters()[reason] == 3:
                break
            await asyncio.sleep(0.01)
        assert keyed.counters()[reason] == 3
        assert connection.lane is lane
        assert keyed.echo.came == b"true"

    async def test_another_key_while_data_flows(self, keyed: Pair) -> None:
        """§7.3: each side follows the other's wish, and loses nothing."""
        data = bytes(100_000)
        assert rudp.info(keyed.writer).key_ids == (1, 1)
        rudp.set_keys(keyed.writer, NEW, OLD)
        for _ in range(4):
            assert await keyed.ask(data) == data
        assert rudp.info(keyed.writer).key_ids == (1, 2)
        keyed.echo.transport.get_extra_info("set_keys")((NEW, OLD))
        for _ in range(4):
            assert await keyed.ask(data) == data
        assert rudp.info(keyed.writer).key_ids == (2, 2)
        assert keyed.echo.transport.info().key_ids == (2, 2)
        assert not any(n for name, n in keyed.counters().items() if name.startswith("ao_"))

    async def test_keys_that_the_lane_in_C_has_nothing_for(self, keyed: Pair) -> None:
        """Options that are not covered: the lane in Python goes on."""
        loose = dataclasses.replace(OLD, covers_options=False)
        for transport in (keyed.transport, keyed.echo.transport):
            transport.get_extra_info("set_keys")((loose,))
        for _ in range(6):
            assert await keyed.ask(bytes(5000)) == bytes(5000)
        assert isinstance(keyed.echo.transport._connection.lane, SignedLane)

    async def test_a_time_that_is_over(self) -> None:
        """A key that counts no longer is believed no longer."""
        late = time.time() + 0.3
        ends = dataclasses.replace(OLD, recv_lifetime=(0.0, late))
        async with steady(rudp.Config(keys=(ends,))) as pair:
            while time.time() < late:
                await asyncio.sleep(0.05)
            pair.writer.write(b"too late")
            for _ in range(100):
                if pair.counters()["ao_key_unknown"]:
                    break
                await asyncio.sleep(0.02)
            assert pair.counters()["ao_key_unknown"]
            assert pair.echo.came == b""
            pair.transport.abort()
