"""Writing: what may be written, watermarks, and writers that outlive their connection."""

import asyncio
import contextlib
import io
import logging
import math
from typing import Any
from unittest import mock

import pytest

import rudp
from rudp.aio.transport import AT_ONCE
from tests.aio.kit import Net, Recorder, Stubborn, pair, stream_pair, turns


async def test_kinds_of_data(net: Net) -> None:
    async with pair(net) as p:
        p.near.write(b"bytes ")
        p.near.write(bytearray(b"bytearray "))
        p.near.write(memoryview(b"..view ")[2:])
        p.near.writelines([b"lines ", bytearray(b"of "), memoryview(b"all")])
        p.near.write(b"")
        p.near.writelines([])
        assert await p.server.received(31) == b"bytes bytearray view lines of all"


@pytest.mark.parametrize("data", ["text", None, 7, [1, 2], {"a": 1}])
async def test_other_kinds(net: Net, data: Any) -> None:
    async with pair(net) as p:
        with pytest.raises(TypeError, match="bytes"):
            p.near.write(data)
        if data is not None or not net.is_tcp:  # asyncio's passes over what is empty, from 3.14 on
            with pytest.raises(TypeError):
                p.near.writelines([data])
        p.near.write(b"unharmed")
        await p.server.received(8)


async def test_data_is_copied(net: Net) -> None:
    async with pair(net) as p:
        data = bytearray(b"x" * 300_000)
        p.near.write(data)
        data[:] = b"y" * len(data)
        view = memoryview(data)
        p.near.write(view)
        view[:] = b"z" * len(data)
        view.release()
        data.clear()
        assert await p.server.received(600_000) == b"x" * 300_000 + b"y" * 300_000


async def test_many_small_writes(net: Net) -> None:
    """SHLD-27: they may be merged; the octets are the same."""
    async with pair(net) as p:
        for number in range(2000):
            p.near.write(b"%d," % number)
        expected = b"".join(b"%d," % number for number in range(2000))
        assert await p.server.received(len(expected)) == expected


async def test_limits(net: Net) -> None:
    """BUF-4: asyncio's own defaults and rules."""
    async with pair(net) as p:
        assert p.near.get_write_buffer_limits() == (16 * 1024, 64 * 1024)
        assert p.near.get_write_buffer_size() == 0
        p.near.set_write_buffer_limits(high=1000)
        assert p.near.get_write_buffer_limits() == (250, 1000)
        p.near.set_write_buffer_limits(low=1000)
        assert p.near.get_write_buffer_limits() == (1000, 4000)
        p.near.set_write_buffer_limits(high=5, low=5)
        assert p.near.get_write_buffer_limits() == (5, 5)
        p.near.set_write_buffer_limits(high=0)
        assert p.near.get_write_buffer_limits() == (0, 0)
        p.near.set_write_buffer_limits()
        assert p.near.get_write_buffer_limits() == (16 * 1024, 64 * 1024)
        for options in ({"high": 1, "low": 2}, {"low": -1}, {"high": -1}):
            with pytest.raises(ValueError, match=r"high .* must be >= low"):
                p.near.set_write_buffer_limits(**options)
        p.near.write(b"x")
        await p.server.received(1)


async def test_pause_and_resume_writing(net: Net) -> None:
    """Once each: pausing inside the write that crosses the line, resuming at low or less."""
    sizes = []

    class Client(Recorder):
        def resume_writing(self) -> None:
            super().resume_writing()
            sizes.append(self.transport.get_write_buffer_size())

    async with pair(net, Client) as p:
        p.far.pause_reading()
        p.near.set_write_buffer_limits(high=1 << 20, low=1 << 16)
        while "pause" not in p.client.calls:
            p.near.write(bytes(1 << 19))
        assert p.client.calls == ["made", "pause"]
        assert p.near.get_write_buffer_size() > 1 << 20
        p.near.write(bytes(1 << 20))
        p.near.write(bytes(1 << 20))
        await p.settle()
        assert p.client.calls == ["made", "pause"]
        p.far.resume_reading()
        await p.client.until(lambda: "resume" in p.client.calls)
        assert p.client.calls == ["made", "pause", "resume"]
        assert len(sizes) == 1
        assert sizes[0] <= 1 << 16


