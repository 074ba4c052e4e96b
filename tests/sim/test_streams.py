"""Whole asyncio programs on virtual time: what takes an hour elsewhere, or a bad network."""

import asyncio
import hashlib
import random
import tracemalloc

import pytest

import rudp
from rudp.sim import VirtualLoop, run

HOST = "10.0.0.2"
PORT = 7000
BLOCK = bytes(65_536)
CONFIG = rudp.Config(receive_buffer=262_144)


def virtual_time() -> float:
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize("nodelay", [True, False])
def test_a_reader_that_stops_for_an_hour(nodelay: bool) -> None:
    """BUF-1, BUF-4, BUF-5, MUST-36, MUST-37, ZWP-1..6, TRAP-4: a gigabyte is offered, little held.

    ``drain()`` blocks, the window stays shut for an hour of answered probes, neither side holds
    more than its buffers, and the transfer goes on in the very instant the reader does.
    """
    config = rudp.Config(receive_buffer=262_144, nodelay=nodelay)

    async def main() -> None:
        go = asyncio.Event()
        taken = 0

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal taken
            await go.wait()
            while taken < 8 * len(BLOCK) and (data := await reader.read(65_536)):
                taken += len(data)
            writer.transport.abort()

        server = await rudp.start_server(handle, HOST, PORT, config=config)
        _, writer = await rudp.open_connection(
            HOST, PORT, local_addr=("10.0.0.1", 0), config=config
        )
        offered = 0

        async def send() -> None:
            nonlocal offered
            for _ in range(2**30 // len(BLOCK)):
                writer.write(BLOCK)
                await writer.drain()
                offered += len(BLOCK)

        sending = asyncio.create_task(send())
        await asyncio.sleep(60)
        held = offered
        # The receive buffer, the StreamReader's limit twice over, the watermark and one write.
        assert held <= 262_144 + 2 * 65_536 + 65_536 + len(BLOCK)
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        probes = writer.transport.get_extra_info("tcp_info").segments_out
        await asyncio.sleep(3600)
        assert tracemalloc.get_traced_memory()[0] - before < 65_536
        tracemalloc.stop()
        info = writer.transport.get_extra_info("tcp_info")
        assert offered == held
        assert info.state is rudp.State.ESTABLISHED
        assert 59 <= info.segments_out - probes <= 61  # one a minute: the ceiling of the back-off
        go.set()
        resumed = virtual_time()
        while not taken:
            await asyncio.sleep(0.001)
        assert virtual_time() - resumed < 0.01
        while taken < 8 * len(BLOCK):
            await asyncio.sleep(0.01)
        assert virtual_time() - resumed < 1.0
        with pytest.raises(ConnectionResetError):
            await sending
        writer.close()
        server.close()
        await server.wait_closed()

    run(main(), delay=0.01)


@pytest.mark.parametrize("seed", range(3))
def test_many_streams_over_a_hostile_path(seed: int) -> None:
    """UDP-6, TRAP-3: twenty echoes at once, with loss, reordering, duplicates and corruption."""

    async def main() -> None:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
            writer.close()
            await writer.wait_closed()

        async def client(number: int) -> None:
            chance = random.Random(f"{seed} {number}")
            reader, writer = await rudp.open_connection(HOST, PORT, local_addr=("10.0.0.1", 0))
            data = chance.randbytes(100_000)
            sending = asyncio.create_task(feed(writer, data))
            received = await reader.read()
            await sending
            assert hashlib.sha256(received).digest() == hashlib.sha256(data).digest()
            writer.close()
            await writer.wait_closed()

        async def feed(writer: asyncio.StreamWriter, data: bytes) -> None:
            for at in range(0, len(data), 10_000):
                writer.write(data[at : at + 10_000])
                await writer.drain()
            writer.write_eof()

        async with await rudp.start_server(echo, HOST, PORT) as server:
            await asyncio.gather(*(client(number) for number in range(20)))
            server.close()

    run(
        main(),
        seed=seed,
        delay=0.02,
        loss=0.05,
        reorder=0.05,
        reorder_delay=0.01,
        duplicate=0.02,
        corrupt=0.01,
    )


@pytest.mark.slow
def test_ten_thousand_opens_in_a_row() -> None:
    """TW-8, BUF-6, DEF-46: one socket for all of them, one record for each, and then nothing."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readexactly(1))
            await reader.read()
            writer.close()

        server = await rudp.start_server(handle, HOST, PORT)
        endpoint = None
        for _ in range(10_000):
            reader, writer = await rudp.open_connection(HOST, PORT)
            found = writer.get_extra_info("endpoint")
            assert endpoint is None or found is endpoint
            endpoint = found
            writer.write(b"x")
            assert await reader.readexactly(1) == b"x"
            writer.close()
            await writer.wait_closed()
        assert endpoint is not None
        stats = endpoint.stats()
        assert stats["time_wait_records"] + stats["connections"] <= 10_000
        (listening,) = server.endpoints
        assert listening.stats()["connections"] <= 1
        await asyncio.sleep(300)  # MUST-13: all of them are over after 240 s
        assert endpoint.closed
        server.close()
        await server.wait_closed()

    run(main(), delay=0.0001)


def test_runs_of_one_seed_are_alike_to_the_octet() -> None:
    """What crosses the network, ISNs and ports included, follows from the seed."""

    def crossed(seed: int) -> list[tuple[float, bytes]]:
        seen: list[tuple[float, bytes]] = []

        async def main() -> None:
            loop = asyncio.get_running_loop()
            assert isinstance(loop, VirtualLoop)
            loop.network.taps.append(lambda what, time, data, *_: seen.append((time, data)))

            async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                writer.write(await reader.read())
                writer.close()

            async with await rudp.start_server(handle, HOST, PORT) as server:
                reader, writer = await rudp.open_connection(HOST, PORT)
                writer.write(bytes(20_000))
                writer.write_eof()
                assert len(await reader.read()) == 20_000
                writer.close()
                await writer.wait_closed()
                server.close()

        run(main(), seed=seed, delay=0.01, loss=0.1)
        return seen

    assert crossed(1) == crossed(1)
    assert crossed(1) != crossed(2)
