"""UDP on any loop: the loop's own datagram transport, one datagram for each call.

This is the reference.  It asks nothing of the loop but ``create_datagram_endpoint``, and
nothing of the transport but ``sendto`` and ``close``, so it also runs on loops of virtual time.
"""

import asyncio
import errno
from asyncio import trsock
from collections.abc import Callable
from typing import Any

from rudp.core.segment.transmit import Address, Transmit
from rudp.udp.fields import IpFields, forbid_fragments
from rudp.udp.port import TRANSIENT, Receiver, arrivals_in


class PortablePort(asyncio.DatagramProtocol):
    """A UDP socket behind ``loop.create_datagram_endpoint``; *remote* if it is connected."""

    ecn_capable = False  # an asyncio transport hands on no control messages
    engine = None

    def __init__(self, receiver: Receiver, remote: Address | None) -> None:
        self._receiver = receiver
        self._remote = remote
        self._transport: asyncio.DatagramTransport | None = None
        self._fields: IpFields | None = None
        self._arrivals: Callable[[], bool] | None = None
        self._blocked = False
        self._closed = False
        self._sending = False
        self._refusal = 0  # what the system said while it was given a datagram: an errno number
        self.sockname: Address = ()

    # -- what the loop tells ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is bound."""
        if self._closed:  # whoever asked for it was cancelled; uvloop opens it all the same
            transport.close()
            return
        assert isinstance(transport, asyncio.DatagramTransport) or hasattr(transport, "sendto")
        self._transport = transport  # type: ignore[assignment]
        self.sockname = transport.get_extra_info("sockname") or ("", 0)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            forbid_fragments(sock)
            self._fields = IpFields(sock)
            self._arrivals = arrivals_in(sock)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """One datagram is one batch."""
        remote = self._remote if self._remote is not None else addr
        self._receiver.datagrams_received(data, len(data), remote, "")
        self._receiver.batch_received(more=True)

    def error_received(self, exc: Exception) -> None:
        """The system reports an error, and not for which datagram; perhaps from within a send."""
        code = exc.errno if isinstance(exc, OSError) else None
        if self._sending:
            self._refusal = code or errno.EIO
        elif code is not None:
            self._heard(code)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed."""
        self._transport = None

    def pause_writing(self) -> None:
        """The transport's buffer is full."""
        self._blocked = True

    def resume_writing(self) -> None:
        """The transport's buffer has drained."""
        self._blocked = False
        self._receiver.ready_to_send()

    # -- what the endpoint asks ------------------------------------------------------------------

    @property
    def socket(self) -> Any:
        """The transport's socket, None where there is none."""
        return self._transport.get_extra_info("socket") if self._transport is not None else None

    def has_arrivals(self) -> bool:
        """Whether a datagram waits for the loop; without a socket none does that has arrived."""
        transport = self._transport
        if self._arrivals is None or transport is None or transport.is_closing():
            return False
        return self._arrivals()

    def send(self, transmit: Transmit) -> bool:
        """Send *transmit* datagram by datagram; return False when the loop's buffer is full."""
        transport = self._transport
        if transport is None or transport.is_closing():
            self._receiver.send_failed(errno.EBADF, transmit)
            return True
        if self._fields is not None:
            self._fields.apply(transmit.dscp, transmit.ttl)
        address = None if self._remote is not None else transmit.path[0]
        for datagram in transmit.datagrams():
            code = self._send_one(transport, datagram, address)
            if code and code not in TRANSIENT:
                self._receiver.send_failed(code, transmit)
                break
        return not self._blocked

    def flush(self) -> bool:
        """Nothing is held back."""
        return not self._blocked

    def _send_one(self, transport: asyncio.DatagramTransport, data: bytes, address: Any) -> int:
        """Return 0 if the system takes *data*, or else the errno number of its refusal."""
        first = self._try(transport, data, address)
        if not first:
            return 0
        # A router's word on an earlier datagram looks the same, but is said only once.
        again = self._try(transport, data, address)
        if again != first:
            self._heard(first)
        return again

    def _try(self, transport: asyncio.DatagramTransport, data: bytes, address: Any) -> int:
        self._refusal = 0
        self._sending = True
        try:
            transport.sendto(data, address)
        finally:
            self._sending = False
        return self._refusal

    def _heard(self, code: int) -> None:
        """Somebody on the way has said no to a datagram, and nobody knows to which."""
        if code != errno.EMSGSIZE:
            self._receiver.icmp_received(code, b"", self._remote, "", 0)

    def abandon(self) -> None:
        """Close this process's copy of the descriptor, behind the back of the loop's transport.

        The transport's ``close()`` would stop the parent's loop from watching its own.
        """
        self._closed = True
        sock = self.socket
        self._transport = None
        if isinstance(sock, trsock.TransportSocket):  # a loop in C keeps its descriptors to itself
            sock._sock.close()  # type: ignore[attr-defined]

    def close(self) -> None:
        """Close the transport."""
        self._closed = True
        if self._transport is not None and not self._transport.is_closing():
            self._transport.close()

    def close_now(self) -> None:
        """Close the socket, as the loop is about to be closed: there will be no further turn.

        asyncio's transports, and not all others, wait for one.
        """
        self.close()
        finish = getattr(self._transport, "_call_connection_lost", None)
        if finish is not None:
            finish(None)
