"""What a command owes to its supervisor: sockets taken over, a word that it is ready, a quiet end.

The supervisor's side is that of systemd: sockets come as descriptors from 3 on (sd_listen_fds), and
words go to the datagram socket that NOTIFY_SOCKET names (sd_notify).
"""

import argparse
import asyncio
import contextlib
import dataclasses
import functools
import os
import signal
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final, Literal

import rudp
from rudp.cli import address, arguments, running, stdio
from rudp.cli.address import Address
from rudp.cli.running import FailedError

HANDED_OVER: Final = "systemd"
"""What stands for an address where the supervisor hands the sockets over."""

FIRST: Final = 3
"""The first descriptor that is handed over (SD_LISTEN_FDS_START)."""

SPARE: Final = 10.0
"""Seconds that an end may take beyond the grace, for what is to be delivered after it."""

LOOK_INTERVAL: Final = 0.05
"""Seconds from one look whether all connections are gone to the next."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the options of commands that a supervisor runs."""
    group = parser.add_argument_group("service")
    group.add_argument(
        "--grace",
        type=arguments.grace,
        default=5.0,
        metavar="TIME",
        help="on SIGTERM take no more connections, and reset those that have not ended by "
        "themselves after this time (default: 5s)",
    )
    group.add_argument(
        "--reuse-port",
        action="store_true",
        help="share the port with other processes that say so too; one that ends goes on with its "
        "connections until the grace is over, while the others take new ones",
    )


def to_listen(text: str) -> Address:
    """Parse an address to listen on, for argparse, or the word for sockets that are handed over."""
    if text != HANDED_OVER:
        return Address.to_listen(text)
    try:
        sockets = inherited()
    except (ValueError, OSError) as error:
        raise argparse.ArgumentTypeError(f"LISTEN_FDS cannot be used: {error}") from None
    if not sockets:
        raise argparse.ArgumentTypeError("no sockets were handed over (LISTEN_FDS, LISTEN_PID)")
    schemes = {scheme_of(sock) for sock in sockets}
    if len(schemes) > 1:
        raise argparse.ArgumentTypeError("sockets of TCP and of UDP were handed over: one of them")
    return Address(schemes.pop(), HANDED_OVER, 0)


def scheme_of(sock: socket.socket) -> Literal["rudp", "tcp"]:
    """Return what is spoken on *sock*.  Raises :class:`argparse.ArgumentTypeError`."""
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        if sock.type == socket.SOCK_DGRAM:
            return "rudp"
        if sock.type == socket.SOCK_STREAM:
            return "tcp"
    raise argparse.ArgumentTypeError(f"{sock!r} was handed over, which is none of UDP or TCP")


@functools.cache
def inherited() -> tuple[socket.socket, ...]:
    """Return the sockets that were handed over to this process, each time the same.

    Raises :class:`ValueError` or :class:`OSError` for variables that make no sense.
    """
    if os.environ.pop("LISTEN_PID", None) != str(os.getpid()):
        return ()
    count = int(os.environ.pop("LISTEN_FDS", "0"))
    os.environ.pop("LISTEN_FDNAMES", None)
    sockets = tuple(socket.socket(fileno=FIRST + number) for number in range(count))
    for sock in sockets:
        sock.set_inheritable(False)
    return sockets


def notify(*words: str) -> None:
    """Tell the supervisor, if there is one that wants to know: ``READY=1``."""
    where = os.environ.get("NOTIFY_SOCKET", "")
    if not where.startswith(("/", "@")):
        return
    name = "\0" + where[1:] if where[0] == "@" else where
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock,
    ):
        sock.connect(name)
        sock.send("\n".join(words).encode())


class Listening:
    """What a command listens on: one server, or one for each socket that was handed over."""

    def __init__(self, scheme: Literal["rudp", "tcp"], *, shares: bool) -> None:
        self._scheme = scheme
        self._shares = shares
        self._servers: list[asyncio.Server | rudp.Server] = []

    @property
    def addresses(self) -> list[str]:
        """Where it listens."""
        servers = self._servers
        return [name for each in servers for name in address.addresses(self._scheme, each)]

    @classmethod
    async def on(
        cls,
        where: Address,
        factory: Callable[[], asyncio.BaseProtocol],
        config: rudp.Config,
        context: ssl.SSLContext | None,
        *,
        reuse_port: bool,
        **watching: Any,
    ) -> "Listening":
        """Listen on *where*; *watching*: ``tracer=``, of rudp's.  Raises :class:`OSError`."""
        listening = cls(where.scheme, shares=reuse_port)
        if where.host != HANDED_OVER:
            options = watching | ({"reuse_port": True} if reuse_port else {})
            if reuse_port:  # what is for a process that ends may come here, and is none of ours
                config = dataclasses.replace(config, resets_max=0)
            listening._servers.append(await where.listen(factory, config, context, **options))
            return listening
        if reuse_port:
            raise FailedError("--reuse-port is for addresses, not for sockets of a supervisor")
        loop = asyncio.get_running_loop()
        try:
            for sock in inherited():
                server: asyncio.Server | rudp.Server
                if where.scheme == "tcp":
                    server = await loop.create_server(factory, sock=sock, backlog=address.BACKLOG)
                else:
                    server = await rudp.create_server(
                        factory,
                        sock=sock,
                        backlog=address.BACKLOG,
                        ssl=context,
                        config=config,
                        **watching,
                    )
                listening._servers.append(server)
        except BaseException:
            listening.close()
            raise
        return listening

    async def stop(self) -> None:
        """Take no more connections; who asks for one over rudp is to ask again.

        A port that is shared is left to the others.
        """
        for server in self._servers:
            if isinstance(server, rudp.Server) and self._shares:
                try:
                    await server.step_aside()
                except OSError as error:
                    stdio.complain(f"rudp: the port is not left yet: {running.in_words(error)}")
            elif isinstance(server, rudp.Server):
                server.stop_serving()
            else:
                server.close()

    def close(self) -> None:
        """Give the sockets up."""
        for server in self._servers:
            server.close()


def wants_grace(ended: asyncio.CancelledError) -> bool:
    """Return whether what has *ended* a command leaves time for its connections to end."""
    return signal.Signals.SIGTERM.name in ended.args


async def drain(listening: Listening | None, grace: float, idle: Callable[[], bool]) -> None:
    """Take no more connections, and wait until *idle*, at most for *grace* seconds."""
    microseconds = int((grace + SPARE) * 1e6)
    notify("STOPPING=1", f"EXTEND_TIMEOUT_USEC={microseconds}")
    if listening is not None:
        await listening.stop()
    loop = asyncio.get_running_loop()
    end = loop.time() + grace
    while not idle() and loop.time() < end:  # noqa: ASYNC110  # they end one by one
        await asyncio.sleep(min(LOOK_INTERVAL, max(end - loop.time(), 0.0)))
