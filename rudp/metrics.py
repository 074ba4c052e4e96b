"""The connections of a program as metrics: for ``prometheus_client``, and for OpenTelemetry.

Both are told the same: sums over all connections by listener, so that what a scrape brings does not
grow with the connections, and no connection notices that it was counted.  The extra ``metrics`` has
both packages; a program needs the one that it uses.

Whoever scrapes does so in a thread of its own, and what it asks for belongs to an event loop.  So
the loop counts, a thousand connections a turn, and the thread waits for it; where the thread is
the loop's own, it counts at once.  A loop that does not answer in :data:`PATIENCE` seconds is given
with the figures that it had last.
"""

import asyncio
import concurrent.futures
import contextlib
import functools
import itertools
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final

from rudp.aio.book import OPENING_BOUNDS, Book, Page, enter, sums
from rudp.aio.registry import Registry, keep_books, registries
from rudp.core.life.connection import Connection
from rudp.core.life.tally import COUNTED, RTT_BOUNDS, Tally
from rudp.core.terms.counters import Counters
from rudp.core.terms.state import State

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Meter, Observation
    from prometheus_client.metrics_core import Metric

PATIENCE: Final = 2.0
"""Seconds that a scrape waits for an event loop."""

PER_TURN: Final = 1000
"""Connections that are counted in one turn of a loop: three milliseconds."""

FRESH: Final = 1.0
"""Seconds for which the instruments of OpenTelemetry, which ask one by one, share figures."""

HELP: Final = {
    "segments_received": "Segments received, by connections that were accepted or opened.",
    "segments_sent": "Segments sent, those sent again counted again.",
    "received_bytes": "Octets of data received in order.",
    "sent_bytes": "Octets of data sent, each counted once.",
    "acknowledged_bytes": "Octets of data that peers have acknowledged.",
    "retransmitted_bytes": "Octets of data sent more than once.",
    "lost_bytes": "Octets of data called lost.",
}

_LEVELS: Final = {
    "unsent": "Octets that were written and never sent.",
    "unacked": "Octets sent and not acknowledged.",
    "unread": "Octets received in order and not read.",
}

_RESULTS: Final = ("closed", "broken", "failed")


class Figures:
    """What was counted: ``pages`` and ``tallies`` by listener, ``dropped`` by socket.

    ``half_open`` and ``time_wait``: connections that have no user yet, and no more.
    """

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.tallies: dict[str, Tally] = {}
        self.dropped: dict[str, Counters] = {}
        self.half_open = 0
        self.time_wait = 0

    def add(self, other: "Figures") -> None:
        """Add what another loop has."""
        for name, page in other.pages.items():
            self.pages.setdefault(name, Page()).add(page)
        for name, tally in other.tallies.items():
            self.tallies.setdefault(name, Tally()).merge(tally)
        for name, counters in other.dropped.items():
            into = self.dropped.setdefault(name, Counters())
            for reason, count in counters.items():
                into[reason] += count
        self.half_open += other.half_open
        self.time_wait += other.time_wait

    def hold(self, before: "Figures") -> None:
        """Let nothing that only grows be less than it was *before*.

        What is left of a connection may still be acknowledged when it is in the book already.
        """
        for name, page in before.pages.items():
            mine = self.pages.setdefault(name, Page())
            mine.counted = [max(a, b) for a, b in zip(mine.counted, page.counted, strict=True)]


class _Count:
    """One count of a loop's connections, in turns of it or at once."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.done: concurrent.futures.Future[Figures] = concurrent.futures.Future()
        self._figures = Figures()
        self._left: Iterator[tuple[str, Connection]] | None = None

    def at_once(self) -> Figures:
        """Count all."""
        self._begin()
        self._some(None)
        return self._finished()

    def turn(self) -> None:
        """Count some; called by the loop."""
        try:
            if self._left is None:
                self._begin()
            if self._some(PER_TURN):
                self._registry.loop.call_soon(self.turn)
            else:
                self.done.set_result(self._finished())
        except BaseException as error:
            self.done.set_exception(error)
            raise

    def _begin(self) -> None:
        """Note what has ended, and all that is there: together each connection, once."""
        book, figures = self._registry.book or Book(), self._figures
        for name, page in book.pages.items():
            figures.pages[name] = Page()
            figures.pages[name].add(page)
        for name, counters in book.dropped.items():
            figures.dropped[name] = Counters(counters)
        connections: list[Connection] = []
        for endpoint in self._registry.endpoints:
            stats = endpoint.stats()
            enter(figures.dropped, endpoint.sockname, endpoint.connected is None, stats)
            figures.half_open += stats["half_open"]
            figures.time_wait += stats["time_wait_records"]
            connections += endpoint.connections
        self._left = ((book.name(each), each) for each in connections)

    def _some(self, most: int | None) -> bool:
        """Count *most* connections, or all; return whether some may be left."""
        tallies = self._figures.tallies
        assert self._left is not None
        for count, (name, connection) in enumerate(self._left, 1):
            tally = tallies.get(name)
            if tally is None:
                tally = tallies[name] = Tally()
            connection.count(tally)
            if count == most:
                return True
        return False

    def _finished(self) -> Figures:
        figures = self._figures
        for name, tally in figures.tallies.items():
            page = figures.pages.setdefault(name, Page())
            page.counted = sums(page.counted, tally.counted)
        return figures


class _Source:
    """All loops of this process, and what they have said last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: weakref.WeakKeyDictionary[Registry, Figures] = weakref.WeakKeyDictionary()
        keep_books()

    def figures(self) -> Figures:
        """Count; any thread may ask."""
        fresh = list(_counted())
        total = Figures()
        with self._lock:
            for registry, figures in fresh:
                before = self._last.get(registry)
                if before is not None:
                    figures.hold(before)
                self._last[registry] = figures
            for figures in self._last.values():
                total.add(figures)
        return total


