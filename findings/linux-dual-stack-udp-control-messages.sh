#!/usr/bin/env bash
# Linux: of the IPv6 control messages and options of a dual-stack UDP socket some hold for IPv4
# peers and some do nothing, in silence.
#
# Seen with Linux 6.18, CPython 3.11.7.
#
# An AF_INET6 UDP socket with IPV6_V6ONLY off talks to IPv4 peers too, as ::ffff:a.b.c.d. For
# those IPV6_PKTINFO works both ways: it tells the address that a datagram came to, and sets the
# one that it leaves from, as mapped addresses. One may think that the other messages do the same.
# IPV6_TCLASS and IPV6_HOPLIMIT are accepted, and the datagram leaves with the defaults; with
# IPV6_RECVTCLASS and IPV6_RECVHOPLIMIT nothing is told. ECN over such a socket is lost without
# any error. What works is IPv4's own: IP_TOS and IP_TTL as control messages on the AF_INET6
# socket, even beside an IPV6_PKTINFO, and IP_RECVTOS and IP_RECVTTL.
#
# Output:
#   received, IPv6's options on: IPV6_PKTINFO ::ffff:127.0.0.5
#   received, IPv4's on too: IPV6_PKTINFO ::ffff:127.0.0.5, IP_TTL 77, IP_TOS 1
#   sent with IPV6_PKTINFO: from 127.0.0.9, ttl 64, tos 0
#   sent with IPV6_TCLASS, IPV6_HOPLIMIT: from 127.0.0.1, ttl 64, tos 0
#   sent with IPV6_PKTINFO, IP_TOS, IP_TTL: from 127.0.0.9, ttl 9, tos 2
set -euo pipefail
timeout 60 python3 - <<'PYTHON'
import ipaddress
import socket
import struct
import sys

IP, IPV6 = socket.IPPROTO_IP, socket.IPPROTO_IPV6
IP_RECVTOS, IP_RECVTTL = 13, 12  # no names in Python 3.11
NUMBER = struct.Struct("=i")


def told(received):
    """The names of the control messages and what they say."""
    found = []
    for level, kind, data in received:
        if (level, kind) == (IPV6, socket.IPV6_PKTINFO):
            found.append(f"IPV6_PKTINFO ::ffff:{ipaddress.ip_address(data[:16]).ipv4_mapped}")
        elif (level, kind) == (IP, socket.IP_TTL):
            found.append(f"IP_TTL {NUMBER.unpack(data)[0]}")
        elif (level, kind) == (IP, socket.IP_TOS):
            found.append(f"IP_TOS {data[0]}")
        else:
            found.append(f"{level}/{kind} {data.hex()}")
    return ", ".join(found)


def expect(what, seen, expected):
    if seen != expected:
        sys.exit(f"changed: {what}: {seen} instead of {expected}")
    print(f"{what}: {seen}")


dual = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
dual.setsockopt(IPV6, socket.IPV6_V6ONLY, 0)
dual.setsockopt(IP, socket.IP_TTL, 64)  # whatever the system's default is
dual.bind(("::", 0))
four = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
four.bind(("127.0.0.1", 0))
for sock in (dual, four):
    sock.settimeout(5)

for option in (socket.IPV6_RECVPKTINFO, socket.IPV6_RECVTCLASS, socket.IPV6_RECVHOPLIMIT):
    dual.setsockopt(IPV6, option, 1)
four.setsockopt(IP, socket.IP_TOS, 1)
four.setsockopt(IP, socket.IP_TTL, 77)
to_dual = ("127.0.0.5", dual.getsockname()[1])
four.sendto(b"x", to_dual)
expect(
    "received, IPv6's options on",
    told(dual.recvmsg(100, 500)[1]),
    "IPV6_PKTINFO ::ffff:127.0.0.5",
)
for option in (IP_RECVTOS, IP_RECVTTL):
    dual.setsockopt(IP, option, 1)
four.sendto(b"x", to_dual)
expect(
    "received, IPv4's on too",
    told(dual.recvmsg(100, 500)[1]),
    "IPV6_PKTINFO ::ffff:127.0.0.5, IP_TTL 77, IP_TOS 1",
)

for option in (IP_RECVTOS, IP_RECVTTL):
    four.setsockopt(IP, option, 1)
source = (
    IPV6,
    socket.IPV6_PKTINFO,
    ipaddress.ip_address("::ffff:127.0.0.9").packed + NUMBER.pack(0),
)
to_four = ("::ffff:127.0.0.1", four.getsockname()[1])
for what, messages, expected in (
    ("IPV6_PKTINFO", [source], "from 127.0.0.9, ttl 64, tos 0"),
    (
        "IPV6_TCLASS, IPV6_HOPLIMIT",
        [(IPV6, socket.IPV6_TCLASS, NUMBER.pack(2)), (IPV6, socket.IPV6_HOPLIMIT, NUMBER.pack(9))],
        "from 127.0.0.1, ttl 64, tos 0",
    ),
    (
        "IPV6_PKTINFO, IP_TOS, IP_TTL",
        [source, (IP, socket.IP_TOS, NUMBER.pack(2)), (IP, socket.IP_TTL, NUMBER.pack(9))],
        "from 127.0.0.9, ttl 9, tos 2",
    ),
):
    dual.sendmsg([b"x"], messages, 0, to_four)
    _, received, _, address = four.recvmsg(100, 500)
    seen = {kind: data for _, kind, data in received}
    ttl, tos = NUMBER.unpack(seen[socket.IP_TTL])[0], seen[socket.IP_TOS][0]
    expect(f"sent with {what}", f"from {address[0]}, ttl {ttl}, tos {tos}", expected)
PYTHON
