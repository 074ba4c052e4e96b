"""From a captured packet to the segments in it: link layer, IP, and TCP itself or TCP in UDP.

A system hands a batch of datagrams to its network as one, and joins what comes in; a capture that
is made there has many segments in one packet.  Their headers repeat at a fixed stride, which tells
them apart.  The data of a segment may be missing from the capture; what counts is how long it was.

What has no segment that can be read is refused by name.
"""

import ipaddress
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from rudp.core.segment.transmit import Address

_TCP: Final = 6
_UDP: Final = 17
_FRAGMENT: Final = 44
_AUTHENTICATION: Final = 51
_EXTENSIONS: Final = frozenset({0, 43, _FRAGMENT, _AUTHENTICATION, 60})
"""Headers of IPv6 in front of the rest (RFC 8200 §4.1): hop-by-hop, routing, options and these."""
_EXTENSIONS_MAX: Final = 8

_ETHERNET: Final = 1
_PPP: Final = 9
_LOOPBACK: Final = frozenset({0, 108})  # four octets of address family
_RAW: Final = frozenset({12, 14, 101, 228, 229})
_COOKED: Final = {113: (16, 14), 276: (20, 0)}  # Linux: size of the header, where its type stands

_VLAN: Final = frozenset({0x8100, 0x88A8, 0x9100, 0x9200, 0x9300})
_MPLS: Final = frozenset({0x8847, 0x8848})
_PPPOE: Final = 0x8864
_IP: Final = frozenset({0x0800, 0x86DD})
_TAGS_MAX: Final = 4

_CUT: Final = "packets cut short within a header"

_TRIES: Final = 64
"""Strides that are tried; data that looks like ports everywhere must not take for ever."""

_TYPE_NAMES: Final = {0x0806: "ARP", 0x8863: "PPPoE discovery", 0x888E: "EAPOL", 0x88CC: "LLDP"}
_PROTOCOL_NAMES: Final = {
    1: "ICMP", 2: "IGMP", 4: "IPv4 in IP", 41: "IPv6 in IP", 47: "GRE", 50: "ESP", 58: "ICMPv6",
    132: "SCTP",
}  # fmt: skip


class OtherError(ValueError):
    """A packet has no segment that can be read; the text names what it is instead."""


class Found(NamedTuple):
    """A segment's *header*, how many octets of data follow it, and who sent it to whom.

    *source*, *destination*: IP address and UDP port, or the TCP port if *tunnelled* is false.
    *ecn*: the two ECN bits of the IP header.
    """

    source: Address
    destination: Address
    header: bytes
    length: int
    tunnelled: bool
    ecn: int


def find(link: int, data: bytes, size: int = 0) -> list[Found]:
    """Return the segments in a packet whose first header is of LINKTYPE *link*.

    *size*: octets that it had when *data* was captured of it, if that is more.  Segments of a batch
    whose headers were not captured have none.  Raises :class:`OtherError`.
    """
    missing = max(size - len(data), 0)
    try:
        packet = _network(link, data)
        version = packet[0] >> 4
        if version == 6:
            return _v6(packet, missing)
        if version == 4:
            return _v4(packet, missing)
    except (struct.error, IndexError):
        raise OtherError(_CUT) from None
    raise OtherError("packets of neither IPv4 nor IPv6")


def _network(link: int, data: bytes) -> bytes:
    """Return the IP packet in *data*."""
    if link in _RAW:
        return data
    if link in _LOOPBACK:
        return data[4:]
    if link == _ETHERNET:
        return _behind(_u16(data, 12), data[14:])
    if link in _COOKED:
        size, at = _COOKED[link]
        return _behind(_u16(data, at), data[size:])
    if link == _PPP:
        return _ppp(data)
    raise OtherError(f"packets of link type {link}")


def _behind(kind: int, data: bytes) -> bytes:
    """Return the IP packet in *data*, which follows the Ethernet type *kind*."""
    for _ in range(_TAGS_MAX + 1):
        if kind in _IP:
            return data
        if kind in _MPLS:
            at = 0
            while not data[at + 2] & 1:  # the last label says so (RFC 3032 §2.1), and no more
                at += 4
            return data[at + 4 :]
        if kind == _PPPOE:
            return _ppp(data[6:])
        if kind not in _VLAN:
            break
        kind, data = _u16(data, 2), data[4:]
    if kind < 0x600:
        raise OtherError("frames of IEEE 802.3")
    raise OtherError(_TYPE_NAMES.get(kind, f"Ethernet type {kind:#06x}"))


def _ppp(data: bytes) -> bytes:
    """Return the IP packet in a frame of PPP (RFC 1661 §2, RFC 1662 §3.1)."""
    at = 2 if data[:2] == b"\xff\x03" else 0
    compressed = data[at] & 1
    protocol = data[at] if compressed else _u16(data, at)
    if protocol not in (0x21, 0x57):
        raise OtherError(f"PPP protocol {protocol:#06x}")
    return data[at + 2 - compressed :]


