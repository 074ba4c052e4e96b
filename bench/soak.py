"""Many connections for many minutes over a bad path, and nothing may grow or go wrong.

``python -m bench.soak --minutes 20`` runs a server with and one without TLS, and clients of every
kind (:data:`bench.sessions.KINDS`), all on one loop in one process.  Between them lie relays in
user space that delay, lose, reorder and duplicate datagrams, so it needs Linux, but no root.  Every
octet is checked by hash.  What the process holds is looked at once in an interval, a line each; in
the end come a verdict, and exit status 1 if anything failed:

- a connection ended otherwise than it should, or not at all, or an octet was wrong;
- an exception reached the loop's handler, or a counter moved that honest ends never move;
- a connection, a task or a descriptor was left;
- from the second quarter of the run to the last, resident memory grew by more than GROWTH_MAX.
"""

import argparse
import asyncio
import dataclasses
import json
import os
import random
import ssl
import statistics
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Final

import rudp
from bench import report, units
from bench.peers import LOOPS, Variant
from bench.plan import Plan
from bench.sessions import KINDS, PATIENCE, Ledger, Reader, Sessions, Writer
from rudp.cli.badpath import BadPath
from rudp.sim import Link

HOST: Final = "127.0.0.1"
MIB: Final = 1 << 20

GROWTH_MAX: Final = 8 * MIB
"""Octets of resident memory: what the interpreter's own allocator may scatter."""

SAMPLES_MIN: Final = 16
"""Fewer samples say nothing about growth."""

TICK: Final = 0.1
"""Seconds between two looks at how late the loop is."""

GRAIN: Final = 0.001
"""Seconds: the grain of uvloop's clock.  A rest of a run that is no longer has been slept through,
to all that rounding can tell, and makes no sample."""

PAUSE: Final = 0.5
"""Seconds: the longest pause between two connections of one worker."""

SETTINGS: Final[dict[str, Any]] = {
    "mss": 1400,  # the relays are on loopback, which would carry 65 KiB in one datagram
    "msl": 10.0,  # so that records of TIME-WAIT soon go as fast as they come
    "keepalive": True,  # a reset may be lost, and only a probe tells those who just read
    "keepalive_idle": 5.0,
    "keepalive_interval": 1.0,
    "keepalive_count": 100,  # a machine that is busy with other things may not answer for long
    "fin_wait2_timeout": 10.0,
}

NEVER: Final = (
    "segment_shorter_than_header",
    "data_offset_invalid",
    "option_length_invalid",
    "port_zero",
    "source_address_invalid",
    "sack_block_invalid",
    "reassembly_overflow",
    "connection_overflow",
    "datagram_not_sent",
)
"""Counters that stay at zero between honest ends."""

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@dataclasses.dataclass(frozen=True)
class Sample:
    """What the process held at one moment: seconds since the start, octets, and counts.

    *late*: by how many seconds the loop was late at the worst, since the last sample; if that is
    much, the machine is busy with something else.
    """

    seconds: float
    late: float
    octets: int
    done: int
    failed: int
    rss: int
    descriptors: int
    tasks: int
    connections: int
    time_wait: int

    def __str__(self) -> str:
        return (
            f"{self.seconds:6.0f} s {self.octets / MIB:9.1f} MiB right "
            f"{self.done:7} connections {self.failed:3} failed {self.connections:4} open "
            f"{self.time_wait:5} TIME-WAIT {self.tasks:4} tasks "
            f"{self.descriptors:3} descriptors {self.rss / MIB:7.1f} MiB resident "
            f"{self.late:6.2f} s late"
        )


class Route:
    """A server, a bad path to it, and the way to open connections over both.

    *links*: there and back.  *tls*: the contexts of server and clients, or None.
    """

    def __init__(
        self,
        config: rudp.Config,
        sessions: Sessions,
        links: tuple[Link, Link],
        tls: tuple[ssl.SSLContext, ssl.SSLContext] | None,
    ) -> None:
        self.links = links
        self.endpoints: set[Any] = set()
        self._config = config
        self._sessions = sessions
        self._serving: dict[str, Any] = {}
        self._opening: dict[str, Any] = {}
        if tls is not None:
            patience = dict.fromkeys(("ssl_handshake_timeout", "ssl_shutdown_timeout"), PATIENCE)
            self._serving = {"ssl": tls[0], **patience}
            self._opening = {"ssl": tls[1], "server_hostname": HOST, **patience}

    async def start(self) -> None:
        """Listen, and lay the path."""
        self._server = await rudp.start_server(
            self._sessions.serve, HOST, 0, config=self._config, **self._serving
        )
        self.endpoints.update(self._server.endpoints)
        address = self._server.sockets[0].getsockname()
        self._opening["inner_port"] = address[1]
        self._path = BadPath(address, *self.links)
        await self._path.open()

    async def open(self) -> tuple[Reader, Writer]:
        """Open a connection."""
        reader, writer = await rudp.open_connection(
            *self._path.address, config=self._config, **self._opening
        )
        self.endpoints.add(writer.get_extra_info("endpoint"))
        return reader, writer

    async def stop(self) -> None:
        """Close the server, wait until no connection is left at either end; then no path is."""
        self._server.close()
        await self._server.wait_closed()
        while self.total("connections"):
            await asyncio.sleep(PAUSE)
        self._path.close()

    def total(self, counter: str) -> int:
        """Return a counter, summed over the endpoints at both ends."""
        return sum(endpoint.stats().get(counter, 0) for endpoint in self.endpoints)


