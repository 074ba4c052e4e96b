"""``rudp decode``: a ladder, or a file of events, from a capture that somebody has made.

The capture may be of rudp or of any TCP.  It was made at one end, and the ladder shows the states
of that end alone: what the other one knew, no capture can tell.
"""

import argparse
import functools
from typing import Final

from rudp.cli import arguments, output, views
from rudp.cli.output import Column
from rudp.trace import Ladder
from rudp.trace.decode import CONNECTIONS_MAX, Conversation, Decoded, decode
from rudp.trace.pcapfile import CaptureError, packets
from rudp.trace.words import octets

LISTED: Final = 20
"""Connections in the table, at most."""

_COLUMNS: Final = (
    Column("#", 4),
    Column("connection", -60),
    Column("segments", 9),
    Column("data", 10, octets),
)


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "decode",
        help="draw a connection out of a capture",
        description="Draw a connection out of a capture, pcapng or pcap, of rudp or of plain TCP.",
    )
    parser.add_argument("file", metavar="FILE", help="the capture")
    parser.add_argument(
        "--connection",
        type=arguments.count(1, CONNECTIONS_MAX),
        default=1,
        metavar="N",
        help="which one, if there are several (default: 1, the one that begins first)",
    )
    parser.add_argument(
        "--at",
        choices=("client", "server"),
        default="client",
        help="where the capture was made, if it does not say (default: client)",
    )
    parser.add_argument("--html", metavar="FILE", help="write a report, one page for a browser")
    views.add_options(parser)
    parser.set_defaults(run=functools.partial(run, parser))


def run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Run the command; return 1 if the file has no connection, or cannot be read to its end."""
    try:
        with open(options.file, "rb") as file:
            decoded = decode(packets(file))
    except OSError as error:
        parser.error(f"cannot read {options.file}: {error.strerror}")
    except CaptureError as error:
        parser.exit(1, f"{parser.prog}: {options.file}: {error}\n")
    if not decoded.conversations:
        what = f"{decoded.others} packets, none of them of TCP or rudp"
        if decoded.reasons:
            what += f": {decoded.refused()}"
        parser.exit(1, f"{parser.prog}: {options.file}: {decoded.trouble or what}\n")
    if options.connection > len(decoded.conversations):
        known = len(decoded.conversations)
        parser.error(f"there are {known} connections, no number {options.connection}")
    conversation = decoded.conversations[options.connection - 1]
    recording = conversation.recording(options.at)
    views.write(parser, options, recording, str(conversation))
    if not options.json:
        say = output.make(as_json=False)
        _list(say, decoded, conversation)
        side = recording.header.ends[0]
        ladder = Ladder(side, "", explain=options.explain)
        ladder.draw(recording)
        say.line(str(ladder))
    if decoded.trouble:
        parser.exit(1, f"{parser.prog}: {options.file}: {decoded.trouble}\n")
    return 0


def _list(say: output.Output, decoded: Decoded, shown: Conversation) -> None:
    """Say which connections there are."""
    found = decoded.conversations
    if len(found) > 1:
        rows = [(number, each, each.segments, each.octets) for number, each in enumerate(found, 1)]
        say.table(_COLUMNS, rows[:LISTED])
        if len(rows) > LISTED:
            say.line(f"and {len(rows) - LISTED} more")
        say.line("")
    say.line(f"{shown}\n")
    if decoded.reasons:
        say.line(f"Not read: {decoded.refused()}\n")
    if shown.joined:
        say.line(
            f"{shown.joined} segments are longer than the MSS of who got them: each is several,\n"
            "which the system had not cut yet, or had joined, where the capture was made\n"
        )
