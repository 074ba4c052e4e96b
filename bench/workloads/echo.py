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
    each = max(messages // CONNECTIONS, 1)

    async def talk(which: int) -> None:
        for n in range(each):
            await ask_and_compare(opened[which], (which * each + n).to_bytes(SIZE, "big"))

    before = client.ask()
    cpu = time.process_time()
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for which in range(CONNECTIONS):
            group.create_task(talk(which))
    elapsed = time.perf_counter() - began
    cpu = time.process_time() - cpu
    after = client.ask()
    await asyncio.gather(*(connection.close() for connection in opened))
    messages = each * CONNECTIONS
    return {
        "messages/s": messages / elapsed,
        "CPU µs/message": (cpu + after["cpu"] - before["cpu"]) / messages * 1e6,
        "overflows": after["overflows"] - before["overflows"],
    }


async def ask_and_compare(connection: Connection, message: bytes) -> None:
    """Send *message*, and see that it comes back."""
    connection.writer.write(message)
    await connection.writer.drain()
    if await connection.reader.readexactly(len(message)) != message:
        raise ValueError("echo: the answer differs from the message")
