"""How long a stream pauses when its client's NAT forgets it, in virtual time.

The NAT gives the client another port in the midst of a transfer, and lets in nothing that is for
the old one.  A row is the longest time without an octet for the receiver from then on: the median
and the worst of transfers that move sooner or later.

``python -m bench --only moves,bulk-key`` measures the rest: a client that moves by itself, and what
it costs that a connection could.
"""

import argparse
import asyncio
import statistics
from collections.abc import Sequence
from typing import Any, Final

import rudp
from rudp import sim
from rudp.sim.nat import Nat

SERVER: Final = ("10.0.0.2", 7000)
CLIENT: Final = ("10.0.1.2", 0)
OUTSIDE: Final = "203.0.113.1"
KEY: Final = b"both ends have it"
RATE: Final = 10_000_000
"""Bits a second of the link, whose queue holds one round trip of it."""
OCTETS: Final = 4_000_000
MOVES_BETWEEN: Final = 0.2, 0.8
"""Shares of the octets after which the NAT forgets."""


async def _transfer(way: str, share: float) -> float:
    """Send one way through a NAT that forgets; return the longest pause from then on, seconds."""
    loop: Any = asyncio.get_running_loop()
    nat = Nat(OUTSIDE, ports="random")
    loop.network.put_behind(nat, CLIENT[0])
    longest = 0.0
    done: asyncio.Future[None] = loop.create_future()

    async def receive(reader: asyncio.StreamReader) -> None:
        nonlocal longest
        got = 0
        moved_at = latest = 0.0
        while data := await reader.read(1 << 20):
            now = loop.time()
            if moved_at:
                longest = max(longest, now - latest)
            latest = now
            got += len(data)
            if not moved_at and got >= share * OCTETS:
                nat.forget()
                moved_at = now
        if got != OCTETS:
            raise ValueError(f"of {OCTETS} octets {got} came")
        done.set_result(None)

    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(bytes(OCTETS))
        writer.write_eof()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await (receive(reader) if way == "up" else send(writer))
        writer.close()

    async with await rudp.start_server(serve, *SERVER, key=KEY):
        reader, writer = await rudp.open_connection(*SERVER, local_addr=CLIENT, key=KEY)
        await (send(writer) if way == "up" else receive(reader))
        await done
        writer.close()
    return longest


def pauses(way: str, rtt: float, seeds: int) -> list[float]:
    """Return the longest pause of each seed, seconds."""
    found = []
    first, last = MOVES_BETWEEN
    for seed in range(seeds):
        share = first + (last - first) * seed / seeds
        link: dict[str, Any] = {"delay": rtt / 2, "rate": RATE, "queue": int(RATE / 8 * rtt)}
        found.append(sim.run(_transfer(way, share), seed=seed, **link))
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    made = argparse.ArgumentParser(
        prog="python -m bench.roaming",
        description="Pauses of a transfer whose client gets another port of its NAT.",
    )
    made.add_argument("--seeds", type=int, default=9, help="runs of each row (9)")
    given = made.parse_args(arguments)
    if given.seeds < 1:
        made.error("--seeds must be at least 1")
    print(f"{'who sends':<10} {'round trip':>10} {'pause, median':>14} {'worst':>9}")
    for way, who in (("up", "client"), ("down", "server")):
        for rtt in (0.02, 0.1):
            found = pauses(way, rtt, given.seeds)
            middle, worst = statistics.median(found), max(found)
            print(
                f"{who:<10} {rtt * 1000:>7.0f} ms {middle * 1000:>11.0f} ms {worst * 1000:>6.0f} ms"
            )


if __name__ == "__main__":
    main()
