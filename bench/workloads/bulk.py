"""Bulk: octets in one direction, from the first write to the reader's verdict.

The sender writes chunks of 64 KiB and awaits ``drain()``; the reader asks for 256 KiB at a time
and verifies every octet inside the timed region.
"""

import time
from typing import Final

from bench.client import Client
from bench.pattern import CHUNK, CHUNKS

FIGURES: Final = {"MB/s": True, "CPU s/GB": False}


async def measure(client: Client, octets: int) -> dict[str, float]:
    """Send *octets*; a megabyte is 10**6 of them, and CPU seconds are those of both processes."""
    reader, writer, close = await client.open()
    before = client.ask()
    cpu = time.process_time()
    began = time.perf_counter()
    whole, rest = divmod(octets, CHUNK)
    for turn in range(whole):
        writer.write(CHUNKS[turn % len(CHUNKS)])
        await writer.drain()
    writer.write(CHUNKS[whole % len(CHUNKS)][:rest])
    writer.write_eof()
    verdict = await reader.readline()
    elapsed = time.perf_counter() - began
    cpu = time.process_time() - cpu
    after = client.ask()
    if verdict != b"%d\n" % octets:
        raise ValueError(f"bulk: of {octets} octets those that arrived rightly are {verdict!r}")
    info = writer.get_extra_info("tcp_info")
    await close()
    return {
        "MB/s": octets / elapsed / 1e6,
        "CPU s/GB": (cpu + after["cpu"] - before["cpu"]) / octets * 1e9,
        "seconds": elapsed,
        "sender CPU s": cpu,
        "octets resent": info.resent if info is not None else 0,
        "overflows": after["overflows"] - before["overflows"],
    }
