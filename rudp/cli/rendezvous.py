"""``rudp rendezvous``: where peers behind NATs find each other, for ``rudp nc --punch``."""

import argparse
import asyncio
import functools
from typing import Any, Final

import rudp
from rudp.cli import address, arguments, output, running
from rudp.cli.address import Address

STATUS_INTERVAL: Final = 0.5


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "rendezvous",
        help="let peers behind NATs find each other",
        description="Tell two peers that are in one room each other's addresses, until Ctrl-C or "
        "SIGTERM. What they say to each other then does not pass here, unless --relay allows it.",
    )
    parser.add_argument(
        "listen",
        nargs="?",
        type=Address.to_listen,
        default=Address("rudp", "", 7478),
        metavar="LISTEN",
        help="rudp://HOST:PORT; without HOST all addresses of this machine (default: rudp://:7478)",
    )
    parser.add_argument(
        "--room",
        action="append",
        metavar="NAME",
        help="let peers into this room alone. May be given again; without it any room will do",
    )
    parser.add_argument(
        "--relay",
        action="store_true",
        help="carry the datagrams of peers that find no other way, if they want that too",
    )
    parser.add_argument(
        "--relay-rate",
        type=arguments.size,
        default=1024 * 1024,
        metavar="OCTETS",
        help="octets a second that one pair may have relayed (default: 1M)",
    )
    parser.add_argument(
        "--stun-port",
        type=arguments.port,
        default=0,
        metavar="PORT",
        help="UDP port that answers STUN, for firewalls that must know it (default: any)",
    )
    parser.add_argument(
        "--max-peers",
        type=arguments.count(1, 60_000),
        default=1000,
        metavar="N",
        help="refuse what comes beyond this number (default: 1000)",
    )
    running.add_options(parser)
    parser.set_defaults(run=functools.partial(run, parser))


def run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Run the command."""
    if options.listen.scheme != "rudp":
        parser.error("a rendezvous listens on rudp://")
    if not options.relay_rate:
        parser.error("--relay-rate must be more than 0")
    say = output.make(as_json=options.json, lasting=True)
    return running.run(parser, options, lambda: _serve(options, say), serves=True)


async def _serve(options: argparse.Namespace, say: output.Output) -> int:
    """Serve until cancelled."""
    rendezvous = await rudp.start_rendezvous(
        options.listen.host or None,
        options.listen.port,
        rooms=options.room,
        relay=options.relay,
        relay_rate=options.relay_rate,
        stun_port=options.stun_port,
        peers_max=options.max_peers,
    )
    try:
        for where in address.addresses("rudp", rendezvous):
            say.line(f"listening on {where}")
            say.event("listening", address=where)
        while True:
            await asyncio.sleep(STATUS_INTERVAL)
            say.status(_figures(rendezvous.stats()))
    finally:
        stats = rendezvous.stats()
        rendezvous.close()
        say.close()
        say.line(_figures(stats))
        say.event("stopped", **stats)


def _figures(stats: dict[str, Any]) -> str:
    return (
        f"{stats['present']} here, {stats['peers']} were, {stats['meetings']} meetings, "
        f"{stats['refused']} refused, {stats['relays']} relayed now"
    )
