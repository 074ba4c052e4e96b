"""``rudp exec``: run a program that offers no hook, with its TCP over rudp.

It is ``python -m`` and ``python FILE`` with :func:`rudp.install` before: whatever loop of asyncio's
or uvloop's the program makes, it carries.  Processes that the program makes with multiprocessing
have the same, so that a server's workers serve where their parent says.
"""

import argparse
import functools
import importlib.util
import os
import runpy
import sys
import traceback
from multiprocessing import spawn
from pathlib import Path
from typing import Any, Final

import rudp
from rudp.cli import settings

_KEY: Final = "rudp"
"""Under which a new process is told: it is there for being unpickled, and nobody looks at it."""


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "exec",
        help="run a Python program with its TCP over rudp",
        description="Run a Python program as python does, with asyncio's TCP over rudp: on "
        "whatever loop of asyncio's or uvloop's it makes, and in processes of multiprocessing too.",
        usage="rudp exec [OPTION ...] (-m MODULE | FILE) [ARGUMENT ...]",
    )
    parser.add_argument(
        "--tcp",
        action="append",
        default=[],
        metavar="HOST:PORT",
        help="leave this to the kernel's TCP: localhost:5432, *.internal:*, 10.0.0.0/8:6379; "
        "may be given several times",
    )
    parser.add_argument(
        "--capture",
        metavar="FILE",
        help="write what this process sends and receives to a file for Wireshark",
    )
    settings.add_options(parser, connects=False)
    parser.add_argument(
        "-m",
        dest="module",
        nargs=argparse.REMAINDER,
        metavar="MODULE",
        help="the program is a module, and what follows its arguments",
    )
    parser.add_argument(
        "program",
        nargs=argparse.REMAINDER,
        metavar="FILE",
        help="the program is a file, and what follows its arguments",
    )
    parser.set_defaults(run=functools.partial(run, parser))


def run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Run the program."""
    program = options.program if options.module is None else options.module
    if not program:
        parser.error("which program? -m MODULE or FILE")
    name, *arguments = program
    if options.module is None:
        sys.path.insert(0, str(Path(name).resolve().parent))
        if not Path(name).exists():
            parser.error(f"{name}: No such file or directory")
    else:
        sys.path.insert(0, os.getcwd())
        if not _is_module(name):
            parser.error(f"No module named {name}")
    config = settings.config(options)
    try:
        rudp.install(tcp=options.tcp, config=config, capture=options.capture)
    except ValueError as error:
        parser.error(f"--tcp: {error}")
    except OSError as error:
        parser.error(f"cannot write {options.capture}: {error.strerror}")
    _tell_new_processes(_Install(options.tcp, config))
    sys.argv = [name, *arguments]
    try:
        if options.module is None:
            runpy.run_path(name, run_name="__main__")
        else:
            runpy.run_module(name, run_name="__main__", alter_sys=True)
    except OSError:  # the program's own, of which its user wants to know all
        traceback.print_exc()
        return 1
    return 0


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):  # it is inside of none, or is no name
        return False


class _Install:
    """Installs where it is unpickled; or so it looks to who pickles it."""

    def __init__(self, tcp: list[str], config: rudp.Config) -> None:
        self._tcp = tcp
        self._config = config

    def __reduce__(self) -> tuple[Any, ...]:
        return _install, (self._tcp, self._config)


def _install(tcp: list[str], config: rudp.Config) -> None:
    """Do in a new process what was done in its parent."""
    rudp.install(tcp=tcp, config=config)
    _tell_new_processes(_Install(tcp, config))


def _tell_new_processes(install: _Install) -> None:
    """Have each process that multiprocessing starts afresh unpickle *install* before all else."""
    prepare = spawn.get_preparation_data

    def prepare_and_tell(name: str) -> dict[str, Any]:
        return {_KEY: install, **prepare(name)}

    spawn.get_preparation_data = prepare_and_tell
