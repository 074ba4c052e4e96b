#!/usr/bin/env bash
# Linux: a bound UDP socket can lend its address, and take it back, with SO_REUSEADDR set and
# cleared after bind().
#
# Seen with Linux 6.18, CPython 3.11.7.
#
# SO_REUSEADDR is taught as an option to set before bind(). For UDP Linux compares the option of
# both sockets as it is at the moment when the second one binds, and keeps nothing of it. So the
# owner of an address decides at any time whether others may have it too. While it has the option,
# a second socket that has it binds the very same address and port, and from then on gets every
# datagram: the first is deaf and hears of nothing. When either clears its option, nobody else can
# bind; those who are bound stay. When the later socket is closed, the first hears again. A first
# socket that is connected is not robbed: it keeps what its peer sends.
#
# Output:
#   the first without the option: EADDRINUSE
#   the first sets it after bind(): the second binds, the first gets 0 of 4 datagrams, the second 4
#   the second clears it: a third gets EADDRINUSE
#   the second closes: the first gets 1 of 1
#   the first is connected: it gets 1 of 1 from its peer, the second 0
set -euo pipefail
timeout 60 python3 - <<'PYTHON'
import socket
import sys


def udp(reuse=False):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(0.3)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
    return sock


def second_at(address):
    sock = udp(reuse=True)
    try:
        sock.bind(address)
    except OSError:
        sock.close()
        return None
    return sock


def received(sock):
    count = 0
    try:
        while sock.recv(100):
            count += 1
    except TimeoutError:
        return count


def expect(what, seen, expected):
    if seen != expected:
        sys.exit(f"changed: {what}: {seen} instead of {expected}")


first, peer = udp(), udp()
first.bind(("127.0.0.1", 0))
peer.bind(("127.0.0.1", 0))
address = first.getsockname()

expect("bound without the option", second_at(address), None)
print("the first without the option: EADDRINUSE")

first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, True)
second = second_at(address)
expect("option set after bind(), the second is bound", second is not None, True)
for _ in range(4):
    peer.sendto(b"x", address)
expect("datagrams of the first and the second", (received(first), received(second)), (0, 4))
print(
    "the first sets it after bind(): the second binds, "
    "the first gets 0 of 4 datagrams, the second 4"
)

second.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, False)
expect("option cleared by the second", second_at(address), None)
print("the second clears it: a third gets EADDRINUSE")

second.close()
peer.sendto(b"x", address)
expect("datagrams after the second closed", received(first), 1)
print("the second closes: the first gets 1 of 1")

second = second_at(address)
first.connect(peer.getsockname())
peer.sendto(b"x", address)
expect("datagrams where the first is connected", (received(first), received(second)), (1, 0))
print("the first is connected: it gets 1 of 1 from its peer, the second 0")
PYTHON