def _v4(packet: bytes, missing: int) -> list[Found]:
    size = (packet[0] & 0xF) * 4
    if size < 20:
        raise OtherError("broken IPv4 headers")
    (total, fragment, protocol) = struct.unpack_from("!2xH2xHxB", packet)
    if fragment & 0x3FFF:  # more follow, or this is not the first
        raise OtherError("fragments")
    source, destination = packet[12:16], packet[16:20]
    # Zero: the sender's interface was to fill it in (segmentation offload).
    total = total or len(packet) + missing
    payload, ecn = packet[size:total], packet[1] & 3
    return list(_transport(protocol, source, destination, payload, total - size, ecn))


def _v6(packet: bytes, missing: int) -> list[Found]:
    length, protocol = struct.unpack_from("!4xHB", packet)
    source, destination = packet[8:24], packet[24:40]
    # Zero: as in version 4, or longer than the field can tell (RFC 2675 §3).
    at, end = 40, 40 + length if length else len(packet) + missing
    for _ in range(_EXTENSIONS_MAX):
        if protocol not in _EXTENSIONS:
            break
        size = (packet[at + 1] + 1) * 8
        if protocol == _FRAGMENT:
            if _u16(packet, at + 2) & 0xFFF9:  # else it is whole all the same (RFC 6946)
                raise OtherError("fragments")
            size = 8
        elif protocol == _AUTHENTICATION:
            size = (packet[at + 1] + 2) * 4
        protocol = packet[at]
        at += size
    ecn = packet[1] >> 4 & 3
    return list(_transport(protocol, source, destination, packet[at:end], end - at, ecn))


def _transport(
    protocol: int, source: bytes, destination: bytes, payload: bytes, length: int, ecn: int
) -> Iterator[Found]:
    """Yield the segments in the *payload* of an IP packet, which was *length* octets long."""
    if protocol not in (_TCP, _UDP):
        raise OtherError(_PROTOCOL_NAMES.get(protocol, f"IP protocol {protocol}"))
    hosts = str(ipaddress.ip_address(source)), str(ipaddress.ip_address(destination))
    ports = struct.unpack_from("!HH", payload)
    ends = [(host, port) for host, port in zip(hosts, ports, strict=True)]
    stride = length
    if protocol == _UDP:
        length = min(_u16(payload, 4) or length, length) - 8
        payload = payload[8 : 8 + length]
        stride = _stride(payload, length)
    for at in range(0, max(length, 1), max(stride, 1)):
        header, whole = payload[at : at + 60], min(stride, length - at)
        size = _header_size(header, whole)
        if not (size or at):
            if len(header) < min(whole, 20):
                raise OtherError(_CUT)
            raise OtherError("UDP" if protocol == _UDP else "broken TCP headers")
        yield Found(ends[0], ends[1], header[:size], whole - size, protocol == _UDP, ecn)


def _header_size(data: bytes, whole: int) -> int:
    """Return how long the TCP header at the begin of *data* is, 0 if that is none, or cut short.

    *whole*: octets of the segment.
    """
    size = (data[12] >> 4) * 4 if len(data) >= 20 else 0
    return size if 20 <= size <= min(len(data), whole) else 0


def _stride(data: bytes, length: int) -> int:
    """Return how far the segments in a datagram of *length* octets lie apart.

    All but the last are equally long (UDP_SEGMENT, UDP_GRO), and a port at least is common to all:
    clients of one server may share a socket.
    """
    first = _header_size(data, length)
    if not first:
        return length
    tries = 0
    at = first
    while at + 20 <= len(data) and tries < _TRIES:
        near = [data.find(data[:2], at), data.find(data[2:4], at + 2) - 2]
        at = min((each for each in near if each >= at), default=len(data))
        if _repeats(data, length, at):
            return at
        tries += 1
        at += 1
    return length


def _repeats(data: bytes, length: int, stride: int) -> bool:
    """Is there a header of rudp at every multiple of *stride*, as far as *data* goes?"""
    seen = 0
    for at in range(0, len(data), stride):
        header = data[at : at + 60]
        if len(data) < length and (len(header) < 20 or (header[12] >> 4) * 4 > len(header)):
            break  # cut short here
        ports = header[:2] == data[:2] or header[2:4] == data[2:4]
        if not (ports and _header_size(header, min(stride, length - at))):
            return False
        if header[12] & 0xE or header[16:18] != b"\0\0":  # reserved bits; rudp has no checksum here
            return False
        seen += 1
    return seen > 1


def _u16(data: bytes, at: int) -> int:
    (number,) = struct.unpack_from("!H", data, at)
    return int(number)
