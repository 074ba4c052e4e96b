"""create_connection: from a name to an open connection, as ``loop.create_connection`` does it."""

import asyncio
import errno
import functools
import itertools
import socket
from collections.abc import Callable, Coroutine, Sequence
from ssl import SSLContext
from typing import Any, Protocol, TypeVar

from rudp.aio.endpoint import Endpoint
from rudp.aio.options import config_of
from rudp.aio.race import race
from rudp.aio.registry import Registry, registry_of
from rudp.aio.resolve import AddressInfo, resolve
from rudp.aio.tls import Tls, secure
from rudp.aio.transport import Transport
from rudp.aio.watch import CaptureTo, watching
from rudp.config import Config
from rudp.core.life.connection import Connection
from rudp.core.segment.transmit import Address
from rudp.core.watch.tracer import Tracer

P = TypeVar("P", bound=asyncio.BaseProtocol)
P_co = TypeVar("P_co", bound=asyncio.BaseProtocol, covariant=True)


class Open(Protocol[P_co]):
    """Opens one connection from an endpoint to an address: half of :func:`open_from`."""

    async def __call__(
        self, endpoint: Endpoint, remote: Address, *, local_port: int | None = None
    ) -> tuple[Transport, P_co]: ...


async def create_connection(
    protocol_factory: Callable[[], P],
    host: str | None = None,
    port: int | None = None,
    *,
    ssl: SSLContext | bool | None = None,
    family: int = 0,
    proto: int = 0,
    flags: int = 0,
    sock: socket.socket | None = None,
    local_addr: tuple[str, int] | None = None,
    server_hostname: str | None = None,
    ssl_handshake_timeout: float | None = None,
    ssl_shutdown_timeout: float | None = None,
    happy_eyeballs_delay: float | None = None,
    interleave: int | None = None,
    all_errors: bool = False,
    inner_port: int | None = None,
    config: Config | None = None,
    key: bytes | None = None,
    tracer: Tracer | None = None,
    capture: CaptureTo | None = None,
    fast_open: bytes | None = None,
) -> tuple[asyncio.Transport, P]:
    """Open a connection to *host* and UDP port *port*; return ``(transport, protocol)``.

    The arguments are those of :meth:`asyncio.loop.create_connection`, and six more: *config*,
    *inner_port*, the peer's TCP port where it differs from its UDP port, *tracer*, which is told
    what the connection does, and *capture*, a file to be made for Wireshark or a
    :class:`rudp.trace.Capture`.  *sock*: a UDP socket that is connected already, and then belongs
    to the transport.  *local_addr* gives the connection a socket of its own; otherwise connections
    to the same address share one.

    *key*: a secret of 16 to 80 octets that the other end has as well.  Then each segment is signed
    with it and no other believed (TCP-AO, RFC 5925): to a peer without the key nobody is here.
    It authenticates and does not encrypt; *ssl* does, and both go together.  ``config.keys`` has
    more than one, and says more about each.

    *fast_open*: the first octets to be sent.  To a server that has ``Config.fast_open``, and where
    we have been before on this event loop, they go with the SYN, and the answer is here a round
    trip earlier (RFC 7413); to any other when the connection is open.  A SYN may arrive twice, long
    after its connection as well, and then the server's application gets these octets again, as a
    stream of their own: send only what does no harm twice, such as a question.  If several
    addresses are tried, each may get them.  They go beside neither *ssl*, whose first word is
    TLS's, nor a head start of other addresses; with *key* there is no room for a cookie, and they
    follow the handshake.

    The transport is a :class:`rudp.Transport`; with *ssl*, a context or True for the default one,
    it is asyncio's TLS transport over one, and :mod:`rudp.aio.tls` says how such a stream ends.

    Raises :class:`ConnectionRefusedError`, :class:`TimeoutError` and other :class:`OSError` as
    asyncio's TCP does, :class:`ssl.SSLError` and :class:`ConnectionAbortedError` when the TLS
    handshake fails or takes too long, :class:`socket.gaierror` for an unknown name,
    :class:`ValueError` for arguments that do not go together.  Cancelling it leaves nothing behind.
    """
    tls = Tls.of_client(ssl, host, server_hostname, ssl_handshake_timeout, ssl_shutdown_timeout)
    if fast_open and (tls is not None or happy_eyeballs_delay is not None):
        raise ValueError("fast_open goes with neither ssl nor happy_eyeballs_delay")
    loop = asyncio.get_running_loop()
    registry = registry_of(loop)
    config = config_of(config, key)
    watcher = watching(
        loop,
        tracer=tracer,
        capture=capture,
        name="client",
        peer_name=host or "",
    )
    if sock is not None:
        if host is not None or port is not None:
            raise ValueError("host/port and sock can not be specified at the same time")
        infos = []
    elif host is None and port is None:
        raise ValueError("host and port was not specified and no sock specified")
    else:
        infos = await resolve(loop, host, port, family=family, proto=proto, flags=flags)
    # The application's protocol hears of the connection that is used, of no other, and not of one
    # whose TLS handshake is under way.
    early = tls is None and len(infos) <= 1
    first: Callable[[], Any] = protocol_factory if early else asyncio.Protocol
    open_: Open[Any] = functools.partial(
        open_from, loop, first, config, inner_port, watcher, early=bytes(fast_open or b"")
    )
    if sock is not None:
        opened = await _over_socket(registry, sock, config, open_)
        return await _begun(opened, protocol_factory, tls, early=early)
    locals_ = None
    if local_addr is not None:
        locals_ = await resolve(loop, *local_addr, family=family, proto=proto, flags=flags)
    if interleave is None:
        interleave = 1 if happy_eyeballs_delay is not None else 0
    if interleave:
        infos = _interleave(infos, interleave)
    attempts: list[Callable[[], Coroutine[Any, Any, tuple[Transport, Any]]]] = [
        functools.partial(_to_address, registry, info, locals_, config, open_) for info in infos
    ]
    if happy_eyeballs_delay is not None:
        found = await race(attempts, happy_eyeballs_delay, _abort)
    else:
        found = await _one_by_one(attempts)
    winner, errors = found
    if winner is None:
        try:
            raise _summary(errors, all_errors)
        finally:
            errors.clear()  # they hold this frame
    return await _begun(winner, protocol_factory, tls, early=early)


