"""punch: one call on both sides, and each has one end of one connection.

The two sides find each other by addresses that they know, or through a rendezvous; neither listens,
and neither has to be the client.
"""

import asyncio
import dataclasses
import errno
import logging
import math
import os
import socket
from collections.abc import Callable, Sequence
from ssl import SSLContext
from typing import Any, Final, TypedDict, TypeVar, Unpack

from rudp.aio.options import config_of
from rudp.aio.resolve import AddressInfo, resolve
from rudp.aio.streams import LIMIT, StreamProtocol, StreamReader, StreamWriter
from rudp.aio.tls import Tls, secure
from rudp.aio.transport import Transport
from rudp.aio.watch import CaptureTo, watching
from rudp.config import Config
from rudp.core.segment.addresses import name_of
from rudp.core.segment.transmit import Address
from rudp.core.watch.tracer import Tracer
from rudp.nat.endpoint import NatEndpoint
from rudp.nat.greeting import Role
from rudp.nat.holes import LEAD, LEAD_ALONE, RELAYED, Holes, Pair, why_not
from rudp.nat.places import server_of, socket_beside, socket_towards
from rudp.nat.rendezvous import PORT as RENDEZVOUS_PORT
from rudp.nat.room import Meeting, meeting

P = TypeVar("P", bound=asyncio.BaseProtocol)

Remote = tuple[str, int] | Sequence[tuple[str, int]]
"""An address of the peer, or several."""

TIMEOUT: Final = 10.0
"""Seconds in which a way is found, or none."""

WAIT: Final = 10.0
"""Seconds for which a peer may be late."""

RELAY_DELAY: Final = 2.0
"""Seconds for which other ways are tried before the relay."""

INNER_PORT: Final = 40_404
"""The TCP port of both sides where nobody could tell them another: what each has at its own NAT
says nothing about the other's."""

STUN_PORT: Final = 3478

KEEPALIVE_FIRST: Final = 3.0
KEEPALIVE: Final = 25.0
"""Seconds.  A probe 3 s after the first words, which makes a stream of them for a NAT that looks at
the time (Linux: more than 2 s, and it remembers for 120 s instead of 30), then one every 25 s."""

_OTHER: Final[dict[int, int]] = {socket.AF_INET: socket.AF_INET6, socket.AF_INET6: socket.AF_INET}

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


class PunchOptions(TypedDict, total=False):
    """The keywords of :func:`punch` and :func:`create_punched`."""

    rendezvous: str | None
    """The server through which both find each other, ``"rudp://host:port"``, with 7478 if no port
    is said."""
    room: str | None
    """What both have agreed on; who knows it may come in the place of the other."""
    relay: bool
    """Whether to be relayed by the rendezvous where there is no other way."""
    wait: float | None
    """Seconds for which the other may be late, 10 unless given; None for as long as the rendezvous
    keeps us."""
    timeout: float
    """Seconds in which a way must be found once both are there, 10 unless given."""
    config: Config | None
    """The settings; None for the defaults."""
    key: bytes | None
    """A secret of 16 to 80 octets that both have: segments are signed with it, and no others
    believed, so nobody else can be taken for the peer.  The rendezvous does not learn it."""
    ssl: SSLContext | bool | None
    """A context for TLS on the connection that is taken; True for a client's default one."""
    server_side: bool
    """Whether this side is TLS's server; one must be, and the other not.  Needed with *ssl*."""
    server_hostname: str | None
    """The name that must be in the server's certificate, needed for its client; ``""`` for none,
    where the context does not look."""
    ssl_handshake_timeout: float | None
    """Seconds for TLS's handshake, 60 unless given."""
    ssl_shutdown_timeout: float | None
    """Seconds for its end, 30 unless given."""
    tracer: Tracer | None
    """Is told what is tried and how it ends, and what the connections do."""
    capture: CaptureTo | None
    """A file to be made for Wireshark, or a :class:`rudp.trace.Capture`."""


