"""What passes over the loopback interface, and what Wireshark's dissectors make of it."""

import contextlib
import ctypes
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

_SO_ATTACH_FILTER = 26
_SO_RCVBUFFORCE = 33
_SOL_PACKET = 263
_PACKET_STATISTICS = 6


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
    """The frames of one UDP port on loopback, from now on, until :meth:`save` takes them."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def save(self, file: pathlib.Path) -> None:
        """Write the frames to *file*, as pcap.

        The frames are in order, but their times are those of the writing.
        """
        with file.open("wb") as out:
            out.write(struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, SNAPLEN, LINKTYPE_ETHERNET))
            with contextlib.suppress(BlockingIOError):
                while True:
                    frame, (_, _, direction, *_) = self._sock.recvfrom(SNAPLEN)
                    # Loopback shows each frame going out and coming in; one is enough.
                    if direction != socket.PACKET_OUTGOING:
                        seconds, rest = divmod(time.time_ns(), 10**9)
                        size = len(frame)
                        out.write(struct.pack("=IIII", seconds, rest // 1000, size, size) + frame)
        statistics = self._sock.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
        assert struct.unpack("=II", statistics)[1] == 0, "the capture lost frames"


@contextlib.contextmanager
def capture(udp_port: int) -> Iterator[Capture]:
    """Capture in the background what goes to or comes from *udp_port*."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sock:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, BUFFER)
        _filter(sock, udp_port)
        sock.bind(("lo", ETH_P_ALL))
        yield Capture(sock)


def _filter(sock: socket.socket, udp_port: int) -> None:
    """Let *sock* have nothing but IPv4 with UDP from or to *udp_port* (classic BPF)."""
    program = [
        (0x28, 0, 0, 12),  # A = EtherType
        (0x15, 0, 8, 0x0800),  # IPv4, or away
        (0x30, 0, 0, 23),  # A = protocol
        (0x15, 0, 6, socket.IPPROTO_UDP),
        (0xB1, 0, 0, 14),  # X = length of the IPv4 header
        (0x48, 0, 0, 14),  # A = source port
        (0x15, 2, 0, udp_port),
        (0x48, 0, 0, 16),  # A = destination port
        (0x15, 0, 1, udp_port),
        (0x06, 0, 0, SNAPLEN),  # the whole frame
        (0x06, 0, 0, 0),  # nothing of it
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in program))
    where = struct.pack("@HP", len(program), ctypes.addressof(code))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, where)


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
        ["tshark", "-2", "-n", "-r", str(file), "-d", f"udp.port=={udp_port},tcp", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout
