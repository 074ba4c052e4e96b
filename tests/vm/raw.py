"""A peer of the kernel's that is no TCP: it sends the segments that a test writes down."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from tests.vm.machine import Guest
from tests.vm.wire import options_of

FIN, SYN, RST, PSH, ACK = (1 << bit for bit in range(5))
HEADER: Final = struct.Struct("!HHIIHHHH")
MSS: Final = bytes((2, 4, 5, 180))
SYN_OPTIONS: Final = MSS + bytes((4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7))
"""MSS 1460, SACK permitted, timestamps, window scale 7."""

ISN: Final = 1000
QUIET: Final = 2.0
"""Seconds without an answer after which there is none."""


class Heard(NamedTuple):
    """A segment of the kernel's; *ace* is AE, CWR and ECE, *options* are as they came."""

    port: int
    seq: int
    ack: int
    flags: int
    ace: str
    window: int
    options: bytes
    data: bytes

    @property
    def kinds(self) -> tuple[int, ...]:
        """The kinds of its options."""
        return tuple(kind for kind, _ in options_of(self.options))


class Peer:
    """A UDP port whose inner port has the same number; *kernel_port* is the other end's."""

    def __init__(self, kernel: Guest, sock: socket.socket, kernel_port: int = 0) -> None:
        self.port: int = sock.getsockname()[1]
        self.host = kernel.address_of(self.port)
        self.kernel_port = kernel_port
        self._to = kernel.udp_address
        self._sock = sock

    def send(
        self,
        flags: int,
        *,
        seq: int = ISN,
        ack: int = 0,
        ace: str = "000",
        options: bytes = b"",
    ) -> None:
        """Send a segment without data; *options* fill whole words."""
        bits = (HEADER.size + len(options)) // 4 << 12 | int(ace, 2) << 6 | flags
        header = HEADER.pack(self.port, self.kernel_port, seq, ack, bits, 65_535, 0, 0)
        self._sock.sendto(header + options, self._to)

    async def hear(self, patience: float = QUIET) -> Heard | None:
        """Return the next segment, or None after *patience* seconds; it is whom we answer."""
        try:
            async with asyncio.timeout(patience):
                segment = await asyncio.get_running_loop().sock_recv(self._sock, 1 << 16)
        except TimeoutError:
            return None
        source, _, seq, ack, bits, window, _, _ = HEADER.unpack_from(segment)
        end = (bits >> 12) * 4
        self.kernel_port = source
        ace = f"{bits >> 6 & 7:03b}"
        options, data = segment[HEADER.size : end], segment[end:]
        return Heard(source, seq, ack, bits & 0x3F, ace, window, options, data)


@contextlib.contextmanager
def peer(kernel: Guest, kernel_port: int = 0) -> Iterator[Peer]:
    """Give a peer for the time of the block."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind(("127.0.0.1", 0))
        yield Peer(kernel, sock, kernel_port)
