"""Addresses as URLs, ``rudp://[::1]:7777`` or ``tcp://example.org:80``, and how to open them.

The scheme says which network carries the stream: rudp, or the kernel's TCP.  Both are asyncio's
transports and protocols, so whatever runs over one runs over the other.
"""

import argparse
import asyncio
import dataclasses
import ssl
import urllib.parse
from collections.abc import Callable
from typing import Any, Final, Literal, Self, TypeVar

import rudp
from rudp.cli import arguments

P = TypeVar("P", bound=asyncio.BaseProtocol)

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
        """Parse a URL, for argparse; the host may be left out, the port may be 0."""
        wrong = argparse.ArgumentTypeError(
            f"{text!r} is not an address such as rudp://127.0.0.1:7777 or tcp://[::1]:80"
        )
        try:
            parts = urllib.parse.urlsplit(text)
            port = parts.port
        except ValueError:
            raise wrong from None
        extra = parts.path or parts.query or parts.fragment or "@" in parts.netloc
        if parts.scheme not in ("rudp", "tcp") or port is None or extra:
            raise wrong
        host = parts.hostname and arguments.host(parts.hostname)
        return cls(parts.scheme, host or "", port)  # type: ignore[arg-type]  # checked

    @classmethod
    def to_connect(cls, text: str) -> Self:
        """Parse a URL that names a host and a port, for argparse."""
        address = cls.to_listen(text)
        if not address.host or not address.port:
            raise argparse.ArgumentTypeError(f"{text!r} does not say which host and port")
        return address

    async def listen(
        self,
        factory: Callable[[], asyncio.BaseProtocol],
        config: rudp.Config,
        context: ssl.SSLContext | None = None,
        **watching: Any,
    ) -> asyncio.Server | rudp.Server:
        """Accept connections; rudp's use *config* and, if given, TLS with *context*.

        *watching*: ``tracer=``, of rudp's.

        Raises :class:`OSError`.
        """
        host = self.host or None
        if self.scheme == "tcp":
            loop = asyncio.get_running_loop()
            return await loop.create_server(factory, host, self.port, backlog=BACKLOG)
        return await rudp.create_server(
            factory, host, self.port, backlog=BACKLOG, ssl=context, config=config, **watching
        )

    async def connect(
        self, factory: Callable[[], P], config: rudp.Config, **options: Any
    ) -> tuple[asyncio.Transport, P]:
        """Open a connection; rudp's use *config* and, if given, other *options*, such as ``ssl=``.

        Raises :class:`OSError`.
        """
        if self.scheme == "tcp":
            loop = asyncio.get_running_loop()
            return await loop.create_connection(factory, self.host, self.port)
        return await rudp.create_connection(factory, self.host, self.port, config=config, **options)


def addresses(scheme: Literal["rudp", "tcp"], server: Any) -> list[str]:
    """Return where *server* listens."""
    return [str(Address(scheme, *sock.getsockname()[:2])) for sock in server.sockets]


def name(scheme: Literal["rudp", "tcp"], transport: asyncio.BaseTransport) -> str:
    """Return the peer of *transport*."""
    peer = transport.get_extra_info("peername") or ("?", 0)
    return str(Address(scheme, *peer[:2]))
