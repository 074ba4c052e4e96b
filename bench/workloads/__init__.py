"""The workloads, as one table."""

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Final

from bench.client import Client
from bench.peers import PEERS
from bench.workloads import (
    bulk,
    closing,
    echo,
    fanin,
    idle,
    moving,
    opening,
    pingpong,
    scale,
)

MIB: Final = 1 << 20

ELSEWHERE: Final = ("rudp-selector", "rudp-portable")
"""The ways to sockets that other systems than Linux get."""

KEYED: Final = ("rudp-off", "rudp-key", "rudp-key-still")
"""No keys and no lanes; segments that are signed, also of connections that cannot move."""

ALL: Final = tuple(name for name in PEERS if name not in (*ELSEWHERE, *KEYED, "tcp-fresh"))
SMALL: Final = ("tcp-fresh", *ALL)  # a bulk transfer teaches malloc to keep blocks by itself
CORE: Final = ("tcp", "rudp", "rudp-compiled")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Workload:
    """Something to measure, and how.

    *service*: what the server does meanwhile, a name of :data:`bench.server.SERVICES`;
    *figures*: those of the tables, and whether more is better; *amount*: how much of *unit* is
    done, and *quick*, when it need only be seen to work; *rounds*: samples of each variant;
    *peers*: unless others are asked for; *path*: ``loopback`` or ``veth``; *one_core*: both
    processes share a CPU; *fresh*: each sample has new processes; *tls*: connections have TLS.
    """

    about: str
    measure: Callable[[Client, int], Awaitable[dict[str, float]]]
    service: str
    figures: dict[str, bool]
    amount: int
    quick: int
    unit: str
    rounds: int = 7
    peers: tuple[str, ...] = ALL
    path: str = "loopback"
    one_core: bool = False
    fresh: bool = False
    tls: bool = False


WORKLOADS: Final = {
    "bulk": Workload(
        about="bulk over loopback",
        measure=bulk.measure,
        service="sink",
        figures=bulk.FIGURES,
        amount=128 * MIB,
        quick=2 * MIB,
        unit="octets",
        peers=(*ALL, *ELSEWHERE),
    ),
    "bulk-256k": Workload(
        about="bulk over loopback in writes of 256 KiB",
        measure=bulk.large,
        service="sink",
        figures=bulk.FIGURES,
        amount=128 * MIB,
        quick=2 * MIB,
        unit="octets",
        peers=CORE,
    ),
    "bulk-tls": Workload(
        about="bulk over loopback, TLS 1.3",
        measure=bulk.over_tls,
        service="counted",
        figures=bulk.FIGURES,
        amount=128 * MIB,
        quick=2 * MIB,
        unit="octets",
        peers=CORE,
        tls=True,
    ),
    "bulk-veth": Workload(
        about="bulk over a veth pair, MTU 1500",
        measure=bulk.measure,
        service="sink",
        figures=bulk.FIGURES,
        amount=128 * MIB,
        quick=2 * MIB,
        unit="octets",
        peers=(*ALL, *ELSEWHERE),
        path="veth",
    ),
    "bulk-key": Workload(
        about="bulk over a veth pair, MTU 1500, with signed segments",
        measure=bulk.measure,
        service="sink",
        figures=bulk.FIGURES,
        amount=128 * MIB,
        quick=2 * MIB,
        unit="octets",
        peers=("tcp", "rudp", *KEYED),
        path="veth",
    ),
    "pingpong-key": Workload(
        about="64 octets there and back on one core, with signed segments",
        measure=pingpong.measure,
        service="echo",
        figures=pingpong.FIGURES,
        amount=3000,
        quick=50,
        unit="exchanges",
        one_core=True,
        peers=("tcp-fresh", "rudp", *KEYED),
    ),
    "moves": Workload(
        about="the client takes another socket, and exchanges 64 octets from there",
        measure=moving.measure,
        service="echo",
        figures=moving.FIGURES,
        amount=400,
        quick=5,
        unit="moves",
        peers=("rudp-key",),
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
        peers=SMALL,
    ),
    "open": Workload(
        about="open, 1 octet each way, close: one after the other",
        measure=opening.in_sequence,
        service="echo",
        figures=opening.FIGURES,
        amount=1000,
        quick=20,
        unit="connections",
        peers=SMALL,
    ),
    "open-32": Workload(
        about="the same, 32 at a time",
        measure=opening.at_a_time,
        service="echo",
        figures=opening.FIGURES,
        amount=2000,
        quick=64,
        unit="connections",
        peers=SMALL,
    ),
    "echo": Workload(
        about="100 connections, each echoing 1 KiB",
        measure=echo.measure,
        service="echo",
        figures=echo.FIGURES,
        amount=20_000,
        quick=200,
        unit="messages",
        peers=SMALL,
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
        peers=CORE,
        fresh=True,
    ),
    "close-2000": Workload(
        about="2,000 connections closed at once",
        measure=closing.measure,
        service="echo",
        figures=closing.FIGURES,
        amount=2000,
        quick=50,
        unit="connections",
        rounds=5,
        peers=CORE,
        fresh=True,
    ),
    "active": Workload(
        about="100 messages at a time, over 100 or 10,000 connections",
        measure=scale.active,
        service="echo",
        figures=scale.ACTIVE,
        amount=10_000,
        quick=200,
        unit="connections",
        rounds=3,
        peers=CORE,
        fresh=True,
    ),
    "growth": Workload(
        about="bulk over loopback, more and more, MB/s",
        measure=scale.growth,
        service="sink",
        figures=scale.GROWTH,
        amount=4096 * MIB,
        quick=8 * MIB,
        unit="octets",
        rounds=3,
        peers=CORE,
    ),
    "fan-in": Workload(
        about="32 connections send to one server",
        measure=fanin.measure,
        service="sink",
        figures=fanin.FIGURES,
        amount=32,
        quick=4,
        unit="connections",
        rounds=5,
        peers=CORE,
    ),
    "time-wait": Workload(
        about="what a server keeps of a connection that it closed",
        measure=scale.time_wait,
        service="once",
        figures=scale.TIME_WAIT,
        amount=10_000,
        quick=50,
        unit="connections",
        rounds=3,
        peers=("rudp",),
        fresh=True,
    ),
}
