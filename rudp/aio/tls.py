"""TLS inside a connection: asyncio's own TLS layer, over any transport and on any loop.

The layer is a protocol to the transport below and a transport to the protocol above, so TLS knows
nothing of UDP and the rest of rudp nothing of TLS.  asyncio's loops bring it along; uvloop's takes
only uvloop's own transports, so here the layer is made without asking the loop.

A FIN can be forged by whoever sees the segments, so TLS ends a stream with a word of its own,
close_notify (RFC 8446 §6.1).  asyncio takes a FIN without it for the end of the stream.  Here it is
an error: the protocol hears no ``eof_received``, and :class:`ssl.SSLEOFError` in
``connection_lost``; a reader raises it.  It is no fault of the other direction: what was written is
delivered, and the writer of who has not read past the cut closes in order.
"""

import asyncio
import dataclasses
import ssl
import traceback
from asyncio import sslproto
from asyncio.sslproto import AppProtocolState, SSLProtocolState
from typing import TYPE_CHECKING, Any, Self

from rudp.aio.flow import taken_over


@dataclasses.dataclass(frozen=True)
class Tls:
    """What the ``ssl`` arguments of one call ask for.

    *context*: None makes a client's default one.  Time-outs: seconds, None for asyncio's defaults
    (60 for the handshake, 30 for the exchange of close_notify).
    """

    context: ssl.SSLContext | None
    server_side: bool = False
    server_hostname: str | None = None
    handshake_timeout: float | None = None
    shutdown_timeout: float | None = None

    def __post_init__(self) -> None:
        """Refuse time-outs that are no time."""
        for name in ("handshake_timeout", "shutdown_timeout"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"ssl_{name} should be a positive number, got {value}")

    @classmethod
    def of_client(
        cls,
        context: ssl.SSLContext | bool | None,
        host: str | None,
        server_hostname: str | None,
        handshake_timeout: float | None,
        shutdown_timeout: float | None,
    ) -> Self | None:
        """Return what the arguments of ``create_connection`` ask for, None for no TLS.

        Raises :class:`TypeError` and :class:`ValueError` as asyncio does.
        """
        if not context:
            if server_hostname is not None:
                raise ValueError("server_hostname is only meaningful with ssl")
            _refuse_timeouts(handshake_timeout, shutdown_timeout)
            return None
        if server_hostname is None:
            if not host:
                raise ValueError("You must set server_hostname when using ssl without a host")
            server_hostname = host
        return cls(
            None if context is True else _checked(context),
            server_hostname=server_hostname,
            handshake_timeout=handshake_timeout,
            shutdown_timeout=shutdown_timeout,
        )

    @classmethod
    def of_server(
        cls,
        context: ssl.SSLContext | None,
        handshake_timeout: float | None,
        shutdown_timeout: float | None,
    ) -> Self | None:
        """Return what the arguments of ``create_server`` ask for, None for no TLS."""
        if context is None:
            _refuse_timeouts(handshake_timeout, shutdown_timeout)
            return None
        return cls(
            _checked(context),
            server_side=True,
            handshake_timeout=handshake_timeout,
            shutdown_timeout=shutdown_timeout,
        )

    def layer(
        self,
        loop: asyncio.AbstractEventLoop,
        protocol: asyncio.BaseProtocol,
        waiter: "asyncio.Future[None] | None" = None,
        *,
        call_connection_made: bool = True,
    ) -> "Layer":
        """Return a layer below *protocol*; *waiter* hears how the handshake went.

        Raises :class:`ValueError` if the context cannot do with the host name.
        """
        return Layer(
            loop,
            protocol,
            self.context,  # None is fine for a client
            waiter,
            self.server_side,
            self.server_hostname,
            call_connection_made=call_connection_made,
            ssl_handshake_timeout=self.handshake_timeout,
            ssl_shutdown_timeout=self.shutdown_timeout,
        )


class SSLTransport(sslproto._SSLProtocolTransport):
    """asyncio's TLS transport, which may be closed more than once."""

    def close(self) -> None:
        """Say close_notify, wait for the peer's, and close the transport below.  Idempotent."""
        if not self.is_closing():
            super().close()


