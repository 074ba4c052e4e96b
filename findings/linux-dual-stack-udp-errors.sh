#!/usr/bin/env bash
# Linux: IP_RECVERR decides whether a dual-stack UDP socket queues errors about IPv4 peers, though
# they come as IPV6_RECVERR messages.
#
# Seen with Linux 6.18, CPython 3.11.7.
#
# On an AF_INET6 UDP socket with IPV6_V6ONLY off, an ICMP error (here: port unreachable) about a
# datagram to ::ffff:a.b.c.d is reported in the form of IPv6: a control message of level
# IPPROTO_IPV6 and type IPV6_RECVERR, with a mapped address. But IPV6_RECVERR, the option of that
# name, does not ask for it. Only IP_RECVERR does, set on the AF_INET6 socket, where it has no
# other use. A program that reads its error queue and sets the option that belongs to its family
# and to the message hears of nothing. For an IPv6 peer it is the other way round: IPV6_RECVERR
# asks, IP_RECVERR does not.
#
# Output:
#   no option: IPv4 peer: nothing, IPv6 peer: nothing
#   IPV6_RECVERR: IPv4 peer: nothing, IPv6 peer: IPV6_RECVERR about ::1
#   IP_RECVERR: IPv4 peer: IPV6_RECVERR about ::ffff:127.0.0.1, IPv6 peer: nothing
set -euo pipefail
timeout 60 python3 - <<'PYTHON'
import select
import socket
import sys

IPV6_RECVERR, IP_RECVERR = 25, 11  # no names in Python 3.11


def closed_port(family, host):
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        return sock.getsockname()[1]


def told(options, family, host, peer):
    """What a socket with *options* finds in its error queue after it sent to a closed port."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(("::", 0))
        for level, option in options:
            sock.setsockopt(level, option, 1)
        sock.sendto(b"x", (peer, closed_port(family, host)))
        poll = select.poll()
        poll.register(sock, select.POLLERR)
        poll.poll(300)
        try:
            _, messages, _, about = sock.recvmsg(
                100, 500, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT
            )
        except BlockingIOError:
            return "nothing"
        names = {
            (socket.IPPROTO_IPV6, IPV6_RECVERR): "IPV6_RECVERR",
            (socket.IPPROTO_IP, IP_RECVERR): "IP_RECVERR",
        }
        return f"{' '.join(names[m[:2]] for m in messages)} about {about[0]}"


six, four = (socket.IPPROTO_IPV6, IPV6_RECVERR), (socket.IPPROTO_IP, IP_RECVERR)
for name, options, expected in (
    ("no option", [], ("nothing", "nothing")),
    ("IPV6_RECVERR", [six], ("nothing", "IPV6_RECVERR about ::1")),
    ("IP_RECVERR", [four], ("IPV6_RECVERR about ::ffff:127.0.0.1", "nothing")),
):
    seen = (
        told(options, socket.AF_INET, "127.0.0.1", "::ffff:127.0.0.1"),
        told(options, socket.AF_INET6, "::1", "::1"),
    )
    if seen != expected:
        sys.exit(f"changed: {name}: {seen} instead of {expected}")
    print(f"{name}: IPv4 peer: {seen[0]}, IPv6 peer: {seen[1]}")
PYTHON
