"""Everything behind one UDP socket: who gets a segment, who may send, whose time has come.

A connection is found by six numbers: the peer's UDP address, the local host it sent to, and the
two TCP ports (W-40).  What is for nobody is answered as RFC 9293 §3.10.7.1 says, within limits.
Work is done for connections that moved: a ready set, a heap of deadlines, never a scan.
"""

import errno
import heapq
import os
import random
from collections import OrderedDict
from collections.abc import Callable, Collection

from rudp.config import Config
from rudp.core.demux.fastopen import FastOpenCookies
from rudp.core.demux.listener import Listener, Listeners
from rudp.core.demux.ports import LocalPorts, free_port
from rudp.core.demux.replies import Replies
from rudp.core.demux.roamers import Key, Roamers, key_of
from rudp.core.demux.syncookie import LIFETIME, SynCookies
from rudp.core.demux.timewait import Reaction, TimeWaitQueue, TimeWaitRecord
from rudp.core.demux.trust import admit, believed, guard_of, is_silent
from rudp.core.life.connection import Connection
from rudp.core.life.fastopen import Visits
from rudp.core.life.guard import Guard
from rudp.core.life.numbers import ANY_ECN
from rudp.core.life.parts import USUAL, Parts
from rudp.core.life.surroundings import Surroundings
from rudp.core.life.tcb import Opened, Tcb
from rudp.core.receive.promises import SocketBuffer
from rudp.core.segment import options, wire
from rudp.core.segment.addresses import OVERHEAD_IPV4, OVERHEAD_IPV6, host_of, is_ipv6, is_unicast
from rudp.core.segment.options import TIMESTAMPS_ALONE
from rudp.core.segment.seqnum import SEQ_MASK
from rudp.core.segment.transmit import CE, Address, Path, Transmit
from rudp.core.segment.wire import ACK, FIN, RST, STAMPED, STAMPED_SIZE, SYN, Run, swap_ports
from rudp.core.terms.counters import Count
from rudp.core.terms.state import Cause, State
from rudp.core.terms.timers import OFF
from rudp.core.terms.why import Why
from rudp.core.watch.tracer import Nobody, Tracer


