"""Peers that are killed, frozen, silent, or never read; what happens to them stays theirs.

The peer is a process of its own where it has to be.  Its clients also talk to another server, and
that connection goes on throughout.
"""

import asyncio
import contextlib
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import rudp
from tests.aio.kit import close, echo, feed, spawn
from tests.faults.kit import HOST, Streams, Way, ask, closing

ROOT = Path(__file__).resolve().parents[2]
GONE = 20.0
"""Seconds in which something is noticed that is noticed at once, on a machine that is very busy."""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs signals")


class Peer:
    """A process that echoes, see :mod:`tests.faults.peer`; ``address`` is where."""

    address: tuple[str, int]

    def __init__(self, way: Way) -> None:
        self._io = way.io
        self.address = (HOST, 0)

    async def start(self) -> None:
        """Run it, on the port that it had before if it has run."""
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.faults.peer", HOST, str(self.address[1]), self._io),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=ROOT,
        )
        assert self.process.stdout is not None
        self.address = (HOST, int(await self.process.stdout.readline()))

    async def kill(self) -> None:
        """End it as if the power had failed: nothing is said to anybody."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        await self.process.communicate()

    def freeze(self) -> None:
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)


@contextlib.asynccontextmanager
async def victim_and_neighbour(
    way: Way, **settings: Any
) -> AsyncIterator[tuple[Peer, Streams, Streams]]:
    """Connect to a process with *settings*, and to a server here; both have answered once."""
    peer = Peer(way)
    await peer.start()
    try:
        async with closing(await way.start_server(echo)) as server:
            victim = await way.open_connection(peer.address, **settings)
            neighbour = await way.open_connection(server)
            try:
                await ask(victim)
                await ask(neighbour)
                yield peer, victim, neighbour
                await ask(neighbour)
                await close(neighbour[1])
            finally:
                for _, writer in (victim, neighbour):
                    writer.transport.abort()
    finally:
        await peer.kill()


def test_TRAP_7_a_peer_that_is_killed_and_started_again(real: Way) -> None:
    """MUST-12, ST-9: it has forgotten us and says so at the first segment, long before an RTO ends.

    While it is away we hear that its port is closed, and go on (SHLD-26).
    """

    async def main() -> None:
        async with victim_and_neighbour(real) as (peer, (reader, writer), neighbour):
            await peer.kill()
            writer.write(b"anybody there?")
            await ask(neighbour)
            assert not writer.is_closing()
            await peer.start()
            async with asyncio.timeout(GONE):
                with pytest.raises(ConnectionResetError):
                    await reader.read()
                with pytest.raises(ConnectionResetError):
                    await writer.drain()
            again = await real.open_connection(peer.address)
            await ask(again)
            await close(again[1])

    real.run(main())


def test_TRAP_7_one_round_trip(virtual: Way) -> None:
    """The same on virtual time, where a round trip can be told from two."""

    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        server = await virtual.start_server(echo)
        port = server.sockets[0].getsockname()[1]
        (endpoint,) = server.endpoints
        reader, writer = await virtual.open_connection(server)
        await ask((reader, writer))
        await asyncio.sleep(1)
        drop = {"drop": lambda data, now: True}
        loop.network.link(HOST, HOST, **drop)
        server.close()
        server.abort_clients()
        endpoint.close()
        await asyncio.sleep(1)
        loop.network.link(HOST, HOST, drop=None)
        config = virtual.config()
        async with closing(await rudp.start_server(echo, HOST, port, config=config)):
            began = loop.time()
            writer.write(b"anybody there?")
            with pytest.raises(ConnectionResetError):
                await reader.read()
            assert loop.time() - began == pytest.approx(2 * 0.01, abs=0.001)

    virtual.run(main())


def test_ST_44_a_frozen_peer_and_keepalive(real: Way) -> None:
    """KA-1 to KA-4: it takes datagrams and answers none.  When it wakes it is told."""

    async def main() -> None:
        keepalive = {"keepalive_idle": 0.1, "keepalive_interval": 0.1, "keepalive_count": 3}
        async with victim_and_neighbour(real, keepalive=True, **keepalive) as (peer, victim, other):
            peer.freeze()
            async with asyncio.timeout(GONE):
                with pytest.raises(TimeoutError) as raised:
                    await victim[0].read()
            assert raised.value.errno is not None, "the connection's, not the test's"
            await ask(other)
            peer.thaw()
            again = await real.open_connection(peer.address)
            await ask(again)
            await close(again[1])

    real.run(main())


def test_MUST_20_a_frozen_peer_and_the_user_timeout(real: Way) -> None:
    async def main() -> None:
        async with victim_and_neighbour(real, user_timeout=0.5) as (peer, (reader, writer), other):
            peer.freeze()
            writer.write(b"anybody there?")
            async with asyncio.timeout(GONE):
                with pytest.raises(TimeoutError) as raised:
                    await reader.read()
            assert raised.value.errno is not None, "the connection's, not the test's"
            await ask(other)

    real.run(main())


def test_a_frozen_peer_that_wakes_up_in_time(real: Way) -> None:
    """Nothing is lost but time."""

    async def main() -> None:
        async with victim_and_neighbour(real) as (peer, (reader, writer), other):
            data = random.Random(3).randbytes(200_000)
            peer.freeze()
            sending = spawn(feed(writer, data))
            for _ in range(10):
                await ask(other)
            peer.thaw()
            async with asyncio.timeout(GONE):
                assert await reader.readexactly(len(data)) == data
            await sending

    real.run(main())


def test_TRAP_4_handlers_that_never_read(virtual: Way) -> None:
    """BUF-1, FAIL-6: their clients wait, for hours if it has to be; the others do not notice."""

    async def main() -> None:
        stuck = 5
        never = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if await reader.readexactly(1) == b"n":
                await never.wait()
                writer.transport.abort()
            else:
                await echo(reader, writer)

        async with closing(await virtual.start_server(serve)) as server:
            writers = []
            sending = []
            for _ in range(stuck):
                _, writer = await virtual.open_connection(server)
                writers.append(writer)
                sending.append(spawn(feed(writer, b"n" + bytes(8_000_000))))
            await asyncio.sleep(60)
            held = sum(writer.get_extra_info("tcp_info").unacked for writer in writers)
            for _ in range(3):
                await asyncio.sleep(3600)
                reader, writer = await virtual.open_connection(server)
                writer.write(b"e")
                began = asyncio.get_running_loop().time()
                for _ in range(10):
                    await ask((reader, writer))
                assert asyncio.get_running_loop().time() - began < 1
                await close(writer)
            assert not any(task.done() for task in sending)
            assert sum(writer.get_extra_info("tcp_info").unacked for writer in writers) == held
            never.set()
            for task in sending:
                with pytest.raises(ConnectionResetError):
                    await task

    virtual.run(main())


def test_receive_buffers_that_overflow(real: Way) -> None:
    """BUF-7: the smallest that the system grants; what does not fit is lost, and sent again."""

    async def main() -> None:
        import socket

        sock = socket.socket(type=socket.SOCK_DGRAM)
        sock.bind((HOST, 0))
        server = await rudp.start_server(echo, sock=sock, config=real.config())
        async with closing(server):
            (endpoint,) = server.endpoints
            endpoint.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            neighbour = await real.open_connection(server)
            streams = [await real.open_connection(server) for _ in range(4)]
            data = random.Random(4).randbytes(100_000)
            sending = [spawn(feed(writer, data)) for _, writer in streams]
            for reader, writer in streams:
                assert await reader.readexactly(len(data)) == data
                await close(writer)
            await asyncio.gather(*sending)
            await ask(neighbour)
            await close(neighbour[1])

    real.run(main())


def test_clients_that_open_and_say_nothing(virtual: Way) -> None:
    """With ``idle_timeout`` they are reset; who says something now and then is not."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = await virtual.start_server(echo, idle_timeout=60.0)
        (endpoint,) = server.endpoints
        async with closing(server):
            talker = await virtual.open_connection(server)
            silent = [await virtual.open_connection(server) for _ in range(50)]
            began = loop.time()
            for _ in range(10):
                await ask(talker)
                await asyncio.sleep(20)
            assert endpoint.stats()["connections"] == 1
            assert loop.time() - began == pytest.approx(200, abs=5)
            for reader, _ in silent:
                with pytest.raises(ConnectionResetError):
                    await reader.read()
            await ask(talker)
            await close(talker[1])

    virtual.run(main())
