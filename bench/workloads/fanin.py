"""Fan-in: many connections send to one server at the same time; who gets how much through."""

import asyncio
import time
from typing import Final

from bench.client import Client
from bench.pattern import CHUNK, chunks
from bench.race import jain

SECONDS: Final = 2.0

FIGURES: Final = {"Jain's index": True, "MB/s": True}


async def measure(client: Client, connections: int) -> dict[str, float]:
    """Send on all *connections* for :data:`SECONDS`; what was on its way by then arrives too."""
    opened = [await client.open() for _ in range(connections)]
    parts = chunks()
    began = time.perf_counter()

    async def send(which: int) -> int:
        reader, writer, close = opened[which]
        sent = 0
        while time.perf_counter() - began < SECONDS:
            writer.write(parts[sent // CHUNK % len(parts)])
            sent += CHUNK
            await writer.drain()
        writer.write_eof()
        received = int(await reader.readline())
        await close()
        if received != sent:
            raise ValueError(f"fan-in: of {sent} octets {received} arrived rightly")
        return received

    received = await asyncio.gather(*(send(which) for which in range(connections)))
    elapsed = time.perf_counter() - began
    return {"Jain's index": jain(received), "MB/s": sum(received) / elapsed / 1e6}
