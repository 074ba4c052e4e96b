"""Ports over recorded sockets: what they put on the wire, without a wire."""

import errno
import itertools
import os
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from rudp.core.segment.transmit import Address, Transmit
from rudp.udp.linux import SOL_UDP, UDP_SEGMENT, LinuxPort
from rudp.udp.port import SO_MEMINFO
from rudp.udp.portable import PortablePort
from rudp.udp.selector import SelectorPort

HERE: Address = ("127.0.0.1", 7000)
PEER: Address = ("127.0.0.1", 7001)

GRANTED = 8 << 20
"""Octets of receive buffer that every socket has."""

SILENT: Final = os.pipe()[0]
"""A descriptor that never has anything to read."""

Datagram = tuple[bytes, Address]
Message = tuple[int, int, bytes]


class Refusals:
    """What a socket says to one send after the other: 0 to take it, else an errno number."""

    def __init__(self, *codes: int) -> None:
        self._codes = deque(codes)

    def next(self) -> int:
        return self._codes.popleft() if self._codes else 0


def cut(buffers: list[Any], ancillary: list[Message]) -> list[bytes]:
    """Return the datagrams that the kernel makes of what is given to one ``sendmsg``."""
    whole = b"".join(buffers)
    size = len(whole)
    for level, kind, data in ancillary:
        if (level, kind) == (SOL_UDP, UDP_SEGMENT):
            (size,) = struct.unpack("=H", data)
    return [whole[at : at + size] for at in range(0, len(whole), size)]


class RecordingSocket:
    """A UDP socket that takes what *refusals* lets it, and gives what is in ``inbox``.

    *gso*: None, or the errno number with which it refuses several datagrams in one call.
    *largest*: octets of a datagram that it takes.
    """

    family = socket.AF_INET

    def __init__(
        self, refusals: Refusals | None = None, gso: int | None = None, largest: int = 65_507
    ) -> None:
        self.sent: list[Datagram] = []
        self.calls: list[int] = []  # the datagrams of each call
        self.inbox: deque[tuple[bytes, list[Message], Address]] = deque()
        self.reads = 0
        self.in_vain = 0  # reads that found nothing
        self.errors: deque[int] = deque()  # that the next reads raise
        self.error_reads = 0
        self._refusals = refusals or Refusals()
        self._gso = gso
        self._largest = largest
        self._options: dict[tuple[int, int], int] = {}

    def getsockname(self) -> Address:
        return HERE

    def fileno(self) -> int:
        return SILENT

    def setblocking(self, flag: bool) -> None:
        assert not flag

    def setsockopt(self, level: int, name: int, value: int) -> None:
        self._options[level, name] = value

    def getsockopt(self, level: int, name: int, size: int = 0) -> int | bytes:
        if name == SO_MEMINFO:
            return bytes(size)
        if name == socket.SO_RCVBUF:
            return GRANTED
        return self._options.get((level, name), 0)

    def sendmsg(
        self, buffers: list[Any], ancillary: list[Message], flags: int = 0, address: Any = None
    ) -> int:
        code = self._refusals.next()
        if code == errno.EAGAIN:
            raise BlockingIOError(code, os.strerror(code))
        datagrams = cut(buffers, ancillary)
        size = len(datagrams[0])
        if not code and len(datagrams) > 1 and self._gso is not None:
            code = self._gso
        if not code and size > self._largest:
            code = errno.EINVAL if len(datagrams) > 1 else errno.EMSGSIZE
        if code:
            raise OSError(code, os.strerror(code))
        self.calls.append(len(datagrams))
        self.sent += [(datagram, address) for datagram in datagrams]
        return sum(map(len, datagrams))

    def send(self, data: Any) -> int:
        return self.sendmsg([data], [])

    def sendto(self, data: Any, address: Address) -> int:
        return self.sendmsg([data], [], 0, address)

    def recvmsg_into(self, buffers: list[Any], size: int) -> tuple[int, Any, int, Address]:
        if self.errors:
            code = self.errors.popleft()
            raise OSError(code, os.strerror(code))
        if not self.inbox:
            self.in_vain += 1
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        self.reads += 1
        data, ancillary, address = self.inbox.popleft()
        buffers[0][: len(data)] = data
        return len(data), ancillary, 0, address

    def recvfrom_into(self, buffer: memoryview) -> tuple[int, Address]:
        size, _, _, address = self.recvmsg_into([buffer], 0)
        return size, address

    def recv_into(self, buffer: memoryview) -> int:
        return self.recvfrom_into(buffer)[0]

    def recvmsg(self, *_: int) -> tuple[bytes, Any, int, Address]:
        self.error_reads += 1
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))  # no errors are queued

    def close(self) -> None:
        pass


