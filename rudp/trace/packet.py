"""From a captured packet to the segment in it: link layer, IP, and TCP itself or TCP in UDP.

What is not IP, is a fragment, is cut short within a header or carries something else is none.  The
data of a segment may be missing from the capture; what counts is how long it was.
"""

import ipaddress
import struct
from typing import Final, NamedTuple

from rudp.core.transmit import Address

_TCP: Final = 6
_UDP: Final = 17
_EXTENSIONS: Final = frozenset({0, 43, 60})  # hop-by-hop, routing, destination options
_EXTENSIONS_MAX: Final = 8

_ETHERNET: Final = 1
_LOOPBACK: Final = frozenset({0, 108})  # four octets of address family
_RAW: Final = frozenset({12, 14, 101, 228, 229})
_COOKED: Final = {113: (16, 14), 276: (20, 0)}  # Linux: size of the header, where its type stands
_VLAN: Final = frozenset({0x8100, 0x88A8})
_IP: Final = frozenset({0x0800, 0x86DD})


class Found(NamedTuple):
    """A segment's *header*, how many octets of data follow it, and who sent it to whom.

    *source*, *destination*: IP address and UDP port, or the TCP port if *tunnelled* is false.
    """

    source: Address
    destination: Address
    header: bytes
    length: int
    tunnelled: bool


def find(link: int, data: bytes) -> Found | None:
    """Return the segment in a packet whose first header is of LINKTYPE *link*, None for none."""
    packet = _network(link, data)
    if not packet:
        return None
    try:
        return _v6(packet) if packet[0] >> 4 == 6 else _v4(packet)
    except (struct.error, IndexError):
        return None  # cut short within a header


def _network(link: int, data: bytes) -> bytes:
    """Return the IP packet in *data*, b"" if there is none."""
    if link in _RAW:
        return data
    if link in _LOOPBACK:
        return data[4:]
    if link == _ETHERNET:
        at = 12
        while int.from_bytes(data[at : at + 2], "big") in _VLAN and at < 20:
            at += 4
        return data[at + 2 :] if int.from_bytes(data[at : at + 2], "big") in _IP else b""
    if link in _COOKED:
        size, at = _COOKED[link]
        return data[size:] if int.from_bytes(data[at : at + 2], "big") in _IP else b""
    return b""


def _v4(packet: bytes) -> Found | None:
    size = (packet[0] & 0xF) * 4
    if packet[0] >> 4 != 4 or size < 20:
        return None
    (total, fragment, protocol) = struct.unpack_from("!2xH2xHxB", packet)
    if fragment & 0x3FFF:  # more follow, or this is not the first
        return None
    source, destination = packet[12:16], packet[16:20]
    # Zero: the sender's interface was to fill it in (segmentation offload).
    payload = packet[size : total or len(packet)]
    return _transport(protocol, source, destination, payload, (total or len(packet)) - size)


def _v6(packet: bytes) -> Found | None:
    length, protocol = struct.unpack_from("!4xHB", packet)
    source, destination = packet[8:24], packet[24:40]
    at, end = 40, 40 + length
    for _ in range(_EXTENSIONS_MAX):
        if protocol not in _EXTENSIONS:
            break
        protocol, size = packet[at], (packet[at + 1] + 1) * 8
        at += size
    return _transport(protocol, source, destination, packet[at:end], end - at)


def _transport(
    protocol: int, source: bytes, destination: bytes, payload: bytes, length: int
) -> Found | None:
    """Return the segment in the *payload* of an IP packet, which was *length* octets long."""
    hosts = str(ipaddress.ip_address(source)), str(ipaddress.ip_address(destination))
    ports = struct.unpack_from("!HH", payload)
    ends = [(host, port) for host, port in zip(hosts, ports, strict=True)]
    if protocol == _TCP:
        segment, tunnelled = payload, False
    elif protocol == _UDP and len(payload) >= 8:
        length = min(int.from_bytes(payload[4:6], "big"), length) - 8
        segment, tunnelled = payload[8:], True
    else:
        return None
    if len(segment) < 20:
        return None
    size = (segment[12] >> 4) * 4
    if not 20 <= size <= min(len(segment), length):
        return None
    return Found(ends[0], ends[1], segment[:size], length - size, tunnelled)
