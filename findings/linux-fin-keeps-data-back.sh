#!/usr/bin/env bash
# Linux: data that the peer has room for stays in the kernel's TCP because the program has closed.
#
# Seen with Linux 6.18, CPython 3.11.7.
#
# A FIN is joined to the last data that waits to be sent, and the two then are one thing that must
# fit into the peer's window whole: if it has room for exactly the data, nothing goes. RFC 9293
# §3.10.4 only says that the FIN follows the data. The peer, which has read all and waits for what
# its window has room for, hears of it when the probe timer expires, after a retransmission
# time-out, and in a segment without the FIN. A program that writes and closes is later than one
# that writes and keeps the connection, by 200 ms or more, and only when the window happens to be
# as large as the rest.
#
# The kernel's TCP stands in a network namespace behind a TUN device, and this program is its peer:
# its window is 2000 octets at first, then 500, which is what is left of the 2500 that were sent.
# Needs root.
#
# Output:
#   2500 octets written, a window for the last 500 opens: they come at once
#   the same, and closed before that: they come after some 300 ms, without the FIN
set -euo pipefail
timeout 60 python3 - <<'PYTHON'
import ctypes
import fcntl
import os
import select
import socket
import struct
import sys
import time

OURS, THEIRS = bytes([10, 99, 0, 1]), bytes([10, 99, 0, 2])
ACK, SYN, FIN = 16, 2, 1


def checksum(data):
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


def packet(port, seq, ack, flags, window, options=b""):
    offset = (20 + len(options)) // 4 << 4
    fields = [1000, port, seq, ack, offset, flags, window]
    tcp = struct.pack("!HHIIBBHHH", *fields, 0, 0) + options
    pseudo = THEIRS + OURS + struct.pack("!HH", 6, len(tcp))
    tcp = struct.pack("!HHIIBBHHH", *fields, checksum(pseudo + tcp), 0) + options
    ip = [0x45, 0, 20 + len(tcp), 0, 0, 64, 6]
    header = struct.pack("!BBHHHBBH4s4s", *ip, 0, THEIRS, OURS)
    return struct.pack("!BBHHHBBH4s4s", *ip, checksum(header), THEIRS, OURS) + tcp


def device():
    if ctypes.CDLL(None, use_errno=True).unshare(0x40000000):
        sys.exit("needs root")
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH22x", b"find0", 0x1001))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for call, address in ((0x8916, OURS), (0x891C, bytes([255, 255, 255, 0]))):
            fcntl.ioctl(control, call, struct.pack("16sHH4s16x", b"find0", 2, 0, address))
        fcntl.ioctl(control, 0x8914, struct.pack("16sH22x", b"find0", 0x41))
    return tun


def segment(tun, port, seconds):
    """Return number, flags and length of the next segment from a port of the kernel, or None."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if not select.select([tun], [], [], left)[0]:
            break
        data = os.read(tun, 65536)
        if data[0] >> 4 == 4 and data[9] == 6 and data[20:22] == port.to_bytes(2, "big"):
            seq, _, offset, flags = struct.unpack_from("!IIBB", data, 24)
            return seq, flags, len(data) - 20 - (offset >> 4) * 4
    return None


def story(tun, port, close):
    with socket.socket() as sock:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.bind(("10.99.0.1", port))
        sock.connect_ex(("10.99.0.2", 1000))
        iss, _, _ = segment(tun, port, 1)
        time.sleep(0.1)  # the round trip
        mss = b"\x02\x04" + struct.pack("!H", 1000)
        os.write(tun, packet(port, 0, iss + 1, SYN | ACK, 2000, mss))
        segment(tun, port, 1)
        sock.send(bytes(2500))
        for _ in range(2):
            assert segment(tun, port, 1)[2] == 1000
        if close:
            sock.shutdown(socket.SHUT_WR)
        time.sleep(0.1)
        began = time.monotonic()
        os.write(tun, packet(port, 1, iss + 2001, ACK, 500))
        while (came := segment(tun, port, 5)) is not None and not came[2]:
            pass
        after = time.monotonic() - began
        when = "at once" if after < 0.05 else f"after some {round(after, 1) * 1000:.0f} ms"
        fin = ", without the FIN" if close and not came[1] & FIN else ""
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return after, came, f"they come {when}{fin}"


tun = device()
first = story(tun, 2001, close=False)
second = story(tun, 2002, close=True)
print("2500 octets written, a window for the last 500 opens:", first[2])
print("the same, and closed before that:", second[2])
if not (first[0] < 0.05 and first[1][2] == 500 and second[0] > 0.15 and second[1][2] == 500):
    sys.exit("changed: the data behind which a FIN waits came as soon as there was room for it")
PYTHON
