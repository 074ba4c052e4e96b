"""The command ``rudp``: one subcommand for each thing that can be tried without writing a program.

A subcommand is a module here with ``add(subparsers)``, which describes its arguments and names the
function that runs it and returns the exit status: 0 for success, 1 for failure.  Arguments that
cannot be used end with status 2, as with any argparse program, Ctrl-C with 130, other signals as
:mod:`rudp.cli.running` says.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Any, Final, NoReturn

import rudp
from rudp.cli import running, stdio

COMMANDS: Final = {
    "demo": "demo", "drill": "drill", "lab": "lab", "playground": "playground", "decode": "decode",
    "report": "report", "echo": "echo", "nc": "nc", "perf": "perf", "relay": "relay",
    "rendezvous": "rendezvous", "exec": "program", "ss": "ss", "top": "top",
}  # fmt: skip
"""The module of each."""

INTERRUPTED: Final = 130
"""The status a shell gives to a program that Ctrl-C has ended: 128 + SIGINT."""


class Parser(argparse.ArgumentParser):
    """One that tells if its help cannot be written, and bears it if its errors cannot.

    An error is one line, which the usage of all options would push out of sight.
    """

    def error(self, message: str) -> NoReturn:
        """Say what cannot be used; end with status 2."""
        self.exit(2, f"{self.prog}: error: {message}\n")

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
    for module in _needed(sys.argv[1:] if arguments is None else arguments):
        importlib.import_module(f"rudp.cli.{module}").add(subparsers)
    options = parser.parse_args(arguments)
    status: int = options.run(options)
    return status


def _needed(words: Sequence[str]) -> list[str]:
    """Return the modules that have to be imported: one for a command, and all for help."""
    first = words[0] if words else ""
    if first in COMMANDS:
        return [COMMANDS[first]]
    return [] if first == "--version" else list(COMMANDS.values())
