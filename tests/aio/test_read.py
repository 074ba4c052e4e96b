"""Reading: what a protocol gets, when it pauses, and that a slow reader holds its sender back."""

import asyncio
from typing import Any

import pytest

from tests.aio.kit import Net, Recorder, Stubborn, pair, stream_pair, turns


class Buffered(asyncio.BufferedProtocol):
    """Reads into buffers of *size* octets; *each* is called after every one."""

    transport: asyncio.Transport

    def __init__(self, size: int = 7) -> None:
        self.size = size
        self.data = bytearray()
        self.calls: list[str] = []
        self.updates: list[int] = []
        self._buffer = bytearray()
        self._moved = asyncio.Event()
        loop = asyncio.get_running_loop()
        self.made: asyncio.Future[None] = loop.create_future()
        self.lost: asyncio.Future[BaseException | None] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.made.set_result(None)

    def get_buffer(self, sizehint: int) -> bytearray:
        self._buffer = bytearray(self.size)
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.data += self._buffer[:nbytes]
        self.updates.append(nbytes)
        self._moved.set()

    def eof_received(self) -> None:
        self.calls.append("eof")

    def connection_lost(self, exc: BaseException | None) -> None:
        self.calls.append("lost")
        self.lost.set_result(exc)

    async def received(self, size: int) -> bytes:
        while len(self.data) < size:
            self._moved.clear()
            await self._moved.wait()
        return bytes(self.data)


async def test_every_octet_in_order(net: Net) -> None:
    """The recorder checks that data is bytes and never empty."""
    message = bytes(range(256)) * 4096
    async with pair(net) as p:
        p.near.write(message)
        p.far.write(message[::-1])
        p.near.write_eof()
        assert await p.server.received(len(message)) == message
        assert await p.client.received(len(message)) == message[::-1]


async def test_buffered_protocol(net: Net) -> None:
    message = bytes(range(256)) * 16
    async with pair(net, server=Buffered) as p:
        p.near.write(message)
        p.near.close()
        assert await p.server.lost is None
        assert p.server.data == message
        assert max(p.server.updates) <= 7
        assert p.server.calls == ["eof", "lost"]


async def test_swapped_protocols(net: Net) -> None:
    """set_protocol in the middle of the stream, to a buffered one and back."""
    async with pair(net) as p:
        p.near.write(b"plain")
        await p.server.received(5)
        buffered = Buffered()
        p.far.set_protocol(buffered)
        assert p.far.get_protocol() is buffered
        p.near.write(b"buffered octets")
        assert await buffered.received(15) == b"buffered octets"
        p.far.set_protocol(p.server)
        p.near.write(b" again")
        assert await p.server.received(11) == b"plain again"
        p.near.close()
        assert await p.server.lost is None
        assert not buffered.calls


async def test_protocol_swapped_by_a_buffered_one(net: Net) -> None:
    """What the old protocol's buffer did not take belongs to the new one."""

    class Upgrading(Buffered):
        def buffer_updated(self, nbytes: int) -> None:
            super().buffer_updated(nbytes)
            self.transport.set_protocol(follower)

    async with pair(net, server=Upgrading) as p:
        follower = Recorder()
        follower.connection_made(p.far)
        p.near.write(b"startup the rest")
        assert await follower.received(9) == b" the rest"
        assert p.server.data == b"startup"
        p.far.abort()
        await follower.lost
        p.server.lost.set_result(None)  # it belongs to the other one now


@pytest.mark.parametrize("how", ["pause_reading", "close", "abort"])
async def test_buffered_protocol_stops_between_buffers(net: Net, how: str) -> None:
    class Stops(Buffered):
        def buffer_updated(self, nbytes: int) -> None:
            super().buffer_updated(nbytes)
            getattr(self.transport, how)()

    async with pair(net, server=Stops) as p:
        p.near.write(b"startup the rest")
        await p.server.received(7)
        await p.settle()
        assert p.server.data == b"startup"
        if how == "pause_reading":
            p.far.resume_reading()
            assert (await p.server.received(14))[7:] == b" the re"


@pytest.mark.parametrize("what", ["raise", "empty", "update"])
async def test_broken_buffered_protocol(net: Net, what: str, reports: list[dict[str, Any]]) -> None:
    class Broken(Buffered):
        def get_buffer(self, sizehint: int) -> bytearray:
            if what == "raise":
                raise LookupError("no buffer")
            return bytearray() if what == "empty" else super().get_buffer(sizehint)

        def buffer_updated(self, nbytes: int) -> None:
            raise LookupError("no update")

    async with pair(net, server=Broken) as p:
        p.near.write(b"data")
        error = await p.server.lost
        kind = RuntimeError if what == "empty" else LookupError
        assert isinstance(error, kind)
        (context,) = reports
        assert context["exception"] is error
        assert context["transport"] is p.far
        assert context["protocol"] is p.server
        reports.clear()


async def test_exception_in_data_received(net: Net, reports: list[dict[str, Any]]) -> None:
    class Broken(Recorder):
        def data_received(self, data: bytes) -> None:
            raise LookupError("in data_received")

    async with pair(net, server=Broken) as p:
        p.near.write(b"data")
        error = await p.server.lost
        assert isinstance(error, LookupError)
        (context,) = reports
        assert context["exception"] is error
        assert context["transport"] is p.far
        assert context["protocol"] is p.server
        reports.clear()
        await p.client.lost


