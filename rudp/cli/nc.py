"""``rudp nc``: standard input to a connection, and the connection to standard output.

The end of the input is sent as FIN, and what the peer still has to say is read to its end.  So
``rudp nc`` carries files and directories like the netcats of TCP, and is a ProxyCommand for ssh.

TLS streams have no half-close here: the end of the input cannot be told without closing.  So the
connection is closed when the peer has said nothing for a while after it.
"""

import argparse
import asyncio
import functools
import sys
from typing import Any, Final

import rudp
from rudp.cli import address, arguments, output, recording, running, settings, stdio
from rudp.cli.running import FailedError
from rudp.cli.splice import reset
from rudp.trace.words import octets

STDIN: Final = 0
STDOUT: Final = 1

LOOK_INTERVAL: Final = 0.1

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "nc",
        help="connect standard input and output with a peer",
        usage="%(prog)s [OPTIONS] HOST PORT\n       %(prog)s [OPTIONS] -l [HOST] PORT\n"
        "       %(prog)s [OPTIONS] --punch ROOM --rendezvous HOST[:PORT]",
        description="Send standard input to a peer and write what comes to standard output. "
        "Everything else is said on standard error.",
    )
    parser.add_argument(
        "host", nargs="?", type=arguments.host, metavar="HOST", help="the peer, or where to listen"
    )
    parser.add_argument("port", nargs="?", type=arguments.port, metavar="PORT", help="UDP port")
    parser.add_argument(
        "-l", "--listen", action="store_true", help="wait for one peer instead of connecting"
    )
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="say what happens on standard error"
    )
    settings.add_options(parser, connects=True)
    settings.add_punch_options(parser)
    group = settings.add_tls_options(parser, passes_on=True)
    group.add_argument(
        "--ssl-server",
        action="store_true",
        help="with --punch: be the server of TLS; the other side is its client",
    )
    recording.add_options(parser)
    running.add_options(parser)
    parser.set_defaults(run=functools.partial(run, parser))


