"""The keywords that the stream functions hand on, by name and type, for editors and type checkers.

They are those of :func:`rudp.create_connection` and :func:`rudp.create_server`, whose signatures
have the defaults; a test holds the two against each other.
"""

import dataclasses
import socket
from ssl import SSLContext
from typing import Final, TypedDict

from rudp.aio.watch import CaptureTo
from rudp.config import Config
from rudp.core.watch.tracer import Tracer
from rudp.keys import MasterKey

_DEFAULT: Final = Config()


def config_of(given: Config | None, key: bytes | None) -> Config:
    """Return the settings that ``config=`` asks for, with ``key=`` for the only master key.

    Raises :class:`TypeError` for what are no settings, :class:`ValueError` if they have keys of
    their own beside *key*, and what :class:`MasterKey` raises.
    """
    config = _DEFAULT if given is None else given
    if not isinstance(config, Config):
        raise TypeError(f"config: a rudp.Config was expected, got {given!r}")
    if key is None:
        return config
    if config.keys:
        raise ValueError("key and config.keys can not be specified at the same time")
    return dataclasses.replace(config, keys=(MasterKey(secret=key),))


class Watching(TypedDict, total=False):
    """What both sides may be given."""

    config: Config | None
    """The settings; None for the defaults."""
    key: bytes | None
    """A secret that both ends have: segments are signed with it, and no others believed."""
    inner_port: int | None
    """The TCP port, where it differs from the UDP port."""
    tracer: Tracer | None
    """Is told what the connections do."""
    capture: CaptureTo | None
    """A file to be made for Wireshark, or a :class:`rudp.trace.Capture`."""
    ssl_handshake_timeout: float | None
    """Seconds in which the TLS handshake must be over; None for 60."""
    ssl_shutdown_timeout: float | None
    """Seconds in which TLS must have said farewell; None for 30."""
    sock: socket.socket | None
    """A UDP socket of the program's own, which then belongs to rudp."""
    flags: int
    """Flags of :func:`socket.getaddrinfo`."""
    family: int
    """AF_INET, AF_INET6, or 0 for both."""


class ConnectOptions(Watching, total=False):
    """The keywords of :func:`rudp.create_connection`."""

    ssl: SSLContext | bool | None
    """A context for TLS, True for the default one."""
    proto: int
    """A protocol number for :func:`socket.getaddrinfo`."""
    local_addr: tuple[str, int] | None
    """Host and UDP port to send from, on a socket of the connection's own."""
    server_hostname: str | None
    """Whom the certificate must name, if it is not the host."""
    happy_eyeballs_delay: float | None
    """Seconds until the next address is tried as well (RFC 8305)."""
    interleave: int | None
    """Addresses of the first family tried before one of the other (RFC 8305 §4)."""
    all_errors: bool
    """Whether an :class:`ExceptionGroup` tells of every address."""
    fast_open: bytes | None
    """The first octets to be sent, with the SYN if the server has let us (RFC 7413)."""


class ServeOptions(Watching, total=False):
    """The keywords of :func:`rudp.create_server`."""

    backlog: int
    """Connections that wait to be accepted, at most."""
    ssl: SSLContext | None
    """A context with a certificate."""
    reuse_address: bool | None
    """False to refuse an address at which nothing but TIME-WAIT records are left."""
    reuse_port: bool | None
    """Whether others that say so too may have the same address."""
    keep_alive: bool | None
    """Whether to probe peers that are quiet."""
    start_serving: bool
    """Whether to accept at once."""
