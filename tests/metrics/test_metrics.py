"""Metrics: what Prometheus and OpenTelemetry are told, from whichever thread they ask."""

import asyncio
import itertools
import re
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics import exposition, parser
from prometheus_client.parser import text_string_to_metric_families

import rudp
import rudp.metrics
from rudp.aio.book import PAGES_MAX, Book
from rudp.core.terms.counters import Count
from rudp.core.watch.stats import EndpointStats
from tests.aio.kit import HOST, Recorder

ROOT = Path(__file__).resolve().parents[2]

CONFIG = rudp.Config(linger=0.3)

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def collector() -> rudp.metrics.Collector:
    return rudp.metrics.collector()


@pytest_asyncio.fixture
async def server(collector: rudp.metrics.Collector) -> AsyncIterator[rudp.Server]:
    """A server that is counted."""
    server = await rudp.create_server(Recorder, HOST, 0, config=CONFIG)
    yield server
    server.close()
    server.abort_clients()
    await server.wait_closed()


async def connected(server: rudp.Server) -> asyncio.Transport:
    address = server.sockets[0].getsockname()
    transport, _ = await rudp.create_connection(Recorder, *address, config=CONFIG)
    return transport


def scraped(collector: rudp.metrics.Collector) -> Samples:
    """Return what Prometheus reads, by names and labels."""
    registry = CollectorRegistry()
    registry.register(collector)
    text = generate_latest(registry).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def port(server: rudp.Server) -> str:
    return str(server.sockets[0].getsockname()[1])


def total(samples: Samples, name: str, **labels: str) -> float:
    """Return the sum of all with this name and these labels."""
    return sum(
        value
        for (each, having), value in samples.items()
        if each == name and set(labels.items()) <= set(having)
    )


async def test_sums_are_by_listener(server: rudp.Server, collector: rudp.metrics.Collector) -> None:
    transports = [await connected(server) for _ in range(3)]
    transports[0].write(bytes(5000))
    here = {"listener": port(server)}
    samples: Samples = {}
    while total(samples, "rudp_received_bytes_total", **here) < 5000:
        samples = await asyncio.to_thread(scraped, collector)
    assert total(samples, "rudp_connections", **here) == 3
    assert total(samples, "rudp_received_bytes_total", **here) == 5000
    assert total(samples, "rudp_sent_bytes_total", listener="") >= 5000
    assert total(samples, "rudp_connection_opening_seconds_count", **here) == 3
    assert total(samples, "rudp_connection_opening_seconds_bucket", le="+Inf", **here) == 3
    assert total(samples, "rudp_rtt_seconds_bucket", le="+Inf", **here) == 3
    assert total(samples, "rudp_segments_received_total", **here) > 3
    for each in transports:
        each.abort()


async def test_what_has_ended_still_counts(
    server: rudp.Server, collector: rudp.metrics.Collector
) -> None:
    for _ in range(4):
        transport = await connected(server)
        transport.write(bytes(1000))
        transport.close()
        await rudp.delivered(transport)
    server.close_clients()
    while total(scraped(collector), "rudp_connections", listener=port(server)):
        await asyncio.sleep(0.01)
    samples = scraped(collector)
    assert total(samples, "rudp_received_bytes_total", listener=port(server)) == 4000
    ended = {"listener": port(server), "result": "closed"}
    assert total(samples, "rudp_connections_ended_total", **ended) == 4


async def test_who_is_reset_has_broken(
    server: rudp.Server, collector: rudp.metrics.Collector
) -> None:
    transport = await connected(server)
    rudp.reset(transport)
    broken = {"listener": port(server), "result": "broken"}
    while not total(scraped(collector), "rudp_connections_ended_total", **broken):
        await asyncio.sleep(0.01)


async def test_who_never_opened_has_failed(
    server: rudp.Server, collector: rudp.metrics.Collector
) -> None:
    failed = {"listener": "", "result": "failed"}
    before = total(scraped(collector), "rudp_connections_ended_total", **failed)
    address = server.sockets[0].getsockname()
    with pytest.raises(ConnectionRefusedError):
        await rudp.create_connection(Recorder, *address, inner_port=1, config=CONFIG)
    assert total(scraped(collector), "rudp_connections_ended_total", **failed) == before + 1
    address = "{}:{}".format(*address)
    reset = {"socket": address, "event": Count.RST_SENT.value}
    assert total(scraped(collector), "rudp_events_total", **reset) == 1


