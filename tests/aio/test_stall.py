"""A loop that stood still reads what has come before its timers act: what they wait for is there.

The peer is a server with a loop of its own, in a thread that goes on while ours is held up.
"""

import asyncio
import errno
import random
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

import rudp
from rudp.aio.endpoint import DATAGRAM_TRUESIZE, Endpoint
from rudp.core.life.connection import Connection
from tests.aio.kit import HOST, Net, Streams
from tests.property.test_two_ports import Reader, Turns
from tests.udp.kit import GRANTED, PEER, RecordingSocket

CONNECTIONS = 60
MESSAGE = bytes(100)
STALL = 0.4
"""Seconds: longer than every time-out that these connections have on loopback."""


class Server:
    """Echoes in a thread, and counts."""

    def __init__(self) -> None:
        self.echoed = 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()))
        self._thread.start()
        self._ready.wait()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        async with await rudp.start_server(self._echo, HOST, 0, backlog=CONNECTIONS) as server:
            self.address = server.sockets[0].getsockname()
            self._ready.set()
            await self._ended.wait()
            server.close()
            server.abort_clients()

    async def _echo(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
            self.echoed += len(data)
        writer.close()

    def wait_for(self, octets: int) -> None:
        """Hold this thread up until the server has echoed *octets* in all, and a little more."""
        end = time.monotonic() + 20
        while self.echoed < octets and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(STALL)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.stop()


async def talkers(net: Net, server: Server) -> list[Streams]:
    """Return connections of one socket that know their round trip, and with it their time-outs."""
    streams = [await net.open_connection(*server.address) for _ in range(CONNECTIONS)]
    for reader, writer in streams:
        writer.write(MESSAGE)
        await reader.readexactly(len(MESSAGE))
    await asyncio.sleep(0.05)  # the last delayed acknowledgement has left
    return streams


async def talk(streams: list[Streams]) -> None:
    """Let all of them say something, and hold the loop up until the answers are there."""
    for _, writer in streams:
        writer.write(MESSAGE)
    for _ in range(2):
        await asyncio.sleep(0)


def abort(streams: list[Streams]) -> None:
    for _, writer in streams:
        writer.transport.abort()


async def test_nothing_is_sent_again_that_the_socket_holds_acknowledgements_for(
    real: Net, server: Server
) -> None:
    """RTO-10, TLP-1: the echoes of all connections arrive while the program computes."""
    streams = await talkers(real, server)
    await talk(streams)
    server.wait_for(2 * CONNECTIONS * len(MESSAGE))
    for reader, _ in streams:
        await reader.readexactly(len(MESSAGE))
    assert [w.get_extra_info("tcp_info").resent for _, w in streams] == [0] * CONNECTIONS
    abort(streams)


async def test_what_waits_in_the_socket_measures_no_round_trip(
    real: Net, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """UNDO-8: it says how long the loop stood still."""
    monkeypatch.setattr("rudp.aio.endpoint.STANDSTILL", STALL / 4)
    streams = await talkers(real, server)
    try:
        infos = [w.get_extra_info("tcp_info") for _, w in streams]
        before = [info.srtt for info in infos]
        await talk(streams)
        server.wait_for(2 * CONNECTIONS * len(MESSAGE))
        time.sleep(max(info.rto for info in infos))  # the alarm is late, however slow the machine
        for reader, _ in streams:
            await reader.readexactly(len(MESSAGE))
        after = [w.get_extra_info("tcp_info").srtt for _, w in streams]
        # A sample as long as the stop would add an eighth of it.
        assert max(b - a for a, b in zip(before, after, strict=True)) < STALL / 10
    finally:
        abort(streams)


async def test_an_open_that_was_answered_in_time_is_not_too_late(real: Net, server: Server) -> None:
    """ST-2: the answer to the SYN waits behind all else that came."""
    limited = real.with_config(connect_timeout=STALL / 2)
    streams = await talkers(limited, server)
    opening = asyncio.create_task(limited.open_connection(*server.address))
    await talk(streams)
    for _ in range(4):
        await asyncio.sleep(0)
    server.wait_for(2 * CONNECTIONS * len(MESSAGE))
    streams.append(await opening)
    abort(streams)


async def test_nobody_is_given_up_who_has_answered(real: Net, server: Server) -> None:
    """FAIL-2: the time without progress is over while the acknowledgement waits to be read."""
    streams = await talkers(real.with_config(user_timeout=STALL / 2), server)
    await talk(streams)
    server.wait_for(2 * CONNECTIONS * len(MESSAGE))
    for reader, _ in streams:
        await reader.readexactly(len(MESSAGE))
    abort(streams)


class FullSocket(RecordingSocket):
    """A port and its socket in one, with something to read whenever it is asked."""

    ecn_capable = False
    engine = None
    sockname = PEER

    def abandon(self) -> None:
        raise AssertionError("nobody forks here")

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.segments = 0
        self.socket = self

    def has_arrivals(self) -> bool:
        self.asked += 1
        return True

    def send(self, _: Any) -> bool:
        self.segments += 1
        return True

    def flush(self) -> bool:
        return True


def opening(loop: Turns, port: FullSocket, config: rudp.Config) -> Connection:
    """Return a connection that opens over *port*, whose SYN has left."""
    endpoint = Endpoint(
        loop,  # type: ignore[arg-type]
        rudp.Config(),
        secret=bytes(16),
        chance=random.Random(1),
        connected=None,
        real=False,
        on_empty=lambda _: None,
    )
    endpoint.attach(port)
    opened: list[Connection] = []

    def sink(connection: Connection) -> Reader:
        opened.append(connection)
        return Reader(endpoint, connection)

    endpoint.connect(PEER, 80, sink, config=config)
    loop.settle()
    assert port.segments == 1
    return opened[0]


def test_timers_act_at_last_when_the_socket_is_never_empty() -> None:
    """Once as much was read as it can hold, what has come before the deadline was read."""
    loop, port = Turns(), FullSocket()
    connection = opening(loop, port, rudp.Config(syn_retries=0))
    for _ in range(20):
        loop.advance(1.0)
        if connection.error is not None:
            break
    assert connection.error is not None
    assert connection.error.errno == errno.ETIMEDOUT
    assert 1 < port.asked <= GRANTED // DATAGRAM_TRUESIZE + 1


class SlowSocket(FullSocket):
    """A small one that takes time to be looked at: *turns* has the seconds of each, then none."""

    def __init__(self, loop: Turns, turns: list[float]) -> None:
        super().__init__()
        self._loop = loop
        self._turns = turns

    def getsockopt(self, level: int, name: int, size: int = 0) -> Any:
        if name == socket.SO_RCVBUF:
            return len(self._turns) * DATAGRAM_TRUESIZE
        return super().getsockopt(level, name, size)

    def has_arrivals(self) -> bool:
        if self.asked < len(self._turns):
            self._loop.now += self._turns[self.asked]
        return super().has_arrivals()


def test_ST_2_a_standstill_does_not_count_while_the_alarm_waits_for_the_reader() -> None:
    """The answer to the SYN may wait in the socket, behind what the alarm gave way to."""
    loop = Turns()
    port = SlowSocket(loop, [0.0, 0.0, 0.0, 60.0, 0.0, 0.0])
    connection = opening(loop, port, rudp.Config(connect_timeout=30.0))
    loop.advance(62.0)  # the SYN is due again after one
    assert port.segments == 2
    assert connection.error is None


def test_ST_2_a_reader_that_takes_long_is_no_standstill() -> None:
    """What is read meanwhile may be the answer, so the time counts."""
    loop = Turns()
    port = SlowSocket(loop, [0.5] * 80)
    connection = opening(loop, port, rudp.Config(connect_timeout=30.0))
    loop.advance(60.0)
    assert connection.error is not None
    assert connection.error.errno == errno.ETIMEDOUT
