"""Ending: in order, half by half, by force, by the peer, and what is told to whom."""

import asyncio
import gc
import socket
import struct
import weakref
from typing import Any

import pytest

import rudp
from tests.aio.kit import (
    HOST,
    Net,
    Recorder,
    Stubborn,
    address_of,
    cleared,
    pair,
    stream_pair,
    turns,
)

BIG = bytes(range(256)) * 8192
"""2 MiB: more than any buffer on the way."""


async def test_close_means_delivered(net: Net) -> None:
    """The peer gets all of it, then the end; both hear connection_lost(None), once, last."""
    async with pair(net) as p:
        p.near.write(BIG)
        p.near.close()
        assert p.near.is_closing()
        p.near.close()
        assert p.client.calls[-1] != "lost", "not from inside"
        assert await p.client.lost is None
        assert await p.server.lost is None
        assert p.server.data == BIG
        assert p.server.calls == ["made", "data", "eof", "lost"]
        assert p.client.calls[-1] == "lost"
        p.near.close()
        p.near.abort()
        await p.settle()
        assert p.client.calls.count("lost") == 1


async def test_wait_closed_comes_after_delivery(net: Net) -> None:
    """Decision 2: when it returns, the peer's side has everything."""
    if net.is_tcp:
        pytest.skip("the kernel delivers later")
    async with stream_pair(net) as ((_, writer), (reader, _)):
        writer.write(b"x" * 50_000)
        writer.close()
        await writer.wait_closed()
        assert await reader.read() == b"x" * 50_000


async def test_MUST_12_abort_is_told_apart_from_close(net: Net) -> None:
    """ST-6: buffered data is dropped; the peer learns that the stream was cut."""
    async with pair(net) as p:
        p.near.write(BIG)
        p.near.abort()
        assert p.near.is_closing()
        assert p.client.calls[-1] != "lost", "not from inside"
        assert await p.client.lost is None
        error = await p.server.lost
        if not net.is_tcp:
            assert isinstance(error, ConnectionResetError)
            assert "eof" not in p.server.calls
            assert len(p.server.data) < len(BIG)
        p.near.abort()
        p.near.close()


async def test_abort_reaches_the_reader(net: Net) -> None:
    if net.is_tcp:
        pytest.skip("the kernel sends FIN")
    async with stream_pair(net) as ((_, writer), (reader, peer)):
        writer.write(b"half a mess")
        await writer.drain()
        assert await reader.readexactly(11)
        reading = asyncio.get_running_loop().create_task(reader.read())
        rudp.reset(writer.transport)
        with pytest.raises(ConnectionResetError):
            await reading
        with pytest.raises(ConnectionResetError):
            await peer.drain()


async def test_close_with_unread_data_resets(net: Net) -> None:
    """SHLD-3, TRAP-7: the peer learns that what it sent was not read."""
    async with pair(net) as p:
        p.far.pause_reading()
        p.near.write(b"never read")
        await p.settle()
        p.far.close()
        assert await p.server.lost is None
        assert isinstance(await p.client.lost, ConnectionResetError)


@pytest.mark.parametrize("high", [None, 0, 16_384, 1 << 22])
async def test_close_with_unread_data_and_own_data(net: Net, high: int | None) -> None:
    """All that was written arrives before the reset, whatever the watermarks."""
    if net.is_tcp:
        pytest.skip("the kernel drops what it has")
    async with pair(net) as p:
        p.far.pause_reading()
        p.far.set_write_buffer_limits(high)
        p.near.write(b"never read")
        await p.settle()
        p.far.write(BIG)
        p.far.close()
        assert await p.server.lost is None
        assert isinstance(await p.client.lost, ConnectionResetError)
        assert p.client.data == BIG
        await rudp.delivered(p.far)


async def test_answer_before_the_reset(net: Net) -> None:
    """A request that is not read to its end gets its answer all the same."""
    async with pair(net) as p:
        p.far.pause_reading()
        p.near.write(b"never read")
        await p.settle()
        p.far.write(b"413 Content Too Large")
        p.far.close()
        await p.server.lost
        assert isinstance(await p.client.lost, ConnectionResetError)
        assert p.client.data == b"413 Content Too Large"


async def test_wait_closed_with_unread_data(net: Net) -> None:
    async with stream_pair(net, limit=16) as ((_, writer), (reader, peer)):
        writer.write(bytes(100_000))
        await reader.readexactly(1)
        peer.close()
        await peer.wait_closed()