async def test_what_can_leave_at_once_pauses_nobody(net: Net) -> None:
    """BUF-4: as a kernel's buffer would take it, though only as much as one turn should send."""
    async with pair(net) as p:
        p.near.write(bytes(1 << 20))
        await p.server.received(1 << 20)
        await p.settle()
        if not isinstance(p.near, rudp.Transport):
            pytest.skip("a kernel has a buffer of its own")
        room = p.near._connection.room
        p.client.calls.clear()
        p.near.write(bytes(64 * 1024 + min(room, AT_ONCE)))
        assert room > 0
        assert p.client.calls == []
        p.near.write(b"x")
        assert p.client.calls == ["pause"]
        await p.client.until(lambda: "resume" in p.client.calls)


async def test_high_zero_pauses_until_all_is_out(net: Net) -> None:
    async with stream_pair(net) as ((_, writer), (reader, _)):
        writer.transport.set_write_buffer_limits(high=0)
        writer.write(bytes(1 << 20))
        reading = asyncio.get_running_loop().create_task(reader.readexactly(1 << 20))
        await writer.drain()
        assert writer.transport.get_write_buffer_size() == 0
        await reading


async def test_lower_limits_free_what_waits_for_the_old_ones(net: Net) -> None:
    """BUF-4: a rest waits for a writer that is resumed; one that waits for the rest never is."""
    async with stream_pair(net) as ((_, writer), (reader, _)):
        for size in range(2_000_000, 2_065_536, 6000):
            writer.write(bytes(size))
            writer.transport.set_write_buffer_limits(high=0)
            reading = asyncio.get_running_loop().create_task(reader.readexactly(size))
            await writer.drain()
            await reading
            writer.transport.set_write_buffer_limits()


async def test_resume_writing_may_write(net: Net) -> None:
    """To the same transport, and to another one."""

    class Writer(Recorder):
        other: asyncio.Transport
        left = 5
        size = 0

        def fill(self) -> None:
            pauses = self.calls.count("pause")
            while self.calls.count("pause") == pauses:
                self.transport.write(bytes(1 << 18))
                self.size += 1 << 18

        def resume_writing(self) -> None:
            super().resume_writing()
            if self.left:
                self.left -= 1
                self.fill()
                self.other.write(bytes(1000))

    async with pair(net, Writer) as p, pair(net) as q:
        p.client.other = q.near
        p.client.fill()
        await p.server.until(lambda: not p.client.left)
        await p.server.received(p.client.size)
        await q.server.received(5000)
        await p.client.until(lambda: p.client.calls.count("resume") == 6)
        assert p.client.calls == ["made"] + ["pause", "resume"] * 6


async def test_resume_writing_after_close_may_write(net: Net) -> None:
    """asyncio's TLS layer sends its farewell like that."""
    if net.is_tcp:
        pytest.skip("asyncio's TCP stumbles over it")

    class Polite(Recorder):
        def resume_writing(self) -> None:
            super().resume_writing()
            self.transport.write(b"farewell")

    async with pair(net, Polite) as p:
        p.far.pause_reading()
        size = 0
        while "pause" not in p.client.calls:
            p.near.write(bytes(1 << 20))
            size += 1 << 20
        p.near.close()
        assert p.near.is_closing()
        p.far.resume_reading()
        assert await p.client.lost is None
        assert await p.server.lost is None
        assert p.server.data.endswith(b"farewell")
        assert len(p.server.data) == size + 8


@pytest.mark.parametrize("callback", ["pause_writing", "resume_writing"])
async def test_exception_in_flow_control(
    net: Net, callback: str, reports: list[dict[str, Any]]
) -> None:
    """It is reported, and the connection lives on."""

    class Broken(Recorder):
        def pause_writing(self) -> None:
            super().pause_writing()
            if callback == "pause_writing":
                raise LookupError("pause")

        def resume_writing(self) -> None:
            super().resume_writing()
            if callback == "resume_writing":
                raise LookupError("resume")

    async with pair(net, Broken) as p:
        size = 0
        while "pause" not in p.client.calls:
            p.near.write(bytes(1 << 20))
            size += 1 << 20
        await p.server.received(size)
        await p.client.until(lambda: "resume" in p.client.calls)
        (context,) = reports
        assert callback in context["message"]
        assert isinstance(context["exception"], LookupError)
        reports.clear()
        p.near.write(b"x")
        await p.server.received(size + 1)