class ConnectionTable:
    """All connections, listeners and TIME-WAIT records of one UDP socket.

    *secret*: 16 random octets or more, for ISNs (RFC 6528); *chance* draws ports.
    *loopback_payload*: the largest UDP payload that loopback carries whole, None if that is not
    known; *link_payload*: asked for that of the link towards an address.  *parts*: what connections
    are made of.  Times are seconds on one monotonic clock; *calendar*: asked for the Unix time,
    None if that clock shows it.  *visits*: the servers that are known from elsewhere.
    """

    def __init__(
        self,
        config: Config,
        *,
        secret: bytes,
        chance: random.Random,
        loopback_payload: int | None = None,
        link_payload: Callable[[Address], int | None] | None = None,
        tracer: Tracer | None = None,
        parts: Parts = USUAL,
        calendar: Callable[[], float] | None = None,
        visits: Visits | None = None,
    ) -> None:
        self.config = config
        around = config, secret, loopback_payload, link_payload, parts, calendar, visits
        self._around = Surroundings(*around)
        self.counters = self._around.counters
        self.memory = self._around.memory
        self.tracer = tracer
        self._isn = self._around.isn
        self._cookies: SynCookies = (parts.cookies or SynCookies)(secret, self._isn)
        self._fast_open = FastOpenCookies(secret)
        self._ports = LocalPorts(chance)
        self._entries: dict[Key, Connection] = {}
        self._time_wait = TimeWaitQueue()
        self._listeners = Listeners()
        self._roamers = Roamers(self._entries, self._ports)
        self._opening: set[Connection] = set()  # active opens under way
        self._half_open: dict[Connection, Listener] = {}
        self._ready: OrderedDict[Connection, None] = OrderedDict()
        self._eventful: dict[Connection, None] = {}
        self._replies = Replies(config, self.counters, chance)
        self._waiting = self._replies.queue
        self._heap: list[tuple[float, int, Connection]] = []
        self._heap_count = 0

    def __repr__(self) -> str:
        return (
            f"<ConnectionTable connections={self.connections} time_wait={self.time_wait_records} "
            f"listeners={self._listeners}>"
        )

    @property
    def connections(self) -> int:
        """The number of connections in any state but TIME-WAIT."""
        return len(self._entries)

    @property
    def paths(self) -> set[Path]:
        """Where the peers of its connections are."""
        return {connection.path for connection in self._entries.values()}

    @property
    def half_open(self) -> int:
        """The number of connections that were opened by peers, whose handshake is under way."""
        return len(self._half_open)

    @property
    def time_wait_records(self) -> int:
        """The number of TIME-WAIT records."""
        return len(self._time_wait)

    @property
    def surroundings(self) -> Surroundings:
        """What its connections share."""
        return self._around

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left: no connection, no record, no listener, nothing to be sent."""
        return not (
            self._entries or self._time_wait or self._listeners or self._waiting or self._ready
        )

    def enable_ecn(self) -> None:
        """The socket can set and read the ECN field of every datagram (ECN-1)."""
        self._around.ecn_capable = True

    def limit_promises(self, capacity: int) -> None:
        """The socket keeps *capacity* octets until they are read, as its system counts them."""
        self._around.socket_buffer = SocketBuffer(capacity)

    # -- user calls ------------------------------------------------------------------------------

    def open_active(
        self,
        path: Path,
        remote_port: int,
        now: float,
        *,
        local_port: int | None = None,
        config: Config | None = None,
        tracer: Tracer | None = None,
        early: bytes = b"",
    ) -> Connection:
        """OPEN, active, to TCP port *remote_port* behind *path* (ST-2).

        *local_port*: our TCP port, None for a random free one.  *early*: the first octets to be
        sent, see :meth:`Connection.open_active`.  Raises :class:`OSError`:
        EADDRNOTAVAIL for an address nobody can connect to, EADDRINUSE if the port, or every
        port, is taken.
        """
        if not is_unicast(path) or not 0 < remote_port <= 0xFFFF:
            raise OSError(errno.EADDRNOTAVAIL, f"cannot connect to {path[0]}")
        iss = None
        if local_port is None:
            port = free_port(self._ports, self._entries, self._time_wait, path, remote_port, now)
            ports = port << 16 | remote_port
            old = self._time_wait.find(path, ports)
            if old is not None:
                iss = old.successor_iss(self._isn.iss(path, ports, now))
        else:
            ports = local_port << 16 | remote_port
            old = None
            taken = self._time_wait.find(path, ports)  # or was not long ago (TW-7)
            if taken is not None or (path, swap_ports(ports)) in self._entries:
                raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        config = config or self.config
        guard = guard_of(self._around, config, path, ports)
        connection = self._new(path, ports, config, Opened.ACTIVE, iss, tracer, now, guard)
        if old is not None:
            self._time_wait.succeed(old, now)
        self._ports.taken(path, ports, now)
        connection.open_active(now, early)
        self._opening.add(connection)
        self.touch(connection)
        return connection

    def listen(
        self,
        port: int,
        *,
        backlog: int = 100,
        config: Config | None = None,
        tracer: Tracer | None = None,
        shares: bool = False,
    ) -> Listener:
        """OPEN, passive, at TCP port *port* (ST-1).

        Raises :class:`OSError` with EADDRINUSE if there is a listener already that is not to
        share, or this one is not.
        """
        config = config or self.config
        listener = Listener(port, backlog, config, tracer or self.tracer, shares=shares)
        self._listeners.add(listener)
        return listener

    def unlisten(self, listener: Listener, now: float) -> None:
        """Close *listener*: children that nobody has accepted are reset, others live on."""
        self._listeners.remove(listener)
        for child in listener.unaccepted:
            child.abort(now)
            self._attend(child)
        listener.accepted.clear()

    def touch(self, connection: Connection) -> None:
        """Note that *connection* may have something to send or to tell."""
        self._ready[connection] = None

    def attend(self, connection: Connection) -> None:
        """Something has happened to *connection* that was not told here."""
        if self._entries.get(key_of(connection)) is connection:
            self._attend(connection)

    def schedule(self, connection: Connection) -> None:
        """The next deadline of *connection* may be earlier than it was."""
        self._schedule(connection)

    # -- what happened ---------------------------------------------------------------------------

    def handle_datagrams(
        self, data: bytes | memoryview, stride: int, path: Path, now: float, ecn: int = 0
    ) -> None:
        """Process one read from the socket: datagrams of *stride* octets, the last may be shorter.

        *ecn*: the two ECN bits of their IP headers.  Everything in it is processed before any
        acknowledgement goes out (MUST-58, MUST-59).
        """
        view = memoryview(data)
        size = len(view)
        if STAMPED_SIZE <= size <= stride and ecn != CE:
            ports, seq, word, tail, layout, tsval, tsecr = STAMPED.unpack_from(view)
            known = self._entries.get((path, ports))
            if (
                known is not None
                and layout == TIMESTAMPS_ALONE
                and word >> 28 & 0xF == STAMPED_SIZE // 4
            ):
                lane = known.lane
                if lane and (size == STAMPED_SIZE or lane.expected_ecn in (ecn, ANY_ECN)):
                    taken = lane.take(seq, word, tsval, tsecr, size - STAMPED_SIZE, view, now)
                    if not lane.steady:
                        known.end_lane()
                    if taken:
                        self._ready[known] = None
                        self._eventful[known] = None
                        return
                stamps = options.Options(tsval, tsecr)
                run = Run(ports, seq, word, tail & 0xFFFF, stamps, view, STAMPED_SIZE)
                run.ecn = ecn
                if known.guard is None:
                    self._process(known, run, now)
                else:
                    self._check(known, run, now)
                return
        for run in wire.read_runs(view, stride, self.counters):
            run.ecn = ecn
            connection = self._entries.get((path, run.ports))
            if connection is not None:
                if connection.guard is None:
                    self._process(connection, run, now)
                else:
                    self._check(connection, run, now)
                continue
            record = self._time_wait.find(path, swap_ports(run.ports))
            if record is not None:
                self._late(record, run, path, now)
            elif (mover := self._roamers.find(run, path, now)) is not None:
                self._process(mover, run, now)
            else:
                self._stray(run, path, now)

    def _check(self, connection: Connection, run: Run, now: float) -> None:
        """*run* is for *connection*, which has keys: process what of it is authentic."""
        for authentic in believed(connection, run, self.counters, now):
            connection.heed(authentic, now)
            self._process(connection, authentic, now)

    def _process(self, connection: Connection, run: Run, now: float) -> None:
        """*run* is of *connection*: if it is the end of that, what follows may open a new one."""
        if self._half_open and self._must_wait(connection, run, now):
            return
        connection.handle_segments(run, now)
        self._attend(connection)
        state = connection.state
        if state is State.TIME_WAIT:
            self._keep_record(connection, now)
        elif state is State.CLOSED:
            self._remove(connection)

    @property
    def may_rebind(self) -> bool:
        """Whether there are connections, and all of them can move with their ends."""
        return self._roamers.all_roam

    def rebind(self, local_host: str, now: float) -> None:
        """There is another socket, with the address *local_host*: all connections go on from it.

        The caller has asked :attr:`may_rebind`.
        """
        for connection in self._roamers.rebind(local_host, now):
            self._attend(connection)

    def handle_icmp(
        self, code: int, quote: bytes, path: Path, now: float, *, mtu: int | None = None
    ) -> None:
        """An ICMP error, an :mod:`errno` number, came back from *path* (MUST-54).

        *quote*: the beginning of the datagram it is about, ``b""`` if the system does not tell;
        then it is held against opens under way only (ICMP-1).  *mtu*: the octets of an IP packet
        that it says would have passed.
        """
        if len(quote) < 8:
            opens = [c for c in self._opening if c.path[0] == path[0]]
            self._refuse_opens(code, opens, now)
            return
        local, remote = quote[0] << 8 | quote[1], quote[2] << 8 | quote[3]
        connection = self._entries.get((path, remote << 16 | local))
        if connection is not None:
            overhead = OVERHEAD_IPV6 if is_ipv6(host_of(path)) else OVERHEAD_IPV4
            payload = mtu - overhead if mtu else None
            opening = connection.state is State.SYN_SENT
            connection.handle_icmp(code, int.from_bytes(quote[4:8], "big"), now, payload=payload)
            self._attend(connection)
            if opening and connection.state is State.CLOSED:
                # It speaks for all that have heard nothing from there: if their SYNs left in one
                # batch, the system quotes the first alone, and perhaps after that one's end.
                self._refuse_opens(code, [c for c in self._opening if c.path == path], now)
        else:
            self.counters[Count.ICMP_IGNORED] += 1

    def _refuse_opens(self, code: int, opens: list[Connection], now: float) -> None:
        for opening in opens:
            opening.handle_icmp(code, None, now)
            self._attend(opening)

    def handle_send_error(self, code: int, transmit: Transmit, now: float) -> None:
        """The system refused *transmit* with the :mod:`errno` number *code*: it counts as lost.

        Its datagrams may be those of several connections, each of which has one run of them.
        """
        last = None
        link = self._around.link(transmit.path) if code == errno.EMSGSIZE else None  # it may change
        for datagram in transmit.datagrams():
            self.counters[Count.SEND_DROPPED] += 1
            ports = int.from_bytes(datagram[:4], "big")
            if ports == last:
                continue
            last = ports
            connection = self._entries.get((transmit.path, swap_ports(ports)))
            if connection is not None:
                seq = int.from_bytes(datagram[4:8], "big")
                connection.handle_send_error(code, seq, len(datagram), link, now)
                self._attend(connection)

    def handle_timeouts(self, now: float) -> None:
        """Do what is due at *now*, for whom it is due."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            deadline, _, connection = heapq.heappop(heap)
            if deadline != connection.scheduled:
                continue  # an earlier deadline took its place, or the connection is gone
            connection.scheduled = OFF
            if connection.next_deadline <= now:
                connection.handle_timeout(now)
                self._attend(connection)
            else:
                connection.rest()
                self._schedule(connection)
        self._time_wait.expire(now)

    def stood_still(self, seconds: float) -> None:
        """For so long nobody was here to act or listen: that is no lack of progress."""
        for connection in self._entries.values():
            connection.stood_still(seconds)

    # -- what to do ------------------------------------------------------------------------------

    @property
    def next_deadline(self) -> float:
        """When :meth:`handle_timeouts` should be called next; infinity if never."""
        deadline = self._heap[0][0] if self._heap else OFF
        return min(deadline, self._time_wait.next_expiry)

    def poll_transmit(self, now: float, max_segments: int = 64) -> Transmit | None:
        """Return the next run to be sent, *max_segments* at most; None if there is nothing.

        Connections that have something take turns.
        """
        if self._waiting:
            return self._waiting.popleft()
        ready = self._ready
        while ready:
            connection, _ = ready.popitem(last=False)
            lane = connection.lane
            if lane is not None:
                transmit = lane.emit(now, max_segments)
                if lane.steady:
                    if lane.more:
                        ready[connection] = None
                    elif lane.deadline < connection.scheduled:
                        self._schedule(connection)
                    if transmit is None:
                        continue
                    if connection.wants_room:
                        self._eventful[connection] = None
                    return transmit
            transmit = connection.poll_transmit(now, max_segments)
            if transmit is not None:
                ready[connection] = None
                if connection.wants_room:
                    self._eventful[connection] = None
                return transmit
            self._settle(connection, now)
        return None

    def watch_ready(self) -> None:
        """Set the deadlines of those that have something to send and are not polled for it.

        While the socket takes nothing, their time goes on all the same.
        """
        for connection in self._ready:
            self._schedule(connection)

    @property
    def is_crowded(self) -> bool:
        """Whether several connections are waiting in :meth:`poll_events`."""
        return len(self._eventful) > 1

    def poll_events(self) -> Collection[Connection]:
        """Return the connections to which something happened since the last call.

        That their octets have left does not count, save where ``wants_room`` is set: the user of
        one that waits for nothing would be told of every run it sends.
        """
        eventful = self._eventful
        if eventful:
            self._eventful = {}
        return eventful

    # -- inside ----------------------------------------------------------------------------------

    def _new(
        self,
        path: Path,
        ports: int,
        config: Config,
        opened: Opened,
        iss: int | None,
        tracer: Tracer | None,
        now: float,
        guard: Guard | None,
    ) -> Connection:
        if self.connections >= self.config.connections_max:
            self.counters[Count.CONNECTION_OVERFLOW] += 1
            raise OSError(errno.ENOBUFS, "too many connections")
        connection = Connection(
            Tcb(self._around, path, ports, config, opened, tracer or self.tracer, now, iss, guard)
        )
        self._entries[key_of(connection)] = connection
        if guard is not None:
            self._roamers.add(connection)
        return connection

    def _attend(self, connection: Connection) -> None:
        """Something happened to *connection*: let it send, tell its user, watch its birth."""
        self._ready[connection] = None
        self._eventful[connection] = None
        if self._half_open and connection in self._half_open:
            self._child_moved(connection)

    def _child_moved(self, child: Connection) -> None:
        """A half-open child may have grown up or died."""
        if child.state is State.SYN_RECEIVED:
            return
        listener = self._half_open.pop(child)
        listener.half_open.discard(child)
        if child.state is not State.CLOSED and not child.came_early:
            listener.accepted.append(child)
            if self._time_wait:  # until now its SYN might have been an old duplicate (TW-6)
                self._time_wait.forget(child.path, child.ports)

    def _settle(self, connection: Connection, now: float) -> None:
        """*connection* has nothing more to send: set its deadline, or bury it."""
        state = connection.state
        if state is State.CLOSED:
            if self._remove(connection):
                self._eventful[connection] = None  # it may have died of its last word
        elif state is not State.TIME_WAIT:
            connection.settle()
            self._schedule(connection)
            if self._opening and state is not State.SYN_SENT:
                self._opening.discard(connection)

    def _remove(self, connection: Connection) -> bool:
        """Take *connection* out of the table; return whether it was still in."""
        connection.scheduled = OFF
        self._opening.discard(connection)
        key = key_of(connection)
        if self._entries.get(key) is not connection:
            return False
        del self._entries[key]
        if connection.guard is not None:
            self._roamers.discard(connection)
        self._ports.freed(connection.path, connection.ports)
        return True

    def _keep_record(self, connection: Connection, now: float) -> None:
        """Let a record stand for *connection*, which has nothing left to say but its last ACK."""
        if not self._remove(connection):
            return
        config, guard = connection.config, connection.guard
        path, ports, facts = connection.path, connection.ports, connection.time_wait_facts
        if guard is not None:
            guard.rest(*facts[:2])
        lifetime, fix, tracer = 2 * config.msl, config.rfc1337, connection.tracer
        record = TimeWaitRecord(path, ports, facts, lifetime, fix, now, tracer, guard)
        if len(self._time_wait) >= self.config.time_wait_max:
            self.counters[Count.TIME_WAIT_OVERFLOW] += 1
            self._time_wait.forget_oldest(now)
        self._time_wait.keep(record)
        self._ports.rests(record.path, record.ports, record.expires)

    def _schedule(self, connection: Connection) -> None:
        """Make sure that the heap wakes us for *connection* in time.

        A deadline that moved to later needs nothing: the entry that is there finds out.
        """
        deadline = connection.next_deadline
        if deadline >= connection.scheduled:
            return
        connection.scheduled = deadline
        self._heap_count += 1
        heapq.heappush(self._heap, (deadline, self._heap_count, connection))
        if len(self._heap) > 2 * len(self._entries) + 64:
            # One entry each: a deadline that went to earlier and came back stands here twice.
            live = {entry[2]: entry for entry in self._heap if entry[0] == entry[2].scheduled}
            self._heap = list(live.values())
            heapq.heapify(self._heap)

    def _late(self, record: TimeWaitRecord, run: Run, path: Path, now: float) -> None:
        """A segment for a connection in TIME-WAIT."""
        tracer = record.tracer
        if tracer is not None:
            tracer.run_received(record, run, now)
        listener = self._listeners.find(run.ports)
        doubt = None if record.guard is None else record.guard.check_last(run, now)
        if doubt is not None and listener is not None and run.flags & (SYN | ACK) == SYN:
            # It is a new connection's, and the keys may be others since.
            _, doubt = admit(self._around, listener.config, run, path, None, now)
        if doubt is not None:
            self.counters[doubt] += run.segments
            if tracer is not None:
                tracer.run_processed(record, run, doubt, now)
            return
        reaction = record.react(run, now)
        if reaction is Reaction.REOPEN and listener is None:
            reaction = record.challenge(now)
        if tracer is not None:
            dropped = Count.TIME_WAIT_DROPPED if reaction is Reaction.DROP else None
            tracer.run_processed(record, run, dropped, now)
        if reaction is Reaction.REOPEN and listener is not None:
            self._accept_syn(listener, run, path, now, record)
        elif reaction is Reaction.DELETE:
            self._time_wait.forget(path, record.ports)
            if tracer is not None:
                tracer.state_moved(record, State.TIME_WAIT, State.CLOSED, Cause.DELETE, now)
        elif reaction is Reaction.DROP:
            self.counters[Count.TIME_WAIT_DROPPED] += run.segments
        else:
            if reaction is Reaction.RESTART:
                self._time_wait.keep(record)
            else:
                self._time_wait.update(record)
            reply = self._replies.add(path, record.acknowledgment(now))
            why = Why.TIME_WAIT_ACK
            if reaction is Reaction.CHALLENGE:
                self.counters[Count.CHALLENGE_ACK] += 1
                why = Why.CHALLENGE_ACK
            if tracer is not None and reply is not None:
                tracer.run_sent(record, reply, why, now)

    def _stray(self, run: Run, path: Path, now: float) -> None:
        """A segment that belongs to no connection: LISTEN or CLOSED (§3.10.7.1, §3.10.7.2)."""
        flags = run.flags
        listener = self._listeners.find(run.ports)
        if flags & RST:
            reason = Count.RST_IGNORED
        elif not is_unicast(path):  # MUST-57, MUST-63: whatever it is, it gets no answer
            reason = Count.BAD_SOURCE
        elif listener is None or flags & ACK:
            if listener is not None and self._take_cookie(listener, run, path, now):
                return
            reason = Count.NO_CONNECTION
        elif not flags & SYN or flags & FIN:
            reason = Count.LISTEN_DROPPED
        else:
            self._accept_syn(listener, run, path, now, None)
            return
        self._drop(listener, run, path, reason, now)
        config = self.config if listener is None else listener.config
        if reason is Count.NO_CONNECTION and not is_silent(config, path):
            self._refuse(listener, run, path, now)

    def _drop(
        self, listener: Listener | None, run: Run, path: Path, reason: Count, now: float
    ) -> None:
        """Count a *run* that reached no connection, at most *listener*."""
        self.counters[reason] += run.segments
        tracer = self.tracer if listener is None else listener.tracer
        if tracer is not None:
            state = State.CLOSED if listener is None else State.LISTEN
            nobody = Nobody(path, swap_ports(run.ports), state)
            tracer.run_received(nobody, run, now)
            tracer.run_processed(nobody, run, reason, now)

    def _accept_syn(
        self,
        listener: Listener,
        syn: Run,
        path: Path,
        now: float,
        predecessor: TimeWaitRecord | None,
    ) -> None:
        """Make a half-open child for *syn*, if there is room (ST-12).

        *predecessor*: the TIME-WAIT record of its ports, which is kept until the child is
        established, in case that it dies before (TW-6).
        """
        ports = swap_ports(syn.ports)
        guard, doubt = admit(self._around, listener.config, syn, path, None, now)
        if doubt is None and (listener.is_full or listener.pausing):
            doubt = Count.ACCEPT_OVERFLOW
        if doubt is not None:
            self._drop(listener, syn, path, doubt, now)
            return
        if len(listener.half_open) >= listener.config.half_open_max:
            if predecessor is None and listener.config.syn_cookies:
                self._send_cookie(listener, syn, path, now, guard)
            else:
                self._drop(listener, syn, path, Count.HALF_OPEN_OVERFLOW, now)
            return
        iss = None
        if predecessor is not None:
            iss = predecessor.successor_iss(self._isn.iss(path, ports, now))
        elif now < listener.cookies_until:
            # This may be a SYN that was sent again and crossed a cookie: an ACK of either will do.
            iss = self._cookies.iss(syn, path, listener.config, now)
        if (child := self._child(listener, path, ports, iss, guard, now)) is None:
            return
        if predecessor is not None and predecessor.tracer is not None:
            predecessor.tracer.state_moved(
                predecessor, State.TIME_WAIT, State.CLOSED, Cause.DELETE, now
            )
        offer = None
        if guard is None and predecessor is None:
            offer = self._fast_open.answer(syn, path, listener.config, self.counters, now)
        child.open_passive(syn, now, offer)
        if child.came_early:
            listener.accepted.append(child)
            self._eventful[child] = None
        listener.half_open.add(child)
        self._half_open[child] = listener
        self.touch(child)

    def _child(
        self,
        listener: Listener,
        path: Path,
        ports: int,
        iss: int | None,
        guard: Guard | None,
        now: float,
    ) -> Connection | None:
        """Return a new connection of *listener*; None, and counted, if there are too many."""
        config, tracer = listener.config, listener.tracer
        try:
            return self._new(path, ports, config, Opened.PASSIVE, iss, tracer, now, guard)
        except OSError:
            return None

    def _must_wait(self, child: Connection, run: Run, now: float) -> bool:
        """Drop *run* if its listener must: the peer, who believes it is open, says it again."""
        listener = self._half_open.get(child)
        if listener is None or not listener.holds_up(child, run):
            return False
        self._drop(listener, run, child.path, Count.ACCEPT_OVERFLOW, now)
        return True

    def _send_cookie(
        self, listener: Listener, syn: Run, path: Path, now: float, guard: Guard | None
    ) -> None:
        """Answer *syn*, and forget it."""
        config = listener.config
        mss = self._around.receive_payload(path) - wire.HEADER_SIZE
        if config.mss is not None:
            mss = min(mss, config.mss)
        self.counters[Count.HALF_OPEN_OVERFLOW] += 1
        ecn = self._around.ecn_capable
        segment = self._cookies.syn_ack(syn, path, config, mss, ecn, now, guard=guard)
        reply = self._replies.add(path, segment)
        if reply is not None:
            self.counters[Count.COOKIE_SENT] += 1
            listener.cookies_until = now + LIFETIME
        if listener.tracer is not None:
            nobody = Nobody(path, swap_ports(syn.ports), State.LISTEN)
            listener.tracer.run_received(nobody, syn, now)
            listener.tracer.run_processed(nobody, syn, None, now)
            if reply is not None:
                listener.tracer.run_sent(nobody, reply, Why.SYN_COOKIE, now)

    def _take_cookie(self, listener: Listener, run: Run, path: Path, now: float) -> bool:
        """Make a connection if *run* brings a cookie back; return whether it does (ST-11)."""
        if now >= listener.cookies_until or run.flags & SYN:
            return False
        syn = self._cookies.syn_of(run, path, now)
        if syn is None:
            self.counters[Count.COOKIE_INVALID] += 1
            if ahead := self._cookies.is_ahead(run, path, now):  # what it overtook may still come
                self._drop(listener, run, path, Count.LISTEN_DROPPED, now)
            return ahead
        iss = (run.ack - 1) & SEQ_MASK
        guard, doubt = admit(self._around, listener.config, run, path, iss, now)
        if doubt is None and listener.is_full:
            doubt = Count.ACCEPT_OVERFLOW
        if doubt is not None:
            self._drop(listener, run, path, doubt, now)
            return True
        if (child := self._child(listener, path, swap_ports(run.ports), iss, guard, now)) is None:
            return True
        self.counters[Count.COOKIE_ACCEPTED] += 1
        child.open_with_cookie(syn, self._cookies.offered_to_roam(run, guard), now)
        child.handle_segments(run, now)
        listener.accepted.append(child)
        self._attend(child)
        return True

    def _refuse(self, listener: Listener | None, run: Run, path: Path, now: float) -> None:
        """Answer *run* with a RST, unless there were too many (ST-9, ST-11)."""
        reply = self._replies.refuse(run, path, now)
        tracer = self.tracer if listener is None else listener.tracer
        if tracer is not None and reply is not None:
            state = State.CLOSED if listener is None else State.LISTEN
            nobody = Nobody(path, swap_ports(run.ports), state)
            tracer.run_sent(nobody, reply, Why.RST_NO_CONNECTION, now)
