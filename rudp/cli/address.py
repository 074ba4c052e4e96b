"""Addresses, ``example.org:7777``, ``[::1]:7777``, ``tcp://:80``, and how to open them.

The scheme says which network carries the stream: rudp, which it is without one, or the kernel's
TCP.  Both are asyncio's transports and protocols, so whatever runs over one runs over the other.
"""

import argparse
import asyncio
import dataclasses
import re
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final, Literal, Self, TypeVar

import rudp
from rudp.cli import arguments

P = TypeVar("P", bound=asyncio.BaseProtocol)

FORM: Final = "HOST:PORT, [IPV6]:PORT or :PORT, with or without rudp:// or tcp://"

_PARTS: Final = re.compile(r"(?:([^:/]*)://)?(\[[^]]*\]|[^][]*?)(?::([^:]*))?")

BACKLOG: Final = 1024
"""Connections that may be opening at once; a kernel may allow fewer."""


@dataclasses.dataclass(frozen=True)
class Address:
    """Where to listen or to connect; without a host, all addresses of this machine."""

    scheme: Literal["rudp", "tcp"]
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @classmethod
    def to_listen(cls, text: str) -> Self:
        """Parse an address, for argparse; the host may be left out, the port may be 0."""
        found = _PARTS.fullmatch(text)
        if found is None or "/" in found[2]:
            raise _wrong(text, f"it should be {FORM}")
        scheme, host, port = found[1] or "rudp", found[2], found[3]
        if scheme not in ("rudp", "tcp"):
            raise _wrong(text, f"{scheme}:// is neither rudp:// nor tcp://")
        if port is None:
            raise _wrong(text, "it has no port; it should be " + FORM)
        if host.startswith("["):
            host = host[1:-1].replace("%25", "%")  # so the zone of a URL is written (RFC 6874)
            if not _is_ipv6(host):
                raise _wrong(text, f"{host!r} is no IPv6 address")
        elif ":" in host:
            raise _wrong(text, "an IPv6 address needs brackets, as in [::1]:7007")
        elif host:
            host = arguments.host(host)
        return cls(scheme, host, arguments.port(port))  # type: ignore[arg-type]  # checked

    @classmethod
    def to_connect(cls, text: str) -> Self:
        """Parse an address that has a host and a port, for argparse."""
        address = cls.to_listen(text)
        if not address.host or not address.port:
            raise argparse.ArgumentTypeError(f"{text!r} does not say which host and port")
        return address

    async def listen(
        self,
        factory: Callable[[], asyncio.BaseProtocol],
        config: rudp.Config,
        context: ssl.SSLContext | None = None,
        **options: Any,
    ) -> asyncio.Server | rudp.Server:
        """Accept connections; rudp's use *config* and, if given, TLS with *context*.

        *options*: ``family=`` and ``reuse_port=`` of either's ``create_server``, and ``tracer=`` of
        rudp's.  Raises :class:`OSError`.
        """
        host = self.host or None
        if self.scheme == "tcp":
            loop = asyncio.get_running_loop()
            return await loop.create_server(factory, host, self.port, backlog=BACKLOG, **options)
        return await rudp.create_server(
            factory, host, self.port, backlog=BACKLOG, ssl=context, config=config, **options
        )

    async def connect(
        self, factory: Callable[[], P], config: rudp.Config, *, family: int = 0, **options: Any
    ) -> tuple[asyncio.Transport, P]:
        """Open a connection; rudp's use *config* and, if given, other *options*, such as ``ssl=``.

        *family*: of :mod:`socket`, 0 for any.

        Raises :class:`OSError`.
        """
        if self.scheme == "tcp":
            loop = asyncio.get_running_loop()
            return await loop.create_connection(factory, self.host, self.port, family=family)
        return await rudp.create_connection(
            factory, self.host, self.port, family=family, config=config, **options
        )


def addresses(scheme: Literal["rudp", "tcp"], server: Any) -> list[str]:
    """Return where *server* listens."""
    return [str(Address(scheme, *sock.getsockname()[:2])) for sock in server.sockets]


def name(scheme: Literal["rudp", "tcp"], transport: asyncio.BaseTransport) -> str:
    """Return the peer of *transport*."""
    peer = transport.get_extra_info("peername") or ("?", 0)
    return str(Address(scheme, *peer[:2]))


def _wrong(text: str, why: str) -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(f"{text!r} is not an address: {why}")


def _is_ipv6(host: str) -> bool:
    bare, _, zone = host.partition("%")
    try:
        socket.inet_pton(socket.AF_INET6, bare)
    except (OSError, ValueError):
        return False
    return bool(zone) or "%" not in host
