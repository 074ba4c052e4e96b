"""The ways to a UDP socket: what they deliver, what they survive, and what they leave alone."""

import asyncio
import contextlib
import errno
import functools
import socket
import struct
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

import rudp
from rudp.config import DatagramIo
from rudp.core.segment import wire
from rudp.core.segment.transmit import CE, ECT_0, Address, Transmit
from rudp.udp.linux import LinuxPort
from rudp.udp.own import OwnSocket
from rudp.udp.portable import PortablePort
from rudp.udp.selector import SelectorPort
from tests.aio.kit import HOST, Net, Recorder, address_of, cleared, pair, turns
from tests.udp.kit import send

IP_RECVTTL = 12
UDP_SEGMENT = 103
SO_NO_CHECK = 11


class Listener:
    """A port's receiver that writes everything down."""

    def __init__(self) -> None:
        self.datagrams: list[tuple[bytes, Address, str]] = []
        self.marks: list[int] = []
        self.errors: list[tuple[int, bytes, Address | None]] = []
        self.failed: list[tuple[int, Transmit]] = []
        self.ready = 0
        self.batches = 0
        self._moved = asyncio.Event()

    def datagrams_received(
        self, data: bytes | memoryview, stride: int, address: Address, local: str, ecn: int = 0
    ) -> bool:
        self.marks.append(ecn)
        for at in range(0, len(data), stride or 1):
            self.datagrams.append((bytes(data[at : at + stride]), address, local))
        return False

    def batch_received(self, *, more: bool = False) -> None:
        self.batches += 1
        self._moved.set()

    def icmp_received(
        self, code: int, quote: bytes, address: Address | None, local: str, mtu: int
    ) -> None:
        self.errors.append((code, quote, address))
        self._moved.set()

    def send_failed(self, code: int, transmit: Transmit) -> None:
        self.failed.append((code, transmit))

    def ready_to_send(self) -> None:
        self.ready += 1
        self._moved.set()

    async def until(self, count: int) -> None:
        while len(self.datagrams) + len(self.errors) < count:
            self._moved.clear()
            await self._moved.wait()


def bound(host: str = HOST) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.bind((host, 0))
    return sock


def run_to(address: Address, *sizes: int, local: str = "", **fields: Any) -> Transmit:
    """Return a run of datagrams, each full of its own number."""
    buffers: list[bytes | memoryview] = [bytes([n]) * size for n, size in enumerate(sizes)]
    return Transmit((address, local), buffers, sizes[0], sum(sizes), **fields)


@contextlib.asynccontextmanager
async def linux(
    host: str = HOST, remote: Address | None = None, kind: type[OwnSocket] = LinuxPort
) -> AsyncIterator[Any]:
    """Give a port on a socket of its own, and its receiver."""
    listener = Listener()
    sock = bound(host)
    if remote is not None:
        sock.connect(remote)
    port = kind(asyncio.get_running_loop(), sock, listener, remote)
    try:
        yield port, listener
    finally:
        port.close()


selector = functools.partial(linux, kind=SelectorPort)


@contextlib.asynccontextmanager
async def portable(remote: Address | None = None) -> AsyncIterator[Any]:
    listener = Listener()
    _, port = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: PortablePort(listener, remote), local_addr=(HOST, 0), remote_addr=remote
    )
    try:
        yield port, listener
    finally:
        port.close()
        await turns(3)


@pytest.mark.parametrize("kind", [linux, selector, portable])
async def test_runs_arrive_as_datagrams(kind: Any) -> None:
    """PACE-5: equal sizes, the last may be shorter; whatever the kernel makes of it."""
    async with linux() as (receiving, listener), kind() as (port, _):
        transmit = run_to(receiving.sockname, *[1000] * 43, 7)
        assert send(port, transmit)
        await listener.until(44)
        assert [data for data, _, _ in listener.datagrams] == transmit.datagrams()
        assert {address for _, address, _ in listener.datagrams} == {port.sockname}


