"""Cancelling any await leaks nothing here and ends the matter at the other end."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

import rudp
from rudp.sim.loop import VirtualLoop
from tests.aio.kit import (
    HOST,
    Net,
    Recorder,
    Streams,
    address_of,
    cancelled,
    cleared,
    close,
    echo,
    spawn,
    stream_pair,
    turns,
)

STEPS = range(12)
"""Turns of the loop after which an open is cancelled: before, amid and after all it does."""


class Waiting:
    """A server whose handlers wait for the client's end; ``ended`` is how they saw it."""

    def __init__(self) -> None:
        self.ended: list[bytes | OSError] = []
        self.open = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            self.ended.append(await reader.read())
        except OSError as error:
            self.ended.append(error)
        finally:
            self.open -= 1
            writer.close()


@pytest.mark.parametrize("delay", [None, 0.01], ids=["plain", "eyeballs"])
@pytest.mark.parametrize("step", STEPS)
async def test_open_cancelled_at_any_turn(net: Net, step: int, delay: float | None) -> None:
    """The server's side ends, also if it had accepted: wait_closed() returns."""
    if net.is_tcp:
        pytest.skip("asyncio's race forgets a connection that was just made")
    waiting = Waiting()
    server = await net.start_server(waiting)
    async with cleared(server):
        opening = spawn(net.open_connection(*address_of(server), happy_eyeballs_delay=delay))
        await turns(step)
        opening.cancel()
        done, _ = await asyncio.wait([opening])
        if not opening.cancelled():  # it was done before
            await close(opening.result()[1])
        del opening, done
        if net.is_virtual:
            await asyncio.sleep(1.0)
    await turns(2)  # a handler hears of the end after the transport
    assert waiting.open == 0


@pytest.mark.virtual
@pytest.mark.parametrize("after", [0.0, 0.005, 0.01, 0.015, 0.02, 0.025])
async def test_open_cancelled_at_any_time(after: float) -> None:
    """On its way there, at the server, on its way back; nobody waits for ever."""
    net = Net("virtual", rudp.Config())
    waiting = Waiting()
    server = await net.start_server(waiting)
    async with cleared(server):
        opening = spawn(net.open_connection(*address_of(server)))
        await asyncio.sleep(after)
        opening.cancel()
        await asyncio.wait([opening])
        if not opening.cancelled():
            await close(opening.result()[1])
        await asyncio.sleep(1.0)
        assert waiting.open == 0


async def test_open_in_a_timeout(net: Net) -> None:
    """asyncio.timeout and wait_for around it, as short as can be."""
    waiting = Waiting()
    server = await net.start_server(waiting)
    async with cleared(server):
        for number in range(20):
            try:
                async with asyncio.timeout(0.0002 * number):
                    _, writer = await net.open_connection(*address_of(server))
            except TimeoutError:
                continue
            await close(writer)
        for number in range(20):
            try:
                _, writer = await asyncio.wait_for(
                    net.open_connection(*address_of(server)), 0.0002 * number + 1e-9
                )
            except TimeoutError:
                continue
            await close(writer)
        if net.is_virtual:
            await asyncio.sleep(1.0)


@pytest.mark.parametrize("step", range(6))
async def test_create_server_cancelled_at_any_turn(net: Net, step: int) -> None:
    """The address is free again."""
    if net.is_tcp:
        pytest.skip("asyncio's may stay, listening for nobody")
    if net.is_virtual:
        port = 7000
    else:
        with net.bound_socket() as sock:
            port = sock.getsockname()[1]
    making = spawn(net.start_server(echo, [HOST, "127.0.0.2"], port))
    await turns(step)
    making.cancel()
    await asyncio.wait([making])
    if not making.cancelled():
        making.result().close()
        await making.result().wait_closed()
    await turns(5)
    server = await net.start_server(echo, [HOST, "127.0.0.2"], port)
    async with cleared(server):
        assert len(server.sockets) == 2


Awaiting = Callable[[Streams], Any]


async def _read(streams: Streams) -> None:
    await streams[0].read(1)


