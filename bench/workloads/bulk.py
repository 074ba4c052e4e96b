"""Bulk: octets in one direction, from the first write to the reader's verdict.

The sender writes chunks of one size and awaits ``drain()``; the reader asks for 256 KiB at a time
and verifies every octet inside the timed region.
"""

import functools
import time
from typing import Final

from bench.client import Client
from bench.pattern import CHUNK, chunks

FIGURES: Final = {"MB/s": True, "CPU s/GB": False}

LARGE: Final = 256 * 1024
"""Octets of the larger of two sizes of a write."""


async def measure(
    client: Client, octets: int, *, chunk: int = CHUNK, counted: bool = False
) -> dict[str, float]:
    """Send *octets* in writes of *chunk* of them; a megabyte is 10**6 octets.

    CPU seconds are those of both processes.  *counted*: the server is told how many octets come,
    else they end with a FIN.
    """
    reader, writer, close = await client.open()
    if counted:
        writer.write(b"%d\n" % octets)
    parts = chunks(chunk)
    before = client.ask()
    cpu = time.process_time()
    began = time.perf_counter()
    whole, rest = divmod(octets, chunk)
    for turn in range(whole):
        writer.write(parts[turn % len(parts)])
        await writer.drain()
    writer.write(parts[whole % len(parts)][:rest])
    if not counted:
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


large = functools.partial(measure, chunk=LARGE)
"""The same in large writes."""

over_tls = functools.partial(measure, counted=True)
"""The same over TLS, which has no end of one direction only."""