def run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Run the command."""
    punching = settings.punching(parser, options)
    if punching is not None:
        if options.host is not None or options.listen:
            parser.error("with --punch there is no HOST, no PORT and no -l")
    else:
        if options.port is None and options.host is not None:  # one alone is the port
            try:
                options.host, options.port = None, arguments.port(options.host)
            except argparse.ArgumentTypeError as error:
                parser.error(f"argument PORT: {error}")
        if options.port is None:
            parser.error("the following arguments are required: PORT")
        if not options.listen and (options.host is None or not options.port):
            parser.error("a HOST and a PORT are needed to connect, or -l to listen")
    if options.ssl_server and (punching is None or not options.ssl):
        parser.error("--ssl-server is for --punch with --ssl")
    serves = options.listen or options.ssl_server
    context, tls = settings.tls(parser, options, listens=serves, connects=not serves)
    if punching is not None:
        punching |= {"wait": None, **settings.punching_tls(parser, context, tls)}
    elif options.listen:
        tls = {"ssl": context}
    say = output.Output()
    if options.verbose or options.json:
        say = output.make(as_json=options.json, file=sys.stderr, lasting=True)
    point = "server" if options.listen else "client"
    with recording.Recording(parser, options, [point]) as record:
        tls |= record.watching(point)
        if punching is not None and (tracer := record.tracer(point)) is not None:
            punching["tracer"] = tracer
        status = running.run(parser, options, lambda: _carry(options, punching, tls, say))
    return record.status(status)


async def _carry(
    options: argparse.Namespace,
    punching: rudp.PunchOptions | None,
    tls: dict[str, Any],
    say: output.Output,
) -> int:
    """Open the connection and carry both directions to their ends."""
    if punching is not None:
        reader, writer = await rudp.punch(**punching)
    else:
        reader, writer = await (_accept if options.listen else _connect)(options, tls, say)
    session = Session(reader, writer, options.quiet_time)
    began = asyncio.get_running_loop().time()
    peer = address.name("rudp", writer.transport)
    way = writer.get_extra_info("punched")
    say.line(f"connected with {peer}{f' ({way})' if way is not None else ''}")
    say.event("connected", peer=peer, **({"punched": way} if way is not None else {}))
    try:
        await session.run()
        writer.close()
        await writer.wait_closed()
    except BaseException:
        reset(writer.transport)  # the peer must not take for whole what is not
        raise
    took = asyncio.get_running_loop().time() - began
    say.line(f"sent {octets(session.sent)}, received {octets(session.received)} in {took:.2f} s")
    say.event("closed", sent=session.sent, received=session.received, seconds=took)
    return 0


async def _connect(options: argparse.Namespace, tls: dict[str, Any], say: output.Output) -> Streams:
    async with asyncio.timeout(settings.patience(options)):
        return await rudp.open_connection(
            options.host, options.port, config=settings.config(options), **tls
        )


async def _accept(options: argparse.Namespace, tls: dict[str, Any], say: output.Output) -> Streams:
    """Wait for one peer."""
    accepted: asyncio.Queue[Streams] = asyncio.Queue()
    server = await rudp.start_server(
        lambda *streams: accepted.put_nowait(streams),
        options.host,
        options.port,
        config=settings.config(options),
        **tls,
    )
    try:
        for where in address.addresses("rudp", server):
            say.line(f"listening on {where}")
            say.event("listening", address=where)
        first = await accepted.get()
    finally:
        server.close()
    while not accepted.empty():
        _, writer = accepted.get_nowait()
        reset(writer.transport)
    return first


class Session:
    """What one connection carries; *quiet_time*: seconds, for TLS."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, quiet_time: float
    ) -> None:
        self.sent = 0
        self.received = 0
        self._reader = reader
        self._writer = writer
        self._quiet_time = quiet_time
        self._input = stdio.Input(STDIN)
        self._output = stdio.Output(STDOUT)

    async def run(self) -> None:
        """Return when both directions have ended.

        Where somebody types, and over TLS, the peer's end is enough.
        """
        sending = asyncio.create_task(self._send())
        receiving = asyncio.create_task(self._receive())
        losing = asyncio.create_task(self._lose())
        tasks = (sending, receiving, losing)
        peer_decides = self._input.is_terminal or not self._writer.can_write_eof()
        try:
            while not (receiving.done() and (peer_decides or sending.done())):
                # Of a loss the reader tells after all that has come, if it is not done.
                other = losing if receiving.done() else receiving
                waiting = [task for task in (sending, other) if not task.done()]
                done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    if task is not sending or not isinstance(task.exception(), OSError):
                        task.result()
            if sending.done():
                sending.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _lose(self) -> None:
        """Raise what ends the connection."""
        while (error := self._reader.exception()) is None:  # noqa: ASYNC110  # nobody sets one
            await asyncio.sleep(LOOK_INTERVAL)
        raise error

    async def _send(self) -> None:
        while data := await self._take():
            self._writer.write(data)
            await self._writer.drain()
            self.sent += len(data)
        if self._writer.can_write_eof():
            self._writer.write_eof()
        elif self.sent:  # with nothing to send we are here to receive, for as long as it takes
            before = -1
            while before != self.received:
                before = self.received
                await asyncio.sleep(self._quiet_time)
            self._writer.close()

    async def _take(self) -> bytes:
        try:
            return await self._input.read()
        except OSError as error:  # a fault of our own, unlike what the connection may raise
            raise FailedError(f"standard input: {running.in_words(error)}") from None

    async def _receive(self) -> None:
        while data := await self._reader.read(stdio.CHUNK):
            try:
                await self._output.write(data)
            except OSError as error:
                raise FailedError(f"standard output: {running.in_words(error)}") from None
            self.received += len(data)
        self._output.close()
