"""What an address tells by itself: whom it stands for, and what its family carries.

Nothing here knows a connection; the table asks before it makes one.
"""

import functools
from typing import Final

from rudp.core.segment.transmit import Address, Path

BASE_PAYLOAD_IPV4: Final = 1200
BASE_PAYLOAD_IPV6: Final = 1232
"""Octets of UDP payload that any path is trusted to carry (PMTU-1, PMTU-2)."""

FLOOR_PAYLOAD_IPV4: Final = 576 - 20 - 8
FLOOR_PAYLOAD_IPV6: Final = 1280 - 40 - 8
"""Octets of UDP payload that any host takes (PMTU-2); all there is without discovery (UDP-4)."""

RECEIVE_PAYLOAD_IPV4: Final = 1500 - 20 - 8
RECEIVE_PAYLOAD_IPV6: Final = 1500 - 40 - 8
"""Octets of UDP payload that we announce: what fits an Ethernet frame (W-50)."""

OVERHEAD_IPV4: Final = 20 + 8
OVERHEAD_IPV6: Final = 40 + 8
"""Octets of an IP packet that are not UDP payload."""


def name_of(address: Address) -> str:
    """Return ``host:port``, an IPv6 host in brackets."""
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"


def host_of(path: Path) -> str:
    """Return the peer's host."""
    return str(path[0][0])


MAPPED: Final = "::ffff:"
"""How the address of an IPv4 peer begins on an IPv6 socket that takes both (RFC 4291 §2.5.5.2)."""


def is_ipv6(host: str) -> bool:
    """Return whether packets to *host* are IPv6's."""
    return ":" in host and not host.startswith(MAPPED)


def is_loopback(host: str) -> bool:
    """Return whether *host* is this one, by an address that nobody else has."""
    return host.removeprefix(MAPPED).startswith("127.") or host == "::1"


def is_link_local(host: str) -> bool:
    """Return whether *host* is an IPv6 address of one link, fe80::/10 (RFC 4291 §2.5.6)."""
    return host[:3].lower() in ("fe8", "fe9", "fea", "feb") and is_ipv6(host)


def is_unicast(path: Path) -> bool:
    """Return whether *path* leads from one host to another: no group, nobody's address, no port 0.

    The local host counts where it is known: it is what the peer sent to.
    """
    address, local = path
    return bool(address[1]) and not _is_group(address[0], True) and not _is_group(local, False)


@functools.lru_cache(maxsize=1024)  # 0.1 µs, parsing takes 11
def _is_group(host: str, or_unspecified: bool) -> bool:
    """Return whether *host* is a multicast or broadcast address, or the unspecified one."""
    import ipaddress  # when the first address is asked about: it takes a while

    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False  # not an Internet address: a simulated network's, perhaps
    if address.version == 6 and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if or_unspecified and address.is_unspecified:
        return True
    return address.is_multicast or str(address) == "255.255.255.255"