@pytest.mark.parametrize("kind", [linux, selector, portable])
async def test_MUST_48_MUST_49_dscp_and_ttl(kind: Any) -> None:
    """SHLD-21, UDP-16: per run, and back to the system's own when nobody asks for more."""
    receiving = bound()
    receiving.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
    receiving.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
    loop = asyncio.get_running_loop()
    system = receiving.getsockopt(socket.IPPROTO_IP, socket.IP_TTL)
    seen = []
    async with kind() as (port, _):
        for dscp, ttl in ((0, None), (46, 9), (46, None), (0, None)):
            send(port, run_to(receiving.getsockname(), 10, dscp=dscp, ttl=ttl))
            arrived = asyncio.Event()
            loop.add_reader(receiving.fileno(), arrived.set)
            await arrived.wait()
            loop.remove_reader(receiving.fileno())
            _, ancillary, _, _ = receiving.recvmsg(100, 100)
            fields = {kind: data[0] for _, kind, data in ancillary}
            seen.append((fields[socket.IP_TOS] >> 2, fields[socket.IP_TTL]))
    receiving.close()
    assert seen == [(0, system), (46, 9), (46, system), (0, system)]


async def test_W_46_source_of_a_wildcard_socket() -> None:
    """MUST-45: the answer comes from the address that was spoken to, and the port tells which."""
    async with linux("0.0.0.0") as (port, listener):
        peer = bound()
        peer.connect(("127.0.0.2", port.sockname[1]))
        peer.send(b"hello")
        await listener.until(1)
        data, address, local = listener.datagrams[0]
        assert (data, local) == (b"hello", "127.0.0.2")
        arrived = asyncio.Event()
        asyncio.get_running_loop().add_reader(peer.fileno(), arrived.set)
        send(port, run_to(address, 5, local=local))
        await arrived.wait()
        assert peer.recv(100) == bytes(5), "a connected socket takes it from nobody else"
        asyncio.get_running_loop().remove_reader(peer.fileno())
        peer.close()


async def test_W_46_connection_to_a_wildcard_server() -> None:
    for host, to in (("0.0.0.0", "127.0.0.2"), ("::", "::1")):
        server = await rudp.create_server(Recorder, host, 0)
        async with cleared(server):
            _, client = await rudp.create_connection(Recorder, to, address_of(server)[1])
            assert client.transport.get_extra_info("peername")[0] == to
            client.transport.close()
            assert await client.lost is None


@pytest.mark.parametrize("loops", [1, 3])
async def test_ICMP_1_a_dead_peer_does_not_deafen_the_socket(real: Net, loops: int) -> None:
    """UDP-19, MUST-54: an error that one peer causes is that peer's alone."""
    server = await real.create_server(Recorder)
    async with cleared(server):
        address = address_of(server)
        for number in range(loops):
            gone = bound()
            gone.connect(address)
            gone.send(wire.pack_segment(5000 + number << 16 | address[1], 1, 0, wire.SYN, 99, b""))
            gone.close()  # the SYN,ACK meets a closed port
            for _ in range(3):
                _, client = await real.create_connection(Recorder, *address)
                client.transport.write(b"hello")
                client.transport.close()
                assert await client.lost is None


async def test_MUST_56_an_established_connection_survives_ICMP() -> None:
    """SHLD-25, SHLD-26, ICMP-4, MUST-47: reported, not believed; an attacker can forge it."""
    heard: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()

    class Client(Recorder):
        def error_received(self, error: Exception) -> None:
            heard.set_result(error)

    async with pair(Net("rudp", rudp.Config()), Client) as p:
        p.far.get_extra_info("endpoint").close()  # as if its host had forgotten it
        p.near.write(b"anybody there?")
        assert isinstance(await heard, ConnectionRefusedError)
        assert not p.near.is_closing()
        assert p.near.get_extra_info("tcp_info").state is rudp.State.ESTABLISHED


