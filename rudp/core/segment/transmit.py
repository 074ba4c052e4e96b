"""What goes to the socket: one run of datagrams as a list of buffers.

All datagrams of a run have the same size, save that the last may be shorter; this is the shape
that one system call with UDP_SEGMENT can send.  The buffers alternate between headers made here
and slices of what the application wrote, so no octet of data is copied on the way.
"""

from typing import Any, Final

ECT_1: Final = 1
ECT_0: Final = 2
CE: Final = 3
"""What the two ECN bits of an IP header say (RFC 3168 §5): whoever sent this heeds marks; a queue
on the way was too long.  0 is for those who do not.  ECT(1) asks for the queue of those who answer
each mark a little (RFC 9331); only a controller that does so sends it, to a peer that counts."""

RUN_OCTETS_MAX: Final = 65_507
"""Octets that one run may fill on the wire: what one UDP send over IPv4 can carry."""

Address = tuple[Any, ...]
"""A socket address as :mod:`socket` gives it: (host, port) or (host, port, flow, scope)."""

Path = tuple[Address, str]
"""The peer's UDP address, and the local host it sent to, ``""`` where that is not known."""


class Transmit:
    """One outgoing run for one peer.

    ``buffers`` concatenated are the datagrams in order, ``size`` octets each, ``total`` in all.
    ``dscp`` (0 to 63), ``ttl`` (None: the system's) and ``ecn`` (0, ECT_0 or ECT_1) belong into
    the IP header.
    """

    __slots__ = ("buffers", "dscp", "ecn", "path", "size", "total", "ttl")

    def __init__(
        self,
        path: Path,
        buffers: list[bytes | memoryview],
        size: int,
        total: int,
        dscp: int = 0,
        ttl: int | None = None,
        ecn: int = 0,
    ) -> None:
        self.path = path
        self.buffers = buffers
        self.size = size
        self.total = total
        self.dscp = dscp
        self.ttl = ttl
        self.ecn = ecn

    def datagrams(self) -> list[bytes]:
        """Return the datagrams one by one, each joined from its buffers."""
        whole = b"".join(self.buffers)
        if self.total <= self.size:
            return [whole]
        return [whole[at : at + self.size] for at in range(0, self.total, self.size)]

    def __repr__(self) -> str:
        return f"<Transmit {self.total} octets in {self.size}s to {self.path[0]}>"