async def _one_by_one(
    attempts: Sequence[Callable[[], Coroutine[Any, Any, tuple[Transport, P]]]],
) -> tuple[tuple[Transport, P] | None, list[OSError]]:
    """Return what the first attempt that succeeds returns, and the errors of those before it."""
    errors: list[OSError] = []
    for attempt in attempts:
        try:
            return await attempt(), errors
        except OSError as error:
            errors.append(error)
    return None, errors


def _abort(opened: tuple[Transport, Any]) -> None:
    opened[0].abort()


async def _begun(
    opened: tuple[Transport, Any],
    protocol_factory: Callable[[], P],
    tls: Tls | None,
    *,
    early: bool,
) -> tuple[asyncio.Transport, P]:
    """Let data come, once the task that waits for the connection has had its turn.

    With TLS the data is the handshake's, and the application's own protocol takes over after it;
    *early*: that protocol has the connection already.
    """
    transport, protocol = opened
    try:
        if not early:
            protocol = protocol_factory()
        if tls is not None:
            transport.begin()
            return await secure(transport, protocol, tls), protocol
        if not early:
            await transport.introduce(protocol)
        transport.begin()
    except BaseException:
        transport.reset()
        raise
    return transport, protocol


async def connect_unclaimed(
    address: Address,
    *,
    family: int,
    local_addr: tuple[str, int] | None,
    config: Config,
    tracer: Tracer | None,
) -> Transport:
    """Open a connection to *address* that has no protocol until it is given to :func:`claim`.

    Nothing of what the peer says is lost meanwhile.  Raises :class:`OSError`.
    """
    loop = asyncio.get_running_loop()
    infos = await resolve(loop, address[0], address[1], family=family)
    kind, remote = infos[0]
    if address[2:]:
        remote = *remote[:2], *address[2:]  # the zone of a link-local address
    locals_ = None if local_addr is None else await resolve(loop, *local_addr, family=family)
    watcher = watching(loop, tracer=tracer, capture=None, name="client", peer_name="")
    open_: Open[Any] = functools.partial(open_from, loop, asyncio.Protocol, config, None, watcher)
    transport, _ = await _to_address(registry_of(loop), (kind, remote), locals_, config, open_)
    return transport


async def claim(
    transport: Transport,
    protocol_factory: Callable[[], P],
    *,
    server_side: bool = False,
    ssl: SSLContext | bool | None = None,
    server_hostname: str | None = None,
    ssl_handshake_timeout: float | None = None,
    ssl_shutdown_timeout: float | None = None,
    **_: object,
) -> tuple[asyncio.Transport, P]:
    """Give the connection of *transport* a protocol, behind TLS with *ssl*.

    Exceptions are those of :func:`create_connection`, and the connection is gone then.
    """
    try:
        timeouts = ssl_handshake_timeout, ssl_shutdown_timeout
        if server_side:
            tls = Tls.of_server(ssl or None, *timeouts)  # type: ignore[arg-type]  # it looks
        else:
            tls = Tls.of_client(ssl, None, server_hostname, *timeouts)
    except BaseException:
        transport.reset()
        raise
    return await _begun((transport, None), protocol_factory, tls, early=False)


