"""Moves: the client takes another socket, and exchanges 64 octets from there.

What is timed is both: the new socket, and the exchange, which waits until the server has asked at
the new address and has an answer.  Beside it stand exchanges of the same connection without a move.
"""

import time
from typing import Final

import rudp
from bench.client import Client
from bench.workloads.pingpong import SIZE

FIGURES: Final = {"move p50 µs": False, "move p99 µs": False, "exchange p50 µs": False}

BETWEEN: Final = 5
"""Exchanges between two moves, of which the last ones are timed."""


async def measure(client: Client, moves: int) -> dict[str, float]:
    """Move so often; return percentiles in microseconds."""
    reader, writer, close = await client.open()
    moved: list[float] = []
    stayed: list[float] = []

    async def exchange(n: int) -> None:
        message = n.to_bytes(SIZE, "big")
        writer.write(message)
        await writer.drain()
        if await reader.readexactly(SIZE) != message:
            raise ValueError("moves: the answer differs from the message")

    for n in range(moves):
        for turn in range(BETWEEN):
            began = time.perf_counter_ns()
            await exchange(n)
            if turn:
                stayed.append((time.perf_counter_ns() - began) / 1000)
        began = time.perf_counter_ns()
        await rudp.rebind(writer)
        await exchange(n)
        moved.append((time.perf_counter_ns() - began) / 1000)
    told = rudp.info(writer).moves
    await close()
    if told != moves:
        raise ValueError(f"moves: the connection has moved {told} times, not {moves}")
    moved.sort()
    stayed.sort()
    return {
        "move p50 µs": moved[len(moved) // 2],
        "move p99 µs": moved[min(len(moved) * 99 // 100, len(moved) - 1)],
        "exchange p50 µs": stayed[len(stayed) // 2],
    }
