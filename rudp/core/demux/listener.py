"""LISTEN: a port at which connections may be opened from outside (RFC 9293 §3.10.7.2).

A listener stays in LISTEN for ever; each SYN makes a child of its own.  Children that are half
open are limited in number, and so are those that are established and not accepted yet.  Beyond the
first limit SYNs are answered with cookies; at the second, handshakes wait to be completed.

Several listeners may share a port, as sockets with SO_REUSEPORT do: each has its part of the peers.
"""

import errno
import os
from collections import deque
from typing import Final

from rudp.config import Config
from rudp.core.life.connection import Connection
from rudp.core.segment.wire import ACK, RST, Run
from rudp.core.watch.tracer import Tracer

BACKLOG_MIN: Final = 128
"""Established children that nobody has accepted yet that are always allowed.  An asyncio program
accepts at once, so a smaller backlog would only cost it connections."""


class Listener:
    """A passive OPEN at *port*; *backlog*: children that may wait to be accepted.

    *shares*: others that share too may have the same port.
    ``pausing``: SYNs get no answer, and come again; handshakes that have begun are completed.
    ``cookies_until``: the time after which an acknowledgement cannot be that of a cookie (SYNC-6).
    """

    __slots__ = (
        "accepted", "backlog", "config", "cookies_until", "half_open", "pausing", "port", "shares",
        "tracer",
    )  # fmt: skip

    def __init__(
        self,
        port: int,
        backlog: int,
        config: Config,
        tracer: Tracer | None,
        *,
        shares: bool = False,
    ) -> None:
        self.port = port
        self.shares = shares
        self.tracer = tracer
        self.config = config
        self.backlog = max(backlog, BACKLOG_MIN)
        self.pausing = False
        self.cookies_until = 0.0
        self.half_open: set[Connection] = set()
        self.accepted: deque[Connection] = deque()

    def __repr__(self) -> str:
        return (
            f"<Listener port={self.port} half_open={len(self.half_open)} "
            f"accepted={len(self.accepted)}>"
        )

    @property
    def is_full(self) -> bool:
        """Whether no further child may be established before one is accepted."""
        return len(self.accepted) >= self.backlog

    @property
    def unaccepted(self) -> list[Connection]:
        """The children that no user has yet."""
        return [*(child for child in self.half_open if not child.is_early), *self.accepted]

    def holds_up(self, child: Connection, run: Run) -> bool:
        """Whether *run* would establish *child*, and there is no room for that yet (SYNC-9)."""
        return self.is_full and run.flags & (ACK | RST) == ACK and not child.is_early


class Listeners:
    """The listeners of one UDP socket by port."""

    __slots__ = ("_groups",)

    def __init__(self) -> None:
        self._groups: dict[int, list[Listener]] = {}

    def __bool__(self) -> bool:
        return bool(self._groups)

    def __repr__(self) -> str:
        return repr(sorted(self._groups))

    def find(self, ports: int) -> Listener | None:
        """Return who listens for a segment with these two ports, the peer's and ours.

        The peer's port chooses among several, so that the ACK of a cookie finds who sent it.
        """
        group = self._groups.get(ports & 0xFFFF)
        return None if group is None else group[(ports >> 16) % len(group)]

    def add(self, listener: Listener) -> None:
        """Let *listener* have SYNs; OSError with EADDRINUSE if somebody does not share its port."""
        group = self._groups.get(listener.port, [])
        if not all(other.shares and listener.shares for other in group):
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        self._groups[listener.port] = [*group, listener]

    def remove(self, listener: Listener) -> None:
        """Let *listener* have no more; others at its port have its part.  Idempotent."""
        left = [other for other in self._groups.get(listener.port, ()) if other is not listener]
        if left:
            self._groups[listener.port] = left
        else:
            self._groups.pop(listener.port, None)
