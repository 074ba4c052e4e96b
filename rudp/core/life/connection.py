"""One connection: the user's calls, the clock, and the four verbs of the world outside.

User calls and ``handle_*`` methods change the state; ``poll_*`` methods tell what to do about it.
Call one of the former, then poll until nothing comes, then look at ``next_deadline``.  The
connection itself never sends, waits or calls anybody.
"""

import errno
import os
from collections.abc import Sequence
from typing import Final

from rudp.config import Config
from rudp.core.life import marking, moving, parting
from rudp.core.life.arrival import segment_arrives
from rudp.core.life.departure import segment_leaves
from rudp.core.life.errors import open_refused, reset_by_peer
from rudp.core.life.expiry import timers_expire
from rudp.core.life.fastopen import FastOpen
from rudp.core.life.keepalive import KeepAlive
from rudp.core.life.numbers import ANY_ECN, AnyLane
from rudp.core.life.refusals import Refusals
from rudp.core.life.status import status, times
from rudp.core.life.steady import enter, lane_for, leave
from rudp.core.life.tally import Tally
from rudp.core.life.tcb import (
    AMPLIFICATION,
    UNREACHABLE,
    Opened,
    Tcb,
)
from rudp.core.segment.addresses import host_of
from rudp.core.segment.options import SignedOptions
from rudp.core.segment.seqnum import from_wire, to_wire
from rudp.core.segment.transmit import CE, Path, Transmit
from rudp.core.segment.wire import FIN, HEADER_SIZE, PSH, Run
from rudp.core.send.train import NO_TRAIN
from rudp.core.terms.counters import Count
from rudp.core.terms.state import Cause, State
from rudp.core.terms.timers import OFF
from rudp.core.terms.why import Why
from rudp.core.watch.info import ConnectionInfo
from rudp.core.watch.recorder import FlightRecorder
from rudp.core.watch.tracer import Tracer
from rudp.keys import MasterKey

FORGEABLE: Final = frozenset({errno.ECONNREFUSED, errno.ENOPROTOOPT, errno.EMSGSIZE})
"""What an ICMP error may say that would change a connection: not one that has keys."""

CALM: Final = 3
"""How often a connection comes to rest before it is asked whether it is steady.

Asking takes 5 µs, and lending and bringing back the numbers 15; one that opens, sends an answer and
closes would never earn that."""


