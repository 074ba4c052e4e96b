"""What the connections of one table share, and what one finds where it begins.

There is one such object for each UDP socket.  A connection gets it when it is made and keeps it, so
what is the same for all is kept once: who counts, who chooses numbers, whose memory it is, what the
socket can do, and how large the datagrams on the way to a peer may be.
"""

from collections.abc import Callable
from typing import Any, Protocol

from rudp.config import Config
from rudp.core.congestion.controller import Ack
from rudp.core.life.fastopen import Visits
from rudp.core.life.parts import USUAL, Parts
from rudp.core.receive.promises import SocketBuffer, Stake
from rudp.core.segment import wire
from rudp.core.segment.addresses import (
    BASE_PAYLOAD_IPV4,
    BASE_PAYLOAD_IPV6,
    FLOOR_PAYLOAD_IPV4,
    FLOOR_PAYLOAD_IPV6,
    RECEIVE_PAYLOAD_IPV4,
    RECEIVE_PAYLOAD_IPV6,
    host_of,
    is_ipv6,
    is_loopback,
)
from rudp.core.segment.transmit import Address, Path
from rudp.core.send.news import News
from rudp.core.send.pmtu import Payloads
from rudp.core.terms.budget import Memory
from rudp.core.terms.counters import Counters


class Usher(Protocol):
    """Who serves lanes at the socket itself, where datagrams need not come through the table."""

    def entered(self, connection: Any, lane: Any) -> None:
        """*connection*, a :class:`~rudp.core.life.connection.Connection`, has got *lane*."""

    def left(self, lane: Any) -> None:
        """*lane* is over, and its numbers are where they were."""


class Surroundings:
    """What is the same for all connections of one UDP socket.

    ``parts``: what they are made of; ``counters``, ``memory``: theirs together; ``isn`` gives them
    their first numbers.  ``ack``
    and ``news``: scratch, as one acknowledgement is processed at a time.  ``ecn_capable``: the
    socket can set and read the ECN field.  ``lanes_entered``, ``lanes_left``: how often a
    connection began to be steady, or ceased to be.  ``socket_buffer``: what the socket holds, None
    where that is unknown.  ``local_host``: the one that it is bound to, empty for all of them.
    ``usher``: None for nobody.  ``visits``: what is known of servers where we were before.
    *config* says how much memory there is; *secret*, *calendar* and both payloads: see
    :class:`rudp.core.demux.table.ConnectionTable`.
    """

    __slots__ = (
        "_latest", "ack", "calendar", "counters", "ecn_capable", "isn", "lanes_entered",
        "lanes_left", "link_payload", "local_host", "loopback_payload", "memory", "news", "parts",
        "socket_buffer", "usher", "visits",
    )  # fmt: skip

    def __init__(
        self,
        config: Config,
        secret: bytes,
        loopback_payload: int | None = None,
        link_payload: Callable[[Address], int | None] | None = None,
        parts: Parts = USUAL,
        calendar: Callable[[], float] | None = None,
        visits: Visits | None = None,
    ) -> None:
        self.parts = parts
        self.counters = Counters()
        self.memory = Memory(config.reassembly_max, config.buffers_max)
        self.isn = parts.isn(secret)
        self.ack = Ack()
        self.news = News()
        self.ecn_capable = False
        self.lanes_entered = 0
        self.lanes_left = 0
        self.socket_buffer: SocketBuffer | None = None
        self.loopback_payload = loopback_payload
        self._latest: Path | None = None
        self.link_payload = link_payload
        self.usher: Usher | None = None
        self.calendar = calendar
        self.local_host = ""
        self.visits = visits or Visits()

    def kept(self, path: Path) -> Path:
        """Return *path* as the connection made before has it, if it has the same.

        A path is made anew of each datagram, 300 octets; who opens many connections has one.
        """
        if self._latest is None or path != self._latest:
            self._latest = path
        return self._latest

    def stake(self, path: Path) -> Stake | None:
        """Return the part of a new connection in what the socket holds (BUF-8)."""
        if self.socket_buffer is None:
            return None
        return Stake(self.socket_buffer, loopback=is_loopback(host_of(path)))

    def receive_payload(self, path: Path) -> int:
        """Return the octets of UDP payload that we announce without asking for the link (W-50)."""
        host = host_of(path)
        most = RECEIVE_PAYLOAD_IPV6 if is_ipv6(host) else RECEIVE_PAYLOAD_IPV4
        return self._loopback(host) or most

    def link(self, path: Path) -> int | None:
        """Return the UDP payload of the link towards *path*, octets, None if it is not known."""
        return None if self.link_payload is None else self.link_payload(path[0])

    def payloads(self, path: Path, config: Config) -> Payloads:
        """Return what UDP payloads may be tried on *path*, and what we announce (PMTU-1, W-50)."""
        host = host_of(path)
        ipv6 = is_ipv6(host)
        floor = FLOOR_PAYLOAD_IPV6 if ipv6 else FLOOR_PAYLOAD_IPV4
        base = BASE_PAYLOAD_IPV6 if ipv6 else BASE_PAYLOAD_IPV4
        most = self.receive_payload(path)
        known = self._loopback(host)
        if known is not None:
            base = min(base, known)
            return Payloads(base, floor, known, known, trusted=True)
        link = self.link(path)
        ceiling = max(link or most, floor)
        if not config.mtu_discovery:
            base = floor if config.mss is None else config.mss + wire.HEADER_SIZE
        return Payloads(base, floor, ceiling, max(ceiling, most) if link else most)

    def _loopback(self, host: str) -> int | None:
        """Return what loopback carries if *host* is this one, and that is known."""
        return self.loopback_payload if is_loopback(host) else None
