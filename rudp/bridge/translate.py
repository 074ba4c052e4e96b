"""A TCP packet and a datagram are the same segment with another header in front.

The pure half of the bridge: octets and addresses in, octets and addresses out.  There is nothing
to remember between two packets, because a virtual IPv4 address *is* a UDP port: with the network
10.77.0.0/16 the peer's UDP port 0x1234 is the host 10.77.18.52.  TTL, DSCP and ECN bits go over
unchanged.  An ICMP error about a datagram becomes one about the packet it was made from, so the
kernel's TCP learns of a closed port or a narrow path as it would without UDP.

What does not have exactly the expected form is dropped for one of the reasons in :class:`Drop`.
That includes a wrong TCP checksum: the datagram carries none (W-9), so whatever passed here would
come out of UDP looking sound.
"""

import dataclasses
import enum
import struct
from ipaddress import IPv4Address, IPv4Network
from typing import Final, NamedTuple

from rudp.core.segment.checksum import (
    CHECKSUM_OFFSET,
    PROTOCOL_TCP,
    internet_checksum,
    tcp_checksum,
    tcp_checksum_valid,
)
from rudp.core.segment.wire import HEADER_SIZE

IPV4_HEADER_SIZE: Final = 20
"""Octets of an IPv4 header without options, the only kind that has a place in a datagram."""

PACKET_SIZE_MAX: Final = 0xFFFF
"""Octets that the length field of an IPv4 header can count."""

PREFIX_LENGTH: Final = 16
"""Bits of the virtual network's prefix: the rest of an address is just wide enough for a port."""

UDP_HEADER_SIZE: Final = 8
"""Octets by which a segment grows when UDP carries it."""

_IPV4: Final = struct.Struct("!BBHHHBBH4s4s")
_ICMP: Final = struct.Struct("!BBHHH")
_PROTOCOL_ICMP: Final = 1
_UNREACHABLE: Final = 3  # RFC 792
_TIME_EXCEEDED: Final = 11
_QUOTED_SIZE: Final = 8  # octets behind the IP header that tell a TCP which segment it was
_TTL: Final = 64
_VERSION_4: Final = 4
_VERSION_AND_LENGTH: Final = 0x45
_DONT_FRAGMENT: Final = 0x4000
_FRAGMENT: Final = 0x3FFF  # more fragments follow, or this is not the first


class Drop(enum.Enum):
    """Why a packet or datagram was not passed on."""

    NOT_IPV4 = "not an IPv4 packet"
    IP_LENGTH = "IPv4 length does not fit"
    IP_OPTIONS = "IPv4 options"
    IP_CHECKSUM = "IPv4 header checksum wrong"
    FRAGMENT = "IPv4 fragment"
    TTL = "time to live is 0"
    NOT_TCP = "not TCP"
    ADDRESS = "from or to an address that is not bridged"
    TCP_LENGTH = "TCP header does not fit"
    TCP_CHECKSUM = "TCP checksum wrong"
    UDP_REFUSED = "datagram refused by the socket"
    ICMP = "ICMP error that says nothing to TCP"
    TUN_REFUSED = "packet refused by the device"


class Datagram(NamedTuple):
    """A segment on its way from or to UDP *port* of the peer, and its fields of the IP header."""

    segment: bytes
    port: int
    tos: int
    ttl: int


@dataclasses.dataclass(frozen=True, slots=True)
class AddressPlan:
    """Which IPv4 addresses the kernel's TCP uses: its own, and a /16 that stands for UDP ports.

    Raises ValueError when *virtual* is no /16 or holds *kernel*, which would hide a port.
    """

    kernel: IPv4Address
    virtual: IPv4Network

    def __post_init__(self) -> None:
        if self.virtual.prefixlen != PREFIX_LENGTH:
            raise ValueError(f"the virtual network must be a /{PREFIX_LENGTH}: {self.virtual}")
        if self.kernel in self.virtual:
            raise ValueError(f"{self.kernel} must lie outside the virtual network {self.virtual}")

    def address_of(self, port: int) -> IPv4Address:
        """Return the virtual address of UDP *port*, 0 to 65535; IndexError outside."""
        return self.virtual[port]

    def port_of(self, address: IPv4Address) -> int:
        """Return the UDP port that *address* stands for; ValueError outside the network."""
        if address not in self.virtual:
            raise ValueError(f"{address} is not in {self.virtual}")
        return int(address) & 0xFFFF


