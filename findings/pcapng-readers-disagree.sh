#!/usr/bin/env bash
# pcapng: three Python readers make different packets of the same valid files, and none of them
# says that it left something out.
#
# Seen with dpkt 1.9.8, scapy 2.8.0, python-pcapng 2.1.1, CPython 3.11.7; tshark 4.0.17 reads all
# four files as they are meant.
#
# In pcapng each interface has a link type and a clock of its own, a section may have the other
# byte order (files may simply be put one behind the other), and a packet may come without a time.
# Files of one interface, as most are, hide that
# - dpkt takes link type and clock of the first interface for all: what came in on the second, in
#   nanoseconds, is of the year 55840. It ends in silence before a section of another byte order,
#   and leaves out Simple Packet Blocks.
# - scapy stamps a Simple Packet with the time of reading, and if the interface has snaplen 0,
#   which means no limit, with no octets.
# - scapy and python-pcapng leave out the interface's if_tsoffset: times are wrong by that many
#   seconds.
#
# Output (seconds and length of the last packet):
#   second interface in nanoseconds: dpkt 1700000000000 28, scapy 1700000000 28, python-pcapng 1700000000 28; right 1700000000 28
#   clock with an offset: dpkt 1700000005 28, scapy 5 28, python-pcapng 5 28; right 1700000005 28
#   packet without a time: dpkt no packet, scapy now 0, python-pcapng none 28; right none 28
#   section of the other byte order: dpkt no packet, scapy 1700000000 28, python-pcapng 1700000000 28; right 1700000000 28
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
timeout 180 "$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    dpkt==1.9.8 scapy==2.8.0 python-pcapng==2.1.1

timeout 60 "$folder/venv/bin/python" - <<'PYTHON'
import io
import logging
import struct
import sys
import time

logging.disable()
import dpkt
import pcapng
from scapy.utils import PcapNgReader

ETHERNET, RAW_IP = 1, 101
START = 1_700_000_000
FRAME = bytes(12) + b"\x08\x00" + bytes(46)
PACKET = bytes.fromhex("4500001c000000004011 0000 7f000001 7f000001 0007 0007 0008 0000")


def block(kind, body, order="<"):
    body += bytes(-len(body) % 4)
    length = struct.pack(f"{order}I", len(body) + 12)
    return struct.pack(f"{order}I", kind) + length + body + length


def option(code, value):
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4 + 4)


def section(order="<"):
    return block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(link, options=b"", order="<"):
    return block(1, struct.pack(f"{order}HHI", link, 0, 0) + options, order)


def packet(of, when, data, order="<"):
    head = struct.pack(f"{order}IIIII", of, when >> 32, when & 0xFFFFFFFF, len(data), len(data))
    return block(6, head + data, order)


FILES = {
    "second interface in nanoseconds": section()
    + interface(ETHERNET)
    + interface(RAW_IP, option(9, b"\x09"))  # if_tsresol
    + packet(0, START * 10**6, FRAME)
    + packet(1, START * 10**9, PACKET),
    "clock with an offset": section()
    + interface(RAW_IP, option(14, struct.pack("<q", START)))  # if_tsoffset
    + packet(0, 5 * 10**6, PACKET),
    "packet without a time": section()
    + interface(RAW_IP)
    + block(3, struct.pack("<I", len(PACKET)) + PACKET),  # Simple Packet Block
    "section of the other byte order": section("<")
    + interface(RAW_IP)
    + section(">")
    + interface(RAW_IP, order=">")
    + packet(0, START * 10**6, PACKET, ">"),
}


def with_dpkt(file):
    return [(when, len(data)) for when, data in dpkt.pcapng.Reader(file)]


def with_scapy(file):
    return [
        ("now" if abs(time.time() - float(each.time)) < 60 else each.time, len(each))
        for each in PcapNgReader(file)
    ]


def with_python_pcapng(file):
    kinds = (pcapng.blocks.EnhancedPacket, pcapng.blocks.SimplePacket)
    return [
        (getattr(each, "timestamp", "none"), len(each.packet_data))
        for each in pcapng.FileScanner(file)
        if isinstance(each, kinds)
    ]


READERS = {"dpkt": with_dpkt, "scapy": with_scapy, "python-pcapng": with_python_pcapng}
RIGHT = f"{START} 28"
EXPECTED = {
    "second interface in nanoseconds": (f"{START}000 28", RIGHT, RIGHT, RIGHT),
    "clock with an offset": (f"{START + 5} 28", "5 28", "5 28", f"{START + 5} 28"),
    "packet without a time": ("no packet", "now 0", "none 28", "none 28"),
    "section of the other byte order": ("no packet", RIGHT, RIGHT, RIGHT),
}
for name, octets in FILES.items():
    seen = []
    *expected, right = EXPECTED[name]
    for (reader, read), result in zip(READERS.items(), expected, strict=True):
        found = read(io.BytesIO(octets))
        if found:
            when, length = found[-1]
            text = f"{when if isinstance(when, str) else int(when)} {length}"
        else:
            text = "no packet"
        if text != result:
            sys.exit(f"changed: {name}: {reader} {text} instead of {result}")
        seen.append(f"{reader} {text}")
    print(f"{name}: {', '.join(seen)}; right {right}")
PYTHON
