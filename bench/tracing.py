"""What it costs to watch a connection: bulk over loopback, both ends in this process, by turns.

Each round sends the same octets once in every way of watching, in an order by chance, and each
is held against the round's transfer that nobody watched.  CPU time counts, not the clock, so that
a busy machine disturbs less; the table has the median of the rounds and their quartiles.  What the
hooks cost when they are off cannot be switched off to compare: it is counted, as so many tests for
None a run, times what one such test takes here.

``--simulate`` makes one transfer without sockets, always the same, for a tool that counts
instructions: what two sizes differ by is what the octets between them cost::

    valgrind --tool=cachegrind --cache-sim=no --cachegrind-out-file=/dev/null \\
        python -m bench.tracing --simulate recorder --size 10
"""

import argparse
import asyncio
import contextlib
import gc
import random
import statistics
import tempfile
import time
import timeit
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import rudp
from rudp import sim
from rudp.trace import Capture, EventLog

TESTS: Final = 6
"""Tests for None for a run that leaves at one end and comes to the other: two where it is sent,
one where a timer may fire, two where it arrives, one where a state may move."""

WAYS: Final = ("off", "recorder", "tracer", "events", "capture")


def watched(way: str, folder: str) -> dict[str, Any]:
    """Return the arguments that make a connection be watched in this *way*."""
    config = rudp.Config(flight_recorder=64 if way == "recorder" else 0)
    tracer: rudp.Tracer | None = None
    if way == "tracer":
        tracer = rudp.Tracer()
    elif way == "events":
        tracer = EventLog(limit=10_000).tracer("end")
    elif way == "capture":
        tracer = Capture(Path(folder) / "run.pcapng")
    return {"config": config, "tracer": tracer}


async def transfer(size: int, **options: Any) -> tuple[float, int]:
    """Send *size* octets; return the CPU seconds, and how many runs the sender took."""
    got = asyncio.get_running_loop().create_future()

    class Sink(asyncio.Protocol):
        left = size

        def data_received(self, data: bytes) -> None:
            self.left -= len(data)
            if not self.left:
                got.set_result(None)

    server = await rudp.create_server(Sink, "127.0.0.1", 0, **options)
    address = server.sockets[0].getsockname()
    transport, _ = await rudp.create_connection(asyncio.Protocol, *address[:2], **options)
    data = bytes(1 << 20)
    began = time.process_time()
    for _ in range(size >> 20):
        transport.write(data)
    await got
    used = time.process_time() - began
    info = transport.get_extra_info("tcp_info")
    transport.abort()
    server.close()
    server.abort_clients()
    await server.wait_closed()
    return used, info.segments_out


def simulate(size: int, way: str) -> None:
    """Send *size* octets between two tables in virtual time."""
    options = watched(way, "")
    network = sim.Network(delay=0.001, seed=1)
    server = network.host(("10.0.0.2", 7000), options["config"])
    client = network.host(("10.0.0.1", 7000), options["config"])
    listener = server.table.listen(80)
    ours = client.table.open_active(server.path, 80, 0.0, tracer=options["tracer"])
    network.run_until(lambda: listener.accepted, limit=10.0)
    theirs = listener.accepted.popleft()
    ours.send(bytes(size))
    client.table.touch(ours)
    left = size

    def read() -> bool:
        nonlocal left
        left -= len(theirs.receive())
        server.table.touch(theirs)
        return left <= 0

    if not network.run_until(read, limit=3600.0):
        raise RuntimeError("the transfer did not end")


def measure(size: int, rounds: int, ways: Sequence[str]) -> dict[str, list[float]]:
    """Return the CPU seconds of each way in each round."""
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    chance = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        for n in range(-1, rounds):
            for way in chance.sample(ways, len(ways)):
                gc.collect()  # nobody pays for what the one before left behind
                used, _ = asyncio.run(transfer(size, **watched(way, folder)))
                if n >= 0:  # the first is for warming up
                    seconds[way].append(used)
    return seconds


def test_for_none() -> float:
    """Return the seconds that looking at an attribute that is None takes."""
    setup = "class A:\n __slots__ = ('x',)\na = A()\na.x = None"
    statement = "if a.x is not None: pass"
    loops = 1_000_000
    took = min(timeit.repeat(statement, setup, number=loops, repeat=5))
    empty = min(timeit.repeat("pass", number=loops, repeat=5))
    return (took - empty) / loops


def main() -> None:
    made = argparse.ArgumentParser(
        prog="python -m bench.tracing",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--size", type=int, default=64, help="MiB of each transfer (64)")
    made.add_argument("--rounds", type=int, default=15, help="transfers in each way (15)")
    made.add_argument("--ways", default=",".join(WAYS), help="ways to watch, separated by commas")
    made.add_argument("--simulate", choices=("off", "recorder", "tracer"), help="see above")
    given = made.parse_args()
    if given.simulate:
        simulate(given.size << 20, given.simulate)
        return
    ways = ["off", *[way for way in given.ways.split(",") if way != "off"]]
    size = given.size << 20
    seconds = measure(size, given.rounds, ways)
    print(f"{given.size} MiB over loopback, {given.rounds} rounds; CPU of both ends\n")
    print(f"{'':10}{'s/GB':>8}{'cost':>9}{'quartiles':>20}")
    for way in ways:
        ratios = [used / off - 1 for used, off in zip(seconds[way], seconds["off"], strict=True)]
        per_gb = statistics.median(seconds[way]) / size * 1e9
        line = f"{way:10}{per_gb:>8.2f}"
        if way != "off":
            low, middle, high = ratios[0], statistics.median(ratios), ratios[0]
            with contextlib.suppress(statistics.StatisticsError):
                low, _, high = statistics.quantiles(ratios, n=4)
            line += f"{middle:>9.1%}{f'{low:.1%} to {high:.1%}':>20}"
        print(line)
    run = 64 * 1024 * statistics.median(seconds["off"]) / size
    share = TESTS * test_for_none() / run
    print(f"\nhooks, when off: {TESTS} tests in the {run * 1e6:.0f} us of a run: {share:.2%}")


if __name__ == "__main__":
    main()
