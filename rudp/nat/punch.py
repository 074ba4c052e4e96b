"""punch: one call on both sides, and each has one end of one connection.

The two sides find each other by addresses that they know, or through a rendezvous; neither listens,
and neither has to be the client.
"""

import asyncio
import dataclasses
import errno
import logging
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from rudp.aio.resolve import resolve
from rudp.aio.streams import LIMIT, StreamProtocol, StreamReader, StreamWriter
from rudp.aio.transport import Transport
from rudp.aio.watch import CaptureTo, watching
from rudp.config import Config
from rudp.core.segment.addresses import name_of
from rudp.core.watch.tracer import Tracer
from rudp.nat.endpoint import NatEndpoint
from rudp.nat.holes import Holes, Pair, why_not
from rudp.nat.places import server_of, socket_towards

P = TypeVar("P", bound=asyncio.BaseProtocol)

Remote = tuple[str, int] | Sequence[tuple[str, int]]
"""An address of the peer, or several."""

TIMEOUT: Final = 10.0
"""Seconds in which a way is found, or none."""

INNER_PORT: Final = 40_404
"""The TCP port of both sides where nobody could tell them another: what each has at its own NAT
says nothing about the other's."""

STUN_PORT: Final = 3478

KEEPALIVE_FIRST: Final = 3.0
KEEPALIVE: Final = 25.0
"""Seconds.  A probe 3 s after the first words, which makes a stream of them for a NAT that looks at
the time (Linux: more than 2 s, and it remembers for 120 s instead of 30), then one every 25 s."""

logger: Final = logging.getLogger("rudp.punch")


async def mapped_address(
    server: str,
    *,
    local_addr: tuple[str, int] | None = None,
    timeout: float | None = 5.0,  # noqa: ASYNC109  # it has a default
    config: Config | None = None,
) -> tuple[str, int]:
    """Return the host and port as which others see *local_addr*, by asking a STUN server.

    *server*: ``"stun.example.org"``, with ``:port`` if that is not 3478.  A NAT remembers the
    answer for some 30 s: :func:`punch` from the same *local_addr* should begin before that.
    *timeout*: seconds; None for the 39.5 s of RFC 8489.

    Raises :class:`ValueError` for what is no address, :class:`socket.gaierror` for an unknown name,
    :class:`TimeoutError` if no answer comes, :class:`OSError` with EPROTO for one of no use.
    """
    loop = asyncio.get_running_loop()
    infos = await resolve(loop, *server_of(server, "stun", STUN_PORT))
    endpoint = await socket_towards(loop, infos[0], local_addr, config or Config())
    endpoint.claim(INNER_PORT, shares=False)
    try:
        async with asyncio.timeout(timeout):
            return await endpoint.ask(infos[0][1])
    except TimeoutError as error:
        if error.errno is not None:
            raise
        what = f"the STUN server at {name_of(infos[0][1])} does not answer"
        raise TimeoutError(errno.ETIMEDOUT, what) from None
    finally:
        endpoint.release(INNER_PORT)


async def create_punched(
    protocol_factory: Callable[[], P],
    local: tuple[str, int] | None = None,
    remote: Remote | None = None,
    *,
    timeout: float = TIMEOUT,  # noqa: ASYNC109  # likewise
    config: Config | None = None,
    tracer: Tracer | None = None,
    capture: CaptureTo | None = None,
) -> tuple[Transport, P]:
    """Do as :func:`punch`, for a protocol: return ``(transport, protocol)``."""
    loop = asyncio.get_running_loop()
    config = _kept_alive(config or Config())
    if remote is None:
        raise ValueError("the address of the peer is needed")
    watcher = watching(loop, tracer=tracer, capture=capture, name="client", peer_name="peer")
    found = await _towards(loop, local, remote, timeout, config, watcher)
    return _handed_over(loop, *found, protocol_factory)


async def punch(
    local: tuple[str, int] | None = None,
    remote: Remote | None = None,
    *,
    limit: int = LIMIT,
    **options: Any,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection to a peer that does the same; return ``(reader, writer)``.

    Both sides call it at about the same time, from behind NATs or not, and have one connection.

    *local*: host and UDP port to send from; without it the system's choice.  *remote*: the address
    of the peer as others see it, which :func:`mapped_address` tells him, or several addresses.

    *timeout*: seconds, 10 by default.  *limit*: octets that the reader buffers.  *config*: as
    elsewhere; without keep-alive in it, a probe goes out after 3 s of silence and then every 25 s,
    for a NAT forgets.  *tracer*, *capture*: as in :func:`create_connection`.

    ``get_extra_info("punched")`` of the writer tells what it leads to: ``"host"``, ``"mapped"``,
    ``"peer-reflexive"`` or ``"relayed"``.

    Raises :class:`TimeoutError`, with what was tried, if there was no way.  Cancelling it leaves
    nothing behind.
    """
    loop = asyncio.get_running_loop()
    reader = StreamReader(limit=limit, loop=loop)
    protocol = StreamProtocol(reader, None, loop)
    transport, _ = await create_punched(lambda: protocol, local, remote, **options)
    return reader, StreamWriter(transport, protocol, reader, loop)


def _handed_over(
    loop: asyncio.AbstractEventLoop,
    transport: Transport,
    kind: str,
    protocol_factory: Callable[[], P],
) -> tuple[Transport, P]:
    """Give the connection that was taken to the program's protocol."""
    logger.info("%r is %s", transport, kind)
    try:
        protocol = protocol_factory()
        transport.set_protocol(protocol)  # from here on it hears what comes
        vars(transport)["punched"] = kind
        protocol.connection_made(transport)
        transport.resume_reading()
    except BaseException:
        transport.reset()
        raise
    return transport, protocol


def _kept_alive(config: Config) -> Config:
    if config.keepalive:
        return config
    return dataclasses.replace(
        config, keepalive=True, keepalive_idle=KEEPALIVE_FIRST, keepalive_interval=KEEPALIVE
    )


async def _towards(
    loop: asyncio.AbstractEventLoop,
    local: tuple[str, int] | None,
    remote: Remote,
    seconds: float,
    config: Config,
    watcher: Tracer | None,
) -> tuple[Transport, str]:
    """Punch towards addresses that the program knows."""
    infos = [info for each in _several(remote) for info in await resolve(loop, *each)]
    sockets: dict[int, NatEndpoint] = {}
    holes = Holes(loop, INNER_PORT, config, watcher)
    try:
        for family, address in infos:
            if family not in sockets:
                sockets[family] = await socket_towards(loop, (family, address), local, config)
                holes.add(sockets[family])
        pairs = [Pair(sockets[family], address, INNER_PORT, "mapped") for family, address in infos]
        try:
            async with asyncio.timeout(seconds):
                return await holes.punch(pairs, b"")
        except TimeoutError:
            raise _no_way(seconds, pairs, holes) from None
    finally:
        holes.close()


def _several(remote: Remote) -> Sequence[tuple[str, int]]:
    if len(remote) == 2 and isinstance(remote[0], str):
        return [remote]  # type: ignore[list-item]
    if not remote:
        raise ValueError("the address of the peer is needed")
    return remote  # type: ignore[return-value]


def _no_way(seconds: float, pairs: Sequence[Pair], holes: Holes, verdict: str = "") -> TimeoutError:
    tried = "; ".join(why_not(pair, holes.failures) for pair in pairs)
    what = f"no way to the peer in {seconds:g} s: {tried}"
    return TimeoutError(errno.ETIMEDOUT, f"{what}; {verdict}" if verdict else what)
