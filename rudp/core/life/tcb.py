"""The transmission control block: all that one connection remembers (RFC 9293 §3.3.1).

It owns the state, the two halves and what the handshake settled.  It knows how to move along the
state diagram, to negotiate options and to die; the procedures that decide when are
:mod:`rudp.core.life.arrival` for segments and :mod:`rudp.core.life.connection` for the user and
the clock.
"""

import enum
import errno
import os
from typing import Any, Final, NamedTuple

from rudp.config import MSS_FLOOR, Config
from rudp.core.ecn.accurate import Accurate
from rudp.core.life import revisit
from rudp.core.life.ackthrottle import AckThrottle
from rudp.core.life.errors import timed_out
from rudp.core.life.fastopen import FastOpen
from rudp.core.life.guard import KEY_REJECTED, Guard
from rudp.core.life.keepalive import KeepAlive
from rudp.core.life.progress import FirstWord, Progress
from rudp.core.life.refusals import Refusals
from rudp.core.life.roaming import Roaming
from rudp.core.life.surroundings import Surroundings
from rudp.core.receive.promises import START
from rudp.core.receive.receiver import Receiver, largest_buffer, window_shift
from rudp.core.segment import options, wire
from rudp.core.segment.addresses import host_of, is_ipv6
from rudp.core.segment.isn import timestamp
from rudp.core.segment.seqnum import SEQ_HALF, SEQ_MASK, to_wire
from rudp.core.segment.transmit import Path
from rudp.core.segment.wire import Run
from rudp.core.send.pmtu import PathMtu
from rudp.core.send.sender import Sender
from rudp.core.send.train import NO_TRAIN
from rudp.core.terms.counters import Count
from rudp.core.terms.feedback import Feedback
from rudp.core.terms.state import Cause, State
from rudp.core.terms.timers import OFF, PATIENCE, Timers
from rudp.core.terms.why import Why
from rudp.core.watch.recorder import FlightRecorder
from rudp.core.watch.tracer import Blocks, Tracer
from rudp.core.watch.witness import Traced, Witness

ESTABLISHED: Final = 1
READABLE: Final = 2
WRITABLE: Final = 4
EOF: Final = 8
ACKED_FIN: Final = 16
CLOSED: Final = 32
SOFT_ERROR: Final = 64
URGENT: Final = 128

DEFAULT_MSS_IPV4: Final = 536
DEFAULT_MSS_IPV6: Final = 1220
"""Octets, where the peer's SYN names no MSS (RFC 9293 MUST-15)."""

TIMESTAMP_OCTETS: Final = 12
"""What the timestamps option takes of every data segment, padding included."""

AMPLIFICATION: Final = 6
"""Octets we send for each octet received, until the peer has proved its address: a SYN and its
SYN,ACK are of one size, so it pays for six, as many as Linux sends (UDP-21, FAIL-4)."""

WINDOW_PROBE: Final = 1
KEEP_ALIVE_PROBE: Final = 2
"""Bits of ``Tcb.probes_due``: an octet into a shut window, an ACK to a peer that is quiet."""

UNREACHABLE: Final = frozenset(
    getattr(errno, name)
    for name in (
        "ECONNREFUSED",  # port
        "EHOSTUNREACH",  # host, or a filter on the way; what ran out of hops
        "ENETUNREACH",  # net
        "ENOPROTOOPT",  # protocol
        "EACCES",  # prohibited, in IPv6
        "EHOSTDOWN",  # host unknown
        "ENONET",  # host isolated
    )
    if hasattr(errno, name)
)
"""What Linux makes of the codes of ICMP's "destination unreachable" (ICMP-3, ICMP-4)."""


_OVER: Final = frozenset({State.TIME_WAIT, State.CLOSED})
"""Where nothing is sent any more that could teach something of the path."""

_NOTHING_TO_RESET: Final = frozenset(
    {State.SYN_SENT, State.CLOSING, State.LAST_ACK, State.TIME_WAIT}
)
"""Where ABORT sends no RST (RFC 9293 §3.10.5): the peer has no connection yet, or has closed its
half as well; unless data or FIN were never sent, and it would wait for them."""


