"""Linux's routers and links between two namespaces: what fits through them, and what they mark.

Three namespaces in a row: a client, a router, a server.  The links are as wide as Ethernet, save
where a test makes one narrower; the kernel then says so with ICMP, or drops without a word.
"""

import asyncio
import itertools
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.kernel import START_TIMEOUT, ip
from tests.interop.spaces import Spaces

pytestmark = pytest.mark.interop

SERVER = "10.79.2.1"
OCTETS = 4 << 20

PROGRAM = """
import asyncio, dataclasses, json, sys
import rudp

role, host, octets, io = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
config = rudp.Config(ecn="on", datagram_io=io)

async def exchange(reader, writer):
    writer.write(bytes(octets))
    writer.write_eof()
    received = 0
    while data := await reader.read(1 << 16):
        received += len(data)
    await writer.drain()
    info = writer.get_extra_info("tcp_info")
    writer.close()
    await writer.wait_closed()
    print(json.dumps([received, info.pmtu, info.peer_mss, info.backoffs, info.ecn]), flush=True)

async def server():
    done = asyncio.Event()
    async def accepted(reader, writer):
        await exchange(reader, writer)
        done.set()
    async with await rudp.start_server(accepted, "0.0.0.0", 7000, config=config):
        print("ready", flush=True)
        await done.wait()

async def client():
    await exchange(*await rudp.open_connection(host, 7000, config=config))

asyncio.run(asyncio.wait_for(server() if role == "server" else client(), 60))
"""

_numbers = itertools.count()


class Row(Spaces):
    """The three namespaces; ``a`` is the client's, ``r`` the router's, ``b`` the server's."""

    def width(self, name: str, device: str, mtu: int) -> None:
        self.inside(name, "link", "set", device, "mtu", str(mtu))

    async def run(self, name: str, role: str, io: str) -> asyncio.subprocess.Process:
        command = ["ip", "netns", "exec", self.prefix + name, sys.executable, "-c", PROGRAM]
        root = str(Path(__file__).resolve().parents[2])
        return await asyncio.create_subprocess_exec(
            *command,
            *(role, SERVER, str(OCTETS), io),
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": root},
        )

    async def exchange(self, io: str = "auto") -> list[list[Any]]:
        """Let both send OCTETS; return what the client and the server say of it."""
        server = await self.run("b", "server", io)
        running = [server]
        try:
            assert server.stdout is not None
            async with asyncio.timeout(START_TIMEOUT):
                assert await server.stdout.readline() == b"ready\n"
            client = await self.run("a", "client", io)
            running.insert(0, client)
            async with asyncio.timeout(60.0):
                said = [(await process.communicate())[0] for process in running]
        finally:
            for process in running:
                if process.returncode is None:
                    process.kill()
        return [json.loads(text) for text in said]


@pytest.fixture
def row(kernel_possible: None) -> Iterator[Row]:
    row = Row(f"rudp{os.getpid()}-{next(_numbers)}-")
    with row.made("arb", [("a", "to-r", "r", "to-a"), ("r", "to-b", "b", "to-r")]):
        for name, device, address in (
            ("a", "to-r", "10.79.1.1/24"),
            ("r", "to-a", "10.79.1.2/24"),
            ("r", "to-b", "10.79.2.2/24"),
            ("b", "to-r", f"{SERVER}/24"),
        ):
            row.inside(name, "address", "add", address, "dev", device)
            row.inside(name, "link", "set", device, "up")
        row.inside("a", "route", "add", "default", "via", "10.79.1.2")
        row.inside("b", "route", "add", "default", "via", "10.79.2.2")
        forward = ("sysctl", "-qw", "net.ipv4.ip_forward=1")
        ip("netns", "exec", row.prefix + "r", *forward)
        yield row


async def test_PMTU_4_ethernet_and_ECN_across_a_router(row: Row) -> None:
    """PMTU-1, ECN-1, ECN-2, W-50: the bits of the IP header survive it, both ways."""
    assert await row.exchange() == [[OCTETS, 1472, 1452, 0, True]] * 2


async def test_W_50_jumbo_frames(row: Row) -> None:
    """PMTU-1: what the links at both ends take is announced and tried."""
    for name, device in (("a", "to-r"), ("r", "to-a"), ("r", "to-b"), ("b", "to-r")):
        row.width(name, device, 9000)
    assert await row.exchange() == [[OCTETS, 8972, 8952, 0, True]] * 2


async def test_ICMP_5_PMTU_8_a_router_says_what_passes(row: Row) -> None:
    """The client hears of it, the server sees it at its own link."""
    row.width("r", "to-b", 1400)
    row.width("b", "to-r", 1400)
    assert await row.exchange() == [[OCTETS, 1372, 1452, 0, True]] * 2


@pytest.mark.parametrize("io", ["auto", "selector", "portable"])
async def test_PMTU_6_a_link_that_drops_without_a_word(row: Row, io: str) -> None:
    """PMTU-5, PMTU-13, UDP-5: nothing goes in pieces, and data never waits for a time-out."""
    row.width("b", "to-r", 1400)
    client, server = await row.exchange(io)
    received, pmtu, _, backoffs, ecn = client
    assert (received, backoffs, ecn) == (OCTETS, 0, io == "auto")
    assert 1200 <= pmtu <= 1372
    assert server[:2] == [OCTETS, 1372]
