"""A table in the middle of its life, and a language of octets for everything that may reach it.

The oracle is one sentence: bad input is counted and dropped, nothing else ever happens.

A :class:`World` has one table under attack, with a listener, connections to an honest peer in
several states, a TIME-WAIT record, a half-open child and an open that nobody answers.  Any string
of octets is a program for it (:data:`OPERATIONS`): forged segments whose numbers are taken
relative to those of a connection, raw octets in strides, ICMP errors, honest segments that are
lost, repeated or damaged, user calls and time.  After each step :meth:`World.check` holds.
"""

import errno
import random
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from rudp.bridge.translate import AddressPlan, Datagram, Drop, Translator
from rudp.config import Config
from rudp.core.demux.replies import REPLIES_MAX
from rudp.core.demux.table import ConnectionTable
from rudp.core.life.connection import Connection
from rudp.core.life.tcb import AMPLIFICATION
from rudp.core.loss.scoreboard import RANGES_MAX
from rudp.core.segment import options, wire
from rudp.core.segment.checksum import internet_checksum, tcp_checksum_valid
from rudp.core.segment.seqnum import SEQ_MASK, from_wire
from rudp.core.segment.transmit import RUN_OCTETS_MAX, Address, Path, Transmit
from rudp.core.segment.wire import ACK, FIN, RST, SYN, Run
from rudp.core.terms.counters import Count, Counters
from rudp.core.terms.state import MOVES, Cause, State
from rudp.core.terms.timers import OFF
from rudp.core.terms.why import Why
from rudp.core.watch.tracer import Tracer, Watched

VICTIM: Final[Address] = ("10.0.0.2", 7000)
PEER: Final[Address] = ("10.0.0.1", 4000)
HALF: Final[Address] = ("10.0.0.3", 5000)
GHOST: Final[Address] = ("10.0.0.4", 6000)
STRANGER: Final[Address] = ("10.0.0.5", 6666)
PORT: Final = 80

CONFIG: Final = Config(
    receive_buffer=16_384,
    receive_buffer_max=32_768,
    send_buffer=65_536,
    half_open_max=1,  # beyond it there are cookies
    user_timeout=None,  # a program may let minutes pass before anything is delivered
)
PLAIN: Final = Config(
    sack=False,
    timestamps=False,
    window_scaling=False,
    congestion="newreno",
    receive_buffer=8192,
    receive_buffer_max=8192,
    user_timeout=None,
)
ERRORS: Final = (
    errno.ECONNREFUSED,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.EMSGSIZE,
    errno.EPROTO,
    errno.EPERM,
)
_PATTERN: Final = bytes((n * 31 + (n >> 8) * 7) & 0xFF for n in range(1 << 16))
NO_SEGMENT: Final = (Count.SHORT, Count.BAD_OFFSET, Count.BAD_PORT, Count.BAD_OPTION)
ARROWS: Final = {(before, after) for (before, _), after in MOVES.items()}
SYNCHRONIZED: Final = frozenset(State) - {
    State.CLOSED,
    State.LISTEN,
    State.SYN_SENT,
    State.SYN_RECEIVED,
}
TRANSLATOR: Final = Translator(AddressPlan(IPv4Address("10.76.0.1"), IPv4Network("10.77.0.0/16")))

Facts = tuple[object, ...]


