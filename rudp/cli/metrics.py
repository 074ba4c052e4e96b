"""The option ``--metrics``: a page for Prometheus, beside what a command does."""

import argparse
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import rudp.metrics
from rudp.cli import arguments, running
from rudp.cli.running import FailedError

Main = Callable[[], Coroutine[Any, Any, int]]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the option."""
    parser.add_argument(
        "--metrics",
        type=_address,
        metavar="HOST:PORT",
        help="serve metrics for Prometheus there, by HTTP over the kernel's TCP (extra metrics)",
    )


def serving(parser: argparse.ArgumentParser, options: argparse.Namespace, main: Main) -> Main:
    """Return what runs *main* and serves metrics meanwhile, if that is asked for.

    Ends the program with status 2 if that takes a package that is not there.
    """
    if options.metrics is not None:
        try:
            import prometheus_client  # noqa: F401
        except ImportError:
            parser.error("--metrics needs prometheus-client; the extra is called metrics")

    async def run() -> int:
        with _served(options.metrics):
            return await main()

    return run


@contextlib.contextmanager
def _served(where: tuple[str, int] | None) -> Iterator[None]:
    """Serve metrics at *where*, in a thread.  Raises :class:`FailedError` if that cannot be."""
    if where is None:
        yield
        return
    from prometheus_client import CollectorRegistry, start_http_server
    from prometheus_client.platform_collector import PlatformCollector
    from prometheus_client.process_collector import ProcessCollector

    registry = CollectorRegistry()
    registry.register(rudp.metrics.collector())
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    host, port = where
    try:
        server, thread = start_http_server(port, host or "::", registry)
    except OSError as error:
        raise FailedError(f"metrics at {host}:{port}: {running.in_words(error)}") from None
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _address(text: str) -> tuple[str, int]:
    """Return host and port of what is written as HOST:PORT, [HOST]:PORT or :PORT."""
    host, colon, port = text.rpartition(":")
    if not colon or not arguments.port(port):
        raise argparse.ArgumentTypeError(f"{text!r} is not an address such as 127.0.0.1:9464")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    return arguments.host(host) if host else "", int(port)