class Layer(sslproto.SSLProtocol):
    """asyncio's TLS layer, which does not take a cut stream for a whole one."""

    _below: asyncio.BaseTransport | None = None
    _cut: ssl.SSLEOFError | None = None
    _late: BaseException | None = None  # what ended the connection below, while octets were unread
    if TYPE_CHECKING:  # what the type stubs leave out
        _state: SSLProtocolState
        _app_state: AppProtocolState
        _app_protocol: asyncio.BaseProtocol
        _app_reading_paused: bool
        _app_writing_paused: bool
        _eof_received: bool
        _incoming: ssl.MemoryBIO
        _ssl_shutdown_timeout: float
        _shutdown_timeout_handle: asyncio.TimerHandle | None
        _transport: Any
        _sslobj: Any
        _app_transport: Any

        def _set_state(self, new_state: SSLProtocolState) -> None: ...
        def _get_read_buffer_size(self) -> int: ...
        def _call_eof_received(self) -> None: ...
        def _do_read(self) -> None: ...
        def _check_shutdown_timeout(self) -> None: ...
        def _on_shutdown_complete(self, shutdown_exc: BaseException | None) -> None: ...

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # A quarter of a MiB, for transports other than rudp's; get_buffer makes it anew for them.
        self._ssl_buffer = bytearray()
        self._ssl_buffer_view = memoryview(self._ssl_buffer)

    def pieces_received(self, pieces: list[bytes]) -> None:
        """Octets have come; rudp's transport gives them as they are, and they are copied once."""
        for piece in pieces:
            self._incoming.write(piece)
        self.buffer_updated(0)  # more than nothing has been, all the same

    def _get_app_transport(self) -> SSLTransport:
        if self._app_transport is None:
            self._app_transport = SSLTransport(self._loop, self)
        transport: SSLTransport = self._app_transport
        return transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake."""
        self._below = transport
        super().connection_made(transport)

    def _set_app_protocol(self, app_protocol: asyncio.BaseProtocol) -> None:
        before = getattr(self, "_app_protocol", None)  # asyncio's constructor calls this first
        if before is not None and self._app_writing_paused:
            self._app_writing_paused = taken_over(self._loop, before, app_protocol)
        super()._set_app_protocol(app_protocol)

    def take_unread(self, reader: asyncio.StreamReader) -> None:
        """Take what *reader* has of the stream already: the peer's handshake, if it was quick.

        Left there it would be read as if TLS had protected it.
        """
        unread: bytearray = reader._buffer  # type: ignore[attr-defined]
        if unread:
            self._incoming.write(unread)
            unread.clear()
            reader._maybe_resume_transport()  # type: ignore[attr-defined]

    def _get_extra_info(self, name: str, default: Any = None) -> Any:
        # asyncio forgets the addresses with the connection; a log line may want them later.
        if name in self._extra or self._below is None:
            return self._extra.get(name, default)
        return self._below.get_extra_info(name, default)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Tell the protocol if it knows of the connection: before ``start_tls`` it was its own."""
        if self._state is SSLProtocolState.DO_HANDSHAKE:
            self._set_state(SSLProtocolState.UNWRAPPED)
        if exc is not None and self._holds_unread:
            self._late = exc
        else:
            super().connection_lost(exc or self._cut)

    @property
    def _holds_unread(self) -> bool:
        """Whether the protocol has paused, and there is something left for it."""
        if not (self._app_reading_paused and self._expects_more):
            return False
        return bool(self._incoming.pending or self._sslobj.pending())

    def _resume_reading(self) -> None:
        super()._resume_reading()  # type: ignore[misc]
        if self._late is not None:
            self._loop.call_soon(self._lose_late)

    def _lose_late(self) -> None:
        """Tell what was kept back, if all that came before was read or nobody wants it."""
        if self._late is not None and not self._holds_unread:
            late, self._late = self._late, None
            super().connection_lost(late)

    def _on_handshake_complete(self, handshake_exc: BaseException | None) -> None:
        super()._on_handshake_complete(handshake_exc)
        if isinstance(handshake_exc, BaseException):
            # Before Python 3.13 the frame that has raised it holds it, and so does this one.
            traceback.clear_frames(handshake_exc.__traceback__)
            del handshake_exc

    @property
    def _expects_more(self) -> bool:
        """Whether the protocol has neither been told of the end nor closed."""
        told = self._app_state is not AppProtocolState.STATE_CON_MADE
        return not told and not self._app_transport.is_closing()

    def _do_read__buffered(self) -> None:
        # asyncio's fills slices of the buffer, which of a bytearray are copies, and leaves for
        # later what does not fit, when a FIN may have ended all reading.
        protocol = self._app_protocol
        assert isinstance(protocol, asyncio.BufferedProtocol)
        try:
            while not self._app_reading_paused and self._expects_more:
                buffer = memoryview(protocol.get_buffer(self._get_read_buffer_size())).cast("B")
                if not buffer:
                    raise RuntimeError("get_buffer() returned an empty buffer")
                count = self._sslobj.read(len(buffer), buffer)
                if not count:  # close_notify
                    self._call_eof_received()
                    self._start_shutdown()
                    return
                protocol.buffer_updated(count)
                if self._app_protocol is not protocol:
                    self._do_read()
                    return
        except sslproto.SSLAgainErrors:
            pass  # no more for now

    def _start_shutdown(self) -> None:
        if self._late is not None:
            self._loop.call_soon(self._lose_late)
        elif (error := getattr(self._below, "error", None)) is not None:
            self._abort(error)  # nobody is there to say farewell to
        elif self._state is SSLProtocolState.FLUSHING and self._app_reading_paused:
            # FIN came while the protocol did not read.  Now that it closes it never will.
            self._do_flush()
        else:
            super()._start_shutdown()

    def _do_flush(self) -> None:
        self._do_read()
        if self._app_reading_paused and self._expects_more:
            return  # the rest is delivered when it reads again
        self._set_state(SSLProtocolState.SHUTDOWN)
        self._do_shutdown()

    def _do_shutdown(self) -> None:
        if self._eof_received and self._expects_more:
            self._cut_short()
            return
        # What the peer was still sending when we closed nobody wants; OpenSSL takes it for a fault.
        try:
            while self._sslobj.read(self.max_size):
                pass
        except (*sslproto.SSLAgainErrors, ssl.SSLZeroReturnError):
            pass  # no more for now, or for ever
        except ssl.SSLError as error:
            self._on_shutdown_complete(error)
            return
        super()._do_shutdown()  # type: ignore[misc]

    def _cut_short(self) -> None:
        """The peer has left without a farewell; it may still want what was written."""
        self._cut = ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "the stream ended without close_notify")
        if self._shutdown_timeout_handle is None:
            self._shutdown_timeout_handle = self._loop.call_later(
                self._ssl_shutdown_timeout, self._check_shutdown_timeout
            )
        self._loop.call_soon(self._transport.close)

    def _abort(self, exc: BaseException | None = None) -> None:
        # Python 3.13 has it with the argument; before, its callers passed it all the same.
        self._set_state(SSLProtocolState.UNWRAPPED)
        if self._late is not None:
            self._loop.call_soon(self._lose_late)
        elif self._transport is not None:
            self._transport._force_close(exc)


