"""Bulk: octets in one direction through streams, from the first write to the receiver's verdict.

The sender writes chunks of 64 KiB and awaits ``drain()``; the receiver asks for 256 KiB at a time.
Every octet is verified inside the timed region: what arrives is compared with its place in a
random pattern by ``bytes.startswith``, a memcmp without a copy that takes 25 µs for a MiB, where a
hash would take longer than asyncio's TCP for the whole transfer.
"""

import asyncio
import random
import time
from typing import Final

from bench.counters import receive_buffer_errors
from bench.variant import Streams

READ: Final = 256 * 1024
CHUNK: Final = 64 * 1024
PERIOD: Final = 16 * CHUNK

_BLOCK: Final = random.Random(9293).randbytes(PERIOD)
_PATTERN: Final = _BLOCK + _BLOCK[:READ]
_CHUNKS: Final = [_BLOCK[at : at + CHUNK] for at in range(0, PERIOD, CHUNK)]

MORE_IS_BETTER: Final = {"MB/s": True}
"""The figures of the table; the others are in the JSON."""


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, octets: int) -> None:
    """Receive and verify *octets*; answer with the verdict and the CPU time it took, in ns."""
    cpu = time.process_time_ns()
    received = 0
    correct = True
    while received < octets:
        data = await reader.read(READ)
        if not data:
            break
        correct = correct and _PATTERN.startswith(data, received % PERIOD)
        received += len(data)
    verdict = "good" if correct and received == octets else "bad"
    writer.write(f"{verdict} {time.process_time_ns() - cpu}\n".encode())
    await writer.drain()


async def measure(streams: Streams, octets: int) -> dict[str, float]:
    """Send *octets*; return megabytes (10**6) a second and what else can be said about it."""
    reader, writer = streams
    errors = receive_buffer_errors()
    cpu = time.process_time_ns()
    began = time.perf_counter()
    writer.write(f"bulk {octets}\n".encode())
    left = octets
    turn = 0
    while left:
        chunk = _CHUNKS[turn % len(_CHUNKS)]
        turn += 1
        if left < CHUNK:
            chunk = chunk[:left]
        writer.write(chunk)
        left -= len(chunk)
        await writer.drain()
    verdict, _, receiver_cpu = (await reader.readline()).decode().partition(" ")
    elapsed = time.perf_counter() - began
    if verdict != "good":
        raise RuntimeError(f"bulk: the octets did not arrive as they were sent: {verdict!r}")
    info = writer.get_extra_info("tcp_info")
    return {
        "MB/s": octets / elapsed / 1e6,
        "seconds": elapsed,
        "sender_cpu_seconds": (time.process_time_ns() - cpu) / 1e9,
        "receiver_cpu_seconds": int(receiver_cpu) / 1e9,
        "octets_resent": info.resent if info is not None else 0,
        "udp_receive_buffer_errors": receive_buffer_errors() - errors,
    }
