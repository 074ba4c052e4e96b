"""What makes an event loop carry TCP over rudp: the methods that it has of its own.

:class:`Carrier` stands before a loop's class and takes what its programs do with TCP; all else, and
what its rule leaves to the kernel, goes on to the loop.  A program that opens its sockets itself
(aiohttp's client does, to race addresses) gives them to ``loop.sock_connect``, which opens
the connection over rudp and leaves the socket as it is: it stands for the connection until
``create_connection(sock=)`` takes that.  A socket that some other process has bound stands for its
address: ``create_server(sock=)`` serves UDP there.  What can not be carried says so; nothing goes
over the kernel's TCP unseen.
"""

import asyncio
import contextlib
import contextvars
import dataclasses
import errno
import functools
import os
import socket
import weakref
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, TypeVar

from rudp.aio.connect import claim, connect_unclaimed, create_connection
from rudp.aio.resolve import resolve
from rudp.aio.rule import Rule
from rudp.aio.server import Server, create_server
from rudp.aio.standing import Arrivals, Standing
from rudp.aio.tls import SSLTransport, start_tls
from rudp.aio.transport import Transport
from rudp.config import Config
from rudp.core.segment.addresses import name_of
from rudp.trace.capture import Capture

T = TypeVar("T")

_PAUSES: Final = (0.01, 0.1)
"""Seconds before one more attempt, where somebody may be about to accept."""

_INTERNET: Final = frozenset({socket.AF_INET, socket.AF_INET6})

_inside: contextvars.ContextVar[bool] = contextvars.ContextVar("rudp_inside", default=False)
"""Whether asyncio's own ``create_connection`` opens a socket, for what is left to the kernel."""


@dataclasses.dataclass(frozen=True)
class Carriage:
    """How a loop carries: what is left to the kernel, and the options of all that is not."""

    rule: Rule = dataclasses.field(default_factory=Rule)
    config: Config = dataclasses.field(default_factory=Config)
    capture: Capture | None = None


if TYPE_CHECKING:
    _Loop = asyncio.AbstractEventLoop
else:
    _Loop = object


