"""Where we are and where servers are: addresses as people write them, and our own."""

import asyncio
import socket
import urllib.parse
from typing import Final

from rudp.aio.kinds import has_real_network
from rudp.aio.registry import registry_of
from rudp.aio.resolve import AddressInfo, resolve
from rudp.config import Config
from rudp.core.segment.transmit import Address
from rudp.nat.endpoint import NatEndpoint

ANY: Final = frozenset({"", "0.0.0.0", "::"})
"""What stands for all addresses of this machine."""


def server_of(text: str, scheme: str, port: int) -> tuple[str, int]:
    """Return host and port of *text*: ``host``, ``host:port``, ``[::1]:port``, also as a URL.

    *scheme*: what may stand before it, with ``:`` or ``://``; *port*: if it says none.  Raises
    :class:`ValueError`.
    """
    wrong = ValueError(f"{text!r} is no address of a host and port such as {scheme}://host:{port}")
    bare = text.removeprefix(f"{scheme}:").removeprefix("//")
    try:
        parts = urllib.parse.urlsplit(f"//{bare}")
        found = parts.port
    except ValueError:
        raise wrong from None
    extra = parts.path or parts.query or parts.fragment or "@" in parts.netloc
    if not parts.hostname or extra or found == 0:
        raise wrong
    return parts.hostname, port if found is None else found


def own_host(family: int, remote: Address) -> str:
    """Return the address of this machine from which *remote* is reached.

    Raises :class:`OSError` if there is no way to it.
    """
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect(remote)  # sends nothing; the kernel looks up its route
        return str(probe.getsockname()[0])


_ELSEWHERE: Final[dict[int, tuple[int, Address]]] = {
    socket.AF_INET: (socket.AF_INET6, ("2001:db8::1", 9, 0, 0)),
    socket.AF_INET6: (socket.AF_INET, ("192.0.2.1", 9)),
}
"""By family the other one, and an address of it that is nobody's (RFC 3849, RFC 5737): which of
ours the way out begins at is the same for all of them."""


async def socket_towards(
    loop: asyncio.AbstractEventLoop,
    info: AddressInfo,
    local: tuple[str, int] | None,
    config: Config,
) -> NatEndpoint:
    """Return a socket of our own, bound to *local* or where the way to *info* begins.

    It is bound to one address of this machine, not to all: what comes and what leaves belong to
    one connection only if both name the same.  Raises :class:`OSError`.
    """
    family, remote = info
    host, port = local or ("", 0)
    bound: Address | None
    if host in ANY and has_real_network(loop):
        host = own_host(family, remote)
    if host in ANY:
        bound = None if not port else ("0.0.0.0" if family == socket.AF_INET else "::", port)
    else:
        ((_, bound), *_) = await resolve(loop, host, port, family=family)
    return await registry_of(loop).bound(config, family, bound, NatEndpoint)


async def socket_beside(
    loop: asyncio.AbstractEventLoop,
    family: int,
    local: tuple[str, int] | None,
    config: Config,
) -> NatEndpoint | None:
    """Return a socket of the other family than *family*, None if this machine has no way there.

    Nor is there one if *local* names a host, which is of one family.
    """
    host, port = local or ("", 0)
    if host not in ANY or not has_real_network(loop):
        return None
    other, remote = _ELSEWHERE[family]
    try:
        bound = own_host(other, remote), port, *remote[2:]
        return await registry_of(loop).bound(config, other, bound, NatEndpoint)
    except OSError:
        return None
