"""get_extra_info: addresses, the snapshot, and a socket object that speaks for one connection."""

import asyncio
import errno
import socket
import struct
import sys
from typing import Any

import pytest

import rudp
from tests.aio.kit import HOST, Net, Recorder, Stubborn, address_of, cleared, pair

TCP = socket.IPPROTO_TCP
SOCKET = socket.SOL_SOCKET

virtual = pytest.mark.virtual


async def test_names_mirror_each_other(net: Net) -> None:
    async with pair(net) as p:
        for near, far in ((p.near, p.far), (p.far, p.near)):
            assert near.get_extra_info("sockname") == far.get_extra_info("peername")
            assert isinstance(near.get_extra_info("peername"), tuple)
        assert p.near.get_extra_info("peername") == p.address
        assert p.near.get_extra_info("sockname")[0] == HOST
        names = [p.near.get_extra_info(name) for name in ("sockname", "peername")]
        p.near.close()
        await p.client.lost
        assert [p.near.get_extra_info(name) for name in ("sockname", "peername")] == names


async def test_names_of_ipv6(net: Net) -> None:
    async with pair(net, host="::1") as p:
        assert len(p.near.get_extra_info("peername")) == 4
        assert p.near.get_extra_info("peername") == p.far.get_extra_info("sockname")


async def test_defaults(net: Net) -> None:
    async with pair(net) as p:
        assert p.near.get_extra_info("no such thing") is None
        assert p.near.get_extra_info("no such thing", 7) == 7
        for name in ("sslcontext", "ssl_object", "peercert", "cipher", "compression"):
            assert p.near.get_extra_info(name) is None


async def test_MUST_45_sockname_behind_a_wildcard(net: Net) -> None:
    """It is the address that the peer speaks to, not 0.0.0.0."""
    if net.is_virtual:
        pytest.skip("nothing there tells which address a datagram came to")
    seen = asyncio.get_running_loop().create_future()

    class Server(Recorder):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            seen.set_result(transport.get_extra_info("sockname"))

    server = await net.create_server(Server, "0.0.0.0")
    async with cleared(server):
        port = address_of(server)[1]
        _, client = await net.create_connection(Recorder, HOST, port)
        assert await seen == (HOST, port)
        client.transport.close()
        await client.lost