class Opened(enum.Enum):
    """How a connection began; it must be remembered until it is established (MUST-11)."""

    ACTIVE = "by our OPEN"
    PASSIVE = "by the peer's SYN"


class LastWord(NamedTuple):
    """A RST that has to let what was written go first, and SND.UNA when that was looked at last."""

    why: Why
    una: int


class Tcb:
    """One connection's variables.

    ``around``: what it shares with the others of its table.  ``path`` and ``ports`` (local << 16 |
    remote) say who the peer is.  ``mms_r``: the largest UDP payload we are ready to receive.
    *iss*: where its numbers begin, None to choose.
    ``witness`` is told what happens, for ``recorder``, who remembers the latest events, and for
    ``tracer``, who watches; each is None for nobody.
    ``guard``: who signs and checks its segments, None if nobody does.
    ``fast_open``: what our SYN says of data that goes with it, None if it says nothing.
    ``feedback``: what is told of marks, None until that is settled; ``offers``: what our next SYN
    asks for; ``accurate``: what is kept where marks are counted.  ``ecn``: our data may be marked
    instead of dropped; ``ect``: what its IP headers say then.  ``syn_marked``: our SYN was.
    """

    __slots__ = (
        "accurate",
        "around",
        "config",
        "credit",
        "dropped",
        "dscp",
        "ecn",
        "ect",
        "error",
        "events",
        "fast_open",
        "feedback",
        "first_word",
        "guard",
        "history",
        "keepalive",
        "last_heard",
        "last_word",
        "mms_r",
        "obstacle",
        "offers",
        "opened",
        "path",
        "peer_mss",
        "ports",
        "probes_due",
        "progress",
        "reading",
        "receiver",
        "recorder",
        "refusals",
        "reset",
        "roaming",
        "scaling",
        "segments_in",
        "segments_out",
        "sender",
        "snd_shift",
        "soft_error",
        "state",
        "syn_due",
        "syn_hurried",
        "syn_marked",
        "syn_transmissions",
        "throttle",
        "timers",
        "timestamps",
        "tracer",
        "train",
        "ts_offset",
        "ts_start",
        "ttl",
        "was_let_go",
        "witness",
    )

    def __init__(
        self,
        around: Surroundings,
        path: Path,
        ports: int,
        config: Config,
        opened: Opened,
        tracer: Tracer | None,
        now: float,
        iss: int | None = None,
        guard: Guard | None = None,
    ) -> None:
        self.around = around
        self.path = path = around.kept(path)
        self.ports = ports
        self.config = config
        self.opened = opened
        self.tracer = tracer
        events = config.flight_recorder
        self.recorder = FlightRecorder(events, now) if events else None
        self.state = State.CLOSED
        self.history: tuple[Any, ...] = ()  # states, each with the time it was come to
        self.timers = Timers()
        self.dscp = config.dscp
        self.ttl = config.ttl
        self.train = NO_TRAIN  # what follows the run that left last, the last of it first
        if iss is None:
            iss = around.isn.iss(path, ports, now)
        self.guard = guard
        if guard is not None:
            guard.iss = iss
        self.sender: Sender = around.parts.sender(
            iss, config, self.timers, around.ack, around.memory.buffers
        )
        self.sender.flight.pmtu, self.mms_r = around.path_mtu(path, config)
        self.receiver: Receiver | None = None  # made from the peer's SYN
        self.error: OSError | None = None
        self.soft_error: OSError | None = None
        self.obstacle: tuple[OSError, float] | None = None  # what was in the way last, and when
        self.refusals: Refusals | None = None  # if it may die of them, and there were any
        self.events = 0
        self.reading = True  # False once the user will take no more octets
        self.reset: tuple[int, int, int, Why] | None = None  # a RST to be sent: SEQ, ACK, flags
        self.last_word: LastWord | None = None  # a RST that has to let what was written go first
        self.was_let_go = False  # the user has aborted, and does not ask what arrives
        self.syn_due: Why | None = None  # our SYN is to be sent
        self.syn_hurried = False  # it went again without waiting for its time-out, in this one
        self.dropped: Count | None = None  # why the segment at hand, or part of it, was
        self.syn_transmissions = 0
        self.credit: int | None = None  # octets we may still send to an address not proved yet
        self.peer_mss = default_mss(path)
        self.feedback: Feedback | None = None
        self.offers = Feedback.NONE
        self.accurate: Accurate | None = None
        self.ecn = False
        self.ect = 0
        self.syn_marked = False
        self.scaling = False
        self.snd_shift = 0
        self.timestamps = False
        self.ts_offset = around.isn.timestamp_offset(path, ports)
        self.ts_start = self.ts_clock(now)
        self.last_heard = now
        self.keepalive = KeepAlive.of(config) if config.keepalive else None
        self.probes_due = 0
        self.segments_in = 0
        self.segments_out = 0
        self.throttle: AckThrottle | None = None
        self.progress: Progress | None = None
        self.first_word: FirstWord | None = None
        self.fast_open: FastOpen | None = None
        self.roaming: Roaming | None = None  # both would like to move with their ends
        self.witness: Witness | None = self.recorder
        if tracer is not None:
            self.witness = Traced(self, tracer, self.recorder)

    # -- the state diagram -----------------------------------------------------------------------

    def move(self, cause: Cause, now: float) -> None:
        """Go along the arrow *cause*; leaving SYN-RECEIVED for good proves the peer's address."""
        before = self.state
        self.state = self.around.parts.after(before, cause)
        if self.state is before:
            return
        self.history += self.state, now
        if self.state in _OVER and self.syn_acked:
            revisit.remember(self.sender.flight, self.config, self.path, self.dscp, now)
        if self.witness is not None:
            self.witness.moved(before, self.state, cause, now)

    def fired(self, timer: str, now: float) -> None:
        """Let whoever watches know that a timer expired."""
        if self.witness is not None:
            self.witness.fired(self.state, timer, now)

    def report(self, error: OSError) -> None:
        """Tell the user of trouble that does not end the connection (RFC 9293 §3.9.1.8)."""
        self.soft_error = error
        self.events |= SOFT_ERROR

    def hinder(self, code: int, now: float) -> None:
        """A datagram did not get through, by word of our system or a router; *code*: errno."""
        error = OSError(code, os.strerror(code))
        self.obstacle = error, now
        self.report(error)

    def distrust(self, run: Run, reason: Count, now: float) -> None:
        """*run* is not authentic, for *reason*: nothing comes of it.

        If an open fails, its error has that for its cause: somebody is there, without our key.
        """
        if self.witness is not None:
            self.witness.received(self.state, run, now)
            self.witness.processed(run, reason, now)
        self.count(reason, run.segments)
        if not self.syn_acked:
            self.obstacle = OSError(KEY_REJECTED, "no answer with this key, but others"), now

    def timed_out(self) -> TimeoutError:
        """Return the error of a connection that made no progress for too long.

        What is known to have stood in the way since the peer was heard last is its cause, as Linux
        raises that instead.
        """
        error = timed_out()
        if self.obstacle is not None and self.obstacle[1] >= self.last_heard:
            error.__cause__ = self.obstacle[0]
        return error

    def die(self, error: OSError | None, now: float) -> None:
        """Delete the connection: stop the timers and tell the user why."""
        if self.state is State.CLOSED:
            return
        self.move(Cause.DELETE, now)
        self.bury(error)

    def kill(self, why: Why, error: OSError | None, now: float) -> None:
        """Die of *error*, and let the peer know why."""
        self.reading = False
        if self.receiver is not None:
            self.receiver.discard()
        if self.state not in _NOTHING_TO_RESET or (self.sender.has_work and self.syn_acked):
            self.owe_reset(why)
        self.die(error, now)

    def bury(self, error: OSError | None) -> None:
        """Leave nothing running behind a connection that has reached CLOSED."""
        self.error = self.error or error
        self.timers.stop()
        self.sender.end()
        if self.receiver is not None:
            self.receiver.queue.clear()
            self.receiver.end()
        self.events |= CLOSED

    @property
    def is_closing(self) -> bool:
        """Whether the user has closed: a FIN, or a RST, is sent or follows what is queued."""
        return self.sender.fin_seq is not None or self.last_word is not None

    @property
    def has_left(self) -> bool:
        """Whether all that was written has been sent once, and our FIN if there is to be one."""
        sender = self.sender
        if self.last_word is not None or self.state is State.CLOSED:
            return not sender.unsent
        return sender.fin_seq is not None and sender.snd_nxt > sender.fin_seq

    @property
    def syn_acked(self) -> bool:
        """Whether the peer has acknowledged our SYN."""
        return self.sender.snd_una > self.sender.iss

    @property
    def came_early(self) -> bool:
        """Whether the peer opened it, and the user had it when only its SYN was here (RFC 7413)."""
        fast_open = self.fast_open
        return fast_open is not None and fast_open.used and self.opened is Opened.PASSIVE

    @property
    def is_early(self) -> bool:
        """Whether the user has a connection that its peer has opened, and not proved yet."""
        return self.came_early and not self.syn_acked

    def fail_to_open(self, error: OSError, now: float) -> None:
        """A passive open comes to nothing: of that hears, at the most, a user who has it early."""
        self.die(error if self.is_early else None, now)

    # -- negotiation -----------------------------------------------------------------------------

    def meet(self, irs: int, offer: options.Options, now: float) -> Receiver:
        """Begin the receiving half with the peer's SYN, and settle on options (W-30)."""
        config = self.config
        self._forget_receiver()
        if self.guard is not None:
            self.guard.meet(irs)
        around = self.around
        stake = around.stake(self.path)
        receiver: Receiver = around.parts.receiver(irs, config, self.timers, around.memory, stake)
        self.receiver = receiver
        self.peer_mss = default_mss(self.path) if offer.mss is None else max(offer.mss, MSS_FLOOR)
        scale = offer.window_scale if config.window_scaling else None
        self.scaling = scale is not None
        self.snd_shift = min(scale or 0, 14)
        if self.scaling:
            receiver.shift = window_shift(largest_buffer(config))
        receiver.sack = config.sack and offer.sack_permitted
        self.timestamps = config.timestamps and offer.tsval is not None
        if self.timestamps:
            receiver.ts_recent = offer.tsval
            receiver.ts_recent_at = now
        if isinstance(offer, options.SignedOptions) and offer.roaming and self.may_roam:
            self.roaming = Roaming(to_wire(self.sender.iss), irs)
        receiver.rmss_max = self._data_octets(self.announced_mss)
        receiver.rmss = min(receiver.rmss, receiver.rmss_max)
        return receiver

    def take_syn(self, syn: Run, now: float) -> Receiver:
        """Take *syn* in LISTEN; return the receiving half that begins with it (ST-12)."""
        self.segments_in = 1
        receiver = self.meet(syn.seq, syn.options, now)
        self.move(Cause.RCV_SYN, now)
        self.sender.snd_wl1 = receiver.irs
        return receiver

    def take_early(self, syn: Run, receiver: Receiver, now: float) -> None:
        """Take the data of *syn*, and be ready to answer it at once (RFC 7413 §4.2.2)."""
        self._begin_to_send(syn.window, receiver.irs, self.sender.iss, None, now)
        self.credit = None  # its cookie has proved the address
        receiver.syn_window_field()
        receiver.accept(receiver.irs + 1, syn, now)
        self.events |= READABLE

    def take_syn_of_cookie(self, syn: Run, roams: bool, now: float) -> Receiver:
        """Take *syn* and be as if our SYN,ACK had been sent from here; it was, as a cookie.

        *roams*: both would like to roam.
        """
        receiver = self.take_syn(syn, now)
        receiver.syn_window_field()
        if roams:
            self.roaming = Roaming(to_wire(self.sender.iss), syn.seq)
        self.syn_transmissions = 1
        for _ in range(2):  # nobody knows when it left: like one sent twice, it gives no RTT
            self.sender.syn_sent(now)
        return receiver

    @property
    def first_window(self) -> int:
        """SEG.WND of our SYN before the peer's has come: never scaled (RFC 7323 §2.2)."""
        most = 0xFFFF if self.around.socket_buffer is None else START
        return min(self.config.receive_buffer, most)

    @property
    def may_roam(self) -> bool:
        """Whether the connection may move with its ends: what is said about that is signed."""
        return self.guard is not None and self.guard.may_roam

    def forget_peer(self, now: float) -> None:
        """Go back to SYN-SENT: the SYN that crossed ours was not the peer's, or is no more."""
        self._forget_receiver()
        self.syn_due = Why.RETRANSMIT_SYN_DOUBT
        self.move(Cause.RCV_RST, now)

    def _forget_receiver(self) -> None:
        """Undo what began with a SYN that was not the peer's, if one came before."""
        self.roaming = None
        self.feedback = self.accurate = None
        self.ecn = False
        if self.receiver is not None:
            self.receiver.discard()
            self.receiver.end()
            self.receiver = None
            self.timers.ack = OFF

    def establish(
        self, window: int, seg_seq: int, seg_ack: int, tsecr: int | None, now: float
    ) -> None:
        """Our SYN is acknowledged: the peer's first window counts, and data may flow."""
        self._begin_to_send(window, seg_seq, seg_ack, tsecr, now)
        self.believe(now)

    def believe(self, now: float) -> None:
        """The peer has proved its address, and that it wants the connection."""
        self.credit = None
        self.last_heard = now
        self.watch_progress(now)
        self.start_keepalive()

    def _begin_to_send(
        self, window: int, seg_seq: int, seg_ack: int, tsecr: int | None, now: float
    ) -> None:
        sender = self.sender
        sender.snd_wnd = sender.max_snd_wnd = window
        sender.snd_wl1 = seg_seq
        sender.snd_wl2 = seg_ack
        assert self.receiver is not None
        sender.established(
            self._data_octets(self.segment_limit),
            announced=self._data_octets(min(self.peer_mss, self.announced_mss)),
            sack=self.receiver.sack,
            timestamps=self.timestamps,
            syn_transmissions=self.syn_transmissions,
            ecn=self.ecn and self.accurate is None,
            accurate=self.accurate is not None,
            tsecr=tsecr,
            now=now,
        )
        revisit.begin(sender.flight, self.config, self.path, self.dscp, now)
        self._limit_pmtu()
        self.events |= ESTABLISHED | WRITABLE

    def stood_still(self, seconds: float) -> None:
        """Leave *seconds* that are over out of the time without progress or an answer.

        A keep-alive probe that was out meanwhile may have been answered, and does not count.
        """
        self.sender.stood_still(seconds)
        if self.progress is not None:
            self.progress.stood_still(seconds)
        if not self.syn_acked:
            self.timers.patience += seconds
        if self.keepalive is not None:
            self.keepalive.forgive(self.last_heard)

    @property
    def pmtu(self) -> PathMtu:
        """How large datagrams may be, to be looked at."""
        pmtu = self.sender.flight.pmtu
        assert pmtu is not None
        return pmtu

    @property
    def own_pmtu(self) -> PathMtu:
        """The same, to be changed: no other connection has it."""
        pmtu = self.sender.flight.pmtu = self.pmtu.own()
        return pmtu

    def limit_pmtu(self, ceiling: int) -> None:
        """Send no datagrams larger than *ceiling* octets."""
        self.sender.flight.pmtu = self.pmtu.limited(ceiling)

    def _limit_pmtu(self) -> None:
        self.limit_pmtu(min(self.peer_mss, self.config.mss or self.peer_mss) + wire.HEADER_SIZE)

    def measure_path(self) -> None:
        """The path is another: begin to search for the size that it carries."""
        self.sender.flight.pmtu, _ = self.around.path_mtu(self.path, self.config)
        self._limit_pmtu()
        self.follow_pmtu()

    def follow_pmtu(self) -> None:
        """Use segments of the size that the path carries, as far as that is known now (PMTU-11)."""
        smss = self._data_octets(self.segment_limit)
        if smss != self.sender.smss:
            self.sender.resize(smss)

    @property
    def announced_mss(self) -> int:
        """The value of our MSS option: what we can receive, less the fixed header (W-50, W-51)."""
        mss = self.mms_r - wire.HEADER_SIZE
        return mss if self.config.mss is None else min(mss, self.config.mss)

    @property
    def segment_limit(self) -> int:
        """Octets of options and data in a segment we send: min(SendMSS + 20, MMS_S) - 20 (W-53)."""
        limit = min(self.peer_mss, self.pmtu.plpmtu - wire.HEADER_SIZE)
        return limit if self.config.mss is None else min(limit, self.config.mss)

    def _data_octets(self, limit: int) -> int:
        return limit - self.option_octets

    @property
    def option_octets(self) -> int:
        """Octets of options in each segment without SYN, SACK not counted."""
        octets = TIMESTAMP_OCTETS if self.timestamps else 0
        return octets if self.guard is None else octets + options.AUTHENTICATION_SIZE

    def start_keepalive(self) -> None:
        """Set the keep-alive deadline, if the user wants one (RFC 9293 §3.8.4)."""
        keepalive = self.keepalive
        lives = self.syn_acked and self.state is not State.CLOSED
        if keepalive is not None and keepalive.on and lives:
            self.timers.idle = self.last_heard + keepalive.idle
        elif self.reading:
            self.timers.idle = OFF

    def watch_progress(self, now: float) -> None:
        """Die if nothing was received or acknowledged for too long, else set when to look again.

        An open that is still under way has had its time.  Looking now and then costs less than
        noting the time of every segment would.  One that is through may have to say so again.
        """
        if not self.syn_acked:
            self.fired(PATIENCE, now)
            self.die(self.timed_out(), now)
            return
        patience = self.config.idle_timeout
        due = self.timers.patience <= now
        if self._repeat_first_word(now) or (due and patience is not None):
            self.fired(PATIENCE, now)
        look = OFF if self.first_word is None else self.first_word.due
        if self.roaming is not None:
            receiver = self.receiver
            has_room = receiver is not None and receiver.rcv_wnd >= receiver.rmss
            look = min(look, self.roaming.look(self.sender.flight.rtt.rto, has_room, now))
        if patience is not None:
            end = self._stands_since(now) + patience
            if now >= end:
                self.count(Count.IDLE_TIMEOUT)
                self.owe_reset(Why.RST_IDLE)
                self.die(self.timed_out(), now)
                return
            look = min(look, now + patience / 4, end)
        self.timers.patience = look

    def _stands_since(self, now: float) -> float:
        """Return when anything was received or acknowledged last, as far as that was looked at."""
        assert self.receiver is not None
        here = self.sender.snd_una + self.receiver.rcv_nxt
        if self.progress is None:
            self.progress = Progress(here, now)
        return self.progress.since(here, now)

    def _repeat_first_word(self, now: float) -> bool:
        """Send the ACK of SYN,ACK again if its time has come and neither side has said anything.

        Return whether it goes now.
        """
        word = self.first_word
        if word is None:
            return False
        sender, receiver = self.sender, self.receiver
        assert receiver is not None
        if (
            self.state is not State.ESTABLISHED
            or sender.snd_nxt > sender.iss + 1
            or receiver.rcv_nxt > receiver.irs + 1
            or self.last_heard > self.history[-1]
        ):
            self.first_word = None
        elif word.due <= now:
            receiver.ack_now(Why.ACK_OF_SYN_AGAIN)
            if not word.repeat(self.config.syn_retries, now):
                self.first_word = None
            return True
        return False

    # -- timestamps ------------------------------------------------------------------------------

    def ts_clock(self, now: float) -> int:
        """Return TSval at *now*: milliseconds plus the connection's offset, 32 bits (TS-1)."""
        return timestamp(now, self.ts_offset)

    def tsecr(self, run: Run, now: float) -> int | None:
        """Return the time in ms of our clock that *run* echoes; None if we never said so (M-13)."""
        if not self.timestamps or not run.flags & wire.ACK:
            return None
        ms = int(now * 1000)
        clock = ms + self.ts_offset  # ts_clock(), but for the bits that the masks take off below
        ticks = (clock - run.options.tsecr) & SEQ_MASK
        if ticks >= SEQ_HALF or ticks > (clock - self.ts_start) & SEQ_MASK:
            return None
        return ms - ticks

    # -- what a tracer may see -------------------------------------------------------------------

    def count(self, what: Count, times: int = 1) -> None:
        """Count *what* happened in the counters that all connections share."""
        self.around.counters[what] += times

    def drop(self, reason: Count, segments: int = 1) -> None:
        """Count the *segments* at hand as dropped for *reason*, all or part of them."""
        self.count(reason, segments)
        self.dropped = reason

    def blocks(self) -> Blocks:
        """Return a copy of what a tracer may see of both halves."""
        sender, receiver = self.sender, self.receiver
        flight, board = sender.flight, sender.board
        rtt = flight.rtt
        return Blocks(
            iss=sender.iss,
            snd_una=board.snd_una,
            snd_nxt=board.snd_nxt,
            snd_wnd=sender.snd_wnd,
            unsent=sender.unsent,
            sacked=tuple(board.sacked_ranges()),
            lost=tuple(board.lost),
            why_lost=flight.why_lost,
            irs=receiver.irs if receiver is not None else 0,
            rcv_nxt=receiver.rcv_nxt if receiver is not None else 0,
            rcv_wnd=receiver.rcv_wnd if receiver is not None else 0,
            unread=receiver.ready_octets if receiver is not None else 0,
            held=tuple(receiver.queue.held) if receiver is not None else (),
            mss=sender.smss,
            cwnd=flight.window,
            ssthresh=flight.controller.ssthresh,
            in_flight=board.in_flight,
            pacing_rate=flight.pacing_rate(),
            recovery=flight.recovery.phase.value,
            srtt=rtt.srtt,
            rttvar=rtt.rttvar if rtt.srtt is not None else None,
            min_rtt=rtt.min_rtt,
            rto=rtt.rto,
            backoffs=rtt.backoffs,
            timers=self.timers.running(),
        )

    # -- answers ---------------------------------------------------------------------------------

    def answer(self, empty: bool, now: float) -> None:
        """Owe an ACK to an unacceptable segment; one without content gets it only now and then.

        Without the throttle two sides that disagree would acknowledge each other for ever (CHAL-4).
        """
        if empty and not self._throttle().allows_answer(now):
            self.count(Count.ACK_THROTTLED)
        elif self.receiver is not None:
            self.receiver.ack_now(Why.ACK_UNACCEPTABLE)

    def challenge(self, now: float) -> None:
        """Owe a challenge ACK (RFC 5961 §3.2, §4.2), within this connection's own budget."""
        self.dropped = Count.CHALLENGE_ACK
        if not self._throttle().allows_challenge(now):
            self.count(Count.ACK_THROTTLED)
            return
        self.count(Count.CHALLENGE_ACK)
        if self.receiver is not None:
            self.receiver.ack_now(Why.CHALLENGE_ACK)

    def _throttle(self) -> AckThrottle:
        if self.throttle is None:
            self.throttle = AckThrottle()
        return self.throttle

    def owe_reset(self, why: Why) -> None:
        """A RST is due with the exact number that the peer will accept (RFC 5961 §3).

        It follows all that was sent.  But what answers a segment that nobody reads bears the number
        which the peer has acknowledged, as from a closed connection (RFC 9293 §3.10.7.1): our FIN
        may be lost, and a number beyond it would only be challenged.  If it is not, the peer's ACK
        of it is on its way, and earns the next one.
        """
        if self.receiver is None:
            return
        if why is Why.RST_NOBODY_READS:
            self.reset = to_wire(self.sender.snd_una), 0, wire.RST, why
        else:
            numbers = to_wire(self.sender.ack_seq), to_wire(self.receiver.rcv_nxt)
            self.reset = *numbers, wire.RST | wire.ACK, why

    def refuse_ack(self, seg_ack: int) -> None:
        """Owe a RST that bears the number of an impossible acknowledgement."""
        self.reset = seg_ack & SEQ_MASK, 0, wire.RST, Why.RST_ACK_UNACCEPTABLE


def default_mss(path: Path) -> int:
    """Return the MSS of a peer whose SYN names none, octets."""
    return DEFAULT_MSS_IPV6 if is_ipv6(host_of(path)) else DEFAULT_MSS_IPV4
