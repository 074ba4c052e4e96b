"""Names to UDP addresses, without asking a resolver about what is an address already."""

import asyncio
import functools
import socket

from rudp.core.segment.addresses import MAPPED
from rudp.core.segment.transmit import Address

AddressInfo = tuple[int, Address]
"""Address family and socket address."""


async def resolve(
    loop: asyncio.AbstractEventLoop,
    host: str | None,
    port: int | str | None,
    *,
    family: int = 0,
    proto: int = 0,
    flags: int = 0,
) -> list[AddressInfo]:
    """Return the UDP addresses of *host* and *port*, each once, in the resolver's order.

    Raises :class:`socket.gaierror` for an unknown name, :class:`OSError` if there is no address.
    """
    literal = _literal(host, port, family)
    if literal is not None:
        return [literal]
    found = await loop.getaddrinfo(
        host or None,
        port,
        family=family,
        type=socket.SOCK_DGRAM,
        proto=proto,
        flags=flags,
    )
    infos = [(int(kind), _with_zone(tuple(address), host)) for kind, _, _, _, address in found]
    if not infos:
        raise OSError("getaddrinfo() returned empty list")
    return list(dict.fromkeys(infos))


def _literal(host: str | None, port: int | str | None, family: int) -> AddressInfo | None:
    """Return the address that *host* spells out, None if it is a name."""
    if not host or not isinstance(port, int) or "%" in host:
        return None
    kind, canonical = _parsed(host)
    if kind is None:
        return None
    if not 0 <= port <= 0xFFFF:
        raise OverflowError("port must be 0-65535.")
    if family not in (0, kind):
        return None
    return kind, (canonical, port) if kind == socket.AF_INET else (canonical, port, 0, 0)


def _with_zone(address: Address, host: str | None) -> Address:
    """Return *address* with the zone that *host* names (RFC 4007 §11): uvloop forgets it."""
    bare, percent, zone = (host or "").partition("%")
    if not percent or len(address) != 4 or address[3] or "%" in address[0]:
        return address
    try:
        index = int(zone) if zone.isdecimal() else socket.if_nametoindex(zone)
    except OSError:
        raise socket.gaierror(socket.EAI_NONAME, f"no interface {zone!r} for {bare}") from None
    return *address[:3], index


@functools.lru_cache(maxsize=1024)  # a client opens many connections to few addresses
def _parsed(host: str) -> tuple[int | None, str]:
    """Return family and usual spelling of the address *host*, None and *host* if it is a name.

    The kernel knows one spelling, and what is compared with its addresses must have the same.
    """
    import ipaddress  # when the first address is asked for: it takes a while

    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None, host
    if address.version == 4:
        return socket.AF_INET, str(address)
    mapped = address.ipv4_mapped
    return socket.AF_INET6, f"{MAPPED}{mapped}" if mapped else str(address)
