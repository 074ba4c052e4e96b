"""The command ``rudp``: one subcommand for each thing that can be tried without writing a program.

A subcommand is a module here with ``add(subparsers)``, which describes its arguments and names the
function that runs it and returns the exit status: 0 for success, 1 for failure.  Arguments that
cannot be used end with status 2, as with any argparse program, Ctrl-C with 130, other signals as
:mod:`rudp.cli.running` says.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any, Final

import rudp
from rudp.cli import (
    decode,
    demo,
    drill,
    echo,
    lab,
    nc,
    perf,
    program,
    relay,
    rendezvous,
    report,
    running,
    ss,
    stdio,
    top,
)

COMMANDS: Final = (
    demo, drill, lab, decode, report, echo, nc, perf, relay, rendezvous, program, ss, top
)  # fmt: skip

INTERRUPTED: Final = 130
"""The status a shell gives to a program that Ctrl-C has ended: 128 + SIGINT."""


class Parser(argparse.ArgumentParser):
    """One that tells if its help cannot be written, and bears it if its errors cannot."""

    def _print_message(self, message: str, file: Any = None) -> None:
        if file is sys.stdout:
            print(message, end="")
        else:
            stdio.complain(message, end="")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with *arguments*, those of the process if None; return the exit status."""
    stdio.open_missing()
    try:
        try:
            return _run(arguments)
        finally:
            stdio.flush()
    except KeyboardInterrupt:
        stdio.complain("interrupted")
        return INTERRUPTED
    except OSError as error:  # whatever else fails the commands tell themselves
        if not isinstance(error, BrokenPipeError):
            stdio.complain(f"rudp: cannot write the output: {running.in_words(error)}")
        return 1


def _run(arguments: Sequence[str] | None) -> int:
    parser = Parser(prog="rudp", description="TCP over UDP for asyncio.")
    parser.add_argument("--version", action="version", version=rudp.build.summary())
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(subparsers)
    options = parser.parse_args(arguments)
    status: int = options.run(options)
    return status
