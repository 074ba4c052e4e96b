"""Idle: what connections cost a server while nothing happens on them.

Each has carried one octet each way, so that it is open on both sides and the server reads from it.
Memory is that of the server's process; what the kernel keeps for a TCP connection is not in it.
"""

import asyncio
from typing import Final

from bench.client import Client
from bench.peers.base import Connection

AT_A_TIME: Final = 32
SECONDS: Final = 3.0
"""How long the CPU time of the server is watched, after as long again to come to rest."""

FIGURES: Final = {"KiB/connection": False, "CPU % idle": False}


async def measure(client: Client, connections: int) -> dict[str, float]:
    """Open *connections* and leave them alone."""
    await (await touched(client)).close()  # what is made once is not counted
    before = client.ask(memory=True)["memory"]
    opened = await open_all(client, connections)
    await asyncio.sleep(SECONDS)
    after = client.ask(memory=True)["memory"]
    cpu = client.ask()["cpu"]
    await asyncio.sleep(SECONDS)
    cpu = client.ask()["cpu"] - cpu
    await asyncio.gather(*(connection.close() for connection in opened))
    return {
        "KiB/connection": (after - before) / connections / 1024,
        "CPU % idle": cpu / SECONDS * 100,
    }


async def open_all(client: Client, connections: int) -> list[Connection]:
    """Return *connections* which have carried an octet each way."""
    opened: list[Connection] = []
    for start in range(0, connections, AT_A_TIME):
        some = min(AT_A_TIME, connections - start)
        opened += await asyncio.gather(*(touched(client) for _ in range(some)))
    return opened


async def touched(client: Client) -> Connection:
    """Open a connection, and see that it works."""
    connection = await client.open()
    connection.writer.write(b"?")
    await connection.writer.drain()
    await connection.reader.readexactly(1)
    return connection
