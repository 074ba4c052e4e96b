"""Which endpoints an event loop has, and how a new one gets its socket.

Clients of one remote address share a connected socket, so that a thousand opens and closes cost
a thousand TIME-WAIT records and one descriptor; a server that is bound again while its old
connections live takes its socket over.  An endpoint goes away with its last connection and record,
or quietly with the loop.  It belongs to the process that made it: a child that is forked says
nothing on it, and begins with none.
"""

import asyncio
import errno
import functools
import os
import random
import socket
import sys
import weakref
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from rudp.aio.aside import Told
from rudp.aio.book import Book
from rudp.aio.endpoint import Endpoint, cannot_bind
from rudp.aio.kinds import has_real_network, watches_descriptors
from rudp.aio.news import logger
from rudp.aio.watch import last_words
from rudp.config import Config, DatagramIo
from rudp.core.life.fastopen import Visits
from rudp.core.segment.addresses import is_ipv6
from rudp.core.segment.transmit import Address, Path
from rudp.udp.own import QuietSocket
from rudp.udp.port import Port, Receiver, ask_for_buffers, lend_address
from rudp.udp.portable import PortablePort

if TYPE_CHECKING:
    from rudp.live.door import Door
    from rudp.live.record import Source

_ATTRIBUTE = "_rudp_registry"

E = TypeVar("E", bound=Endpoint)

_SECRET = os.urandom(32)
"""What initial sequence numbers and timestamps are made from (RFC 6528 §3).

One for the process, as a kernel has one for the host: a peer in TIME-WAIT takes the next connection
from the same ports only if both have gone on from the last, be it another socket's (RFC 6191).
"""


_registries: "weakref.WeakSet[Registry]" = weakref.WeakSet()


_keeping = False
"""Whether somebody wants the books kept."""


def _abandon_all() -> None:
    for registry in list(_registries):
        registry.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_all)


def keep_books() -> None:
    """Let every loop write down what ends, from now on (:mod:`rudp.aio.book`)."""
    global _keeping
    _keeping = True
    for registry in registries():
        registry.keep_book()


def registries() -> "list[Registry]":
    """Return those of all loops of this process; any thread may ask."""
    while True:
        try:
            return list(_registries)
        except RuntimeError:  # another thread has just made one
            continue


def registry_of(loop: asyncio.AbstractEventLoop) -> "Registry":
    """Return the registry of *loop*, made when it is first asked for.

    It hangs on the loop itself: a table of loops elsewhere would keep every loop alive, because an
    endpoint knows its loop.
    """
    registry = getattr(loop, _ATTRIBUTE, None)
    if not isinstance(registry, Registry):
        registry = Registry(loop)
        setattr(loop, _ATTRIBUTE, registry)
    return registry


def _port_kind(
    way: DatagramIo,
) -> Callable[[asyncio.AbstractEventLoop, socket.socket, Receiver, Address | None], Port]:
    """Return what makes ports that go this *way*; only Linux has the names that its own needs."""
    if way == "linux":
        from rudp.udp.linux import LinuxPort

        return LinuxPort
    from rudp.udp.selector import SelectorPort

    return SelectorPort


