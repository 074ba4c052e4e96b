"""LISTEN: a port at which connections may be opened from outside (RFC 9293 §3.10.7.2).

A listener stays in LISTEN for ever; each SYN makes a child of its own.  Children that are half
open are limited in number, and so are those that are established and not accepted yet.  Beyond the
first limit SYNs are answered with cookies; at the second, handshakes wait to be completed.
"""

from collections import deque
from typing import Final

from rudp.config import Config
from rudp.core.connection import Connection
from rudp.core.tracer import Tracer

BACKLOG_MIN: Final = 128
"""Established children that nobody has accepted yet that are always allowed.  An asyncio program
accepts at once, so a smaller backlog would only cost it connections."""


class Listener:
    """A passive OPEN at *port*; *backlog*: children that may wait to be accepted.

    ``cookies_until``: the time after which an acknowledgement cannot be that of a cookie (SYNC-6).
    """

    __slots__ = ("accepted", "backlog", "config", "cookies_until", "half_open", "port", "tracer")

    def __init__(self, port: int, backlog: int, config: Config, tracer: Tracer | None) -> None:
        self.port = port
        self.tracer = tracer
        self.config = config
        self.backlog = max(backlog, BACKLOG_MIN)
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
