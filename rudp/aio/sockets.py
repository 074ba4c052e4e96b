"""What ``get_extra_info("socket")`` and ``Server.sockets`` give out.

Many connections share one UDP socket, so handing that out would let one application turn the
knobs of another.  A :class:`ConnectionSocket` answers for its connection alone and maps the
options that programs set on asyncio's TCP onto it.
"""

import errno
import os
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any, Final

from rudp.config import MSS_FLOOR
from rudp.core.life.connection import Connection
from rudp.core.segment.transmit import Address
from rudp.core.terms.bounds import WINDOW_MAX

_LINGER: Final = struct.Struct("ii")

# Linux's numbers, for platforms whose socket module lacks the names.
TCP_USER_TIMEOUT: Final = getattr(socket, "TCP_USER_TIMEOUT", 18)
TCP_KEEPIDLE: Final = getattr(socket, "TCP_KEEPIDLE", 4)
TCP_KEEPINTVL: Final = getattr(socket, "TCP_KEEPINTVL", 5)
TCP_KEEPCNT: Final = getattr(socket, "TCP_KEEPCNT", 6)

_TCP: Final = socket.IPPROTO_TCP
_SOCKET: Final = socket.SOL_SOCKET


class ConnectionSocket:
    """A facade like asyncio's TransportSocket, for one connection.

    *touch* is called after a change that may let the connection send.
    """

    __slots__ = (
        "_connection",
        "_linger",
        "_peername",
        "_sockname",
        "_touch",
        "family",
        "proto",
        "type",
    )

    def __init__(
        self,
        connection: Connection,
        sockname: Address,
        peername: Address,
        touch: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._sockname = sockname
        self._peername = peername
        self._touch = touch
        self._linger = 0, 0
        self.family = socket.AF_INET6 if ":" in str(peername[0]) else socket.AF_INET
        self.type = socket.SOCK_STREAM
        self.proto = 0

    def __repr__(self) -> str:
        return (
            f"<rudp.ConnectionSocket family={self.family.name} "
            f"laddr={self._sockname} raddr={self._peername}>"
        )

    def getpeername(self) -> Address:
        """Return the peer's address."""
        return self._peername

    def getsockname(self) -> Address:
        """Return our address."""
        return self._sockname

    def fileno(self) -> int:
        """Return -1: a connection has no descriptor of its own."""
        return -1

    def gettimeout(self) -> float:
        """Return 0.0, as non-blocking sockets do."""
        return 0.0

    def settimeout(self, value: float | None) -> None:
        """Accept 0 only."""
        if value != 0:
            raise ValueError("settimeout(): only 0 timeout is allowed on transport sockets")

    def setblocking(self, flag: bool) -> None:
        """Accept False only."""
        if flag:
            raise ValueError("setblocking(): transport sockets cannot be blocking")

    @property
    def aborts_on_close(self) -> bool:
        """Whether SO_LINGER asks for a RST instead of an orderly close (RFC 9293 §3.10.5)."""
        return self._linger[0] != 0 and self._linger[1] == 0

    def getsockopt(self, level: int, option: int, buflen: int = 0) -> Any:
        """Return an option of the connection; OSError with ENOPROTOOPT if it has none such."""
        if (level, option) == (_SOCKET, socket.SO_LINGER):
            return _LINGER.pack(*self._linger)
        read = _READ.get((level, option))
        if read is None:
            raise _no_such_option()
        value = read(self._connection)
        return value.to_bytes(4, sys.byteorder)[:buflen] if buflen else value

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        """Change an option of the connection; OSError with ENOPROTOOPT if it has none such.

        *value*: an int, or its native bytes as in :meth:`socket.socket.setsockopt`.
        """
        if (level, option) == (_SOCKET, socket.SO_LINGER):
            if isinstance(value, int) or len(value) != _LINGER.size:
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
            on, seconds = _LINGER.unpack(value)
            self._linger = on, seconds
            return
        write = _WRITE.get((level, option))
        if write is None:
            raise _no_such_option()
        number = value if isinstance(value, int) else int.from_bytes(value, sys.byteorder)
        if number < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        write(self._connection, number)
        self._touch()


def _no_such_option() -> OSError:
    return OSError(errno.ENOPROTOOPT, os.strerror(errno.ENOPROTOOPT))


def _set_nodelay(connection: Connection, value: int) -> None:
    connection.nodelay = bool(value)


def _set_keepalive(connection: Connection, value: int) -> None:
    _, idle, interval, count = connection.keepalive
    connection.set_keepalive(bool(value), idle, interval, count)


def _set_keepidle(connection: Connection, value: int) -> None:
    on, _, interval, count = connection.keepalive
    connection.set_keepalive(on, _at_least_one(value), interval, count)


def _set_keepintvl(connection: Connection, value: int) -> None:
    on, idle, _, count = connection.keepalive
    connection.set_keepalive(on, idle, _at_least_one(value), count)


def _set_keepcnt(connection: Connection, value: int) -> None:
    on, idle, interval, _ = connection.keepalive
    connection.set_keepalive(on, idle, interval, _at_least_one(value))


def _at_least_one(value: int) -> int:
    if value < 1:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    return value


def _set_user_timeout(connection: Connection, value: int) -> None:
    connection.user_timeout = value / 1000 if value else None


def _set_maxseg(connection: Connection, value: int) -> None:
    connection.mss = max(value, MSS_FLOOR)


def _set_rcvbuf(connection: Connection, value: int) -> None:
    connection.receive_buffer = min(max(value, 4096), WINDOW_MAX)


def _set_sndbuf(connection: Connection, value: int) -> None:
    connection.send_buffer = min(max(value, 4096), WINDOW_MAX)


def _set_tos(connection: Connection, value: int) -> None:
    connection.dscp = value >> 2 & 0x3F  # the two low bits are ECN's (SHLD-22)


def _set_ttl(connection: Connection, value: int) -> None:
    connection.ttl = min(_at_least_one(value), 255)


_READ: Final[dict[tuple[int, int], Callable[[Connection], int]]] = {
    (_TCP, socket.TCP_NODELAY): lambda c: int(c.nodelay),
    (_TCP, socket.TCP_MAXSEG): lambda c: c.mss,
    (_TCP, TCP_KEEPIDLE): lambda c: int(c.keepalive[1]),
    (_TCP, TCP_KEEPINTVL): lambda c: int(c.keepalive[2]),
    (_TCP, TCP_KEEPCNT): lambda c: c.keepalive[3],
    (_TCP, TCP_USER_TIMEOUT): lambda c: int((c.user_timeout or 0) * 1000),
    (_SOCKET, socket.SO_KEEPALIVE): lambda c: int(c.keepalive[0]),
    (_SOCKET, socket.SO_RCVBUF): lambda c: c.receive_buffer,
    (_SOCKET, socket.SO_SNDBUF): lambda c: c.send_buffer,
    (_SOCKET, socket.SO_TYPE): lambda c: int(socket.SOCK_STREAM),
    (_SOCKET, socket.SO_ERROR): lambda c: (c.error.errno or 0) if c.error is not None else 0,
    (socket.IPPROTO_IP, socket.IP_TOS): lambda c: c.dscp << 2,
    (socket.IPPROTO_IPV6, socket.IPV6_TCLASS): lambda c: c.dscp << 2,
}

_WRITE: Final[dict[tuple[int, int], Callable[[Connection, int], None]]] = {
    (_TCP, socket.TCP_NODELAY): _set_nodelay,
    (_TCP, socket.TCP_MAXSEG): _set_maxseg,
    (_TCP, TCP_KEEPIDLE): _set_keepidle,
    (_TCP, TCP_KEEPINTVL): _set_keepintvl,
    (_TCP, TCP_KEEPCNT): _set_keepcnt,
    (_TCP, TCP_USER_TIMEOUT): _set_user_timeout,
    (_SOCKET, socket.SO_KEEPALIVE): _set_keepalive,
    (_SOCKET, socket.SO_RCVBUF): _set_rcvbuf,
    (_SOCKET, socket.SO_SNDBUF): _set_sndbuf,
    (socket.IPPROTO_IP, socket.IP_TOS): _set_tos,
    (socket.IPPROTO_IP, socket.IP_TTL): _set_ttl,
    (socket.IPPROTO_IPV6, socket.IPV6_TCLASS): _set_tos,
    (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS): _set_ttl,
}


class BoundSocket:
    """What a server listens on, on a loop that has no real sockets."""

    def __init__(self, sockname: Address) -> None:
        self._sockname = sockname
        self.family = socket.AF_INET6 if ":" in str(sockname[0]) else socket.AF_INET
        self.type = socket.SOCK_DGRAM

    def getsockname(self) -> Address:
        """Return the address it is bound to."""
        return self._sockname