async def test_abort_in_pause_writing(net: Net) -> None:
    """Whoever is told to pause and gives up does so at once: nobody waits for the rest."""

    class Impatient(Recorder):
        def pause_writing(self) -> None:
            super().pause_writing()
            self.transport.abort()

    async with pair(net, Impatient) as p:
        p.far.pause_reading()
        p.near.write(bytes(10_000_000))
        assert await p.client.lost is None
        assert p.client.calls == ["made", "pause", "lost"]
        p.far.resume_reading()
        await asyncio.wait_for(p.server.lost, 10)
        assert len(p.server.data) < 10_000_000


async def test_write_after_close(net: Net, caplog: pytest.LogCaptureFixture) -> None:
    """Ignored, with a warning in the log after five."""
    caplog.set_level(logging.WARNING)
    asyncio.get_running_loop().slow_callback_duration = math.inf  # only that warning counts
    async with pair(net) as p:
        p.near.close()
        p.near.write(b"too late")
        await p.client.lost
        await p.server.lost
        for _ in range(3):
            p.near.write(b"too late")
        assert not caplog.records
        for _ in range(4):
            p.near.write(b"too late")
        assert caplog.records
        assert not p.server.data


async def test_write_after_write_eof(net: Net) -> None:
    async with pair(net) as p:
        p.near.write_eof()
        with pytest.raises(RuntimeError):
            p.near.write(b"too late")
        with pytest.raises(TypeError):
            p.near.write("too late")  # type: ignore[arg-type]


async def test_no_callback_from_inside_a_call(net: Net) -> None:
    """pause_writing excepted."""
    async with pair(net, Stubborn, Stubborn) as p:
        p.far.pause_reading()
        p.near.write(b"data")
        p.near.write_eof()
        await p.settle()
        before = list(p.server.calls)
        for call in (p.far.resume_reading, p.far.write_eof, p.far.close, p.far.abort):
            call()
            assert p.server.calls == before
        await p.server.lost


async def test_drain_fails_when_the_peer_resets(net: Net) -> None:
    """A writer that waits hears of it at once, with the reset itself."""
    async with stream_pair(net) as ((_, writer), (_, peer)):
        peer_transport: Any = peer.transport
        peer_transport.pause_reading()
        writer.write(bytes(20 << 20))
        draining = asyncio.get_running_loop().create_task(writer.drain())
        await turns(20)
        assert not draining.done()
        peer.transport.abort()
        with pytest.raises(ConnectionResetError):
            await draining
        with pytest.raises(ConnectionResetError):
            await writer.drain()
        with pytest.raises(ConnectionResetError):
            await writer.wait_closed()


async def test_drain_fails_when_the_peer_closed_and_nobody_reads(net: Net) -> None:
    """SHLD-3: writing to a peer that has closed."""
    async with stream_pair(net) as ((_, writer), (_, peer)):
        peer.close()

        async def write_on() -> None:
            while True:
                writer.write(bytes(10_000))
                await writer.drain()
                if net.is_virtual:
                    await asyncio.sleep(0.01)

        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            await write_on()
        with contextlib.suppress(ConnectionResetError):  # rudp's close() was cut short as well
            await peer.wait_closed()


async def test_drain_after_own_end(net: Net) -> None:
    async with stream_pair(net) as ((_, writer), _):
        writer.transport.abort()
        await writer.wait_closed()
        with pytest.raises(ConnectionResetError):
            await writer.drain()


async def test_sendfile(net: Net) -> None:
    """loop.sendfile falls back to reading and writing; uvloop has none for anybody."""
    loop = asyncio.get_running_loop()
    content = bytes(range(256)) * 4000
    async with pair(net) as p:
        if type(loop).__module__.startswith("uvloop"):
            with pytest.raises(NotImplementedError):
                await loop.sendfile(p.near, io.BytesIO(content))
            return
        sent = await loop.sendfile(p.near, io.BytesIO(content), 1000, 900_000)
        assert sent == 900_000
        assert await p.server.received(sent) == content[1000:901_000]
        assert p.near.get_protocol() is p.client
        p.near.write(b"!")
        await p.server.received(sent + 1)
        if isinstance(p.near, rudp.Transport):
            with pytest.raises(RuntimeError):
                await loop.sendfile(p.near, io.BytesIO(content), fallback=False)


