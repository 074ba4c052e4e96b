"""A client behind the kernel's own NAT, whose address changes, and whose mappings are forgotten.

Three namespaces in a row: a client, a router that hides it, a server.  Each move takes the router's
outer address away, with which the kernel forgets the mappings that went by it, and gives it
another one, or the same with other ports.
"""

import asyncio
import contextlib
import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.interop.kernel import START_TIMEOUT
from tests.interop.spaces import Spaces

pytestmark = pytest.mark.interop

SERVER = "10.79.2.1"
OUTER = [("10.79.2.2", 20_000), ("10.79.2.3", 20_000), ("10.79.2.3", 30_000),
         ("10.79.2.4", 30_000), ("10.79.2.5", 40_000), ("10.79.2.5", 50_000)]  # fmt: skip
MOVES = len(OUTER) - 1
RATE = "200mbit"

PROGRAM = """
import asyncio, hashlib, json, random, sys, time
import rudp

role, way, host, octets = *sys.argv[1:4], int(sys.argv[4])
data = random.Random(1).randbytes(1 << 20)
parts = octets >> 20

async def send(reader, writer):
    for n in range(parts):
        writer.write(data)
        await writer.drain()
    writer.write_eof()
    await reader.read()

async def receive(reader, writer):
    digest, got, longest, latest, told = hashlib.sha256(), 0, 0.0, None, 1
    while octets_read := await reader.read(1 << 18):
        now = time.monotonic()
        longest = max(longest, now - (latest or now))
        latest = now
        digest.update(octets_read)
        got += len(octets_read)
        while got >= told * octets // 6 and told < 6:
            print("sixth", flush=True)
            told += 1
    expected = hashlib.sha256()
    for n in range(parts):
        expected.update(data)
    print(json.dumps([got, digest.digest() == expected.digest(), longest]), flush=True)
    writer.write_eof()

async def server():
    done = asyncio.Event()
    async def accepted(reader, writer):
        await (receive if way == "up" else send)(reader, writer)
        writer.close()
        await writer.wait_closed()
        done.set()
    async with await rudp.start_server(accepted, "0.0.0.0", 7000, key=bytes(16)) as made:
        print("ready", flush=True)
        await done.wait()
        print(json.dumps(made._endpoints[0].stats()["path_moved"]), flush=True)

async def client():
    reader, writer = await rudp.open_connection(host, 7000, key=bytes(16))
    await (send if way == "up" else receive)(reader, writer)
    writer.close()
    await writer.wait_closed()

asyncio.run(asyncio.wait_for(server() if role == "server" else client(), 280))
"""

_numbers = itertools.count()


class Home(Spaces):
    """The three namespaces; ``c`` is the client's, ``r`` the router's, ``s`` the server's."""

    outer = -1

    def run(self, name: str, *command: str, text: str | None = None) -> None:
        whole = ["ip", "netns", "exec", self.prefix + name, *command]
        subprocess.run(whole, check=True, capture_output=True, text=True, input=text)

    def move(self) -> None:
        """Hide the client behind the next address and port."""
        if self.outer >= 0:
            self.inside("r", "address", "delete", f"{OUTER[self.outer][0]}/24", "dev", "to-s")
        self.outer += 1
        host, port = OUTER[self.outer]
        self.inside("r", "address", "add", f"{host}/24", "dev", "to-s")
        rules = f"""
flush ruleset
table ip nat {{
  chain post {{
    type nat hook postrouting priority 100;
    oifname "to-s" meta l4proto udp masquerade to :{port}-{port + 999}
  }}
}}
"""
        self.run("r", "nft", "-f", "-", text=rules)

    async def start(
        self, name: str, role: str, way: str, octets: int
    ) -> asyncio.subprocess.Process:
        command = ["ip", "netns", "exec", self.prefix + name, sys.executable, "-c", PROGRAM]
        return await asyncio.create_subprocess_exec(
            *command,
            *(role, way, SERVER, str(octets)),
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        )


@pytest.fixture
def home(kernel_possible: None) -> Iterator[Home]:
    if shutil.which("nft") is None:
        pytest.skip("needs nft of nftables")
    home = Home(f"rudp{os.getpid()}n{next(_numbers)}-")
    with home.made("crs", [("c", "to-r", "r", "to-c"), ("r", "to-s", "s", "to-r")]):
        for name, device, address in (
            ("c", "to-r", "10.79.1.1/24"),
            ("r", "to-c", "10.79.1.2/24"),
            ("s", "to-r", f"{SERVER}/24"),
        ):
            home.inside(name, "address", "add", address, "dev", device)
        for name, device in (("c", "to-r"), ("r", "to-c"), ("r", "to-s"), ("s", "to-r")):
            home.inside(name, "link", "set", device, "up")
            limit = ["rate", RATE, "burst", "64kb", "latency", "20ms"]
            home.run(name, "tc", "qdisc", "add", "dev", device, "root", "tbf", *limit)
        home.inside("c", "route", "add", "default", "via", "10.79.1.2")
        home.run("r", "sysctl", "-qw", "net.ipv4.ip_forward=1")
        try:
            home.move()
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no NAT can be had: {error.stderr.strip()}")
        yield home


@contextlib.asynccontextmanager
async def running(home: Home, way: str, octets: int) -> AsyncIterator[list[asyncio.StreamReader]]:
    """Start both ends; what they say, the client first."""
    processes = [await home.start("s", "server", way, octets)]
    try:
        assert processes[0].stdout is not None
        async with asyncio.timeout(START_TIMEOUT):
            assert await processes[0].stdout.readline() == b"ready\n"
        processes.insert(0, await home.start("c", "client", way, octets))
        said = [process.stdout for process in processes]
        yield [each for each in said if each is not None]
        for process in processes:
            await asyncio.wait_for(process.wait(), 30.0)
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def transfer(
    home: Home, way: str, octets: int, move: Callable[[], None], moves: int = MOVES
) -> float:
    """Let *octets* pass while the client moves; return the longest pause, seconds."""
    async with running(home, way, octets) as (client, server), asyncio.timeout(290.0):
        receiver = client if way == "down" else server
        for n in range(MOVES):
            assert await receiver.readline() == b"sixth\n"
            if n < moves:
                move()
        got, is_right, longest = json.loads(await receiver.readline())
        moved = json.loads(await server.readline())
    assert (got, is_right) == (octets, True)
    assert 1 <= moved <= moves  # two in a row may look like one
    print(f"{way}: {moved} moves, the longest pause {longest * 1000:.0f} ms")
    return float(longest)


@pytest.mark.parametrize("way", ["up", "down"])
async def test_five_addresses(home: Home, way: str) -> None:
    await transfer(home, way, 24 << 20, home.move)


@pytest.mark.parametrize("way", ["up", "down"])
async def test_a_network_that_goes_away(home: Home, way: str) -> None:
    """The client's own address is taken away: it goes on from another by itself."""
    addresses = itertools.count(3)

    def leave() -> None:
        n = next(addresses)
        old = "10.79.1.1" if n == 3 else f"10.79.1.{n - 1}"
        home.inside("c", "address", "delete", f"{old}/24", "dev", "to-r")
        home.inside("c", "address", "add", f"10.79.1.{n}/24", "dev", "to-r")
        home.inside("c", "route", "replace", "default", "via", "10.79.1.2")

    await transfer(home, way, 24 << 20, leave, 2)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("way", ["up", "down"])
async def test_five_addresses_and_100_MiB(home: Home, way: str) -> None:
    await transfer(home, way, 100 << 20, home.move)