def _much() -> int:
    """Return how many octets are more than the buffers take: a kernel's, where there is one."""
    return 2 << 20 if isinstance(asyncio.get_running_loop(), VirtualLoop) else 50 << 20


async def _drain(streams: Streams) -> None:
    streams[1].write(bytes(_much()))
    await streams[1].drain()


@pytest.mark.parametrize("what", [_read, _drain])
async def test_streams_go_on_after_a_cancelled_wait(net: Net, what: Awaiting) -> None:
    """The connection is unharmed: what is sent later arrives, and it closes in order."""
    async with stream_pair(net) as (near, far):
        waiting = spawn(what(near))
        await turns(5)
        assert not waiting.done()
        await cancelled(waiting)
        far[1].write(b"unharmed")
        assert await near[0].readexactly(8) == b"unharmed"
        near[1].write_eof()
        data = await far[0].read()
        assert len(data) == (_much() if what is _drain else 0)
        far[1].close()
        assert await near[0].read() == b""
        near[1].close()
        await near[1].wait_closed()
        await far[1].wait_closed()


async def test_close_after_a_cancelled_drain(net: Net) -> None:
    """What was written before is sent before the end all the same."""
    if net.is_tcp:
        pytest.skip("asyncio's TCP stumbles over the abort that follows")
    async with stream_pair(net) as (near, far):
        waiting = spawn(_drain(near))
        await turns(5)
        await cancelled(waiting)
        near[1].close()
        assert len(await far[0].read()) == _much()
        await near[1].wait_closed()


async def test_cancelled_wait_closed(net: Net) -> None:
    """Closing goes on."""
    if net.is_tcp:
        pytest.skip("the kernel needs no waiting for")
    size = asyncio.get_running_loop().create_future()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size.set_result(len(await reader.read()))
        await close(writer)

    server = await net.start_server(handler)
    async with cleared(server):
        _, writer = await net.open_connection(*address_of(server))
        writer.write(bytes(1 << 20))
        writer.close()
        waiting = spawn(writer.wait_closed())
        await asyncio.sleep(0)
        await cancelled(waiting)
        assert await size == 1 << 20


async def test_wait_closed_of_a_server_cancelled(net: Net) -> None:
    if net.is_tcp:
        pytest.skip("asyncio's waits from 3.12 on")
    async with stream_pair(net):
        server = await net.start_server(echo)
        waiting = spawn(server.wait_closed())
        await turns(3)
        await cancelled(waiting)
        server.close()
        await server.wait_closed()


async def test_cancelled_handler_ends_its_connection(
    net: Net, reports: list[dict[str, Any]]
) -> None:
    """A handler that is cancelled lets go of its connection by its finally."""
    started = asyncio.get_running_loop().create_future()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        started.set_result(asyncio.current_task())
        try:
            await reader.read()
        finally:
            writer.close()

    server = await net.start_server(handler)
    async with cleared(server):
        reader, writer = await net.open_connection(*address_of(server))
        await cancelled(await started)
        assert await reader.read() == b""
        await close(writer)
    reports.clear()  # asyncio 3.11 stumbles over the cancelled task


async def test_open_cancelled_while_another_waits(net: Net) -> None:
    """Clients of one address share a socket; one that gives up does not disturb the others."""
    if net.is_tcp:
        pytest.skip("nothing is shared")
    waiting = Waiting()
    server = await net.start_server(waiting)
    async with cleared(server):
        opens = [spawn(net.open_connection(*address_of(server))) for _ in range(6)]
        await asyncio.sleep(0)
        for opening in opens[::2]:
            opening.cancel()
        await asyncio.wait(opens)
        for opening in opens[1::2]:
            await close(opening.result()[1])
        if net.is_virtual:
            await asyncio.sleep(1.0)


async def test_dropped_future_of_a_protocol(net: Net) -> None:
    """The task that opened may be gone before the connection is: the protocol serves it alone."""
    server = await net.create_server(Recorder)
    async with cleared(server):
        opened: list[Recorder] = []

        async def open_and_leave() -> None:
            _, protocol = await net.create_connection(Recorder, *address_of(server))
            opened.append(protocol)

        await spawn(open_and_leave())
        opened[0].transport.close()
        assert await opened[0].lost is None
