"""Ping-pong: 64 octets there and back, one exchange at a time; the round trips' p50 and p99."""

import time
from typing import Final

from bench.client import Client

SIZE: Final = 64
WARM_UP: Final = 20
"""Exchanges that are not counted."""

FIGURES: Final = {"p50 µs": False, "p99 µs": False}


async def measure(client: Client, exchanges: int) -> dict[str, float]:
    """Make *exchanges* round trips; return their percentiles in microseconds."""
    reader, writer, close = await client.open()
    times = []
    for n in range(exchanges + WARM_UP):
        message = n.to_bytes(SIZE, "big")
        began = time.perf_counter_ns()
        writer.write(message)
        await writer.drain()
        answer = await reader.readexactly(SIZE)
        times.append((time.perf_counter_ns() - began) / 1000)
        if answer != message:
            raise ValueError("pingpong: the answer differs from the message")
    await close()
    times = sorted(times[WARM_UP:])
    return {
        "p50 µs": times[len(times) // 2],
        "p99 µs": times[min(len(times) * 99 // 100, len(times) - 1)],
    }
