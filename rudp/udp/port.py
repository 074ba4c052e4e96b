"""What the skin asks of a UDP socket, and what the socket tells it.

Three implementations keep this contract: :mod:`rudp.udp.linux` moves whole runs in one system call,
:mod:`rudp.udp.selector` one datagram, on any loop that watches sockets, and
:mod:`rudp.udp.portable` runs on any loop at all.  None knows TCP.
"""

import contextlib
import errno
import select
import socket
import struct
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

from rudp.core.segment.transmit import Address, Transmit

if TYPE_CHECKING:
    from rudp._lane import Engine

RECEIVE_BUFFER: Final = 4 * 1024 * 1024
SEND_BUFFER: Final = 1024 * 1024
"""Octets asked of SO_RCVBUF and SO_SNDBUF."""

SO_RCVBUFFORCE: Final = 33
SO_MEMINFO: Final = 55  # <asm-generic/socket.h>, since Linux 4.12
_MEMINFO: Final = struct.Struct("=9I")
_MEMINFO_DROPS: Final = 8  # <linux/sock_diag.h>

TRANSIENT: Final = frozenset({errno.ENOBUFS, errno.ENOMEM, errno.EINTR, errno.ECONNREFUSED})
"""Errors of a send that say nothing about this datagram but that it is lost, as any may be.

ECONNREFUSED is the answer to an earlier one, and is heard of by itself as well.
"""


def ask_for_buffers(sock: socket.socket) -> None:
    """Ask the kernel for room; it grants what its limits allow (BUF-7).

    Linux doubles what it is asked for, to allow for its own overhead, and lets a process that may
    administer the network go beyond ``net.core.rmem_max``.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    if sys.platform == "linux" and granted_receive_buffer(sock) < 2 * RECEIVE_BUFFER:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)


def granted_receive_buffer(sock: Any) -> int:
    """Return the octets that *sock* holds until they are read, the kernel's overhead included."""
    return int(sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF))


def lend_address(sock: Any, lent: bool) -> bool:
    """Let another socket bind *sock*'s address, or no longer; return whether the system can.

    On Linux two UDP sockets may have one address if both have SO_REUSEADDR; the later one gets what
    arrives.  It is a question of the moment at which the later one is bound: set for a while, the
    option lends the address.
    """
    if sys.platform != "linux" or sock is None:
        return False
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(lent))
    except (OSError, TypeError):  # uvloop's sockets take no options
        return False
    return True


def receive_drops(sock: Any) -> int | None:
    """Return how many batches found no room in *sock*, None where the system does not tell.

    Each may have been up to 64 datagrams, merged before there was a look at the room (UDP_GRO); how
    many they were the kernel does not tell.  It is the counter of SO_RXQ_OVFL, asked for when
    somebody wants to know; as a control message it would come with every read from the first drop.
    """
    if sys.platform != "linux":
        return None
    try:
        facts = sock.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, _MEMINFO.size)
    except OSError:
        return None
    return _MEMINFO.unpack(facts)[_MEMINFO_DROPS] if len(facts) == _MEMINFO.size else None


def arrivals_in(sock: Any) -> Callable[[], bool]:
    """Return a function that tells whether a datagram waits in *sock*, which stays open."""
    if not hasattr(select, "poll"):
        return lambda: bool(select.select([sock.fileno()], [], [], 0)[0])
    poll = select.poll()  # takes any descriptor, which select() does not
    poll.register(sock.fileno(), select.POLLIN)
    return lambda: any(event & select.POLLIN for _, event in poll.poll(0))


class Receiver(Protocol):
    """Who takes what a port has received."""

    def datagrams_received(
        self, data: bytes | memoryview, stride: int, address: Address, local: str, ecn: int = 0
    ) -> bool:
        """One read: datagrams of *stride* octets, the last may be shorter, sent to host *local*.

        *data* is only valid during the call; *local* is ``""`` where the system does not tell.
        *ecn*: the two ECN bits of their IP headers (RFC 3168 §5), the same in all of them.
        Return whether there is work for several already, so that the rest should wait a little.
        """

    def batch_received(self, *, more: bool = False) -> None:
        """No more for now: act on what was received.  *more*: in this turn there may be more."""

    def icmp_received(
        self, code: int, quote: bytes, address: Address | None, local: str, mtu: int
    ) -> None:
        """An error came back, an errno number, for the datagram that begins with *quote*.

        It had gone to *address* from host *local*, None and ``""`` where the system does not tell.
        *mtu*: with EMSGSIZE, the octets of an IP packet that would have passed, or 0.
        """

    def send_failed(self, code: int, transmit: Transmit) -> None:
        """The system refused *transmit* for good, with an errno number."""

    def ready_to_send(self) -> None:
        """The socket takes datagrams again."""


class Port(Protocol):
    """A bound UDP socket."""

    sockname: Address
    ecn_capable: bool
    """Whether the ECN bits of every datagram can be set and are read (ECN-1)."""

    @property
    def engine(self) -> "Engine | None":
        """What serves lanes at the socket itself, None for nobody."""

    @property
    def socket(self) -> Any:
        """The socket, for reading its options; None on a loop that has no real ones."""

    def send(self, transmit: Transmit) -> bool:
        """Send *transmit*, at the latest with the next :meth:`flush`.

        Return False if nothing more is taken until ``ready_to_send``.
        """

    def has_arrivals(self) -> bool:
        """Whether a datagram has arrived that waits to be read."""

    def flush(self) -> bool:
        """Send what was held back so that more might leave with it; return as :meth:`send` does."""

    def close(self) -> None:
        """Close the socket.  Idempotent."""

    def abandon(self) -> None:
        """In a process that was forked: leave the socket, and the loop's watch, to the parent."""