class Octets:
    """The program, read from the front; behind its end are zeros."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, size: int) -> bytes:
        """Return the next *size* octets, or what is left of them."""
        part = self._data[self._at : self._at + size]
        self._at += size
        return part

    def number(self, size: int = 1, *, signed: bool = False) -> int:
        """Return a number of *size* octets."""
        return int.from_bytes(self.take(size).ljust(size, b"\0"), "big", signed=signed)


class Ledger(Tracer):
    """Counts the segments that were processed or dropped, and watches every move."""

    def __init__(self) -> None:
        self.segments = 0

    def run_sent(self, who: Watched, transmit: Transmit, why: Why, now: float) -> None:
        assert 0 < transmit.total <= RUN_OCTETS_MAX
        assert sum(map(len, transmit.buffers)) == transmit.total

    def run_received(self, who: Watched, run: Run, now: float) -> None:
        assert run.length >= 0
        self.segments += run.segments

    def state_moved(
        self, who: Watched, before: State, after: State, cause: Cause, now: float
    ) -> None:
        assert (before, after) in ARROWS, f"{before} to {after}"


class Stream:
    """One connection between the victim and its honest peer, and what was written at each end."""

    def __init__(self, ours: Connection, theirs: Connection) -> None:
        self.ours = ours
        self.theirs = theirs
        self.path: Path = (PEER, "")
        self.ports = _swap(ours.ports)
        self.written = {id(ours): 0, id(theirs): 0}
        self.got = {id(ours): 0, id(theirs): 0}
        self.tainted = False  # something was forged well enough to be believed
        self.left = False  # its user has closed or aborted it

    @property
    def is_complete(self) -> bool:
        """Whether all that was written was read at the other end."""
        ends = (self.ours, self.theirs)
        return all(self.got[id(self.other(one))] == self.written[id(one)] for one in ends)

    def other(self, one: Connection) -> Connection:
        """Return the other end of *one*."""
        return self.theirs if one is self.ours else self.ours


class World:
    """One table under attack.  Make one for each program, call :meth:`run`, then :meth:`settle`."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.ledger = Ledger()
        self.victim = _table(1, self.ledger)
        self.peer = _table(2, None)
        self.listener = self.victim.listen(PORT, tracer=self.ledger)
        self.wire: list[tuple[Address, bytes]] = []  # sent and not delivered: to whom, what
        self.old: list[tuple[Address, bytes]] = []  # delivered, and good for a replay
        self.received: dict[Address, int] = {}  # octets from and to each address
        self.sent: dict[Address, int] = {}
        self.streams: list[Stream] = []
        self.exchanged = 0
        self.taken = 0  # children of forged SYNs that a user has accepted
        self.answer: Run | None = None  # the latest SYN,ACK to the stranger, a cookie perhaps
        self._open_streams()
        self.flows: list[tuple[Path, int, Connection | None]] = [
            *((one.path, one.ports, one.ours) for one in self.streams),
            ((PEER, ""), self._close_first(), None),
            ((HALF, ""), 1234 << 16 | PORT, None),
            ((GHOST, ""), 9 << 16 | 2000, self._ghost()),
            ((STRANGER, ""), 4321 << 16 | PORT, None),
        ]
        half_open = wire.pack_segment(1234 << 16 | PORT, 5000, 0, SYN, 1000, b"")
        self.arrive([half_open], len(half_open), (HALF, ""))

    # -- how it begins ---------------------------------------------------------------------------

    def _open_streams(self) -> None:
        for config in (CONFIG, PLAIN, CONFIG, CONFIG):
            theirs = self.peer.open_active((VICTIM, ""), PORT, self.now, config=config)
            self.exchange()
            self.streams.append(Stream(self.listener.accepted.popleft(), theirs))
        half_closed, self._closing = self.streams[2], self.streams.pop()
        self.write(self.streams[0].theirs, 3000)
        self.write(self.streams[0].ours, 3000)
        half_closed.theirs.shutdown(self.now)
        self.peer.touch(half_closed.theirs)
        self.exchange()

    def _close_first(self) -> int:
        """Leave a TIME-WAIT record at the victim; return its ports."""
        self._closing.ours.shutdown(self.now)
        self.victim.touch(self._closing.ours)
        self.exchange()
        self._closing.theirs.close(self.now)
        self.peer.touch(self._closing.theirs)
        self.exchange()
        assert self.victim.time_wait_records == 1
        return self._closing.ports

    def _ghost(self) -> Connection:
        return self.victim.open_active(
            (GHOST, ""), 9, self.now, local_port=2000, tracer=self.ledger
        )

    # -- the network -----------------------------------------------------------------------------

    def exchange(self, rounds: int = 400) -> None:
        """Let both tables talk until they have nothing to say, a tenth of a millisecond apart.

        Kilobytes that go again one by one, in the smallest segments there are, take many *rounds*.
        """
        for _ in range(rounds):
            self.collect()
            batch, self.wire = self.wire, []
            if not batch:
                return
            self.now += 0.0001
            for to, data in batch:
                self.deliver(to, data)
        self.collect()
        assert not self.wire, "they never fall silent"

    def deliver(self, to: Address, data: bytes) -> None:
        """Hand in one honest datagram."""
        self.old = [*self.old[-31:], (to, data)]
        self.exchanged += 1
        if to == VICTIM:
            self.victim.handle_datagrams(data, len(data), (PEER, ""), self.now)
            self.received[PEER] = self.received.get(PEER, 0) + len(data)
        elif to == PEER:
            self.peer.handle_datagrams(data, len(data), (VICTIM, ""), self.now)

    def collect(self) -> int:
        """Take what both tables want to send; return how many datagrams the victim sent."""
        count = 0
        while (transmit := self.victim.poll_transmit(self.now)) is not None:
            to = transmit.path[0]
            self.sent[to] = self.sent.get(to, 0) + transmit.total
            for data in transmit.datagrams():
                count += 1
                self.wire.append((to, data))
                if to == STRANGER and data[13] & (SYN | ACK) == SYN | ACK:
                    self.answer = wire.read_segment(memoryview(data), Counters())
            assert count < 2000, "one event, and it never stops sending"
        while (transmit := self.peer.poll_transmit(self.now)) is not None:
            self.wire += [(VICTIM, data) for data in transmit.datagrams()]
        return count

    def arrive(self, datagrams: list[bytes], stride: int, path: Path, ecn: int = 0) -> None:
        """Let forged *datagrams* of *stride* octets arrive in one read, and hold the oracle."""
        before = self._accounted()
        safe = {
            id(one): (one, self.facts(one))
            for one in self._synchronized()
            if not self._may_be_believed(one, datagrams, path)
        }
        read = b"".join(datagrams)
        self.received[path[0]] = self.received.get(path[0], 0) + len(read)
        self.victim.handle_datagrams(read, stride, path, self.now, ecn)
        # A SYN that ends TIME-WAIT is seen twice, by the record and by what follows it.
        assert self._accounted() - before >= len(datagrams), "not counted, and for nobody"
        for one, facts in safe.values():
            assert self.facts(one) == facts, "a forged segment was believed"
        for stream in self.streams:
            stream.tainted |= id(stream.ours) not in safe
        assert self.collect() <= 2 * len(datagrams) + 200

    def _accounted(self) -> int:
        """Return how many datagrams were no segments, or segments that were seen to."""
        counters = self.victim.counters
        return self.ledger.segments + sum(counters[reason] for reason in NO_SEGMENT)

    # -- the oracle ------------------------------------------------------------------------------

    def _synchronized(self) -> list[Connection]:
        return [one for one in self.victim._entries.values() if one.state in SYNCHRONIZED]

    @staticmethod
    def facts(connection: Connection) -> Facts:
        """Return what no forged segment may change."""
        tcb = connection._tcb
        sender, receiver = tcb.sender, tcb.receiver
        assert receiver is not None
        return (
            tcb.state,
            tcb.error,
            sender.snd_una,
            sender.snd_nxt,
            sender.snd_wnd,
            sender.board.sacked,
            sender.board.lost.octets,
            sender.flight.window,
            sender.flight.controller.ssthresh,
            sender.flight.rtt.srtt,
            sender.smss,
            receiver.rcv_nxt,
            receiver.right_edge,
            receiver.ready_octets,
            receiver.queue.held.octets,
            receiver.rcv_up,
            receiver.fin_seq,
            receiver.ts_recent,
        )

    @staticmethod
    def _may_be_believed(connection: Connection, datagrams: list[bytes], path: Path) -> bool:
        """Return whether one of *datagrams* has all the numbers that make it acceptable.

        Written from RFC 9293 §3.4 and RFC 5961 once more, on purpose, and a little too generous.
        """
        if path != connection.path:
            return False
        tcb = connection._tcb
        sender, receiver = tcb.sender, tcb.receiver
        assert receiver is not None
        nxt, edge = receiver.rcv_nxt, receiver.right_edge
        for datagram in datagrams:
            run = wire.read_segment(memoryview(datagram), Counters())
            if run is None or run.ports != _swap(connection.ports):
                continue
            seq = from_wire(run.seq, nxt)
            if run.flags & RST:
                if seq == nxt:
                    return True
                continue
            if run.flags & SYN or not run.flags & ACK:
                continue
            if tcb.timestamps and run.options.tsval is None:
                continue
            ack = from_wire(run.ack, sender.snd_una)
            if not sender.snd_una - sender.max_snd_wnd <= ack <= sender.snd_nxt:
                continue
            length = run.length + bool(run.flags & FIN)
            if seq == nxt or (seq < edge and seq + length > nxt) or nxt <= seq < edge:
                return True
        return False

    def check(self) -> None:
        """Nothing has grown, nothing contradicts itself, nobody waits for ever."""
        victim = self.victim
        listener = self.listener
        bound = listener.backlog + CONFIG.half_open_max
        assert victim.connections <= len(self.streams) + 2 + bound + self.taken
        assert len(listener.half_open) <= CONFIG.half_open_max
        assert len(listener.accepted) <= listener.backlog
        assert len(victim._replies.queue) <= REPLIES_MAX
        assert len(victim._heap) <= 2 * len(victim._entries) + 66
        proved = bool(listener.accepted) or self.taken
        for address in () if proved else (HALF, STRANGER):
            assert self.sent.get(address, 0) <= AMPLIFICATION * self.received.get(address, 0)
        assert victim.time_wait_records <= len(self.streams) + 1
        for connection in victim._entries.values():
            self._check_connection(connection)

    def _check_connection(self, connection: Connection) -> None:
        tcb = connection._tcb
        sender, receiver, board = tcb.sender, tcb.receiver, tcb.sender.board
        assert sender.iss <= sender.snd_una <= sender.snd_nxt <= sender.buffer.end + 1
        assert board.sacked >= 0
        assert board.lost.octets >= 0
        assert board.sacked + board.lost.octets <= sender.flight_size
        assert len(board.runs) <= 2 * RANGES_MAX + 2
        assert sender.flight.window > 0
        if board.runs:
            assert board.runs[0].seq == sender.snd_una
            assert board.runs[-1].end == sender.snd_nxt
        else:
            assert sender.snd_una == sender.snd_nxt
        if receiver is not None and tcb.state is not State.CLOSED:
            kept = receiver.ready_octets + receiver.queue.held.octets
            assert receiver.rcv_nxt <= receiver.right_edge + 1  # a FIN needs no room
            assert kept <= CONFIG.receive_buffer_max + receiver.rcv_wnd + 65_536
            assert len(receiver.ready) <= 64 + kept // 512 + 65
        if sender.flight_size and tcb.state is not State.CLOSED:
            assert connection.next_deadline < OFF, "octets are outstanding and nothing will happen"

    # -- a program -------------------------------------------------------------------------------

    def run(self, program: bytes) -> None:
        """Do what *program* says, and check after each step."""
        octets = Octets(program)
        for _ in range(200):
            if not octets:
                break
            OPERATIONS[octets.number() % len(OPERATIONS)](self, octets)
            self.collect()
            self.check()

    def settle(self) -> None:
        """Leave the network alone: it falls silent, and who was not deceived goes on as before."""
        self.exchange()
        honest = [one for one in self.streams if not (one.tainted or one.left)]
        for stream in honest:
            self.write(stream.ours, 10)
        self.pass_time(1.0)
        for _ in range(90):  # a shut window, or what was lost before, may take a time-out each
            for stream in honest:
                self.read(stream.ours, 1 << 30)
                self.read(stream.theirs, 1 << 30)
            if all(stream.is_complete for stream in honest):
                break
            self.pass_time(65.0)
        for stream in honest:
            assert stream.ours.error is None
            assert stream.theirs.error is None
            assert stream.is_complete, "an honest transfer has stopped"
        self.check()

    def pass_time(self, seconds: float) -> None:
        """Let *seconds* go by; what is sent meanwhile arrives at once."""
        end = self.now + seconds
        budget = self.exchanged + 400 + int(20 * seconds) + self._backlog() // 50
        self.exchange()
        while (deadline := min(self.victim.next_deadline, self.peer.next_deadline)) <= end:
            self.now = max(self.now, deadline)
            self.victim.handle_timeouts(self.now)
            self.peer.handle_timeouts(self.now)
            self.exchange()
            assert self.exchanged <= budget, "they talk for ever (UDP-25)"
        self.now = max(self.now, end)

    def _backlog(self) -> int:
        ends = [end for one in self.streams for end in (one.ours, one.theirs)]
        return sum(end.unsent_octets + end.unacked_octets for end in ends)

    # -- user calls ------------------------------------------------------------------------------

    def write(self, connection: Connection, size: int) -> None:
        """Send *size* octets of the pattern of *connection*'s stream."""
        stream = next(one for one in self.streams if connection in (one.ours, one.theirs))
        at = stream.written[id(connection)]
        try:
            connection.send(_pattern(at, size))
        except OSError:
            return
        stream.written[id(connection)] = at + size
        self._table_of(connection).touch(connection)

    def read(self, connection: Connection, most: int) -> None:
        """Read up to *most* octets and hold them against what the other end wrote."""
        stream = next(one for one in self.streams if connection in (one.ours, one.theirs))
        data = connection.receive(most)
        at = stream.got[id(connection)]
        if not stream.tainted:
            assert data == _pattern(at, len(data)), "octets that nobody wrote"
            assert at + len(data) <= stream.written[id(stream.other(connection))]
        stream.got[id(connection)] = at + len(data)
        self._table_of(connection).touch(connection)

    def _table_of(self, connection: Connection) -> ConnectionTable:
        ours = any(connection is one.ours for one in self.streams)
        return self.victim if ours else self.peer


