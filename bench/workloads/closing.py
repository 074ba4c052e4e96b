"""Closing: what it costs both ends when many connections are closed at the same time."""

import asyncio
import time
from typing import Final

from bench.client import Client
from bench.workloads import idle

REST: Final = 1.0
"""Seconds before the close and after it, in which both ends come to rest."""

FIGURES: Final = {"CPU µs/connection": False, "seconds": False}


async def measure(client: Client, connections: int) -> dict[str, float]:
    """Close *connections* in one turn; the server closes its end of each when it hears of it.

    CPU time is that of both processes, until a while after the last has closed.
    """
    opened = await idle.open_all(client, connections)
    await asyncio.sleep(REST)
    before = client.ask()["cpu"]
    cpu = time.process_time()
    began = time.perf_counter()
    await asyncio.gather(*(connection.close() for connection in opened))
    elapsed = time.perf_counter() - began
    await asyncio.sleep(REST)
    cpu = time.process_time() - cpu
    after = client.ask()["cpu"]
    return {
        "CPU µs/connection": (cpu + after - before) / connections * 1e6,
        "seconds": elapsed,
    }
