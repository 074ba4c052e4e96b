"""Echo: many connections at once, each with one message of 1 KiB on its way there or back."""

import asyncio
import time
from typing import Final

from bench.client import Client
from bench.peers.base import Connection

CONNECTIONS: Final = 100
SIZE: Final = 1024

FIGURES: Final = {"messages/s": True, "CPU µs/message": False}


async def measure(client: Client, messages: int) -> dict[str, float]:
    """Exchange *messages* over all :data:`CONNECTIONS` together."""
    opened = [await client.open() for _ in range(CONNECTIONS)]
    figures = await exchange(client, opened, max(messages // CONNECTIONS, 1))
    await asyncio.gather(*(connection.close() for connection in opened))
    return figures


async def exchange(client: Client, opened: list[Connection], each: int) -> dict[str, float]:
    """Exchange *each* messages over all the connections at the same time."""

    async def ask_and_compare(which: int, connection: Connection) -> None:
        for n in range(each):
            message = (which * each + n).to_bytes(SIZE, "big")
            connection.writer.write(message)
            await connection.writer.drain()
            if await connection.reader.readexactly(SIZE) != message:
                raise ValueError("echo: the answer differs from the message")

    before = client.ask()
    cpu = time.process_time()
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for which, connection in enumerate(opened):
            group.create_task(ask_and_compare(which, connection))
    elapsed = time.perf_counter() - began
    cpu = time.process_time() - cpu
    after = client.ask()
    messages = each * len(opened)
    return {
        "messages/s": messages / elapsed,
        "CPU µs/message": (cpu + after["cpu"] - before["cpu"]) / messages * 1e6,
        "overflows": after["overflows"] - before["overflows"],
    }
