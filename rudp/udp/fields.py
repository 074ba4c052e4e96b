"""DSCP and TTL of a shared socket: set when they differ from what was set last.

They belong to a connection, and the socket to many.  A socket option that changes seldom is
cheaper than a control message with every datagram.
"""

import contextlib
import socket
from typing import Any


class IpFields:
    """Remembers what *sock* puts into its IP headers (RFC 9293 MUST-48, MUST-49)."""

    __slots__ = ("_default_ttl", "_dscp", "_ipv6", "_sock", "_ttl")

    def __init__(self, sock: Any, *, ipv6: bool) -> None:
        self._sock = sock
        self._ipv6 = ipv6
        self._dscp = 0
        self._ttl: int | None = None
        self._default_ttl: int | None = None

    def apply(self, dscp: int, ttl: int | None) -> None:
        """Make the next datagrams carry *dscp*, and *ttl* or the system's own."""
        if dscp != self._dscp:
            self._dscp = dscp
            if self._ipv6:
                self._set(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, dscp << 2)
            else:
                self._set(socket.IPPROTO_IP, socket.IP_TOS, dscp << 2)
        if ttl != self._ttl:
            self._ttl = ttl
            level, name = socket.IPPROTO_IP, socket.IP_TTL
            if self._ipv6:
                level, name = socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS
            if self._default_ttl is None:
                self._default_ttl = self._sock.getsockopt(level, name)
            self._set(level, name, self._default_ttl if ttl is None else ttl)

    def _set(self, level: int, name: int, value: int) -> None:
        with contextlib.suppress(OSError):  # the datagram goes out as the system likes
            self._sock.setsockopt(level, name, value)