@pytest.mark.parametrize("who", ["near", "far"])
async def test_half_close(net: Net, who: str) -> None:
    """MUST-12, TRAP-3: in either direction; the other half works for as long as wanted."""
    async with pair(net, Stubborn, Stubborn) as p:
        one, other = (p.client, p.server) if who == "near" else (p.server, p.client)
        assert one.transport.can_write_eof()
        one.transport.write(b"question")
        one.transport.write_eof()
        one.transport.write_eof()
        await other.eof
        assert other.data == b"question"
        assert not other.transport.is_closing()
        for number in range(5):
            other.transport.write(BIG[:50_000])
            await one.received(50_000 * (number + 1))
        assert one.calls == ["made", "data"]
        other.transport.write_eof()
        await one.eof
        await p.settle()
        assert "lost" not in one.calls + other.calls
        assert not one.transport.is_closing()
        assert not other.transport.is_closing()
        one.transport.close()
        other.transport.close()
        assert await one.lost is None
        assert await other.lost is None


async def test_both_halves_closed_while_one_is_paused(net: Net) -> None:
    """Nothing that came while paused is lost, even when nothing more can come or go."""
    async with pair(net, Stubborn, Stubborn) as p:
        p.far.pause_reading()
        p.near.write(b"last words")
        p.near.write_eof()
        await p.settle()
        p.far.write_eof()
        await p.client.eof
        await p.settle()
        assert p.server.calls == ["made"]
        p.far.resume_reading()
        await p.server.eof
        assert p.server.data == b"last words"
        p.far.close()
        assert await p.server.lost is None


async def test_reset_after_half_close(net: Net) -> None:
    """ST-23 in FIN-WAIT-2: an answer that is cut short is not a whole one."""
    if net.is_tcp:
        pytest.skip("the kernel's abort is a FIN")
    async with pair(net, Stubborn, Stubborn) as p:
        p.near.write_eof()
        await p.server.eof
        p.far.write(b"half an ans")
        await p.client.received(11)
        rudp.reset(p.far)
        assert isinstance(await p.client.lost, ConnectionResetError)
        assert "eof" not in p.client.calls


async def test_eof_received_false_closes(net: Net) -> None:
    async with pair(net, Stubborn, Recorder) as p:
        p.near.write_eof()
        assert await p.server.lost is None
        await p.client.eof
        p.near.close()
        assert await p.client.lost is None


async def test_eof_received_true_keeps_open(net: Net) -> None:
    async with pair(net, Recorder, Stubborn) as p:
        p.near.write_eof()
        await p.server.eof
        assert not p.far.is_closing()
        p.far.write(b"answer")
        assert await p.client.received(6) == b"answer"


async def test_both_close_at_once(net: Net) -> None:
    """TRAP-3: FINs that cross."""
    async with pair(net) as p:
        p.near.write(b"a")
        p.far.write(b"b")
        await p.client.received(1)
        await p.server.received(1)
        p.near.close()
        p.far.close()
        assert await p.client.lost is None
        assert await p.server.lost is None


async def test_close_after_the_peer_has_closed(net: Net) -> None:
    async with pair(net, Recorder, Stubborn) as p:
        p.near.write(b"bye")
        p.near.close()
        await p.server.eof
        p.far.close()
        assert await p.server.lost is None
        assert await p.client.lost is None


async def test_SO_LINGER_zero_makes_close_a_reset(net: Net) -> None:
    async with pair(net) as p:
        sock = p.near.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        p.near.close()
        assert await p.client.lost is None
        assert isinstance(await p.server.lost, ConnectionResetError)


async def test_every_callback_once_and_lost_last(net: Net) -> None:
    for how in ("close", "abort"):
        async with pair(net) as p:
            p.near.write(b"x")
            p.far.write(b"y")
            await p.client.received(1)
            await p.server.received(1)
            getattr(p.near, how)()
            getattr(p.far, how)()
            await p.client.lost
            await p.server.lost
            await p.settle()
            for end in (p.client, p.server):
                assert end.calls.count("made") == end.calls.count("lost") == 1
                assert end.calls[-1] == "lost"


async def test_an_exception_in_connection_lost_is_its_own_affair(
    net: Net, reports: list[dict[str, Any]]
) -> None:
    """Others that have closed in the same turn hear of it all the same, and in time."""

    class Failing(Recorder):
        def connection_lost(self, exc: BaseException | None) -> None:
            super().connection_lost(exc)
            raise ValueError("not in the mood")

    async with pair(net, Failing) as p:
        ends = [p.client]
        for _ in range(2):
            _, other = await net.create_connection(Failing, *p.address[:2])
            ends.append(other)
        for end in ends:
            end.transport.close()
        assert not any(end.lost.done() for end in ends)
        await turns(3)
        assert [end.lost.result() for end in ends] == [None] * 3
        assert await p.server.lost is None
    assert [str(report["exception"]) for report in reports] == ["not in the mood"] * 3
    reports.clear()