class Translator:
    """Turns packets of the kernel's TCP into datagrams and back."""

    __slots__ = ("_kernel", "_prefix")

    def __init__(self, plan: AddressPlan) -> None:
        self._kernel = plan.kernel.packed
        self._prefix = plan.virtual.network_address.packed[:2]

    def to_datagram(self, packet: bytes) -> Datagram | Drop:
        """Return the datagram for *packet*, which the kernel sent, or why there is none."""
        if len(packet) < IPV4_HEADER_SIZE or packet[0] >> 4 != _VERSION_4:
            return Drop.NOT_IPV4
        first, tos, length, _, fragment, ttl, protocol, _, source, destination = _IPV4.unpack_from(
            packet
        )
        if length != len(packet) or first < _VERSION_AND_LENGTH:
            return Drop.IP_LENGTH
        if first != _VERSION_AND_LENGTH:
            return Drop.IP_OPTIONS
        if internet_checksum(packet[:IPV4_HEADER_SIZE]):
            return Drop.IP_CHECKSUM
        if fragment & _FRAGMENT:
            return Drop.FRAGMENT
        if not ttl:
            return Drop.TTL
        if protocol != PROTOCOL_TCP:
            return Drop.NOT_TCP
        port = int.from_bytes(destination[2:], "big")
        if source != self._kernel or destination[:2] != self._prefix or not port:
            return Drop.ADDRESS
        segment = packet[IPV4_HEADER_SIZE:]
        if not _header_fits(segment):
            return Drop.TCP_LENGTH
        if not tcp_checksum_valid(source, destination, segment):
            return Drop.TCP_CHECKSUM
        return Datagram(_with_checksum(segment, 0), port, tos, ttl)

    def to_packet(self, datagram: Datagram) -> bytes | Drop:
        """Return the packet for *datagram*, which a peer sent, or why there is none.

        The checksum field of its segment is not looked at (W-9); options and flags are judged by
        the kernel.
        """
        segment, port, tos, ttl = datagram
        if not port:
            return Drop.ADDRESS
        if not ttl:
            return Drop.TTL
        if IPV4_HEADER_SIZE + len(segment) > PACKET_SIZE_MAX:
            return Drop.IP_LENGTH
        if not _header_fits(segment):
            return Drop.TCP_LENGTH
        source = self._address(port)
        header = _ipv4_header(source, self._kernel, PROTOCOL_TCP, len(segment), tos, ttl)
        return header + _with_checksum(segment, tcp_checksum(source, self._kernel, segment))

    def to_icmp(self, kind: int, code: int, mtu: int, datagram: Datagram) -> bytes | Drop:
        """Return the ICMP error packet for one that *datagram* met on its way to a peer.

        *kind* and *code* are those of RFC 792; *mtu* is the path's with "fragmentation needed"
        (RFC 1191) and else 0.  Of the segment its first 8 octets are enough.
        """
        segment, port, tos, ttl = datagram
        if kind not in (_UNREACHABLE, _TIME_EXCEEDED) or len(segment) < _QUOTED_SIZE:
            return Drop.ICMP
        peer = self._address(port)
        quoted = _ipv4_header(self._kernel, peer, PROTOCOL_TCP, len(segment), tos, ttl)
        quoted += segment[:_QUOTED_SIZE]
        room = max(0, mtu - UDP_HEADER_SIZE)
        checksum = internet_checksum(_ICMP.pack(kind, code, 0, 0, room) + quoted)
        message = _ICMP.pack(kind, code, checksum, 0, room) + quoted
        return _ipv4_header(peer, self._kernel, _PROTOCOL_ICMP, len(message), 0, _TTL) + message

    def _address(self, port: int) -> bytes:
        return self._prefix + port.to_bytes(2, "big")


def _ipv4_header(
    source: bytes, destination: bytes, protocol: int, length: int, tos: int, ttl: int
) -> bytes:
    """Return the header of a packet with *length* octets of payload, and DF set."""
    total = IPV4_HEADER_SIZE + length
    fields = (_VERSION_AND_LENGTH, tos, total, 0, _DONT_FRAGMENT, ttl, protocol)
    checksum = internet_checksum(_IPV4.pack(*fields, 0, source, destination))
    return _IPV4.pack(*fields, checksum, source, destination)


def _header_fits(segment: bytes) -> bool:
    """Return whether the header, by its own data offset, is whole (M-1, M-2)."""
    return len(segment) >= HEADER_SIZE and HEADER_SIZE <= (segment[12] >> 4) * 4 <= len(segment)


def _with_checksum(segment: bytes, checksum: int) -> bytes:
    field = checksum.to_bytes(2, "big")
    return segment[:CHECKSUM_OFFSET] + field + segment[CHECKSUM_OFFSET + 2 :]
