"""One UDP socket, the table behind it, one alarm, and one flush for each turn of the loop.

The endpoint carries datagrams into the table, runs what is due, and sends what the table has to
send.  Sending waits until the callbacks of this turn have run, so everything an application writes
in one turn leaves together and an acknowledgement can ride on the answer; but what a read brought
that moves nobody to write, a SYN or the last ACK, is answered at once.  It knows a transport only
as a :class:`Sink`, and who accepts connections only as a callable.
"""

import asyncio
import contextlib
import errno
import os
import random
import socket
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from rudp.aio.aside import PeerPorts
from rudp.aio.book import Book
from rudp.aio.lastack import LAST_ACK_GRACE, LastAcks
from rudp.aio.news import Figures, say_lost, tell_end
from rudp.config import Config
from rudp.core.demux.listener import Listener
from rudp.core.demux.table import ConnectionTable
from rudp.core.life.connection import Connection
from rudp.core.life.fastopen import Visits
from rudp.core.segment.transmit import Address, Path, Transmit
from rudp.core.terms.bounds import CLOCK_TICK
from rudp.core.terms.counters import Count
from rudp.core.terms.state import State
from rudp.core.terms.timers import OFF
from rudp.core.watch.stats import EndpointStats
from rudp.core.watch.tracer import Tracer
from rudp.udp.linkmtu import link_payload, loopback_payload
from rudp.udp.port import Port, granted_receive_buffer, lend_address, receive_drops

if TYPE_CHECKING:
    from rudp._lane import Engine, Seat

RUNS_PER_FLUSH: Final = 64
"""Runs sent before the loop gets its turn."""

EARLY: Final = max(0.001, CLOCK_TICK)
"""Seconds by which a loop's timer may fire before its time, and then to wait on.

uvloop rounds to milliseconds, and asyncio takes for past what the clock's next tick may bring.
"""

DATAGRAM_TRUESIZE: Final = 768
"""Octets that a datagram takes in the buffer of a socket on Linux, at least."""

LATE: Final = 5.0
"""Seconds for which a socket that was left still hears what is late."""

LOOK_EVERY: Final = 1.0
"""Seconds between two looks whether there is a network, once ours has gone."""

NETWORK_GONE: Final = frozenset(
    {errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EINVAL}
)
"""What a system says that cannot send from our address any more; the last is Linux's, where the
address has been taken away."""

STANDSTILL: Final = 1.0
"""Seconds.  An alarm that is later than this was not late: the machine or the process stood still,
or somebody has set the clock."""


class Sink(Protocol):
    """What an endpoint knows of a transport.

    It is known until :meth:`Endpoint.drop`: until its octets are delivered, or lost.
    """

    def is_closing(self) -> bool:
        """Return whether the user has closed it."""

    def pump(self) -> bool:
        """The connection may have events, octets to read, or room to write.

        It is polled for what it has to send after that, and needs no :meth:`Endpoint.touch`.
        Return whether the user was told anything: he may write before the next turn is over.
        """

    def lose(self, error: OSError) -> None:
        """There is no connection any more; *error* says why."""

    def seated(self, seat: "Seat | None") -> None:
        """The connection has a lane: it is to be written to and read from through *seat*.

        None: no longer.
        """


class Orphan:
    """The sink of a connection whose user hears nothing more, as the loop is about to end."""

    __slots__ = ("_connection", "_endpoint")

    def __init__(self, endpoint: "Endpoint", connection: Connection) -> None:
        self._endpoint = endpoint
        self._connection = connection

    def is_closing(self) -> bool:
        """Return False: nobody has closed it."""
        return False

    def pump(self) -> bool:
        """Wait for the end; nobody hears of it."""
        connection = self._connection
        if connection.fin_acked or connection.state is State.CLOSED:
            self._endpoint.drop(connection)
        return False

    def lose(self, error: OSError) -> None:
        """Nobody wants to know."""

    def seated(self, seat: "Seat | None") -> None:
        """Nobody reads or writes."""


Acceptor = Callable[[Connection], Sink | None]
"""Makes the sink for a connection that a listener has accepted; None if it wants none."""