async def test_weak_references_die_by_themselves(net: Net) -> None:
    """After connection_lost nothing holds transport or protocol: no cycle, timer or table."""
    loop = asyncio.get_running_loop()
    gone: list[weakref.ref[Any]] = []

    class Light(asyncio.Protocol):
        def __init__(self) -> None:
            self.lost = loop.create_future()
            gone.append(weakref.ref(self))

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport: Any = transport
            gone.append(weakref.ref(transport))

        def connection_lost(self, exc: BaseException | None) -> None:
            self.transport = None
            self.lost.set_result(None)

    async def once(how: str) -> None:
        accepted = loop.create_future()

        def factory() -> Light:
            protocol = Light()
            accepted.set_result(protocol)
            return protocol

        server = await net.create_server(factory)
        async with cleared(server):
            transport, protocol = await net.create_connection(Light, *address_of(server))
            peer = await accepted
            accepted = loop.create_future()
            transport.write(BIG)
            getattr(transport, how)()
            await protocol.lost
            await peer.lost

    gc.collect()
    gc.disable()
    try:
        for how in ("close", "abort"):
            await once(how)
            for _ in range(5):
                await asyncio.sleep(0)
        alive = [ref() for ref in gone if ref() is not None]
    finally:
        gc.enable()
    assert len(gone) == 8
    if not net.is_tcp:  # asyncio's transports wait for the collector in debug mode
        assert not alive


async def test_dropped_without_close(net: Net) -> None:
    """One ResourceWarning, the StreamWriter's; nothing of rudp keeps it or adds its own."""
    async with pair(net) as p:
        reader, writer = await net.open_connection(*p.address[:2])
        transport = writer.transport
        lost = weakref.ref(reader)
        streams = [reader, writer]
        del reader, writer
        with pytest.warns(ResourceWarning) as caught:
            streams.clear()
        gc.collect()
        assert [str(w.message)[:22] for w in caught] == ["unclosed <StreamWriter"]
        assert transport.is_closing(), "the writer closed it"
        assert lost() is None
        await p.settle()


@pytest.mark.virtual
class TestVirtual:
    """Endings whose time matters."""

    async def test_TW_8_wait_closed_does_not_wait_for_TIME_WAIT(self) -> None:
        """MUST-13: the record stays for 240 s and keeps nobody waiting; then the socket goes."""
        loop = asyncio.get_running_loop()
        net = Net("virtual", rudp.Config())
        async with pair(net) as p:
            endpoint = p.near.get_extra_info("endpoint")
            p.near.close()
            await p.client.lost
            await p.server.lost
            began = loop.time()
            await asyncio.sleep(1)
            assert endpoint.stats()["connections"] == 0
            assert endpoint.stats()["time_wait_records"] == 1
            await asyncio.sleep(238)
            assert not endpoint.closed
            await asyncio.sleep(2)
            assert endpoint.closed
            assert loop.time() - began == pytest.approx(241)

    async def test_FAIL_5_close_on_a_dead_path_ends_with_the_user_timeout(self) -> None:
        """MUST-20, MUST-21, FAIL-2: R2 is the connection's own; the error says why."""
        loop: Any = asyncio.get_running_loop()
        net = Net("virtual", rudp.Config(user_timeout=20.0))
        async with pair(net) as p:
            loop.network.link(HOST, HOST, drop=lambda data, now: True)
            began = loop.time()
            p.near.write(b"nobody hears this")
            p.near.close()
            error = await p.client.lost
            assert error is None
            assert loop.time() == began, "all has left"
            with pytest.raises(TimeoutError):
                await rudp.delivered(p.near)
            assert loop.time() - began == pytest.approx(20, abs=0.1)
            loop.network.link(HOST, HOST, drop=None)

    async def test_ST_46_peer_that_never_closes(self) -> None:
        """After close() an idle FIN-WAIT-2 is bounded; the transport has gone long before."""
        net = Net("virtual", rudp.Config(fin_wait2_timeout=30.0))
        async with pair(net, Recorder, Stubborn) as p:
            endpoint = p.near.get_extra_info("endpoint")
            p.near.close()
            assert await p.client.lost is None
            await p.server.eof
            assert endpoint.stats()["connections"] == 1
            await asyncio.sleep(31)
            assert endpoint.stats()["connections"] == 0
