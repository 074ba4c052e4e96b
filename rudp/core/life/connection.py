"""One connection: the user's calls, the clock, and the four verbs of the world outside.

User calls and ``handle_*`` methods change the state; ``poll_*`` methods tell what to do about it.
Call one of the former, then poll until nothing comes, then look at ``next_deadline``.  The
connection itself never sends, waits or calls anybody.
"""

import errno
import os
from typing import Final

from rudp.config import Config
from rudp.core.life import parting
from rudp.core.life.arrival import segment_arrives
from rudp.core.life.expiry import timers_expire
from rudp.core.life.keepalive import KeepAlive
from rudp.core.life.progress import SYN_MAX_RTO
from rudp.core.life.status import status
from rudp.core.life.tcb import (
    AMPLIFICATION,
    KEEP_ALIVE_PROBE,
    UNREACHABLE,
    WINDOW_PROBE,
    WRITABLE,
    Opened,
    Tcb,
    reset_by_peer,
)
from rudp.core.receive.receiver import AckDue, Receiver, largest_buffer, window_shift
from rudp.core.segment import options, wire
from rudp.core.segment.isn import timestamp
from rudp.core.segment.seqnum import from_wire, to_wire
from rudp.core.segment.transmit import ECT_0, RUN_OCTETS_MAX, Path, Transmit
from rudp.core.segment.wire import (
    ACK,
    CWR,
    ECE,
    FIN,
    HEADER_SIZE,
    PSH,
    STAMPED_SIZE,
    SYN,
    URG,
    Run,
)
from rudp.core.send.sender import PROBE_BACKING
from rudp.core.terms.counters import Count
from rudp.core.terms.state import Cause, State
from rudp.core.terms.timers import OFF
from rudp.core.terms.why import Why
from rudp.core.watch.info import ConnectionInfo
from rudp.core.watch.recorder import FlightRecorder
from rudp.core.watch.tracer import Tracer

TRAIN_RUNS: Final = 4
"""Runs that leave together and are one when it is decided what goes, and noted what went.

Bulk with Ethernet's segments is a tenth faster for it.  Where a run is a single datagram, as on
loopback, it gains nothing: the receiver is no faster, and the sender only waits more often."""

_NOTHING: Final[list[Transmit]] = []
"""What nobody adds to."""