# -- the language --------------------------------------------------------------------------------


def _forge(world: World, octets: Octets) -> None:
    """A segment for a flow, its numbers relative to what the flow has; perhaps a whole run."""
    path, datagram, count, ecn = _segment(world, octets)
    header = (datagram[12] >> 4) * 4
    length = len(datagram) - header
    batch = []
    for n in range(count):
        seq = int.from_bytes(datagram[4:8], "big") + n * length & SEQ_MASK
        batch.append(datagram[:4] + seq.to_bytes(4, "big") + datagram[8:])
    world.arrive(batch, len(datagram), path, ecn)


def _segment(world: World, octets: Octets) -> tuple[Path, bytes, int, int]:
    path, ports, connection = world.flows[octets.number() % len(world.flows)]
    flags = octets.number()
    shape = octets.number()
    seq_base, ack_base, tsval, tsecr, edge = _numbers(world, path, ports, connection)
    seq = seq_base + _offset(octets, shape & 3)
    if shape & 4:
        seq = edge + _offset(octets, 1)
    ack = ack_base + _offset(octets, shape >> 3 & 3)
    opts = b""
    kind = octets.number()
    if kind & 1:
        tsval += _offset(octets, kind >> 1 & 3)
        opts += options.encode((tsval & SEQ_MASK, tsecr & SEQ_MASK))
    if kind & 8:
        pairs = []
        for _ in range(1 + (kind >> 4 & 1)):
            left = ack_base + _offset(octets, 2)
            pairs.append((left & SEQ_MASK, left + _offset(octets, 2) & SEQ_MASK))
        opts += options.encode(None, pairs)
    ecn = 0
    if kind & 24 == 16:  # bits of the IP header, AE, and the AccECN option in one of its lengths
        marks = octets.number()
        ecn = marks & 3
        flags |= (marks & 4) << 6
        if marks & 8:
            counters = [octets.number(3) for _ in range(marks >> 5 & 3)]
            opts += options.accurate_ecn(counters, ect_1_first=bool(marks & 16))
    if kind & 32:
        opts += octets.take(4 * (kind >> 6)).ljust(4 * (kind >> 6), b"\0")
    window = octets.number(2) if shape & 32 else 1000
    urgent = octets.number(2) if flags & wire.URG else 0
    length = octets.number(2) % 1400 if shape & 64 else 0
    count = 1 + octets.number() % 64 if shape & 128 else 1
    head = wire.pack_segment(
        ports, seq & SEQ_MASK, ack & SEQ_MASK, flags, window, opts[:40], urgent
    )
    return path, head + b"\xee" * length, count, ecn


