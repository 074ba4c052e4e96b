"""``rudp perf``: how fast a path and both its ends are, and what keeps them from being faster.

A server and a client, as with iperf: bulk data in either direction or both, or messages that go
there and back, on one connection or many.  The CPU time of both ends belongs to every figure, for
where the protocol runs in the program, the program is often the limit.
"""

import argparse
import functools

from rudp.cli import arguments, output, recording, running, settings
from rudp.cli.perf import client, request, server

PORT = 7201


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
        "-c", "--client", type=arguments.host, metavar="HOST", help="measure to the server at HOST"
    )
    parser.add_argument(
        "-p",
        "--port",
        type=arguments.port,
        default=PORT,
        metavar="PORT",
        help=f"the server's UDP port (default: {PORT})",
    )
    running.add_options(parser)
    _add_server_options(parser)
    _add_test_options(parser)
    settings.add_options(parser, connects=True)
    settings.add_tls_options(parser)
    recording.add_options(parser)
    parser.set_defaults(run=functools.partial(run, parser))


def _add_server_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("server")
    group.add_argument(
        "--bind",
        type=arguments.host,
        metavar="HOST",
        help="listen on this address only, not on all of this machine",
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


def run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Run the command."""
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
    with recording.Recording(parser, options, ["client"]) as record:
        tracer = record.tracer("client")
        status = running.run(
            parser, options, lambda: client.measure(options, asked, tls, say, tracer)
        )
    return record.status(status)


def _request(options: argparse.Namespace) -> request.Request:
    length = options.length
    if length is None:
        length = 64 if options.ping_pong else 64 * 1024
    return request.Request(
        test="ping-pong" if options.ping_pong else "bulk",
        up=not options.reverse,
        down=options.reverse or options.bidir or options.ping_pong,
        connections=options.parallel,
        seconds=None if options.octets is not None else options.time,
        octets=options.octets,
        length=length,
        interval=options.interval,
    )
