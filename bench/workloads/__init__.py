"""The workloads, as one table."""

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Final

from bench.client import Client
from bench.workloads import bulk, echo, idle, opening, pingpong

MIB: Final = 1 << 20

Figures = dict[str, float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Workload:
    """Something to measure, and how.

    *service*: what the server does meanwhile, a name of :data:`bench.server.SERVICES`;
    *figures*: those of the tables, and whether more is better; *amount*: how much of *unit* is
    done, and *quick*, when it need only be seen to work; *rounds*: samples of each variant;
    *path*: ``loopback`` or ``veth``; *one_core*: both processes share a CPU; *fresh*: each sample
    has new processes.
    """

    about: str
    measure: Callable[[Client, int], Awaitable[Figures]]
    service: str
    figures: dict[str, bool]
    amount: int
    quick: int
    unit: str
    rounds: int = 7
    path: str = "loopback"
    one_core: bool = False
    fresh: bool = False


WORKLOADS: Final = {
    "bulk": Workload(
        about="octets one way over loopback",
        measure=bulk.measure,
        service="sink",
        figures=bulk.FIGURES,
        amount=128 * MIB,
        quick=2 * MIB,
        unit="octets",
    ),
    "bulk-veth": Workload(
        about="octets one way over a veth pair, MTU 1500",
        measure=bulk.measure,
        service="sink",
        figures=bulk.FIGURES,
        amount=128 * MIB,
        quick=2 * MIB,
        unit="octets",
        path="veth",
    ),
    "pingpong": Workload(
        about="64 octets there and back, both ends on one core",
        measure=pingpong.measure,
        service="echo",
        figures=pingpong.FIGURES,
        amount=3000,
        quick=50,
        unit="exchanges",
        one_core=True,
    ),
    "open": Workload(
        about="open, 1 octet each way, close: one after the other",
        measure=opening.in_sequence,
        service="echo",
        figures=opening.FIGURES,
        amount=1000,
        quick=20,
        unit="connections",
    ),
    "open-32": Workload(
        about="open, 1 octet each way, close: 32 at a time",
        measure=opening.at_a_time,
        service="echo",
        figures=opening.FIGURES,
        amount=2000,
        quick=64,
        unit="connections",
    ),
    "echo": Workload(
        about="100 connections, each echoing 1 KiB",
        measure=echo.measure,
        service="echo",
        figures=echo.FIGURES,
        amount=20_000,
        quick=200,
        unit="messages",
    ),
    "idle-2000": Workload(
        about="2,000 idle connections",
        measure=idle.measure,
        service="echo",
        figures=idle.FIGURES,
        amount=2000,
        quick=100,
        unit="connections",
        rounds=3,
        fresh=True,
    ),
    "idle-10000": Workload(
        about="10,000 idle connections",
        measure=idle.measure,
        service="echo",
        figures=idle.FIGURES,
        amount=10_000,
        quick=200,
        unit="connections",
        rounds=3,
        fresh=True,
    ),
}