def _numbers(
    world: World, path: Path, ports: int, connection: Connection | None
) -> tuple[int, int, int, int, int]:
    """Return what the victim expects on a flow: SEQ, ACK, TSval, TSecr, and the window's edge."""
    record = world.victim._time_wait.find(path, _swap(ports))
    if record is not None:
        return record.rcv_nxt, record.snd_nxt, record._ts_recent or 0, 0, record.rcv_nxt
    entry = world.victim._entries.get((path, ports)) or connection
    if entry is None and path[0] == STRANGER and world.answer is not None:
        seen = world.answer
        return seen.ack, seen.seq + 1, seen.options.tsecr, seen.options.tsval or 0, seen.ack
    if entry is None:
        return 0, 0, 0, 0, 0
    tcb = entry._tcb
    if tcb.receiver is None:
        return 0, tcb.sender.snd_nxt, 0, tcb.ts_clock(world.now), 0
    receiver = tcb.receiver
    recent = receiver.ts_recent or 0
    clock = tcb.ts_clock(world.now)
    return receiver.rcv_nxt, tcb.sender.snd_nxt, recent, clock, receiver.right_edge


def _offset(octets: Octets, kind: int) -> int:
    """Return nothing, or a signed number of 1, 2 or 4 octets."""
    return octets.number(1 << kind - 1, signed=True) if kind else 0


