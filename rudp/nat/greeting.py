"""How two peers agree on one of the connections that have come about between them.

Whoever finds a way opens a connection on it, and so there may be several for a moment.  On each,
both sides say hello: 20 octets that are theirs for this punch, what they are to be in TLS, and a
proof that they belong to it.
The side whose hello is the greater number has the choice, which no other order could settle without
roles.  It takes the first connection on which the hello of the other has come, says so with one
octet, and resets the others; the other side takes the connection on which that octet comes.
"""

import asyncio
import enum
import hmac
from collections.abc import Callable
from typing import Final

from rudp.aio.transport import Transport

MAGIC: Final = b"punch\x01"
NONCE: Final = 20
_TAG: Final = 16

HELLO_SIZE: Final = len(MAGIC) + 1 + NONCE + _TAG

CHOSEN: Final = b"!"
"""What the side that has the choice says on the connection it takes."""


class Role(enum.IntEnum):
    """What a side is to be in TLS, which has roles where a punch has none."""

    NONE = 0
    CLIENT = 1
    SERVER = 2

    def goes_with(self, other: int) -> bool:
        """Whether *other* is what the peer must be."""
        return other == (3 - self if self else self)


def hello(nonce: bytes, secret: bytes, role: int = Role.NONE) -> bytes:
    """Return the hello of the side that has drawn *nonce*; *secret* is both sides' alone."""
    said = MAGIC + bytes((role,)) + nonce
    return said + hmac.digest(secret, said, "sha256")[:_TAG]


def read_hello(said: bytes, secret: bytes) -> tuple[bytes, int] | None:
    """Return the nonce and the role in a hello, None if it is none of this punch."""
    role, nonce = said[len(MAGIC)], said[len(MAGIC) + 1 : -_TAG]
    return (nonce, role) if hmac.compare_digest(said, hello(nonce, secret, role)) else None


class Greeting(asyncio.BufferedProtocol):
    """What stands where the program's protocol will, and reads not an octet more than it needs.

    *opened*: called when the connection is.  *said*: called with the hello, then with what comes
    after :meth:`expect`.  ``ended`` is done when the connection is lost before it was taken, with
    what ended it.
    """

    transport: Transport

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        opened: Callable[["Greeting"], None],
        said: Callable[["Greeting", bytes], None],
    ) -> None:
        self.ended: asyncio.Future[BaseException | None] = loop.create_future()
        self._opened = opened
        self._said = said
        self._buffer = bytearray(HELLO_SIZE)
        self._filled = 0

    def expect(self, octets: int) -> None:
        """Wait for so many octets."""
        self._buffer = bytearray(octets)
        self._filled = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say hello."""
        assert isinstance(transport, Transport)
        self.transport = transport
        self._opened(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Offer room for what is expected."""
        return memoryview(self._buffer)[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Octets have come: all that is expected, perhaps."""
        self._filled += nbytes
        if self._filled == len(self._buffer):
            self._said(self, bytes(self._buffer))

    def connection_lost(self, exc: BaseException | None) -> None:
        """It is over."""
        if not self.ended.done():
            self.ended.set_result(exc)
