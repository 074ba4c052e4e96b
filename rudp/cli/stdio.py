"""Standard input, output and error, whatever they are, or if they are not there at all.

A descriptor that was closed when the program began would be given to the next thing that is opened,
a socket or the loop's own, so it gets something to be first.  One that cannot be written to any
more, since its reader is gone or the disk is full, is told of once and then forgotten.

Standard input and output of a program with an event loop are another matter.  A pipe, a terminal
and a file are three different things to a loop, and what could be done about that would change them
for other processes that share them.  Files are read and written by the loop itself, for they keep
nobody waiting, and so are pipes read when they have something.  For all else there is a thread that
makes blocking calls: to wake it, and to be woken, costs more than the work, where that is quick.
It is a daemon: a read that waits for somebody to type must not keep the program from ending.
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
from collections import deque
from collections.abc import Callable
from typing import Any, Final, TextIO

try:
    from fcntl import fcntl
except ImportError:  # Windows
    F_SETPIPE_SZ: int | None = None
else:
    try:
        from fcntl import F_SETPIPE_SZ
    except ImportError:  # not Linux
        F_SETPIPE_SZ = None

CHUNK: Final = 256 * 1024
"""Octets read at once."""

AHEAD: Final = 2
"""Chunks that are read before the loop has taken them: while it takes one, the next is read."""

WAITING_MAX: Final = 4 * 1024 * 1024
"""Octets that may wait to be written before the peer is to feel it."""

CHUNKS_MAX: Final = 64
"""Chunks written at once: a call for each, and a turn of the interpreter, cost more than copying
them does."""


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


def reader_is_gone(file: TextIO) -> bool:
    """Return whether *file* is a pipe that nobody reads any more."""
    if not hasattr(select, "poll"):
        return False
    poll = select.poll()
    try:
        poll.register(file, 0)
    except (OSError, ValueError):
        return False
    return any(event & select.POLLERR for _, event in poll.poll(0))


def complain(text: str, end: str = "\n") -> None:
    """Say *text* on standard error, if that can be written to."""
    try:
        print(text, end=end, file=sys.stderr, flush=True)
    except OSError:
        forget(sys.stderr)


class Source:
    """A file descriptor to read from: *on_data* gets what there is, and ``b""`` at the end.

    It begins with the first :meth:`resume`.  *on_error* is called once if it cannot be read.
    """

    def __init__(
        self,
        descriptor: int,
        on_data: Callable[[bytes], None],
        on_error: Callable[[OSError], None],
    ) -> None:
        self.on_data = on_data
        self.on_error = on_error
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._may_read = threading.Semaphore(AHEAD)
        self._held: deque[bytes] = deque()  # came while paused
        self._paused = True
        self._begun = False
        self._is_file = self._is_pipe = False
        with contextlib.suppress(OSError):  # reading will tell
            mode = os.fstat(descriptor).st_mode
            self._is_file, self._is_pipe = stat.S_ISREG(mode), stat.S_ISFIFO(mode)
        self._watching = False  # the loop: whether the pipe has something
        self._reading: asyncio.Handle | None = None  # of a file, in the next turn

    @property
    def is_terminal(self) -> bool:
        """Whether somebody types what is read."""
        return os.isatty(self._descriptor)

    def pause(self) -> None:
        """Hand over nothing for now; some chunks may be read all the same, and kept."""
        self._paused = True
        self._unwatch()
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def resume(self) -> None:
        """Go on."""
        self._paused = False
        if self._is_file:
            if self._reading is None:
                self._reading = self._loop.call_soon(self._read_on)
            return
        if self._is_pipe:
            try:
                if not self._watching:
                    self._loop.add_reader(self._descriptor, self._read_on)
                    self._watching = True
            except NotImplementedError:  # Windows
                self._is_pipe = False
            else:
                _enlarge(self._descriptor)
                return
        if not self._begun:
            self._begun = True
            threading.Thread(target=self._run, daemon=True).start()
        while self._held and not self._paused:
            self._hand_over(self._held.popleft())

    def _unwatch(self) -> None:
        if self._watching:
            self._watching = False
            self._loop.remove_reader(self._descriptor)

    def _read_on(self) -> None:
        """Read from a file, or from a pipe that has something; what is quick the loop does."""
        self._reading = None
        try:
            data = os.read(self._descriptor, CHUNK)
        except BlockingIOError:  # somebody else has taken it
            return
        except OSError as error:
            self._unwatch()
            self.on_error(error)
            return
        if not data:
            self._unwatch()
        elif self._is_file:
            self._reading = self._loop.call_soon(self._read_on)
        self.on_data(data)

    def _arrived(self, data: bytes) -> None:
        if self._paused:
            self._held.append(data)
        else:
            self._hand_over(data)

    def _hand_over(self, data: bytes) -> None:
        self._may_read.release()
        self.on_data(data)

    def _failed(self, error: OSError) -> None:
        self.on_error(error)

    def _run(self) -> None:
        data = b"?"
        while data:
            self._may_read.acquire()
            try:
                data = self._read()
            except OSError as error:
                _call(self._loop, self._failed, error)
                return
            _call(self._loop, self._arrived, data)

    def _read(self) -> bytes:
        while True:
            try:
                return os.read(self._descriptor, CHUNK)
            except BlockingIOError:  # somebody else wants it so, who has it too
                select.select([self._descriptor], [], [])


class Sink:
    """A file descriptor to write to, in the order of the calls.

    *on_room* is called when what waits has become little after :meth:`is_full` was told; *on_error*
    once if it cannot be written to.
    """

    def __init__(
        self, descriptor: int, on_room: Callable[[], None], on_error: Callable[[OSError], None]
    ) -> None:
        self.on_room = on_room
        self.on_error = on_error
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._calls: queue.SimpleQueue[bytes | Callable[[], None]] = queue.SimpleQueue()
        self._given = 0  # octets; counted here,
        self._written = 0  # and there
        self._full = False
        self._failure: OSError | None = None
        self._is_quick = False
        with contextlib.suppress(OSError):  # writing will tell
            mode = os.fstat(descriptor).st_mode
            is_null = stat.S_ISCHR(mode) and not os.isatty(descriptor)
            self._is_quick = stat.S_ISREG(mode) or is_null
        if not self._is_quick:
            threading.Thread(target=self._run, daemon=True).start()

    def write(self, data: bytes) -> None:
        """Write *data* when its turn comes."""
        if self._is_quick:
            self._do(lambda: self._write_all([data]))
            return
        self._given += len(data)
        self._calls.put(data)

    def is_full(self) -> bool:
        """Whether it would be better to write no more until *on_room* is called."""
        if self._given - self._written < WAITING_MAX:
            return False
        self._full = True  # first, so that the thread sees it or we see what it has done
        if self._given - self._written < WAITING_MAX:
            self._full = False
        return self._full

    def close(self, on_end: Callable[[], None]) -> None:
        """Let the reader see the end, when all is written, and call *on_end*."""
        if self._is_quick:
            self._do(self._end)
        else:
            self._calls.put(self._end)
        self.flush(on_end)

    def flush(self, on_end: Callable[[], None]) -> None:
        """Call *on_end* when all is written."""
        if self._is_quick:
            self._do(lambda: _call(self._loop, on_end))
            return
        self._calls.put(lambda: _call(self._loop, on_end))

    def _do(self, call: Callable[[], None]) -> None:
        """Call *call*, here and now; nothing more is done once that has failed."""
        if self._failure is None:
            try:
                call()
            except OSError as error:
                self._failure = error
                self._loop.call_soon(self._failed, error)

    def _tell_room(self) -> None:
        self.on_room()

    def _failed(self, error: OSError) -> None:
        self.on_error(error)

    def _run(self) -> None:
        try:
            while True:
                call = self._calls.get()
                chunks: list[bytes] = []
                while isinstance(call, bytes):
                    chunks.append(call)
                    if len(chunks) == CHUNKS_MAX or self._calls.empty():
                        break
                    call = self._calls.get()
                if chunks:
                    self._write_all(chunks)
                if not isinstance(call, bytes):
                    call()
        except OSError as error:
            _call(self._loop, self._failed, error)

    def _write_all(self, chunks: list[bytes]) -> None:
        left = [memoryview(chunk) for chunk in chunks]
        while left:
            try:
                count = (
                    os.writev(self._descriptor, left)
                    if hasattr(os, "writev")
                    else os.write(self._descriptor, left[0])
                )
            except BlockingIOError:  # somebody else wants it so, who has it too
                select.select([], [self._descriptor], [])
                continue
            self._written += count
            while left and count >= len(left[0]):
                count -= len(left.pop(0))
            if count:
                left[0] = left[0][count:]
            if self._full and self._given - self._written < WAITING_MAX // 2:
                self._full = False
                _call(self._loop, self._tell_room)

    def _end(self) -> None:
        """Give the descriptor up.  The number stays taken, for others believe in it."""
        if stat.S_ISSOCK(os.fstat(self._descriptor).st_mode):
            # Standard input may be the same one, and keeps it open.
            with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self._descriptor)) as s:
                s.shutdown(socket.SHUT_WR)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self._descriptor)
        os.close(null)


def _call(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *arguments: Any) -> None:
    """Have *loop* call *function*, unless it has ended meanwhile."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(function, *arguments)


def _enlarge(descriptor: int) -> None:
    """Let one read of a pipe bring a chunk, where a system lets it hold that much."""
    with contextlib.suppress(OSError):
        if F_SETPIPE_SZ is not None and stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            fcntl(descriptor, F_SETPIPE_SZ, CHUNK)