class Watch:
    """The part of a loop that watches a socket."""

    def __init__(self) -> None:
        self.reader: Callable[[], object] | None = None
        self.writer: Callable[[], object] | None = None

    def readable(self) -> None:
        """The socket has something to read."""
        assert self.reader is not None
        self.reader()

    def writable(self) -> None:
        """The socket has room."""
        assert self.writer is not None
        self.writer()

    def is_closed(self) -> bool:
        return False

    def add_reader(self, _: int, callback: Callable[[], object]) -> None:
        self.reader = callback

    def remove_reader(self, _: int) -> None:
        self.reader = None

    def add_writer(self, _: int, callback: Callable[[], object]) -> None:
        self.writer = callback

    def remove_writer(self, _: int) -> None:
        self.writer = None


class Ear:
    """A receiver that writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[bytes, int, Address, int]] = []
        self.batches = 0
        self.failed: list[tuple[int, Transmit]] = []
        self.ready = 0

    def datagrams_received(
        self, data: bytes | memoryview, stride: int, address: Address, local: str, ecn: int = 0
    ) -> bool:
        self.heard.append((bytes(data), stride, address, ecn))
        return False

    def batch_received(self, *, more: bool = False) -> None:
        self.batches += 1

    def icmp_received(self, *_: Any) -> None:
        raise AssertionError("no ICMP message was sent")

    def send_failed(self, code: int, transmit: Transmit) -> None:
        self.failed.append((code, transmit))

    def ready_to_send(self) -> None:
        self.ready += 1


class RecordingTransport:
    """A datagram transport of asyncio that pauses its protocol when *refusals* says so."""

    def __init__(self, port: PortablePort, refusals: Refusals | None = None) -> None:
        self.sent: list[Datagram] = []
        self.paused = False
        self._port = port
        self._sock = RecordingSocket()
        self._refusals = refusals or Refusals()
        port.connection_made(self)  # type: ignore[arg-type]

    def get_extra_info(self, name: str) -> Any:
        return {"sockname": HERE, "socket": self._sock}.get(name)

    def is_closing(self) -> bool:
        return False

    def sendto(self, data: bytes, address: Any = None) -> None:
        self.sent.append((data, address))
        if self._refusals.next() and not self.paused:
            self.paused = True
            self._port.pause_writing()

    def drain(self) -> None:
        self.paused = False
        self._port.resume_writing()

    def close(self) -> None:
        pass


def linux_port(sock: RecordingSocket, ear: Any, watch: Any = None) -> LinuxPort:
    return LinuxPort(watch or Watch(), sock, ear, None)  # type: ignore[arg-type]


def selector_port(
    sock: RecordingSocket, ear: Any, watch: Any = None, remote: Address | None = None
) -> SelectorPort:
    return SelectorPort(watch or Watch(), sock, ear, remote)  # type: ignore[arg-type]


def send(port: Any, transmit: Transmit) -> bool:
    """Send *transmit* now, with what was held back; return what the port does."""
    return bool(port.send(transmit) and port.flush())


def run(
    sizes: tuple[int, int, int], number: int = 0, address: Address = PEER, **fields: Any
) -> Transmit:
    """Return a run of (datagrams, octets of each, octets of the last), headers and data apart.

    Runs of different *number* differ in every octet.
    """
    count, size, last = sizes
    lengths = [size] * (count - 1) + [last]
    octets = itertools.count(number)
    buffers: list[bytes | memoryview] = []
    for length in lengths:
        buffers.append(bytes([next(octets) % 256]) * min(length, 20))
        if length > 20:
            buffers.append(memoryview(bytes([next(octets) % 256]) * (length - 20)))
    return Transmit((address, ""), buffers, size if count > 1 else last, sum(lengths), **fields)