def _raw(world: World, octets: Octets) -> None:
    """Any octets from anywhere, cut into datagrams of any stride, as a read with UDP_GRO is."""
    path = world.flows[octets.number() % len(world.flows)][0]
    stride = 1 + octets.number()
    data = octets.take(octets.number(2) % 4096)
    datagrams = [data[at : at + stride] for at in range(0, len(data), stride)] or [b""]
    world.arrive(datagrams, stride, path)


def _damage(world: World, octets: Octets) -> None:
    """A honest datagram with an octet changed, or cut short, arrives instead of the real one."""
    here = [n for n, (to, _) in enumerate(world.wire) if to == VICTIM]
    where, change, size = octets.number(2), octets.number(), octets.number(2)
    if not here:
        return
    _, data = world.wire.pop(here[0])
    damaged = bytearray(data)
    damaged[where % len(data)] ^= change
    if size:
        del damaged[size % len(data) :]
    if bytes(damaged) != data:
        world.arrive([bytes(damaged)], max(len(damaged), 1), (PEER, ""))


def _network(world: World, octets: Octets) -> None:
    """Honest datagrams are delivered, lost, repeated, or come in another order."""
    what = octets.number()
    count = 1 + (what >> 3)
    batch, world.wire = world.wire[:count], world.wire[count:]
    kind = what & 7
    if kind == 1:
        return  # lost
    if kind == 2:
        batch.reverse()
    if kind == 3:
        batch *= 2
    if kind == 4 and world.old:
        batch.append(world.old[octets.number() % len(world.old)])
    if kind == 5:
        batch += [(VICTIM, b"")]
    for to, data in batch:
        world.deliver(to, data)


