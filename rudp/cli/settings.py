"""The options of a connection that several commands have, and what they make: Config and TLS.

TLS is for the sides of a command that are ``rudp://``; what comes from TCP or from standard input
is carried as it is.
"""

import argparse
import socket
import ssl
from typing import Any, Final

import rudp
from rudp.cli import arguments
from rudp.cli.address import Address

RENDEZVOUS_PORT: Final = 7478

KEEPALIVE: Final = 25.0
"""Seconds without a word after which a segment asks for an answer.  Many home routers forget a
UDP address after 30 s of silence, and who only waits notices by this alone that a peer is gone."""

KEEPALIVE_COUNT: Final = 3
"""Segments that go without an answer before the peer counts as lost, after 100 s."""


USER_TIMEOUT: Final = KEEPALIVE * (1 + KEEPALIVE_COUNT)
"""Seconds without an acknowledgement after which the peer of a relay counts as lost, as it does
after so much silence."""

UNREACHABLE: Final = 3
"""Flights in a row that the peer's host has answered with "port unreachable", after which that is
believed: what happens within 2 s of a peer's end."""

HEEDFUL: Final[dict[str, Any]] = {"unreachable": UNREACHABLE, "user_timeout": USER_TIMEOUT}


def add_family_options(parser: argparse.ArgumentParser) -> None:
    """Describe the options that choose one of the IP protocols."""
    group = parser.add_mutually_exclusive_group()
    for version in (4, 6):
        group.add_argument(
            f"-{version}",
            dest="family",
            action="store_const",
            const=version,
            help=f"use IPv{version} alone",
        )


def family(options: argparse.Namespace) -> int:
    """Return the address family that was chosen."""
    return {4: socket.AF_INET, 6: socket.AF_INET6}.get(options.family, socket.AF_UNSPEC)


def add_options(parser: argparse.ArgumentParser, *, connects: bool) -> None:
    """Describe the options for connections; *connects*: the command opens some itself."""
    group = parser.add_argument_group("connections")
    group.add_argument(
        "--congestion",
        choices=("cubic", "bbr", "prague", "lossy", "newreno"),
        default="cubic",
        help="congestion control of what this side sends (default: cubic)",
    )
    group.add_argument(
        "--mss",
        type=arguments.mss,
        metavar="OCTETS",
        help="the largest segment; without it the path is asked what it carries",
    )
    group.add_argument(
        "--key-file",
        type=arguments.key,
        default="",
        dest="keys",
        metavar="FILE",
        help="sign all segments with the key in this file, 16 to 80 octets and perhaps a newline, "
        "and believe no others; without it the key is the environment's RUDP_KEY, if there is one",
    )
    if connects:
        group.add_argument(
            "--connect-timeout",
            type=arguments.duration,
            default=10.0,
            metavar="TIME",
            help="give up opening a connection after this time (default: 10s)",
        )


def config(options: argparse.Namespace, *, heeds_refusals: bool = False) -> rudp.Config:
    """Return the configuration of connections that may be idle for hours, or lose their peer.

    *heeds_refusals*: it is better to lose a connection than to wait for a peer that is gone.
    """
    return rudp.Config(
        congestion=options.congestion,
        mss=options.mss,
        keys=options.keys,
        connect_timeout=getattr(options, "connect_timeout", None),
        keepalive=KEEPALIVE,
        keepalive_count=KEEPALIVE_COUNT,
        **(HEEDFUL if heeds_refusals else {}),
        visible=True,
    )


def patience(options: argparse.Namespace) -> float:
    """Return the seconds after which an open that has not failed by itself, as TLS may, is over."""
    return float(options.connect_timeout) + 1.0


def add_punch_options(parser: argparse.ArgumentParser) -> None:
    """Describe the options of a connection that both sides open, through NATs."""
    group = parser.add_argument_group("through NATs")
    group.add_argument(
        "--punch",
        metavar="ROOM",
        help="meet the peer in this room, a secret of both, and open the connection from both "
        "sides at once; both say the same",
    )
    group.add_argument(
        "--rendezvous",
        type=_rendezvous,
        metavar="HOST[:PORT]",
        help="where the room is: a host that runs rudp rendezvous",
    )
    group.add_argument(
        "--relay",
        action="store_true",
        help="be relayed by that host where there is no other way, if it does so",
    )


def _rendezvous(text: str) -> str:
    """Return the address of a rendezvous, which may leave out what it has in common with all."""
    found = Address.to_connect(with_port(text, RENDEZVOUS_PORT))
    if found.scheme != "rudp":
        raise argparse.ArgumentTypeError(f"{text!r} is no rendezvous such as host or host:7478")
    return str(found)


