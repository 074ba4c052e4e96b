"""``rebind`` over real sockets and simulated ones: a connection goes on from another address."""

import asyncio
import errno
import ssl
import sys
from typing import Any

import pytest
import trustme

import rudp
from rudp import Config, sim
from rudp.aio.registry import registry_of
from tests.aio.kit import HOST, echo, serving

KEY = b"sixteen octets.."
DATA = bytes(range(251)) * 20_000


async def exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *addresses: Any
) -> None:
    """Send DATA and read it, and move to each of *addresses* meanwhile."""

    async def write() -> None:
        step = len(DATA) // (len(addresses) + 1)
        for n in range(0, len(DATA), step):
            writer.write(DATA[n : n + step])
            await writer.drain()

    writing = asyncio.ensure_future(write())
    got = b""
    step = len(DATA) // (len(addresses) + 1)
    for n, address in enumerate(addresses, 1):
        got += await reader.readexactly(n * step - len(got))
        await rudp.rebind(writer, address)
    got += await reader.readexactly(len(DATA) - len(got))
    await writing
    assert got == DATA


@pytest.mark.parametrize("way", ["auto", "selector", "portable"])
async def test_another_port(way: Any) -> None:
    config = Config(datagram_io=way, mss=1400)
    async with serving(key=KEY, config=config) as (server, port):
        reader, writer = await rudp.open_connection(HOST, port, key=KEY, config=config)
        try:
            before = writer.get_extra_info("udp_sockname")
            await exchange(reader, writer, None, (HOST, 0), ("127.0.0.5", 0))
            # All may have been here before the last move: what comes now was sent there.
            writer.write(b"!")
            assert await reader.readexactly(1) == b"!"
            after = writer.get_extra_info("udp_sockname")
            assert before != after
            assert after[0] == "127.0.0.5"
            # Two moves of ours may come before the peer has something to send, and are one to him.
            assert 1 <= server._endpoints[0].stats()["path_moved"] <= 3 == rudp.info(writer).moves
            assert writer.get_extra_info("sockname")[0] == "127.0.0.5"
            shown = str(rudp.info(writer))
            assert "signed with key 0, the peer is asked for 0; moves so far: 3" in shown
        finally:
            writer.close()
            await writer.wait_closed()


async def test_below_TLS_and_for_all_that_share_the_socket() -> None:
    authority = trustme.CA()
    there = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(there)
    here = ssl.create_default_context()
    authority.configure_trust(here)
    async with serving(key=KEY, ssl=there) as (_, port):
        streams = [
            await rudp.open_connection(HOST, port, key=KEY, ssl=here, server_hostname="localhost")
            for _ in range(3)
        ]
        await rudp.rebind(streams[0][1])
        names = {writer.get_extra_info("udp_sockname") for _, writer in streams}
        assert len(names) == 1
        for reader, writer in streams:
            await exchange(reader, writer, None)
            writer.close()
            await writer.wait_closed()


async def test_who_cannot_move_is_told_so() -> None:
    accepted: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set_result(writer)
        await echo(reader, writer)

    async with serving() as (_, port):
        _, writer = await rudp.open_connection(HOST, port)
        with pytest.raises(OSError, match="key=") as caught:
            await rudp.rebind(writer)
        assert caught.value.errno == errno.EOPNOTSUPP
        writer.close()
        await writer.wait_closed()
    server = await rudp.start_server(take, HOST, 0, key=KEY)
    async with server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await rudp.open_connection(HOST, port, key=KEY)
        with pytest.raises(OSError, match="can move"):
            await rudp.rebind(await accepted)
        with pytest.raises(OSError):  # documentation has it, and nobody else
            await rudp.rebind(writer, ("192.0.2.1", 0))
        await exchange(reader, writer)  # where it was
        writer.close()
        await writer.wait_closed()
        await rudp.delivered(writer.transport)