async def test_sendfile_to_a_peer_that_resets(net: Net) -> None:
    loop = asyncio.get_running_loop()
    if type(loop).__module__.startswith("uvloop"):
        pytest.skip("uvloop has no sendfile for anybody")
    async with pair(net) as p:
        p.far.pause_reading()
        sending = loop.create_task(loop.sendfile(p.near, io.BytesIO(bytes(20 << 20))))
        await turns(50)
        p.far.abort()
        with pytest.raises(ConnectionError):
            await sending


async def test_protocol_that_takes_over_while_writing_is_paused(net: Net) -> None:
    """Each is told to pause and to resume in pairs, and neither waits for ever."""
    if net.is_tcp:
        pytest.skip("asyncio's TCP resumes the one that was never paused")
    async with pair(net) as p:
        p.far.pause_reading()
        size = 0
        while "pause" not in p.client.calls:
            p.near.write(bytes(1 << 20))
            size += 1 << 20
        p.near.set_protocol(p.client)
        await turns(2)
        assert p.client.calls == ["made", "pause"], "no other has taken over"
        second = Stubborn()
        p.near.set_protocol(second)
        assert p.client.calls == ["made", "pause"], "never from inside the call"
        await turns(2)
        assert p.client.calls == ["made", "pause", "resume"]
        assert second.calls == []
        p.near.write(b"x")
        assert second.calls == ["pause"], "the buffer is still full"
        p.far.resume_reading()
        await p.server.received(size + 1)
        await second.until(lambda: "resume" in second.calls)
        assert second.calls == ["pause", "resume"]
        assert p.client.calls == ["made", "pause", "resume"]
        p.near.set_protocol(p.client)


async def test_protocols_that_come_after_the_end_hear_nothing(net: Net) -> None:
    """Not even to resume, if the last one was paused when the connection ended."""
    async with pair(net) as p:
        p.far.pause_reading()
        while "pause" not in p.client.calls:
            p.near.write(bytes(1 << 20))
        p.near.abort()
        await p.client.lost
        late = [Recorder(), Recorder()]
        for protocol in late:
            await turns(2)
            p.near.set_protocol(protocol)
        await turns(2)
        assert [protocol.calls for protocol in late] == [[], []]


async def test_sendfile_while_writing_is_paused(net: Net) -> None:
    """asyncio's own protocol sees to both sides: what it replaces hears of it once."""
    loop = asyncio.get_running_loop()
    if type(loop).__module__.startswith("uvloop"):
        pytest.skip("uvloop has no sendfile for anybody")
    async with pair(net) as p:
        size = 0
        while "pause" not in p.client.calls:
            p.near.write(bytes(1 << 20))
            size += 1 << 20
        assert await loop.sendfile(p.near, io.BytesIO(bytes(100_000))) == 100_000
        await p.server.received(size + 100_000)
        assert p.client.calls[:3] == ["made", "pause", "resume"]
        assert p.client.calls.count("pause") == p.client.calls.count("resume")


async def test_a_transport_takes_attributes(net: Net) -> None:
    """As asyncio's do: that is how programs are tested, and how they keep notes."""
    async with pair(net) as p:
        near: Any = p.near
        near.note = "mine"
        with mock.patch.object(near, "write") as write:
            near.write(b"into the void")
        write.assert_called_once_with(b"into the void")
        near.write(b"sent")
        assert await p.server.received(4) == b"sent"
        assert near.note == "mine"


async def test_what_start_tls_and_sendfile_look_for(net: Net) -> None:
    if net.is_tcp:
        pytest.skip("these are asyncio's own")
    async with pair(net) as p:
        near: Any = p.near
        assert near._start_tls_compatible is True
        assert near._sendfile_compatible is asyncio.constants._SendfileMode.FALLBACK
        assert asyncio.transports._FlowControlMixin in type(near).__mro__
        assert near._protocol_paused is False
        assert near._loop is asyncio.get_running_loop()
        near._force_close(ConnectionAbortedError("as asyncio.sslproto does"))
        assert isinstance(await p.client.lost, ConnectionAbortedError)
        assert isinstance(await p.server.lost, ConnectionResetError)
