"""A connection from an address and port that TIME-WAIT remembers on the other side."""

import asyncio

import rudp
from rudp import sim

CLIENT = ("10.0.0.1", 5000)
SERVER = ("10.0.0.2", 9000)


def test_the_same_ports_may_connect_again_at_once() -> None:
    """TW-4, ISN-1: numbers and timestamps go on from one socket of ours to the next."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()  # first, so that the server is the one in TIME-WAIT

    async def main() -> float:
        loop = asyncio.get_running_loop()
        server = await rudp.start_server(answer, *SERVER)
        for _ in range(12):
            reader, writer = await rudp.open_connection(*SERVER, local_addr=CLIENT)
            assert await reader.read() == b"hello"
            writer.close()
            await writer.wait_closed()
        server.close()
        return loop.time()

    assert sim.run(main(), delay=0.01) < 2.0