async def secure(
    transport: asyncio.Transport,
    protocol: asyncio.BaseProtocol,
    tls: Tls,
    *,
    call_connection_made: bool = True,
) -> asyncio.Transport:
    """Put a layer between *transport* and *protocol*; return its transport after the handshake.

    Raises :class:`ssl.SSLError` (:class:`ssl.SSLCertVerificationError` among them),
    :class:`ConnectionAbortedError` if the handshake takes too long, and
    :class:`ConnectionResetError` if the peer leaves in the middle of it.  The connection is gone
    then, as it is after a cancellation.
    """
    if transport.is_closing():
        raise ConnectionResetError("Connection lost before the TLS handshake")
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[None] = loop.create_future()
    layer = tls.layer(loop, protocol, waiter, call_connection_made=call_connection_made)
    secured: asyncio.Transport = layer._app_transport
    transport.set_protocol(layer)
    reader = getattr(protocol, "_stream_reader", None)
    if isinstance(reader, asyncio.StreamReader) and not call_connection_made:
        layer.take_unread(reader)
    layer.connection_made(transport)
    transport.resume_reading()
    try:
        await waiter
    except BaseException:
        transport.abort()
        raise
    finally:
        del waiter  # its exception holds this frame
    if layer._app_transport is None:
        raise ConnectionAbortedError("The connection was closed during the TLS handshake")
    return secured


async def start_tls(
    transport: asyncio.WriteTransport,
    protocol: asyncio.BaseProtocol,
    sslcontext: ssl.SSLContext,
    *,
    server_side: bool = False,
    server_hostname: str | None = None,
    ssl_handshake_timeout: float | None = None,
    ssl_shutdown_timeout: float | None = None,
) -> asyncio.Transport:
    """Do what ``loop.start_tls`` does, on every loop: go on with TLS on an open connection.

    *transport*: rudp's, or a TLS transport over one.  Returns the transport that *protocol* must
    use from now on.  Exceptions: those of :func:`rudp.create_connection` with ``ssl=``, and
    :class:`TypeError` for a transport or a context of another kind.
    """
    able = getattr(transport, "_start_tls_compatible", False)
    if not able or not isinstance(transport, asyncio.Transport):
        raise TypeError(f"transport {transport!r} is not supported by start_tls()")
    tls = Tls(
        _checked(sslcontext),
        server_side,
        server_hostname,
        ssl_handshake_timeout,
        ssl_shutdown_timeout,
    )
    return await secure(transport, protocol, tls, call_connection_made=False)


def outermost(transport: asyncio.Transport) -> asyncio.Transport:
    """Return what stands at the top of *transport*: the TLS transport, once there is TLS."""
    while True:
        layer = transport.get_protocol()
        if not isinstance(layer, sslproto.SSLProtocol):
            return transport
        secured: Any = layer._app_transport
        if secured is None or secured.get_extra_info("ssl_object") is None:
            return transport  # the handshake is not over
        transport = secured


def _checked(context: object) -> ssl.SSLContext:
    if not isinstance(context, ssl.SSLContext):
        raise TypeError(f"an ssl.SSLContext was expected, got {context!r}")
    return context


def _refuse_timeouts(handshake_timeout: float | None, shutdown_timeout: float | None) -> None:
    if handshake_timeout is not None:
        raise ValueError("ssl_handshake_timeout is only meaningful with ssl")
    if shutdown_timeout is not None:
        raise ValueError("ssl_shutdown_timeout is only meaningful with ssl")