class Carrier(_Loop):
    """A mixin for loop classes; see above.  ``carriage`` is the loop's, or its class's.

    :class:`rudp.sim.VirtualLoop` is one of these classes: then programs that know TCP alone run on
    virtual time, and their sockets stand for connections all the same.
    """

    carriage = Carriage()
    _rudp_standing: "weakref.WeakKeyDictionary[socket.socket, Standing] | None" = None
    _rudp_arrivals: "weakref.WeakKeyDictionary[socket.socket, Arrivals] | None" = None

    # -- opening ---------------------------------------------------------------------------------

    async def create_connection(
        self,
        protocol_factory: Callable[[], Any],
        host: str | None = None,
        port: int | None = None,
        *,
        sock: socket.socket | None = None,
        **options: Any,
    ) -> tuple[asyncio.Transport, Any]:
        """Open a connection over rudp, or over the kernel's TCP if the rule says so.

        See :func:`rudp.create_connection`.  *sock*: one that ``sock_connect`` has connected, or of
        a kind that rudp has nothing to do with.  Raises :class:`ValueError` for a TCP socket that
        something else has connected, unless the rule leaves its peer to the kernel.
        """
        carriage = self.carriage
        if sock is None:
            if await carriage.rule.leaves(self, host, port):
                kernels: Any = super()
                opened: tuple[asyncio.Transport, Any] = await kernels.create_connection(
                    protocol_factory, host, port, **options
                )
                return opened
        elif (standing := self._standing.pop(sock, None)) is not None:
            return await claim(standing.take(sock), protocol_factory, **options)
        elif (sock := _as_it_is(sock)).type != socket.SOCK_DGRAM:
            await self._check(sock, "create_connection(sock=)")
            return await super().create_connection(protocol_factory, sock=sock, **options)
        protocols: list[Any] = []

        def once() -> Any:
            if not protocols:
                protocols.append(protocol_factory())
            return protocols[0]  # it has heard nothing of what was refused

        connecting = functools.partial(
            create_connection,
            once,
            host,
            port,
            sock=sock,
            config=carriage.config,
            tracer=carriage.capture,
            **options,
        )
        return await self._patiently(connecting, host, port)

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connect: a TCP socket comes to stand for a connection over rudp.

        It is for ``create_connection(sock=)`` then; the system never hears of it.  If it is
        bound, the connection begins there.  Raises what :func:`rudp.create_connection` raises.
        """
        if not _is_tcp(sock) or _inside.get():
            await super().sock_connect(sock, address)
            return
        if sock in self._standing:
            raise OSError(errno.EISCONN, os.strerror(errno.EISCONN))
        carriage = self.carriage
        if await carriage.rule.leaves(self, *address[:2]):
            await super().sock_connect(sock, address)
            return
        connecting = functools.partial(
            connect_unclaimed,
            address,
            family=sock.family,
            local_addr=_bound_to(sock),
            config=carriage.config,
            tracer=carriage.capture,
        )
        transport = await self._patiently(connecting, *address[:2])
        self._standing[sock] = Standing(sock, transport, self)

    async def _patiently(
        self, connecting: Callable[[], Coroutine[Any, Any, T]], host: str | None, port: Any
    ) -> T:
        """Connect; where it is refused, and a TCP socket has the address, again in a moment.

        A program that accepts one by one may listen there, which nobody hears of until it accepts:
        over the kernel's TCP a client may come before that.
        """
        for pause in _PAUSES:
            try:
                return await connecting()
            except ConnectionRefusedError:
                if not await self._has_tcp_socket(host, port):
                    raise
            await asyncio.sleep(pause)
        try:
            return await connecting()
        except ConnectionRefusedError as error:
            error.add_note(
                f"A TCP socket of this machine has the address.  If it is served by the kernel's "
                f"TCP, leave it to that: tcp=[{name_of((host, port))!r}]"
            )
            raise

    async def _has_tcp_socket(self, host: str | None, port: Any) -> bool:
        for family, address in await resolve(self, host, port):
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                try:
                    probe.bind(address)
                except OSError as error:
                    if error.errno == errno.EADDRINUSE:
                        return True
        return False

    async def _connect_sock(self, *arguments: Any) -> socket.socket:
        """Let asyncio's own ``create_connection`` connect its socket, by ``sock_connect`` too."""
        token = _inside.set(True)
        try:
            sock: socket.socket = await super()._connect_sock(*arguments)  # type: ignore[misc]
        finally:
            _inside.reset(token)
        return sock

    @property
    def _standing(self) -> "weakref.WeakKeyDictionary[socket.socket, Standing]":
        """The sockets that stand for a connection that nobody has taken yet."""
        if self._rudp_standing is None:
            self._rudp_standing = weakref.WeakKeyDictionary()
        return self._rudp_standing

    # -- serving ---------------------------------------------------------------------------------

    async def create_server(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: Any = None,
        port: Any = None,
        *,
        sock: socket.socket | None = None,
        **options: Any,
    ) -> asyncio.AbstractServer:
        """Serve over rudp, or over the kernel's TCP if the rule says so.

        See :func:`rudp.create_server`.  *sock*: a TCP socket that is bound stands for its address,
        at which UDP is served, with ``reuse_port``: several processes that have the same share the
        clients.  If it listens it ceases to, and it is closed with the server.
        """
        if sock is None:
            if await self._leaves_all(host, port):
                return await super().create_server(protocol_factory, host, port, **options)
            return await self._serve(protocol_factory, host, port, **options)
        sock = _as_it_is(sock)
        if _is_tcp(sock):
            address = sock.getsockname()
            if await self.carriage.rule.leaves(self, *address[:2]):
                return await super().create_server(protocol_factory, sock=sock, **options)
            server = await self._serve_in_place_of(sock, protocol_factory, **options)
            server.beside = sock
            return server
        if sock.type != socket.SOCK_DGRAM:
            return await super().create_server(protocol_factory, sock=sock, **options)
        return await self._serve(protocol_factory, sock=sock, **options)

    async def _leaves_all(self, host: Any, port: Any) -> bool:
        """Return whether the kernel serves all of *host*; ValueError if some of it."""
        hosts = [host] if host is None or isinstance(host, str) else list(host)
        left = [await self.carriage.rule.leaves(self, each, port) for each in hosts]
        if any(left) and not all(left):
            raise ValueError(
                f"tcp= leaves some of {hosts!r} to the kernel and not all: each needs its server"
            )
        return any(left)

    async def _serve(
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], *where: Any, **options: Any
    ) -> Server:
        carriage = self.carriage
        return await create_server(
            protocol_factory, *where, config=carriage.config, tracer=carriage.capture, **options
        )

    async def _serve_in_place_of(
        self,
        sock: socket.socket,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        **options: Any,
    ) -> Server:
        """Serve UDP at the address of *sock*, which does not listen any more then."""
        if not sock.getsockname()[1]:
            sock.bind(sock.getsockname())  # as listen() would do for one that is not bound
        host, port = sock.getsockname()[:2]
        hosts = [host]
        if host == "::" and not sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY):
            hosts.append("0.0.0.0")
        server = await self._serve(protocol_factory, hosts, port, **options | {"reuse_port": True})
        with contextlib.suppress(OSError):  # it does not listen, or has its port all the same
            # Who connects to it would wait for ever, as nobody accepts.
            sock.shutdown(socket.SHUT_RDWR)
            sock.bind(sock.getsockname())  # a port that the system has chosen it takes back
        return server

    # -- connections that are open ---------------------------------------------------------------

    async def start_tls(
        self,
        transport: Any,
        protocol: asyncio.BaseProtocol,
        sslcontext: Any,
        **options: Any,
    ) -> Any:
        """Go on with TLS, on the kernel's connections and on rudp's; see :func:`rudp.start_tls`."""
        if isinstance(transport, Transport | SSLTransport):
            return await start_tls(transport, protocol, sslcontext, **options)
        return await super().start_tls(transport, protocol, sslcontext, **options)

    async def sendfile(
        self,
        transport: Any,
        file: Any,
        offset: int = 0,
        count: int | None = None,
        *,
        fallback: bool = True,
    ) -> int:
        """Send a file; over rudp it is read and written, on uvloop too."""
        if isinstance(transport, Transport | SSLTransport):
            # As a plain function: uvloop's loop has no way for transports that are not its own.
            sent: int = await asyncio.BaseEventLoop.sendfile(
                _Sendfile(self),  # type: ignore[arg-type]
                transport,
                file,
                offset,
                count,
                fallback=fallback,
            )
            return sent
        return await super().sendfile(transport, file, offset, count, fallback=fallback)

    # -- sockets that stand for nothing ----------------------------------------------------------

    async def connect_accepted_socket(  # type: ignore[override]
        self, protocol_factory: Callable[[], Any], sock: socket.socket, **options: Any
    ) -> tuple[asyncio.BaseTransport, Any]:
        """Take a connection that ``sock_accept`` has accepted.

        Raises :class:`ValueError` for a TCP socket that something else has, unless the rule leaves
        its peer to the kernel.
        """
        standing = self._standing.pop(sock, None)
        if standing is not None:
            return await claim(standing.take(sock), protocol_factory, server_side=True, **options)
        await self._check(sock, "connect_accepted_socket()")
        return await super().connect_accepted_socket(protocol_factory, sock, **options)

    async def sock_accept(self, sock: socket.socket) -> Any:
        """Accept a connection over rudp at the address of *sock*, and a socket that stands for it.

        It is for ``connect_accepted_socket`` then; anyio's servers do so.  From the first call on
        UDP is served at the address of *sock*, until it is closed, and *sock* listens no more.
        """
        if not _is_tcp(sock):
            return await super().sock_accept(sock)
        if self._rudp_arrivals is None:
            self._rudp_arrivals = weakref.WeakKeyDictionary()
        arrivals = self._rudp_arrivals.get(sock)
        if arrivals is None:
            if await self.carriage.rule.leaves(self, *sock.getsockname()[:2]):
                return await super().sock_accept(sock)
            arrivals = self._rudp_arrivals[sock] = Arrivals(sock, self)
            try:
                arrivals.server = await self._serve_in_place_of(sock, arrivals.hold)
            except BaseException:
                del self._rudp_arrivals[sock]
                raise
        near, transport = await arrivals.accept()
        self._standing[near] = Standing(near, transport, self)
        return near, transport.get_extra_info("peername")

    def add_reader(  # type: ignore[override]
        self, fd: Any, callback: Callable[..., Any], *args: Any
    ) -> None:
        """Watch *fd*, unless it is of a TCP socket that something else has connected."""
        self._check_descriptor(fd, "add_reader()")
        super().add_reader(fd, callback, *args)

    def add_writer(  # type: ignore[override]
        self, fd: Any, callback: Callable[..., Any], *args: Any
    ) -> None:
        """Watch *fd*, unless it is of a TCP socket that something else has connected."""
        self._check_descriptor(fd, "add_writer()")
        super().add_writer(fd, callback, *args)

    async def connect_read_pipe(self, protocol_factory: Callable[[], Any], pipe: Any) -> Any:
        """Read from *pipe*, unless it is a TCP socket, as standard input may be."""
        self._check_descriptor(pipe, "connect_read_pipe()")
        return await super().connect_read_pipe(protocol_factory, pipe)

    async def connect_write_pipe(self, protocol_factory: Callable[[], Any], pipe: Any) -> Any:
        """Write to *pipe*, unless it is a TCP socket, as standard output may be."""
        self._check_descriptor(pipe, "connect_write_pipe()")
        return await super().connect_write_pipe(protocol_factory, pipe)

    def _check_descriptor(self, fd: Any, call: str) -> None:
        """Raise :class:`ValueError` for a TCP socket with a peer that is not the kernel's."""
        try:
            sock = socket.socket(fileno=fd if isinstance(fd, int) else fd.fileno())
        except OSError:  # no socket
            return
        try:
            address = _far_or_near(sock) if _is_tcp(sock) else None
        finally:
            sock.detach()
        if address is not None and not self.carriage.rule.leaves_at_once(*address[:2]):
            raise _refusal(call, address)

    async def _check(self, sock: socket.socket, call: str) -> None:
        """Raise :class:`ValueError` for a TCP socket of a peer that is not the kernel's."""
        if not _is_tcp(sock):
            return
        if sock in self._standing:
            raise ValueError(
                f"{call}: this socket stands for a connection over rudp, which only "
                "create_connection(sock=) or connect_accepted_socket() can take"
            )
        address = _far_or_near(sock) or sock.getsockname()
        if not await self.carriage.rule.leaves(self, *address[:2]):
            raise _refusal(call, address)


