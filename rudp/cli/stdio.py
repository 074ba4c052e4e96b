"""Standard input, output and error, whatever they are, or if they are not there at all.

A descriptor that was closed when the program began would be given to the next thing that is opened,
a socket or the loop's own, so it gets something to be first.  One that cannot be written to any
more, since its reader is gone or the disk is full, is told of once and then forgotten.

Standard input and output of a program with an event loop are another matter.  A pipe, a terminal
and a file are three different things to a loop, and only the first of them can be read without
waiting and without changing it for other processes that share it.  A thread that makes blocking
calls treats them all alike.  It is a daemon: a read that waits for somebody to type must not keep
the program from ending.
"""

import asyncio
import contextlib
import os
import queue
import select
import socket
import stat
import sys
import threading
from collections.abc import Callable
from typing import Any, Final, TextIO

CHUNK: Final = 256 * 1024
"""Octets read at once."""


def open_missing() -> None:
    """Open 0, 1 and 2 where they are closed.

    Then nothing is to be read, writing fails as it does with any descriptor that is closed, and
    what goes wrong is told to nobody.
    """
    flags = (os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, flags[number])  # takes the lowest number that is free: this one
            os.set_inheritable(number, True)
            if getattr(sys, name) is None:
                mode = "w" if number else "r"
                setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


def forget(file: TextIO) -> None:
    """Let nothing fail any more for *file*, nor the interpreter when it flushes it at its end."""
    with contextlib.suppress(OSError, ValueError):  # it may have no descriptor
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, file.fileno())
        os.close(null)


def flush() -> None:
    """Write out what was printed.  Raises :class:`OSError`, and forgets the output, if that fails.

    Else the interpreter would try it, with a traceback and a status of its own.
    """
    try:
        sys.stdout.flush()
    except OSError:
        forget(sys.stdout)
        raise


def has_room(file: TextIO) -> bool:
    """Return whether a line can be written to *file* without waiting for who reads it."""
    try:
        return bool(select.select([], [file], [], 0)[1])
    except (OSError, ValueError):  # it is not of the kind that waits
        return True


def complain(text: str, end: str = "\n") -> None:
    """Say *text* on standard error, if that can be written to."""
    try:
        print(text, end=end, file=sys.stderr, flush=True)
    except OSError:
        forget(sys.stderr)


class Worker:
    """A thread that makes one call after the other."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[tuple[asyncio.Future[Any], Callable[..., Any], Any]] = (
            queue.SimpleQueue()
        )
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._run, daemon=True).start()

    async def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return what *function* returns, or raise what it raises."""
        future: asyncio.Future[Any] = self._loop.create_future()
        self._calls.put((future, function, arguments))
        return await future

    def _run(self) -> None:
        while True:
            future, function, arguments = self._calls.get()
            value: Any = None
            error: OSError | None = None
            try:
                value = function(*arguments)
            except OSError as raised:
                error = raised
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                self._loop.call_soon_threadsafe(_settle, future, value, error)


def _settle(future: "asyncio.Future[Any]", value: Any, error: OSError | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(value)


class Input:
    """A file descriptor to read from."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._worker = Worker()

    @property
    def is_terminal(self) -> bool:
        """Whether somebody types what is read."""
        return os.isatty(self._descriptor)

    async def read(self) -> bytes:
        """Return what there is, at most ``CHUNK`` octets, and ``b""`` at the end."""
        data: bytes = await self._worker.call(self._read)
        return data

    def _read(self) -> bytes:
        while True:
            try:
                return os.read(self._descriptor, CHUNK)
            except BlockingIOError:  # somebody else wants it so, who has it too
                select.select([self._descriptor], [], [])


class Output:
    """A file descriptor to write to."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._worker = Worker()

    async def write(self, data: bytes) -> None:
        """Return when the system has taken all of *data*.  Raises :class:`OSError`."""
        await self._worker.call(self._write_all, data)

    def _write_all(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:  # somebody else wants it so, who has it too
                select.select([], [self._descriptor], [])

    def close(self) -> None:
        """Let the reader see the end.  The number stays taken, for others believe in it."""
        if stat.S_ISSOCK(os.fstat(self._descriptor).st_mode):
            # Standard input may be the same one, and keeps it open.
            with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self._descriptor)) as s:
                s.shutdown(socket.SHUT_WR)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self._descriptor)
        os.close(null)
