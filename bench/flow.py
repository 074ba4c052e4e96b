"""The two programs at the ends of a lossy path: a server that sends, a client that counts.

A client says ``bulk`` or ``fetch OCTETS`` in its first line.  Bulk goes on until the client has
seen enough; what it counts is the octets that arrive after a start-up time.  The congestion control
is the sender's, so it is chosen where the server is started.
"""

import argparse
import asyncio
import contextlib
import functools
import json
import socket
import time
from typing import Any, Final

import rudp

CHUNK: Final = bytes(65_536)
READ: Final = 256 * 1024
TCP_CONGESTION: Final = 13  # <linux/tcp.h>


def controller(name: str) -> Any:
    """Return what ``Config(congestion=...)`` takes for *name*; ``bbr:0.3`` raises the threshold."""
    kind, _, threshold = name.partition(":")
    if not threshold:
        return kind
    from rudp.core.congestion.bbr import Bbr

    return functools.partial(Bbr, loss_threshold=float(threshold))


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        words = (await reader.readline()).split()
        if words[:1] == [b"fetch"]:
            writer.write(bytes(int(words[1])))
            await writer.drain()
        elif words[:1] == [b"bulk"]:
            asking = asyncio.ensure_future(reader.readline())
            while not asking.done():
                writer.write(CHUNK)
                await writer.drain()
            info = writer.get_extra_info("tcp_info")
            report = (
                {}
                if info is None
                else {
                    "resent": info.resent // info.mss,
                    "dsacks": info.dsacks,
                    "undone": info.undone,
                    "mss": info.mss,
                    "min_rtt": info.min_rtt,
                }
            )
            writer.write(b"\n" + json.dumps(report).encode())
            await writer.drain()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def serve(network: str, congestion: str, host: str, config: dict[str, Any]) -> None:
    """Send to whoever asks, until cancelled; print the port."""
    server: Any
    if network == "tcp":
        sock = socket.socket()
        sock.setsockopt(socket.IPPROTO_TCP, TCP_CONGESTION, congestion.encode())
        sock.bind((host, 0))
        server = await asyncio.start_server(_serve, sock=sock)
    else:
        made = rudp.Config(congestion=controller(congestion), **config)
        server = await rudp.start_server(_serve, host, 0, config=made)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


async def _open(
    network: str, host: str, port: int, config: dict[str, Any]
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if network == "tcp":
        return await asyncio.open_connection(host, port)
    return await rudp.open_connection(host, port, config=rudp.Config(**config))


async def bulk(
    network: str, host: str, port: int, skip: float, seconds: float, config: dict[str, Any]
) -> dict[str, Any]:
    """Return the steady goodput in Mbit/s, and the sender's report."""
    reader, writer = await _open(network, host, port, config)
    writer.write(b"bulk\n")
    began = time.monotonic()
    mark, marked, octets = 0, began, 0
    while (now := time.monotonic()) < began + skip + seconds:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(began + skip + seconds - now):
                octets += len(await reader.read(READ))
        if not mark and time.monotonic() >= began + skip:
            mark, marked = octets, time.monotonic()
    result: dict[str, Any] = {"goodput": (octets - mark) * 8e-6 / (time.monotonic() - marked)}
    writer.write(b"enough\n")
    tail = b""
    with contextlib.suppress(TimeoutError, OSError):
        async with asyncio.timeout(10):
            while data := await reader.read(READ):
                octets += len(data)
                tail = (tail + data)[-1000:]
    report = tail.rpartition(b"\n")[2]
    if report.startswith(b"{"):
        result |= json.loads(report)
    writer.transport.abort()
    result["octets"] = octets
    return result


async def fetch(
    network: str, host: str, port: int, octets: int, times: int, config: dict[str, Any]
) -> dict[str, Any]:
    """Return how many seconds each of *times* fetches of *octets* took, opening included."""
    took = []
    for _ in range(times):
        began = time.monotonic()
        reader, writer = await _open(network, host, port, config)
        writer.write(f"fetch {octets}\n".encode())
        await reader.readexactly(octets)
        took.append(time.monotonic() - began)
        writer.transport.abort()
    return {"seconds": took}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.flow")
    parser.add_argument("what", choices=["serve", "bulk", "fetch"])
    parser.add_argument("--network", choices=["tcp", "rudp"], default="rudp")
    parser.add_argument("--congestion", default="cubic")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int)
    parser.add_argument("--skip", type=float, default=2.0)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--octets", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--config", type=json.loads, default={})
    o = parser.parse_args()
    if o.what == "serve":
        asyncio.run(serve(o.network, o.congestion, o.host, o.config))
        return
    if o.what == "bulk":
        result = asyncio.run(bulk(o.network, o.host, o.port, o.skip, o.seconds, o.config))
    else:
        result = asyncio.run(fetch(o.network, o.host, o.port, o.octets, o.times, o.config))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
