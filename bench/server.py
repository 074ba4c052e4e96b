"""The other side: one server for all workloads, in a process of its own.

The first line of a connection names the workload and its amount.  The process prints its port
and lives until its standard input ends, so it cannot outlive the one that started it.
"""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator

from bench.cpus import pin
from bench.variant import Variant
from bench.workload import WORKLOADS


async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve one connection."""
    try:
        name, amount = (await reader.readline()).decode().split()
        await WORKLOADS[name].serve(reader, writer, int(amount))
        await reader.read()  # the client closes first
    finally:
        writer.close()


@contextlib.contextmanager
def process(variant: Variant) -> Iterator[int]:
    """Run a server for *variant* in its own process; yield its port."""
    with subprocess.Popen(
        [
            sys.executable,
            "-m",
            "bench.server",
            variant.network,
            variant.loop,
            str(variant.mss or 0),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        pin(child.pid, 1)
        line = child.stdout.readline()
        if not line:
            raise RuntimeError(f"the server for {variant} did not start")
        yield int(line)
        child.stdin.close()


async def _main(variant: Variant) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    server, port = await variant.serve(handle)
    print(port, flush=True)
    loop.add_reader(sys.stdin.fileno(), stop.set)
    await stop.wait()
    loop.remove_reader(sys.stdin.fileno())
    server.close()
    await server.wait_closed()


if __name__ == "__main__":
    network, loop_name, mss = sys.argv[1:]
    chosen = Variant(network, loop_name, int(mss) or None)
    with asyncio.Runner(loop_factory=chosen.new_loop) as runner:
        runner.run(_main(chosen))
