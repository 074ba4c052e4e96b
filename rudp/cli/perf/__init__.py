"""``rudp perf``: how fast a path and both its ends are, and what keeps them from being faster.

A server and a client, as with iperf: bulk data in either direction or both, or messages that go
there and back, on one connection or many.  The CPU time of both ends belongs to every figure, for
where the protocol runs in the program, the program is often the limit.
"""

import argparse
import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Final

from rudp.cli import arguments, output, recording, running, settings
from rudp.cli.address import Address
from rudp.cli.perf import client, plot, request, server

PORT: Final = 7201

UNSAID: Final = -1
"""Stands for a port that an address leaves out."""


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "perf",
        help="measure throughput or round trips between two machines",
        description="Measure between a server and a client. The server serves one test after the "
        "other, until Ctrl-C or SIGTERM.",
    )
    role = parser.add_mutually_exclusive_group(required=True)
    role.add_argument("-s", "--server", action="store_true", help="be the server")
    role.add_argument(
        "-c",
        "--client",
        type=_server,
        metavar="ADDRESS",
        help="measure to the server at HOST, HOST:PORT or rudp://HOST:PORT",
    )
    parser.add_argument(
        "-p",
        "--port",
        type=arguments.port,
        metavar="PORT",
        help=f"the server's UDP port, where the address has none (default: {PORT})",
    )
    settings.add_family_options(parser)
    running.add_options(parser)
    _add_server_options(parser)
    _add_test_options(parser)
    settings.add_options(parser, connects=True)
    settings.add_tls_options(parser)
    recording.add_options(parser)
    parser.set_defaults(run=functools.partial(run, parser))


def _server(text: str) -> Address:
    return _without_port(text, Address.to_connect)


def _bound(text: str) -> Address:
    return _without_port(text, Address.to_listen)


def _without_port(text: str, parse: Callable[[str], Address]) -> Address:
    """Return the address *text* may be; ``DEFAULT`` stands for a port that it leaves out."""
    if text.count(":") > 1 and "[" not in text and "://" not in text:
        text = f"[{text}]"
    full = settings.with_port(text, PORT)
    found = parse(full)
    if found.scheme != "rudp":
        raise argparse.ArgumentTypeError(f"{text!r}: perf measures rudp; for TCP there is iperf3")
    return found if full == text else dataclasses.replace(found, port=UNSAID)


_OF_SERVERS: Final = {"bind": "--bind", "one_off": "-1"}

_OF_TESTS: Final = {
    "reverse": "-R",
    "bidir": "--bidir",
    "ping_pong": "--ping-pong",
    "parallel": "-P",
    "time": "-t",
    "octets": "-n",
    "bitrate": "-b",
    "omit": "-O",
    "window": "-w",
    "plot": "--plot",
    "interval": "-i",
    "length": "-l",
}
"""Where options that are the client's are found, and what they are called."""


def _add_server_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("server")
    group.add_argument(
        "--bind",
        type=_bound,
        metavar="ADDRESS",
        help="listen on this HOST or HOST:PORT only, not on all addresses of this machine",
    )
    group.add_argument(
        "-1", "--one-off", action="store_true", help="serve one test, and end with its status"
    )


def _add_test_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("test (client)")
    kind = group.add_mutually_exclusive_group()
    kind.add_argument("-R", "--reverse", action="store_true", help="the server sends, not we")
    kind.add_argument("--bidir", action="store_true", help="both send")
    kind.add_argument(
        "--ping-pong", action="store_true", help="send messages and wait for each to come back"
    )
    group.add_argument(
        "-P",
        "--parallel",
        type=arguments.count(1, request.CONNECTIONS_MAX),
        default=1,
        metavar="N",
        help="connections at once (default: 1)",
    )
    amount = group.add_mutually_exclusive_group()
    amount.add_argument(
        "-t",
        "--time",
        type=arguments.duration,
        default=10.0,
        metavar="TIME",
        help="how long to send (default: 10s)",
    )
    amount.add_argument(
        "-n",
        "--octets",
        type=arguments.size,
        metavar="SIZE",
        help="how much to send on each connection, instead of a time",
    )
    group.add_argument(
        "-b",
        "--bitrate",
        type=arguments.rate,
        metavar="RATE",
        help="bits per second that each connection sends at most, such as 500k or 10M (default: no "
        "limit)",
    )
    group.add_argument(
        "-O",
        "--omit",
        type=arguments.duration,
        default=0.0,
        metavar="TIME",
        help="send for so long before what counts, and leave that out of the figures",
    )
    group.add_argument(
        "-w",
        "--window",
        type=arguments.size,
        metavar="SIZE",
        help="buffers of this size at both ends, instead of such that grow",
    )
    group.add_argument(
        "--plot",
        type=Path,
        metavar="FILE",
        help="draw the rate over time into a file, such as out.png (extra plot)",
    )
    group.add_argument(
        "-i",
        "--interval",
        type=arguments.duration,
        default=1.0,
        metavar="TIME",
        help="time from one line to the next (default: 1s)",
    )
    group.add_argument(
        "-l",
        "--length",
        type=arguments.size,
        metavar="SIZE",
        help="octets of one write, or of one message (default: 64K, or 64)",
    )


def _check_role(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """End the program with status 2 if an option would have no effect."""
    names, role = (_OF_TESTS, "client") if options.server else (_OF_SERVERS, "server")
    for name, option in names.items():
        if getattr(options, name) != parser.get_default(name):
            parser.error(f"{option} is for the {role}")


def run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Run the command."""
    _check_role(parser, options)
    _settle_address(options)
    say = output.make(as_json=options.json, lasting=options.server)
    context, tls = settings.tls(
        parser, options, listens=options.server, connects=not options.server
    )
    if options.server:
        with recording.Recording(parser, options, ["server"]) as record:
            tracer = record.tracer("server")
            status = running.run(
                parser, options, lambda: server.serve(options, context, say, tracer), serves=True
            )
        return record.status(status)
    try:
        asked = _request(options)
    except ValueError as error:
        parser.error(str(error))
    if options.omit and options.octets is not None:
        parser.error("-O goes with a time, not with -n")
    if options.ping_pong and (options.bitrate is not None or options.plot is not None):
        parser.error("-b and --plot are for bulk data, not for --ping-pong")
    if options.plot is not None and not plot.is_there():
        parser.error("--plot needs matplotlib: pip install 'aiorudp[plot]'")
    with recording.Recording(parser, options, ["client"]) as record:
        tracer = record.tracer("client")
        status = running.run(
            parser, options, lambda: client.measure(options, asked, tls, say, tracer)
        )
    return record.status(status)


def _settle_address(options: argparse.Namespace) -> None:
    """Make one address of what the options say."""
    where = options.bind or Address("rudp", "", UNSAID) if options.server else options.client
    if where.port == UNSAID:
        where = dataclasses.replace(where, port=PORT if options.port is None else options.port)
    options.where = where


def _request(options: argparse.Namespace) -> request.Request:
    length = options.length
    if length is None:
        length = 64 if options.ping_pong else 64 * 1024
    return request.Request(
        test="ping-pong" if options.ping_pong else "bulk",
        up=not options.reverse,
        down=options.reverse or options.bidir or options.ping_pong,
        connections=options.parallel,
        seconds=None if options.octets is not None else options.time + options.omit,
        octets=options.octets,
        length=length,
        interval=min(options.interval, options.omit) if options.omit else options.interval,
        rate=options.bitrate,
        window=options.window,
    )