async def test_UDP_19_pending_error_of_another_peer() -> None:
    """The next datagram to a live peer goes out although the system reports the dead one first."""
    async with linux() as (receiving, heard), linux() as (port, listener):
        dead = bound()
        dead_address = dead.getsockname()
        dead.close()
        send(port, run_to(dead_address, 30))
        send(port, run_to(receiving.sockname, 20))
        await heard.until(1)
        await listener.until(1)
        assert heard.datagrams[0][0] == bytes(20)
        assert listener.errors == [(errno.ECONNREFUSED, bytes(30), dead_address)]
        assert not listener.failed


class StubSocket:
    """A socket whose sendmsg fails as told; what it takes is kept."""

    family = socket.AF_INET

    def __init__(self) -> None:
        self.fails: list[int] = []
        self.sent: list[bytes] = []
        self.segment_sizes: list[bool] = []
        self.errors: list[tuple[bytes, list[tuple[int, int, bytes]], int, Address]] = []

    def sendmsg(self, buffers: Any, ancillary: Any = (), flags: int = 0, to: Any = None) -> int:
        if self.fails:
            code = self.fails.pop(0)
            if code:
                raise OSError(code, "as told")
        self.sent.append(b"".join(buffers))
        self.segment_sizes.append(any(kind == UDP_SEGMENT for _, kind, _ in ancillary))
        return len(self.sent[-1])

    def recvmsg_into(self, *_: Any) -> Any:
        raise BlockingIOError

    def recvmsg(self, *_: Any) -> Any:
        if not self.errors:
            raise BlockingIOError
        return self.errors.pop(0)

    def getsockname(self) -> Address:
        return (HOST, 7)

    def fileno(self) -> int:
        return 77

    def getsockopt(self, *_: Any) -> int:
        return 64

    def setblocking(self, flag: bool) -> None: ...

    def setsockopt(self, *_: Any) -> None: ...

    def close(self) -> None: ...


class StubLoop:
    """As much of a loop as a port needs."""

    def __init__(self) -> None:
        self.readers: dict[int, Any] = {}
        self.writers: dict[int, Any] = {}

    def add_reader(self, fd: int, callback: Any) -> None:
        self.readers[fd] = callback

    def remove_reader(self, fd: int) -> None:
        self.readers.pop(fd, None)

    def add_writer(self, fd: int, callback: Any) -> None:
        self.writers[fd] = callback

    def remove_writer(self, fd: int) -> None:
        self.writers.pop(fd, None)

    def is_closed(self) -> bool:
        return False


PEER = ("10.0.0.9", 9)


class TestStubSocket:
    """UDP-19: a socket that is full, out of memory, without offload, or simply refuses."""

    def port(self) -> tuple[LinuxPort, StubSocket, StubLoop, Listener]:
        sock, loop, listener = StubSocket(), StubLoop(), Listener()
        port: Any = LinuxPort
        return port(loop, sock, listener, None), sock, loop, listener

    async def test_UDP_19_full(self) -> None:
        """EAGAIN: kept, and sent when the socket is writable; it never spins."""
        port, sock, loop, listener = self.port()
        sock.fails = [errno.EAGAIN]
        first, second = run_to(PEER, 100, 100), run_to(PEER, 50)
        assert not send(port, first)
        assert not sock.sent
        sock.fails = [errno.EAGAIN]
        loop.writers[77]()
        assert listener.ready == 0
        loop.writers[77]()
        assert not loop.writers
        assert listener.ready == 1
        assert send(port, second)
        assert sock.sent == [b"".join(first.datagrams()), b"".join(second.datagrams())]

    @pytest.mark.parametrize("code", [errno.ENOBUFS, errno.ENOMEM])
    async def test_UDP_19_out_of_memory(self, code: int) -> None:
        """The datagram is lost, as any may be; nobody is told, nothing waits."""
        port, sock, loop, listener = self.port()
        sock.fails = [code]
        assert send(port, run_to(PEER, 100))
        assert send(port, run_to(PEER, 50))
        assert sock.sent == [bytes(50)]
        assert not loop.writers
        assert not listener.failed

    @pytest.mark.parametrize("code", [errno.EIO, errno.EINVAL])
    async def test_without_offload(self, code: int) -> None:
        """A device that takes no runs gets single datagrams from then on."""
        port, sock, _, _ = self.port()
        sock.fails = [code]
        transmit = run_to(PEER, 100, 100, 30)
        assert send(port, transmit)
        assert sock.sent == transmit.datagrams()
        assert send(port, transmit)
        assert sock.sent == transmit.datagrams() * 2
        assert not any(sock.segment_sizes)

    async def test_refused_in_a_run_and_singly(self) -> None:
        """EINVAL, for want of the source address: that says nothing about offload."""
        port, sock, _, listener = self.port()
        sock.fails = [errno.EINVAL, errno.EINVAL]
        transmit = run_to(PEER, 100, 100, 30)
        assert send(port, transmit)
        assert listener.failed == [(errno.EINVAL, transmit)]
        assert send(port, transmit)
        assert sock.sent == [b"".join(transmit.datagrams())]
        assert sock.segment_sizes == [True]

    async def test_without_offload_and_full_in_the_middle(self) -> None:
        port, sock, loop, _ = self.port()
        sock.fails = [errno.EIO, 0, errno.EAGAIN]
        transmit = run_to(PEER, 100, 100, 30)
        assert not send(port, transmit)
        loop.writers[77]()
        assert sock.sent == transmit.datagrams()

    async def test_error_queue_without_an_error(self) -> None:
        """It is emptied whenever the socket wakes us for nothing: else it would do so for ever."""
        port, sock, loop, listener = self.port()
        extended = struct.pack("=IBBBBII", errno.EHOSTUNREACH, 2, 3, 1, 0, 0, 0)
        sock.errors = [(b"quote", [(socket.IPPROTO_IP, 11, extended)], 0x2000, PEER)]
        loop.readers[77]()
        assert listener.errors == [(errno.EHOSTUNREACH, b"quote", PEER)]
        assert loop.readers
        port.close()
        assert not loop.readers

    async def test_refused_for_good(self) -> None:
        port, sock, _, listener = self.port()
        sock.fails = [errno.EPERM]
        transmit = run_to(PEER, 100)
        assert send(port, transmit)
        assert listener.failed == [(errno.EPERM, transmit)]
        port.close()
        port.close()
        assert send(port, transmit)
        assert listener.failed[1:] == [(errno.EBADF, transmit)]


async def test_portable_port_that_is_full() -> None:
    """UDP-19: pause_writing of the loop's transport holds the endpoint back."""
    listener = Listener()
    port = PortablePort(listener, None)
    sent: list[bytes] = []

    class Transport(asyncio.DatagramTransport):
        def sendto(self, data: Any, addr: Any = None) -> None:
            sent.append(data)
            port.pause_writing()

        def is_closing(self) -> bool:
            return False

    port.connection_made(Transport({"sockname": (HOST, 7)}))
    assert not send(port, run_to(PEER, 100, 30))
    assert len(sent) == 2
    port.resume_writing()
    assert listener.ready == 1
    port.connection_lost(None)
    transmit = run_to(PEER, 100)
    assert send(port, transmit)
    assert listener.failed == [(errno.EBADF, transmit)]


async def test_UDP_8_UDP_9_sockets_are_plain(real: Net) -> None:
    """BUF-7: ports are never 0, checksums never off, buffers as large as the system grants."""
    async with pair(real) as p:
        endpoint = p.near.get_extra_info("endpoint")
        sock = endpoint.socket
        assert sock.getsockopt(socket.SOL_SOCKET, SO_NO_CHECK) == 0
        assert sock.getsockname()[1] != 0
        assert sock.getpeername() == p.address
        assert endpoint.stats()["socket_receive_buffer"] >= 200 * 1024


