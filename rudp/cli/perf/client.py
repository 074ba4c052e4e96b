"""The client of ``rudp perf``: it asks for a test, takes part in it and tells how it went.

Octets count when the program at the other end has read them.  So the rate is that of the receiver,
and the time is from the beginning until the last octet was read: for what we send, until the
server's word comes that it has, and for what we receive, until we have.
"""

import argparse
import asyncio
import dataclasses
import time
from typing import Any, Final, NamedTuple

import rudp
from rudp.cli import output, settings
from rudp.cli.output import Column
from rudp.cli.perf import facts, plot
from rudp.cli.perf.meter import Meter, Sample, Span, binding, nothing
from rudp.cli.perf.plot import Curve
from rudp.cli.perf.request import PATIENCE, ProtocolError, Request, hear, tell
from rudp.cli.perf.times import Times
from rudp.cli.perf.traffic import Streams, Traffic
from rudp.cli.running import FailedError, alongside, together
from rudp.cli.splice import reset
from rudp.trace.words import octets


def _rate(bits: float) -> str:
    return f"{bits / 1e6:.1f}"


def _percent(share: float) -> str:
    return f"{share:.0%}"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.2f}"


def _microseconds(seconds: float) -> str:
    return f"{seconds * 1e6:.0f}"


BULK: Final = (
    Column("seconds", -13),
    Column("way", -4),
    Column("read", 10, octets),
    Column("Mbit/s", 9, _rate),
    Column("resent", 10, octets),
    Column("RTT ms", 7, _milliseconds),
    Column("cwnd", 10, octets),
    Column("CPU client", 10, _percent),
    Column("server", 6, _percent),
    Column("limit", -5),
)

PING_PONG: Final = (
    Column("seconds", -13),
    Column("exchanges", 9),
    Column("p50 µs", 8, _microseconds),
    Column("p99 µs", 8, _microseconds),
    Column("CPU client", 10, _percent),
    Column("server", 6, _percent),
)

FIGURES: Final = (Column("figure", -38), Column("value", -12))


class Ends(NamedTuple):
    """The same moment at both ends."""

    client: Sample
    server: Sample


async def measure(
    options: argparse.Namespace,
    request: Request,
    tls: dict[str, Any],
    say: output.Output,
    tracer: rudp.Tracer | None,
) -> int:
    """Run the test that is asked for."""
    client = Client(options, request, tls, say, tracer)
    try:
        await client.run()
        client.draw()
    finally:
        client.abort()
        say.close()
    return 0


