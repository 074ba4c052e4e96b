"""Asking running programs for their connections: the other end of :mod:`rudp.live.door`."""

import contextlib
import dataclasses
import json
import socket
from pathlib import Path
from typing import Any, Final, Self

from rudp.live import place, record

PATIENCE: Final = 3.0
"""Seconds that a program may be silent."""

LINE_MAX: Final = 1 << 16
"""Octets of a line."""

LINES_MAX: Final = 1 << 20
"""Lines of an answer."""


@dataclasses.dataclass(frozen=True)
class Answer:
    """What one program has said: a line about itself, and one for each connection.

    The members are those of :func:`rudp.live.record.program` and :func:`rudp.live.record.describe`.
    """

    program: dict[str, Any]
    connections: list[dict[str, Any]]


class Program:
    """A program that can be asked, more than once; used in a ``with`` statement.

    Raises :class:`OSError` if it cannot.
    """

    def __init__(self, path: Path) -> None:
        self.pid = place.pid_of(path)
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._sock.settimeout(PATIENCE)
            self._sock.connect(str(path))
            self._file = self._sock.makefile("rb")
        except BaseException:
            self._sock.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._sock.close()

    def ask(self) -> Answer:
        """Return what it says.  Raises :class:`OSError`, :class:`ValueError` for no answer."""
        self._sock.sendall(json.dumps(record.QUESTION).encode() + b"\n")
        about = self._line()
        if about.get("rudp") != "connections" or about.get("version") != record.VERSION:
            raise ValueError(str(about.get("error", "it does not speak as rudp does")))
        found: list[dict[str, Any]] = []
        for _ in range(LINES_MAX):
            line = self._line()
            if "end" in line:
                return Answer(about, found)
            found.append(line)
        raise ValueError("its answer has no end")

    def _line(self) -> dict[str, Any]:
        line = self._file.readline(LINE_MAX)
        if not line.endswith(b"\n"):
            raise ConnectionResetError("it has gone" if len(line) < LINE_MAX else "too long a line")
        fields = json.loads(line)
        if not isinstance(fields, dict):
            raise ValueError("it does not speak as rudp does")
        return fields


def ask_all(pid: int | None = None) -> tuple[list[Answer], dict[int, str]]:
    """Ask all programs of this user, or the one with *pid*; what they say, and who does not.

    The latter by their numbers, and why.  Raises :class:`OSError` if none can be looked for.
    """
    answers = []
    silent = {}
    for path in place.sockets():
        if pid not in (None, place.pid_of(path)):
            continue
        try:
            with Program(path) as program:
                answers.append(program.ask())
        except (OSError, ValueError) as error:
            with contextlib.suppress(FileNotFoundError):
                path.lstat()  # else it has just ended
                silent[place.pid_of(path)] = str(error)
    return answers, silent
