"""Sockets that refuse to send: for a while, for good, one connection's datagrams or all of them.

UDP-19, MUST-47: what the system does not take is lost, as any datagram may be, and is repaired as
any loss is.  The application hears what the system said; an open that cannot send fails with it.
"""

import asyncio
import errno
import random
from socket import IPPROTO_TCP
from typing import Any

import pytest

import rudp
from rudp.aio.sockets import TCP_USER_TIMEOUT
from rudp.core.segment.wire import RST
from tests.aio.kit import Recorder, close, echo, feed
from tests.faults.kit import NO_ROUTE, Faults, Way, closing, to_port

DATA = random.Random(5).randbytes(200_000)

SOME = (
    errno.EAGAIN,
    errno.ENOBUFS,
    errno.ENOMEM,
    errno.EMSGSIZE,
    errno.ECONNREFUSED,
    errno.EINVAL,
    *NO_ROUTE,
)


async def fetch(way: Way, server: rudp.Server) -> bytes:
    reader, writer = await way.open_connection(server)
    writer.write(b"go")
    data = await reader.read()
    await close(writer)
    return data


async def give(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readexactly(2)
    await feed(writer, DATA)
    await close(writer)


CASES = [
    (way, code)
    for way in ("linux", "selector", "portable", "virtual")
    for code in SOME
    # On virtual time it is the portable way too, and each of these would cost a second or more.
    if way != "portable" or code in (errno.EAGAIN, errno.EPERM)
]


def ids(value: Any) -> str:
    return errno.errorcode[value] if isinstance(value, int) else str(value)


@pytest.mark.parametrize(("way", "code"), CASES, ids=ids, indirect=["way"])
def test_UDP_19_a_while_of_refusals_for_one_connection(way: Way, code: int) -> None:
    """All get all their octets; and whose datagrams were not refused has sent nothing twice."""

    async def main() -> None:
        victim: list[int] = []
        resent: dict[int, int] = {}
        left = 3

        def rule(datagram: bytes) -> int:
            nonlocal left
            if len(datagram) < 200 or not left:
                return 0  # a handshake that is refused has a test of its own
            if not victim:
                victim.append(to_port(datagram))
            if to_port(datagram) != victim[0]:
                return 0
            left -= 1
            return code

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await give(reader, writer)
            info = writer.get_extra_info("tcp_info")
            resent[writer.get_extra_info("peername")[1]] = info.resent

        faults = Faults(rule)
        async with closing(await way.start_server(serve, faults)) as server:
            found = await asyncio.gather(*(fetch(way, server) for _ in range(4)))
        assert all(data == DATA for data in found)
        assert faults.refused == 3
        assert len(resent) == 4
        del resent[victim[0]]
        # A real loop may be late, and a tail-loss probe then goes out for nothing.
        assert not way.is_virtual or not any(resent.values())

    way.run(main())


class Listening(Recorder):
    """Hears of trouble, too."""

    def __init__(self) -> None:
        super().__init__()
        self.trouble: list[OSError] = []

    def error_received(self, error: OSError) -> None:
        self.trouble.append(error)


@pytest.mark.parametrize("code", NO_ROUTE, ids=ids)
def test_MUST_47_the_application_hears_what_the_system_said(way: Way, code: int) -> None:
    """And its connection lives: the octets arrive as soon as they may."""

    async def main() -> None:
        faults = Faults()
        async with closing(await way.start_server(echo)) as server:
            address = server.sockets[0].getsockname()
            reader, writer = await way.open_connection(address, faults)
            writer.write(b"one")
            assert await reader.readexactly(3) == b"one"
            client = Listening()
            client.made.set_result(None)
            protocol, transport = writer.transport.get_protocol(), writer.transport
            transport.set_protocol(client)
            # But on Linux each way tries twice: what is said once may be a router's word.
            faults.rule = lambda datagram: 0 if client.trouble else code
            transport.write(b"two")
            assert await client.received(3) == b"two"
            assert [error.errno for error in client.trouble] == [code]
            assert transport.get_extra_info("tcp_info").soft_error.errno == code
            transport.set_protocol(protocol)
            await close(writer)

    way.run(main())


@pytest.mark.parametrize("code", [code for code in NO_ROUTE if code != errno.EPERM], ids=ids)
def test_an_open_that_cannot_send_fails_at_once(way: Way, code: int) -> None:
    """As connect() of a TCP socket does; others that are open do not notice."""

    async def main() -> None:
        async with closing(await way.start_server(echo)) as server:
            reader, writer = await way.open_connection(server)
            loop = asyncio.get_running_loop()
            began = loop.time()
            with pytest.raises(OSError) as raised:
                await way.open_connection(server, Faults(lambda datagram: code))
            assert raised.value.errno == code
            assert not way.is_virtual or loop.time() == began
            writer.write(b"unharmed")
            assert await reader.readexactly(8) == b"unharmed"
            await close(writer)

    way.run(main())


@pytest.mark.parametrize("code", [errno.EAGAIN, errno.ENOBUFS, errno.EPERM], ids=ids)
def test_an_open_while_the_system_has_no_room_succeeds(way: Way, code: int) -> None:
    async def main() -> None:
        async with closing(await way.start_server(echo)) as server:
            faults = Faults(lambda datagram: 0 if faults.refused else code)
            reader, writer = await way.open_connection(server, faults)
            writer.write(b"here")
            assert await reader.readexactly(4) == b"here"
            assert faults.refused == 1
            await close(writer)

    way.run(main())


def test_MUST_47_an_open_that_a_firewall_of_ours_drops_says_so(way: Way) -> None:
    """It goes on as in Linux, for the rule may go; its time-out has EPERM as its cause."""

    async def main() -> None:
        async with closing(await way.start_server(echo)) as server:
            faults = Faults(lambda datagram: errno.EPERM)
            with pytest.raises(TimeoutError) as raised:
                await way.open_connection(server, faults, connect_timeout=0.5)
            assert isinstance(raised.value.__cause__, PermissionError)

    way.run(main())


@pytest.mark.parametrize("code", [errno.ENOBUFS, errno.EMSGSIZE, errno.EINVAL, *NO_ROUTE], ids=ids)
def test_MUST_20_refused_for_good(way: Way, code: int) -> None:
    """It ends with the user timeout and does not spin; a neighbour on the same socket goes on."""
    timeout = 120_000 if way.is_virtual else 300  # milliseconds

    async def main() -> None:
        victim: list[int] = []

        def rule(datagram: bytes) -> int:
            return code if victim and to_port(datagram) == victim[0] else 0

        ended: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if await reader.readline() == b"echo\n":
                await echo(reader, writer)
                return
            writer.get_extra_info("socket").setsockopt(IPPROTO_TCP, TCP_USER_TIMEOUT, timeout)
            victim.append(writer.get_extra_info("peername")[1])
            try:
                await feed(writer, DATA)
                await close(writer)
            except OSError as error:
                ended.set_result(error)

        faults = Faults(rule)
        async with closing(await way.start_server(serve, faults)) as server:
            reader, writer = await way.open_connection(server)
            writer.write(b"echo\n")
            _, other = await way.open_connection(server)
            other.write(b"feed\n")
            for number in range(5):
                writer.write(b"unharmed")
                assert await reader.readexactly(8) == b"unharmed", number
                await asyncio.sleep(timeout / 5000)
            assert isinstance(await ended, TimeoutError)
            assert 0 < faults.refused < 250
            await close(writer)
            other.transport.abort()

    way.run(main())


def test_MUST_20_a_socket_that_stays_full(virtual: Way) -> None:
    """Nothing leaves it any more, so both its connections end with the user timeout."""

    async def main() -> None:
        faults = Faults()
        async with closing(await virtual.start_server(echo)) as server:
            reader, writer = await virtual.open_connection(server, faults, user_timeout=30.0)
            writer.write(b"one")
            assert await reader.readexactly(3) == b"one"
            loop = asyncio.get_running_loop()
            began = loop.time()
            faults.rule = lambda datagram: errno.EAGAIN
            writer.write(bytes(100_000))
            with pytest.raises(TimeoutError):
                await reader.read()
            assert loop.time() - began == pytest.approx(30, abs=1)
            faults.rule = lambda datagram: 0
            await asyncio.sleep(1)

    virtual.run(main())


def test_ST_6_a_socket_that_is_full_when_the_last_connection_is_aborted(way: Way) -> None:
    """The RST waits for room, and the socket for the RST."""

    async def main() -> None:
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await reader.read()
            except ConnectionResetError:
                told.set_result(None)
            writer.close()

        def rule(datagram: bytes) -> int:
            return errno.EAGAIN if datagram[13] & RST and not faults.refused else 0

        faults = Faults(rule)
        async with closing(await way.start_server(serve)) as server:
            _, writer = await way.open_connection(server, faults)
            rudp.reset(writer.transport)
            await asyncio.wait_for(told, 10.0)
        assert faults.refused == 1

    way.run(main())