class Endpoint:
    """The connections of one UDP socket on one event loop.

    *secret*: 16 random octets or more, the same for all endpoints that may follow each other on one
    UDP port; *chance* draws TCP ports.  *connected*: the one peer of a connected socket, or None.
    *on_empty* is called once, when nothing is left and the socket is closed; *reopen* makes another
    port to the same peer, from an address or any; None if nobody does.  *visits*: known servers.
    ``aside``: its address is for others to listen at.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        config: Config,
        *,
        secret: bytes,
        chance: random.Random,
        connected: Address | None,
        real: bool,
        on_empty: Callable[["Endpoint"], None],
        reopen: Callable[["Endpoint", Address | None], Awaitable[Port]] | None = None,
        visits: Visits | None = None,
    ) -> None:
        self.loop = loop
        self.last_acks = LastAcks(loop)
        self.connected = connected
        self.closed = self.lent = self.aside = self._blocked = False
        self.book: Book | None = None  # what ends is entered there
        self._real = real
        self._table = ConnectionTable(
            config,
            secret=secret,
            chance=chance,
            loopback_payload=loopback_payload() if real else None,
            link_payload=link_payload if real else None,
            calendar=time.time if real else None,
            visits=visits,
        )
        self._on_empty = on_empty
        self._reopen = reopen
        self._former: list[Port] = []  # sockets that were left, and still hear for a while
        self._moving: asyncio.Task[None] | None = None  # looks for another network
        self._moved_at = -OFF
        self._port: Port | None = None
        self._engine: Engine | None = None
        self._sinks: dict[Connection, Sink] = {}
        self._acceptors: dict[Listener, Acceptor] = {}
        self._flushing: asyncio.Handle | None = None
        self._delivering = False  # what was received: whether to flush is seen at its end
        self._leaving: asyncio.Future[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self.alarm_at = OFF
        self._capacity = 0  # octets that the socket holds until they are read, and
        self._octets_read = 0  # how many were
        self._listening_to = 0  # where that count ends a wait for the reader, 0 for no wait
        self._local_host = ""
        self._path: Path = ((), "")  # of the datagrams that came last
        self._claimed: dict[int, list[bool]] = {}  # by port, of each claim whether it shares

    def __repr__(self) -> str:
        where = self._port.sockname if self._port is not None else "unbound"
        state = "closed " if self.closed else ""
        return (
            f"<Endpoint {state}{where} connections={self._table.connections} "
            f"time_wait={self._table.time_wait_records}>"
        )

    async def rebind(self, local: Address | None) -> None:
        """Go on from another socket, bound to *local* or anywhere, with all connections.

        The old one hears for a while what is late.  Raises :class:`OSError` if that cannot be, with
        EOPNOTSUPP if a connection has no key, or the peer does not know how to roam.
        """
        if self._reopen is None or not self._may_move():
            raise OSError(errno.EOPNOTSUPP, "only connections with key=, at both ends, can move")
        port = await self._reopen(self, local)
        if not self._may_move():  # any more
            port.close()
            raise OSError(errno.ENOTCONN, "The connection has ended")
        now, former = self.loop.time(), self._port
        self._table.rebind(str(port.sockname[0]), now)
        self._table.surroundings.usher = None
        self.attach(port)
        self._blocked, self._moved_at = False, now
        if former is not None:
            self._former.append(former)
            self.loop.call_later(LATE, self._close_former, former)
        self.wake()

    async def step_aside(self, make: Callable[[Path], Awaitable[Port]]) -> None:
        """Leave the address to others, and keep the peers: *make* a port for each.

        Raises :class:`OSError`, and then all is as it was.
        """
        ports = await PeerPorts.open(self.sockname, lambda: self._table.paths, make)
        former, self.aside = self._port, True
        self._table.stood_still(0.0)  # none is served at the socket any more
        self._table.surroundings.usher = None
        self.attach(ports)
        self._blocked = False
        if former is not None:
            former.close()
        self.wake()

    def _may_move(self) -> bool:
        return self.connected is not None and not self.closed and self._table.may_rebind

    def _close_former(self, port: Port) -> None:
        if port in self._former:
            self._former.remove(port)
            port.close()

    def _look_for_network(self) -> None:
        """Nothing leaves from our address any more: perhaps there is another by now."""
        if (
            self._real
            and self._moving is None
            and self._may_move()
            and self.loop.time() >= self._moved_at + LOOK_EVERY
        ):
            self._moving = self.loop.create_task(self._move_on())

    async def _move_on(self) -> None:
        try:
            while not self.closed:
                try:
                    await self.rebind(None)
                    return
                except OSError as error:
                    if error.errno in (errno.EOPNOTSUPP, errno.ENOTCONN):
                        return
                    await asyncio.sleep(LOOK_EVERY)
        finally:
            self._moving = None

    def attach(self, port: Port) -> None:
        """Take *port*, bound and open, as this endpoint's socket."""
        self._port = port
        if port.socket is not None:
            self._capacity = granted_receive_buffer(port.socket)
            self._table.limit_promises(self._capacity)
        if port.ecn_capable:
            self._table.enable_ecn()
        if self.connected is not None:
            self._local_host = str(port.sockname[0])
        if (host := str(port.sockname[0])) not in ("0.0.0.0", "::"):
            self._table.surroundings.local_host = host
        self._engine = port.engine
        if self._engine is not None:
            self._engine.standstill = STANDSTILL
            self._table.surroundings.usher = self

    @property
    def sockname(self) -> Address:
        """The UDP address of the socket."""
        assert self._port is not None
        return self._port.sockname

    @property
    def socket(self) -> Any:
        """The UDP socket, None on a loop without real ones."""
        return self._port.socket if self._port is not None else None

    @property
    def connections(self) -> list[Connection]:
        """The connections that have a user."""
        return list(self._sinks)

    def local_host_towards(self, peer: Address) -> str:
        """Return our host as *peer* sees it, as far as the system can tell."""
        host = str(self.sockname[0])
        if not self._real or host not in ("0.0.0.0", "::"):
            return host
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect(peer)  # sends nothing; the kernel looks up its route
                return str(probe.getsockname()[0])
        except OSError:
            return host

    def stats(self) -> EndpointStats:
        """Return all counters (docs/limits.md), and how much of everything there is.

        As text they are what has counted something, with units.
        """
        table = self._table
        numbers = Figures(
            connections=table.connections,
            half_open=table.half_open,
            time_wait_records=table.time_wait_records,
            reassembly_octets=table.memory.reassembly.used,
        )
        sock = self.socket
        if sock is not None and not self.closed:
            numbers["socket_receive_buffer"] = granted_receive_buffer(sock)
            numbers["socket_send_buffer"] = sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
            if (drops := receive_drops(sock)) is not None:
                numbers["socket_receive_drops"] = drops
        numbers |= {str(reason): table.counters[reason] for reason in Count}
        return cast("EndpointStats", numbers)

    # -- connections and listeners ---------------------------------------------------------------

    def connect(
        self,
        address: Address,
        remote_port: int,
        sink: Callable[[Connection], Sink],
        *,
        config: Config,
        local_port: int | None = None,
        tracer: Tracer | None = None,
        early: bytes = b"",
    ) -> Sink:
        """Open a connection to TCP port *remote_port* behind *address*; return its sink.

        Arguments and :class:`OSError` are those of :meth:`ConnectionTable.open_active`.
        """
        path: Path = (address, self._local_host)
        if tracer is not None:
            tracer.bound_to(self.sockname)
        connection = self._table.open_active(
            path,
            remote_port,
            self.loop.time(),
            local_port=local_port,
            config=config,
            tracer=tracer,
            early=early,
        )
        self._sinks[connection] = made = sink(connection)
        self.wake()
        return made

    def listen(
        self,
        port: int,
        acceptor: Acceptor,
        *,
        backlog: int,
        config: Config,
        tracer: Tracer | None = None,
        shares: bool = False,
    ) -> Listener:
        """Accept connections to TCP port *port*; OSError with EADDRINUSE if it is taken."""
        if tracer is not None:
            tracer.bound_to(self.sockname)
        listener = self._table.listen(
            port, backlog=backlog, config=config, tracer=tracer, shares=shares
        )
        self._acceptors[listener] = acceptor
        return listener

    def unlisten(self, listener: Listener) -> None:
        """Stop accepting; connections that were accepted live on."""
        if self._acceptors.pop(listener, None) is not None:
            self._table.unlisten(listener, self.loop.time())
            self.wake()

    def touch(self, connection: Connection) -> None:
        """*connection* may have something to send: see to it at the end of this turn."""
        self._table.touch(connection)
        if self._flushing is None:
            self.wake()

    def drop(self, connection: Connection) -> None:
        """Forget the sink of *connection*; what remains of it is the table's."""
        sink = self._sinks.pop(connection, None)
        if sink is not None:
            tell_end(connection, self.loop.time(), self.book)
        if self._leaving is not None and sink is not None:
            if sink.is_closing() and not connection.fin_acked and connection.error is not None:
                say_lost(connection)  # who has closed may not be there to hear of it
            self._note_left()
        if not (self._sinks or self._claimed):
            self.wake()  # and close, before anybody hears of it who may want the address

    def claim(self, port: int, *, shares: bool = False) -> None:
        """Keep the socket open, and TCP port *port* for one server, until :meth:`release`.

        Raises :class:`OSError` with EADDRINUSE if another server has it, unless both share.
        """
        claims = self._claimed.setdefault(port, [])
        if not all(other and shares for other in claims):
            raise cannot_bind(errno.EADDRINUSE, self.sockname)
        claims.append(shares)

    def take_back(self) -> None:
        """Be the only socket at this address again."""
        self.lent = False
        lend_address(self.socket, False)

    def release(self, port: int) -> None:
        """Give one claim to *port* back; a socket without connections is closed after the last."""
        self._claimed[port].pop()
        if not self._claimed[port]:
            del self._claimed[port]
        self.wake()

    def wake(self) -> None:
        """Flush once before the loop waits again, however often this is called."""
        if not self._delivering:
            self._flush_soon()

    def _flush_soon(self) -> None:
        if self._flushing is None and not self.closed:
            try:
                self._flushing = self.loop.call_soon(self._flush)
            except RuntimeError:  # the loop is closed, and what is left of us with it
                pass

    # -- what the port tells ---------------------------------------------------------------------

    def datagrams_received(
        self, data: bytes | memoryview, stride: int, address: Address, local: str, ecn: int = 0
    ) -> bool:
        """One read from the socket; return whether several connections have something to do."""
        path = self._path  # connections from the same socket share it: 200 octets for each
        local = local or self._local_host
        if (path[0] is not address and path[0] != address) or path[1] != local:
            path = self._path = address, local
        self._octets_read += len(data)
        now = self.loop.time()
        if now - self.alarm_at > STANDSTILL:
            self.note_standstill(now)
        self._table.handle_datagrams(data, stride, path, now, ecn)
        return self._table.is_crowded

    def batch_received(self, *, more: bool = False) -> None:
        """All that had arrived is in the table: tell the transports, then answer.

        If that moved nobody to write, or nobody is left who could, the answer need not wait for
        the end of the turn.
        """
        told = True
        self._delivering = True
        try:
            told = self._deliver()
        finally:
            self._delivering = False
            idle = not (self._sinks or self._claimed)
            at_once = self._flushing is None and (idle or not (told or more))
            if not at_once:
                self.wake()
        if at_once:
            self._flush()

    def icmp_received(
        self, code: int, quote: bytes, address: Address | None, local: str, mtu: int
    ) -> None:
        """An ICMP error came back."""
        if address is not None:
            path = (address, local or self._local_host)
            self._table.handle_icmp(code, quote, path, self.loop.time(), mtu=mtu)
            self.wake()  # no callbacks now: it may come from within a send

    def send_failed(self, code: int, transmit: Transmit) -> None:
        """The system refused a datagram."""
        self._table.handle_send_error(code, transmit, self.loop.time())
        if code in NETWORK_GONE:
            self._look_for_network()
        self.wake()

    def ready_to_send(self) -> None:
        """The socket takes datagrams again."""
        self._blocked = False
        self.wake()

    # -- what the engine asks ----------------------------------------------------------------------

    def entered(self, connection: Connection, lane: Any) -> None:
        """*connection* has got *lane*: the engine may serve it."""
        if self._engine is not None:
            self._engine.enter(connection, lane, self._sinks.get(connection))

    def left(self, lane: Any) -> None:
        """*lane* is over."""
        if self._engine is not None:
            self._engine.leave(lane)

    def attend(self, connection: Connection) -> None:
        """*connection* has something to send or to tell, and no lane."""
        self._table.attend(connection)
        self.wake()

    def schedule(self, connection: Connection) -> None:
        """The deadline of *connection* is earlier than what the table knows."""
        self._table.schedule(connection)
        self._set_alarm(self.loop.time())

    def socket_is_full(self) -> None:
        """Nothing more is taken until :meth:`ready_to_send`."""
        self._blocked = True
        self._table.watch_ready()
        self._set_alarm(self.loop.time())

    def note_standstill(self, now: float) -> None:
        """The alarm is much too late: tell the connections, before they read what has waited."""
        if not self._listening_to:  # once
            self._table.stood_still(now - self.alarm_at)
            self.alarm_at = now

    # -- inside ----------------------------------------------------------------------------------

    def _deliver(self) -> bool:
        """Give every transport its events, and every new connection its transport.

        Return whether any user was told anything.
        """
        told = False
        sinks = self._sinks
        for connection in self._table.poll_events():
            sink = sinks.get(connection)
            if sink is None and self._acceptors:  # it may be new
                self._accept()
                sink = sinks.get(connection)
            if sink is not None and sink.pump():
                told = True
        return told

    def _accept(self) -> None:
        for listener, acceptor in list(self._acceptors.items()):
            while listener.accepted:
                connection = listener.accepted.popleft()
                sink = acceptor(connection)
                if sink is not None:
                    self._sinks[connection] = sink

    def _flush(self) -> None:
        """Send what may be sent, within bounds; then set the alarm."""
        self._flushing = None
        if self.closed or self._port is None:
            return
        now = self.loop.time()
        table, port = self._table, self._port
        if not self._blocked:
            for _ in range(RUNS_PER_FLUSH):
                transmit = table.poll_transmit(now)
                if transmit is None or not port.send(transmit):
                    break
            else:
                self.wake()
            self._blocked = not port.flush()
            if self._blocked:
                table.watch_ready()
        self._deliver()
        self._set_alarm(now)
        if self._claimed or self._sinks or self._blocked:
            return
        if table.is_empty:
            self.close()
        elif not (self.lent or self.connected or table.connections):
            # Only TIME-WAIT records are left.  Another process may serve here, as SO_REUSEADDR
            # lets it with a kernel's TCP; what its peers still ask of us it answers with a RST.
            self.lent = self._real and lend_address(self.socket, True)

    def _set_alarm(self, now: float) -> None:
        deadline = self._table.next_deadline
        if self.closed or deadline >= self.alarm_at:
            return  # the alarm that is set will find out
        if self._alarm is not None:
            self._alarm.cancel()
        self.alarm_at = deadline
        self._alarm = self.loop.call_at(max(deadline, now), self._on_alarm)

    def _on_alarm(self) -> None:
        now = self.loop.time()
        if now - self.alarm_at > STANDSTILL:
            self.note_standstill(now)
        if self._must_listen(now):
            self._alarm = self.loop.call_at(now, self._on_alarm)  # after the next reads
            return
        self._alarm = None
        self.alarm_at = OFF
        if now < self._table.next_deadline < now + EARLY:
            self.alarm_at = now + EARLY
            self._alarm = self.loop.call_at(self.alarm_at, self._on_alarm)
            return
        self._table.handle_timeouts(now)
        if self._blocked:
            self._table.watch_ready()
        self._deliver()
        self.wake()

    def _must_listen(self, now: float) -> bool:
        """Whether the deadlines that have passed must wait for datagrams that wait to be read.

        What they wait for may be among these, after a turn of the loop that took long most of all.
        But nothing that the socket holds was there when the wait began, once as much was read as
        it can hold.
        """
        port = self._port
        if port is None or self._table.next_deadline > now or not port.has_arrivals():
            self._listening_to = 0
            return False
        octets_read = self._octets_read
        if self._engine is not None:
            octets_read += self._engine.octets_read
        if not self._listening_to:
            self._listening_to = octets_read + self._capacity
        self._octets_read += DATAGRAM_TRUESIZE  # a turn reads a datagram, or the loop will not
        if octets_read + DATAGRAM_TRUESIZE < self._listening_to:
            return True
        self._listening_to = 0
        return False

    def leave(self) -> "asyncio.Future[None]":
        """The loop is about to end: return what is done once all that was written is delivered.

        A kernel would see to that after the end of the program.  Here it has to be now, and each
        connection gets the time that its ``Config.linger`` says.  Those that the user has not
        closed are reset after that, for nobody knows whether they are whole.
        """
        if self._leaving is None:
            self._leaving = self.loop.create_future()
            self._disown()
            for connection in self._sinks:
                grace = connection.config.linger
                if connection.only_end_is_out:
                    grace = min(grace, LAST_ACK_GRACE)
                self.loop.call_later(grace, self._give_up, connection)
            self._note_left()
        return self._leaving

    def _disown(self) -> None:
        """Take no more connections, and those that the user has not closed out of his hands."""
        for listener in list(self._acceptors):
            self.unlisten(listener)
        now = self.loop.time()
        for connection, sink in list(self._sinks.items()):
            if not sink.is_closing():
                connection.leave(now)
                self.touch(connection)
                self._sinks[connection] = Orphan(self, connection)

    def _note_left(self) -> None:
        leaving = self._leaving
        if leaving is not None and not leaving.done() and (self.closed or not self._sinks):
            leaving.set_result(None)

    def _give_up(self, connection: Connection) -> None:
        """Wait for *connection* no longer, and say so."""
        sink = self._sinks.get(connection)
        if sink is None:
            return
        if sink.is_closing():
            say_lost(connection)
        if not connection.has_left:  # else it may have all, and a reset would take it away
            connection.abort(self.loop.time())
            self.touch(connection)
        del self._sinks[connection]
        tell_end(connection, self.loop.time(), self.book)
        self._note_left()

    def shut_down(self) -> None:
        """The loop ends: send what can be sent at once, say what is lost by that, and close."""
        if self.closed:
            return
        self._disown()
        self._send_at_once()
        for connection in list(self._sinks):
            self._give_up(connection)
        self._send_at_once()
        self.close()

    def _send_at_once(self) -> None:
        """Send what the windows let go, in one go."""
        now = self.loop.time()
        if self._port is not None and not self._blocked:
            while (transmit := self._table.poll_transmit(now)) is not None:
                if not self._port.send(transmit):
                    self._blocked = True
                    break
            self._port.flush()
        for connection in self._table.poll_events():
            if connection.state is State.CLOSED:
                self._sinks.pop(connection, None)

    def abandon(self) -> None:
        """In a process that was forked: socket and connections are the parent's, who goes on.

        Nothing is sent, and what we have of the transports hears that it is lost.
        """
        if self.closed:
            return
        self._stop()
        for port in (self._port, *self._former):
            if port is not None:
                port.abandon()
        self._on_empty(self)
        for sink in list(self._sinks.values()):
            with contextlib.suppress(RuntimeError):  # the loop is closed, or another thread's
                sink.lose(OSError(errno.ECONNABORTED, "The connection is that of another process"))

    def close(self) -> None:
        """Close the socket at once; connections that are left say nothing more.  Idempotent."""
        if self.closed:
            return
        self._stop()
        for port in (self._port, *self._former):
            if port is not None:
                port.close()
        self._on_empty(self)

    def _stop(self) -> None:
        self.closed = True
        if self._moving is not None:
            self._moving.cancel()
        self._note_left()
        for handle in (self._alarm, self._flushing):
            if handle is not None:
                handle.cancel()
        self._alarm = self._flushing = None


def cannot_bind(number: int, local: Address) -> OSError:
    """Return the error that address *local* cannot be had, for reason *number*; asyncio's words."""
    why = os.strerror(number).lower()
    return OSError(number, f"error while attempting to bind on address {local!r}: {why}")
