"""Scale: whether the cost of something stays the same when there is more of it."""

import asyncio
import time
from typing import Final

from bench.client import Client
from bench.peers.base import Connection
from bench.workloads import bulk, echo, idle

GROWTH: Final = {"10 MiB": True, "100 MiB": True, "1 GiB": True, "4 GiB": True}
ACTIVE: Final = {"CPU µs/message at 100": False, "CPU µs/message at 10,000": False, "growth": False}
TIME_WAIT: Final = {"octets/record": False}

AT_ONCE: Final = 100
"""Messages that are sent at the same time."""

EVERY: Final = 0.1
"""Seconds from one such batch to the next: the answers come in less, and delayed ACKs of them."""

SHORT: Final = 256
"""Octets of a message.  ACKs of one that short wait for the answer whether or not the connection
was quiet for long, so the same number of packets is sent whatever the number of connections."""

WARM_UP: Final = 500
"""Connections, at most, whose memory those that are counted can take over."""


async def growth(client: Client, octets: int) -> dict[str, float]:
    """Send a 400th of *octets*, a 40th, a quarter, and all; return megabytes a second of each."""
    parts = zip(GROWTH, (400, 40, 4, 1), strict=True)
    return {name: (await bulk.measure(client, octets // part))["MB/s"] for name, part in parts}


async def active(client: Client, connections: int) -> dict[str, float]:
    """Echo as many messages over :data:`AT_ONCE` of *connections* as over all of them.

    Both go out in batches of the same size at the same pace, so that all they differ in is over
    how many connections.  CPU time is that of both processes.
    """
    opened = await idle.open_all(client, connections)
    batches = connections // AT_ONCE
    costs = [await _pace(client, some, batches) for some in (opened[:AT_ONCE], opened)]
    await asyncio.gather(*(connection.close() for connection in opened))
    return dict(zip(ACTIVE, (*costs, costs[1] / costs[0]), strict=True))


async def _pace(client: Client, opened: list[Connection], batches: int) -> float:
    """Echo a message on the next :data:`AT_ONCE` connections at a time; return what each cost."""
    before: float = client.ask()["cpu"]
    cpu = time.process_time()
    for batch in range(batches):
        pause = asyncio.create_task(asyncio.sleep(EVERY))
        async with asyncio.TaskGroup() as group:
            for n in range(batch * AT_ONCE, (batch + 1) * AT_ONCE):
                connection = opened[n % len(opened)]
                group.create_task(echo.ask_and_compare(connection, n.to_bytes(SHORT, "big")))
        await pause
    cpu = time.process_time() - cpu
    after: float = client.ask()["cpu"]
    return (cpu + after - before) / (batches * AT_ONCE) * 1e6


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
