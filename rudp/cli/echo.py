"""``rudp echo``: a server that sends back what it receives, for trying a client or a path.

Each direction of a stream ends by itself: the echo of the last octets is sent, and then the FIN.
"""

import argparse
import asyncio
import functools
from typing import Final, cast

from rudp.cli import address, output, recording, running, service, settings
from rudp.cli.address import Address
from rudp.cli.service import Listening
from rudp.cli.splice import reset
from rudp.trace.words import octets

CONNECTIONS_MAX: Final = 1000
"""Connections at once; more are reset."""


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "echo",
        help="send back whatever comes",
        description="Listen, and send back whatever comes, until Ctrl-C or SIGTERM.",
    )
    parser.add_argument(
        "listen",
        nargs="?",
        type=service.to_listen,
        default=Address("rudp", "127.0.0.1", 7007),
        metavar="LISTEN",
        help=f"{address.FORM}, or the word systemd (default: rudp://127.0.0.1:7007)",
    )
    service.add_options(parser)
    settings.add_options(parser, connects=False)
    settings.add_tls_options(parser)
    recording.add_options(parser)
    running.add_options(parser)
    parser.set_defaults(run=functools.partial(run, parser))


def run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Run the command."""
    is_rudp = options.listen.scheme == "rudp"
    context, _ = settings.tls(parser, options, listens=is_rudp, connects=False)
    say = output.make(as_json=options.json, lasting=True)

    async def main() -> int:
        echoes = Echoes(options.listen, say)
        listening = await Listening.on(
            options.listen,
            echoes.accept,
            settings.config(options),
            context,
            reuse_port=options.reuse_port,
            **record.watching("server"),
        )
        try:
            for where in listening.addresses:
                say.line(f"listening on {where}")
                say.event("listening", address=where)
            service.notify("READY=1")
            await asyncio.get_running_loop().create_future()  # until a signal
            raise AssertionError("nobody sets its result")
        except asyncio.CancelledError as ended:
            if service.wants_grace(ended):
                await service.drain(listening, options.grace, lambda: not echoes.open)
            raise
        finally:
            listening.close()
            echoes.end()

    with recording.Recording(parser, options, ["server"] if is_rudp else []) as record:
        status = running.run(parser, options, main, serves=True)
    return record.status(status)


class Echoes:
    """The connections of one server, and what it has to say about them."""

    def __init__(self, listen: Address, say: output.Output) -> None:
        self.scheme = listen.scheme
        self.say = say
        self.open: set[Echo] = set()
        self.are_ended = False

    def accept(self) -> "Echo":
        """Return the protocol of a new connection."""
        return Echo(self)

    def end(self) -> None:
        """Reset what is still open."""
        self.are_ended = True
        for echo in list(self.open):
            reset(echo.transport)


class Echo(asyncio.Protocol):
    """One connection."""

    transport: asyncio.Transport

    def __init__(self, echoes: Echoes) -> None:
        self._echoes = echoes
        self._octets = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take it, unless there are too many."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self.peer = address.name(self._echoes.scheme, transport)
        if len(self._echoes.open) >= CONNECTIONS_MAX:
            reset(self.transport)
        else:
            self._echoes.open.add(self)
            self._echoes.say.event("opened", peer=self.peer)

    def data_received(self, data: bytes) -> None:
        """Send it back."""
        self._octets += len(data)
        self.transport.write(data)

    def pause_writing(self) -> None:
        """Take no more than the peer takes back."""
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on."""
        self.transport.resume_reading()

    def connection_lost(self, error: BaseException | None) -> None:
        """Say how much it was."""
        if self in self._echoes.open:
            self._echoes.open.discard(self)
            if error is None and self._echoes.are_ended:
                error = ConnectionAbortedError("the echo was ended")
            why = f", {running.in_words(error)}" if error is not None else ""
            self._echoes.say.line(f"{self.peer}: {octets(self._octets)}{why}")
            reason = running.in_words(error) if error is not None else None
            self._echoes.say.event("closed", peer=self.peer, octets=self._octets, error=reason)
