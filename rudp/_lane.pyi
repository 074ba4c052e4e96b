"""The lane in C: what :class:`rudp.core.life.lane.Lane` does, with the same numbers.

There where it was compiled, and ``RUDP_PURE`` does not say otherwise (:mod:`rudp.build`).
"""

import asyncio
from collections.abc import Callable
from typing import Any

from rudp.core.segment.transmit import Address

class Lane:
    """Has all attributes and methods of :class:`rudp.core.life.lane.Lane`.

    And ``guard``, who is None where there are no keys, of
    :class:`rudp.core.life.signedlane.SignedLane`.

    The octets of ``buffer`` are its own from when that is set until ``finish()``.
    """

    def __init__(self) -> None: ...
    def __getattr__(self, name: str) -> Any: ...
    def __setattr__(self, name: str, value: Any) -> None: ...

class Seat:
    """The place of a steady connection at its socket.

    ``protocol``: whose ``data_received`` gets what comes, None if the transport's ``pump()`` is to
    be called.
    """

    protocol: asyncio.BaseProtocol | None

    def write(self, data: Any, /) -> int:
        """Queue *data* and have it sent; return the octets that wait to be sent.

        -1 if nothing was done: the lane is over, or *data* is no bytes.
        """

class Engine:
    """Reads a UDP socket for the lanes behind it, and sends what they have to send (Linux).

    *port* is a :class:`rudp.udp.linux.LinuxPort`, *receiver* its endpoint, *clock* the loop's time;
    *dual*: IPv4 goes through this IPv6 socket too; *remote*: the address it is connected to.

    ``gso``: batches may be sent; ``blocked``: the socket takes nothing for now; ``dscp``, ``ttl``:
    what its options say, -1 for the system's TTL; ``standstill``: seconds after which an alarm that
    did not go off was not late; ``octets_read``: for lanes.
    """

    gso: bool
    blocked: bool
    dscp: int
    ttl: int
    standstill: float
    @property
    def octets_read(self) -> int: ...
    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        port: Any,
        receiver: Any,
        clock: Callable[[], float],
        fd: int,
        ipv6: bool,
        dual: bool,
        wildcard: bool,
        remote: Address | None,
        seed: int,
        /,
    ) -> None: ...
    def enter(self, connection: Any, lane: Any, sink: Any, /) -> None:
        """Serve *connection*, which has got *lane*, if possible.

        Its transport *sink*, or None, hears of its :class:`Seat` by ``seated()``.
        """

    def leave(self, lane: Any, /) -> None:
        """*lane* is over."""

    def receive(self) -> None:
        """There is something to be read."""

    def flush(self) -> None:
        """Send what may be sent, within bounds."""

    def wake(self) -> None:
        """Have :meth:`flush` called, if somebody has something to send."""

    def close(self) -> None:
        """Touch the socket no more, and forget everybody.  Idempotent."""
