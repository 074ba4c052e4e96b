"""Names to UDP addresses, without asking a resolver about what is an address already."""

import asyncio
import functools
import ipaddress
import socket

from rudp.core.transmit import Address

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
    infos = [(int(kind), tuple(address)) for kind, _, _, _, address in found]
    if not infos:
        raise OSError("getaddrinfo() returned empty list")
    return list(dict.fromkeys(infos))


def _literal(host: str | None, port: int | str | None, family: int) -> AddressInfo | None:
    """Return the address that *host* spells out, None if it is a name."""
    if not host or not isinstance(port, int) or "%" in host:
        return None
    version = _version(host)
    if version is None:
        return None
    if not 0 <= port <= 0xFFFF:
        raise OverflowError("port must be 0-65535.")
    if version == 4:
        return (socket.AF_INET, (host, port)) if family in (0, socket.AF_INET) else None
    return (socket.AF_INET6, (host, port, 0, 0)) if family in (0, socket.AF_INET6) else None


@functools.lru_cache(maxsize=1024)  # a client opens many connections to few addresses
def _version(host: str) -> int | None:
    """Return which version of IP the address *host* is of, None if it is a name."""
    try:
        return ipaddress.ip_address(host).version
    except ValueError:
        return None
