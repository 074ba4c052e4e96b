"""The bridge between two kernels: TCP to TCP over UDP, and no rudp in it."""

import asyncio
import hashlib
import os
import random
import socket
from ipaddress import IPv4Address, IPv4Network

import pytest

from rudp.bridge import AddressPlan, Bridge, open_tun
from rudp.bridge.tun import NAME_SIZE_MAX
from tests.interop.kernel import ADDRESS, PREFIX, Kernel, ip

pytestmark = pytest.mark.interop

MEBIBYTE = 1 << 20


def sha256(octets: int, seed: int) -> str:
    return hashlib.sha256(random.Random(seed).randbytes(octets)).hexdigest()


async def test_ten_mebibytes_each_way_at_once(kernel: Kernel, other_kernel: Kernel) -> None:
    """UDP-30: the kernels agree on all options, and on an MSS that leaves room for UDP."""
    size = 10 * MEBIBYTE
    async with kernel.listener() as (server, port), other_kernel.socket() as client:
        at = kernel.address_of(kernel.udp_address[1])
        ours, theirs = await asyncio.gather(client.do("connect", at, port), server.do("accept"))
        assert ours["host"] == ADDRESS
        assert theirs["host"] == kernel.address_of(other_kernel.udp_address[1])
        assert theirs["port"] == ours["port"]
        down, up = await asyncio.gather(
            client.do("exchange", size, 1), server.do("exchange", size, 2)
        )
        assert (down["octets"], down["sha256"]) == (size, sha256(size, 2))
        assert (up["octets"], up["sha256"]) == (size, sha256(size, 1))
        for end in (client, server):
            info = await end.do("info")
            assert info["sack"]
            assert info["timestamps"]
            assert info["window_scaling"]
            assert info["snd_mss"] == 1500 - 20 - 8 - 20 - 12


async def test_a_refused_port(kernel: Kernel, other_kernel: Kernel) -> None:
    async with kernel.listener() as (_, port), other_kernel.socket() as client:
        at = kernel.address_of(kernel.udp_address[1])
        with pytest.raises(ConnectionRefusedError):
            await client.do("connect", at, port ^ 1)


async def test_a_udp_port_where_nobody_is(kernel: Kernel) -> None:
    """UDP-30: ICMP's "port unreachable" ends the attempt at once."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    async with kernel.socket() as client:
        with pytest.raises(ConnectionRefusedError):
            await client.do("connect", kernel.address_of(port), 80)


async def test_an_abort(kernel: Kernel, other_kernel: Kernel) -> None:
    async with kernel.listener() as (server, port), other_kernel.socket() as client:
        at = kernel.address_of(kernel.udp_address[1])
        await asyncio.gather(client.do("connect", at, port), server.do("accept"))
        await server.do("abort")
        with pytest.raises(ConnectionResetError):
            await client.do("receive")


@pytest.mark.usefixtures("kernel_possible")
async def test_a_device_that_is_taken_away_ends_the_bridge() -> None:
    name = f"rudp-gone{os.getpid()}"[:NAME_SIZE_MAX]
    plan = AddressPlan(IPv4Address(ADDRESS), IPv4Network(PREFIX))
    with (
        os.fdopen(open_tun(name), "rb", buffering=0) as tun,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock,
    ):
        sock.bind(("127.0.0.1", 0))
        running = asyncio.ensure_future(Bridge(tun.fileno(), sock, plan, "127.0.0.1").run())
        ip("link", "set", name, "up")
        ip("link", "delete", name)
        with pytest.raises(OSError, match="bad state"):
            await running