class Connection:
    """A connection between ``path[0]`` and us, in one of the eleven states.

    Made by :class:`rudp.core.demux.table.ConnectionTable`, of the variables that are its own.
    Numbers, sizes and times as everywhere in the core: growing ints, octets, seconds on the
    caller's clock.  ``lane``: who has its numbers while it is steady.  ``guard``: who signs and
    checks its segments, None if nobody does.
    """

    __slots__ = (
        "_calm",
        "_variables",
        "guard",
        "lane",
        "scheduled",
        "wants_room",
    )

    def __init__(self, tcb: Tcb) -> None:
        self._variables = tcb
        self.guard = tcb.guard
        self.lane: AnyLane | None = None  # who has its numbers while it is steady
        self._calm = 0  # how often it has come to rest since there was a lane, or was to be one
        self.scheduled = OFF  # the table's: when it will look at next_deadline again
        self.wants_room = False  # the user's: whether it is to be told each time octets have left

    @property
    def _tcb(self) -> Tcb:
        """All variables, in their places: if there was a lane, it is over."""
        if self.lane is not None:
            self._leave(self.lane)
        return self._variables

    def end_lane(self) -> None:
        """The lane is over, if there is one: its numbers go back to where they came from."""
        if self.lane is not None:
            self._leave(self.lane)

    def _leave(self, lane: AnyLane) -> None:
        self.lane = None
        self._calm = 0
        around = self._variables.around
        around.lanes_left += 1
        leave(self._variables, lane)
        if around.usher is not None:
            around.usher.left(lane)

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
        return self._variables.state

    @property
    def state_times(self) -> dict[State, float]:
        """Seconds that it was in each state that it has left."""
        return times(self._variables)

    @property
    def error(self) -> OSError | None:
        """Why the connection died, None while it lives or if it ended in order."""
        return self._variables.error

    @property
    def soft_error(self) -> OSError | None:
        """The latest trouble that did not end the connection (RFC 9293 §3.9.1.8)."""
        return self._variables.soft_error

    @property
    def path(self) -> Path:
        """The peer's UDP address and the local host it uses."""
        return self._variables.path

    @property
    def ports(self) -> int:
        """Local TCP port << 16 | remote TCP port."""
        return self._variables.ports

    @property
    def opened(self) -> Opened:
        """Whether we opened the connection or the peer."""
        return self._variables.opened

    @property
    def tracer(self) -> Tracer | None:
        """Who watches it, None for nobody."""
        return self._variables.tracer

    @property
    def recorder(self) -> FlightRecorder | None:
        """Who remembers the latest events, None for nobody."""
        return self._variables.recorder

    @property
    def config(self) -> Config:
        """The settings it was opened with."""
        return self._variables.config

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
        if self.lane is not None:
            return self.lane.ready_octets
        receiver = self._tcb.receiver
        return receiver.ready_octets if receiver is not None else 0

    @property
    def unsent_octets(self) -> int:
        """Octets given to :meth:`send` that were never sent."""
        if self.lane is not None:
            return self.lane.unsent
        return self._tcb.sender.unsent

    @property
    def room(self) -> int:
        """Octets that the peer's window and congestion control would let go now."""
        if self.lane is not None:
            return self.lane.room
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
    def is_open(self) -> bool:
        """Whether the handshake is over, and the connection lives."""
        return self._variables.syn_acked and self.state is not State.CLOSED

    @property
    def is_early(self) -> bool:
        """Whether the user has it though the peer has only sent its SYN (RFC 7413)."""
        return self._variables.is_early

    @property
    def came_early(self) -> bool:
        """Whether the peer opened it, and the user had it when only its SYN was here."""
        return self._variables.came_early

    @property
    def roams(self) -> bool:
        """Whether the connection moves with its ends, wherever they go."""
        return self.may_be_at(host_of(self.path))

    @property
    def is_closing(self) -> bool:
        """Whether CLOSE was called: our FIN, or a RST, is sent or follows what is queued."""
        return self._variables.is_closing

    @property
    def has_left(self) -> bool:
        """Whether all that was written has been sent once, and our FIN if there is to be one."""
        return self._variables.has_left

    @property
    def fin_acked(self) -> bool:
        """Whether the peer has acknowledged all we sent, and our FIN."""
        return self._variables.sender.fin_acked

    @property
    def only_end_is_out(self) -> bool:
        """Whether a peer that has ended has all our octets, and our FIN at the most is missing."""
        return self.fin_received and not self.undelivered_octets

    @property
    def was_let_go(self) -> bool:
        """Whether :meth:`let_go` was called: the user does not ask what arrives."""
        return self._variables.was_let_go

    @property
    def fin_received(self) -> bool:
        """Whether the peer's FIN has arrived, and all before it."""
        receiver = self._variables.receiver
        return receiver is not None and receiver.fin_received

    @property
    def next_deadline(self) -> float:
        """When :meth:`handle_timeout` has work to do; infinity if never."""
        if self.lane is not None:
            return self.lane.deadline
        return self._variables.timers.next()

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

    def open_active(self, now: float, early: bytes = b"") -> None:
        """OPEN, active: a SYN is due (ST-2).

        *early*: the first octets to be sent, with the SYN if the peer has let us (RFC 7413).
        """
        tcb = self._tcb
        tcb.move(Cause.OPEN_ACTIVE, now)
        tcb.offers = marking.first_offer(tcb)
        if early:
            tcb.sender.buffer.append(early)
            if tcb.guard is None:  # else its signature takes the room for a cookie
                tcb.fast_open = tcb.around.visits.request(tcb.path[0], now)
            if tcb.fast_open is not None and tcb.fast_open.mss:
                tcb.peer_mss = tcb.fast_open.mss
        tcb.syn_due = Why.SYN_OPEN
        if tcb.config.connect_timeout is not None:
            tcb.timers.patience = now + tcb.config.connect_timeout

    def open_passive(self, syn: Run, now: float, fast_open: FastOpen | None = None) -> None:
        """Answer the SYN that a listener got: a SYN,ACK is due (ST-12).

        Data in it is not kept, unless *fast_open* says so.
        """
        tcb = self._tcb
        tcb.fast_open = fast_open
        tcb.move(Cause.OPEN_PASSIVE, now)
        tcb.credit = AMPLIFICATION * syn.size
        if tcb.witness is not None:
            tcb.witness.received(tcb.state, syn, now)
        receiver = tcb.take_syn(syn, now)
        marking.syn_came(tcb, receiver, syn, now)
        if fast_open is not None and fast_open.used:
            tcb.take_early(syn, receiver, now)
            marking.settled(tcb, now)
        tcb.syn_due = Why.SYN_ANSWERED
        if tcb.witness is not None:
            tcb.witness.processed(syn, None, now)

    def open_with_cookie(self, syn: Run, roams: bool, now: float) -> None:
        """Go on where our SYN,ACK left off; *syn*: what its cookie tells of the SYN (SYNC-7).

        *roams*: it has offered to roam, and that was accepted.
        """
        tcb = self._tcb
        tcb.move(Cause.OPEN_PASSIVE, now)
        marking.syn_came(tcb, tcb.take_syn_of_cookie(syn, roams, now), syn, now)

    def send(self, data: bytes, *, urgent: bool = False) -> None:
        """SEND: queue *data*, in any amount; *urgent* points the peer to its end (MUST-30).

        Raises :class:`BrokenPipeError` after :meth:`close` or :meth:`shutdown`, and the
        connection's error, or BrokenPipeError, once it is dead.
        """
        if self.lane is not None and not urgent:
            self.lane.write(data)
            return
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
        if self.lane is not None:
            return self.lane.read(most)
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

    def count(self, tally: Tally) -> None:
        """Add what the connection has done to *tally*; nothing of it changes."""
        tally.add(self._variables, self.lane)

    def change_keys(self, keys: Sequence[MasterKey]) -> None:
        """Go on with those of *keys* that are for the peer; it is asked to sign with the first.

        What it signs with another of them is believed as well.  Raises :class:`ValueError` if the
        connection began without keys, or none of them fits.
        """
        fitting = [key for key in keys if key.matches(host_of(self.path))]
        if self.guard is None or not fitting:
            raise ValueError("keys cannot be taken from a connection, nor given to one without")
        self.end_lane()  # there may be another one for them
        self.guard.change(fitting)

    # -- what may change while it runs -----------------------------------------------------------

    @property
    def nodelay(self) -> bool:
        """Whether Nagle's algorithm is off (RFC 9293 MUST-17)."""
        return self._variables.sender.nodelay

    @nodelay.setter
    def nodelay(self, value: bool) -> None:
        self._tcb.sender.nodelay = value

    @property
    def held_back(self) -> int:
        """So many octets, at most, may wait if they fill no run, as the writer is about to go on.

        Whoever sets it has to set it to 0 again in the same turn of the loop, or the next.
        """
        if self.lane is not None:
            return self.lane.held_back
        return self._tcb.sender.held_back

    @held_back.setter
    def held_back(self, value: int) -> None:
        if self.lane is not None:
            self.lane.held_back = value
        else:
            self._tcb.sender.held_back = value

    @property
    def dscp(self) -> int:
        """The DSCP of its datagrams, 0 to 63."""
        return self._variables.dscp

    @dscp.setter
    def dscp(self, value: int) -> None:
        self._tcb.dscp = value

    @property
    def ttl(self) -> int | None:
        """The time to live of its datagrams, None for the system's."""
        return self._variables.ttl

    @ttl.setter
    def ttl(self, value: int | None) -> None:
        self._tcb.ttl = value

    @property
    def send_buffer(self) -> int:
        """Octets that may be sent and not acknowledged, at most."""
        return self._variables.sender.send_buffer

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
        return self._variables.sender.smss

    @mss.setter
    def mss(self, value: int) -> None:
        tcb = self._tcb
        tcb.limit_pmtu(value + HEADER_SIZE + tcb.option_octets)
        tcb.follow_pmtu()

    @property
    def user_timeout(self) -> float | None:
        """R2 in seconds, None for never (RFC 9293 MUST-21)."""
        return self._variables.sender.user_timeout

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

    def distrusts(self, run: Run, now: float) -> Count | None:
        """Return why nothing of *run* is to be handled, None if it is authentic or need not be."""
        guard = self.guard
        if guard is None:
            return None
        if self.lane is not None:
            return guard.check(run, self.lane.rcv_nxt, self.lane.snd_una, now)
        tcb = self._variables
        near = run.seq if tcb.receiver is None else tcb.receiver.rcv_nxt
        return guard.check(run, near, tcb.sender.board.snd_una, now)

    def refuse(self, run: Run, reason: Count, now: float) -> None:
        """Drop *run*, which :meth:`distrusts` for *reason*."""
        self._variables.distrust(run, reason, now)

    def may_be_at(self, host: str) -> bool:
        """Whether both ends would like to roam, and the keys are for *host*."""
        guard = self.guard
        roams = guard is not None and self._variables.roaming is not None and self.is_open
        return roams and guard is not None and guard.may_roam and guard.is_for(host)

    def hears_at(self, path: Path) -> bool:
        """Whether something was heard from *path* before, though the peer is elsewhere."""
        roaming = self._variables.roaming
        return roaming is not None and path in (roaming.asked, roaming.former)

    def is_named(self, token: bytes) -> bool:
        """Whether *token* is what the peer calls it."""
        roaming = self._variables.roaming
        return roaming is not None and roaming.their_token == token

    def hear_from(self, run: Run, path: Path, now: float) -> bool:
        """*run* is authentic, and came from *path*; return whether the connection moves there."""
        return moving.hear_from(self._tcb, run, path, now)

    def heed(self, run: Run, now: float) -> None:
        """*run* is authentic: does it say something about paths, or is more to come?"""
        if run.length:
            self.note_data(not run.flags & (PSH | FIN), now)
        opts = run.options
        if isinstance(opts, SignedOptions) and opts.word is not None:
            moving.heed(self._tcb, run, opts, now)

    def note_data(self, more: bool, now: float) -> None:
        """Authentic data came; *more*: its sender has more to send, so that silence says something.

        Who roams looks for the peer then.
        """
        tcb = self._variables
        roaming = tcb.roaming
        if roaming is None:
            return
        roaming.note_data(more, now)
        if roaming.expects and roaming.silent_at == OFF:
            lane = self.lane
            rto = tcb.sender.flight.rtt.rto if lane is None else lane.rto
            look = roaming.silent_at = now + rto
            tcb.timers.patience = min(tcb.timers.patience, look)
            if lane is not None:
                lane.others = min(lane.others, look)

    def rebind(self, local_host: str, now: float) -> None:
        """We have another socket, with the address *local_host*: tell the peer."""
        moving.rebind(self._tcb, local_host, now)

    def handle_segments(self, run: Run, now: float) -> None:
        """SEGMENT ARRIVES (RFC 9293 §3.10.7)."""
        lane = self.lane
        if lane is not None:
            opts = run.options
            if (
                opts.tsval is not None
                and not opts.sack_blocks
                and opts.accurate_ecn is None
                and run.ecn != CE
                and (lane.expected_ecn in (run.ecn, ANY_ECN) or not run.length)
            ):
                word = run.ack << 32 | run.flags << 16 | run.window
                taken = lane.take(run.seq, word, opts.tsval, opts.tsecr, run.length, run, now)
                if not lane.steady:
                    self._leave(lane)
                if taken:
                    return
            else:
                self._leave(lane)
        segment_arrives(self._variables, run, now)

    def settle(self) -> None:
        """There is nothing to send for now: if the connection is steady, the lane may have it."""
        tcb = self._variables
        if self.lane is not None or tcb.state is not State.ESTABLISHED:
            return
        self._calm += 1
        if self._calm < CALM:
            return
        self._calm = 0
        lane = lane_for(tcb)
        if lane is not None:
            enter(tcb, lane)
            self.lane = lane
            tcb.around.lanes_entered += 1
            if tcb.around.usher is not None:
                tcb.around.usher.entered(self, lane)

    def rest(self) -> None:
        """No deadline has passed: a connection that waits for none needs no lane."""
        if self.lane is not None and self.lane.deadline == OFF:
            self._leave(self.lane)

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
        elif code == errno.EMSGSIZE and tcb.syn_acked and tcb.own_pmtu.on_refused(size, link):
            self._tcb.train = NO_TRAIN  # it is as large, and goes again too
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
        closed too, and its process is gone; and any that is told to heed it, ``Config.unreachable``
        times in a row.
        """
        tcb = self._tcb
        sender = tcb.sender
        if tcb.state is State.CLOSED:
            return
        if quoted_seq is not None:
            offset = (quoted_seq - sender.snd_una) & 0xFFFF_FFFF
            if offset >= sender.flight_size and not (
                code == errno.ECONNREFUSED and self._probe_is_refused(quoted_seq)
            ):
                tcb.count(Count.ICMP_IGNORED)
                return
        if self.guard is not None and tcb.syn_acked and code in FORGEABLE:
            tcb.count(Count.ICMP_IGNORED)  # nobody has signed it (RFC 5925 §7.8)
            return
        if code == errno.EMSGSIZE:
            if quoted_seq is not None and payload is not None:
                tcb.own_pmtu.on_too_big(payload, now)
                tcb.follow_pmtu()
            return
        if code in UNREACHABLE and not tcb.syn_acked:
            if tcb.state is State.SYN_RECEIVED and tcb.opened is Opened.PASSIVE:
                tcb.fail_to_open(OSError(code, os.strerror(code)), now)
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
        if code == errno.ECONNREFUSED and quoted_seq is not None and tcb.syn_acked:
            self._refused(now)

    def _refused(self, now: float) -> None:
        """The peer's host says that its port is closed: believe that often enough, if at all."""
        tcb = self._tcb
        limit = tcb.config.unreachable
        if limit is None:
            return
        if tcb.refusals is None:
            tcb.refusals = Refusals()
        flight_time = max(tcb.config.min_rto, tcb.sender.flight.rtt.srtt or 0.0)
        if tcb.refusals.note(tcb.last_heard, flight_time, now) >= limit:
            error = reset_by_peer()
            error.__cause__ = open_refused()
            tcb.die(error, now)
        elif tcb.keepalive is not None and tcb.keepalive.may_hurry(tcb.last_heard):
            tcb.timers.idle = min(tcb.timers.idle, now + tcb.sender.flight.rtt.rto)

    def _probe_is_refused(self, seq: int) -> bool:
        """Return whether *seq* is that of a keep-alive probe, of which that was not known yet."""
        tcb = self._tcb
        return (
            tcb.keepalive is not None
            and not tcb.sender.flight_size
            and seq == (tcb.sender.snd_una - 1) & 0xFFFF_FFFF
            and tcb.keepalive.refuse(tcb.last_heard)
        )

    def stood_still(self, seconds: float) -> None:
        """Hold the time for which nobody could act against neither side (RFC 9293 §3.8.3)."""
        self._tcb.stood_still(seconds)

    def handle_timeout(self, now: float) -> None:
        """Do what is due at *now* (RFC 9293 §3.10.8)."""
        if self.lane is not None and self.lane.expire(now):
            return
        timers_expire(self._tcb, now)

    # -- what to do ------------------------------------------------------------------------------

    def poll_events(self) -> int:
        """Return the event bits of :mod:`rudp.core.life.tcb` since the last call."""
        if self.lane is not None:
            events = self.lane.events
            self.lane.events = 0
            return events
        tcb = self._variables
        events = tcb.events
        tcb.events = 0
        return events

    def poll_transmit(self, now: float, max_segments: int) -> Transmit | None:
        """Return the next run to be sent, None if there is nothing; call until None.

        If there was a lane, it is over: who wants it to send asks the lane itself.
        """
        return segment_leaves(self._tcb, now, max_segments)
