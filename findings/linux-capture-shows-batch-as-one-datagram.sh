#!/usr/bin/env bash
# Linux: a capture shows a batch of UDP datagrams (UDP_SEGMENT) as one long, well-formed datagram
# that nobody sent or will receive.
#
# Seen with Linux 6.18, CPython 3.11.7; unprivileged, in a network namespace of its own.
#
# With UDP_SEGMENT a program hands over many datagrams in one call. The kernel keeps them together
# as long as it can: over loopback, veth and a bridge up to the receiving socket. What a packet
# socket sees there (tcpdump, Wireshark, a pcap file) is one IP packet with one UDP header, whose
# length fields are those of the whole and whose payload is all payloads in a row. Unlike a TCP
# segment that is too long this is not harmless to read, for the boundaries of datagrams mean
# something: headers of a protocol above (QUIC, DTLS, DNS) stand in the middle of what a dissector
# takes for the first one's data, and every count of packets is wrong. Nothing in the frame or in
# a pcap file tells of it, so it cannot be told from a real datagram of that length. The kernel
# knows: with PACKET_VNET_HDR a packet socket is told the length of the pieces.
#
# Output:
#   received: 10 datagrams of 1000 octets and one of 500
#   captured: 1 frame, IP length 10528, UDP length 10508
#   captured with PACKET_VNET_HDR: type 5 (UDP), pieces of 1000
set -euo pipefail
timeout 60 unshare --user --map-root-user --net python3 - <<'PYTHON'
import fcntl
import socket
import struct
import sys

UDP_SEGMENT = 103
SOL_PACKET, PACKET_VNET_HDR = 263, 15
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
ETH_P_ALL, PACKET_OUTGOING = 3, 4


def expect(what, seen, expected):
    if seen != expected:
        sys.exit(f"changed: {what}: {seen}")
    print(f"{what}: {seen}")


def everything(sock):
    """All that *sock* has: data and address."""
    found = []
    try:
        while True:
            found.append(sock.recvfrom(70_000))
    except TimeoutError:
        return found


def sent(capture):
    return [data for data, address in everything(capture) if address[2] == PACKET_OUTGOING]


receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fcntl.ioctl(receiver, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
receiver.bind(("127.0.0.1", 0))
plain = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
knowing = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
knowing.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
for sock in (receiver, plain, knowing):
    sock.settimeout(0.5)

sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.sendmsg(
    [bytes(10_500)],
    [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", 1000))],
    0,
    receiver.getsockname(),
)

lengths = [len(data) for data, _ in everything(receiver)]
expect(
    "received",
    "10 datagrams of 1000 octets and one of 500" if lengths == [1000] * 10 + [500] else lengths,
    "10 datagrams of 1000 octets and one of 500",
)
frames = sent(plain)
ip_length, udp_length = (struct.unpack_from("!H", frames[0], at)[0] for at in (2, 24))
expect(
    "captured",
    f"{len(frames)} frame, IP length {ip_length}, UDP length {udp_length}",
    "1 frame, IP length 10528, UDP length 10508",
)
_, kind, _, piece = struct.unpack_from("=BBHH", sent(knowing)[0])
expect(
    "captured with PACKET_VNET_HDR", f"type {kind} (UDP), pieces of {piece}",
    "type 5 (UDP), pieces of 1000",
)
PYTHON
