"""``rudp nc``: standard input to a connection, and the connection to standard output.

The end of the input is sent as FIN, and what the peer still has to say is read to its end.  So
``rudp nc`` carries files and directories like the netcats of TCP, and is a ProxyCommand for ssh.
"""

import argparse
import asyncio
import functools
import sys
from typing import Any, Final

import rudp
from rudp.cli import address, arguments, output, recording, running, settings, stdio
from rudp.cli.address import Address
from rudp.cli.session import Ends, Session
from rudp.cli.splice import reset
from rudp.trace.words import octets

STATUS_INTERVAL: Final = 0.5

WAITING_MAX: Final = 16
"""Peers that may wait for their turn with ``-k``; more are reset."""


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "nc",
        help="connect standard input and output with a peer",
        usage="%(prog)s [OPTIONS] (HOST PORT | ADDRESS)\n"
        "       %(prog)s [OPTIONS] -l ([HOST] PORT | ADDRESS)\n"
        "       %(prog)s [OPTIONS] --punch ROOM --rendezvous HOST[:PORT]",
        description="Send standard input to a peer and write what comes to standard output. "
        "Everything else is said on standard error. An ADDRESS is " + address.FORM + ".",
    )
    parser.add_argument("host", nargs="?", metavar="HOST", help="the peer, or where to listen")
    parser.add_argument("port", nargs="?", metavar="PORT", help="its port")
    parser.add_argument(
        "-l", "--listen", action="store_true", help="wait for one peer instead of connecting"
    )
    parser.add_argument(
        "-k",
        "--keep-open",
        action="store_true",
        help="with -l: when a peer is gone wait for the next, until Ctrl-C or SIGTERM",
    )
    parser.add_argument(
        "-w",
        "--wait",
        type=arguments.duration,
        metavar="TIME",
        help="give up if the connection is not open after this time, or nothing is sent or "
        "received for so long",
    )
    parser.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="say what happens on standard error, and how it goes on if that is a terminal",
    )
    settings.add_family_options(parser)
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
    if options.wait is not None:
        options.connect_timeout = min(options.connect_timeout, options.wait)
    where = None
    if punching is not None:
        if options.host is not None or options.listen or options.family:
            parser.error("with --punch there is no HOST, no PORT, no -l, no -4 and no -6")
    else:
        where = _where(parser, options)
    if options.keep_open and not options.listen:
        parser.error("-k needs -l")
    if options.ssl_server and (punching is None or not options.ssl):
        parser.error("--ssl-server is for --punch with --ssl")
    is_rudp = where is None or where.scheme == "rudp"
    serves = options.listen or options.ssl_server
    context, tls = settings.tls(
        parser, options, listens=serves and is_rudp, connects=is_rudp and not serves
    )
    if punching is not None:
        punching |= {"wait": None, **settings.punching_tls(parser, context, tls)}
    say = output.Output()
    if options.verbose or options.json:
        say = output.make(as_json=options.json, file=sys.stderr, lasting=True)
    point = "server" if options.listen else "client"
    with recording.Recording(parser, options, [point] if is_rudp else []) as record:
        carrier = Carrier(options, say, parser.prog, record.watching(point))
        if punching is not None:
            if (tracer := record.tracer(point)) is not None:
                punching["tracer"] = tracer
            main = functools.partial(carrier.punch, punching)
        elif where is None:
            raise AssertionError("without an address there is a room")
        elif options.listen:
            main = functools.partial(carrier.listen, where, context)
        else:
            main = functools.partial(carrier.connect, where, tls)
        status = running.run(parser, options, main)
    return record.status(status)


def _where(parser: argparse.ArgumentParser, options: argparse.Namespace) -> Address:
    """Return the address that one or two arguments are.  Ends the program if they are none."""
    host, port = options.host, options.port
    if host is None:
        parser.error("which address? HOST PORT, or " + address.FORM)
    try:
        if port is not None:
            found = Address("rudp", arguments.host(host), arguments.port(port))
        elif ":" not in host:  # one alone is the port
            found = Address("rudp", "", arguments.port(host) if options.listen else 0)
        else:
            found = Address.to_listen(host)
    except argparse.ArgumentTypeError as error:
        parser.error(str(error))
    if not options.listen and not (found.host and found.port):
        parser.error("a HOST and a PORT are needed to connect, or -l to listen")
    return found


