"""Two peers behind NATs on a simulated network, and what they say to each other."""

import asyncio
from typing import Any, Final, NamedTuple

import rudp
from rudp import sim
from rudp.sim import Nat
from rudp.sim.datagram import DatagramNetwork
from rudp.trace import EventLog

A: Final = ("10.0.0.2", 5000)
B: Final = ("10.0.1.2", 6000)
OUTSIDE_A: Final = "203.0.113.1"
OUTSIDE_B: Final = "198.51.100.1"
MAPPED_A: Final = (OUTSIDE_A, 5000)
MAPPED_B: Final = (OUTSIDE_B, 6000)
DELAY: Final = 0.02


class Met(NamedTuple):
    """What one side got: after how many seconds, over what, and what the other said."""

    seconds: float
    kind: str
    said: bytes
    peer: Any


def network() -> DatagramNetwork:
    loop: Any = asyncio.get_running_loop()
    found: DatagramNetwork = loop.network
    return found


def put_behind(first: Nat | None, second: Nat | None) -> None:
    """Put A and B behind NATs."""
    for host, nat in ((A[0], first), (B[0], second)):
        if nat is not None:
            network().put_behind(nat, host)


async def meet(*args: Any, after: float = 0.0, name: bytes = b"", **options: Any) -> Met:
    """Punch, exchange names, and close in order."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(after)
    began = loop.time()
    reader, writer = await rudp.punch(*args, **options)
    took = loop.time() - began
    writer.write(name)
    writer.write_eof()
    said = await reader.read()
    kind = writer.get_extra_info("punched")
    peer = writer.get_extra_info("udp_peername")
    writer.close()
    await writer.wait_closed()
    return Met(took, kind, said, peer)


async def both(first: Any, second: Any) -> list[Any]:
    return list(await asyncio.gather(first, second, return_exceptions=True))


def punched(first: Nat, second: Nat, *, tracers: Any = None, **options: Any) -> EventLog:
    """Let two who know their addresses punch; return what was told of it."""
    log = EventLog()
    a, b = tracers or (log.tracer("here"), log.tracer("there"))

    async def main() -> None:
        put_behind(first, second)
        await both(meet(A, MAPPED_B, tracer=a, **options), meet(B, MAPPED_A, tracer=b, **options))

    sim.run(main(), delay=DELAY)
    return log