def _checking(name: str) -> Callable[..., Any]:
    """Return the method *name* of loops, which has a TCP socket's octets go over it."""

    async def call(self: Carrier, sock: socket.socket, *arguments: Any, **options: Any) -> Any:
        await self._check(sock, f"{name}()")
        return await getattr(super(Carrier, self), name)(sock, *arguments, **options)

    call.__name__, call.__qualname__ = name, f"{Carrier.__name__}.{name}"
    call.__doc__ = "Refuse a TCP socket: ``create_connection(sock=)`` is there for it."
    return call


for _name in (
    "sock_recv", "sock_recv_into", "sock_recvfrom", "sock_recvfrom_into",
    "sock_sendall", "sock_sendfile", "sock_sendto",
):  # fmt: skip
    setattr(Carrier, _name, _checking(_name))


class _Sendfile:
    """As much of a loop as ``sendfile`` wants for a transport that is written to."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.run_in_executor = loop.run_in_executor

    async def _sendfile_fallback(self, *arguments: Any) -> int:
        fallback: Any = asyncio.BaseEventLoop._sendfile_fallback  # type: ignore[attr-defined]
        sent: int = await fallback(self, *arguments)
        return sent


def _is_tcp(sock: socket.socket) -> bool:
    return sock.type == socket.SOCK_STREAM and sock.family in _INTERNET


def _as_it_is(sock: socket.socket) -> socket.socket:
    """Return *sock*, or one in its place if it is of another kind than it says.

    Descriptors from outside are: uvicorn takes what ``--fd`` gives it for a Unix socket.
    """
    there = socket.socket(fileno=sock.fileno())
    if (there.family, there.type) == (sock.family, sock.type):
        there.detach()
        return sock
    sock.detach()
    return there


def _bound_to(sock: socket.socket) -> tuple[str, int] | None:
    """Return the address to which a program has bound *sock*, None if it has not."""
    try:
        host, port = sock.getsockname()[:2]
    except OSError:  # Windows, for one that is not bound
        return None
    return (host, port) if port else None


def _far_or_near(sock: socket.socket) -> Any:
    """Return the peer of *sock*, the own address if it listens, None if it is not connected yet."""
    try:
        return sock.getpeername()
    except OSError:
        listens = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        return sock.getsockname() if listens else None


def _refusal(call: str, address: Any) -> ValueError:
    where = name_of(address)
    return ValueError(
        f"{call}: a socket of the kernel's TCP on a loop that carries TCP over rudp; let the loop "
        f"open it, or leave {where} to the kernel: tcp=[{where!r}]"
    )
