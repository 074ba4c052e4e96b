"""What the skin asks of a UDP socket, and what the socket tells it.

Two implementations keep this contract: :mod:`rudp.udp.portable` on any loop, and
:mod:`rudp.udp.linux`, which moves whole runs in one system call.  Neither knows TCP.
"""

import socket
from typing import Any, Final, Protocol

from rudp.core.transmit import Address, Transmit

RECEIVE_BUFFER: Final = 4 * 1024 * 1024
SEND_BUFFER: Final = 1024 * 1024
"""Octets asked of SO_RCVBUF and SO_SNDBUF."""


def ask_for_buffers(sock: socket.socket) -> None:
    """Ask the kernel for room; it grants what its limits allow (BUF-7)."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)


class Receiver(Protocol):
    """Who takes what a port has received."""

    def datagrams_received(
        self, data: bytes | memoryview, stride: int, address: Address, local: str, ecn: int = 0
    ) -> None:
        """One read: datagrams of *stride* octets, the last may be shorter, sent to host *local*.

        *data* is only valid during the call; *local* is ``""`` where the system does not tell.
        *ecn*: the two ECN bits of their IP headers (RFC 3168 §5), the same in all of them.
        """

    def batch_received(self) -> None:
        """No more for now: act on what was received."""

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
    def socket(self) -> Any:
        """The socket, for reading its options; None on a loop that has no real ones."""

    def send(self, transmit: Transmit) -> bool:
        """Send *transmit*; return False if nothing more is taken until ``ready_to_send``."""

    def close(self) -> None:
        """Close the socket.  Idempotent."""
