"""How a command runs: which event loop, what ends it, and what is said if it fails.

A command is a coroutine that returns the exit status.  Whatever goes wrong outside is told in one
line: the traceback of a refused connection says nothing that the line does not.  A process that
dies takes its connections' state along, and their peers would wait for a long time, so the signals
that ask it to end let the command close or reset them first.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

import rudp
from rudp.cli import seen, stdio

T = TypeVar("T")

ENDING: Final = ("SIGTERM", "SIGHUP")
"""Signals that end a command; ssh sends the second to its ProxyCommand."""


class FailedError(Exception):
    """What the command was for cannot be done; the text says why."""


class ReaderGoneError(FailedError):
    """Whoever read the output reads no more: nobody is left to be told."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the options of every command that runs on an event loop."""
    parser.add_argument(
        "--loop",
        choices=("auto", "asyncio", "uvloop"),
        default="auto",
        help="the event loop; auto takes uvloop if it is installed (default: auto)",
    )
    parser.add_argument(
        "--json", action="store_true", help="say everything as JSON, one object a line"
    )


def run(
    parser: argparse.ArgumentParser,
    options: argparse.Namespace,
    main: Callable[[], Coroutine[Any, Any, int]],
    *,
    serves: bool = False,
) -> int:
    """Run *main* and return the exit status.

    A command that a signal ends before it is done returns 128 and the signal's number.  One that
    *serves* is done when it is told to end, and returns 0.
    """
    factory = _loop_factory(parser, options.loop)
    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(_supervised(parser.prog, main, serves))
    except (OSError, EOFError, FailedError) as error:
        with contextlib.suppress(OSError):  # which may be the very error
            stdio.flush()
        broken = isinstance(error, BrokenPipeError) and stdio.reader_is_gone(sys.stdout)
        if broken or isinstance(error, ReaderGoneError):
            return 1
        stdio.complain(f"{parser.prog}: {in_words(error)}")
        return 1


def _loop_factory(
    parser: argparse.ArgumentParser, name: str
) -> Callable[[], asyncio.AbstractEventLoop]:
    if name == "asyncio":
        return asyncio.new_event_loop
    try:
        import uvloop
    except ImportError:
        if name == "uvloop":
            parser.error("uvloop is not installed; the extra is called speed")
        return asyncio.new_event_loop
    return uvloop.new_event_loop


async def _supervised(prog: str, main: Callable[[], Coroutine[Any, Any, int]], serves: bool) -> int:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: _complain(prog, context))
    task = asyncio.current_task()
    assert task is not None
    received: list[int] = []

    def stop(number: int) -> None:
        received.append(number)
        task.cancel(signal.Signals(number).name)

    for name in ENDING:
        number = getattr(signal, name, None)
        # A program that is started with nohup has to stay.
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            with contextlib.suppress(NotImplementedError):  # Windows
                loop.add_signal_handler(number, stop, number)
    number = getattr(signal, "SIGUSR1", None)
    if number is not None:
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, _tell_connections)
    try:
        return await main()
    except asyncio.CancelledError:
        if not received:
            raise  # Ctrl-C: the runner makes KeyboardInterrupt of it
        return 0 if serves else 128 + received[0]


def _tell_connections() -> None:
    """Say on standard error which connections there are, if somebody reads that."""
    if stdio.has_room(sys.stderr):
        stdio.complain(seen.own(rudp.connections()))


def _complain(prog: str, context: dict[str, Any]) -> None:
    """Say what happened in a callback that nobody waits for."""
    error = context.get("exception")
    why = f": {in_words(error)}" if error is not None else ""
    stdio.complain(f"{prog}: {context['message']}{why}")


async def together(*coroutines: Coroutine[Any, Any, Any]) -> list[Any]:
    """Return what all return; if one fails, cancel the others and raise its exception."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        if tasks:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        return [task.result() for task in tasks]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def alongside(main: Coroutine[Any, Any, T], *others: Coroutine[Any, Any, Any]) -> T:
    """Return what *main* returns, and run *others* until then; any that fails ends them all."""
    first = asyncio.ensure_future(main)
    rest = asyncio.ensure_future(together(*others))
    try:
        await asyncio.wait([first, rest], return_when=asyncio.FIRST_COMPLETED)
        if not first.done():
            rest.result()
        return await first
    finally:
        for task in (first, rest):
            task.cancel()
        await asyncio.gather(first, rest, return_exceptions=True)


def in_words(error: BaseException) -> str:
    """Return what *error* means to somebody who has not read the program."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"the certificate is not accepted: {error.verify_message}"
        case ssl.SSLError():
            return f"TLS failed: {getattr(error, 'reason', None) or error.strerror}"
        case socket.gaierror() if error.errno == getattr(socket, "EAI_ADDRFAMILY", None):
            return "the host has no address of this IP version"
        case socket.gaierror():
            return f"the name is not known: {error.strerror}"
        case TimeoutError() if not str(error):
            return "timed out"
        case OSError() if error.errno and _names_a_call(error):
            late = isinstance(error, TimeoutError)
            words = "timed out" if late else _small(os.strerror(error.errno))
            cause = error.__cause__
            return f"{words}: {in_words(cause)}" if isinstance(cause, OSError) else words
        case OSError() if error.strerror:
            return _small(error.strerror)
        case _:
            return str(error) or type(error).__name__


def _names_a_call(error: OSError) -> bool:
    """Tell if *error* says, as asyncio has it, which call has failed in the place of why."""
    return "Connect call" in str(error.strerror)


def _small(text: str) -> str:
    return text[:1].lower() + text[1:]
