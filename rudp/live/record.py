"""What is said of a program and of each of its connections, as JSON can have it.

The protocol is one exchange, that may be repeated on one Unix socket.  Each line is a JSON object:
the question, then a line about the program, one for each connection, and the end.  Members may be
added; a change of what one means, or one less, is another :data:`VERSION`.
"""

import dataclasses
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Protocol

from rudp.core.life.connection import Connection
from rudp.core.life.tcb import Opened
from rudp.core.segment.addresses import name_of
from rudp.core.segment.transmit import Address
from rudp.core.watch.info import ConnectionInfo
from rudp.core.watch.stats import EndpointStats

VERSION: Final = 1

QUESTION: Final[dict[str, Any]] = {"rudp": "connections", "version": VERSION}

PROGRAM_MAX: Final = 200
"""Characters of a command line that are told."""

_PLAIN: Final = tuple(
    field.name
    for field in dataclasses.fields(ConnectionInfo)
    if field.name not in ("state", "state_since", "state_times", "soft_error")
)


class Source(Protocol):
    """What is asked: the connections of one UDP socket."""

    @property
    def sockname(self) -> Address:
        """Its UDP address."""

    @property
    def connections(self) -> list[Connection]:
        """Those that have a user."""

    def stats(self) -> EndpointStats:
        """Count what there is."""


def program(sources: list[Source]) -> dict[str, Any]:
    """Return the line about this process, whose UDP sockets are *sources*."""
    stats = [source.stats() for source in sources]
    return {
        **QUESTION,
        "pid": os.getpid(),
        "program": name_of_program(sys.argv),
        "sockets": [name_of(source.sockname) for source in sources[:100]],
        "connections": sum(len(source.connections) for source in sources),
        "half_open": sum(each["half_open"] for each in stats),
        "time_wait": sum(each["time_wait_records"] for each in stats),
    }


def connections(sources: list[Source], now: float) -> Iterator[dict[str, Any]]:
    """Yield the line of each connection that there is at the beginning; *now*: the loop's time."""
    known = [(source, each) for source in sources for each in source.connections]
    for source, connection in known:
        yield describe(connection, source.sockname, now)


def describe(connection: Connection, sockname: Address, now: float) -> dict[str, Any]:
    """Return the line of *connection*, on a UDP socket at *sockname*."""
    info = connection.info()
    peer, local_host = connection.path
    ports = connection.ports
    in_state = max(now - info.state_since, 0.0)
    before = sum(info.state_times.values())
    return {
        "local": name_of((local_host or sockname[0], sockname[1])),
        "peer": name_of(peer),
        "local_port": ports >> 16,
        "remote_port": ports & 0xFFFF,
        "opened": "here" if connection.opened is Opened.ACTIVE else "there",
        "state": str(info.state),
        "in_state": round(in_state, 6),
        "age": round(before + in_state, 6),
        "held_back_by": info.held_back_by,
        "soft_error": None if info.soft_error is None else str(info.soft_error),
        **{name: getattr(info, name) for name in _PLAIN},
    }


def name_of_program(arguments: list[str]) -> str:
    """Return the command line as people know it: ``rudp relay ...`` for ``python -m rudp``."""
    path = Path(arguments[0] if arguments else "")
    name = path.parent.name if path.name == "__main__.py" else path.name
    words = " ".join([name or "python", *arguments[1:]])
    return words if len(words) <= PROGRAM_MAX else f"{words[: PROGRAM_MAX - 1]}…"