def _counted() -> Iterator[tuple[Registry, Figures]]:
    """Yield what the loop of each registry has counted, as far as it answers."""
    running: asyncio.AbstractEventLoop | None = None
    with contextlib.suppress(RuntimeError):  # there is none in this thread
        running = asyncio.get_running_loop()
    asked = []
    for registry in registries():
        count = _Count(registry)
        loop = registry.loop
        if loop is running or not loop.is_running():
            yield registry, count.at_once()
            continue
        with contextlib.suppress(RuntimeError):  # it has just been closed
            loop.call_soon_threadsafe(count.turn)
            asked.append((registry, count))
    end = time.monotonic() + PATIENCE
    for registry, count in asked:
        with contextlib.suppress(concurrent.futures.TimeoutError):
            yield registry, count.done.result(max(end - time.monotonic(), 0.0))


# -- Prometheus ------------------------------------------------------------------------------------


class Collector:
    """What :func:`collector` returns; ``prometheus_client`` calls its methods."""

    def __init__(self) -> None:
        self._source = _Source()

    def describe(self) -> Iterable["Metric"]:
        """Return the names of all metrics, without figures."""
        return _families(Figures())

    def collect(self) -> Iterable["Metric"]:
        """Return all metrics with their figures; in any thread."""
        return _families(self._source.figures())


def collector() -> Collector:
    """Return a collector for a registry of ``prometheus_client``.

    To be called before the first connection, for sums begin here; and once, for each counts all::

        from prometheus_client import REGISTRY, start_http_server

        REGISTRY.register(rudp.metrics.collector())
        start_http_server(9464, "127.0.0.1")

    The names are in docs/howto/metrics.md.  Raises :class:`ImportError` without the package.
    """
    import prometheus_client.metrics_core  # noqa: F401  # now, and not at the first scrape

    return Collector()


def _families(figures: Figures) -> Iterator["Metric"]:
    from prometheus_client.metrics_core import (
        CounterMetricFamily,
        GaugeHistogramMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
    )

    by_listener = ["listener"]
    gauge = GaugeMetricFamily(
        "rudp_connections", "Connections that have a user, by state.", labels=["listener", "state"]
    )
    for name, tally in figures.tallies.items():
        for state in State:
            if state in tally.states:
                gauge.add_metric([name, str(state)], tally.states[state])
    yield gauge
    yield GaugeMetricFamily(
        "rudp_half_open_connections",
        "Connections whose handshake peers have begun and not ended.",
        value=figures.half_open,
    )
    yield GaugeMetricFamily(
        "rudp_time_wait_connections", "Connections in TIME-WAIT.", value=figures.time_wait
    )
    for level, text in _LEVELS.items():
        gauge = GaugeMetricFamily(f"rudp_{level}_bytes", text, labels=by_listener)
        for name, tally in figures.tallies.items():
            gauge.add_metric([name], getattr(tally, level))
        yield gauge
    for n, counted in enumerate(COUNTED):
        counter = CounterMetricFamily(f"rudp_{counted}", HELP[counted], labels=by_listener)
        for name, page in figures.pages.items():
            counter.add_metric([name], page.counted[n])
        yield counter
    counter = CounterMetricFamily(
        "rudp_connections_ended",
        "Connections that ended in order, by an error, or before they were open.",
        labels=["listener", "result"],
    )
    for name, page in figures.pages.items():
        for result in _RESULTS:
            counter.add_metric([name, result], getattr(page, result))
    yield counter
    opening = HistogramMetricFamily(
        "rudp_connection_opening_seconds", "How long connections took to open.", labels=by_listener
    )
    for name, page in figures.pages.items():
        opening.add_metric([name], _buckets(OPENING_BOUNDS, page.openings), page.opening_sum)
    yield opening
    trips = GaugeHistogramMetricFamily(
        "rudp_rtt_seconds", "Smoothed round-trip times of connections now.", labels=by_listener
    )
    for name, tally in figures.tallies.items():
        trips.add_metric([name], _buckets(RTT_BOUNDS, tally.rtts), tally.rtt_sum)
    yield trips
    counter = CounterMetricFamily(
        "rudp_events",
        "What UDP sockets have dropped, refused or answered, by what endpoint.stats() calls it.",
        labels=["socket", "event"],
    )
    for name, counters in figures.dropped.items():
        for reason, count in counters.items():
            counter.add_metric([name, reason.value], count)
    yield counter