class Connection:
    """A connection between ``path[0]`` and us, in one of the eleven states.

    Made by :class:`rudp.core.demux.table.ConnectionTable`, of the variables that are its own.
    Numbers, sizes and times as everywhere in the core: growing ints, octets, seconds on the
    caller's clock.
    """

    __slots__ = (
        "_tcb",
        "_train",
        "dscp",
        "scheduled",
        "ttl",
        "wants_room",
    )

    def __init__(self, tcb: Tcb) -> None:
        self._tcb = tcb
        self._train = _NOTHING  # what follows the run that was polled last, the last of it first
        self.dscp = tcb.config.dscp
        self.ttl = tcb.config.ttl
        self.scheduled = OFF  # the table's: when it will look at next_deadline again
        self.wants_room = False  # the user's: whether it is to be told each time octets have left

    def __repr__(self) -> str:
        tcb = self._tcb
        return (
            f"<Connection {tcb.state} {tcb.ports >> 16}:{tcb.ports & 0xFFFF} "
            f"peer={tcb.path[0]} unsent={tcb.sender.unsent} unacked={tcb.sender.flight_size}>"
        )

    # -- getters ---------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The state of RFC 9293 §3.3.2."""
        return self._tcb.state

    @property
    def error(self) -> OSError | None:
        """Why the connection died, None while it lives or if it ended in order."""
        return self._tcb.error

    @property
    def soft_error(self) -> OSError | None:
        """The latest trouble that did not end the connection (RFC 9293 §3.9.1.8)."""
        return self._tcb.soft_error

    @property
    def path(self) -> Path:
        """The peer's UDP address and the local host it uses."""
        return self._tcb.path

    @property
    def ports(self) -> int:
        """Local TCP port << 16 | remote TCP port."""
        return self._tcb.ports

    @property
    def opened(self) -> Opened:
        """Whether we opened the connection or the peer."""
        return self._tcb.opened

    @property
    def tracer(self) -> Tracer | None:
        """Who watches it, None for nobody."""
        return self._tcb.tracer

    @property
    def recorder(self) -> FlightRecorder | None:
        """Who remembers the latest events, None for nobody."""
        return self._tcb.recorder

    @property
    def config(self) -> Config:
        """The settings it was opened with."""
        return self._tcb.config

    @property
    def initial_numbers(self) -> tuple[int, int | None, int | None, int | None]:
        """ISS and IRS, 32 bits, and Snd.Wind.Shift and Rcv.Wind.Shift; None where not known."""
        tcb = self._tcb
        receiver = tcb.receiver
        if receiver is None:
            return to_wire(tcb.sender.iss), None, None, None
        shifts = (tcb.snd_shift, receiver.shift) if tcb.scaling else (None, None)
        return to_wire(tcb.sender.iss), to_wire(receiver.irs), *shifts

    @property
    def readable_octets(self) -> int:
        """Octets in order that wait for :meth:`receive`."""
        receiver = self._tcb.receiver
        return receiver.ready_octets if receiver is not None else 0

    @property
    def unsent_octets(self) -> int:
        """Octets given to :meth:`send` that were never sent."""
        return self._tcb.sender.unsent

    @property
    def room(self) -> int:
        """Octets that the peer's window and congestion control would let go now."""
        return self._tcb.sender.room

    @property
    def undelivered_octets(self) -> int:
        """Octets given to :meth:`send` that the peer has not acknowledged."""
        sender = self._tcb.sender
        return max(sender.buffer.end - max(sender.snd_una, sender.iss + 1), 0)

    @property
    def unacked_octets(self) -> int:
        """Octets sent that the peer has not acknowledged, SYN and FIN counted."""
        return self._tcb.sender.flight_size

    @property
    def urgent_octets(self) -> int:
        """How far the urgent pointer lies ahead of what was read (RFC 9293 MUST-33)."""
        receiver = self._tcb.receiver
        if receiver is None:
            return 0
        return max(receiver.rcv_up - (receiver.rcv_nxt - receiver.ready_octets), 0)

    @property
    def is_closing(self) -> bool:
        """Whether CLOSE was called: our FIN, or a RST, is sent or follows what is queued."""
        return self._tcb.is_closing

    @property
    def has_left(self) -> bool:
        """Whether all that was written has been sent once, and our FIN if there is to be one."""
        return self._tcb.has_left

    @property
    def fin_acked(self) -> bool:
        """Whether the peer has acknowledged all we sent, and our FIN."""
        return self._tcb.sender.fin_acked

    @property
    def only_end_is_out(self) -> bool:
        """Whether a peer that has ended has all our octets, and our FIN at the most is missing."""
        return self.fin_received and not self.undelivered_octets

    @property
    def was_let_go(self) -> bool:
        """Whether :meth:`let_go` was called: the user does not ask what arrives."""
        return self._tcb.was_let_go

    @property
    def fin_received(self) -> bool:
        """Whether the peer's FIN has arrived, and all before it."""
        receiver = self._tcb.receiver
        return receiver is not None and receiver.fin_received

    @property
    def next_deadline(self) -> float:
        """When :meth:`handle_timeout` has work to do; infinity if never."""
        return self._tcb.timers.next()

    @property
    def time_wait_facts(self) -> tuple[int, int, int | None, int, int, int]:
        """What TIME-WAIT keeps: SND.NXT, RCV.NXT, TS.Recent, TS offset, window field, RCV.WND."""
        tcb = self._tcb
        assert tcb.receiver is not None
        recent = tcb.receiver.ts_recent if tcb.timestamps else None
        window = min(tcb.receiver.rcv_wnd >> tcb.receiver.shift, 0xFFFF)
        wnd = tcb.receiver.rcv_wnd
        return tcb.sender.snd_nxt, tcb.receiver.rcv_nxt, recent, tcb.ts_offset, window, wnd

    # -- user calls (RFC 9293 §3.10.1 to §3.10.6) ------------------------------------------------

    def open_active(self, now: float) -> None:
        """OPEN, active: a SYN is due (ST-2)."""
        tcb = self._tcb
        tcb.move(Cause.OPEN_ACTIVE, now)
        tcb.syn_due = Why.SYN_OPEN
        if tcb.config.connect_timeout is not None:
            tcb.timers.patience = now + tcb.config.connect_timeout

    def open_passive(self, syn: Run, now: float) -> None:
        """Answer the SYN that a listener got: a SYN,ACK is due (ST-12).  Data in it is not kept."""
        tcb = self._tcb
        tcb.move(Cause.OPEN_PASSIVE, now)
        tcb.credit = AMPLIFICATION * syn.size
        if tcb.witness is not None:
            tcb.witness.received(tcb.state, syn, now)
        tcb.take_syn(syn, now)
        tcb.syn_due = Why.SYN_ANSWERED
        if tcb.witness is not None:
            tcb.witness.processed(syn, None, now)

    def open_with_cookie(self, syn: Run, now: float) -> None:
        """Go on where our SYN,ACK left off; *syn*: what its cookie tells of the SYN (SYNC-7)."""
        self._tcb.move(Cause.OPEN_PASSIVE, now)
        self._tcb.take_syn_of_cookie(syn, now)

    def send(self, data: bytes, *, urgent: bool = False) -> None:
        """SEND: queue *data*, in any amount; *urgent* points the peer to its end (MUST-30).

        Raises :class:`BrokenPipeError` after :meth:`close` or :meth:`shutdown`, and the
        connection's error, or BrokenPipeError, once it is dead.
        """
        tcb = self._tcb
        if tcb.state is State.CLOSED:
            raise tcb.error or BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        if tcb.is_closing:
            raise BrokenPipeError(errno.EPIPE, "connection closing")
        tcb.sender.buffer.append(data)
        if urgent and data:
            tcb.sender.snd_up = tcb.sender.buffer.end

    def receive(self, most: int | None = None) -> bytes:
        """RECEIVE: return what is in order, or *most* octets at the most; ``b""`` for nothing.

        With *most* it may be less than there is, see :meth:`Receiver.read`.
        """
        receiver = self._tcb.receiver
        return receiver.read(most) if receiver is not None else b""

    def shutdown(self, now: float) -> None:
        """CLOSE of our half: FIN follows what is queued, and reading goes on.  Idempotent."""
        parting.shutdown(self._tcb, now)

    def close(self, now: float) -> None:
        """CLOSE, and nobody will read any more (MAY-1): :func:`parting.close`.  Idempotent."""
        parting.close(self._tcb, now)

    def abort(self, now: float) -> None:
        """ABORT: everything queued is forgotten and the peer gets a RST (ST-6)."""
        parting.abort(self._tcb, now)

    def let_go(self, now: float, *, broken: bool = False) -> None:
        """ABORT as far as something is lost by it, else CLOSE: see :func:`parting.let_go`."""
        parting.let_go(self._tcb, broken, now)

    def leave(self, now: float) -> None:
        """Deliver what was written, then reset: the program ends, and the user has not closed."""
        parting.leave(self._tcb, now)

    def info(self) -> ConnectionInfo:
        """STATUS: a snapshot of the connection."""
        return status(self._tcb)

    # -- what may change while it runs -----------------------------------------------------------

    @property
    def nodelay(self) -> bool:
        """Whether Nagle's algorithm is off (RFC 9293 MUST-17)."""
        return self._tcb.sender.nodelay

    @nodelay.setter
    def nodelay(self, value: bool) -> None:
        self._tcb.sender.nodelay = value

    @property
    def held_back(self) -> int:
        """So many octets, at most, may wait if they fill no run, as the writer is about to go on.

        Whoever sets it has to set it to 0 again in the same turn of the loop, or the next.
        """
        return self._tcb.sender.held_back

    @held_back.setter
    def held_back(self, value: int) -> None:
        self._tcb.sender.held_back = value

    @property
    def send_buffer(self) -> int:
        """Octets that may be sent and not acknowledged, at most."""
        return self._tcb.sender.send_buffer

    @send_buffer.setter
    def send_buffer(self, value: int) -> None:
        self._tcb.sender.send_buffer = value

    @property
    def receive_buffer(self) -> int:
        """Octets kept for a reader that rests; it grows with what is read until set (BUF-3)."""
        receiver = self._tcb.receiver
        return self._tcb.config.receive_buffer if receiver is None else receiver.receive_buffer

    @receive_buffer.setter
    def receive_buffer(self, value: int) -> None:
        if self._tcb.receiver is not None:
            self._tcb.receiver.resize(value)

    @property
    def mss(self) -> int:
        """Octets of data in a full segment we send."""
        return self._tcb.sender.smss

    @mss.setter
    def mss(self, value: int) -> None:
        tcb = self._tcb
        tcb.pmtu.limit(value + HEADER_SIZE + len(self._timestamps(0.0)))
        tcb.follow_pmtu()

    @property
    def user_timeout(self) -> float | None:
        """R2 in seconds, None for never (RFC 9293 MUST-21)."""
        return self._tcb.sender.user_timeout

    @user_timeout.setter
    def user_timeout(self, value: float | None) -> None:
        self._tcb.sender.user_timeout = value

    @property
    def keepalive(self) -> tuple[bool, float, float, int]:
        """Keep-alive: on, idle seconds, interval seconds, count (RFC 9293 §3.8.4)."""
        keepalive = self._tcb.keepalive or KeepAlive.of(self._tcb.config)
        return keepalive.on, keepalive.idle, keepalive.interval, keepalive.count

    def set_keepalive(self, on: bool, idle: float, interval: float, count: int) -> None:
        """Change all four; it takes effect at once."""
        self._tcb.keepalive = KeepAlive(on, idle, interval, count)
        self._tcb.start_keepalive()

    # -- what happened ---------------------------------------------------------------------------

    def handle_segments(self, run: Run, now: float) -> None:
        """SEGMENT ARRIVES (RFC 9293 §3.10.7)."""
        segment_arrives(self._tcb, run, now)

    def handle_send_error(
        self, code: int, seq: int, size: int, link: int | None, now: float
    ) -> None:
        """The system refused to send datagrams of *size* octets; *code* is an errno number.

        They count as lost.  An open that cannot even send its first SYN, for want of a route say,
        fails at once; but a firewall's EPERM, and what befalls later SYNs, is lost as if on the
        way, as Linux has it.  If they were too large, what began with SEG.SEQ *seq*, 32 bits, goes
        again in smaller ones (PMTU-13): of *link* octets, what the link takes now, if known.
        """
        tcb = self._tcb
        if tcb.state is State.SYN_SENT and tcb.syn_transmissions < 2 and code != errno.EPERM:
            tcb.die(OSError(code, os.strerror(code)), now)
        elif code == errno.EMSGSIZE and tcb.syn_acked and tcb.pmtu.on_refused(size, link):
            self._train = _NOTHING  # it is as large, and goes again too
            tcb.follow_pmtu()
            tcb.sender.flight.on_refused(from_wire(seq, tcb.sender.snd_nxt), now)
        elif tcb.state is not State.CLOSED:
            tcb.hinder(code, now)

    def handle_icmp(
        self, code: int, quoted_seq: int | None, now: float, *, payload: int | None = None
    ) -> None:
        """An ICMP error came back for a datagram of ours; *code* is an :mod:`errno` number.

        *quoted_seq*: the SEG.SEQ it quotes, 32 bits, or None if it quotes too little.  *payload*:
        what it says that the path carries, with EMSGSIZE (ICMP-5).  Whatever is unreachable ends
        an open that has heard nothing yet, as in Linux (RFC 5461 §4.1), and a closed port every
        open; later on everything is soft, for an attacker can forge them (RFC 5927, SHLD-26).
        But a closed port ends a connection that only waits for the ACK of its FIN: the peer has
        closed too, and its process is gone.
        """
        tcb = self._tcb
        sender = tcb.sender
        if tcb.state is State.CLOSED:
            return
        if quoted_seq is not None:
            offset = (quoted_seq - sender.snd_una) & 0xFFFF_FFFF
            if offset >= sender.flight_size:
                tcb.count(Count.ICMP_IGNORED)
                return
        if code == errno.EMSGSIZE:
            if quoted_seq is not None and payload is not None:
                tcb.pmtu.on_too_big(payload, now)
                tcb.follow_pmtu()
            return
        if code in UNREACHABLE and not tcb.syn_acked:
            if tcb.state is State.SYN_RECEIVED and tcb.opened is Opened.PASSIVE:
                tcb.die(None, now)
                return
            if tcb.state is State.SYN_SENT or code == errno.ECONNREFUSED:
                tcb.die(OSError(code, os.strerror(code)), now)
                return
        if (
            code == errno.ECONNREFUSED
            and quoted_seq is not None
            and tcb.state in (State.CLOSING, State.LAST_ACK)
        ):
            tcb.die(None if sender.data_acked else reset_by_peer(), now)
            return
        tcb.hinder(code, now)

    def stood_still(self, seconds: float) -> None:
        """Hold the time for which nobody could act against neither side (RFC 9293 §3.8.3)."""
        self._tcb.stood_still(seconds)

    def handle_timeout(self, now: float) -> None:
        """Do what is due at *now* (RFC 9293 §3.10.8)."""
        timers_expire(self._tcb, now)

    # -- what to do ------------------------------------------------------------------------------

    def poll_events(self) -> int:
        """Return the event bits of :mod:`rudp.core.life.tcb` since the last call."""
        events = self._tcb.events
        self._tcb.events = 0
        return events

    def poll_transmit(self, now: float, max_segments: int) -> Transmit | None:
        """Return the next run to be sent, None if there is nothing; call until None.

        These are all that may be due, in their order.
        """
        tcb = self._tcb
        if tcb.state is State.CLOSED and tcb.reset is None:
            self._train = _NOTHING
            return None
        if self._train:
            return self._train.pop()  # a reset comes after it, as its number does
        if tcb.reset is not None:
            return self._reset(tcb.reset, now)
        if tcb.syn_due is not None:
            return self._syn(tcb.syn_due, now)
        receiver, sender = tcb.receiver, tcb.sender
        if receiver is None:
            return None
        if sender.board.snd_una == sender.iss:  # our SYN is not acknowledged
            return self._pure_ack(receiver, now) if receiver.ack_due is AckDue.NOW else None
        if tcb.probes_due and (probe := self._probe(receiver, now)) is not None:
            return probe
        if sender.has_work and (run := self._data(receiver, now, max_segments)) is not None:
            return run
        if tcb.last_word is not None and parting.say_last_word(tcb, now):
            return self.poll_transmit(now, max_segments)
        if receiver.ack_due is AckDue.NOW:
            return self._pure_ack(receiver, now)
        sender.watch_window(now)
        return None

    def _reset(self, reset: tuple[int, int, int, Why], now: float) -> Transmit:
        """Return the RST that is due: its SEG.SEQ, SEG.ACK and flags, and why."""
        tcb = self._tcb
        seq, ack, flags, why = reset
        tcb.reset = None
        tcb.count(Count.RST_SENT)
        opts = self._timestamps(now) if tcb.timestamps and flags & ACK else b""
        return self._segment(seq, ack, flags, 0, opts, why, now)

    def _probe(self, receiver: Receiver, now: float) -> Transmit | None:
        """Return a probe of a shut window, or one of a quiet peer; None if neither is any use."""
        tcb = self._tcb
        sender = tcb.sender
        if tcb.probes_due & WINDOW_PROBE:
            tcb.probes_due &= ~WINDOW_PROBE
            probe = sender.on_persist_timeout(now)
            if probe is not None:
                seq, end = probe
                why = Why.SWS_OVERRIDE if sender.snd_wnd else Why.PROBE_ZERO_WINDOW
                sender.on_probe_sent(seq, end, now)
                opts = self._options(receiver, now)
                mss = tcb.segment_limit - len(opts)
                return self._run(receiver, seq, end, mss, 1, opts, False, why, now)
        if tcb.probes_due & KEEP_ALIVE_PROBE:
            tcb.probes_due &= ~KEEP_ALIVE_PROBE
            seq = to_wire(sender.snd_nxt - 1)  # KA-3: outside the window, so it is answered
            return self._ack_segment(receiver, seq, Why.KEEP_ALIVE, now)
        return None

    def _data(self, receiver: Receiver, now: float, max_segments: int) -> Transmit | None:
        """Return octets that are lost, or were never sent; None if no window lets any go."""
        tcb = self._tcb
        sender = tcb.sender
        board = sender.board
        opts = self._options(receiver, now)
        mss = sender.smss
        header = HEADER_SIZE + len(opts)
        # Each header points to the urgent octet from where it stands.
        alone = sender.snd_up > board.snd_una
        if header > STAMPED_SIZE or not tcb.timestamps:
            mss = min(mss, tcb.segment_limit - len(opts))  # SACK blocks take some of it
            # All headers of a run have the same options: a duplicate would count once for each.
            alone = alone or receiver.has_duplicate
        if not alone and sender.buffer.end - board.snd_nxt > PROBE_BACKING * mss:
            size = tcb.pmtu.next_probe(now)
            if size is not None and sender.may_probe(size - header, now):  # else none may go out
                return self._path_probe(receiver, size, size - header, opts, now)
        if alone or (sender.flight.cwr_due and not board.lost.octets):
            segments = 1  # CWR is said by one, and not by a whole run (ECN-6)
        else:
            segments = min(max_segments, RUN_OCTETS_MAX // (mss + header)) or 1
        run = sender.next_run(now, segments, mss, TRAIN_RUNS if segments > 1 else 1)
        if run is None:
            return None
        seq, end = run
        ect = tcb.ecn and seq == board.snd_nxt
        why = Why.NEW_DATA if tcb.witness is None else sender.why(seq)
        sender.on_sent(seq, end, now, mss)
        tcb.events |= WRITABLE
        return self._run(receiver, seq, end, mss, segments, opts, ect, why, now)

    def _path_probe(
        self, receiver: Receiver, size: int, octets: int, opts: bytes, now: float
    ) -> Transmit:
        """Return *octets* of new data in a datagram of *size*: does the path carry it? (PMTU-3)"""
        tcb = self._tcb
        sender = tcb.sender
        tcb.pmtu.on_probe_sent(size)
        seq = sender.snd_nxt
        end = seq + octets
        sender.on_sent(seq, end, now, octets)
        sender.flight.mark_probe()
        return self._run(receiver, seq, end, size, 1, opts, tcb.ecn, Why.PROBE_PATH_MTU, now)

    def _options(self, receiver: Receiver, now: float) -> bytes:
        """Return the options of a segment without SYN: timestamps, and SACK if there is news."""
        if not receiver.has_sack_news:
            return self._timestamps(now)
        tcb = self._tcb
        if not tcb.timestamps:
            return options.encode(None, receiver.sack_blocks(options.SACK_BLOCKS_MAX))
        stamps = tcb.ts_clock(now), receiver.ts_recent or 0
        most = options.SACK_BLOCKS_MAX_WITH_TIMESTAMPS
        return options.encode(stamps, receiver.sack_blocks(most))

    def _timestamps(self, now: float) -> bytes:
        """Return the timestamps option alone, nothing if it was not negotiated."""
        tcb = self._tcb
        if not tcb.timestamps or tcb.receiver is None:
            return b""
        stamp = timestamp(now, tcb.ts_offset)  # as ts_clock(), which would be one call more
        return options.encode((stamp, tcb.receiver.ts_recent or 0))

    def _run(
        self,
        receiver: Receiver,
        seq: int,
        end: int,
        mss: int,
        segments: int,
        opts: bytes,
        ect: bool,
        why: Why,
        now: float,
    ) -> Transmit:
        """Return octets ``[seq, end)``, our FIN perhaps among them, as a run.

        If they are more than *segments* of *mss* octets, it is the first of several runs; the
        others are what is polled next.  *ect*: they may be marked by a router, being sent for the
        first time (ECN-3).  A FIN carries no data (decision 30).
        """
        tcb = self._tcb
        sender = tcb.sender
        flags = ACK
        right = end
        if sender.fin_seq is not None and end > sender.fin_seq:
            right = sender.fin_seq
            if right == seq:
                flags |= FIN
        if right == sender.buffer.end and right > seq:
            flags |= PSH  # the last of what is buffered (MUST-61)
        urgent = sender.urgent_pointer(seq)
        if urgent:
            flags |= URG
        length = right - seq
        ect = ect and length > 0
        if ect and sender.flight.take_cwr():
            flags |= CWR
        if receiver.ece_due:
            flags |= ECE
        window = receiver.window_field()
        receiver.ack_sent()
        ack = to_wire(receiver.rcv_nxt)
        header = HEADER_SIZE + len(opts)
        ecn = ECT_0 if ect else 0
        room = segments * mss
        train: list[Transmit] = []
        left = seq
        while True:
            stop = min(left + room, right)
            marks = flags if stop == right else flags & ~PSH
            chunks = sender.buffer.slices(left, stop)
            first, octets = to_wire(left), stop - left
            count = 1
            buffers: list[bytes | memoryview]
            if octets <= mss:
                head = wire.pack_segment(tcb.ports, first, ack, marks, window, opts, urgent)
                buffers = [head, *chunks]
            else:
                count = -(-octets // mss)
                buffers = wire.pack_run(
                    tcb.ports, first, ack, marks, window, opts, chunks, octets, mss
                )
            total = header * count + octets
            train.append(self._transmit(buffers, header + mss, total, count, ecn))
            if stop == right:
                break
            left = stop
        if tcb.witness is not None:
            first = to_wire(seq)
            tcb.witness.sent(tcb.state, first, ack, flags, window, length, mss, why, now, train)
        if seq < right < end:
            fin = self._fin(right, ack, flags, window, why, now)
            last = train[-1]
            if count == 1 and not ecn and last.total + fin.total <= RUN_OCTETS_MAX:
                last.size = last.total  # one system call for both
                last.total += fin.total
                last.buffers += fin.buffers
            else:
                train.append(fin)
        train.reverse()
        transmit = train.pop()
        if train:
            self._train = train
        return transmit

    def _fin(self, seq: int, ack: int, flags: int, window: int, why: Why, now: float) -> Transmit:
        """Return our FIN, which is octet *seq*, to follow data sent with *flags* for reason *why*.

        What SACK has to say is said there: each duplicate is reported once.
        """
        why = Why.FIN_CLOSE if why is Why.NEW_DATA else why
        flags = FIN | flags & (ACK | ECE)
        return self._segment(to_wire(seq), ack, flags, window, self._timestamps(now), why, now)

    def _pure_ack(self, receiver: Receiver, now: float) -> Transmit:
        return self._ack_segment(receiver, to_wire(self._tcb.sender.ack_seq), receiver.ack_why, now)

    def _ack_segment(self, receiver: Receiver, seq: int, why: Why, now: float) -> Transmit:
        opts = self._options(receiver, now)
        window = receiver.window_field()
        receiver.ack_sent()
        flags = ACK | ECE if receiver.ece_due else ACK
        return self._segment(seq, to_wire(receiver.rcv_nxt), flags, window, opts, why, now)

    def _syn(self, why: Why, now: float) -> Transmit | None:
        """Return our SYN, or SYN,ACK once the peer's SYN is here."""
        tcb = self._tcb
        tcb.syn_due = None
        config = tcb.config
        receiver = tcb.receiver
        if receiver is None:
            flags, ack = SYN | ECE | CWR if tcb.offers_ecn else SYN, 0
            window = tcb.first_window
            shift = window_shift(largest_buffer(config)) if config.window_scaling else None
            sack = config.sack
            stamps = (tcb.ts_clock(now), 0) if config.timestamps else None
        else:
            flags, ack = SYN | ACK | ECE if tcb.ecn else SYN | ACK, to_wire(receiver.rcv_nxt)
            window = receiver.syn_window_field()
            shift = receiver.shift if tcb.scaling else None  # only what the SYN offered (W-30)
            sack = receiver.sack
            stamps = (tcb.ts_clock(now), receiver.ts_recent or 0) if tcb.timestamps else None
        opts = options.encode_syn(
            tcb.announced_mss, window_scale=shift, sack_permitted=sack, timestamps=stamps
        )
        size = HEADER_SIZE + len(opts)
        if tcb.credit is not None and tcb.credit < size:
            tcb.count(Count.AMPLIFICATION_LIMIT)
            return None
        tcb.syn_transmissions += 1
        tcb.sender.syn_sent(now)
        if tcb.timers.loss == OFF:
            tcb.timers.loss = now + min(tcb.sender.flight.rtt.rto, SYN_MAX_RTO)
        if receiver is not None:
            receiver.ack_sent()
        return self._segment(to_wire(tcb.sender.iss), ack, flags, window, opts, why, now)

    def _segment(
        self, seq: int, ack: int, flags: int, window: int, opts: bytes, why: Why, now: float
    ) -> Transmit:
        tcb = self._tcb
        head = wire.pack_segment(tcb.ports, seq, ack, flags, window, opts)
        if tcb.credit is not None:
            tcb.credit -= len(head)  # ACKs and RSTs count too (UDP-21)
        sent = self._transmit([head], len(head), len(head), 1, 0)
        if tcb.witness is not None:
            tcb.witness.sent(tcb.state, seq, ack, flags, window, 0, 0, why, now, [sent])
        return sent

    def _transmit(
        self, buffers: list[bytes | memoryview], size: int, total: int, segments: int, ecn: int
    ) -> Transmit:
        tcb = self._tcb
        tcb.segments_out += segments
        return Transmit(tcb.path, buffers, size, total, self.dscp, self.ttl, ecn)
