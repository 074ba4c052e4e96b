"""What a socket writes into IP headers: DF always, DSCP and TTL as a connection wants them.

The latter belong to a connection, and the socket to many: they are set when they differ from what
was set last.  A socket option that changes seldom is cheaper than a control message with every
datagram.
"""

import contextlib
import socket
import sys
from typing import Any, Final

NO_FRAGMENTS: Final = {
    "linux": ((10, 3), (23, 3)),
    "darwin": ((28, 1), (62, 1)),
    "freebsd": ((67, 1), (62, 1)),
    "win32": ((14, 1), (14, 1)),
}
"""By the beginning of ``sys.platform``: the options that set DF for IPv4, and forbid fragments for
IPv6, with their values.  Linux's are IP_MTU_DISCOVER and IPV6_MTU_DISCOVER set to PROBE, which also
keeps a cached path MTU out of the way (PMTU-13); the others are IP_DONTFRAG and IPV6_DONTFRAG."""


IPV4_ONLY: Final = (False,)
IPV6_ONLY: Final = (True,)
BOTH: Final = (False, True)
"""Which families a socket needs options of; True is IPv6."""


def families(sock: Any) -> tuple[bool, ...]:
    """Return the families whose options are to be set on *sock*.

    An IPv6 socket that takes IPv4 datagrams too (IPV6_V6ONLY off) needs those of both: what is set
    for IPv6 alone does nothing for its IPv4 peers.
    """
    if sock.family != socket.AF_INET6:
        return IPV4_ONLY
    try:
        alone = sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    except OSError:
        alone = True
    return IPV6_ONLY if alone else BOTH


def forbid_fragments(sock: Any) -> None:
    """Have nothing that leaves *sock* fragmented, here or on the way (UDP-5, PMTU-13).

    Else a probe that is too large for the path would arrive all the same, in pieces.
    """
    for platform, options in NO_FRAGMENTS.items():
        if sys.platform.startswith(platform):
            for ipv6 in families(sock):
                level = socket.IPPROTO_IPV6 if ipv6 else socket.IPPROTO_IP
                with contextlib.suppress(OSError):
                    sock.setsockopt(level, *options[ipv6])


_DSCP: Final = (
    (socket.IPPROTO_IP, socket.IP_TOS),
    (socket.IPPROTO_IPV6, socket.IPV6_TCLASS),
)
_TTL: Final = (
    (socket.IPPROTO_IP, socket.IP_TTL),
    (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS),
)


class IpFields:
    """Remembers what *sock* puts into its IP headers (RFC 9293 MUST-48, MUST-49)."""

    __slots__ = ("_default_ttl", "_dscp", "_families", "_sock", "_ttl")

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self._families = families(sock)
        self._dscp = 0
        self._ttl: int | None = None
        self._default_ttl: dict[bool, int] = {}

    def apply(self, dscp: int, ttl: int | None) -> bool:
        """Make the next datagrams carry *dscp*, and *ttl* or the system's own.

        Return whether something had to be changed for that.
        """
        if dscp == self._dscp and ttl == self._ttl:
            return False
        if dscp != self._dscp:
            self._dscp = dscp
            for ipv6 in self._families:
                self._set(*_DSCP[ipv6], dscp << 2)
        if ttl != self._ttl:
            self._ttl = ttl
            for ipv6 in self._families:
                level, name = _TTL[ipv6]
                if ipv6 not in self._default_ttl:
                    self._default_ttl[ipv6] = self._sock.getsockopt(level, name)
                self._set(level, name, self._default_ttl[ipv6] if ttl is None else ttl)
        return True

    def _set(self, level: int, name: int, value: int) -> None:
        with contextlib.suppress(OSError):  # the datagram goes out as the system likes
            self._sock.setsockopt(level, name, value)
