"""How much the loopback interface carries in one packet.

There, and only there, a larger datagram is worth having and its limit can be asked for; a guess
that is too high would mean that no full segment ever leaves, since none may be fragmented.
"""

import socket
import struct
import sys
from typing import Final

SIOCGIFMTU: Final = 0x8921  # <linux/sockios.h>
HEADERS: Final = 40 + 8
"""Octets of IPv6 and UDP headers; IPv4's are smaller."""

MTU_MAX: Final = 65_536
"""Octets.  What Linux gives its loopback; UDP's length field has room for hardly more."""

PAYLOAD_MIN: Final = 548
"""Octets that every IPv4 host takes (PMTU-2)."""


def loopback_payload() -> int | None:
    """Return the octets of UDP payload that loopback takes whole, None if the system is silent."""
    if sys.platform != "linux":
        return None
    import fcntl

    request = struct.pack("16si12x", b"lo", 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            answer = fcntl.ioctl(sock, SIOCGIFMTU, request)
        except OSError:
            return None
    mtu: int = struct.unpack("16xi12x", answer)[0]
    return max(min(mtu, MTU_MAX) - HEADERS, PAYLOAD_MIN)
