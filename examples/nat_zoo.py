"""Which NATs let two peers through to each other, and how long it takes.

Two peers who know nothing but the name of a room call the same function, each from behind a NAT of
some kind, on a simulated network that loses datagrams.  This prints a table of all pairs: the
milliseconds from the call of the later one until both have the connection, the median of some runs
and the worst of them; or that there is no way, and only a relay would help.

    python nat_zoo.py [LOSS [RUNS]]
"""

import asyncio
import statistics
import sys

import rudp
from rudp.sim import Nat, run

DELAY = 0.03
"""Seconds from anywhere to anywhere."""

MEETING = {"rendezvous": "rudp://192.0.2.1", "room": "zoo"}

KINDS = {
    "none": None,
    "full cone": Nat.full_cone,
    "address": Nat.address_restricted,
    "port": Nat.port_restricted,
    "port, any": lambda outside: Nat.port_restricted(outside, ports="random"),
    "symmetric": Nat.symmetric,
}
"""By name what is between a peer and the world; "port, any" does not keep the inner port."""


async def peer(local):
    """Return how long it took."""
    began = asyncio.get_running_loop().time()
    took = None
    try:
        _, writer = await rudp.punch(local, **MEETING)
    except TimeoutError:
        pass
    else:
        took = asyncio.get_running_loop().time() - began
        writer.transport.abort()
    await asyncio.sleep(1.0)  # what was said in parting is on its way
    return took


async def meet(first, second):
    """Let two meet behind these kinds of NAT; return how long it took, None if there is no way."""
    network = asyncio.get_running_loop().network
    for kind, outside, inside in (
        (first, "203.0.113.1", "10.0.0.2"),
        (second, "198.51.100.1", "10.0.1.2"),
    ):
        if KINDS[kind] is not None:
            network.put_behind(KINDS[kind](outside), inside)
    async with await rudp.start_rendezvous("192.0.2.1"):
        times = await asyncio.gather(peer(("10.0.0.2", 5000)), peer(("10.0.1.2", 6000)))
    return None if None in times else max(times)


def times(first, second, loss, runs):
    """Return how long it took in each of *runs*."""
    return [run(meet(first, second), seed=seed, delay=DELAY, loss=loss) for seed in range(runs)]


def cell(found):
    """Return what is said of one pair."""
    there = [time * 1000 for time in found if time is not None]
    if not there:
        return "relay"
    text = f"{statistics.median(there):.0f} ({max(there):.0f})"
    return text if len(there) == len(found) else f"{text}, {len(there)} of {len(found)}"


def main():
    """Print the table."""
    loss = float(sys.argv[1]) if len(sys.argv) > 1 else 0.05
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    print(f"{'':11}" + "".join(f"{kind:>13}" for kind in KINDS))
    for number, first in enumerate(KINDS):
        row = [
            cell(times(first, second, loss, runs)) if at <= number else ""
            for at, second in enumerate(KINDS)
        ]
        print(f"{first:11}" + "".join(f"{text:>13}" for text in row).rstrip())


if __name__ == "__main__":
    main()
