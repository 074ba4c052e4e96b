"""Ping-pong: 64 octets there and back, one exchange at a time; the round trips' p50 and p99."""

import asyncio
import time
from typing import Final

from bench.variant import Streams

SIZE: Final = 64
WARM_UP: Final = 20
"""Exchanges that are not counted."""

MORE_IS_BETTER: Final = {"p50 µs": False, "p99 µs": False}


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, exchanges: int) -> None:
    """Send back *exchanges* messages."""
    for _ in range(exchanges):
        writer.write(await reader.readexactly(SIZE))
        await writer.drain()


async def measure(streams: Streams, exchanges: int) -> dict[str, float]:
    """Make *exchanges* round trips; return their percentiles in microseconds."""
    reader, writer = streams
    writer.write(f"ping-pong {exchanges + WARM_UP}\n".encode())
    times = []
    for n in range(exchanges + WARM_UP):
        message = n.to_bytes(SIZE, "big")
        began = time.perf_counter_ns()
        writer.write(message)
        await writer.drain()
        answer = await reader.readexactly(SIZE)
        times.append((time.perf_counter_ns() - began) / 1000)
        if answer != message:
            raise RuntimeError("ping-pong: the answer differs from the message")
    times = sorted(times[WARM_UP:])
    return {
        "p50 µs": times[len(times) // 2],
        "p99 µs": times[min(len(times) * 99 // 100, len(times) - 1)],
    }
