"""What passes over the loopback interface, and what Wireshark's dissectors make of it."""

import contextlib
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator

ETH_P_ALL = 3
LINKTYPE_ETHERNET = 1
SNAPLEN = 1 << 18
BUFFER = 32 << 20

_SO_RCVBUFFORCE = 33


def missing() -> str | None:
    """Return why nothing can be captured and read here, or None."""
    if sys.platform != "linux":
        return "needs Linux, for a packet socket"
    if shutil.which("tshark") is None:
        return "needs tshark"
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
    except PermissionError:
        return "needs root, for a packet socket"
    return None


class Capture:
    """The frames of loopback since the capture began, until :meth:`save` takes them."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def save(self, file: pathlib.Path, udp_port: int) -> None:
        """Write what went to or came from *udp_port* to *file*, as pcap.

        The frames are in order, but their times are those of the writing.
        """
        with file.open("wb") as out:
            out.write(struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, SNAPLEN, LINKTYPE_ETHERNET))
            with contextlib.suppress(BlockingIOError):
                while True:
                    frame, (_, _, direction, *_) = self._sock.recvfrom(SNAPLEN)
                    # Loopback shows each frame going out and coming in; one is enough.
                    if direction != socket.PACKET_OUTGOING and _is_of(frame, udp_port):
                        seconds, rest = divmod(time.time_ns(), 10**9)
                        size = len(frame)
                        out.write(struct.pack("=IIII", seconds, rest // 1000, size, size) + frame)


@contextlib.contextmanager
def capture() -> Iterator[Capture]:
    """Capture in the background for the time of the block."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as sock:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, BUFFER)
        sock.bind(("lo", ETH_P_ALL))
        yield Capture(sock)


def _is_of(frame: bytes, udp_port: int) -> bool:
    """Return whether *frame* is IPv4 without options, UDP, and one port is *udp_port*."""
    return (
        frame[12:15] == b"\x08\x00\x45"
        and frame[23] == socket.IPPROTO_UDP
        and udp_port in struct.unpack_from("!HH", frame, 34)
    )


def fields(file: pathlib.Path, udp_port: int, *names: str) -> list[dict[str, str]]:
    """Return the *names* of each frame as tshark reads them; "" for what a frame has not."""
    columns = [word for name in names for word in ("-e", name)]
    lines = _tshark(file, udp_port, "-T", "fields", *columns).splitlines()
    return [dict(zip(names, line.split("\t"), strict=True)) for line in lines]


def follow(file: pathlib.Path, udp_port: int, stream: int = 0) -> tuple[bytes, bytes]:
    """Return what tshark reassembles of *stream*: the client's data, and the server's."""
    client, server = bytearray(), bytearray()
    for line in _tshark(file, udp_port, "-q", "-z", f"follow,tcp,raw,{stream}").splitlines():
        with contextlib.suppress(ValueError):  # headings
            (server if line.startswith("\t") else client).extend(bytes.fromhex(line))
    return bytes(client), bytes(server)


def _tshark(file: pathlib.Path, udp_port: int, *arguments: str) -> str:
    ran = subprocess.run(
        ["tshark", "-n", "-r", str(file), "-d", f"udp.port=={udp_port},tcp", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout
