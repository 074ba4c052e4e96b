"""One connection as asyncio sees it: a :class:`asyncio.Transport`.

The core says what happened in bits, :meth:`Transport.pump` turns them into the protocol's
callbacks, in asyncio's order and never from inside a call of the application.  Back-pressure goes
both ways: unsent octets above the high-water mark pause the writer, and a paused reader leaves the
octets in the core, whose window then closes by itself.
"""

import asyncio
import socket
from asyncio import constants
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, Protocol

from rudp.aio.endpoint import Endpoint
from rudp.aio.flow import WriteFlow
from rudp.aio.news import logger, tell_open
from rudp.aio.resolve import resolve
from rudp.aio.sockets import ConnectionSocket
from rudp.aio.watch import ending_of
from rudp.core.life import tcb
from rudp.core.life.connection import Connection
from rudp.core.segment.addresses import is_ipv6, is_link_local
from rudp.core.segment.transmit import Address
from rudp.core.terms.state import State
from rudp.core.watch.info import ConnectionInfo

if TYPE_CHECKING:
    from rudp._lane import Seat

READ_OCTETS = 256 * 1024
"""Octets handed over at once, as asyncio's own transports do: the protocol may pause after each."""

AT_ONCE: Final = 256 * 1024
"""Octets that a writer may write in one turn beyond the high-water mark, if they can leave."""

_INBOUND: Final = tcb.READABLE | tcb.EOF
_NOTABLE: Final = ~(tcb.READABLE | tcb.WRITABLE)
_TO_TELL: Final = tcb.SOFT_ERROR | tcb.URGENT
_SETTLED: Final = tcb.ACKED_FIN | tcb.CLOSED

WRITE_WARNINGS = 4
"""Writes after the end that are ignored in silence, as asyncio does."""

_OPENING: Final = 0
_OPENED: Final = 1
_STARTED: Final = 2
_FAREWELL: Final = 3
_CLOSING: Final = 4
_LOST: Final = 5
_ABORTED: Final = 6
"""The stages of a transport, in their order: see :class:`Transport`."""


class TransportOwner(Protocol):
    """A server, as its transports know it."""

    def attach(self, transport: "Transport") -> None:
        """*transport* belongs to the server."""

    def detach(self, transport: "Transport") -> None:
        """*transport* is closed."""


class Transport(WriteFlow, asyncio.Transport):
    """A reliable byte stream over UDP, with the whole contract of asyncio's TCP transports.

    Besides the standard names, ``get_extra_info`` knows ``tcp_info`` (a :class:`ConnectionInfo`),
    ``udp_sockname``, ``udp_peername`` and ``endpoint``, whose ``stats()`` counts for the socket.
    A protocol may have two more callbacks: ``error_received(exc)`` hears of trouble that does not
    end the connection (RFC 9293 §3.9.1.8), ``urgent_received(octets)`` of urgent data (§3.8.5).

    A transport goes through stages, never back, though it may leave some out::

        OPENING     the handshake is under way
           |
        OPENED      it is over; connection_made is running, or has just run
           |
        STARTED     data may come, and its end
           |   \\
           |   FAREWELL  closed, but a paused writer is still to be resumed, and may write
           |   /
        CLOSING     closed: FIN, or a RST, is sent or follows what is buffered
           |   \\
        LOST   ABORTED  connection_lost is on its way or has run; ABORTED: we have cut it

    Three things are no stages, for they may be so in several: whether the user has ended the half
    that he writes (``write_eof``), has paused the one that he reads, and was told of its end.
    """

    # The dict is for the attributes that programs assign, as they do with asyncio's transports
    # (mock.patch.object(transport, "write")); one that nobody uses costs 32 octets.
    __slots__ = (
        "__dict__", "__weakref__", "_connection", "_deliveries", "_endpoint", "_eof_delivered",
        "_eof_written", "_paused", "_protocol", "_pumping", "_seat", "_server", "_sock", "_stage",
        "_waiter", "_writes_ignored",
    )  # fmt: skip

    _sendfile_compatible = constants._SendfileMode.FALLBACK
    _start_tls_compatible = True

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        endpoint: Endpoint,
        connection: Connection,
        protocol: asyncio.BaseProtocol,
        *,
        waiter: "asyncio.Future[None] | None" = None,
        server: TransportOwner | None = None,
    ) -> None:
        super().__init__(_NO_EXTRA, loop)
        self._endpoint = endpoint
        self._connection = connection
        self._protocol: asyncio.BaseProtocol | None = protocol
        self._waiter = waiter
        self._server = server
        self._sock: ConnectionSocket | None = None  # made when somebody asks for it
        self._stage = _OPENING
        self._paused = False
        self._eof_written = False
        self._eof_delivered = False
        self._writes_ignored = 0
        self._deliveries: list[asyncio.Future[bool]] | None = None  # who waits for delivery()
        self._pumping: asyncio.Handle | None = None
        self._seat: Seat | None = None  # at the socket, while the connection has a lane there
        if server is not None:
            server.attach(self)

    def __repr__(self) -> str:
        stage = self._stage
        state = "closed" if stage >= _LOST else "closing" if stage >= _FAREWELL else "open"
        return (
            f"<rudp.Transport {state} {self._connection.state} "
            f"{self._sockname} -> {self._peername}>"
        )

    def _touch(self) -> None:
        self._endpoint.touch(self._connection)

    def seated(self, seat: "Seat | None") -> None:
        """The connection has a lane, and *seat* serves it; or no longer.  Called by the engine."""
        self._seat = seat
        self._direct()

    def _direct(self) -> None:
        """Let what comes go straight to the protocol, or not."""
        seat = self._seat
        if seat is not None:
            protocol = self._protocol
            by_pump = self._stage != _STARTED or self._paused
            if by_pump or isinstance(protocol, asyncio.BufferedProtocol):
                protocol = None
            seat.protocol = protocol

    def protocol_failed(self, error: BaseException) -> None:
        """The protocol did not take its data.  Called by the engine."""
        self._fatal_error(error, "Fatal error: protocol could not take data.")

    # -- from the core to the protocol -----------------------------------------------------------

    def pump(self) -> bool:
        """Act on what happened to the connection; called by the endpoint."""
        connection = self._connection
        events = connection.poll_events()
        if self._stage == _STARTED and not events & _NOTABLE:  # octets came, or were acknowledged
            told = False
            if events & tcb.READABLE:
                self._read()
                told = True
            if connection.wants_room:
                self._drain()
                told = True
            return told
        told = self._stage < _LOST
        if told:
            self._serve(events)
            self._finish()
            if self._stage == _OPENED and self._server is not None:
                told = False  # but by _start(), who sees to what that moves
        if events & _SETTLED:
            self._settle()
        return told

    def _serve(self, events: int) -> None:
        """Act on *events*: let the protocol have its callbacks."""
        connection = self._connection
        if self._stage >= _STARTED:
            if events & _TO_TELL:
                if events & tcb.SOFT_ERROR:
                    self._tell("error_received", connection.soft_error)
                if events & tcb.URGENT:
                    self._tell("urgent_received", connection.urgent_octets)
            if events & _INBOUND:
                self._read()
            if connection.wants_room:
                self._drain()
        elif events & tcb.ESTABLISHED and self._stage == _OPENING:
            self._stage = _OPENED
            tell_open(connection, self._endpoint.book)
            self._made()
        if connection.state is State.CLOSED:
            self._wind_up(connection.error)

    def _wind_up(self, error: OSError | None) -> None:
        """The connection is gone: let the protocol have what has arrived, then tell it."""
        connection = self._connection
        if self._stage == _OPENING:
            self._ended(error)
        elif self._stage >= _FAREWELL:
            if error is not None:
                self._ended(error)
            # else all is well, and pump() or _pump_now() tell
        elif connection.readable_octets or (connection.fin_received and not self._eof_delivered):
            if self._protocol_paused:  # what it waits for to leave has nowhere to go
                self._maybe_resume_protocol()
        elif error is not None:
            self._ended(error)
        # else both halves are closed in order, and the protocol has not closed yet

    @property
    def _is_settled(self) -> bool:
        """Whether it is known what became of the octets that were written."""
        return self._connection.fin_acked or self._connection.state is State.CLOSED

    def _settle(self) -> None:
        """Tell those who wait for it; what is left of the connection needs no transport."""
        if self._stage >= _LOST:
            self._endpoint.drop(self._connection)
        self._answer(True)

    def _answer(self, settled: bool) -> None:
        """Wake those who wait for the settlement."""
        waiters, self._deliveries = self._deliveries, None
        for waiter in waiters or ():
            if not waiter.done():
                waiter.set_result(settled)

    async def delivery(self, settled: bool = False) -> None:
        """Wait until the peer's TCP has acknowledged all that was written, and the end of it.

        See :func:`rudp.delivered`.  *settled*: what :meth:`settlement` has returned before.
        """
        while not settled:
            settled = await self.settlement()
        error = self._connection.error
        if error is not None and not self._connection.fin_acked:
            raise error

    async def settlement(self) -> bool:
        """Wait until it is known what became of the octets that were written; return True.

        Or until nobody asks any more, since the connection is lost to its user; return False.
        """
        if self._is_settled:
            return True
        waiter: asyncio.Future[bool] = self._loop.create_future()
        if self._deliveries is None:
            self._deliveries = []
        self._deliveries.append(waiter)
        return await self._endpoint.last_acks.wait(waiter, self._connection)

    def _made(self) -> None:
        """connection_made, then the task that waits for it, then data: asyncio's order."""
        protocol = self._protocol
        if protocol is None:
            return
        waiter, self._waiter = self._waiter, None
        try:
            protocol.connection_made(self)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._report(error, "protocol.connection_made() failed")
        if waiter is None:
            self.begin()
        elif not waiter.done():
            waiter.set_result(None)  # who waits calls begin(), in the next turn

    async def introduce(self, protocol: asyncio.BaseProtocol) -> None:
        """Let *protocol* take the place of one that stood in until the connection was open.

        Its ``connection_made`` has run when this returns.  Raises :class:`OSError` if the
        connection is lost already, and the protocol then hears nothing.
        """
        if self._stage >= _LOST:
            raise self._connection.error or tcb.aborted()
        self._protocol = protocol
        self._direct()
        self._waiter = waiter = self._loop.create_future()
        self._loop.call_soon(self._made)
        await waiter

    def begin(self) -> None:
        """Let data and its end come, from the next turn of the loop on."""
        connection = self._connection
        if (
            connection.readable_octets
            or connection.fin_received
            or connection.wants_room
            or connection.state is State.CLOSED
        ):
            self._loop.call_soon(self._start)  # it may have been told of it already, in vain
        elif self._stage == _OPENED:
            self._stage = _STARTED

    def _start(self) -> None:
        if self._stage == _OPENED:
            self._stage = _STARTED
            self._direct()
        if self._stage < _LOST:
            self._catch_up()

    def _catch_up(self) -> None:
        """Act on what has happened, and on what waited for a reader."""
        self._serve(_INBOUND)  # what has just happened comes with the next pump()
        self._touch()  # the window may have opened

    def _tell(self, name: str, value: Any) -> None:
        callback = getattr(self._protocol, name, None)
        if callback is not None:
            try:
                callback(value)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:
                self._fatal_error(error, f"Fatal error: protocol.{name}() call failed.")

    def _read(self) -> None:
        """Hand over what is in order, then the end of the stream."""
        connection = self._connection
        while connection.readable_octets and not self._paused and self._stage < _FAREWELL:
            protocol = self._protocol
            try:
                if isinstance(protocol, asyncio.BufferedProtocol):
                    self._fill(protocol)
                else:
                    protocol.data_received(connection.receive(READ_OCTETS))  # type: ignore[union-attr]
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:
                self._fatal_error(error, "Fatal error: protocol could not take data.")
                return
        if (
            connection.fin_received
            and not self._eof_delivered
            and self.is_reading()
            and not connection.readable_octets
        ):
            self._end_of_stream()

    def _end_of_stream(self) -> None:
        self._eof_delivered = True
        try:
            keep_open = self._protocol.eof_received()  # type: ignore[union-attr]
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._fatal_error(error, "Fatal error: protocol.eof_received() call failed.")
            return
        if not keep_open:
            self.close()

    def _fill(self, protocol: asyncio.BufferedProtocol) -> None:
        """Fill one buffer: the protocol may pause or be replaced before the next.

        One that keeps octets elsewhere, as a TLS layer does, may have ``pieces_received(pieces)``,
        and has them without the way through a buffer.
        """
        take = getattr(protocol, "pieces_received", None)
        if take is not None:
            take(self._pieces())
            return
        buffer = memoryview(protocol.get_buffer(self._connection.readable_octets)).cast("B")
        if not buffer:
            raise RuntimeError("get_buffer() returned an empty buffer")
        data = self._connection.receive(len(buffer))
        buffer[: len(data)] = data
        protocol.buffer_updated(len(data))

    def _pieces(self) -> list[bytes]:
        """Return what there is to read, no more than for one turn, in the pieces that came."""
        room = READ_OCTETS
        pieces = []
        while room and (piece := self._connection.receive(room)):
            pieces.append(piece)
            room -= len(piece)
        return pieces

    def _drain(self) -> None:
        """Wake a paused writer if enough has left; close if that was waited for."""
        if self._connection.state is State.CLOSED:
            return  # nothing left: it is lost, and connection_lost() tells the writer
        if self._protocol_paused:
            self._maybe_resume_protocol()
        if self._protocol_paused:
            return
        closing = self._stage >= _FAREWELL
        self._connection.wants_room = closing  # and wants to know when all has left
        if self._stage == _FAREWELL:
            self._stage = _CLOSING
            self._connection.close(self._loop.time())
            self._touch()

    def lose(self, error: OSError) -> None:
        """There is no connection any more.  Called by the endpoint."""
        self._ended(error)

    def _ended(self, error: BaseException | None, stage: int = _LOST) -> None:
        """The connection is over: tell the protocol once, soon."""
        before = self._stage
        if before >= _LOST:
            return
        self._stage = stage
        self._direct()
        if self._is_settled:
            self._settle()
        else:
            self._answer(False)
        if error is not None and error is self._connection.error:
            self._explain()
        if self._waiter is not None:
            # It never was established: the one who waits hears why, the protocol nothing.
            if not self._waiter.done():
                self._waiter.set_exception(error or tcb.aborted())
            self._waiter = None
            self._forget()
        elif before >= _OPENED:
            self._loop.call_soon(self._call_connection_lost, error)
        else:
            self._forget()

    def _explain(self) -> None:
        """Let the connection's error tell what happened last."""
        connection = self._connection
        error = connection.error
        if error is not None and connection.recorder is not None:
            from rudp.trace import recall

            local = (self._sockname[0], *self._endpoint.sockname[1:])
            recall.annotate(error, ending_of(connection, local))

    def _call_connection_lost(self, error: BaseException | None) -> None:
        protocol = self._protocol
        try:
            if protocol is not None:
                protocol.connection_lost(error)  # type: ignore[arg-type]
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as failure:  # others wait for their turn in the same flush
            self._report(failure, "protocol.connection_lost() failed")
        finally:
            self._forget()

    def _forget(self) -> None:
        """Break every tie, so that nothing lives on through this transport."""
        self._protocol = None
        self._protocol_paused = False  # a protocol that comes now has not been told to pause
        server, self._server = self._server, None
        if server is not None:
            server.detach(self)

    def _fatal_error(self, error: BaseException, message: str) -> None:
        if isinstance(error, OSError):
            if self._loop.get_debug():
                logger.debug("%r: %s", self, message, exc_info=True)
        else:
            self._report(error, message)
        self._force_close(error)

    def _report(self, error: BaseException, message: str) -> None:
        context: dict[str, Any] = {"message": message, "exception": error, "transport": self}
        context["protocol"] = self._protocol
        self._loop.call_exception_handler(context)

    def _force_close(self, error: BaseException | None) -> None:
        """Abort, and give *error* to connection_lost.  Also called by asyncio's TLS layer."""
        self._cut(error, broken=error is not None)

    def _cut(self, error: BaseException | None, *, broken: bool) -> None:
        if self._stage >= _LOST:
            return
        if self._stage == _OPENING or (self._sock is not None and self._sock.aborts_on_close):
            self._connection.abort(self._loop.time())
        else:
            self._connection.let_go(self._loop.time(), broken=broken)
        self._connection.wants_room = False
        self._touch()
        self._ended(error, _ABORTED)

    # -- asyncio.BaseTransport -------------------------------------------------------------------

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return ``sockname``, ``peername``, ``socket``, ``tcp_info`` and others, or *default*."""
        find = _EXTRA.get(name)
        return default if find is None else find(self)

    @property
    def _sockname(self) -> Address:
        """Our address, with the TCP port."""
        peer, local_host = self._connection.path
        host = local_host or self._endpoint.local_host_towards(peer)
        rest = self._endpoint.sockname[2:]
        if is_link_local(host) and peer[3:] and not rest[1]:
            rest = (0, peer[3])  # a wildcard's socket has no zone; both ends are on one link
        return host, self._connection.ports >> 16, *rest

    @property
    def _peername(self) -> Address:
        """The peer's address, with its TCP port."""
        peer, _ = self._connection.path
        return peer[0], self._connection.ports & 0xFFFF, *peer[2:]

    @property
    def _socket(self) -> ConnectionSocket:
        if self._sock is None:
            self._sock = ConnectionSocket(
                self._connection, self._sockname, self._peername, self._touch
            )
        return self._sock

    @property
    def was_aborted(self) -> bool:
        """Whether it was not closed, but cut by us."""
        return self._stage == _ABORTED

    @property
    def is_leaving(self) -> bool:
        """Whether it is closed, and not all has left yet."""
        return _FAREWELL <= self._stage < _LOST

    @property
    def error(self) -> OSError | None:
        """Why the connection died, perhaps ahead of ``connection_lost``; None if it did not."""
        return self._connection.error

    @property
    def is_steady(self) -> bool:
        """Whether it is open, nothing has gone wrong, and a lane takes what is written."""
        return self._connection.lane is not None

    def info(self) -> ConnectionInfo:
        """Return a snapshot of the connection."""
        return self._connection.info()

    async def rebind(self, local_addr: tuple[str, int] | None = None) -> None:
        """See :func:`rudp.rebind`."""
        remote = self._connection.path[0]
        family = socket.AF_INET6 if is_ipv6(str(remote[0])) else socket.AF_INET
        local = None
        if local_addr is not None:
            ((_, local), *_) = await resolve(self._loop, *local_addr, family=family)
        await self._endpoint.rebind(local)

    def is_closing(self) -> bool:
        """Return whether the transport is closed or about to be."""
        return self._stage >= _FAREWELL

    def close(self) -> None:
        """Send what is buffered, then FIN; ``connection_lost(None)`` follows when all has left.

        It then goes on being sent until it is acknowledged: :func:`rudp.delivered` waits for that.
        If octets are left unread, a RST takes the place of FIN, after the peer has all that was
        written; if ``SO_LINGER`` says so, at once.
        """
        if self._stage >= _FAREWELL:
            return
        if self._stage == _OPENING or (self._sock is not None and self._sock.aborts_on_close):
            self._force_close(None)  # of one that is OPENING nobody has been told
            return
        if self._protocol_paused:
            # resume_writing may still write (a TLS layer's farewell): FIN has to wait for it.
            self._stage = _FAREWELL
            self._direct()
        else:
            self._stage = _CLOSING
            self._connection.close(self._loop.time())
        connection = self._connection
        connection.wants_room = True  # and comes here again when it has left
        self._touch()
        if connection.has_left or self._stage == _FAREWELL:
            self._pump_soon()

    def abort(self) -> None:
        """Close without waiting for a window; ``connection_lost(None)`` follows soon.

        What the peer's window and congestion control let go now is still sent.  If nothing but
        that was buffered, and nothing is left unread, it is :meth:`close`; otherwise a RST follows,
        for the peer must not take for whole what is not.  With ``SO_LINGER`` on and 0 it is a RST
        at once.
        """
        self._force_close(None)

    def reset(self) -> None:
        """Do as :meth:`abort`, with a RST in any case; see :func:`rudp.reset`."""
        self._cut(None, broken=True)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Let *protocol* have the callbacks from now on.

        It begins unpaused, and one that was paused is told to resume (:mod:`rudp.aio.flow`).
        """
        if self._protocol_paused and self._protocol is not None:
            self._hand_over(self._protocol, protocol)
        self._protocol = protocol
        self._direct()

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol; None once the connection is lost."""
        return self._protocol  # type: ignore[return-value]

    # -- asyncio.ReadTransport -------------------------------------------------------------------

    def is_reading(self) -> bool:
        """Return whether data is delivered: neither paused nor closing."""
        return self._stage < _FAREWELL and not self._paused

    def pause_reading(self) -> None:
        """Deliver nothing until ``resume_reading``.  Idempotent."""
        self._paused = True
        self._direct()

    def resume_reading(self) -> None:
        """Deliver again.  Idempotent; nothing is delivered from inside this call."""
        if not self._paused:
            return
        self._paused = False
        self._direct()
        if self._stage < _FAREWELL:
            self._pump_soon()

    def _pump_soon(self) -> None:
        if self._pumping is None and self._stage < _LOST:
            self._pumping = self._loop.call_soon(self._pump_now)

    def _pump_now(self) -> None:
        self._pumping = None
        if self._stage >= _LOST:
            return
        self._catch_up()
        self._finish()

    def _finish(self) -> None:
        """Tell a protocol that has closed that all has left, if it has."""
        if self._stage == _CLOSING and self._connection.has_left:
            self._stage = _LOST
            if self._is_settled:
                self._settle()
            self._call_connection_lost(None)

    # -- asyncio.WriteTransport ------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Queue *data*; never blocks.  Raises RuntimeError after ``write_eof``."""
        seat = self._seat
        if seat is not None and (unsent := seat.write(data)) >= 0:
            if unsent > self._high_water:
                self._watch_level(unsent)
            return
        lane = self._connection.lane
        if lane is not None and type(data) is bytes and data:  # it has no end yet
            waiting = lane.write(data)
            self._endpoint.touch(self._connection)
            if waiting > self._high_water:
                self._watch_level(waiting)
            return
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(
                f"data argument must be a bytes-like object, not {type(data).__name__!r}"
            )
        if self._eof_written:
            raise RuntimeError("Cannot call write() after write_eof()")
        if not data:
            return
        if self._stage >= _CLOSING:
            self._ignore_write()
            return
        connection = self._connection
        if connection.state is State.CLOSED:
            # It has just died, or reading is paused and what came before has not been read.
            self._ignore_write()
            if self._writes_ignored > WRITE_WARNINGS:
                self._ended(connection.error)  # who goes on writing will not go on reading
            return
        connection.send(data if type(data) is bytes else bytes(data))
        self._touch()
        self._watch_level(connection.unsent_octets)

    def _watch_level(self, unsent: int) -> None:
        """Pause the writer if too much waits to be sent."""
        waiting = unsent - self._high_water
        # What is going to leave in this very turn does not wait, as little as what a kernel has
        # taken does; and a turn with several runs costs less than several with one.
        if waiting > 0 and waiting > min(self._connection.room, AT_ONCE):
            self._maybe_pause_protocol()

    def _ignore_write(self) -> None:
        if self._writes_ignored >= WRITE_WARNINGS:
            logger.warning("%r: write to a closed connection", self)
        self._writes_ignored += 1

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Queue all of *list_of_data*."""
        self.write(b"".join(list_of_data))

    def write_urgent(self, data: bytes) -> None:
        """Queue *data* and point the peer to its end (RFC 9293 §3.8.5).

        New applications should not use it (SHLD-13); the data stays in the stream.
        """
        if self._stage >= _FAREWELL or self._eof_written:
            raise RuntimeError("Cannot call write_urgent() on a closed transport")
        self._connection.send(bytes(data), urgent=True)
        self._touch()
        self._maybe_pause_protocol()

    def write_eof(self) -> None:
        """Send FIN after what is buffered; reading goes on.  Idempotent."""
        if self._stage >= _FAREWELL or self._eof_written:
            return
        self._eof_written = True
        self._connection.shutdown(self._loop.time())
        self._touch()

    def can_write_eof(self) -> bool:
        """Return True."""
        return True

    def get_write_buffer_size(self) -> int:
        """Return how many octets wait to be sent for the first time."""
        return self._connection.unsent_octets


_NO_EXTRA: Final[dict[str, Any]] = {}
"""What asyncio's base class wants to have; ours is looked up below, by the few who ask for it."""

_EXTRA: Final[dict[str, Callable[[Transport], Any]]] = {
    "sockname": lambda transport: transport._sockname,
    "peername": lambda transport: transport._peername,
    "udp_sockname": lambda transport: transport._endpoint.sockname,
    "udp_peername": lambda transport: transport._connection.path[0],
    "endpoint": lambda transport: transport._endpoint,
    "socket": lambda transport: transport._socket,
    "tcp_info": Transport.info,
    "set_keys": lambda transport: transport._connection.change_keys,  # of rudp.set_keys()
    "punched": lambda transport: vars(transport).get("punched"),
}
