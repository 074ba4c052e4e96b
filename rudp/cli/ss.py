"""``rudp ss``: the connections of programs that run, as ``ss -ti`` shows those of the kernel.

Of those that are visible, that is: every command of rudp, and whatever program says so
(``Config(visible=True)``, RUDP_VISIBLE=1).
"""

import argparse
import functools
from typing import Any, Final

from rudp.cli import arguments, output, running, seen, stdio
from rudp.live.ask import Answer, ask_all

PID_MAX: Final = 1 << 22


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "ss",
        help="show the connections of programs that run",
        description="Show the connections of this user's programs that are visible: commands of "
        "rudp, and programs with Config(visible=True) or RUDP_VISIBLE=1 in their environment.",
    )
    add_options(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(run=functools.partial(run, parser))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe which connections are meant."""
    parser.add_argument(
        "--pid", type=arguments.count(1, PID_MAX), metavar="N", help="only of this process"
    )
    parser.add_argument(
        "--state", type=str.upper, metavar="STATE", help="only in this state, such as ESTABLISHED"
    )
    parser.add_argument(
        "--peer", metavar="TEXT", help="only with a peer whose address begins like this"
    )


def answers(prog: str, options: argparse.Namespace) -> tuple[list[Answer], bool]:
    """Ask the programs that are meant; say who does not answer, and return whether all did.

    Raises :class:`OSError` if nobody can be asked.
    """
    found, silent = ask_all(options.pid)
    for pid, why in silent.items():
        stdio.complain(f"{prog}: process {pid} does not answer: {why}")
    if options.pid is not None and not found and not silent:
        stdio.complain(f"{prog}: process {options.pid} is not visible, or not there")
        return found, False
    chosen = [
        Answer(each.program, [one for one in each.connections if _is_meant(one, options)])
        for each in found
    ]
    return chosen, not silent


def run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Run the command; return 1 if a program does not answer, or none can be asked."""
    try:
        found, complete = answers(parser.prog, options)
    except OSError as error:
        stdio.complain(f"{parser.prog}: {reason(error)}")
        return 1
    say = output.make(as_json=options.json)
    for n, each in enumerate(found):
        say.event("program", **each.program)
        for connection in each.connections:
            say.event("connection", pid=each.program["pid"], **connection)
        if n:
            say.line("")
        if not options.json:
            for line in seen.lines(seen.name(each.program), each.connections, output.columns()):
                say.line(line)
    if not found and complete:
        say.line("no program of this user is visible")
    return 0 if complete else 1


def reason(error: OSError) -> str:
    """Return why nobody can be asked."""
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{running.in_words(error)}"


def _is_meant(connection: dict[str, Any], options: argparse.Namespace) -> bool:
    return (options.state is None or connection["state"] == options.state) and (
        options.peer is None or connection["peer"].startswith(options.peer)
    )
