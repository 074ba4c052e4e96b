"""The lane: what a connection that runs well does all day, in one place and in plain numbers.

Nearly all segments are the next data in order, or the acknowledgement of something, or both, and
nearly all that leaves is new data as soon as it is written.  The procedures of RFC 9293 and of loss
recovery ask some hundred questions to find that out.  While a connection is *steady* the answers
are known: it is ESTABLISHED; nothing is lost, SACKed, sent twice, probed for or urgent; no FIN was
sent or seen, nothing waits behind a gap, no router marks anything; nobody traces it; the peer's
window is open.  :mod:`rudp.core.life.steady` asks once, lends the numbers of all rooms to a
:class:`Lane`, and hands them back as soon as something else happens.  Whatever it is, the RFC's
code goes on from there and finds all as if it had done the work itself.

What the procedures would do meanwhile, and why it is not done here:

- RACK's search, PRR, F-RTO, undo, the queue of gaps and SACK blocks begin with a loss, a SACK or a
  time-out, which ends the lane.  What RACK would have noted of the latest delivery is handed back.
- The tail-loss probe: its timer is set here; that it fires ends the lane.
- A controller does not let a window grow that is not in use: it is told later, in one sum.  When
  the window is in use, and if the controller is not one of ours, it is asked each time.
- Auto-tuning and the stake in the socket are asked when they may have an opinion.
- The window is looked at anew, by the receiver itself, when a segment's worth of it is used up.

The same verbs in C are in ``rudp/_lane.c``; the tests hold both against the RFC's code.
"""

from typing import Final

from rudp.core.congestion.newreno import WindowController
from rudp.core.congestion.usage import PERIOD
from rudp.core.life.numbers import ACK_LATER, ACK_NOW, NO_ACK_DUE, Numbers, Sent, Source
from rudp.core.life.tcb import READABLE, WRITABLE
from rudp.core.loss.rtt import MIN_RTT_SPACING, MIN_RTT_WINDOW
from rudp.core.loss.tailprobe import MAX_ACK_DELAY, PTO_MIN
from rudp.core.receive.receiver import (
    IDLE,
    PIECE_OCTETS,
    PIECES_MIN,
    QUICK_ACKS,
    RMSS_INITIAL,
    Receiver,
    take_first,
)
from rudp.core.segment.options import TIMESTAMPS_ALONE, encode
from rudp.core.segment.seqnum import SEQ_HALF, SEQ_MASK
from rudp.core.segment.transmit import RUN_OCTETS_MAX, Transmit
from rudp.core.segment.wire import PSH, STAMPED, STAMPED_SIZE, Run
from rudp.core.send.sender import PROBE_BACKING
from rudp.core.send.train import TRAIN_RUNS, cut
from rudp.core.terms.bounds import WINDOW_MAX
from rudp.core.terms.state import State
from rudp.core.terms.timers import DELAYED_ACK, OFF
from rudp.core.terms.why import Why
from rudp.core.watch.recorder import RECEIVED, SENT

_SENT_IT: Final = SENT << 4 | State.ESTABLISHED
_CAME: Final = RECEIVED << 4 | State.ESTABLISHED
_OFFSET: Final = STAMPED_SIZE << 26
_pack: Final = STAMPED.pack
_WHY_NEW: Final = Why.NEW_DATA.number

LOGGED: Final = 4 * 9
"""Numbers of as many events as the flight recorder takes in one step; each has nine."""

HAIR: Final = 1e-9
"""Seconds by which it is better to ask too early than too late, sums of floats being what they
are: who is asked decides for himself."""


