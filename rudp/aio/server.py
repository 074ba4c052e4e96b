"""Listening: create_server and the object it returns, with asyncio's whole server interface."""

import asyncio
import dataclasses
import errno
import functools
import socket
import sys
from asyncio import trsock
from collections.abc import Callable, Iterable, Sequence
from ssl import SSLContext
from typing import Any, Final, Self

from rudp.aio.endpoint import Endpoint
from rudp.aio.options import config_of
from rudp.aio.registry import registry_of
from rudp.aio.resolve import AddressInfo, resolve
from rudp.aio.sockets import BoundSocket
from rudp.aio.tls import Tls, outermost
from rudp.aio.transport import Transport
from rudp.aio.watch import CaptureTo, watching
from rudp.config import Config
from rudp.core.demux.listener import Listener
from rudp.core.life.connection import Connection
from rudp.core.watch.tracer import Tracer
from rudp.keys import MasterKey

_NOT_HERE: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""Errors of one address among several that is left out: IPv6 switched off, for instance."""

ProtocolFactory = Callable[[], asyncio.BaseProtocol]


class Held(asyncio.Protocol):
    """The protocol of a connection that somebody takes later: it stays as it is until then.

    *arrived* is called with the transport when it is open.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, arrived: Callable[[Transport], None]
    ) -> None:
        self._arrived = arrived
        self.opened: asyncio.Future[None] = loop.create_future()
        self.opened.add_done_callback(asyncio.Future.exception)  # who is not there is not missed

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open."""
        assert isinstance(transport, Transport)
        self._arrived(transport)


class Server(asyncio.AbstractServer):
    """Accepts connections on one or more UDP sockets.

    ``async with`` closes it at the end.  After :meth:`close` the connections live on;
    :meth:`wait_closed` returns when they are gone.
    """

    beside: socket.socket | None = None
    """A socket that is closed along with it."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        endpoints: Sequence[Endpoint],
        protocol_factory: ProtocolFactory,
        backlog: int,
        config: Config,
        inner_port: int | None,
        tracer: Tracer | None,
        tls: Tls | None,
        *,
        shares: bool,
    ) -> None:
        self._loop = loop
        self._endpoints = list(endpoints)
        self._protocol_factory = protocol_factory
        self._backlog = backlog
        self._config = config
        self._inner_port = inner_port
        self._tracer = tracer
        self._tls = tls
        self._shares = shares
        self._listeners: list[tuple[Endpoint, Listener]] = []
        self._transports: set[Transport] = set()
        self._active = 0
        self._serving = False
        self._closed = False
        self._waiters: list[asyncio.Future[None]] = []
        self._serving_forever: asyncio.Future[None] | None = None

    def __repr__(self) -> str:
        return f"<rudp.Server sockets={self.sockets!r}>"

    # -- what a transport tells ------------------------------------------------------------------

    def attach(self, transport: Transport) -> None:
        """*transport* belongs to this server."""
        self._transports.add(transport)
        self._active += 1

    def detach(self, transport: Transport) -> None:
        """*transport* is closed."""
        self._transports.discard(transport)
        self._active -= 1
        if self._closed and not self._active:
            self._wake()

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _accept(self, endpoint: Endpoint, connection: Connection) -> Transport | None:
        """Make the transport of a new connection."""
        try:
            protocol = self._protocol_factory()
            if self._tls is not None:
                protocol = self._tls.layer(self._loop, protocol)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            connection.abort(self._loop.time())
            endpoint.touch(connection)
            self._loop.call_exception_handler(
                {"message": "Error on accepting a connection", "exception": error}
            )
            return None
        waiter = protocol.opened if isinstance(protocol, Held) else None
        return Transport(self._loop, endpoint, connection, protocol, waiter=waiter, server=self)

    # -- asyncio.Server --------------------------------------------------------------------------

    @property
    def sockets(self) -> tuple[Any, ...]:
        """The UDP sockets it listens on; empty once it is closed."""
        if self._closed:
            return ()
        found: list[Any] = []
        for endpoint in self._endpoints:
            sock = endpoint.socket
            if sock is None:
                found.append(BoundSocket(endpoint.sockname))
            elif isinstance(sock, trsock.TransportSocket):
                found.append(sock)
            else:
                found.append(trsock.TransportSocket(sock))
        return tuple(found)

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """What is behind the sockets, for their ``stats()``; empty once it is closed."""
        return tuple(self._endpoints)

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the event loop it serves on."""
        return self._loop

    def is_serving(self) -> bool:
        """Return whether it accepts connections."""
        return self._serving

    async def start_serving(self) -> None:
        """Begin to accept.  Idempotent; RuntimeError once it is closed."""
        self._start()
        await asyncio.sleep(0)

    def stop_serving(self) -> None:
        """Accept no more until :meth:`start_serving`, and keep the address.  Idempotent.

        Who asks for a connection gets no answer, and asks again, after a second at first: whoever
        listens at the address then is there for him, this server or one that follows.  After
        :meth:`close` he would be refused.
        """
        self._serving = False
        for _, listener in self._listeners:
            listener.pausing = True

    async def step_aside(self) -> None:
        """Accept no more, and leave the address to others that share it (*reuse_port*).

        The connections go on, each peer having a socket of its own here; who asks for a connection
        from where a peer is gets no answer until this server's are gone, as with
        :meth:`stop_serving`.  There is no way back.  Raises :class:`OSError`, with EOPNOTSUPP on
        systems other than Linux and if the address is not shared.
        """
        if not (self._shares and sys.platform == "linux"):
            raise OSError(errno.EOPNOTSUPP, "only a port that is shared, on Linux, can be left")
        self.stop_serving()
        registry = registry_of(self._loop)
        for endpoint in self._endpoints:
            await registry.step_aside(endpoint, self._config)

    def _port_on(self, endpoint: Endpoint) -> int:
        return self._inner_port or int(endpoint.sockname[1])

    def _start(self) -> None:
        if self._closed:
            raise RuntimeError(f"server {self!r} is closed")
        if self._serving:
            return
        self._serving = True
        for _, listener in self._listeners:
            listener.pausing = False
        if self._listeners:
            return
        for endpoint in self._endpoints:
            listener = endpoint.listen(
                self._port_on(endpoint),
                functools.partial(self._accept, endpoint),
                backlog=self._backlog,
                config=self._config,
                tracer=self._tracer,
                shares=self._shares,
            )
            self._listeners.append((endpoint, listener))

    async def serve_forever(self) -> None:
        """Accept until cancelled; then close, the clients too, and wait for them to be gone.

        Clients that have vanished, or do not read what was written for them, are reset after
        ``Config.linger``, and at once if it is cancelled again.
        """
        if self._serving_forever is not None:
            raise RuntimeError(f"server {self!r} is already being awaited on serve_forever()")
        self._start()
        self._serving_forever = self._loop.create_future()
        try:
            await self._serving_forever
        except asyncio.CancelledError:
            try:
                await self._end()
            finally:
                raise
        finally:
            self._serving_forever = None

    async def _end(self) -> None:
        """Close everything in order, as far as the clients let us."""
        self.close()
        self.close_clients()
        gone = self._loop.create_task(self.wait_closed())
        try:
            await asyncio.wait([gone], timeout=self._config.linger)
        finally:
            self.abort_clients()
            await gone

    def set_keys(self, *keys: MasterKey) -> None:
        """Accept connections that are signed with *keys* from now on, for better or worse.

        Those there are go on with theirs, see :func:`rudp.set_keys`.  Without keys none
        is asked for.  Raises :class:`ValueError` for keys that cannot be told apart.
        """
        self._config = dataclasses.replace(self._config, keys=keys)
        for _, listener in self._listeners:
            listener.config = self._config

    def close(self) -> None:
        """Accept no more and free the address.  Connections live on.  Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._serving = False
        for endpoint, listener in self._listeners:
            endpoint.unlisten(listener)
        for endpoint in self._endpoints:
            endpoint.release(self._port_on(endpoint))
        self._listeners.clear()
        self._endpoints.clear()
        if self.beside is not None:
            self.beside.close()
        if self._serving_forever is not None and not self._serving_forever.done():
            self._serving_forever.cancel()
        if not self._active:
            self._wake()

    def close_clients(self) -> None:
        """Close all transports of this server in order, TLS first where there is TLS."""
        for transport in list(self._transports):
            outermost(transport).close()

    def abort_clients(self) -> None:
        """Reset all connections of this server."""
        for transport in list(self._transports):
            transport.abort()

    async def wait_closed(self) -> None:
        """Wait until :meth:`close` was called and the last connection is gone."""
        if self._closed and not self._active:
            return
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._waiters.append(waiter)
        await waiter

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.close()
        await self.wait_closed()


