"""What it costs to look at a program: a scrape of its metrics, and ``rudp ss``.

Connections over loopback, both ends in this process, each of which says something now and then.
CPU time of the loop counts, not the clock, so that a busy machine disturbs less; the longest that
the loop did not get its turn is told beside it.
"""

import argparse
import asyncio
import contextlib
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest

import rudp
import rudp.metrics

BATCH = 100
"""Connections that are opened at once."""

PAUSE = 10.0
"""Seconds between two messages on a connection."""


class End(asyncio.Protocol):
    """Either end; *echoes*: whether it sends back what comes."""

    transport: asyncio.Transport

    def __init__(self, echoes: bool) -> None:
        self._echoes = echoes

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self._echoes:
            self.transport.write(data)


async def measure(connections: int, rounds: int) -> None:
    """Open so many *connections*, look at them in *rounds*, and print what it took."""
    registry = CollectorRegistry()
    registry.register(rudp.metrics.collector())
    server = await rudp.create_server(lambda: End(True), "127.0.0.1", 0, backlog=BATCH)
    address = server.sockets[0].getsockname()
    ours: list[End] = []
    while len(ours) < connections:
        count = min(BATCH, connections - len(ours))
        opening = [rudp.create_connection(lambda: End(False), *address) for _ in range(count)]
        ours += [end for _, end in await asyncio.gather(*opening)]
    gaps: list[float] = []
    tasks = [asyncio.create_task(_talk(ours)), asyncio.create_task(_watch(gaps))]
    await asyncio.sleep(PAUSE / 4)
    ends = len(rudp.connections())
    print(f"{ends} ends of connections, {rounds} rounds\n")
    print(f"{'':26}{'CPU ms':>8}{'us each':>9}{'longest gap ms':>16}")
    ways: dict[str, Callable[[], Any]] = {
        "scrape, in the loop": lambda: generate_latest(registry),
        "what rudp ss is told": lambda: [json.dumps(each) for each in rudp.connections()],
    }
    for name, look in ways.items():
        seconds = []
        for _ in range(rounds):
            began = time.thread_time()
            look()
            seconds.append(time.thread_time() - began)
            await asyncio.sleep(0.1)
        middle = statistics.median(seconds)
        print(f"{name:26}{middle * 1e3:>8.1f}{middle / ends * 1e6:>9.1f}{'':>16}")
    await asyncio.sleep(0.5)
    gaps.clear()
    clock = time.perf_counter()
    for _ in range(rounds):
        await asyncio.to_thread(generate_latest, registry)
    took = (time.perf_counter() - clock) / rounds
    name = "scrape, from a thread"
    print(f"{name:26}{'':>17}{max(gaps) * 1e3:>16.1f}  ({took * 1e3:.0f} ms by the clock)")
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    for end in ours:
        end.transport.abort()
    server.close()
    server.abort_clients()


async def _talk(ends: list[End]) -> None:
    """Say something on each connection, spread over the time."""
    while True:
        for number, end in enumerate(ends):
            end.transport.write(b"hello")
            if number % BATCH == BATCH - 1:
                await asyncio.sleep(PAUSE * BATCH / len(ends))
        await asyncio.sleep(0.01)


async def _watch(gaps: list[float]) -> None:
    """Note how late the loop is."""
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.001)
        gaps.append(time.perf_counter() - began - 0.001)


def main() -> None:
    made = argparse.ArgumentParser(prog="python -m bench.looking", description=__doc__)
    made.add_argument("--connections", type=int, default=5000, help="with two ends each (5000)")
    made.add_argument("--rounds", type=int, default=10, help="how often each is done (10)")
    given = made.parse_args()
    asyncio.run(measure(given.connections, given.rounds))


if __name__ == "__main__":
    main()
