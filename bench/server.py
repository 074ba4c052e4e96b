"""The server of one variant, a process of its own: what it does for those who connect.

Its client, which has started it, tells it which service that is, and asks what it has used.
"""

import asyncio
import contextlib
import gc
import time
from pathlib import Path
from typing import Final

from bench import cpus
from bench.child import Answer, obey
from bench.counters import receive_buffer_errors
from bench.pattern import READ, fits
from bench.peers.base import Handler
from bench.plan import Plan

PAGE: Final = 4096


async def sink(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, octets: int | None = None
) -> None:
    """Verify all that comes, or the next *octets*, and answer how many were right."""
    received = 0
    while received != octets and (data := await reader.read(READ)):
        if not fits(data, received):
            received = -1
            break
        received += len(data)
    writer.write(f"{received}\n".encode())


async def counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Do as :func:`sink` after a line that says how many octets come: TLS has no end by halves."""
    await sink(reader, writer, int(await reader.readline()))


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back what comes."""
    while data := await reader.read(READ):
        writer.write(data)
        await writer.drain()


async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back one octet, and be the first to close."""
    writer.write(await reader.readexactly(1))


SERVICES: Final[dict[str, Handler]] = {"sink": sink, "counted": counted, "echo": echo, "once": once}


async def serve(plan: Plan) -> None:
    """Listen, and obey."""
    service = "sink"

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError, EOFError, asyncio.CancelledError):
                await SERVICES[service](reader, writer)
        finally:
            writer.close()

    async def act(order: Answer) -> Answer:
        """Change the ``service``; tell the port, CPU seconds, datagrams that found a socket's
        buffer full, and octets of ``memory`` if asked."""
        nonlocal service
        service = order.get("service", service)
        return {"port": port, "cpu": time.process_time(), "overflows": receive_buffer_errors()} | (
            {"memory": memory()} if order.get("memory") else {}
        )

    port = await plan.peer().listen(handle, plan.host)
    await obey(act)


def memory() -> int:
    """Return the octets of memory that this process has, without garbage."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


if __name__ == "__main__":
    plan = Plan.told()
    cpus.pin(plan.cpus[1])
    with asyncio.Runner(loop_factory=plan.new_loop) as runner:
        runner.run(serve(plan))
