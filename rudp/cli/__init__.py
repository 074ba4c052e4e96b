"""The command ``rudp``: one subcommand for each thing that can be tried without writing a program.

A subcommand is a module here with ``add(subparsers)``, which describes its arguments and names the
function that runs it and returns the exit status: 0 for success, 1 for failure.  Arguments that
cannot be used end with status 2, as with any argparse program, Ctrl-C with 130, other signals as
:mod:`rudp.cli.running` says.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Final

import rudp
from rudp.cli import decode, demo, echo, nc, perf, relay, report, running

COMMANDS: Final = (demo, decode, report, echo, nc, perf, relay)

INTERRUPTED: Final = 130
"""The status a shell gives to a program that Ctrl-C has ended: 128 + SIGINT."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with *arguments*, those of the process if None; return the exit status."""
    parser = argparse.ArgumentParser(prog="rudp", description="TCP over UDP for asyncio.")
    parser.add_argument("--version", action="version", version=f"rudp {rudp.__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(subparsers)
    options = parser.parse_args(arguments)
    try:
        status: int = options.run(options)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        running.forget_output()
        return 1
    return status