class Soak:
    """One run on the running loop; *options* are those of the command line.

    ``ledger``, ``samples``, ``counters`` (of all endpoints) and ``path`` (what the links did) tell
    afterwards what there was to see.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._chance = random.Random(f"{options.seed} soak")
        self.ledger = Ledger()
        self.samples: list[Sample] = []
        self._late = 0.0
        self.counters: Counter[str] = Counter()
        self.path: Counter[str] = Counter()
        self._sessions = Sessions(self.ledger, self._chance, options.largest)
        config = rudp.Config(**SETTINGS, datagram_io=options.datagram_io)
        self._routes = {
            secret: Route(
                config,
                self._sessions,
                links(options, "tls" if secret else "plain"),
                contexts() if secret else None,
            )
            for secret in sorted({kind == "tls" for kind in options.kinds})
        }

    async def run(self) -> None:
        """Do all of it."""
        options, ledger = self._options, self.ledger
        self._loop.set_exception_handler(lambda _, context: ledger.fail(f"reported: {context}"))
        for route in self._routes.values():
            await route.start()
        workers = [
            asyncio.create_task(self._work(kind))
            for kind in options.kinds
            for _ in range(options.workers)
        ]
        workers.append(asyncio.create_task(self._tick()))
        began = self._loop.time()
        seconds = options.minutes * 60
        while (left := began + seconds - self._loop.time()) > GRAIN:
            await asyncio.sleep(min(left, options.interval))
            self._look(self._loop.time() - began)
        ledger.over.set()
        await asyncio.gather(*workers)
        for route in self._routes.values():
            await route.stop()
        await asyncio.sleep(PAUSE)  # the server's tasks are through a turn after their connections
        if left_over := len(asyncio.all_tasks()) - 1:
            ledger.fail(f"{left_over} tasks are left")
        self._sum_up()
        self._loop.set_exception_handler(None)

    async def _work(self, kind: str) -> None:
        """Open one connection of *kind* after the other."""
        route = self._routes[kind == "tls"]
        while not self.ledger.over.is_set():
            await self._sessions.run(kind, route.open)
            await asyncio.sleep(self._chance.uniform(0.0, PAUSE))

    async def _tick(self) -> None:
        """See how late the loop is, again and again."""
        while not self.ledger.over.is_set():
            due = self._loop.time() + TICK
            await asyncio.sleep(TICK)
            self._late = max(self._late, self._loop.time() - due)

    def _look(self, seconds: float) -> None:
        late, self._late = self._late, 0.0
        ledger, routes = self.ledger, self._routes.values()
        sample = Sample(
            seconds,
            late,
            ledger.octets,
            ledger.done.total(),
            ledger.failed,
            resident(),
            descriptors(),
            len(asyncio.all_tasks()),
            sum(route.total("connections") for route in routes),
            sum(route.total("time_wait_records") for route in routes),
        )
        self.samples.append(sample)
        print(sample, flush=True)

    def _sum_up(self) -> None:
        for route in self._routes.values():
            for endpoint in route.endpoints:
                self.counters.update(endpoint.stats())
            for link in route.links:
                for name in ("sent", "lost", "dropped", "corrupted", "duplicated", "reordered"):
                    self.path[name] += getattr(link, name)
        for name in NEVER:
            if self.counters[name]:
                self.ledger.fail(f"{name} is {self.counters[name]}")
        grown = growth(self.samples)
        if grown is not None and grown > GROWTH_MAX:
            self.ledger.fail(f"resident memory grew by {grown / MIB:.1f} MiB")


def links(options: argparse.Namespace, name: str) -> tuple[Link, Link]:
    """Return a bad link for each direction; their chances follow from the seed and *name*."""
    there, back = (
        Link(
            seed=f"{options.seed} {name} {way}",
            delay=options.rtt / 2,
            jitter=options.rtt / 10,
            rate=options.rate,
            queue=units.octets("1bdp", rtt=options.rtt, rate=options.rate),
            loss=options.loss,
            corrupt=options.loss / 10,
            duplicate=options.loss / 2,
            reorder=options.loss,
        )
        for way in ("there", "back")
    )
    return there, back


def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return TLS contexts for the server and for clients that trust it."""
    import trustme

    authority = trustme.CA()
    ours, theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert(HOST).configure_cert(ours)
    authority.configure_trust(theirs)
    return ours, theirs