async def create_server(
    protocol_factory: ProtocolFactory,
    host: str | Iterable[str] | None = None,
    port: int | None = None,
    *,
    family: int = socket.AF_UNSPEC,
    flags: int = socket.AI_PASSIVE,
    sock: socket.socket | None = None,
    backlog: int = 100,
    ssl: SSLContext | None = None,
    reuse_address: bool | None = None,
    reuse_port: bool | None = None,
    keep_alive: bool | None = None,
    ssl_handshake_timeout: float | None = None,
    ssl_shutdown_timeout: float | None = None,
    start_serving: bool = True,
    inner_port: int | None = None,
    config: Config | None = None,
    key: bytes | None = None,
    tracer: Tracer | None = None,
    capture: CaptureTo | None = None,
) -> Server:
    """Listen on UDP port *port* of *host*; return a :class:`Server`.

    The arguments are those of :meth:`asyncio.loop.create_server`, and five more: *config*,
    *inner_port*, the TCP port where it is to differ from the UDP port, *tracer*, which is told
    what the accepted connections do, and *capture*, a file to be made for Wireshark or a
    :class:`rudp.trace.Capture`.  *host*: a name, several,
    or None for all interfaces of both families.  *sock*: a UDP socket that is bound already.
    *ssl*: a context with a certificate; a protocol then hears of a connection when its handshake
    is over, and of one whose handshake fails or takes too long nothing.
    *reuse_port*: others that say so too may have the same address; in one loop they share a socket
    and the clients on it, among processes the kernel gives each its part of the clients.
    *reuse_address*: False to refuse an address at which a server of another process has left
    nothing but TIME-WAIT records; while its connections live, it is in use.  *keep_alive* switches
    keep-alive on.

    *key*: a secret of 16 to 80 octets that the other end has as well.  Then each segment is signed
    with it and no other believed (TCP-AO, RFC 5925): to a peer without the key nobody is here.
    It authenticates and does not encrypt; *ssl* does, and both go together.  ``config.keys`` has
    more than one, and says more about each.

    Raises :class:`OSError` with EADDRINUSE if the address is taken, :class:`ValueError` and
    :class:`TypeError` for arguments that do not go together.
    """
    if isinstance(ssl, bool):
        raise TypeError("ssl argument must be an SSLContext or None")
    tls = Tls.of_server(ssl, ssl_handshake_timeout, ssl_shutdown_timeout)
    loop = asyncio.get_running_loop()
    registry = registry_of(loop)
    config = config_of(config, key)
    if keep_alive and not config.keepalive:
        config = dataclasses.replace(config, keepalive=True)
    watcher = watching(loop, tracer=tracer, capture=capture, name="server", peer_name="client")
    endpoints: list[Endpoint] = []
    if sock is not None:
        if host is not None or port is not None:
            raise ValueError("host/port and sock can not be specified at the same time")
        if sock.type != socket.SOCK_DGRAM:
            raise ValueError(f"A UDP socket was expected, got {sock!r}")
        endpoint = await registry.adopt(config, sock, None)
        endpoint.claim(inner_port or int(endpoint.sockname[1]))
        endpoints.append(endpoint)
    else:
        if host is None and port is None:
            raise ValueError("Neither host/port nor sock were specified")
        hosts = [host or None] if host is None or isinstance(host, str) else list(host)
        infos: dict[AddressInfo, None] = {}
        for name in hosts:
            infos.update(
                dict.fromkeys(await resolve(loop, name, port or 0, family=family, flags=flags))
            )
        try:
            for kind, address in infos:
                try:
                    endpoint = await registry.server(
                        kind,
                        address,
                        config,
                        port=inner_port,
                        reuse_address=reuse_address is not False,
                        reuse_port=bool(reuse_port),
                    )
                except OSError as error:
                    if error.errno not in _NOT_HERE:
                        raise
                else:
                    endpoints.append(endpoint)
            if not endpoints:
                raise OSError(
                    errno.EADDRNOTAVAIL,
                    f"could not bind on any address out of {[address for _, address in infos]!r}",
                )
        except BaseException:
            for endpoint in endpoints:
                endpoint.release(inner_port or int(endpoint.sockname[1]))
            raise
    server = Server(
        loop,
        endpoints,
        protocol_factory,
        backlog,
        config,
        inner_port,
        watcher,
        tls,
        shares=bool(reuse_port),
    )
    if start_serving:
        try:
            await server.start_serving()
        except BaseException:
            server.close()
            raise
    return server