class Lane(Numbers):
    """What is done with them: each method does in one step what the method named in it does.

    What it keeps besides says when something need not be asked: ``limit``: octets that may be
    outstanding, whatever limits it; ``restarts``: there is more to do when nothing is outstanding;
    ``log``: what the flight recorder is to be told, nine numbers for each event.  A round trip up
    to ``minimum``, or from ``minimum_until`` on, may be a smallest one (``min_rtt``); from
    ``tune_at`` on the buffer may be worth a look.  Up to ``quiet_until`` and RCV.NXT
    ``quiet_end`` the stake in the socket need not hear of each segment; at ``came_at`` RCV.NXT went
    to ``came_nxt``, of which it has not heard (negative for none).  ``trailer``: options of a run.
    """

    __slots__ = (
        "came_at", "came_nxt", "limit", "log", "min_rtt", "minimum", "minimum_until", "quiet_end",
        "quiet_until", "restarts", "trailer", "tune_at",
    )  # fmt: skip

    limit: int
    restarts: bool
    log: list[float]
    min_rtt: float
    minimum: float
    minimum_until: float
    trailer: bytes
    tune_at: float
    quiet_until: float
    quiet_end: int
    came_at: float
    came_nxt: int

    def begin(self) -> None:
        """All numbers are here."""
        self.log = []
        self.trailer = b""
        self.restarts = self.gives_back or self.asks_always
        self.came_at = -1.0
        self.came_nxt = self.rcv_nxt
        self.quiet_until = OFF if self.stake is None else -OFF
        self.quiet_end = WINDOW_MAX << 32
        self._set_limit()
        self._look_at_minima()
        self._look_at_autotune()

    def finish(self) -> None:
        """Say what is still to be said: the numbers go back."""
        self._settle_stake()
        self._write_log()
        self._tell_unused()

    def expire(self, now: float) -> bool:
        """Do what is due (timers_expire); False, and the lane is over, if it is the RFC code's."""
        if self.loss <= now or self.others <= now:
            self.steady = False
            return False
        if self.ack_at <= now:
            if self.recorder is not None:
                self._write_log()
                self.recorder.fired(State.ESTABLISHED, DELAYED_ACK, now)
            self.ack_at = OFF
            if self.ack_due == ACK_LATER:
                self.ack_due = ACK_NOW
                self.ack_why = Why.ACK_DELAYED
        if self.pace <= now:
            self.pace = OFF
        return True

    # -- what comes in ---------------------------------------------------------------------------

    def take(
        self,
        seq: int,
        word: int,
        tsval: int,
        tsecr: int,
        length: int,
        source: Source,
        now: float,
    ) -> bool:
        """Process a segment, or a *run* of several, if it is what was to be expected.

        *word*: acknowledgment number, data offset, flags and window as they stand in the header;
        *source*: the datagram, whose only option is timestamps, or the run; *length*: octets of
        data in all.  Return whether it was taken; else nothing was changed, and the lane is over.
        """
        una = self.snd_una
        nxt = self.snd_nxt
        rcv_nxt = self.rcv_nxt
        acked = ((word >> 32) - una) & SEQ_MASK
        seg_ack = una + acked
        window = (word & 0xFFFF) << self.snd_shift
        if (
            word & self.notable != self.expected_flags
            or seq != rcv_nxt & SEQ_MASK
            or seg_ack > nxt
            or length > self.rcv_edge - rcv_nxt
            or (tsval - self.ts_recent) & SEQ_MASK >= SEQ_HALF  # an old duplicate, perhaps (PAWS)
            or not window
            or not (acked or length or window != self.snd_wnd)  # a duplicate (RFC 5681 §2)
            or (seg_ack != nxt and acked and self._tears(seg_ack))
        ):
            self.steady = False
            return False

        if isinstance(source, Run):
            segments = source.segments
            room = length if segments == 1 else source.segment_octets
        else:
            segments = 1
            room = length
        self.segments_in += segments
        if self.recorder is not None:
            self.log += (
                now, seq, word >> 32, length, room & 0xFFFF, word & 0xFFFF,
                _CAME | word >> 17 & 0x80, word >> 16 & 0xFF, 0,
            )  # fmt: skip
            if len(self.log) >= LOGGED:
                self._write_log()
        self.last_heard = now
        self.ts_latest = tsval
        if length:
            # RTTM for the receiver's own round trip (RFC 7323 §4.1, BUF-3).
            ms = int(now * 1000)
            clock = ms + self.ts_offset
            ticks = (clock - tsecr) & SEQ_MASK
            if (
                ms - ticks != self.echoed
                and ticks < SEQ_HALF
                and ticks <= (clock - self.ts_start) & SEQ_MASK
            ):
                self._note_round_trip(ms - ticks, now)

        # §3.10.7.4, fifth: SND.UNA moves, and SND.WND is updated.
        if acked:
            self._acknowledge(seg_ack, acked, now)
            self.events |= WRITABLE
        if window != self.snd_wnd:
            self.snd_wnd = window
            if window > self.max_snd_wnd:
                self.max_snd_wnd = window
            self._set_limit()
            self.events |= WRITABLE
        self.snd_wl1 = rcv_nxt
        self.snd_wl2 = seg_ack
        if self.stalled_since is not None and seg_ack + window < nxt:
            self.stalled_since = now  # the peer lives and has no room (MUST-37)

        # TS.Recent (RFC 7323 §4.3).
        if rcv_nxt <= self.last_ack_sent:
            self.ts_recent = tsval
            self.ts_recent_at = now

        # Seventh, the data.
        if not length:
            return True
        if length > self.rmss and room > self.rmss:
            self.rmss = min(room, self.rmss_max)
        if isinstance(source, Run):
            data = source.octets(0, length)
        else:
            data = bytes(source[STAMPED_SIZE:])
        self.ready.append(data)
        self.rcv_nxt = rcv_nxt = rcv_nxt + length
        self.ready_octets += length
        pieces = len(self.ready)
        if pieces > PIECES_MIN and pieces > PIECES_MIN + self.ready_octets // PIECE_OCTETS:
            self.ready = [b"".join(self.ready)]
        # When it is acknowledged (RFC 5681 §4.2; Receiver.count).
        self.unacked += length
        if now - self.last_data > IDLE:
            self.quick_acks = QUICK_ACKS
        self.last_data = now
        if self.ack_due != ACK_NOW:
            if self.unacked > self.rmss:
                self.ack_due = ACK_NOW
                self.ack_why = Why.ACK_EVERY_SECOND
            elif self.quick_acks and length >= (
                RMSS_INITIAL if self.rmss > RMSS_INITIAL else self.rmss
            ):
                self.quick_acks -= 1
                self.ack_due = ACK_NOW
                self.ack_why = Why.ACK_QUICK
            else:
                self.ack_due = ACK_LATER
                if self.ack_at == OFF:
                    self.ack_at = now + self.delayed_ack
        if now <= self.quiet_until and rcv_nxt <= self.quiet_end:
            self.came_at = now
            self.came_nxt = rcv_nxt
        elif self.stake is not None:
            self._charge(now)
        self.events |= READABLE
        if now >= self.tune_at and self.may_grow:
            self._tune(now)
        return True

    def _charge(self, now: float) -> None:
        """Let the stake in the socket's buffer hear of what came (BUF-8).

        As long as it is little and comes at once (``quiet_until``, ``quiet_end``), one word at the
        end says the same as one for each segment.
        """
        stake, receiver = self.stake, self.receiver
        assert stake is not None
        self._settle_stake()
        stake.arrived(self.promised - self.rcv_nxt, receiver.autotune.min_rtt, now)
        self.quiet_until, octets = stake.quiet
        self.quiet_end = self.rcv_nxt + octets

    def _settle_stake(self) -> None:
        """Say the word that is due."""
        if self.came_at >= 0.0 and self.stake is not None:
            left = self.promised - self.came_nxt
            self.stake.arrived(left, self.receiver.autotune.min_rtt, self.came_at)
        self.came_at = -1.0

    def _tears(self, seg_ack: int) -> bool:
        """Whether *seg_ack* lies within a segment, which something on the way has cut off."""
        for run in self.runs:
            if seg_ack <= run[1]:
                return seg_ack < run[1] and (seg_ack - run[5]) % run[4] != 0
        return False

    def _acknowledge(self, seg_ack: int, acked: int, now: float) -> None:
        """The peer has *acked* octets more: what Sender.on_ack and Flight.on_ack make of it."""
        runs = self.runs
        first = run = runs.popleft()
        while run[1] < seg_ack:
            run = runs.popleft()
        _, end, sent_at, order, _, _, before, delivered_at, first_sent_at, idle, _, _ = run
        if end > seg_ack:
            runs.appendleft((seg_ack, *run[1:]))
        # RTT and RTO (RFC 6298 §2, one sample for each round trip).
        rtt = now - sent_at
        if rtt <= self.minimum or now >= self.minimum_until:
            self.estimator.observe(rtt, now)
            self._look_at_minima()
        if seg_ack > self.sample_from:
            r = rtt if first is run else now - first[2]
            if r < 0.0:
                r = 0.0
            srtt = self.srtt
            error = r - srtt
            rttvar = self.rttvar
            rttvar += ((error if error >= 0.0 else -error) - rttvar) / 4
            self.rttvar = rttvar
            self.srtt = srtt = srtt + error / 8
            if self.linux_form:
                variance = 4 * rttvar
                rto = srtt + (variance if variance > self.floor else self.floor)
                self.rto = rto if rto < self.ceiling else self.ceiling
            else:
                self.rto = self.estimator.timeout(srtt, rttvar)
            self.sample_from = self.snd_nxt
        # The rate of delivery (DeliveryRate.sample).
        delivered = self.delivered = self.delivered + acked
        self.delivered_at = now
        if delivered > self.app_limited:
            self.app_limited = 0
        interval = now - delivered_at
        send_elapsed = sent_at - first_sent_at
        if send_elapsed > interval:
            interval = send_elapsed
        self.first_sent_at = sent_at
        rate: float | None = None
        if interval > 0.0 and interval >= self.min_rtt:
            rate = (delivered - before) / interval
            if not idle or self.rate is None or rate > self.rate:
                self.rate = rate
        # What RACK knows: the latest that has arrived (RFC 8985 §6.2, steps 1 and 2).
        self.delivered_end = seg_ack
        self.delivered_order = order
        self.delivered_sent_at = sent_at
        self.delivered_rtt = rtt
        # The congestion window.
        cwnd = self.cwnd
        limited = self.cwnd_limited or (cwnd < self.ssthresh and cwnd < 2 * self.most)
        if limited or self.asks_always:
            self._ask_controller(Sent(*run), seg_ack, acked, rate, limited, now)
        else:
            self.unused += acked
            if self.unused_since is None:
                self.unused_since = now
        # The buffer, and the loss timer.
        self.snd_una = seg_ack
        self.buffer.release(seg_ack)
        if seg_ack == self.snd_nxt:
            self.loss = OFF
            self.stalled_since = None
        else:
            self.rto_from = now  # RTO-10
            self.stalled_since = now
            self._set_loss_timer(now)

    def _ask_controller(
        self, run: Sent, seg_ack: int, acked: int, rate: float | None, limited: bool, now: float
    ) -> None:
        """Let the controller hear of an acknowledgement (Flight.on_ack)."""
        self._tell_unused()
        ack = self.ack
        ack.prior_in_flight = self.snd_nxt - self.snd_una
        ack.rtt = self.delivered_rtt
        ack.delivered = acked
        ack.lost = 0
        ack.delivery_rate = rate
        ack.total_delivered = self.delivered
        ack.total_lost = self.lost
        ack.prior_delivered = run.delivered
        ack.rate_delivered = self.delivered - run.delivered
        ack.rate_lost = self.lost - run.lost_before
        ack.rate_app_limited = run.app_limited
        ack.tx_in_flight = run.tx_in_flight
        ack.now = now
        ack.in_flight = self.snd_nxt - seg_ack
        ack.in_recovery = False
        ack.snd_una = seg_ack
        ack.snd_nxt = self.snd_nxt
        ack.srtt = self.srtt
        ack.min_rtt = self.estimator.min_rtt
        ack.cwnd_limited = limited
        self.controller.on_ack(ack)
        self._look_at_controller()

    def _look_at_controller(self) -> None:
        self.cwnd = self.controller.cwnd
        self.ssthresh = self.controller.ssthresh
        self._set_limit()

    def _set_limit(self) -> None:
        """Note how much may be outstanding, whatever limits it."""
        limit = self.snd_wnd if self.snd_wnd < self.cwnd else self.cwnd
        limit = limit if limit < self.counted else self.counted
        self.limit = limit if limit < self.buffer_limit else self.buffer_limit

    def _look_at_minima(self) -> None:
        """Note up to when, and below what, a round trip may be a smallest one."""
        minima = self.minima = self.estimator.minima
        if minima:
            self.min_rtt, self.minimum = minima[0], minima[-2]
            until = minima[-1] + MIN_RTT_SPACING, minima[1] + MIN_RTT_WINDOW
            self.minimum_until = min(until) - HAIR
        else:
            self.min_rtt, self.minimum, self.minimum_until = -OFF, OFF, -OFF

    def _tell_unused(self) -> None:
        """Let the controller know what was delivered while its window was not in use."""
        if self.unused:
            assert self.unused_since is not None
            controller = self.controller
            assert isinstance(controller, WindowController)
            controller.on_unused(self.unused, self.unused_since)
            self.unused = 0
            self.unused_since = None

    def _note_round_trip(self, echo: int, now: float) -> None:
        if self.receiver.note_tsecr(echo, self.rcv_nxt, now):
            self.echoed = echo
            self._look_at_autotune()

    def _look_at_autotune(self) -> None:
        """Note when the buffer may be worth another look."""
        autotune = self.receiver.autotune
        rtt = OFF if autotune.rtt is None else autotune.rtt
        self.tune_at = autotune.since + rtt - HAIR

    def _tune(self, now: float) -> None:
        """Ask how large a buffer the reader is worth (BUF-3); a larger one ends the lane."""
        wanted = self.receiver.autotune.wanted(self.octets_read, now)
        self._look_at_autotune()
        if wanted > self.receive_buffer:
            self.wanted = wanted
            self.steady = False

    def read(self, most: int | None = None) -> bytes:
        """Return the octets that are in order, *most* at the most (Receiver.read)."""
        ready = self.ready
        if not ready:
            return b""
        if most is None or (most >= self.ready_octets and len(ready) == 1):
            data = bytes(ready[0]) if len(ready) == 1 else b"".join(ready)
            ready.clear()
        else:
            data = take_first(ready, most)
        self.octets_read += len(data)
        self.ready_octets -= len(data)
        if self.promised - self.rcv_nxt <= self.worth_asking:
            receiver = self._show_receiver()
            if receiver.announce_room():
                self.ack_due = ACK_NOW
                self.ack_why = receiver.ack_why
            self._look_at_receiver()
        return data

    def _show_receiver(self) -> Receiver:
        """Let the receiver know what it needs to decide on the window."""
        self._settle_stake()
        receiver = self.receiver
        receiver.rcv_nxt = self.rcv_nxt
        receiver.ready_octets = self.ready_octets
        receiver.right_edge = self.rcv_edge
        receiver.rmss = self.rmss
        return receiver

    def _look_at_receiver(self) -> None:
        receiver = self.receiver
        self.promised = receiver.promised
        self.rcv_edge = receiver.right_edge
        self.looked_at = receiver.looked_at
        self.worth_asking = receiver.worth_asking

    # -- what goes out ---------------------------------------------------------------------------

    def write(self, data: bytes) -> int:
        """Queue *data*; return how many octets wait to be sent."""
        buffer = self.buffer
        buffer.append(data)
        return buffer.end - self.snd_nxt

    def emit(self, now: float, max_segments: int) -> Transmit | None:
        """Return the next run to be sent, None if there is nothing (Connection.poll_transmit).

        ``more`` tells whether to ask again.  If ``steady`` is False then, the lane is over, and the
        question is still open.
        """
        if self.train:
            transmit = self.train.pop()
            self.more = bool(self.train) or self.buffer.end > self.snd_nxt
            return transmit
        self.more = False
        end = self.buffer.end
        nxt = self.snd_nxt
        size = end - nxt
        if size:
            outstanding = nxt - self.snd_una
            if (
                size <= self.smss
                and outstanding + size <= self.limit
                and now >= self.silent_until
                and not self.held_back
                and (outstanding or (now - self.last_sent <= self.rto and not self.restarts))
            ):
                self.pace = OFF
                return self._run(size, end, now, 1)  # all there is, in one segment
            segments = min(max_segments, RUN_OCTETS_MAX // (self.smss + STAMPED_SIZE)) or 1
            size = self._new_octets(size, now, segments)
            if size:
                return self._run(size, end, now, segments)
            if not self.steady:
                return None
        acknowledgement = self._pure_ack(now) if self.ack_due == ACK_NOW else None
        if end == nxt:
            in_flight = nxt - self.snd_una
            if in_flight < self.cwnd:  # the network may take more than there is (Flight.ran_dry)
                self.app_limited = self.delivered + in_flight or 1
        return acknowledgement

    def _new_octets(self, unsent: int, now: float, segments: int) -> int:
        """Return how many new octets may leave now, in runs of *segments* (Sender.next_run)."""
        una = self.snd_una
        nxt = self.snd_nxt
        mss = self.smss
        outstanding = nxt - una
        size = unsent
        usable = self.snd_wnd - outstanding
        if size > usable:
            size = usable
        # What is not for the lane, before anything is changed: a probe of the path's MTU, memory
        # to be given back or asked for, a restart after a pause, a window below one segment.
        if unsent > PROBE_BACKING * mss and self.pmtu.next_probe(now) is not None:
            self.steady = False
            return 0
        if not outstanding:
            idle = now - self.last_sent if self.idle_restart else 0.0
            if (
                idle > self.rto
                or size > self.counted
                or self.gives_back
                or (usable < mss and usable < unsent)
            ):
                self.steady = False
                return 0
            if self.asks_always:
                self.controller.on_restart(idle, self.rto, now)
                self._look_at_controller()
        elif self.counted < outstanding + size and self.counted < outstanding + segments * mss:
            self.steady = False
            return 0
        self.pace = OFF
        budget = max(self.buffer_limit, 2 * mss) - outstanding
        if size > budget:
            size = budget
        most = (TRAIN_RUNS if segments > 1 else 1) * segments * mss
        if size > most:
            size = most
        room = self.cwnd - outstanding
        if size > room:
            self.cwnd_limited = True
            self.most = outstanding
            self.usage_end = nxt
            size = room // mss * mss
            if not size and not outstanding:
                size = min(unsent, usable, mss)
        if size <= 0:
            return 0
        if self.held_back and size == unsent:
            for rest in (size % (segments * mss), size % mss):
                if rest <= self.held_back:
                    size -= rest
                    break
            if not size:
                return 0
        if size > mss or now < self.silent_until:
            self.estimator.srtt = self.srtt
            flight = self.flight
            paced = flight.paced_room(now)
            self.paces = flight.pace is not None
            if size > paced:
                size = paced // mss * mss
                if size <= 0:
                    self.pace = self.silent_until
                    return 0
        if size >= mss:
            if size < unsent:
                size -= size % mss
        elif size < unsent and size * 2 < self.max_snd_wnd:
            return 0
        return size

    def _run(self, size: int, end: int, now: float, segments: int) -> Transmit:
        """Send *size* octets from SND.NXT on; the buffer ends at *end* (departure)."""
        una = self.snd_una
        seq = self.snd_nxt
        mss = self.smss
        right = seq + size
        in_flight = right - una
        # What Sender, Flight, Scoreboard, DeliveryRate and Usage note of it.
        if seq == una:
            self.rto_from = self.first_sent_at = self.delivered_at = now
        if self.stalled_since is None:
            self.stalled_since = now
        self.sends = sends = self.sends + 1
        delivered = self.delivered
        self.runs.append(
            (
                seq, right, now, sends, mss, seq, delivered, self.delivered_at,
                self.first_sent_at, self.app_limited > 0, in_flight, self.lost,
            )
        )  # fmt: skip
        self.snd_nxt = right
        self.last_sent = now
        if self.paces:
            self.flight.pace_sent(size, now)
            self.silent_until = self.flight.silent_until
        if now >= self.turn_at:
            self._turn(now)
        if in_flight > self.peak:
            self.peak = in_flight
        limited = in_flight + mss > self.cwnd
        if limited or una >= self.usage_end or (in_flight > self.most and not self.cwnd_limited):
            self.cwnd_limited = limited
            self.most = in_flight
            self.usage_end = right
        if size % mss:
            self.snd_sml = right
        if self.loss == OFF or now != self.timer_set_at:
            self._set_loss_timer(now)
        self.events |= WRITABLE
        # The header, or headers.  All that SEG.ACK says is said by it.
        rcv_nxt = self.rcv_nxt
        window = self._window_field()
        flags = self.flags
        if right == end:
            flags |= PSH  # the last of what is buffered (MUST-61)
            if in_flight < self.cwnd:  # and there is no more (Flight.ran_dry)
                self.app_limited = delivered + in_flight or 1
        else:
            self.more = True
        ack = rcv_nxt & SEQ_MASK
        self.last_ack_sent = rcv_nxt
        self.unacked = 0
        self.ack_at = OFF
        self.ack_due = NO_ACK_DUE
        if self.recorder is not None:
            kind, low = _SENT_IT | flags >> 1 & 0x80, flags & 0xFF
            self.log += now, seq & SEQ_MASK, ack, size, mss, window, kind, low, _WHY_NEW
            if len(self.log) >= LOGGED:
                self._write_log()
        tsval = (int(now * 1000) + self.ts_offset) & SEQ_MASK
        if size <= mss:
            self.segments_out += 1
            word = ack << 32 | _OFFSET | flags << 16 | window
            head = _pack(
                self.ports, seq & SEQ_MASK, word, 0, TIMESTAMPS_ALONE, tsval, self.ts_recent
            )
            octets = self.buffer.last_write(seq)
            if octets is not None and not self.more:
                buffers: list[bytes | memoryview] = [head, octets]
            else:
                buffers = [head, *self.buffer.slices(seq, right)]
            return Transmit(
                self.path, buffers, STAMPED_SIZE + mss, STAMPED_SIZE + size,
                self.dscp, self.ttl, self.ecn,
            )  # fmt: skip
        self.segments_out += -(-size // mss)
        opts = encode((tsval, self.ts_recent)) + self.trailer
        self.train = cut(
            self.buffer, seq, right, segments * mss, mss,
            self.ports, ack, flags, window, opts, 0, self.path, self.dscp, self.ttl, self.ecn,
        )  # fmt: skip
        self.train.reverse()
        transmit = self.train.pop()
        if self.train:
            self.more = True
        return transmit

    def _pure_ack(self, now: float) -> Transmit:
        """Return an acknowledgement that goes alone."""
        nxt = self.snd_nxt
        edge = self.snd_una + self.snd_wnd
        seq = (nxt if nxt < edge else edge) & SEQ_MASK  # Sender.ack_seq
        window = self._window_field()
        ack = self.rcv_nxt & SEQ_MASK
        self.last_ack_sent = self.rcv_nxt
        self.unacked = 0
        self.ack_at = OFF
        self.ack_due = NO_ACK_DUE
        self.segments_out += 1
        if self.recorder is not None:
            kind, flags = _SENT_IT | self.flags >> 1 & 0x80, self.flags & 0xFF
            self.log += now, seq, ack, 0, 0, window, kind, flags, self.ack_why.number
            if len(self.log) >= LOGGED:
                self._write_log()
        word = ack << 32 | _OFFSET | self.flags << 16 | window
        tsval = (int(now * 1000) + self.ts_offset) & SEQ_MASK
        head = _pack(self.ports, seq, word, 0, TIMESTAMPS_ALONE, tsval, self.ts_recent)
        return Transmit(self.path, [head], STAMPED_SIZE, STAMPED_SIZE, self.dscp, self.ttl, 0)

    def _window_field(self) -> int:
        """Return SEG.WND for a segment sent now (Receiver.window_field)."""
        nxt = self.rcv_nxt
        if nxt - self.looked_at >= self.rmss:
            field = self._show_receiver().window_field()
            self._look_at_receiver()
        else:
            shift = self.shift
            field = (self.promised - nxt + (1 << shift) - 1) >> shift
            if field > 0xFFFF:
                field = 0xFFFF
            shown = nxt + (field << shift)
            if shown > self.rcv_edge:
                self.rcv_edge = shown
        return field

    def _write_log(self) -> None:
        """Let the flight recorder have what has happened since it had the last of it."""
        if self.log and self.recorder is not None:
            self.recorder.keep_all(self.log)
            self.log = []

    def _set_loss_timer(self, now: float) -> None:
        """Let RTO or tail-loss probe run (Flight.loss_deadline, RFC 8985 §7.2, §8)."""
        deadline = self.rto_from + self.rto
        if self.probes_tail:
            pto = 2 * self.srtt
            if self.snd_nxt - self.snd_una <= self.smss:
                pto += MAX_ACK_DELAY
            pto = now + (pto if pto > PTO_MIN else PTO_MIN)
            if pto < deadline:
                deadline = pto
        if self.user_timeout is not None and self.stalled_since is not None:
            end = self.stalled_since + self.user_timeout
            if end <= deadline:
                deadline = end
        self.loss = deadline
        self.timer_set_at = now
        self.timer_was_set = True

    def _turn(self, now: float) -> None:
        """A period of Usage begins."""
        self.peak_before = self.peak if now < self.turn_at + PERIOD else 0
        self.peak = 0
        self.turn_at = now + PERIOD