async def create_punched(
    protocol_factory: Callable[[], P],
    local: tuple[str, int] | None = None,
    remote: Remote | None = None,
    **options: Unpack[PunchOptions],
) -> tuple[asyncio.Transport, P]:
    """Do as :func:`punch`, for a protocol: return ``(transport, protocol)``."""
    loop = asyncio.get_running_loop()
    strange = options.keys() - PunchOptions.__annotations__.keys()
    if strange:
        raise TypeError(f"punch has no argument {min(strange)!r}")
    rendezvous, room = options.get("rendezvous"), options.get("room")
    if (remote is None) == (rendezvous is None):
        raise ValueError("either the address of the peer is needed or a rendezvous, and not both")
    if (room is None) != (rendezvous is None) or room == "":
        raise ValueError("a rendezvous and a room go together")
    if not isinstance(room, str | None):
        raise TypeError(f"room must be a str, not {room!r}")
    seconds = options.get("timeout", TIMEOUT)
    if not 0.0 < seconds < math.inf:
        raise ValueError(f"timeout must be seconds above 0, not {seconds!r}")
    patience = options.get("wait", WAIT)
    if patience is not None and not 0.0 < patience < math.inf:
        raise ValueError(f"wait must be seconds above 0, or None, not {patience!r}")
    tls = _tls(options)
    role = Role.NONE if tls is None else Role.SERVER if tls.server_side else Role.CLIENT
    config = _kept_alive(config_of(options.get("config"), options.get("key")))

    def watcher(name: str) -> Tracer | None:
        peer_name = "server" if name == "client" else "client"
        tracer, capture = options.get("tracer"), options.get("capture")
        return watching(loop, tracer=tracer, capture=capture, name=name, peer_name=peer_name)

    if remote is not None:
        found = await _towards(loop, local, remote, seconds, config, role, watcher("client"))
    else:
        assert rendezvous is not None
        assert room is not None
        found = await _through(
            loop, local, rendezvous, room, seconds, config, role, watcher, options
        )
    return await _handed_over(*found, protocol_factory, tls)


