"""Which addresses stay on the kernel's TCP: a list of ``host:port`` patterns.

A pattern says what it looks like: ``localhost:5432``, ``*.internal:*``, ``10.0.0.0/8:6379``,
``[::1]:8000``.  A host is a name, in which ``*`` stands for any characters, or an address, or a
network; a port is a number or ``*``.  Names are compared with what the program asks for and
addresses with where that leads, so the pattern need not be written as the program writes it.
"""

import asyncio
import fnmatch
import ipaddress
import re
import socket
from collections.abc import Iterable
from typing import Final

_LOOPBACK: Final = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1"))
_NAME: Final = re.compile(r"[\w*](?:[\w.*-]*[\w*])?")

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Pattern:
    """One pattern.  Raises :class:`ValueError` for a text that can match nothing."""

    __slots__ = ("name", "networks", "port", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        host, colon, port = text.rpartition(":")
        if not colon or not host:
            raise self._wrong("it has no host or no port")
        if port != "*" and not (port.isascii() and port.isdigit() and 0 < int(port) <= 65_535):
            raise self._wrong(f"{port!r} is no port from 1 to 65535")
        self.port = 0 if port == "*" else int(port)
        self.name = host.lower()
        self.networks: tuple[_Network, ...] = ()
        if self.name == "localhost":
            self.networks = _LOOPBACK
        elif host.startswith("[") and host.endswith("]"):
            self.networks = (self._network(host[1:-1]),)
        elif ":" in host:
            raise self._wrong("an IPv6 address is written in brackets")
        elif "/" in host or host.replace(".", "").isdigit():
            self.networks = (self._network(host),)
        elif not _NAME.fullmatch(host):
            raise self._wrong(f"{host!r} is no name, address or network")

    def _network(self, text: str) -> _Network:
        try:
            return ipaddress.ip_network(text)
        except ValueError as error:
            raise self._wrong(str(error)) from None

    def _wrong(self, why: str) -> ValueError:
        return ValueError(
            f"{self.text!r} matches nothing: {why}; a pattern is host:port, "
            "such as 'localhost:5432', '*.internal:*', '10.0.0.0/8:6379' or '[::1]:8000'"
        )

    def takes_port(self, port: int) -> bool:
        """Return whether *port* is one of those meant."""
        return self.port in (0, port)

    def takes_host(self, host: str) -> bool:
        """Return whether *host*, a name or an address, is one of those meant."""
        address = _address(host)
        if address is None:
            return fnmatch.fnmatchcase(host.lower().rstrip("."), self.name)
        return self.name == "*" or any(address in network for network in self.networks)

    @property
    def is_one_name(self) -> bool:
        """Whether it names one host, whose addresses a resolver knows."""
        return not self.networks and "*" not in self.name


class Rule:
    """The patterns of one loop.

    *patterns*: see above; none leaves nothing to the kernel.  Raises :class:`ValueError` for one
    that can match nothing, and :class:`TypeError` for what is no list of texts.
    """

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        if isinstance(patterns, str):
            raise TypeError(f"a list of patterns was expected, such as [{patterns!r}]")
        texts = list(patterns)
        for text in texts:
            if not isinstance(text, str):
                raise TypeError(f"a pattern such as 'localhost:5432' was expected, got {text!r}")
        self._patterns = [Pattern(text) for text in texts]
        self._left: set[tuple[str, int]] = set()  # addresses of which leaves_at_once() knows

    def __repr__(self) -> str:
        return f"<Rule {', '.join(pattern.text for pattern in self._patterns) or 'none'}>"

    async def leaves(
        self, loop: asyncio.AbstractEventLoop, host: str | None, port: int | str | None
    ) -> bool:
        """Return whether *host* and *port* are left to the kernel's TCP.

        *host*: None or empty for all interfaces, which only ``*`` matches.  Names are looked up
        where a pattern for this port has an address and the program a name, or the other way round;
        one that is not known matches nothing.
        """
        if not self._patterns:
            return False
        host = host or ""
        number = await _number(loop, port)
        patterns = [pattern for pattern in self._patterns if pattern.takes_port(number)]
        if any(pattern.takes_host(host) for pattern in patterns):
            return True
        address = _address(host)
        if address is None:
            if not host or not any(pattern.networks for pattern in patterns):
                return False
            found = await _addresses(loop, host)
            return any(pattern.takes_host(each) for pattern in patterns for each in found)
        for pattern in patterns:
            if pattern.is_one_name and str(address) in await _addresses(loop, pattern.name):
                return True
        return False

    def leaves_at_once(self, host: str, port: int) -> bool:
        """Return whether *port* of *host*, an address, is left to the kernel's TCP.

        It is for calls that can not wait.  The system's resolver is asked for a name in a pattern
        for this port, and if the address has it, never again.
        """
        if (host, port) in self._left:
            return True
        for pattern in self._patterns:
            if pattern.takes_port(port) and (pattern.takes_host(host) or _has(host, pattern)):
                self._left.add((host, port))
                return True
        return False


def _has(host: str, pattern: Pattern) -> bool:
    """Return whether *pattern* is a name that *host*, an address, has."""
    if not pattern.is_one_name:
        return False
    try:
        found = socket.getaddrinfo(pattern.name, None)
    except OSError:
        return False
    return str(_address(host)) in {str(_address(str(info[4][0]))) for info in found}


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


async def _addresses(loop: asyncio.AbstractEventLoop, name: str) -> set[str]:
    try:
        found = await loop.getaddrinfo(name, None)
    except OSError:
        return set()
    return {str(_address(str(info[4][0]))) for info in found}


async def _number(loop: asyncio.AbstractEventLoop, port: int | str | None) -> int:
    """Return the number of *port*, which may be the name of a service; 0 if it has none."""
    if isinstance(port, str) and not port.isdigit():
        try:
            return int((await loop.getaddrinfo(None, port))[0][4][1])
        except OSError:
            return 0
    return int(port or 0)