@pytest.mark.parametrize("callback", ["eof_received", "connection_lost"])
async def test_exception_at_the_end(net: Net, callback: str, reports: list[dict[str, Any]]) -> None:
    class Broken(Recorder):
        def eof_received(self) -> None:
            super().eof_received()
            if callback == "eof_received":
                raise LookupError("at the end")

        def connection_lost(self, exc: BaseException | None) -> None:
            super().connection_lost(exc)
            if callback == "connection_lost":
                raise LookupError("at the end")

    async with pair(net, server=Broken) as p:
        p.near.close()
        await p.server.lost
        await turns(2)
        (context,) = reports
        assert isinstance(context["exception"], LookupError)
        reports.clear()


async def test_pause_and_resume(net: Net) -> None:
    """BUF-5: what comes while paused waits; both calls are idempotent."""
    async with pair(net) as p:
        p.far.pause_reading()
        p.far.pause_reading()
        assert not p.far.is_reading()
        p.near.write(b"early ")
        await p.settle()
        assert not p.server.data
        p.far.resume_reading()
        p.far.resume_reading()
        assert p.far.is_reading()
        assert not p.server.data, "nothing from inside resume_reading"
        p.near.write(b"late")
        assert await p.server.received(10) == b"early late"


async def test_nothing_is_lost_while_paused(net: Net) -> None:
    """Data and then the end of the stream, both held back, both delivered."""
    async with pair(net, server=Stubborn) as p:
        p.far.pause_reading()
        p.near.write(b"last words")
        p.near.write_eof()
        await p.settle()
        assert p.server.calls == ["made"]
        p.far.resume_reading()
        await p.server.eof
        assert p.server.calls == ["made", "data", "eof"]
        assert p.server.data == b"last words"


async def test_pause_in_connection_made(net: Net) -> None:
    class Paused(Recorder):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            self.transport.pause_reading()

    async with pair(net, server=Paused) as p:
        p.near.write(b"data")
        await p.settle()
        assert p.server.calls == ["made"]
        p.far.resume_reading()
        assert await p.server.received(4) == b"data"


async def test_pause_in_data_received(net: Net) -> None:
    class OneAtATime(Recorder):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.transport.pause_reading()

    async with pair(net, server=OneAtATime) as p:
        p.near.write(b"one")
        await p.server.received(3)
        p.near.write(b"two")
        p.near.write_eof()
        await p.settle()
        assert p.server.data == b"one"
        p.far.resume_reading()
        await p.server.received(6)
        assert not p.server.eof.done(), "the end is held back too"
        p.far.resume_reading()
        await p.server.eof


async def test_pause_after_close_is_legal(net: Net) -> None:
    async with pair(net) as p:
        p.near.close()
        p.near.pause_reading()
        assert not p.near.is_reading()
        p.near.resume_reading()
        assert not p.near.is_reading(), "closing"
        await p.client.lost
        p.near.pause_reading()
        p.near.resume_reading()


async def test_a_reader_that_stops_holds_its_sender_back(net: Net) -> None:
    """BUF-1, BUF-4, BUF-5: 32 MB do not vanish into buffers, and nothing of them is lost."""
    total = 32 * 1024 * 1024
    chunk = bytes(range(256)) * 256
    async with stream_pair(net) as ((_, writer), (reader, _)):
        sent = 0

        async def send() -> None:
            nonlocal sent
            while sent < total:
                writer.write(chunk)
                sent += len(chunk)
                await writer.drain()
            writer.write_eof()

        sending = asyncio.get_running_loop().create_task(send())
        stuck = 0
        while stuck < 20:  # until it has not moved for a while
            before = sent
            if net.is_virtual:
                await asyncio.sleep(1.0)
            else:
                await turns(50)
            stuck = stuck + 1 if sent == before else 0
        assert sent < (16 if net.is_tcp else 2) * 1024 * 1024
        size = 0
        while data := await reader.read(1 << 20):
            assert data == (chunk * (len(data) // len(chunk) + 2))[size % 256 :][: len(data)]
            size += len(data)
        assert size == total
        await sending


async def test_eof_after_data_in_one_turn(net: Net) -> None:
    async with stream_pair(net) as ((_, writer), (reader, _)):
        writer.writelines([b"a\n", bytearray(b"b\n"), memoryview(b"c\n")])
        writer.write_eof()
        assert [line async for line in reader] == [b"a\n", b"b\n", b"c\n"]
        assert reader.at_eof()


async def test_reader_dropped_without_close(net: Net, reports: list[dict[str, Any]]) -> None:
    """Data for a stream that was thrown away aborts it; asyncio reports that."""
    async with pair(net) as p:
        near_reader, writer = await net.open_connection(*p.address[:2])
        protocol = writer.transport.get_protocol()
        assert isinstance(protocol, asyncio.StreamReaderProtocol)
        transport = writer.transport
        writer.close()
        await writer.wait_closed()
        assert transport.is_closing()
        del near_reader, writer
    assert not reports
