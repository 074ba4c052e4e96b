"""Scale: whether the cost of something stays the same when there is more of it."""

import asyncio
from typing import Final

from bench.client import Client
from bench.workloads import bulk, echo, idle

GROWTH: Final = {"10 MiB": True, "100 MiB": True, "1 GiB": True, "4 GiB": True}
ACTIVE: Final = {"CPU µs/message at 100": False, "CPU µs/message at 10,000": False, "growth": False}
TIME_WAIT: Final = {"octets/record": False}

WARM_UP: Final = 500
"""Connections, at most, whose memory those that are counted can take over."""


async def growth(client: Client, octets: int) -> dict[str, float]:
    """Send a 400th of *octets*, a 40th, a quarter, and all; return megabytes a second of each."""
    parts = zip(GROWTH, (400, 40, 4, 1), strict=True)
    return {name: (await bulk.measure(client, octets // part))["MB/s"] for name, part in parts}


async def active(client: Client, connections: int) -> dict[str, float]:
    """Echo as many messages over a 100th of *connections* as over all of them, two on each.

    CPU time is that of both processes.
    """
    opened = await idle.open_all(client, connections)
    few = await echo.exchange(client, opened[: connections // 100], 200)
    many = await echo.exchange(client, opened, 2)
    await asyncio.gather(*(connection.close() for connection in opened))
    costs = few["CPU µs/message"], many["CPU µs/message"]
    figures = dict(zip(ACTIVE, (*costs, costs[1] / costs[0]), strict=True))
    return figures | {"overflows": few["overflows"] + many["overflows"]}


async def time_wait(client: Client, connections: int) -> dict[str, float]:
    """Let the server close *connections* first, and see what it keeps of them."""
    await _let_close(client, min(WARM_UP, connections))
    before = client.ask(memory=True)["memory"]
    await _let_close(client, connections)
    after = client.ask(memory=True)["memory"]
    return {"octets/record": (after - before) / connections}


async def _let_close(client: Client, connections: int) -> None:
    for _ in range(connections):
        connection = await client.open()
        connection.writer.write(b"?")
        await connection.writer.drain()
        if await connection.reader.read() != b"?":
            raise ValueError("time-wait: the answer differs from the octet that was sent")
        await connection.close()
