"""Opening: connections that live for one octet each way, one after the other or many at a time."""

import asyncio
import time
from typing import Final

from bench.client import Client

AT_A_TIME: Final = 32

FIGURES: Final = {"connections/s": True}


async def in_sequence(client: Client, connections: int) -> dict[str, float]:
    """Make *connections*, each when the one before it is closed."""
    return await _measure(client, connections, 1)


async def at_a_time(client: Client, connections: int) -> dict[str, float]:
    """Make *connections*, :data:`AT_A_TIME` of which are open at any time."""
    return await _measure(client, connections, AT_A_TIME)


async def _measure(client: Client, connections: int, at_a_time: int) -> dict[str, float]:
    left = iter(range(connections))

    async def one_by_one() -> None:
        for n in left:
            reader, writer, close = await client.open()
            octet = bytes([n % 256])
            writer.write(octet)
            await writer.drain()
            if await reader.readexactly(1) != octet:
                raise ValueError("open: the answer differs from the octet that was sent")
            await close()

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(at_a_time):
            group.create_task(one_by_one())
    return {"connections/s": connections / (time.perf_counter() - began)}
