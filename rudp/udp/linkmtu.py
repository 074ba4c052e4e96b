"""How much the first link of a path carries in one packet, as far as the system tells.

On loopback that is the whole path, and the answer can be trusted.  Elsewhere it bounds the search
for the path's MTU from above: nothing larger can leave, since nothing may be fragmented.
"""

import socket
import struct
import sys
from typing import Final

from rudp.core.segment.addresses import MAPPED, is_ipv6
from rudp.core.segment.transmit import Address

SIOCGIFMTU: Final = 0x8921  # <linux/sockios.h>
HEADERS: Final = 40 + 8
"""Octets of IPv6 and UDP headers; IPv4's are smaller."""

MTU_MAX: Final = 65_536
"""Octets.  What Linux gives its loopback; UDP's length field has room for hardly more."""

IP_MTU: Final = 14
IPV6_MTU: Final = 24
"""<linux/in.h>, <linux/in6.h>: the MTU of the route that a connected socket uses."""

PAYLOAD_MAX: Final = 65_507
"""Octets that a UDP datagram over IPv4 carries at most."""

PAYLOAD_MIN: Final = 548
"""Octets that every IPv4 host takes (PMTU-2)."""


def loopback_payload() -> int | None:
    """Return the octets of UDP payload that loopback takes whole, None if the system is silent."""
    if sys.platform != "linux":
        return None
    import fcntl

    request = struct.pack("16si12x", b"lo", 0)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            answer = fcntl.ioctl(sock, SIOCGIFMTU, request)
    except OSError:
        return None
    mtu: int = struct.unpack("16xi12x", answer)[0]
    return max(min(mtu, MTU_MAX) - HEADERS, PAYLOAD_MIN)


def link_payload(address: Address) -> int | None:
    """Return the octets of UDP payload that the link towards *address* takes, None if unknown.

    It takes 10 µs to ask, and is asked for each connection: links and routes change.
    """
    if sys.platform != "linux":
        return None
    try:
        return _payload_towards(str(address[0]), address[3] if len(address) > 3 else 0)
    except OSError:
        return None  # no way to it now, or no descriptor left; the next time may be better


def _payload_towards(host: str, zone: int) -> int:
    host = host.removeprefix(MAPPED)
    ipv6 = is_ipv6(host)
    level, name, headers = (socket.IPPROTO_IP, IP_MTU, 28)
    if ipv6:
        level, name, headers = (socket.IPPROTO_IPV6, IPV6_MTU, HEADERS)
    with socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        # This sends nothing; the kernel looks up its route.
        probe.connect((host, 9, 0, zone) if ipv6 else (host, 9))
        mtu: int = probe.getsockopt(level, name)
    return max(min(mtu - headers, PAYLOAD_MAX), PAYLOAD_MIN)
