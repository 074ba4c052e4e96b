"""A TCP packet and a datagram are the same segment with another header in front.

The pure half of the bridge: octets and addresses in, octets and addresses out.  There is nothing
to remember between two packets, because a virtual IPv4 address *is* a UDP port: with the network
10.77.0.0/16 the peer's UDP port 0x1234 is the host 10.77.18.52.  TTL, DSCP and ECN bits go over
unchanged.

What does not have exactly the expected form is dropped for one of the reasons in :class:`Drop`.
That includes a wrong TCP checksum: the datagram carries none (W-9), so whatever passed here would
come out of UDP looking sound.
"""

import dataclasses
import enum
import struct
from ipaddress import IPv4Address, IPv4Network
from typing import Final, NamedTuple

from rudp.core.checksum import (
    CHECKSUM_OFFSET,
    PROTOCOL_TCP,
    internet_checksum,
    tcp_checksum,
    tcp_checksum_valid,
)
from rudp.core.wire import HEADER_SIZE

IPV4_HEADER_SIZE: Final = 20
"""Octets of an IPv4 header without options, the only kind that has a place in a datagram."""

PACKET_SIZE_MAX: Final = 0xFFFF
"""Octets that the length field of an IPv4 header can count."""

PREFIX_LENGTH: Final = 16
"""Bits of the virtual network's prefix: the rest of an address is just wide enough for a port."""

_IPV4: Final = struct.Struct("!BBHHHBBH4s4s")
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
        length = IPV4_HEADER_SIZE + len(segment)
        if length > PACKET_SIZE_MAX:
            return Drop.IP_LENGTH
        if not _header_fits(segment):
            return Drop.TCP_LENGTH
        source = self._prefix + port.to_bytes(2, "big")
        fields = (_VERSION_AND_LENGTH, tos, length, 0, _DONT_FRAGMENT, ttl, PROTOCOL_TCP)
        checksum = internet_checksum(_IPV4.pack(*fields, 0, source, self._kernel))
        header = _IPV4.pack(*fields, checksum, source, self._kernel)
        return header + _with_checksum(segment, tcp_checksum(source, self._kernel, segment))


def _header_fits(segment: bytes) -> bool:
    """Return whether the header, by its own data offset, is whole (M-1, M-2)."""
    return len(segment) >= HEADER_SIZE and HEADER_SIZE <= (segment[12] >> 4) * 4 <= len(segment)


def _with_checksum(segment: bytes, checksum: int) -> bytes:
    field = checksum.to_bytes(2, "big")
    return segment[:CHECKSUM_OFFSET] + field + segment[CHECKSUM_OFFSET + 2 :]