async def test_keys_have_a_socket_of_their_own() -> None:
    """A connection without a key shares none with one that may move."""
    async with serving(key=KEY) as (_, port):
        registry = registry_of(asyncio.get_running_loop())
        remote = (HOST, port)
        family = 2
        plain = await registry.client(family, remote, Config())
        keyed = await registry.client(family, remote, Config(keys=(rudp.MasterKey(secret=KEY),)))
        assert plain is not keyed
        plain.close()
        keyed.close()


def test_on_a_simulated_network() -> None:
    """Another host, with loss, in virtual time; the data that was under way goes again."""

    async def main() -> None:
        async with serving("10.0.0.2", key=KEY) as (server, port):
            reader, writer = await rudp.open_connection("10.0.0.2", port, key=KEY)
            await exchange(reader, writer, *[(f"10.0.0.{n}", 0) for n in range(3, 8)])
            assert server._endpoints[0].stats()["path_moved"] == 5
            assert rudp.info(writer).pmtu > 1200
            writer.close()
            await writer.wait_closed()

    sim.run(main(), seed=3, delay=0.02, loss=0.01)


def test_a_program_that_only_listens_moves_too() -> None:
    """What it says is a word about its address; the first of them is lost, and goes again."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        writers: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()

        async def tell(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await writers.put(writer)
            await writer.wait_closed()

        server = await rudp.start_server(tell, "10.0.0.2", 9, key=KEY)
        async with server:
            reader, writer = await rudp.open_connection("10.0.0.2", 9, key=KEY)
            teller = await writers.get()
            network = loop.network  # type: ignore[attr-defined]
            lost = network.link("10.0.0.9", "10.0.0.2", loss=1.0)
            await rudp.rebind(writer, ("10.0.0.9", 0))
            await asyncio.sleep(0.3)
            lost.configure(loss=0.0)
            await asyncio.sleep(5.0)
            teller.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
            assert teller.get_extra_info("udp_peername")[0] == "10.0.0.9"
            writer.close()
            teller.close()
            await writer.wait_closed()

    sim.run(main(), delay=0.02)


WORKER = """
import asyncio, ctypes, socket, struct, sys
import rudp

async def echo(reader, writer):
    while data := await reader.read(1 << 16):
        writer.write(data)

async def main(port, steers):
    server = await rudp.start_server(echo, "127.0.0.1", port, reuse_port=True, key=bytes(16))
    if steers:
        steps = (0x20, 0, 0, 0), (0x94, 0, 0, 2), (0x16, 0, 0, 0)
        code = b"".join(struct.pack("=HBBI", *step) for step in steps)
        code = ctypes.create_string_buffer(code)
        program = struct.pack("@HP", len(steps), ctypes.addressof(code))
        server.sockets[0].setsockopt(socket.SOL_SOCKET, 51, program)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

asyncio.run(main(int(sys.argv[1]), sys.argv[2] == "steered"))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="SO_ATTACH_REUSEPORT_CBPF is Linux's")
async def test_workers_that_are_steered_by_the_inner_ports() -> None:
    """docs/howto/keys.md: wherever the client is, the kernel leads it to the same process."""
    workers: list[asyncio.subprocess.Process] = []
    pipe = asyncio.subprocess.PIPE
    try:
        port = 0
        for how in ("steered", "steered"):
            command = (sys.executable, "-c", WORKER, str(port), how)
            worker = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
            workers.append(worker)
            assert worker.stdout is not None
            port = int(await asyncio.wait_for(worker.stdout.readline(), 20.0))
        for _ in range(3):
            reader, writer = await rudp.open_connection(HOST, port, key=bytes(16))
            for n in range(5):  # unsteered each would go astray in one of two cases
                writer.write(b"%d" % n)
                async with asyncio.timeout(10.0):
                    assert await reader.readexactly(1) == b"%d" % n
                await rudp.rebind(writer)
            writer.close()
            await writer.wait_closed()
    finally:
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.close()
            await worker.wait()