def resident() -> int:
    """Return the octets of memory that this process occupies."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


def descriptors() -> int:
    """Return how many files this process has open."""
    return len(os.listdir("/proc/self/fd")) - 1  # one is the directory itself


def growth(samples: list[Sample]) -> int | None:
    """Return by how many octets memory grew from the second quarter of a run to its last.

    Medians are compared; None if there are too few samples.
    """
    quarter = len(samples) // 4
    if len(samples) < SAMPLES_MIN:
        return None
    early, late = samples[quarter : 2 * quarter], samples[-quarter:]
    return round(statistics.median(s.rss for s in late) - statistics.median(s.rss for s in early))


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m bench.soak",
        description="Mixed connections over a bad path; every octet checked, nothing may grow.",
    )
    made.add_argument("--minutes", type=float, default=20.0, help="how long (20)")
    made.add_argument("--interval", type=float, help="seconds between lines (1/40 of the run)")
    made.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    made.add_argument("--workers", type=int, default=4, help="connections of each kind at once (4)")
    made.add_argument("--largest", type=int, default=MIB, help="octets each way at most (1 MiB)")
    made.add_argument("--rtt", type=units.milliseconds, default=0.03, help="of the path (30ms)")
    made.add_argument("--rate", type=units.rate, default=20e6, help="bits a second each way (20M)")
    made.add_argument(
        "--loss", type=units.percent, default=0.01, help="and as many reordered (1%%)"
    )
    made.add_argument("--loop", choices=LOOPS, default="asyncio")
    made.add_argument(
        "--datagram-io", choices=("auto", "linux", "selector", "portable"), default="auto"
    )
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--json", type=Path, metavar="FILE", help="write samples and conditions")
    return made


async def _main(options: argparse.Namespace) -> Soak:
    soak = Soak(options)
    await soak.run()
    return soak


def main(arguments: list[str] | None = None) -> int:
    made = parser()
    options = made.parse_args(arguments)
    if (reason := Variant("rudp", options.loop).missing()) is not None:
        made.error(reason)
    if options.interval is None:
        options.interval = options.minutes * 60 / 40
    new_loop = Plan(name="rudp", loop=options.loop).new_loop
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(asyncio.sleep(0))  # the first loop of uvloop keeps a pipe for those to come
    before = descriptors()
    with asyncio.Runner(loop_factory=new_loop) as runner:
        soak = runner.run(_main(options))
    ledger = soak.ledger
    if (left := descriptors() - before) > 0:
        ledger.fail(f"{left} descriptors are left")
    kinds = ", ".join(f"{ledger.done[kind]} {kind}" for kind in options.kinds)
    print(f"connections: {kinds}")
    for name, counts in (("path", soak.path), ("counters", soak.counters)):
        print(
            f"{name}: {', '.join(f'{n} {count}' for n, count in sorted(counts.items()) if count)}"
        )
    grown = growth(soak.samples)
    if grown is not None:
        print(f"memory from the second quarter to the last: {grown / MIB:+.1f} MiB")
    for failure in ledger.failures:
        print(f"FAILED: {failure}")
    verdict = f"{ledger.failed} failures" if ledger.failed else "all right"
    print(f"{verdict}: {ledger.octets} octets in {ledger.done.total()} connections")
    if options.json is not None:
        conditions = report.conditions(rudp.Config(**SETTINGS, datagram_io=options.datagram_io))
        outcome = {
            "conditions": conditions | {"options": vars(options)},
            "samples": [dataclasses.asdict(sample) for sample in soak.samples],
            "opened": ledger.opened,
            "done": ledger.done,
            "octets": ledger.octets,
            "path": soak.path,
            "counters": soak.counters,
            "failed": ledger.failed,
            "failures": ledger.failures,
        }
        options.json.write_text(json.dumps(outcome, indent=1, default=str) + "\n")
    return 1 if ledger.failed else 0


if __name__ == "__main__":
    sys.exit(main())
