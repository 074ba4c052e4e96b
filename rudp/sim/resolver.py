"""Names without a name server.

A simulated network knows the literals of IPv4 and IPv6 and the names a test has written into
``hosts``; everything else does not exist.  Nothing is asked of the system, so a lookup takes no
time, needs no thread and gives the same answer everywhere.
"""

import functools
import ipaddress
import socket
from collections.abc import Iterator, Sequence
from typing import Final

from rudp.core.segment.transmit import Address

AddressInfo = tuple[int, int, int, str, Address]

_KINDS: Final = (
    (socket.SOCK_STREAM, socket.IPPROTO_TCP),
    (socket.SOCK_DGRAM, socket.IPPROTO_UDP),
)


class Resolver:
    """``getaddrinfo`` over a table: ``hosts`` maps a name to an IP literal or several, in order."""

    def __init__(self) -> None:
        self.hosts: dict[str, str | Sequence[str]] = {"localhost": "127.0.0.1"}

    def getaddrinfo(
        self,
        host: str | bytes | None,
        port: str | bytes | int | None,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002 - the name socket.getaddrinfo gives it
        proto: int = 0,
        flags: int = 0,
    ) -> list[AddressInfo]:
        """Answer as :func:`socket.getaddrinfo` does; raises :class:`socket.gaierror` too."""
        if isinstance(host, bytes):
            host = host.decode("idna")
        if family not in (socket.AF_UNSPEC, socket.AF_INET, socket.AF_INET6):
            raise socket.gaierror(socket.EAI_FAMILY, "ai_family not supported")
        number = _port(port)
        canonical = host or "" if flags & socket.AI_CANONNAME else ""
        infos: list[AddressInfo] = [
            (socket.AddressFamily(found), kind, protocol, canonical, address)
            for found, address in self._addresses(host, number, flags)
            if family in (socket.AF_UNSPEC, found)
            for kind, protocol in _KINDS
            if type in (0, kind) and proto in (0, protocol)
        ]
        if not infos:
            raise socket.gaierror(socket.EAI_NONAME, f"Name or service not known: {host!r}")
        return infos

    def getnameinfo(self, address: Address, flags: int = 0) -> tuple[str, str]:
        """Return a name of *address*'s host, or its literal, and the port as text."""
        host = address[0]
        if not flags & socket.NI_NUMERICHOST:
            for name, literals in self.hosts.items():
                if host in ((literals,) if isinstance(literals, str) else literals):
                    return name, str(address[1])
        return host, str(address[1])

    def _addresses(self, host: str | None, port: int, flags: int) -> Iterator[tuple[int, Address]]:
        literals: Sequence[str]
        if not host:
            literals = ("0.0.0.0", "::") if flags & socket.AI_PASSIVE else ("::1", "127.0.0.1")
        elif host in self.hosts and not flags & socket.AI_NUMERICHOST:
            known = self.hosts[host]
            literals = (known,) if isinstance(known, str) else known
        else:
            literals = (host,)
        for literal in literals:
            found = parse(literal)
            if found is not None:
                yield found[0], socket_address(*found, port)


@functools.lru_cache(maxsize=4096)
def parse(literal: str) -> tuple[int, str] | None:
    """Return the address family and the usual spelling of an IP literal, None if it is none."""
    try:
        address = ipaddress.ip_address(literal)
    except ValueError:
        return None
    return (socket.AF_INET if address.version == 4 else socket.AF_INET6), str(address)


def socket_address(family: int, host: str, port: int) -> Address:
    """Return the address in the form the socket module has for *family*."""
    return (host, port) if family == socket.AF_INET else (host, port, 0, 0)


def _port(port: str | bytes | int | None) -> int:
    try:
        return int(port or 0)
    except ValueError:
        raise socket.gaierror(socket.EAI_SERVICE, f"Servname not supported: {port!r}") from None
