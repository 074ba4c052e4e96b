#!/usr/bin/env bash
# Linux: datagrams that may be fragmented one by one are refused with EMSGSIZE when UDP_SEGMENT
# sends them, whatever IP_MTU_DISCOVER says.
#
# Seen with Linux 6.18, CPython 3.11.7; unprivileged, in a network namespace of its own whose
# loopback has an MTU of 1500.
#
# IP_PMTUDISC_DONT and IP_PMTUDISC_OMIT let the kernel fragment what is longer than the MTU, so
# EMSGSIZE is not to be expected. For a batch it comes all the same if one piece and its headers
# do not fit the route's MTU, and for a call whose single datagram is shorter than the piece
# length too. A short one passes with the same control message. So a program that turns batching
# on meets an error that it had ruled out, only for its longer sends, and only where the route is
# narrow.
#
# Output, for IP_PMTUDISC_DONT and OMIT:
#   one datagram of 2000, no control message: arrived 2000
#   two pieces of 2000: EMSGSIZE
#   one datagram of 1900, pieces of 2000: EMSGSIZE
#   one datagram of 100, pieces of 2000: arrived 100
#   two pieces of 1400: arrived 1400, 1400
set -euo pipefail
timeout 60 unshare --user --map-root-user --net python3 - <<'PYTHON'
import errno
import fcntl
import socket
import struct
import sys

UDP_SEGMENT = 103
IP_MTU_DISCOVER, DONT, OMIT = 10, 0, 5
SIOCSIFFLAGS, SIOCSIFMTU, IFF_UP = 0x8914, 0x8922, 1

receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fcntl.ioctl(receiver, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
fcntl.ioctl(receiver, SIOCSIFMTU, struct.pack("16si12x", b"lo", 1500))
receiver.bind(("127.0.0.1", 0))
receiver.settimeout(0.3)


def outcome(discover, octets, piece):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, discover)
        control = [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", piece))] if piece else []
        try:
            sender.sendmsg([bytes(octets)], control, 0, receiver.getsockname())
        except OSError as error:
            return errno.errorcode[error.errno]
    arrived = []
    try:
        while True:
            arrived.append(str(len(receiver.recv(70_000))))
    except TimeoutError:
        return f"arrived {', '.join(arrived)}"


for what, octets, piece, expected in (
    ("one datagram of 2000, no control message", 2000, None, "arrived 2000"),
    ("two pieces of 2000", 4000, 2000, "EMSGSIZE"),
    ("one datagram of 1900, pieces of 2000", 1900, 2000, "EMSGSIZE"),
    ("one datagram of 100, pieces of 2000", 100, 2000, "arrived 100"),
    ("two pieces of 1400", 2800, 1400, "arrived 1400, 1400"),
):
    for discover in (DONT, OMIT):
        seen = outcome(discover, octets, piece)
        if seen != expected:
            sys.exit(f"changed: {what}, IP_MTU_DISCOVER {discover}: {seen} instead of {expected}")
    print(f"{what}: {expected}")
PYTHON
