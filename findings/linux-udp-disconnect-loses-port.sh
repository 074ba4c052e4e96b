#!/usr/bin/env bash
# Linux: dissolving a UDP socket's connect() takes away the port that bind() to port 0 gave it,
# but not one that bind() was told.
#
# Seen with Linux 6.18, CPython 3.11.7.
#
# connect() to an address of family AF_UNSPEC makes a connected UDP socket an unconnected one
# again, which POSIX describes as a reset of the peer address. On Linux a port that the kernel
# chose goes as well, even if the program asked for it by an explicit bind() and has told others
# of it: getsockname() says port 0, what is sent to the old port is refused, and the next send
# comes from another one. A socket that was bound to a port by its number keeps it, though nothing
# else tells the two sockets apart.
#
# Output:
#   bound to port 0: connected it has the port that bind() gave, disconnected port 0; it hears nothing, and sends from another port
#   bound by number: connected it has the port that bind() gave, disconnected the same; it hears, and sends from the same port
set -euo pipefail
timeout 60 python3 - <<'PYTHON'
import ctypes
import socket
import struct
import sys

libc = ctypes.CDLL(None, use_errno=True)
UNSPECIFIED = struct.pack("=H14x", socket.AF_UNSPEC)


def udp(port=0):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", port))
    sock.settimeout(0.5)
    return sock


def story(port):
    sock, peer = udp(port), udp()
    bound = sock.getsockname()
    sock.connect(peer.getsockname())
    connected = sock.getsockname()
    if libc.connect(sock.fileno(), UNSPECIFIED, len(UNSPECIFIED)):
        sys.exit("changed: connect() to AF_UNSPEC is refused")
    disconnected = sock.getsockname()
    peer.sendto(b"x", bound)
    try:
        hears = sock.recv(10) == b"x"
    except TimeoutError:
        hears = False
    sock.sendto(b"y", peer.getsockname())
    source = peer.recvfrom(10)[1]
    return (
        f"connected it has {'the port that bind() gave' if connected == bound else connected}, "
        f"disconnected {'the same' if disconnected == bound else f'port {disconnected[1]}'}; "
        f"it hears{'' if hears else ' nothing'}, "
        f"and sends from {'the same' if source == bound else 'another'} port"
    )


with udp() as free:
    number = free.getsockname()[1]
for how, port, expected in (
    (
        "bound to port 0",
        0,
        "connected it has the port that bind() gave, disconnected port 0; "
        "it hears nothing, and sends from another port",
    ),
    (
        "bound by number",
        number,
        "connected it has the port that bind() gave, disconnected the same; "
        "it hears, and sends from the same port",
    ),
):
    seen = story(port)
    if seen != expected:
        sys.exit(f"changed: {how}: {seen}")
    print(f"{how}: {seen}")
PYTHON
