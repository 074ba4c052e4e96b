"""An IPv6 socket that takes IPv4 peers too: what is set and read for one family is for the other.

Linux has options of its own for each, and IPv6's do nothing for the IPv4 peers of such a socket.
"""

import asyncio
import errno
import socket
import struct
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from rudp.core.segment.transmit import CE, ECT_0, Address, Transmit
from rudp.udp.fields import BOTH, IPV4_ONLY, IPV6_ONLY, families
from rudp.udp.linux import LinuxPort
from rudp.udp.own import OwnSocket
from rudp.udp.selector import SelectorPort

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the options are Linux's")

IP_RECVTTL = 12
IP_MTU_DISCOVER = 10
PROBE = 3


class Ear:
    """Notes what a port says."""

    def __init__(self) -> None:
        self.datagrams: list[tuple[bytes, Address, str, int]] = []
        self.errors: list[tuple[int, Address | None, str]] = []

    def datagrams_received(
        self, data: bytes | memoryview, stride: int, address: Address, local: str, ecn: int = 0
    ) -> bool:
        self.datagrams.append((bytes(data), address, local, ecn))
        return False

    def batch_received(self, *, more: bool = False) -> None: ...

    def icmp_received(
        self, code: int, quote: bytes, address: Address | None, local: str, mtu: int
    ) -> None:
        self.errors.append((code, address, local))

    def send_failed(self, code: int, transmit: Transmit) -> None: ...

    def ready_to_send(self) -> None: ...


def both() -> socket.socket:
    try:
        sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(("::", 0))
    except OSError as error:
        pytest.skip(f"no IPv6: {error}")
    return sock


@pytest.fixture
async def port() -> AsyncIterator[tuple[LinuxPort, Ear]]:
    ear = Ear()
    made = LinuxPort(asyncio.get_running_loop(), both(), ear, None)
    yield made, ear
    made.close()


@pytest.fixture(params=[LinuxPort, SelectorPort])
async def any_port(request: pytest.FixtureRequest) -> AsyncIterator[tuple[OwnSocket, Ear]]:
    """A port of either kind, where both do the same."""
    ear = Ear()
    made = request.param(asyncio.get_running_loop(), both(), ear, None)
    yield made, ear
    made.close()


@pytest.fixture(params=["127.0.0.1", "::1"])
def peer(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    """A plain socket of either family that is told of everything in the IP header."""
    host = request.param
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        for option in ((socket.IPPROTO_IP, socket.IP_RECVTOS), (socket.IPPROTO_IP, IP_RECVTTL)):
            if family == socket.AF_INET:
                sock.setsockopt(*option, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        sock.bind((host, 0))
        sock.settimeout(5)
        yield sock


def as_seen(sock: socket.socket) -> Address:
    """The address of *sock* as a socket of both families names it."""
    host, number = sock.getsockname()[:2]
    return (host if ":" in host else f"::ffff:{host}", number, 0, 0)


def header(sock: socket.socket) -> tuple[int, int]:
    """Receive a datagram; return its traffic class and TTL."""
    _, ancillary, _, _ = sock.recvmsg(100, 500)
    found: dict[str, Any] = {}
    for level, kind, data in ancillary:
        tos = (level, kind) == (socket.IPPROTO_IP, socket.IP_TOS)
        tclass = (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_TCLASS)
        name = "class" if tos or tclass else "ttl"
        found[name] = data[0] if len(data) == 1 else struct.unpack("=i", data)[0]
    return found["class"], found["ttl"]


def test_which_options_a_socket_needs() -> None:
    with both() as sock:
        assert families(sock) == BOTH
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        assert families(sock) == IPV4_ONLY
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        assert families(sock) == IPV6_ONLY


async def test_ECN_1_marks_are_read(port: tuple[LinuxPort, Ear], peer: socket.socket) -> None:
    """And the host that was written to is known (W-46)."""
    made, ear = port
    assert made.ecn_capable
    option = (socket.IPPROTO_IP, socket.IP_TOS)
    if peer.family == socket.AF_INET6:
        option = (socket.IPPROTO_IPV6, socket.IPV6_TCLASS)
    peer.setsockopt(*option, CE)
    host = peer.getsockname()[0]
    peer.sendto(b"marked", (host, made.sockname[1]))
    while not ear.datagrams:
        await asyncio.sleep(0.01)
    assert ear.datagrams == [(b"marked", as_seen(peer), as_seen(peer)[0], CE)]


async def test_ECN_1_UDP_16_MUST_48_what_is_sent(
    port: tuple[LinuxPort, Ear], peer: socket.socket
) -> None:
    """ECT(0), the DSCP and the TTL of the connection, with a batch as with one datagram."""
    made, _ = port
    path = (as_seen(peer), as_seen(peer)[0])
    default = header_after(made, peer, Transmit(path, [b"x"], 1, 1))
    assert header_after(made, peer, Transmit(path, [b"x"], 1, 1, 46, 7, ECT_0)) == (46 << 2 | 2, 7)
    assert header_after(made, peer, Transmit(path, [b"xyz"], 1, 3, 46, 7)) == (46 << 2, 7)
    assert header_after(made, peer, Transmit(path, [b"x"], 1, 1)) == default


def header_after(made: Any, peer: socket.socket, transmit: Transmit) -> tuple[int, int]:
    made.send(transmit)
    made.flush()
    found = [header(peer) for _ in transmit.datagrams()]
    assert len(set(found)) == 1
    return found[0]


async def test_UDP_16_MUST_48_what_is_sent_without_control_messages(
    any_port: tuple[OwnSocket, Ear], peer: socket.socket
) -> None:
    made, _ = any_port
    path = (as_seen(peer), "")
    default = header_after(made, peer, Transmit(path, [b"x"], 1, 1))
    assert header_after(made, peer, Transmit(path, [b"xyz"], 1, 3, 46, 7)) == (46 << 2, 7)
    assert header_after(made, peer, Transmit(path, [b"x"], 1, 1)) == default


async def test_both_families_are_heard(
    any_port: tuple[OwnSocket, Ear], peer: socket.socket
) -> None:
    made, ear = any_port
    peer.sendto(b"here", (peer.getsockname()[0], made.sockname[1]))
    while not ear.datagrams:
        await asyncio.sleep(0.01)
    assert [(data, address) for data, address, *_ in ear.datagrams] == [(b"here", as_seen(peer))]


async def test_PMTU_13_nothing_is_fragmented(any_port: tuple[OwnSocket, Ear]) -> None:
    made, _ = any_port
    assert made.socket.getsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER) == PROBE


async def test_ICMP_1_a_refused_port_is_heard(
    port: tuple[LinuxPort, Ear], peer: socket.socket
) -> None:
    made, ear = port
    address = as_seen(peer)
    peer.close()
    made.send(Transmit((address, ""), [b"anybody?"], 8, 8))
    made.flush()
    while not ear.errors:
        await asyncio.sleep(0.01)
    assert ear.errors[0][:2] == (errno.ECONNREFUSED, address)