def _icmp(world: World, octets: Octets) -> None:
    """An ICMP error with a quote, true or false, of what may have been sent."""
    path, ports, connection = world.flows[octets.number() % len(world.flows)]
    code = ERRORS[octets.number() % len(ERRORS)]
    shape = octets.number()
    ack_base = _numbers(world, path, ports, connection)[1]
    if shape & 4:
        quote = octets.take(shape >> 3)
    else:
        seq = ack_base + _offset(octets, shape & 3) & SEQ_MASK
        quote = wire.pack_segment(_swap(ports), seq, 0, ACK, 0, b"")[: 28 if shape & 8 else 8]
    mtu = octets.number(2) if shape & 16 else None
    before = [(one, one.state, one.error) for one in world._synchronized()]
    world.victim.handle_icmp(code, quote, path, world.now, mtu=mtu)
    for one, state, error in before:
        if state not in (State.LAST_ACK, State.CLOSING):  # these may believe an exact quote
            assert (one.state, one.error) == (state, error), "an ICMP error was believed"


def _time(world: World, octets: Octets) -> None:
    """Time passes, from a millisecond to minutes, and timers expire."""
    world.now += 0.001 * 2 ** (octets.number() % 18)
    world.victim.handle_timeouts(world.now)
    world.peer.handle_timeouts(world.now)


