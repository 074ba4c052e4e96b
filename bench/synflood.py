"""What SYN cookies cost: ``python -m bench.synflood``.

A server that has no room for half-open connections gets SYNs over loopback, as fast as another
process can send them, and answers each with a cookie.  The figures are the server's own: SYNs
answered in a second, and its CPU time for each, reading and sending included.  With ``--transfer``
a client downloads meanwhile, and its rate is told, without the flood and with it.
"""

import argparse
import asyncio
import contextlib
import random
import socket
import sys
import time
from typing import Final

import rudp
from rudp.core.segment import options, wire

HOSTS: Final = [f"127.0.1.{n}" for n in range(1, 33)]
CHUNK: Final = bytes(256 * 1024)


def flood(port: int, seconds: float, rate: float) -> None:
    """Send SYNs to UDP port *port* of this host, *rate* a second or as many as go if that is 0."""
    chance = random.Random(1)
    sockets = []
    for host in HOSTS:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((host, 0))
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sockets.append(sock)
    opts = options.encode_syn(1452, window_scale=7, sack_permitted=True, timestamps=(1, 0))
    syns = [
        wire.pack_segment(
            chance.randrange(1024, 65_536) << 16 | port,
            chance.getrandbits(32),
            0,
            wire.SYN,
            65_535,
            opts,
        )
        for _ in range(10_000)
    ]
    start = time.monotonic()
    sent = 0
    while (now := time.monotonic()) < start + seconds:
        if rate and sent >= (now - start) * rate:
            time.sleep(0.0005)
            continue
        for _ in range(32):
            with contextlib.suppress(BlockingIOError):
                sockets[sent % len(sockets)].sendto(syns[sent % len(syns)], ("127.0.0.1", port))
            sent += 1
    print(sent)


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send without end."""
    with contextlib.suppress(OSError):
        while not writer.is_closing():
            writer.write(CHUNK)
            await writer.drain()


async def measure(seconds: float, rate: float, transfer: bool) -> None:
    """Run server, flood and perhaps a download; print what was found."""
    config = rudp.Config(half_open_max=0)
    server = await rudp.start_server(serve, "127.0.0.1", 0, config=config)
    (endpoint,) = server.endpoints
    port = server.sockets[0].getsockname()[1]
    octets = 0

    async def download() -> None:
        nonlocal octets
        reader, _ = await rudp.open_connection("127.0.0.1", port)
        while data := await reader.read(1 << 20):
            octets += len(data)

    task = asyncio.create_task(download()) if transfer else None
    if transfer:
        await asyncio.sleep(1.0)
        before, start = octets, time.monotonic()
        await asyncio.sleep(seconds)
        calm = (octets - before) / (time.monotonic() - start)
        print(f"without the flood: {calm / 1e6:.0f} MB/s")
    command = [sys.executable, "-m", "bench.synflood", "--flood", str(port)]
    command += ["--seconds", str(seconds), "--rate", str(rate)]
    answered = endpoint.stats()["syn_cookie_sent"]
    child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    before, start, cpu = octets, time.monotonic(), time.process_time()
    out, _ = await child.communicate()
    elapsed, cpu = time.monotonic() - start, time.process_time() - cpu
    answered = endpoint.stats()["syn_cookie_sent"] - answered
    print(f"SYNs sent: {int(out)}, answered: {answered}, {answered / seconds:.0f} a second")
    if transfer:
        print(f"with the flood: {(octets - before) / elapsed / 1e6:.0f} MB/s")
    else:
        print(f"CPU: {cpu / max(answered, 1) * 1e6:.1f} us each, {cpu / elapsed:.0%} of one core")
    if task is not None:
        task.cancel()
    server.close()
    server.abort_clients()
    await server.wait_closed()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rate", type=float, default=0.0, help="SYNs a second; 0: all that go")
    parser.add_argument("--transfer", action="store_true", help="download meanwhile")
    parser.add_argument("--flood", type=int, metavar="PORT", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.flood:
        flood(arguments.flood, arguments.seconds, arguments.rate)
    else:
        asyncio.run(measure(arguments.seconds, arguments.rate, arguments.transfer))


if __name__ == "__main__":
    main()