async def _to_address(
    registry: Registry,
    info: AddressInfo,
    locals_: list[AddressInfo] | None,
    config: Config,
    open_: "Open[P]",
) -> tuple[Transport, P]:
    """Try one address of the peer."""
    family, remote = info
    if locals_ is not None:
        local = next((address for kind, address in locals_ if kind == family), None)
        if local is None:
            raise OSError(errno.EAFNOSUPPORT, f"no matching local address with family={family}")
        endpoint = await registry.own(config, family, remote, local)
        return await open_(endpoint, remote, local_port=int(endpoint.sockname[1]))
    endpoint = await registry.client(family, remote, config)
    try:
        return await open_(endpoint, remote)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
    endpoint = await registry.client(family, remote, config, fresh=True)
    return await open_(endpoint, remote)


async def _over_socket(
    registry: Registry, sock: socket.socket, config: Config, open_: "Open[P]"
) -> tuple[Transport, P]:
    """Use the application's own socket."""
    if sock.type != socket.SOCK_DGRAM:
        raise ValueError(f"A UDP socket was expected, got {sock!r}")
    try:
        remote = sock.getpeername()
    except OSError as error:
        raise ValueError(f"A connected UDP socket was expected, got {sock!r}") from error
    endpoint = await registry.adopt(config, sock, remote)
    return await open_(endpoint, remote, local_port=int(endpoint.sockname[1]))


async def open_from(
    loop: asyncio.AbstractEventLoop,
    protocol_factory: Callable[[], P],
    config: Config,
    inner_port: int | None,
    tracer: Tracer | None,
    endpoint: Endpoint,
    remote: Address,
    *,
    local_port: int | None = None,
    early: bytes = b"",
) -> tuple[Transport, P]:
    """Open one connection from *endpoint* and wait for the handshake; *early* is sent first."""
    waiter: asyncio.Future[None] = loop.create_future()

    def sink(connection: Connection) -> Transport:
        return Transport(loop, endpoint, connection, protocol, waiter=waiter)

    try:
        protocol = protocol_factory()
        transport = endpoint.connect(
            remote,
            inner_port or int(remote[1]),
            sink,
            config=config,
            local_port=local_port,
            tracer=tracer,
            early=early,
        )
    except BaseException:
        endpoint.wake()  # it may have been made for this connection alone
        raise
    assert isinstance(transport, Transport)
    try:
        await waiter
    except BaseException as error:
        transport.abort()
        if isinstance(error, OSError):
            _name(error, remote)
        raise
    return transport, protocol


def _name(error: OSError, remote: Address) -> None:
    """Let *error* say in asyncio's words whom it is about."""
    error.strerror = f"Connect call failed {remote!r}"
    error.args = (error.errno, error.strerror)


def _interleave(infos: list[AddressInfo], first: int) -> list[AddressInfo]:
    """Alternate between families after *first* addresses of the first one (RFC 8305 §4)."""
    by_family: dict[int, list[AddressInfo]] = {}
    for info in infos:
        by_family.setdefault(info[0], []).append(info)
    lists = list(by_family.values())
    head = lists[0][: first - 1]
    lists[0] = lists[0][first - 1 :]
    mixed = itertools.chain.from_iterable(itertools.zip_longest(*lists))
    return head + [info for info in mixed if info is not None]


def _summary(errors: list[OSError], all_errors: bool) -> Exception:
    """Return the one exception that stands for *errors*, as asyncio words it.

    One that stands for several has them as its cause, with all that their notes tell.
    """
    if all_errors:
        return ExceptionGroup("create_connection failed", errors)
    first = str(errors[0])
    if all(str(error) == first for error in errors):
        return errors[0]
    text = "Multiple exceptions: " + ", ".join(str(error) for error in errors)
    code = errors[0].errno
    # asyncio's has no errno; but who waits for a refusal should not have to look into all of them.
    same = code is not None and all(error.errno == code for error in errors)
    summary = OSError(code, text) if same else OSError(text)
    summary.__cause__ = ExceptionGroup("create_connection failed", errors)
    return summary