def _user(world: World, octets: Octets) -> None:
    """One end of a stream writes, reads or closes."""
    what = octets.number()
    stream = world.streams[(what & 3) % len(world.streams)]
    one = stream.ours if what & 4 else stream.theirs
    size = octets.number(2)
    table = world._table_of(one)
    if table is world.peer and one not in table._entries.values():
        return  # it is gone, or was forgotten in a restart
    match what >> 3 & 7:
        case 0 | 1:
            if one.unsent_octets < 1 << 16:
                world.write(one, size % 8192)
        case 2 | 3:
            world.read(one, size)
        case 4:
            one.shutdown(world.now)
            stream.left = True
        case 5:
            one.close(world.now)
            stream.left = True
        case 6:
            one.abort(world.now)
            stream.left = True
        case 7:
            if world.listener.accepted:
                world.listener.accepted.popleft()
                world.taken += 1
    table.touch(one)


def _restart(world: World, octets: Octets) -> None:
    """The peer loses all it knew, and may open one of the connections anew, by the same ports."""
    world.peer = _table(3 + octets.number(), None)
    again = octets.number() % 8
    for n, stream in enumerate(world.streams):
        stream.left = stream.tainted = True
        if n == again:
            local = stream.ports >> 16
            stream.theirs = world.peer.open_active((VICTIM, ""), PORT, world.now, local_port=local)
            stream.written[id(stream.theirs)] = stream.got[id(stream.theirs)] = 0


def _bridge(world: World, octets: Octets) -> None:
    """Whatever the bridge is given becomes a sound packet, or is dropped for a reason."""
    kind, port, tos, ttl = (octets.number(n) for n in (1, 2, 1, 1))
    data = octets.take(octets.number(2) % 2048)
    out = TRANSLATOR.to_datagram(data)
    assert isinstance(out, Drop | Datagram)
    packet = TRANSLATOR.to_packet(Datagram(data, port, tos, ttl))
    if isinstance(packet, bytes):
        assert not internet_checksum(packet[:20])
        assert tcp_checksum_valid(packet[12:16], packet[16:20], packet[20:])
    error = TRANSLATOR.to_icmp(kind, tos, port, Datagram(data, port, tos, ttl))
    if isinstance(error, bytes):
        assert not internet_checksum(error[:20])
        assert not internet_checksum(error[20:])


OPERATIONS: Final[tuple[Callable[[World, Octets], None], ...]] = (
    _forge,
    _raw,
    _damage,
    _network,
    _icmp,
    _time,
    _user,
    _bridge,
    _forge,
    _restart,
)
"""What the first octet of a step stands for."""


def try_program(program: bytes) -> World:
    """Run *program* in a new world and hold the oracle to the end; return the world."""
    world = World()
    world.run(program)
    world.settle()
    return world


def _table(seed: int, tracer: Ledger | None) -> ConnectionTable:
    chance = random.Random(seed)
    table = ConnectionTable(CONFIG, secret=chance.randbytes(32), chance=chance, tracer=tracer)
    table.enable_ecn()
    return table


def _pattern(at: int, size: int) -> bytes:
    at %= len(_PATTERN)
    return (_PATTERN * (2 + size // len(_PATTERN)))[at : at + size]


def _swap(ports: int) -> int:
    return (ports & 0xFFFF) << 16 | ports >> 16