@pytest.mark.parametrize("host", [HOST, "::1"])
async def test_ECN_1_marks_go_and_come_with_every_datagram(host: str) -> None:
    """UDP-16: the DSCP beside them is kept, and neither stays on the socket."""
    async with linux(host) as (receiving, listener), linux(host) as (port, _):
        assert port.ecn_capable
        for ecn, dscp in ((0, 0), (ECT_0, 0), (CE, 46), (0, 46), (ECT_0, 46), (0, 0)):
            send(port, run_to(receiving.sockname, 500, 500, 7, dscp=dscp, ecn=ecn))
        await listener.until(18)
        assert [len(data) for data, _, _ in listener.datagrams] == [500, 500, 7] * 6
        assert listener.marks == [0, ECT_0, CE, 0, ECT_0, 0]


async def test_ECN_1_a_wildcard_socket_answers_from_the_right_address_and_marked() -> None:
    """W-46: both control messages fit beside the stride."""
    async with linux("0.0.0.0") as (port, listener), linux() as (peer, heard):
        send(peer, run_to(("127.0.0.2", port.sockname[1]), 900, 900, ecn=ECT_0))
        await listener.until(2)
        _, address, local = listener.datagrams[0]
        assert (local, listener.marks) == ("127.0.0.2", [ECT_0])
        send(port, run_to(address, 800, 800, local=local, ecn=CE))
        await heard.until(2)
        assert heard.datagrams[0][1] == ("127.0.0.2", port.sockname[1])
        assert heard.marks == [CE]


@pytest.mark.parametrize("kind", [selector, portable])
async def test_ECN_1_without_control_messages_there_is_none(kind: Any) -> None:
    async with kind() as (port, _):
        assert not port.ecn_capable


@pytest.mark.parametrize(
    ("io", "works"), [("auto", True), ("selector", False), ("portable", False)]
)
async def test_SHLD_8_ECN_between_real_sockets(io: DatagramIo, works: bool) -> None:
    """ECN-1, ECN-2: agreed on where both sockets can, and never without control messages."""
    net = Net("rudp", rudp.Config(ecn="on", datagram_io=io))
    server = await Net("rudp", rudp.Config()).create_server(Recorder)
    async with cleared(server):
        _, client = await net.create_connection(Recorder, *address_of(server))
        assert client.transport.get_extra_info("tcp_info").ecn is works
        client.transport.write(bytes(100_000))
        client.transport.close()
        assert await client.lost is None


@pytest.mark.skipif(sys.platform != "linux", reason="the option is Linux's")
@pytest.mark.parametrize("host", [HOST, "::1"])
async def test_PMTU_13_nothing_is_fragmented(host: str) -> None:
    """UDP-5: a probe that is too large must not arrive in pieces; both ways to a socket."""
    option = (41, 23) if ":" in host else (0, 10)  # IPV6_MTU_DISCOVER, IP_MTU_DISCOVER
    for kind in (linux, selector):
        async with kind(host) as (port, _):
            assert port.socket.getsockopt(*option) == 3
    _, other = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: PortablePort(Listener(), None), local_addr=(host, 0)
    )
    assert other.socket.getsockopt(*option) == 3
    other.close()
    await turns(3)


@pytest.mark.parametrize("kind", [linux, selector, portable])
@pytest.mark.parametrize("sizes", [(65_508,), (65_508, 65_508, 9)])
async def test_PMTU_13_what_is_too_large_is_known_at_once(kind: Any, sizes: tuple[int]) -> None:
    """And said once for a run; whatever fits goes out as before, in one call where that works."""
    async with linux() as (receiving, listener), kind() as (port, sender):
        too_large = run_to(receiving.sockname, *sizes)
        assert send(port, too_large)
        assert sender.failed == [(errno.EMSGSIZE, too_large)]
        send(port, run_to(receiving.sockname, 1000, 1000, 7))
        await listener.until(3)
        assert len(sender.failed) == 1