class Carrier:
    """Opens connections, and carries both directions of each to their ends."""

    def __init__(
        self,
        options: argparse.Namespace,
        say: output.Output,
        prog: str,
        watching: dict[str, Any],
    ) -> None:
        self._options = options
        self._watching = watching
        self._config = settings.config(options, heeds_refusals=True)
        self._say = say
        self._prog = prog

    async def punch(self, options: rudp.PunchOptions) -> int:
        """Meet a peer."""
        ends = Ends()
        _, session = await rudp.create_punched(lambda: self._session(ends), **options)
        await self._carry(session, "rudp", ends)
        return 0

    async def connect(self, where: Address, tls: dict[str, Any]) -> int:
        """Connect to *where*."""
        ends = Ends()
        async with asyncio.timeout(settings.patience(self._options)):
            _, session = await where.connect(
                lambda: self._session(ends),
                self._config,
                family=settings.family(self._options),
                **tls,
                **self._watching,
            )
        await self._carry(session, where.scheme, ends)
        return 0

    async def listen(self, where: Address, context: Any) -> int:
        """Wait for one peer, or for one after the other."""
        ends = Ends()
        waiting: asyncio.Queue[Session] = asyncio.Queue()

        def opened(session: Session) -> None:
            if waiting.qsize() < WAITING_MAX:
                waiting.put_nowait(session)
            else:
                reset(session.transport)

        server = await where.listen(
            lambda: self._session(ends, opened),
            self._config,
            context,
            family=settings.family(self._options),
            **self._watching,
        )
        try:
            for name in address.addresses(where.scheme, server):
                self._say.line(f"listening on {name}")
                self._say.event("listening", address=name)
            while self._options.keep_open:
                session = await waiting.get()
                try:
                    await self._carry(session, where.scheme, ends)
                except (OSError, EOFError) as error:
                    if ends.failed:
                        raise
                    why = running.in_words(error)
                    stdio.complain(
                        f"{self._prog}: {address.name(where.scheme, session.transport)}: {why}"
                    )
            async with asyncio.timeout(self._options.wait):
                first = await waiting.get()
        finally:
            server.close()
            while not waiting.empty():
                reset(waiting.get_nowait().transport)
        await self._carry(first, where.scheme, ends)
        return 0

    def _session(self, ends: Ends, opened: Any = None) -> Session:
        options = self._options
        return Session(
            ends, options.quiet_time, options.wait, closes=not options.keep_open, opened=opened
        )

    async def _carry(self, session: Session, scheme: Any, ends: Ends) -> None:
        """Carry both directions to their ends."""
        began = asyncio.get_running_loop().time()
        peer = address.name(scheme, session.transport)
        way = session.transport.get_extra_info("punched")
        self._say.line(f"connected with {peer}{f' ({way})' if way is not None else ''}")
        self._say.event("connected", peer=peer, **({"punched": way} if way is not None else {}))
        try:
            await running.alongside(session.run(), self._tell(session))
        except BaseException:
            reset(session.transport)  # the peer must not take for whole what is not
            raise
        finally:
            self._say.close()
        took = asyncio.get_running_loop().time() - began
        self._say.line(
            f"sent {octets(session.sent)}, received {octets(session.received)} in {took:.2f} s"
        )
        self._say.event("closed", sent=session.sent, received=session.received, seconds=took)

    async def _tell(self, session: Session) -> None:
        """Show how it goes on, until cancelled."""
        sent = received = 0
        while True:
            await asyncio.sleep(STATUS_INTERVAL)
            up, down = session.sent - sent, session.received - received
            sent, received = session.sent, session.received
            self._say.status(
                f"sent {octets(sent)} ({octets(round(up / STATUS_INTERVAL))}/s), "
                f"received {octets(received)} ({octets(round(down / STATUS_INTERVAL))}/s)"
            )