def _buckets(bounds: tuple[float, ...], counts: list[int]) -> list[tuple[str, float]]:
    """Return the sums up to each bound, as Prometheus wants them."""
    names = [*map(str, bounds), "+Inf"]
    return [
        (name, float(total))
        for name, total in zip(names, itertools.accumulate(counts), strict=True)
    ]


# -- OpenTelemetry ---------------------------------------------------------------------------------


def instrument(meter: "Meter") -> None:
    """Make the instruments of *meter*, of OpenTelemetry's API, that tell what a collector tells.

    Once for each meter, before the first connection::

        rudp.metrics.instrument(opentelemetry.metrics.get_meter("rudp"))

    Round-trip times are a gauge by the attribute ``le``: how many connections have at most that
    many seconds.  Raises :class:`ImportError` without the package.
    """
    from opentelemetry.metrics import Observation

    source = _Shared()

    def observing(
        look: Callable[[Figures], Iterator[tuple[float, dict[str, str]]]],
    ) -> "list[Callable[[CallbackOptions], Iterable[Observation]]]":
        def observe(_: "CallbackOptions") -> "Iterable[Observation]":
            return [Observation(value, of) for value, of in look(source.figures())]

        return [observe]

    for n, counted in enumerate(COUNTED):
        what, _, unit = counted.rpartition("_") if counted.endswith("_bytes") else (counted, "", "")
        meter.create_observable_counter(
            f"rudp.{what.replace('_', '.')}" if not unit else f"rudp.{what}",
            callbacks=observing(functools.partial(_observed, n)),
            unit="By" if unit else "{segment}",
            description=HELP[counted],
        )
    for level, text in _LEVELS.items():
        meter.create_observable_up_down_counter(
            f"rudp.{level}",
            callbacks=observing(functools.partial(_leveled, level)),
            unit="By",
            description=text,
        )
    meter.create_observable_up_down_counter(
        "rudp.connections",
        callbacks=observing(_in_states),
        unit="{connection}",
        description="Connections, by state; those in TIME-WAIT and half-open have no listener.",
    )
    meter.create_observable_counter(
        "rudp.connections.ended",
        callbacks=observing(_results),
        unit="{connection}",
        description="Connections that ended in order, by an error, or before they were open.",
    )
    meter.create_observable_gauge(
        "rudp.rtt.connections",
        callbacks=observing(_trips),
        unit="{connection}",
        description="Connections whose smoothed round trip now takes at most le seconds.",
    )
    meter.create_observable_counter(
        "rudp.events",
        callbacks=observing(_events),
        unit="{event}",
        description="What UDP sockets have dropped, refused or answered.",
    )
    opening = meter.create_histogram(
        "rudp.connection.opening",
        unit="s",
        description="How long connections took to open.",
        explicit_bucket_boundaries_advisory=OPENING_BOUNDS,
    )
    Book.hearers.append(lambda took, name: opening.record(took, {"listener": name}))


class _Shared(_Source):
    """Counts once for all instruments, which are asked one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self._until = 0.0
        self._shared = Figures()

    def figures(self) -> Figures:
        """Return what was counted a moment ago, or count."""
        if time.monotonic() >= self._until:
            self._shared = super().figures()
            self._until = time.monotonic() + FRESH
        return self._shared


_Observed = Iterator[tuple[float, dict[str, str]]]


def _observed(n: int, figures: Figures) -> _Observed:
    for name, page in figures.pages.items():
        yield page.counted[n], {"listener": name}


def _leveled(level: str, figures: Figures) -> _Observed:
    for name, tally in figures.tallies.items():
        yield getattr(tally, level), {"listener": name}


def _in_states(figures: Figures) -> _Observed:
    for name, tally in figures.tallies.items():
        for state, count in tally.states.items():
            yield count, {"listener": name, "state": str(state)}
    yield figures.half_open, {"state": "half-open"}
    yield figures.time_wait, {"state": "TIME-WAIT"}


def _results(figures: Figures) -> _Observed:
    for name, page in figures.pages.items():
        for result in _RESULTS:
            yield getattr(page, result), {"listener": name, "result": result}


def _trips(figures: Figures) -> _Observed:
    for name, tally in figures.tallies.items():
        for bound, total in _buckets(RTT_BOUNDS, tally.rtts):
            yield total, {"listener": name, "le": bound}


def _events(figures: Figures) -> _Observed:
    for name, counters in figures.dropped.items():
        for reason, count in counters.items():
            yield count, {"socket": name, "event": reason.value}