async def test_nothing_that_grows_gets_less(
    server: rudp.Server, collector: rudp.metrics.Collector
) -> None:
    """While connections come, talk and go, whoever scrapes from elsewhere sees sums that grow."""
    over = threading.Event()
    seen: list[Samples] = []

    def scrape() -> None:
        while not over.is_set():
            seen.append(scraped(collector))

    scraping = asyncio.create_task(asyncio.to_thread(scrape))
    for n in range(30):
        transport = await connected(server)
        transport.write(bytes(100 * n))
        transport.close()
        await rudp.delivered(transport)
    over.set()
    await scraping
    seen.append(scraped(collector))
    assert len(seen) > 2
    for before, after in itertools.pairwise(seen):
        for key, value in before.items():
            if key[0].endswith(("_total", "_count", "_sum")):
                assert after[key] >= value, key


async def test_a_loop_that_does_not_answer_is_given_as_it_was(
    server: rudp.Server, collector: rudp.metrics.Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport = await connected(server)
    while not total(before := scraped(collector), "rudp_connections", listener=port(server)):
        await asyncio.sleep(0)
    monkeypatch.setattr(rudp.metrics, "PATIENCE", 0.02)
    seen: list[Samples] = []
    thread = threading.Thread(target=lambda: seen.append(scraped(collector)))
    thread.start()
    thread.join()  # the loop, whose thread this is, does nothing
    assert seen[0] == before
    assert total(seen[0], "rudp_connections", listener=port(server)) == 1
    transport.abort()


def test_no_loop_no_figures() -> None:
    """A scrape beside a program that has not begun."""
    samples = scraped(rudp.metrics.collector())
    assert "rudp_time_wait_connections" in {name for name, _ in samples}


def test_the_page_has_all_names() -> None:
    page = (ROOT / "docs" / "howto" / "metrics.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `(rudp_\w+)", page, re.MULTILINE))
    assert named == {
        family.name + "_total" * (family.type == "counter")
        for family in rudp.metrics.collector().describe()
    }


def test_the_names_follow_the_conventions() -> None:
    families = list(rudp.metrics.collector().describe())
    names = {family.name for family in families}
    assert len(names) == len(families)
    for family in families:
        assert family.documentation.endswith("."), family.name
        assert family.name.startswith("rudp_")
        assert not family.name.endswith("_total"), "which is for the samples"
        if family.type in ("histogram", "gaugehistogram"):
            assert family.name.endswith("_seconds")


async def test_openmetrics_has_them_too(
    server: rudp.Server, collector: rudp.metrics.Collector
) -> None:
    families: Any = parser.text_string_to_metric_families
    generate: Any = exposition.generate_latest
    transport = await connected(server)
    registry = CollectorRegistry()
    registry.register(collector)
    text = generate(registry).decode()
    kinds = {family.name: family.type for family in families(text)}
    assert kinds["rudp_rtt_seconds"] == "gaugehistogram"
    assert kinds["rudp_segments_received"] == "counter"
    transport.abort()


@pytest.fixture
def reader() -> Iterator[InMemoryMetricReader]:
    """What OpenTelemetry's instruments are read by."""
    reader = InMemoryMetricReader()
    provider = MeterProvider(metric_readers=[reader], shutdown_on_exit=False)
    hearers = list(Book.hearers)
    rudp.metrics.instrument(provider.get_meter("rudp"))
    yield reader
    Book.hearers[:] = hearers
    provider.shutdown()


def told(reader: InMemoryMetricReader) -> dict[str, list[Any]]:
    data = reader.get_metrics_data()
    assert data is not None
    return {
        metric.name: list(metric.data.data_points)
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


async def test_opentelemetry_is_told_the_same(
    reader: InMemoryMetricReader, server: rudp.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rudp.metrics, "FRESH", 0.0)
    transport = await connected(server)
    transport.write(bytes(3000))
    points: dict[str, list[Any]] = {"rudp.segments.received": []}

    def value(name: str, **attributes: str) -> float:
        fitting = [p for p in points[name] if attributes.items() <= dict(p.attributes).items()]
        return float(sum(point.value for point in fitting))

    here = port(server)
    while value("rudp.segments.received", listener=here) < 2:
        points = await asyncio.to_thread(told, reader)
    assert value("rudp.received", listener=here) == 3000
    assert value("rudp.connections", listener=here) == 1
    assert value("rudp.rtt.connections", listener=here, le="+Inf") == 1
    (opening,) = [
        each for each in points["rudp.connection.opening"] if each.attributes["listener"] == here
    ]
    assert opening.count == 1
    assert opening.sum < 5.0
    transport.abort()


def test_listeners_are_not_told_apart_without_end() -> None:
    """A program that listens on one port after the other does not fill anybody's memory."""
    book = Book()
    stats: EndpointStats = {reason.value: 1 for reason in Count}  # type: ignore[assignment]
    for number in range(3 * PAGES_MAX):
        book.left((HOST, number), True, stats)
    assert len(book.dropped) == PAGES_MAX + 1
    assert book.dropped["other"][Count.PAWS] == 2 * PAGES_MAX
