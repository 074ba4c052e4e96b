"""What one end of a test knows about it: octets, CPU time, and what holds its sender back.

A sender that has octets waits for one of three things: that the peer's window opens (rwnd), that
the congestion window does or its pacing lets it go (cwnd), or, if it has nothing to send, for its
own program (app).  The meter looks at one connection every few milliseconds, each in turn, and
counts which it is.  A process that nearly always runs, or would if it got a processor, is a limit
of its own whatever the windows say: they are then only where the octets wait.
"""

import asyncio
import dataclasses
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal, Self

import rudp
from rudp.cli.perf.traffic import Traffic

LOOK: Final = 0.01
"""Seconds between two looks at a sender."""

BUSY: Final = 0.9
"""Seconds in a second: a thread that runs, or waits for a processor, for more hardly ever waits for
the network."""

_SCHEDSTAT: Final = Path("/proc/thread-self/schedstat")
"""Linux: nanoseconds run, nanoseconds spent waiting for a processor, turns."""

Limit = Literal["cwnd", "rwnd", "app"]
LIMITS: Final[tuple[Limit, ...]] = ("cwnd", "rwnd", "app")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sample:
    """Sums since the beginning of a test, and how the senders are doing at this moment.

    *seconds* since the beginning; *received*: octets that the program has read; *resent*: octets
    sent more than once; *cpu*: seconds of CPU time of the process; *waited*: seconds in which it
    could have run but had no processor, as far as the system tells; *looks*: how often each of
    ``LIMITS`` held a sender back; *srtt*: seconds, the mean of the connections; *cwnd*: octets, the
    sum of the connections.
    """

    seconds: float
    received: int
    resent: int
    cpu: float
    waited: float
    looks: Sequence[int]
    srtt: float | None
    cwnd: int

    @classmethod
    def of(cls, fields: Any) -> Self:
        """Make one of what came as JSON.  Raises :class:`ValueError`."""
        try:
            sample = cls(**fields)
            sums = [sample.seconds, sample.received, sample.resent, sample.cpu, sample.waited]
            numbers = [*sums, sample.cwnd, *sample.looks, sample.srtt or 0.0]
            if not all(map(math.isfinite, numbers)) or len(sample.looks) != len(LIMITS):
                raise ValueError("a sample has to be made of numbers")
        except TypeError:
            raise ValueError("a sample has other members than it should have") from None
        return sample


def nothing() -> Sample:
    """Return the sample of the beginning."""
    zeros = [0] * len(LIMITS)
    sums = {"seconds": 0.0, "received": 0, "resent": 0, "cpu": 0.0, "waited": 0.0}
    return Sample.of(sums | {"looks": zeros, "srtt": None, "cwnd": 0})


class Meter:
    """Takes samples of one end's traffic; its clock starts when it is made."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic
        self._began = time.perf_counter()
        self._cpu = time.process_time()
        self._waited = _waited()
        self._looks: dict[Limit, int] = dict.fromkeys(LIMITS, 0)

    def sample(self) -> Sample:
        """Return the state of things."""
        infos = [_info(writer) for _, writer in self._traffic.connections]
        trips = [info.srtt for info in infos if info.srtt is not None]
        return Sample(
            seconds=time.perf_counter() - self._began,
            received=sum(self._traffic.received),
            resent=sum(info.resent for info in infos),
            cpu=time.process_time() - self._cpu,
            waited=_waited() - self._waited,
            looks=list(self._looks.values()),
            srtt=sum(trips) / len(trips) if trips else None,
            cwnd=sum(info.cwnd for info in infos),
        )

    async def watch(self) -> None:
        """Look at the senders until cancelled."""
        while True:
            for _, writer in self._traffic.connections:
                await asyncio.sleep(LOOK)
                self._looks[_info(writer).held_back_by] += 1


def _waited() -> float:
    """Return for how many seconds this thread has waited for a processor, 0 if nobody knows."""
    try:
        return int(_SCHEDSTAT.read_text().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def _info(writer: asyncio.StreamWriter) -> rudp.ConnectionInfo:
    info: rudp.ConnectionInfo = writer.get_extra_info("tcp_info")
    return info


@dataclasses.dataclass(frozen=True)
class Span:
    """What lies between two samples of one end."""

    first: Sample
    last: Sample

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.last.seconds - self.first.seconds

    @property
    def received(self) -> int:
        """Octets read."""
        return self.last.received - self.first.received

    @property
    def resent(self) -> int:
        """Octets sent again."""
        return self.last.resent - self.first.resent

    @property
    def cpu(self) -> float:
        """Seconds of CPU time in a second."""
        return (self.last.cpu - self.first.cpu) / self.seconds if self.seconds > 0 else 0.0

    @property
    def waited(self) -> float:
        """Seconds in a second in which there was no processor."""
        return (self.last.waited - self.first.waited) / self.seconds if self.seconds > 0 else 0.0

    def shares(self) -> dict[str, float]:
        """Return which share of the looks found the sender held back by what."""
        looks = [b - a for a, b in zip(self.first.looks, self.last.looks, strict=True)]
        total = sum(looks)
        return {name: n / total for name, n in zip(LIMITS, looks, strict=True) if total}


def binding(sender: Span, client: Span, server: Span) -> str | None:
    """Return what the octets from *sender*, one of the other two, waited for; None if unknown."""
    ends = {"client": client, "server": server}
    busy = [name for name, end in ends.items() if end.cpu + end.waited >= BUSY]
    if busy:
        return f"CPU ({' and '.join(busy)})"
    shares = sender.shares()
    return max(shares, key=shares.__getitem__) if shares else None
