"""Standard input and output for a program with an event loop, whatever they are.

A pipe, a terminal and a file are three different things to a loop, and only the first of them can
be read without waiting and without changing it for other processes that share it.  A thread that
makes blocking calls treats them all alike.  It is a daemon: a read that waits for somebody to type
must not keep the program from ending.
"""

import asyncio
import contextlib
import os
import queue
import threading
from collections.abc import Callable
from typing import Any, Final

CHUNK: Final = 256 * 1024
"""Octets read at once."""


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
        data: bytes = await self._worker.call(os.read, self._descriptor, CHUNK)
        return data


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
            left = left[os.write(self._descriptor, left) :]

    def close(self) -> None:
        """Let the reader see the end.  The number stays taken, for others believe in it."""
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self._descriptor)
        os.close(null)
