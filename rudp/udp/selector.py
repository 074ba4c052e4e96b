"""UDP on every loop that watches sockets: plain calls, one for each datagram, many in a row.

macOS, the BSDs and a selector loop on Windows have no offload as Linux has it; but most of what a
datagram costs there is not the system's call but a turn of the loop, and a way through asyncio's
transport, for each.  Here a turn reads what has come, into one buffer, and equal datagrams from one
peer go on as one run, as if the system had put them together.

There are no control messages: no ECN bits come or go, and a wildcard socket answers from the
address that the system chooses.  Nor does the system tell which datagram an error is about.
"""

import asyncio
import errno
import socket
from typing import Final

from rudp.core.segment.transmit import Address, Transmit
from rudp.udp.own import DATAGRAM_MAX, OCTETS_PER_WAKE, OwnSocket, plain
from rudp.udp.port import TRANSIENT, Receiver

READS_PER_WAKE: Final = 64
"""Datagrams read before the loop gets its turn, at most."""

FULL: Final = frozenset({errno.EAGAIN, errno.EWOULDBLOCK})

REFUSED: Final = frozenset({errno.ECONNREFUSED, errno.ECONNRESET})
"""What systems say when a port is closed at the other end; the latter is Windows's word."""


class SelectorPort(OwnSocket):
    """A non-blocking UDP socket of our own, watched by *loop*.

    *remote*: the address it is connected to, or None.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        receiver: Receiver,
        remote: Address | None,
    ) -> None:
        super().__init__(loop, sock, receiver, remote)
        # A datagram begins in the first half, so that there is room for any.
        self._view = memoryview(bytearray(2 * DATAGRAM_MAX))
        self._listen()

    # -- receiving -------------------------------------------------------------------------------

    def _readable(self) -> None:
        sock, view, remote = self._sock, self._view, self._remote
        # The run that is being read: datagrams of *stride* octets from *peer*, None for no run.
        peer: Address | None = None
        start = end = stride = taken = 0
        crowded = False
        for _ in range(READS_PER_WAKE):
            try:
                if remote is None:
                    size, address = sock.recvfrom_into(view[end:])
                else:
                    size, address = sock.recv_into(view[end:]), remote
            except (BlockingIOError, InterruptedError):
                break
            except OSError as error:
                self._heard(error.errno or errno.EIO)
                self._listen_again()
                break  # if there is more, the loop will wake us again
            taken += size
            if peer is not None and (size > stride or address != peer):
                crowded = self._hand_over(start, end, stride, peer)
                peer = None
            if peer is None:
                peer, start, stride = address, end, size
            end += size
            if size < stride or end > DATAGRAM_MAX:  # the last of the run, or the buffer's
                crowded = self._hand_over(start, end, stride, peer)
                peer = None
                end = 0
            if crowded or taken >= OCTETS_PER_WAKE:
                break
        if peer is not None:
            self._hand_over(start, end, stride, peer)
        self._receiver.batch_received()

    def _hand_over(self, start: int, end: int, stride: int, peer: Address) -> bool:
        """Give a run to the receiver; return whether the rest should wait a little."""
        data = self._view[start:end]
        return self._receiver.datagrams_received(data, stride, self._remote or plain(peer), "")

    def _heard(self, code: int) -> None:
        """Somebody on the way has said no to a datagram, and nobody knows to which."""
        if code in REFUSED:
            code = errno.ECONNREFUSED
        if code != errno.EMSGSIZE:
            self._receiver.icmp_received(code, b"", self._remote, "", 0)

    # -- sending ---------------------------------------------------------------------------------

    def send(self, transmit: Transmit) -> bool:
        """Send *transmit*; if the socket is full, keep what is left of it and return False."""
        if self._closed:
            self._receiver.send_failed(errno.EBADF, transmit)
            return True
        self._try(transmit, transmit.buffers, transmit.total)
        return not self._kept

    def flush(self) -> bool:
        """Nothing is held back but what the socket did not take."""
        return not self._kept

    def _try(self, transmit: Transmit, buffers: list[bytes | memoryview], total: int) -> None:
        if self._kept:
            self._keep(transmit, buffers, total)
            return
        self._fields.apply(transmit.dscp, transmit.ttl)
        whole = memoryview(b"".join(buffers))
        size = transmit.size
        address = None if self._remote is not None else transmit.path[0]
        for at in range(0, total, size):
            code = self._send_one(whole[at : at + size], address)
            if code and code not in FULL:
                # A router's word on an earlier datagram looks the same, but is said only once.
                again = self._send_one(whole[at : at + size], address)
                if again != code:
                    self._heard(code)
                code = again
            if code in FULL:
                self._keep(transmit, [whole[at:]], total - at)
                return
            if code:
                self._failed(code, transmit)
                if code not in TRANSIENT:
                    return  # nor will it take the others, which count as lost with it

    def _send_one(self, datagram: memoryview, address: Address | None) -> int:
        """Return 0 if the system takes *datagram*, or else the errno number of its refusal."""
        try:
            if address is None:
                self._sock.send(datagram)
            else:
                self._sock.sendto(datagram, address)
        except OSError as error:
            return error.errno or errno.EIO
        return 0