class Registry:
    """The endpoints of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._real = has_real_network(loop)
        self._watches = self._real and watches_descriptors(loop)
        # A loop that plays a seed over again brings its own chance; a real one has the system's.
        chance = getattr(loop, "chance", None)
        self.chance = chance if isinstance(chance, random.Random) else random.SystemRandom()
        self._secret = self.chance.randbytes(32) if chance is not None else _SECRET
        # Connections with keys have a socket apart: it may move, and the others could not.
        self._clients: dict[tuple[Address, DatagramIo, bool], Endpoint] = {}
        self._servers: dict[tuple[Address, DatagramIo], Endpoint] = {}
        self._endpoints: set[Endpoint] = set()
        # A lock lives as long as somebody holds it or waits for it.
        self._opening: weakref.WeakValueDictionary[
            tuple[Address, DatagramIo, bool], asyncio.Lock
        ] = weakref.WeakValueDictionary()
        self._visits = Visits()  # of all endpoints: a server's cookies are for the host
        self._keeper: AsyncGenerator[None, None] | None = None
        self._portable: weakref.WeakSet[PortablePort] = weakref.WeakSet()
        self._door: Door | None = None
        self.book = Book() if _keeping else None
        _registries.add(self)
        # One that knows when nothing will happen any more asks what happened last.
        asked = getattr(loop, "last_words", None)
        if isinstance(asked, list):
            asked.append(self._last_words)
        self._watch_loop()

    # -- what connect and server ask -------------------------------------------------------------

    async def client(
        self, family: int, remote: Address, config: Config, *, fresh: bool = False
    ) -> Endpoint:
        """Return the endpoint whose socket is connected to *remote*.

        *fresh*: make another one, the old having no free port left.  Raises :class:`OSError`.
        """
        key = remote, self._datagram_io(config), bool(config.keys)
        endpoint = self._clients.get(key)
        if endpoint is not None and not (endpoint.closed or fresh):
            return endpoint  # without a lock: nothing is awaited
        lock = self._opening.setdefault(key, asyncio.Lock())
        async with lock:
            endpoint = self._clients.get(key)
            if endpoint is None or endpoint.closed or fresh:
                endpoint = await self._open(Endpoint, config, family, remote=remote)
                self._clients[key] = endpoint
            return endpoint

    async def own(self, config: Config, family: int, remote: Address, local: Address) -> Endpoint:
        """Return a new endpoint bound to *local* and connected to *remote*."""
        return await self._open(Endpoint, config, family, local=local, remote=remote)

    async def bound(self, config: Config, family: int, local: Address | None, kind: type[E]) -> E:
        """Return a new endpoint of *kind* that is bound to *local* and to be shared with nobody.

        None: to whatever the system chooses.
        """
        return await self._open(kind, config, family, local=local)

    async def adopt(self, config: Config, sock: socket.socket, remote: Address | None) -> Endpoint:
        """Return a new endpoint for *sock*, a UDP socket, connected to *remote* if that is given.

        The endpoint owns the socket from now on.
        """
        return await self._open(Endpoint, config, sock.family, sock=sock, remote=remote)

    async def server(
        self,
        family: int,
        local: Address,
        config: Config,
        *,
        port: int | None,
        reuse_address: bool,
        reuse_port: bool,
    ) -> Endpoint:
        """Return an endpoint bound to *local*, new or left over from a closed server.

        *port*: the TCP port to claim on it, None for the number of the UDP port.  *reuse_address*:
        also where a server of another process has left nothing but TIME-WAIT records.
        """
        key = local, self._datagram_io(config)
        endpoint = self._servers.get(key)
        if endpoint is None or endpoint.closed or endpoint.aside or not local[1]:
            endpoint = await self._open(
                Endpoint,
                config,
                family,
                local=local,
                reuse_address=reuse_address,
                reuse_port=reuse_port,
            )
            self._servers[endpoint.sockname, key[1]] = endpoint
        elif endpoint.lent:
            # EADDRINUSE if another process has borrowed it meanwhile.
            _make_socket(family, local, None, reuse_address=True, reuse_port=reuse_port).close()
            endpoint.take_back()
        endpoint.claim(port or int(endpoint.sockname[1]), shares=reuse_port)
        return endpoint

    async def step_aside(self, endpoint: Endpoint, config: Config) -> None:
        """Leave the address of *endpoint* to others that share it; see :mod:`rudp.aio.aside`."""
        if not self._real or endpoint.aside:
            return
        way, family = self._datagram_io(config), endpoint.socket.family
        host, port, *rest = endpoint.sockname

        async def make(path: Path) -> Port:
            peer, local = path
            sock = _make_socket(
                family, (local or host, port, *rest), peer, reuse_address=False, reuse_port=True
            )
            return await self._open_port(way, family, None, Told(endpoint, local), None, sock)

        await endpoint.step_aside(make)

    def abandon(self) -> None:
        """In a process that was forked: all endpoints that have a socket are the parent's."""
        if self._door is not None:
            self._door.abandon()
            self._door = None
        for endpoint in list(self._endpoints):
            if endpoint.socket is not None:
                endpoint.abandon()

    def sources(self) -> "list[Source]":
        """Return the endpoints for who wants to see their connections, by address."""
        return sorted(self._endpoints, key=lambda each: repr(each.sockname))

    # -- inside ----------------------------------------------------------------------------------

    def _datagram_io(self, config: Config) -> DatagramIo:
        """Return the way to sockets that *config* asks for, or the fastest there is.

        Raises :class:`RuntimeError` if there is no such way here.
        """
        asked = config.datagram_io
        if asked == "portable" or (asked == "auto" and not self._watches):
            return "portable"
        if not self._watches:
            raise RuntimeError(
                f"datagram_io={asked!r} needs a loop that watches sockets (add_reader), which "
                f"{self.loop!r} is not known to do"
            )
        if asked == "linux" and sys.platform != "linux":
            raise RuntimeError("datagram_io='linux' needs Linux")
        if asked == "auto":
            return "linux" if sys.platform == "linux" else "selector"
        return asked

    async def _open(
        self,
        kind: type[E],
        config: Config,
        family: int,
        *,
        local: Address | None = None,
        remote: Address | None = None,
        sock: socket.socket | None = None,
        reuse_address: bool = False,
        reuse_port: bool = False,
    ) -> E:
        """Make an endpoint of *kind* and its socket."""
        way = self._datagram_io(config)
        await self._keep()
        loop = self.loop
        endpoint = kind(
            loop,
            config,
            secret=self._secret,
            chance=self.chance,
            connected=remote,
            real=self._real,
            on_empty=self._forget,
            reopen=functools.partial(self._open_port, way, family, remote),
            visits=self._visits,
        )
        if self._real and sock is None:
            sock = _make_socket(
                family, local, remote, reuse_address=reuse_address, reuse_port=reuse_port
            )
        endpoint.attach(
            await self._open_port(way, family, remote, endpoint, local, sock, reuse_port)
        )
        self._endpoints.add(endpoint)
        endpoint.book = self.book
        if self._door is None and _is_visible(config):
            self._open_door()
        return endpoint

    def _open_door(self) -> None:
        """Let others of this user see the connections, if the system has a way."""
        if not self._watches:
            return
        from rudp.live.door import Door  # for who is visible alone

        try:
            self._door = Door(self.loop, self.sources)
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            logger.warning("rudp ss will not see this program: %s%s", where, error.strerror)

    async def _open_port(
        self,
        way: DatagramIo,
        family: int,
        remote: Address | None,
        endpoint: Receiver,
        local: Address | None,
        sock: socket.socket | None = None,
        reuse_port: bool = False,
    ) -> Port:
        """Make a port of *endpoint*, of *sock* or a new socket."""
        if self._real and sock is None:
            sock = _make_socket(family, local, remote, reuse_address=False, reuse_port=False)
        if way == "portable":
            if sock is not None:
                ask_for_buffers(sock)  # the others do so by themselves
            return await self._open_portable(endpoint, sock, family, local, remote, reuse_port)
        assert sock is not None
        return _port_kind(way)(self.loop, _own(sock), endpoint, remote)

    async def _open_portable(
        self,
        endpoint: Receiver,
        sock: socket.socket | None,
        family: int,
        local: Address | None,
        remote: Address | None,
        reuse_port: bool,
    ) -> PortablePort:
        port = PortablePort(endpoint, remote)
        self._portable.add(port)
        options: dict[str, Any] = {}
        if sock is not None:
            options["sock"] = sock
        else:
            options["family"] = family
            if local is not None:
                options["local_addr"] = local[:2]
            if remote is not None:
                options["remote_addr"] = remote[:2]
            if reuse_port:
                options["reuse_port"] = True
        try:
            await self.loop.create_datagram_endpoint(lambda: port, **options)
        except BaseException:
            port.close()
            if sock is not None:
                sock.close()
            raise
        return port

    def _last_words(self) -> Iterator[str]:
        """Yield lines about what each connection did last."""
        now = self.loop.time()
        for endpoint in self.sources():
            for connection in endpoint.connections:
                yield from last_words(connection, endpoint.sockname, now)

    @property
    def endpoints(self) -> list[Endpoint]:
        """All that are open."""
        return list(self._endpoints)

    def keep_book(self) -> None:
        """Write down what ends, from now on."""
        if self.book is None:
            self.book = Book()
            for endpoint in self.endpoints:
                endpoint.book = self.book

    def _forget(self, endpoint: Endpoint) -> None:
        if self.book is not None:
            self.book.left(endpoint.sockname, endpoint.connected is None, endpoint.stats())
        self._endpoints.discard(endpoint)
        for client in [key for key, value in self._clients.items() if value is endpoint]:
            del self._clients[client]
        for server in [key for key, value in self._servers.items() if value is endpoint]:
            del self._servers[server]

    async def _keep(self) -> None:
        """Have the loop tell us when it shuts down.

        The only notice a loop gives is ``shutdown_asyncgens()``, which ``asyncio.run`` calls: it
        finishes every generator that is still waiting, this one among them.
        """
        if self._keeper is None:
            self._keeper = self._wait_for_shutdown()
            await anext(self._keeper)

    async def _wait_for_shutdown(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            self._keeper = None
            try:
                await asyncio.gather(*[endpoint.leave() for endpoint in self._endpoints])
            finally:  # all is delivered, or somebody is in a hurry
                self._shut_down()
            await asyncio.sleep(0)  # the loop's own transports close one turn later

    def _shut_down(self) -> None:
        if self._door is not None:
            self._door.close()
            self._door = None
        for endpoint in list(self._endpoints):
            endpoint.shut_down()

    def _watch_loop(self) -> None:
        """Hear of ``loop.close()``, which comes without ``shutdown_asyncgens()`` now and then.

        Nothing tells of it, so this takes its place; the sockets are closed before the loop is.
        """
        loop = self.loop
        close = loop.close

        def close_sockets_too() -> None:
            if not loop.is_running():  # else it is about to raise
                self._shut_down()
                for port in list(self._portable):
                    port.close_now()
                vars(loop).pop("close", None)
                vars(loop).pop(_ATTRIBUTE, None)
            close()

        loop.close = close_sockets_too  # type: ignore[method-assign]


def _is_visible(config: Config) -> bool:
    """Return whether others are to see the connections: the environment goes before *config*."""
    asked = os.environ.get("RUDP_VISIBLE", "")
    return config.visible if asked not in ("0", "1") else asked == "1"


def _own(sock: socket.socket) -> socket.socket:
    """Return *sock* as a socket that nobody has to close in a hurry."""
    if isinstance(sock, QuietSocket):
        return sock
    return QuietSocket(sock.family, sock.type, sock.proto, fileno=sock.detach())


def _make_socket(
    family: int,
    local: Address | None,
    remote: Address | None,
    *,
    reuse_address: bool,
    reuse_port: bool,
) -> socket.socket:
    """Return a UDP socket, bound and connected as asked.

    Raises :class:`OSError`; for an address that cannot be bound with asyncio's words.
    """
    sock = QuietSocket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        if reuse_port:
            if not hasattr(socket, "SO_REUSEPORT"):
                raise ValueError("reuse_port not supported by socket module")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            mapped = remote is not None and not is_ipv6(str(remote[0]))
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not mapped)
        if local is not None:
            try:
                _bind(sock, local, reuse_address=reuse_address)
            except OSError as error:
                raise cannot_bind(error.errno or 0, local) from None
        if remote is not None:
            sock.connect(remote)
    except BaseException:
        sock.close()
        raise
    return sock


def _bind(sock: socket.socket, local: Address, *, reuse_address: bool) -> None:
    """Bind *sock*; with *reuse_address* also to what its last user lends."""
    try:
        sock.bind(local)
    except OSError as error:
        if error.errno != errno.EADDRINUSE or not (reuse_address and lend_address(sock, True)):
            raise
        sock.bind(local)
        lend_address(sock, False)