async def test_what_frameworks_ask_of_the_socket(net: Net) -> None:
    """uvicorn and hypercorn, asyncssh and grpclib, anyio and aiohttp, unguarded."""
    async with pair(net) as p:
        sock = p.near.get_extra_info("socket")
        assert sock.getpeername() == p.address
        assert sock.getsockname() == p.near.get_extra_info("sockname")
        assert sock.family == socket.AF_INET
        assert sock.type == socket.SOCK_STREAM
        sock.setsockopt(TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(TCP, socket.TCP_NODELAY, True)
        sock.setsockopt(SOCKET, socket.SO_KEEPALIVE, 1)
        assert sock.getsockopt(TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(SOCKET, socket.SO_KEEPALIVE)
        assert sock.gettimeout() == 0.0
        sock.setblocking(False)
        sock.settimeout(0)
        with pytest.raises(ValueError):
            sock.settimeout(5)
        with pytest.raises(ValueError):
            sock.setblocking(True)
        assert repr(p.near)
        assert HOST in repr(sock)


@virtual
class TestOptions:
    """Every option of the connection's own socket object."""

    net = Net("virtual", rudp.Config())

    async def test_MUST_17_nodelay(self) -> None:
        """SHLD-7, NAG-1: on as asyncio has it, and switchable at any time."""
        async with pair(self.net, Recorder, Stubborn) as p:
            sock = p.near.get_extra_info("socket")
            assert sock.getsockopt(TCP, socket.TCP_NODELAY) == 1
            segments = await self.segments_of_small_writes(p)
            assert segments == 4
            sock.setsockopt(TCP, socket.TCP_NODELAY, 0)
            assert sock.getsockopt(TCP, socket.TCP_NODELAY) == 0
            assert await self.segments_of_small_writes(p) == 2

    @staticmethod
    async def segments_of_small_writes(p: Any) -> int:
        loop: Any = asyncio.get_running_loop()
        with_data = []

        def tap(what: str, when: float, data: bytes, source: Any, target: Any) -> None:
            if what == "sent" and target == p.address and len(data) > (data[12] >> 4) * 4:
                with_data.append(when)

        loop.network.taps.append(tap)
        for _ in range(4):
            p.near.write(b"small")
            await asyncio.sleep(0.001)
        await asyncio.sleep(1)
        loop.network.taps.remove(tap)
        return len(with_data)

    async def test_MUST_24_keepalive(self) -> None:
        """MUST-25, MUST-27, MUST-28: off at first; all four values can be set."""
        async with pair(self.net) as p:
            sock = p.near.get_extra_info("socket")
            assert sock.getsockopt(SOCKET, socket.SO_KEEPALIVE) == 0
            assert sock.getsockopt(TCP, socket.TCP_KEEPIDLE) == 7200
            assert sock.getsockopt(TCP, socket.TCP_KEEPINTVL) == 75
            assert sock.getsockopt(TCP, socket.TCP_KEEPCNT) == 9
            for level, option, value in (
                (SOCKET, socket.SO_KEEPALIVE, 1),
                (TCP, socket.TCP_KEEPIDLE, 30),
                (TCP, socket.TCP_KEEPINTVL, 5),
                (TCP, socket.TCP_KEEPCNT, 3),
            ):
                sock.setsockopt(level, option, value)
                assert sock.getsockopt(level, option) == value
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT):
                with pytest.raises(OSError) as raised:
                    sock.setsockopt(TCP, option, 0)
                assert raised.value.errno == errno.EINVAL

    async def test_MUST_21_user_timeout(self) -> None:
        """Milliseconds, as Linux has it; 0 is never."""
        async with pair(self.net) as p:
            sock = p.near.get_extra_info("socket")
            assert sock.getsockopt(TCP, socket.TCP_USER_TIMEOUT) == 300_000
            sock.setsockopt(TCP, socket.TCP_USER_TIMEOUT, 5_000)
            assert sock.getsockopt(TCP, socket.TCP_USER_TIMEOUT) == 5_000
            sock.setsockopt(TCP, socket.TCP_USER_TIMEOUT, 0)
            assert sock.getsockopt(TCP, socket.TCP_USER_TIMEOUT) == 0

    async def test_maxseg(self) -> None:
        async with pair(self.net) as p:
            sock = p.near.get_extra_info("socket")
            before = sock.getsockopt(TCP, socket.TCP_MAXSEG)
            assert before == p.near.get_extra_info("tcp_info").mss
            sock.setsockopt(TCP, socket.TCP_MAXSEG, 500)
            assert sock.getsockopt(TCP, socket.TCP_MAXSEG) == 500
            sizes = []
            loop: Any = asyncio.get_running_loop()
            loop.network.taps.append(lambda what, when, data, s, d: sizes.append(len(data)))
            p.near.write(bytes(5000))
            await p.server.received(5000)
            assert max(sizes) == 500 + 32
            sock.setsockopt(TCP, socket.TCP_MAXSEG, 60_000)
            assert sock.getsockopt(TCP, socket.TCP_MAXSEG) <= before

    async def test_buffers(self) -> None:
        async with pair(self.net) as p:
            sock = p.far.get_extra_info("socket")
            assert sock.getsockopt(SOCKET, socket.SO_RCVBUF) == 256 * 1024
            assert sock.getsockopt(SOCKET, socket.SO_SNDBUF) == 48 * 1024 * 1024
            sock.setsockopt(SOCKET, socket.SO_RCVBUF, 1 << 20)
            assert sock.getsockopt(SOCKET, socket.SO_RCVBUF) == 1 << 20
            sock.setsockopt(SOCKET, socket.SO_SNDBUF, 20_000)
            assert sock.getsockopt(SOCKET, socket.SO_SNDBUF) == 20_000
            sock.setsockopt(SOCKET, socket.SO_SNDBUF, 1)
            assert sock.getsockopt(SOCKET, socket.SO_SNDBUF) == 4096, "as Linux: the floor"
            p.far.write(bytes(100_000))
            await asyncio.sleep(0)
            assert p.far.get_extra_info("tcp_info").unacked <= 20_000
            await p.client.received(100_000)

    async def test_linger(self) -> None:
        async with pair(self.net) as p:
            sock = p.near.get_extra_info("socket")
            assert sock.getsockopt(SOCKET, socket.SO_LINGER, 8) == struct.pack("ii", 0, 0)
            sock.setsockopt(SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 5))
            assert sock.getsockopt(SOCKET, socket.SO_LINGER, 8) == struct.pack("ii", 1, 5)
            for wrong in (1, b"\1"):
                with pytest.raises(OSError) as raised:
                    sock.setsockopt(SOCKET, socket.SO_LINGER, wrong)
                assert raised.value.errno == errno.EINVAL

    async def test_MUST_48_dscp(self) -> None:
        """SHLD-21, SHLD-22, SHLD-23: set during the connection, left alone otherwise; ECN apart."""
        async with pair(self.net) as p:
            sock = p.near.get_extra_info("socket")
            assert sock.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 0
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0xB8 | 3)
            assert sock.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 0xB8
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, 0x20)
            assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS) == 0x20

    async def test_MUST_49_ttl(self) -> None:
        async with pair(self.net) as p:
            sock = p.near.get_extra_info("socket")
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 9)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 10)
            with pytest.raises(OSError):
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 0)

    async def test_other_options(self) -> None:
        async with pair(self.net) as p:
            sock = p.near.get_extra_info("socket")
            assert sock.getsockopt(SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM
            assert sock.getsockopt(SOCKET, socket.SO_ERROR) == 0
            assert sock.getsockopt(TCP, socket.TCP_NODELAY, 4) == (1).to_bytes(4, sys.byteorder)
            sock.setsockopt(TCP, socket.TCP_NODELAY, bytes(4))
            assert sock.getsockopt(TCP, socket.TCP_NODELAY) == 0
            with pytest.raises(OSError) as raised:
                sock.getsockopt(SOCKET, 9999)
            assert raised.value.errno == errno.ENOPROTOOPT
            with pytest.raises(OSError) as raised:
                sock.setsockopt(SOCKET, 9999, 1)
            assert raised.value.errno == errno.ENOPROTOOPT
            with pytest.raises(OSError) as raised:
                sock.setsockopt(TCP, socket.TCP_NODELAY, -1)
            assert raised.value.errno == errno.EINVAL
            assert sock.fileno() == -1
            rudp.reset(p.far)
            await p.client.lost
            assert sock.getsockopt(SOCKET, socket.SO_ERROR) == errno.ECONNRESET
            assert sock.getpeername() == p.address

    async def test_one_connection_only(self) -> None:
        """Connections that share a UDP socket do not share options."""
        async with pair(self.net) as p:
            _, other = await self.net.create_connection(Recorder, *p.address[:2])
            sock = p.near.get_extra_info("socket")
            sock.setsockopt(SOCKET, socket.SO_KEEPALIVE, 1)
            theirs = other.transport.get_extra_info("socket")
            assert theirs.getsockopt(SOCKET, socket.SO_KEEPALIVE) == 0
            assert p.near.get_extra_info("endpoint") is other.transport.get_extra_info("endpoint")
            other.transport.abort()
            await other.lost


@virtual
async def test_tcp_info() -> None:
    """A typed snapshot, in the manner of Linux's TCP_INFO (ST-7)."""
    async with pair(Net("virtual", rudp.Config())) as p:
        p.near.write(bytes(100_000))
        await p.server.received(100_000)
        await asyncio.sleep(1)
        info = p.near.get_extra_info("tcp_info")
        assert isinstance(info, rudp.ConnectionInfo)
        assert info.state is rudp.State.ESTABLISHED
        assert str(info.state) == "ESTABLISHED"
        assert info.bytes_acked == 100_000
        assert info.unacked == info.unsent == info.lost == info.resent == info.lost_total == 0
        assert info.bytes_sent == 100_000
        assert info.state_times.keys() == {rudp.State.SYN_SENT}
        assert info.state_times[rudp.State.SYN_SENT] == pytest.approx(0.02, abs=0.005)
        assert info.state_since < asyncio.get_running_loop().time() - 1
        assert info.srtt == pytest.approx(0.02, abs=0.005)
        assert info.rto >= 0.2
        assert info.cwnd >= 10 * info.mss
        assert (info.sack, info.timestamps, info.window_scaling) == (True, True, True)
        assert p.far.get_extra_info("tcp_info").bytes_received == 100_000
        p.far.pause_reading()
        p.near.write(b"unread")
        await asyncio.sleep(1)
        assert p.far.get_extra_info("tcp_info").unread == 6
        rudp.reset(p.near)
        p.far.resume_reading()
        await p.client.lost
        await p.server.lost
        assert p.near.get_extra_info("tcp_info").state is rudp.State.CLOSED