def with_port(text: str, port: int) -> str:
    """Return *text*, an address, with *port* if it has none."""
    bare = text.partition("://")[2] or text
    has_one = "]:" in bare if bare.startswith("[") else ":" in bare
    return text if has_one else f"{text}:{port}"


def punching(
    parser: argparse.ArgumentParser, options: argparse.Namespace
) -> rudp.PunchOptions | None:
    """Return what :func:`rudp.punch` is to be given, None if nobody wants to punch.

    Ends the program with status 2 if options do not go together.
    """
    if options.punch is None:
        for name in ("rendezvous", "relay"):
            if getattr(options, name):
                parser.error(f"--{name} needs --punch")
        return None
    if not options.punch or options.rendezvous is None:
        parser.error("--punch needs the name of a room, and --rendezvous")
    return {
        "rendezvous": options.rendezvous,
        "room": options.punch,
        "relay": options.relay,
        "timeout": options.connect_timeout,
        "config": config(options),
    }


def punching_tls(
    parser: argparse.ArgumentParser, context: ssl.SSLContext | None, client: dict[str, Any]
) -> rudp.PunchOptions:
    """Return what :func:`rudp.punch` is to be given of what :func:`tls` returns.

    Ends the program with status 2 if the server's name is missing.
    """
    if context is not None:
        return {"ssl": context, "server_side": True}
    if not client:
        return {}
    if client["server_hostname"] is None:
        parser.error("--ssl with --punch needs --ssl-name, as the peer has no host's name")
    return {"server_side": False, **client}  # type: ignore[typeddict-item]  # ssl and the name


def add_tls_options(
    parser: argparse.ArgumentParser, *, passes_on: bool = False
) -> "argparse._ArgumentGroup":
    """Describe the options for TLS, and return their group.

    *passes_on*: the command passes on the end of one direction.
    """
    group = parser.add_argument_group("TLS")
    group.add_argument("--ssl", action="store_true", help="use TLS inside rudp connections")
    group.add_argument(
        "--ssl-cert",
        metavar="FILE",
        help="the certificate of this side and those that lead to its authority, PEM; "
        "who listens needs one",
    )
    group.add_argument(
        "--ssl-key", metavar="FILE", help="its private key, PEM, if that is not in the same file"
    )
    group.add_argument(
        "--ssl-ca",
        metavar="FILE",
        help="trust peers with certificates of these authorities, PEM, instead of the system's; "
        "who listens asks clients for a certificate then",
    )
    group.add_argument(
        "--ssl-name",
        type=arguments.host,
        metavar="NAME",
        help="the name in the server's certificate, if it is not the host connected to, or with "
        "--punch",
    )
    if passes_on:
        group.add_argument(
            "-q",
            "--quiet-time",
            type=arguments.duration,
            default=10.0,
            metavar="TIME",
            help="TLS has no half-close: when all is sent, close after the peer has been silent for"
            " this time (default: 10s)",
        )
    return group


def tls(
    parser: argparse.ArgumentParser, options: argparse.Namespace, *, listens: bool, connects: bool
) -> tuple[ssl.SSLContext | None, dict[str, Any]]:
    """Return the context to listen with, and ``ssl=`` and ``server_hostname=`` to connect with.

    *listens*, *connects*: whether the command does so with rudp.  Without ``--ssl`` it is None and
    nothing.  Ends the program with status 2 if options do not go together or a file cannot be used.
    """
    if not options.ssl:
        for name in ("cert", "key", "ca", "name"):
            if getattr(options, f"ssl_{name}") is not None:
                parser.error(f"--ssl-{name} needs --ssl")
        return None, {}
    if not (listens or connects):
        parser.error("--ssl is for rudp, which is not used here")
    if options.ssl_key is not None and options.ssl_cert is None:
        parser.error("--ssl-key needs --ssl-cert")
    server = None
    if listens:
        if options.ssl_cert is None:
            parser.error("--ssl needs --ssl-cert on the side that listens")
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        _load(parser, options, server)
        if options.ssl_ca is not None:
            server.verify_mode = ssl.CERT_REQUIRED
    client = {}
    if connects:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if options.ssl_ca is None:
            context.load_default_certs()
        _load(parser, options, context)
        client = {"ssl": context, "server_hostname": options.ssl_name}
    return server, client


def _load(
    parser: argparse.ArgumentParser, options: argparse.Namespace, context: ssl.SSLContext
) -> None:
    """Load the files into *context*."""
    name = options.ssl_ca
    try:
        if name is not None:
            context.load_verify_locations(name)
        if (name := options.ssl_cert) is not None:
            # A password is not asked for: there may be nobody to answer.
            context.load_cert_chain(name, options.ssl_key, password="")
    except ssl.SSLError as error:
        parser.error(f"cannot use {name}: {error.reason or 'no certificate and key in it'}")
    except OSError as error:
        parser.error(f"cannot read {name} or its key: {error.strerror}")
