"""The Unix socket at which a program answers who asks for its connections.

It belongs to one event loop and is watched like any other descriptor.  An answer is made in pieces,
some connections a turn, and no faster than it is read; so neither many connections nor somebody
who asks and does not read holds the program up or fills its memory.
"""

import asyncio
import contextlib
import errno
import itertools
import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from rudp.live import place, record
from rudp.udp.own import QuietSocket

VISITORS_MAX: Final = 8
"""How many may ask at once; one more, and who has been there longest has to go."""

QUESTION_MAX: Final = 4096
"""Octets of a question."""

AGAIN: Final = 1.0
"""Seconds until who came is looked at again, where there was no descriptor for him."""

PER_TURN: Final = 16
"""Connections that are told of in one turn of the loop: a millisecond."""

_count = itertools.count(1)


class Door:
    """Answers on *loop* with what *sources* returns, from now until :meth:`close`.

    Raises :class:`OSError` if there is no place for it.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, sources: Callable[[], list[record.Source]]
    ) -> None:
        self.loop = loop
        self.sources = sources
        self._visitors: list[_Visitor] = []
        folder = place.ours()
        place.sweep(folder)
        name = f"{os.getpid()}-{next(_count)}"
        self.path: Path = folder / f"{name}{place.SUFFIX}"
        self._sock = QuietSocket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._sock.setblocking(False)
            _listen(self._sock, folder / f".{name}", self.path)
        except BaseException:
            self._sock.close()
            raise
        self._listen()

    def close(self) -> None:
        """Answer nobody any more.  Idempotent; the loop must be open."""
        if self._sock.fileno() < 0:
            return
        self.loop.remove_reader(self._sock.fileno())
        self._sock.close()
        with contextlib.suppress(OSError):
            os.unlink(self.path)
        for visitor in list(self._visitors):
            visitor.close()

    def abandon(self) -> None:
        """In a process that was forked: the socket is the parent's, who goes on."""
        self._sock.close()
        for visitor in self._visitors:
            visitor.sock.close()
        self._visitors.clear()

    def leave(self, visitor: "_Visitor") -> None:
        """*visitor* has gone."""
        self._visitors.remove(visitor)

    def _listen(self) -> None:
        if self._sock.fileno() >= 0:
            self.loop.add_reader(self._sock.fileno(), self._accept)

    def _accept(self) -> None:
        try:
            sock, _ = self._sock.accept()
        except (BlockingIOError, ConnectionAbortedError):  # who came has gone
            return
        except OSError:  # no descriptor is left, and who came waits: not in a busy loop
            self.loop.remove_reader(self._sock.fileno())
            self.loop.call_later(AGAIN, self._listen)
            return
        if len(self._visitors) >= VISITORS_MAX:
            self._visitors[0].close()
        self._visitors.append(_Visitor(self, sock))


class _Visitor:
    """Somebody who asks."""

    def __init__(self, door: Door, sock: socket.socket) -> None:
        self.sock = QuietSocket(fileno=sock.detach())
        self.sock.setblocking(False)
        self._door = door
        self._loop = door.loop
        self._asked = bytearray()
        self._lines: Iterator[bytes] | None = None
        self._rest = b""
        self._over = False  # no more questions come
        self._number = self.sock.fileno()
        self._loop.add_reader(self._number, self._readable)

    def close(self) -> None:
        """Say no more."""
        if self.sock.fileno() < 0:
            return
        self._loop.remove_reader(self._number)
        self._loop.remove_writer(self._number)
        self.sock.close()
        self._door.leave(self)

    def _readable(self) -> None:
        try:
            data = self.sock.recv(QUESTION_MAX)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._asked += data
        if not data:
            self._over = True
            self._loop.remove_reader(self._number)
            if self._lines is None and b"\n" not in self._asked:
                self.close()
        elif len(self._asked) > QUESTION_MAX:
            self.close()
        elif self._lines is None and b"\n" in self._asked:
            self._begin()

    def _begin(self) -> None:
        """Answer the first question there is."""
        line, _, rest = bytes(self._asked).partition(b"\n")
        self._asked[:] = rest
        self._lines = self._answer(line)
        self._go_on()

    def _answer(self, question: bytes) -> Iterator[bytes]:
        try:
            asked = json.loads(question)
            understood = all(asked[name] == value for name, value in record.QUESTION.items())
        except (ValueError, TypeError, KeyError, RecursionError):
            understood = False
        if not understood:
            yield _line({"error": f"only this is answered here: {json.dumps(record.QUESTION)}"})
            return
        sources = self._door.sources()
        yield _line(record.program(sources))
        told = 0
        for each in record.connections(sources, self._loop.time()):
            yield _line(each)
            told += 1
        yield _line({"end": told})

    def _go_on(self) -> None:
        """Say some more."""
        if self.sock.fileno() < 0 or self._lines is None:
            return
        if not self._rest:
            self._rest = b"".join(itertools.islice(self._lines, PER_TURN))
        if not self._rest:
            self._lines = None
            if b"\n" in self._asked:
                self._loop.call_soon(self._begin_next)
            elif self._over:
                self.close()
            return
        try:
            self._rest = self._rest[self.sock.send(self._rest) :]
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EINTR):
                self.close()
                return
        if self._rest:
            self._loop.add_writer(self._number, self._writable)
        else:
            self._loop.call_soon(self._go_on)

    def _begin_next(self) -> None:
        if self.sock.fileno() >= 0 and self._lines is None and b"\n" in self._asked:
            self._begin()

    def _writable(self) -> None:
        self._loop.remove_writer(self._number)
        self._go_on()


def _listen(sock: socket.socket, before: Path, path: Path) -> None:
    """Bind *sock* so that it is at *path* when it listens, and not earlier.

    Who looks there and is refused takes it for one of a program that is gone.
    """
    for each in (before, path):  # of a process that had our number before
        with contextlib.suppress(FileNotFoundError):
            os.unlink(each)
    try:
        sock.bind(str(before))
    except OSError as error:  # its words name no path
        raise OSError(error.errno or errno.ENAMETOOLONG, str(error), str(path)) from None
    try:
        os.chmod(before, 0o600)
        sock.listen(VISITORS_MAX)
        os.rename(before, path)
    except BaseException:
        os.unlink(before)
        raise


def _line(fields: object) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"