class Client:
    """One test."""

    def __init__(
        self,
        options: argparse.Namespace,
        request: Request,
        tls: dict[str, Any],
        say: output.Output,
        tracer: rudp.Tracer | None,
    ) -> None:
        self._options = options
        self._tracer = tracer
        self._config = settings.config(options)
        self._request = request
        self._tls = tls
        self._say = say
        self._writers: list[asyncio.StreamWriter] = []
        self._times = Times()
        self._recent = Times()
        self._last_read: dict[str, float] = {}
        self._base = Ends(nothing(), nothing())  # where what counts begins
        self._curves = {way: Curve() for way in self._ways()}

    def draw(self) -> None:
        """Write the picture, if one is wanted.  Raises :class:`FailedError`."""
        if self._options.plot is None:
            return
        try:
            plot.draw(self._options.plot, self._curves, self._title)
        except (OSError, ValueError) as error:
            raise FailedError(f"cannot draw {self._options.plot}: {error}") from None

    def abort(self) -> None:
        """Reset what is still open."""
        for writer in self._writers:
            reset(writer.transport)

    async def run(self) -> None:
        """Open the connections, exchange octets, report, and close."""
        request = self._request
        reader, writer = await self._open()
        await tell(writer, "request", dataclasses.asdict(request))
        async with asyncio.timeout(PATIENCE):
            token = await _answer(reader, "token")
            opened = await together(*[self._open() for _ in range(request.connections)])
            for _, other in opened:
                other.write(f"{token}\n".encode())
            await _answer(reader, "ready")
        self._describe(opened)
        await tell(writer, "go")
        self._began = time.perf_counter()
        traffic = Traffic(request, opened)
        self._meter = Meter(traffic)
        end, _ = await alongside(
            together(self._listen(reader), self._work(traffic, writer)), self._meter.watch()
        )
        self._summarize(end)
        for each in self._writers:
            each.close()
        await asyncio.gather(*[each.wait_closed() for each in self._writers])

    async def _open(self) -> Streams:
        where = self._options.where
        async with asyncio.timeout(settings.patience(self._options)):
            streams = await rudp.open_connection(
                where.host,
                where.port,
                family=settings.family(self._options),
                config=self._config,
                tracer=self._tracer,
                **self._tls,
            )
        self._writers.append(streams[1])
        return streams

    async def _work(self, traffic: Traffic, writer: asyncio.StreamWriter) -> None:
        """Do our part of the test."""
        if self._request.test == "ping-pong":
            await traffic.ping(self._exchanged)
        else:
            flows = [traffic.pour()] if self._request.up else []
            flows += [self._take(traffic)] if self._request.down else []
            await together(*flows)
        await tell(writer, "stop")

    async def _take(self, traffic: Traffic) -> None:
        await traffic.take()
        self._last_read["down"] = time.perf_counter() - self._began

    def _exchanged(self, seconds: float) -> None:
        self._recent.add(seconds)

    async def _listen(self, reader: asyncio.StreamReader) -> Ends:
        """Report what the server tells until it has told the end; return that."""
        before = Ends(nothing(), nothing())
        while True:
            word, value = await hear(reader)
            if word == "read":
                self._last_read["up"] = time.perf_counter() - self._began
                continue
            if word not in ("sample", "end"):
                raise ProtocolError(f"the server says {word!r}, which was not expected")
            try:
                now = Ends(self._meter.sample(), Sample.of(value))
            except ValueError as error:
                raise ProtocolError(f"the server's figures cannot be read: {error}") from None
            if word == "end":
                self._times.merge(self._recent)
                return now
            omitted = before.client.seconds < self._options.omit
            self._interval(before, now, omitted)
            before = now
            if omitted:
                self._base, self._times = now, Times()

    # -- what is said ----------------------------------------------------------------------------

    def _describe(self, opened: list[Streams]) -> None:
        request = self._request
        what = " ".join([request.test, " and ".join(self._ways())]).rstrip()
        if request.octets is not None:
            amount = f"{octets(request.octets)} each"
        else:
            amount = f"{request.seconds:g} s"
        info = opened[0][1].get_extra_info("tcp_info")
        here = facts.of_this_end()
        where = self._options.where
        line = (
            f"{what}, {request.connections} connection{'s' if request.connections > 1 else ''}, "
            f"{amount}, writes of {octets(request.length)}, {info.congestion}, "
            f"{here['loop']}{', TLS' if self._tls else ''}"
        )
        self._title = [f"rudp perf to {where}, {here['timestamp']['time']}", line]
        self._say.line(line)
        self._say.event(
            "begin",
            request=dataclasses.asdict(request),
            congestion=info.congestion,
            tls=bool(self._tls),
            connecting_to={"host": where.host, "port": where.port},
            connected=[facts.of_connection(writer.transport) for _, writer in opened],
            test_start={
                "protocol": "rudp",
                "num_streams": request.connections,
                "blksize": request.length,
                "omit": self._options.omit,
                "duration": None if request.seconds is None else self._options.time,
                "bytes": request.octets,
                "reverse": int(not request.up),
                "bidir": int(request.up and request.down),
                "target_bitrate": request.rate,
            },
            **here,
        )

    def _interval(self, before: Ends, now: Ends, omitted: bool) -> None:
        client, server = Span(before.client, now.client), Span(before.server, now.server)
        when = f"{before.client.seconds:.1f}-{now.client.seconds:.1f}"
        fields: dict[str, Any] = {
            "start": before.client.seconds,
            "end": now.client.seconds,
            "seconds": client.seconds,
            "omitted": omitted,
            "cpu_client": client.cpu,
            "cpu_server": server.cpu,
            "cpu_wait_client": client.waited,
            "cpu_wait_server": server.waited,
        }
        if self._request.test == "ping-pong":
            times, self._recent = self._recent, Times()
            self._times.merge(times)
            middle, most = times.percentile(50), times.percentile(99)
            self._say.row(PING_PONG, (when, times.count, middle, most, client.cpu, server.cpu))
            self._say.event("interval", **fields, exchanges=times.count, p50=middle, p99=most)
        for way in self._ways():
            sender, receiver = (client, server) if way == "up" else (server, client)
            bits = receiver.received * 8 / receiver.seconds if receiver.seconds > 0 else 0.0
            limit = binding(sender, client, server)
            last = sender.last
            self._say.row(
                BULK,
                (
                    *(when, way, receiver.received, bits, sender.resent, last.srtt, last.cwnd),
                    *(client.cpu, server.cpu, "omitted" if omitted else limit),
                ),
            )
            self._curves[way].add(before.client.seconds, now.client.seconds, bits)
            self._say.event(
                "interval",
                way=way,
                **fields,
                bytes=receiver.received,
                bits_per_second=bits,
                octets_resent=sender.resent,
                rtt=None if last.srtt is None else round(last.srtt * 1e6),
                snd_cwnd=last.cwnd,
                limit=limit,
            )
        seconds = self._request.seconds
        done = None if seconds is None else now.client.seconds / seconds
        self._say.status(f"{now.client.seconds:.0f} s", done)

    def _ways(self) -> list[str]:
        """Return the directions of bulk data, first that from the client to the server."""
        if self._request.test != "bulk":
            return []
        return [way for way in ("up", "down") if getattr(self._request, way)]

    def _summarize(self, end: Ends) -> None:
        base = self._base
        client, server = Span(base.client, end.client), Span(base.server, end.server)
        cpu = {
            "client": end.client.cpu - base.client.cpu,
            "server": end.server.cpu - base.server.cpu,
        }
        waits = {
            "client": end.client.waited - base.client.waited,
            "server": end.server.waited - base.server.waited,
        }
        fields: dict[str, Any] = {
            "cpu_client": cpu["client"],
            "cpu_server": cpu["server"],
            "cpu_wait_client": waits["client"],
            "cpu_wait_server": waits["server"],
            "cpu_utilization_percent": {
                "host_total": client.cpu * 100,
                "remote_total": server.cpu * 100,
            },
        }
        rows: list[tuple[str, str]] = []
        if self._request.test == "ping-pong":
            fields["exchanges"] = self._times.count
            rows.append(("exchanges", f"{self._times.count}"))
            for percent in (50, 90, 99, 99.9):
                taken = self._times.percentile(percent)
                fields[f"p{percent:g}"] = taken
                rows.append((f"p{percent:g} µs", "-" if taken is None else _microseconds(taken)))
        total = 0
        for way in self._ways():
            sender, receiver = (client, server) if way == "up" else (server, client)
            took = self._last_read[way] - base.client.seconds
            total += receiver.received
            bits = receiver.received * 8 / took
            limit, shares = binding(sender, client, server), sender.shares()
            fields[way] = {
                "start": base.client.seconds,
                "end": self._last_read[way],
                "seconds": took,
                "bytes": receiver.received,
                "bits_per_second": bits,
                "octets_resent": sender.resent,
                "limit": limit,
                "held_back_by": shares,
            }
            held = ", ".join(f"{name} {share:.0%}" for name, share in shares.items() if share)
            rows += [
                (f"{way}: octets read", f"{receiver.received}"),
                (f"{way}: seconds to last octet read", f"{took:.3f}"),
                (f"{way}: Mbit/s", _rate(bits)),
                (f"{way}: octets sent again", f"{sender.resent}"),
                (f"{way}: limit", limit or "-"),
                (f"{way}: sender held back by", held or "-"),
            ]
        rows += [
            (f"{name} CPU seconds, and waited for one", f"{cpu[name]:.2f}, {waits[name]:.2f}")
            for name in cpu
        ]
        if total:
            for name, used in cpu.items():
                fields[f"cpu_{name}_per_gigabyte"] = used / (total / 1e9)
                rows.append((f"{name} CPU seconds per GB", f"{used / (total / 1e9):.2f}"))
        self._say.close()
        self._say.table(FIGURES, rows)
        self._say.event("end", **fields)


async def _answer(reader: asyncio.StreamReader, expected: str) -> Any:
    """Return the value of the word that must come.  Raises :class:`FailedError` for an error."""
    word, value = await hear(reader)
    if word == "error":
        raise FailedError(f"the server refuses: {value}")
    if word != expected:
        raise ProtocolError(f"the server says {word!r} and not {expected!r}")
    return value
