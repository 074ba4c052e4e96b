"""A UDP socket of our own that a loop watches: what does not depend on how it is read and written.

What the socket does not take is kept until it does, in the order in which it was to leave; an
error that says nothing about the datagram at hand is a loss and no more; and a socket that is
closed, or left to the parent of this process, is watched no longer.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from rudp.core.segment.transmit import Address, Transmit
from rudp.udp.fields import IpFields, forbid_fragments
from rudp.udp.port import TRANSIENT, Receiver, arrivals_in, ask_for_buffers

if TYPE_CHECKING:
    from rudp._lane import Engine

DATAGRAM_MAX: Final = 65_535

OCTETS_PER_WAKE: Final = 100 * 1024
"""Reads in a row end once so much has come, and the loop gets its turn.

Two large runs, which is what a reader then finds, stay just below 128 KiB, where malloc would map
and fault in fresh pages for every buffer: bulk over loopback is 1.4 times as fast.  A twentieth
faster than with one at a time, as half the turns of the loop will do.
"""


class QuietSocket(socket.socket):
    """A socket that closes itself without a warning when its loop is gone.

    TIME-WAIT records may keep a socket open past the end of a program's last coroutine; a loop
    that is closed then takes the socket with it, and nobody has forgotten anything.
    """

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError):  # there was no descriptor to make it with
            self.close()


class OwnSocket:
    """A non-blocking UDP socket, watched by *loop* once ``_listen`` is called.

    *remote*: the address it is connected to, or None.
    """

    ecn_capable = False
    engine: "Engine | None" = None

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        receiver: Receiver,
        remote: Address | None,
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._receiver = receiver
        self._remote = remote
        self.sockname: Address = sock.getsockname()
        sock.setblocking(False)
        ask_for_buffers(sock)
        forbid_fragments(sock)
        self._fields = IpFields(sock)
        self._arrivals = arrivals_in(sock)
        # What the socket did not take, until it does: of each run the buffers, and their octets.
        self._kept: list[tuple[Transmit, list[bytes | memoryview], int]] = []
        self._closed = False
        self._wake: Callable[[], None] = self._readable

    @property
    def socket(self) -> Any:
        """The socket, not to be read, written or closed by others."""
        return self._sock

    def has_arrivals(self) -> bool:
        """Whether a datagram waits to be read, which the loop will see to in its next turn."""
        return not self._closed and self._arrivals()

    def _readable(self) -> None:
        """Read what has come, within bounds."""
        raise NotImplementedError

    def _try(self, transmit: Transmit, buffers: list[bytes | memoryview], total: int) -> None:
        """Send the *total* octets in *buffers*, what is left of *transmit*, or keep them."""
        raise NotImplementedError

    def _listen(self) -> None:
        self._loop.add_reader(self._sock.fileno(), self._wake)

    def _listen_again(self) -> None:
        """Watch the socket anew: libuv stops watching one that has an error pending."""
        if not self._closed:
            self._loop.remove_reader(self._sock.fileno())
            self._listen()

    def _failed(self, code: int, transmit: Transmit) -> None:
        """The system has refused a datagram of *transmit* with an errno number."""
        if code in TRANSIENT:
            return  # lost, as any datagram may be; the sender will find out
        self._receiver.send_failed(code, transmit)

    def _keep(self, transmit: Transmit, buffers: list[bytes | memoryview], total: int) -> None:
        if not self._kept:
            self._loop.add_writer(self._sock.fileno(), self._writable)
        self._kept.append((transmit, buffers, total))

    def _writable(self) -> None:
        self._loop.remove_writer(self._sock.fileno())
        kept, self._kept = self._kept, []
        for each in kept:
            self._try(*each)
        if not self._kept:
            self._ready()

    def _ready(self) -> None:
        """The socket has taken all that was kept."""
        self._receiver.ready_to_send()

    def abandon(self) -> None:
        """Close this process's copy of the descriptor, which ends nothing for the parent's.

        To stop watching it would: the two processes share what the loop's selector watches.
        """
        self._forget()
        self._sock.close()

    def close(self) -> None:
        """Close the socket and forget what it did not take."""
        if self._closed:
            return
        self._forget()
        if not self._loop.is_closed():
            self._loop.remove_reader(self._sock.fileno())
            self._loop.remove_writer(self._sock.fileno())
        self._sock.close()

    def _forget(self) -> None:
        self._closed = True
        self._kept.clear()


def plain(address: Any) -> Address:
    """Return *address* without the flow label of IPv6, which may change between datagrams."""
    if len(address) == 4 and address[2]:
        return address[0], address[1], 0, address[3]
    return tuple(address)