async def punch(
    local: tuple[str, int] | None = None,
    remote: Remote | None = None,
    *,
    limit: int = LIMIT,
    **options: Unpack[PunchOptions],
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection to a peer that does the same; return ``(reader, writer)``.

    Both sides call it at about the same time, from behind NATs or not, and have one connection::

        reader, writer = await rudp.punch(rendezvous="rudp://meet.example.org", room="a secret")

    *rendezvous*, *room*: where they find each other.  Or *remote*: the address of the peer as
    others see it, which :func:`mapped_address` tells him, or several; the two then exchange these
    by other means.  *local*: host and UDP port to send from; without it the system's choice.

    *key*, a secret that both have, keeps out whoever knows the room, and whoever runs the
    rendezvous: segments that are not signed with it are not heard, see :func:`create_connection`.

    *ssl* encrypts, which a key does not, and certificates say who the peer is; both go together.
    TLS has roles, so one side has *server_side* True and the other False.

    *limit*: octets that the reader buffers.  *options*: see :class:`PunchOptions`.  If *config* has
    no keep-alive, a probe goes out after 3 s of silence and then every 25 s, for NATs forget.
    ``get_extra_info("punched")`` of the writer tells what the connection leads to: an address of
    the peer's ``"host"``, the ``"mapped"`` one of its NAT, one that it came from without having
    told it, ``"peer-reflexive"``, or ``"relayed"``.

    Raises :class:`TimeoutError`, with what was tried and why, if there was no way, or nobody came;
    what :func:`start_rendezvous` refuses as :class:`OSError`, with EBUSY if there are two in the
    room already, ENOENT if there is no such room, EAGAIN if too many come; EPROTO if what it says
    makes no sense, or if both sides would be the same in TLS; for a handshake of TLS that fails
    what :func:`create_connection` raises.  :class:`ValueError` for arguments that do not go
    together.  Cancelling it leaves nothing behind.
    """
    loop = asyncio.get_running_loop()
    reader = StreamReader(limit=limit, loop=loop)
    protocol = StreamProtocol(reader, None, loop)
    transport, _ = await create_punched(lambda: protocol, local, remote, **options)
    return reader, StreamWriter(transport, protocol, reader, loop)


def _tls(options: PunchOptions) -> Tls | None:
    """Return what is asked for of TLS, None for none; raises as :meth:`Tls.of_client` does."""
    context, server_side = options.get("ssl"), options.get("server_side")
    timeouts = options.get("ssl_handshake_timeout"), options.get("ssl_shutdown_timeout")
    name = options.get("server_hostname")
    if not context:
        if server_side is not None:
            raise ValueError("server_side is only meaningful with ssl")
    elif server_side is None:
        raise ValueError("ssl needs server_side: True on one side, and False on the other")
    if not server_side:
        return Tls.of_client(context, None, name, *timeouts)
    if name is not None:
        raise ValueError("server_hostname is for the side that is not the server")
    return Tls.of_server(context, *timeouts)  # type: ignore[arg-type]  # it looks


async def _handed_over(
    transport: Transport, kind: str, protocol_factory: Callable[[], P], tls: Tls | None
) -> tuple[asyncio.Transport, P]:
    """Give the connection that was taken to the program's protocol, behind TLS with *tls*.

    Raises what has ended it meanwhile, if something has.
    """
    if transport.is_closing():
        raise transport.error or ConnectionResetError(
            errno.ECONNRESET, os.strerror(errno.ECONNRESET)
        )
    logger.info("%r is %s", transport, kind)
    try:
        vars(transport)["punched"] = kind
        protocol = protocol_factory()
        if tls is not None:
            return await secure(transport, protocol, tls), protocol
        transport.set_protocol(protocol)  # from here on it hears what comes
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
    role: Role,
    watcher: Tracer | None,
) -> tuple[Transport, str]:
    """Punch towards addresses that the program knows."""
    found = [info for each in _several(remote) for info in await resolve(loop, *each)]
    infos = list(dict.fromkeys(found))
    sockets: dict[int, NatEndpoint] = {}
    holes = Holes(loop, INNER_PORT, config, role)
    try:
        for family, address in infos:
            if family not in sockets:
                sockets[family] = await socket_towards(loop, (family, address), local, config)
                holes.add(sockets[family])
        pairs = [
            Pair(sockets[family], address, INNER_PORT, "mapped", LEAD_ALONE)
            for family, address in infos
        ]
        ours = [endpoint.sockname[:2] for endpoint in sockets.values()]
        holes.watch(watcher, [(str(host), int(port), "host") for host, port in ours])
        try:
            async with asyncio.timeout(seconds):
                return await holes.punch(pairs, b"")
        except TimeoutError:
            raise _no_way(seconds, pairs, holes) from None
    finally:
        holes.close()


async def _through(
    loop: asyncio.AbstractEventLoop,
    local: tuple[str, int] | None,
    rendezvous: str,
    name: str,
    seconds: float,
    config: Config,
    role: Role,
    watcher: Callable[[str], Tracer | None],
    options: PunchOptions,
) -> tuple[Transport, str]:
    """Punch towards whom a rendezvous tells of."""
    infos = await resolve(loop, *server_of(rendezvous, "rudp", RENDEZVOUS_PORT))
    # By IPv4 the rendezvous sees what the NAT makes of us; IPv6 mostly has none.
    infos.sort(key=lambda info: info[0] != socket.AF_INET)
    (family, server), endpoint = await _first_reached(loop, infos, local, config)
    sockets: dict[int, NatEndpoint] = {family: endpoint}
    inner_port = int(endpoint.sockname[1])
    holes = Holes(loop, inner_port, config, role)
    try:
        holes.add(endpoint)
        others = []
        beside = await socket_beside(loop, family, local, config)
        if beside is not None:
            holes.add(beside)
            sockets[_OTHER[family]] = beside
            others.append((str(beside.sockname[0]), int(beside.sockname[1]), "host"))
        async with meeting(
            endpoint,
            server,
            name,
            inner_port,
            others,
            relay=options.get("relay", False),
            wait=options.get("wait", WAIT),
        ) as met:
            holes.watch(watcher("server" if met.first else "client"), met.mine.addresses)
            pairs = _pairs(met, sockets, endpoint, server)
            try:
                async with asyncio.timeout(seconds):
                    return await holes.punch(pairs, met.secret)
            except TimeoutError:
                raise _no_way(seconds, pairs, holes, verdict(met)) from None
    finally:
        holes.close()


async def _first_reached(
    loop: asyncio.AbstractEventLoop,
    infos: Sequence[AddressInfo],
    local: tuple[str, int] | None,
    config: Config,
) -> tuple[AddressInfo, NatEndpoint]:
    """Return the first address to which this machine has a way, and a socket for that.

    Raises :class:`OSError`, that of the first one, if there is none.
    """
    errors: list[OSError] = []
    for info in infos:
        try:
            return info, await socket_towards(loop, info, local, config)
        except OSError as error:
            errors.append(error)
    try:
        raise errors[0]
    finally:
        errors.clear()  # they hold this frame


def _pairs(
    met: Meeting, sockets: dict[int, NatEndpoint], endpoint: NatEndpoint, server: Address
) -> list[Pair]:
    """Return what is to be tried: what can be reached first, and the relay late."""
    inner = met.peer.inner
    pairs = []
    for host, port, kind in met.peer.addresses:
        ipv6 = ":" in host
        own = sockets.get(socket.AF_INET6 if ipv6 else socket.AF_INET)
        if own is not None:
            remote = (host, port, 0, 0) if ipv6 else (host, port)
            pairs.append(Pair(own, remote, inner, kind, LEAD))
    if met.relay is not None:
        hopeless = met.mine.varies and met.peer.varies
        relay = (server[0], met.relay, *server[2:])
        pairs.append(Pair(endpoint, relay, inner, RELAYED, delay=0.0 if hopeless else RELAY_DELAY))
    return pairs


def verdict(met: Meeting) -> str:
    """Return in words what the NATs of both make of it, "" if nothing is known."""
    mine, theirs = met.mine.varies, met.peer.varies
    relay = "" if met.relay is not None else "; use a relay"
    if mine and theirs:
        return (
            "your NAT gives each destination another port; the other one too: punching cannot "
            f"work{relay}"
        )
    if mine or theirs:
        whose, others = ("your", "the other") if mine else ("the other's", "your")
        return (
            f"{whose} NAT gives each destination another port, and {others} NAT lets in only the "
            f"ports that were spoken to, as it seems: punching cannot work{relay}"
        )
    return ""


def _several(remote: Remote) -> Sequence[tuple[str, int]]:
    """Return the addresses in *remote*.  Raises :class:`TypeError` and :class:`ValueError`."""
    if not remote:
        raise ValueError("the address of the peer is needed")
    found: Sequence[Any] = remote
    if len(remote) == 2 and isinstance(remote[0], str):
        found = [remote]
    for each in found:
        if not (
            isinstance(each, tuple | list)
            and len(each) >= 2
            and isinstance(each[0], str)
            and isinstance(each[1], int)
        ):
            raise TypeError(f"remote must be a host and a port, or several such, not {remote!r}")
        if not 0 < each[1] < 1 << 16:
            raise ValueError(f"remote has port {each[1]}, and 1 to 65535 are ports")
    return [(host, port) for host, port, *_ in found]


def _no_way(seconds: float, pairs: Sequence[Pair], holes: Holes, verdict: str = "") -> TimeoutError:
    holes.give_up(verdict)
    tried = "; ".join(why_not(pair, holes.failures) for pair in pairs)
    what = f"no way to the peer in {seconds:g} s: {tried}"
    if any(pair.endpoint.counts_wrong_keys for pair in pairs):
        what += "; segments came that are not signed with this key"
    return TimeoutError(errno.ETIMEDOUT, f"{what}; {verdict}" if verdict else what)
