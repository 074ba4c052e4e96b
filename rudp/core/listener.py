"""LISTEN: a port at which connections may be opened from outside (RFC 9293 §3.10.7.2).

A listener stays in LISTEN for ever; each SYN makes a child of its own.  Children that are half
open are limited in number, and so are those that are established and not accepted yet.
"""

from collections import deque
from typing import Final

from rudp.config import Config
from rudp.core.connection import Connection
from rudp.core.tracer import Tracer

QUEUE_MIN: Final = 128
"""Half-open children, and established ones that nobody has accepted yet, that are always allowed.
An asyncio program accepts at once, so a smaller backlog would only cost it connections."""


class Listener:
    """A passive OPEN at *port*; *backlog* bounds both queues, :data:`QUEUE_MIN` at the least."""

    __slots__ = ("accepted", "config", "half_open", "limit", "port", "tracer")

    def __init__(self, port: int, backlog: int, config: Config, tracer: Tracer | None) -> None:
        self.port = port
        self.tracer = tracer
        self.config = config
        self.limit = max(backlog, QUEUE_MIN)
        self.half_open: set[Connection] = set()
        self.accepted: deque[Connection] = deque()

    def __repr__(self) -> str:
        return (
            f"<Listener port={self.port} half_open={len(self.half_open)} "
            f"accepted={len(self.accepted)}>"
        )
