"""SND.*: everything about octets going out (RFC 9293 §3.3.1, §3.8).

Three questions meet here and stay apart.  Recovery says what is lost, congestion control how much
may be in flight, both in :mod:`rudp.core.send.flight`, and this class what goes next: lost ranges
first, then new octets, as far as the peer's window, cwnd, pacing, Nagle's algorithm and
silly-window avoidance let them.  SND.NXT never moves back; what is sent again is a range that the
scoreboard calls lost, cut to the MSS of the moment.
SYN and FIN are octets of the same line: ISS, and the number after the last octet of data.
"""

from typing import Final

from rudp.config import Config
from rudp.core.congestion.controller import Ack
from rudp.core.loss.scoreboard import Scoreboard
from rudp.core.send.flight import Flight
from rudp.core.send.news import News
from rudp.core.send.sendbuffer import SendBuffer
from rudp.core.terms.bounds import WINDOW_MAX
from rudp.core.terms.budget import Budget
from rudp.core.terms.timers import OFF, LossTimer, Timers
from rudp.core.terms.why import Why

SWS_OVERRIDE: Final = 0.2
"""Seconds that a segment too small for any other rule waits (RFC 9293 §3.8.6.2.1: 0.1 to 1.0)."""

PROBE_BACKING: Final = 3
"""Full segments that must wait behind a probe of the path MTU: they will show its loss (PMTU-4)."""

R1: Final = 3
"""Retransmissions of one segment before the application hears of trouble (RFC 9293 SHLD-10)."""


class Sender:
    """The sending half of a connection; sequence numbers are growing ints.  *ack*: see Flight.

    *memory*: what its buffer shares with others, None if there is no such bound.
    """

    __slots__ = (
        "_config",
        "_memory",
        "_persists",
        "_send_buffer",
        "_share",
        "_timers",
        "_waiting_small",
        "board",
        "buffer",
        "buffer_limit",
        "counted",
        "fin_seq",
        "flight",
        "held_back",
        "iss",
        "max_snd_wnd",
        "nodelay",
        "smss",
        "snd_sml",
        "snd_up",
        "snd_wl1",
        "snd_wl2",
        "snd_wnd",
        "stalled_since",
        "timer_set_at",
        "user_timeout",
    )

    def __init__(
        self,
        iss: int,
        config: Config,
        timers: Timers,
        ack: Ack | None = None,
        memory: Budget | None = None,
    ) -> None:
        self._config = config
        self._timers = timers
        self.iss = iss
        self.flight = self.new_flight(iss, config, ack)
        self.board: Scoreboard = self.flight.board
        self.buffer = SendBuffer(iss + 1)
        self.smss = self.flight.smss
        self.snd_wnd = 0
        self.max_snd_wnd = 0
        self.snd_wl1 = 0
        self.snd_wl2 = 0
        self.snd_up = iss
        self.snd_sml = iss  # Minshall: the end of the last small segment sent
        self.fin_seq: int | None = None  # the sequence number of our FIN, once CLOSE was called
        self.nodelay = config.nodelay
        self.held_back = 0  # octets that fill no run and wait for a writer that is about to go on
        self.user_timeout = config.user_timeout
        self._memory = memory
        self._send_buffer = self.buffer_limit = config.send_buffer
        self._share = WINDOW_MAX if memory is None else memory.share
        self.counted = self._share  # octets of it, as the shared memory knows them
        self.stalled_since: float | None = None  # outstanding since then without progress
        self.timer_set_at = -1.0  # when the loss timer was: runs of one instant share it
        self._waiting_small = False  # data waits that only the override timer may release
        self._persists = 0

    def new_flight(self, iss: int, config: Config, ack: Ack | None) -> Flight:
        """Return what looks after the octets that are outstanding, with which it begins."""
        return Flight(iss, config, ack)

    # -- what others ask -------------------------------------------------------------------------

    @property
    def send_buffer(self) -> int:
        """Octets that may be sent and not acknowledged, at most."""
        return self._send_buffer

    @send_buffer.setter
    def send_buffer(self, value: int) -> None:
        self._send_buffer = self.buffer_limit = value

    @property
    def snd_una(self) -> int:
        """SND.UNA: the oldest sequence number not acknowledged."""
        return self.board.snd_una

    @property
    def snd_nxt(self) -> int:
        """SND.NXT: the highest sequence number ever sent, plus one."""
        return self.board.snd_nxt

    @property
    def ack_seq(self) -> int:
        """SEG.SEQ of a segment without octets: SND.NXT, unless that lies beyond the window.

        A probe of a shut window, or a window that shrank, leaves SND.NXT outside; a peer drops
        what it finds there before it looks at the ACK field (RFC 9293 §3.10.7.4, first step).
        """
        if self.snd_una == self.iss:  # no window is known yet
            return self.snd_nxt
        return min(self.snd_nxt, self.snd_una + self.snd_wnd)

    @property
    def has_filled_window(self) -> bool:
        """Whether the peer may find ``ack_seq`` outside its window, or at its edge."""
        return self.iss < self.snd_una < self.snd_nxt >= self.snd_una + self.snd_wnd

    @property
    def flight_size(self) -> int:
        """Octets sent and not cumulatively acknowledged (RFC 5681 §2)."""
        return self.board.flight_size

    @property
    def unsent(self) -> int:
        """Octets of data that were never sent."""
        return max(self.buffer.end - max(self.board.snd_nxt, self.buffer.start), 0)

    @property
    def room(self) -> int:
        """Octets that the peer's window and cwnd have room for, whatever the pace."""
        flight, board = self.flight, self.board
        offered = self.snd_wnd - (board.snd_nxt - board.snd_una)
        return max(min(offered, flight.window - board.in_flight), 0)

    @property
    def gives_back(self) -> bool:
        """Whether it has more of the shared memory than it needs with nothing outstanding."""
        return self.counted > self._share or self.buffer_limit < self._send_buffer

    @property
    def awaits_window(self) -> bool:
        """Whether the persist timer runs or ran last, or data waits that it may release."""
        return self._timers.loss_kind is LossTimer.PERSIST or self._waiting_small

    @property
    def fin_acked(self) -> bool:
        """Whether the peer has acknowledged our FIN, and so everything before it."""
        return self.fin_seq is not None and self.board.snd_una > self.fin_seq

    @property
    def data_acked(self) -> bool:
        """Whether the peer has all octets of data, whatever is known about our FIN."""
        return self.board.snd_una >= self.buffer.end

    @property
    def has_work(self) -> bool:
        """Whether something is lost, or was never sent: then :meth:`next_run` may have a run."""
        return self._has_backlog or self.board.lost.octets > 0 or self.flight.tail_due

    @property
    def _has_backlog(self) -> bool:
        fin_seq = self.fin_seq
        end = self.buffer.end if fin_seq is None else fin_seq + 1
        return self.board.snd_nxt < end

    def cut(self) -> int:
        """Drop what the windows do not let go now, FIN included; return how many octets that is."""
        dropped = self.buffer.cut(self.board.snd_nxt + self.room)
        if dropped:
            self.fin_seq = None
        return dropped

    # -- opening ---------------------------------------------------------------------------------

    def syn_sent(self, now: float) -> None:
        """The SYN goes out, for the first time or again."""
        if self.stalled_since is None:
            self.stalled_since = now
        self.flight.syn_sent(self.iss, now)

    def early_data_taken(self, upto: int, now: float) -> None:
        """The peer has taken the data below *upto* together with our SYN (RFC 7413 §4.2.1)."""
        self.flight.early_data_sent(upto, now)

    def established(
        self,
        smss: int,
        *,
        announced: int = 0,
        sack: bool,
        timestamps: bool,
        syn_transmissions: int,
        ecn: bool = False,
        accurate: bool = False,
        tsecr: int | None,
        now: float,
    ) -> None:
        """The handshake is over: set up for data segments of *smss* octets.

        *tsecr*: the time in ms of our clock that the peer echoed with its acknowledgement.
        """
        self.smss = smss
        self.flight.established(
            smss,
            announced=announced,
            sack=sack,
            timestamps=timestamps,
            syn_transmissions=syn_transmissions,
            ecn=ecn,
            accurate=accurate,
            tsecr=tsecr,
            now=now,
        )

    def resize(self, smss: int) -> None:
        """Use segments of *smss* octets from now on."""
        self.smss = smss
        self.flight.resize(smss)

    # -- acknowledgements ------------------------------------------------------------------------

    def on_ack(self, news: News, now: float) -> int:
        """Enter *news*, and return the octets by which SND.UNA moved."""
        board, timers, flight = self.board, self._timers, self.flight
        seg_ack = news.seg_ack
        acked = seg_ack - board.snd_una
        if board.snd_una == self.iss:
            flight.syn_acked(seg_ack, news.tsecr, now)
        else:
            if timers.loss_kind is LossTimer.PERSIST:
                news.duplicate = (
                    False  # the answer to a window probe says nothing about loss (ZWP-4)
                )
            if flight.frto is not None:
                news.can_try = self.unsent > 0 and board.snd_nxt < seg_ack + self.snd_wnd
            flight.on_ack(news, now)
        if acked:
            self.buffer.release(seg_ack)
            self.stalled_since = now
            if board.snd_una == board.snd_nxt:
                timers.loss = OFF
                self.stalled_since = None
            else:
                self._set_loss_timer(now)
        elif board.sacked and timers.loss_kind is not LossTimer.PERSIST:
            self._set_loss_timer(now)
        return acked

    def update_window(self, seg_seq: int, seg_ack: int, window: int, now: float) -> bool:
        """Take SEG.WND if the segment is not older than the last that was used (§3.10.7.4).

        *window*: octets, scaled already.  Return whether SND.WND changed.  A new SEG.ACK shows
        that the segment is newer even if its SEG.SEQ is old, as that of a retransmission is;
        with the old window SND.UNA would carry the right edge beyond what the peer granted.
        """
        newer = self.snd_wl2 < seg_ack or self.snd_wl1 < seg_seq
        if not (newer or (self.snd_wl1 == seg_seq and self.snd_wl2 == seg_ack)):
            return False
        before = self.snd_wnd
        changed = window != before
        # What was sent, or sent again, while the window was shut was not taken.
        reopened = window > before and (
            self._timers.loss_kind is LossTimer.PERSIST
            or (not before and self.flight.rtt.backoffs > 0)
        )
        if changed:
            self.snd_wnd = window
        if changed and not before:
            self._persists = 0  # not when a probe is taken: the window may be shut all the same
        if seg_seq > self.snd_wl1:
            self.snd_wl1 = seg_seq
        self.snd_wl2 = seg_ack
        if window > self.max_snd_wnd:
            self.max_snd_wnd = window
        if self.stalled_since is not None and seg_ack + window <= self.snd_nxt - bool(window):
            # The peer lives and has no room: that may last for ever (MUST-37, SHLD-17).
            self.stalled_since = now
        if reopened:
            self._timers.loss = OFF
            if self.flight_size:  # send it again at once (ZWP-5)
                self.flight.send_again(now)
                self._set_loss_timer(now)
        return changed

    # -- what goes next --------------------------------------------------------------------------

    def next_run(
        self, now: float, max_segments: int, mss: int, runs: int = 1
    ) -> tuple[int, int] | None:
        """Return the sequence numbers ``(seq, end)`` to be sent now, or None.

        The range holds at most *max_segments* segments of *mss* octets (Eff.snd.MSS: ``smss``, or
        less beside SACK blocks), or of several *runs* of so many, and may end with our FIN.  The
        caller sends it and says so with :meth:`on_sent`.
        """
        flight, board = self.flight, self.board
        self._timers.pace = OFF

        # First, a tail-loss probe that is due (RFC 8985 §7.3).
        if flight.tail_due:
            return self._tail_probe(mss)

        # Second, new octets if none are lost, or F-RTO tries new ones first (RFC 5682 §2.1, 2b).
        if not board.lost.octets or flight.holds_lost:
            return self._next_new(now, max_segments, mss, runs)

        # Third, lost octets, as far as the window of recovery and the pace let them (RFC 6675 §5,
        # step C; RFC 9937 §6).  The first of an episode waits for neither (RFC 5681 §3.2, step 3).
        left, right = board.lost.lefts[0], board.lost.rights[0]
        in_flight = board.in_flight
        # An octet in flight more or less matters little; a partial segment costs a header.
        segments = min((flight.window - in_flight) // self.smss, runs * max_segments)
        at_once = flight.resend_now or not in_flight
        if segments > 0 or at_once:
            segments = min(segments, flight.paced_room(now) // self.smss)
            if segments <= 0 and not at_once:
                self._timers.pace = flight.silent_until
                return None

        # A window that shrank keeps all back but the first segment (RFC 9293 §3.8.6, SHLD-15,
        # SHLD-16).
        edge = max(board.snd_una + self.snd_wnd, board.snd_una + self.smss)
        end = min(right, edge, left + max(segments, 1 if at_once else 0) * mss)
        return (left, end) if end > left else None

    def may_probe(self, size: int, now: float) -> bool:
        """Whether a segment of *size* octets may go out to try that size (PMTU-4).

        It is data like any, with more behind it that will show its loss.  With nothing in flight a
        window below one segment sends one all the same.
        """
        flight, board = self.flight, self.board
        return (
            flight.may_probe
            and self.unsent >= size + PROBE_BACKING * self.smss
            and board.snd_nxt + size <= board.snd_una + self.snd_wnd
            and (board.in_flight + size <= flight.window or not board.in_flight)
            and flight.paced_room(now) > 0  # a probe may be larger than a burst
        )

    def _tail_probe(self, mss: int) -> tuple[int, int]:
        """Return what a tail-loss probe sends (RFC 8985 §7.3).

        New data, cwnd or not, or else the last segment.
        """
        board = self.board
        nxt = board.snd_nxt
        size = min(self.unsent, board.snd_una + self.snd_wnd - nxt, mss)
        if size > 0:
            end = nxt + size
            return nxt, end + (end == self.fin_seq and end < board.snd_una + self.snd_wnd)
        return max(board.snd_una, nxt - mss), nxt

    def _next_new(
        self, now: float, max_segments: int, mss: int, runs: int
    ) -> tuple[int, int] | None:
        """Return what goes for the first time, as :meth:`next_run` does; each step takes away."""
        flight, board = self.flight, self.board
        nxt = board.snd_nxt
        outstanding = nxt - board.snd_una
        size = unsent = self.buffer.end - nxt
        self._waiting_small = False

        # First, a FIN that no data takes along: it is an octet of the window (RFC 9293 §3.10.4).
        if unsent <= 0:
            if self.fin_seq == nxt and outstanding < self.snd_wnd:
                return nxt, nxt + 1
            return None

        # Second, is this a new beginning?  After a pause cwnd says little (RFC 5681 §4.1).
        if not outstanding:
            if self.gives_back:
                self._give_back()
            flight.before_new(now)

        # Third, what the peer's window, the buffer and one run hold.  (The smallest of them; min()
        # would ask twice as long, and this is asked for every run.)  The usable window is
        # SND.UNA + SND.WND - SND.NXT (RFC 9293 §3.8.6.2.1).
        usable = self.snd_wnd - outstanding
        if size > usable:
            size = usable
        budget = max(self.buffer_limit, 2 * mss) - outstanding
        if size > budget:
            size = budget
        most = runs * max_segments * mss
        if size > most:
            size = most

        # Fourth, no more may be in flight than cwnd (RFC 5681 §3.1), but for what F-RTO tries.
        in_flight = board.in_flight
        room = flight.window - in_flight
        if flight.extra_new:
            size = min(size, mss)
        elif size > room:
            flight.limited_by_cwnd()
            size = room // mss * mss
            if not size and not in_flight:
                size = min(unsent, usable, mss)  # cwnd below one segment still sends one
        if size <= 0:
            return None

        # Fifth, memory that others use as well, and a writer that is about to go on (BUF-6).
        if outstanding + size > self.counted:
            size = self._grow(outstanding, size, mss)
            if size <= 0:
                return None
        if self.held_back and size == unsent and self.fin_seq is None:
            size -= self._rest(size, max_segments * mss, mss)
            if not size:
                return None

        # Sixth, the pace (RFC 9002 §7.7); a single segment is no burst (PACE-2).
        if size > mss or now < flight.silent_until:
            paced = flight.paced_room(now)
            if size > paced:
                size = paced // mss * mss
                if size <= 0:
                    self._timers.pace = flight.silent_until
                    return None

        # Seventh, no silly segments: full ones go, and a smaller one if it is the last and Nagle's
        # algorithm lets it (RFC 9293 §3.7.4), or if it is half of the largest window that the peer
        # ever had (§3.8.6.2.1, cases 1 to 3; case 4 is the override timer).
        if size >= mss:
            if size < unsent or not self.may_send_small(size % mss):
                size -= size % mss
        elif size < unsent:
            if size * 2 < self.max_snd_wnd or (nxt > board.snd_una and not self.nodelay):
                self._waiting_small = usable < mss and nxt == board.snd_una
                return None
        elif not self.may_send_small(size):
            return None
        end = nxt + size if size < unsent else self.buffer.end  # the same, in one object
        if end == self.fin_seq and size < usable:
            end += 1
        return nxt, end

    def _grow(self, outstanding: int, size: int, mss: int) -> int:
        """Return how many of *size* octets the memory has room for that others use as well."""
        wanted = outstanding + size
        assert self._memory is not None, "else there is no more than is counted"
        if self._memory.change(self.counted, wanted):
            self.counted = wanted
            return size
        # From now on it is the buffer that limits, and not cwnd (RFC 9438 §4.6, RFC 7661).
        self.buffer_limit = max(self.counted, 2 * mss)
        return min(size, self.buffer_limit - outstanding)

    def _give_back(self) -> None:
        """Leave shared memory to the others: nothing is outstanding."""
        if self._memory is not None:
            self._memory.change(self.counted, self._share)
        self.counted = self._share
        self.buffer_limit = self._send_buffer

    def end(self) -> None:
        """Nothing will be sent any more."""
        self.buffer.clear()
        self._give_back()

    def _rest(self, size: int, run: int, mss: int) -> int:
        """Return how many of the last *size* octets wait for a writer that is about to go on.

        Those that fill no *run*, or if these are too many those that fill no segment.
        """
        for rest in (size % run, size % mss):
            if rest <= self.held_back:
                return rest
        return 0

    def may_send_small(self, size: int) -> bool:
        """Nagle's algorithm in Minshall's form: one small segment in flight at a time (NAG-2)."""
        if not size or self.nodelay or self.fin_seq is not None:
            return True
        return self.snd_sml <= self.board.snd_una

    def why(self, seq: int) -> Why:
        """Return why the run that :meth:`next_run` has given, which begins at *seq*, is sent."""
        flight = self.flight
        if seq < self.board.snd_nxt:
            return Why.RETRANSMIT_TLP if flight.tail_due else flight.why_lost
        if flight.tail_due:
            return Why.PROBE_TAIL
        if flight.extra_new:
            return Why.PROBE_FRTO
        return Why.FIN_CLOSE if seq == self.fin_seq else Why.NEW_DATA

    def on_sent(self, seq: int, end: int, now: float, mss: int = 0) -> None:
        """Record that ``[seq, end)`` left, and see to it that a loss timer runs.

        *mss*: octets of its segments; 0 for SMSS.
        """
        timers = self._timers
        if self.stalled_since is None:
            self.stalled_since = now
        new = self.flight.on_sent(seq, end, now, mss)
        if new and (end - seq) % self.smss:
            self.snd_sml = end
        if self.fin_seq is not None and seq < self.fin_seq < end:
            self.board.separate(self.fin_seq)  # it is a datagram of its own
        # Every new run puts a tail-loss probe off, none puts the RTO off (TLP-1, RTO-9).  The first
        # segment gets its whole time when it goes again, even at the instant that showed its loss.
        again = seq == self.board.snd_una and not new
        if again or timers.loss == OFF or (new and now != self.timer_set_at):
            self._set_loss_timer(now)

    def urgent_pointer(self, seq: int) -> int:
        """Return the urgent pointer of a segment at *seq*, 0 if nothing urgent is ahead (URG-1)."""
        return min(self.snd_up - seq, 0xFFFF) if self.snd_up > seq else 0

    # -- timers ----------------------------------------------------------------------------------

    def _set_loss_timer(self, now: float) -> None:
        kind, deadline = self.flight.loss_deadline(now)
        self._timers.loss_kind = kind
        self._timers.loss = self._not_after_r2(deadline)
        self.timer_set_at = now

    def _not_after_r2(self, deadline: float) -> float:
        """Return *deadline*, or the end of the user timeout if that comes first."""
        if self.user_timeout is not None and self.stalled_since is not None:
            end = self.stalled_since + self.user_timeout
            return deadline if deadline < end else end
        return deadline

    def watch_window(self, now: float) -> None:
        """Start the persist timer if data waits and nothing in flight will bring news (ZWP-1).

        One timer serves the closed window and the override of silly-window avoidance (SWS-3).
        """
        if not self._has_backlog:
            if not self.board.lost.octets:
                self.flight.ran_dry()
            return
        if self._timers.loss != OFF or self.snd_una != self.snd_nxt:
            return
        if self.snd_wnd and not self._waiting_small:
            return
        if self.stalled_since is None:
            self.stalled_since = now
        wait = SWS_OVERRIDE if self.snd_wnd else self._probe_wait
        self._timers.loss_kind = LossTimer.PERSIST
        self._timers.loss = self._not_after_r2(now + wait)

    def stood_still(self, seconds: float) -> None:
        """Leave *seconds* that are over out of the time without progress, and of the round trip."""
        self.flight.rtt.begin(self.snd_nxt)
        if self.stalled_since is not None:
            self.stalled_since += seconds

    def gave_up(self, now: float) -> bool:
        """Return whether R2 has passed: no progress for the user timeout (FAIL-2)."""
        return (
            self.user_timeout is not None
            and self.stalled_since is not None
            and now >= self.stalled_since + self.user_timeout
        )

    def on_retransmission_timeout(self, now: float) -> None:
        """The RTO expired: back off, and send again (RFC 6298 §5)."""
        self.flight.on_retransmission_timeout(self.snd_wnd > 0, now)
        self._set_loss_timer(now)

    def on_reordering_timeout(self, now: float) -> None:
        """What might have been late is lost (RACK-10)."""
        self.flight.on_reordering_timeout(now)
        self._set_loss_timer(now)

    def on_probe_timeout(self, now: float) -> None:
        """A tail-loss probe is due (TLP-3)."""
        self.flight.on_probe_timeout(now)
        self._set_loss_timer(now)

    def on_path_changed(self, anew: bool, rtt: float | None, now: float) -> None:
        """There is another path from now on, see :meth:`Flight.on_path_changed`."""
        self.flight.on_path_changed(anew, rtt, now)
        if self.flight_size and self._timers.loss_kind is not LossTimer.PERSIST:
            self._set_loss_timer(now)

    def on_challenged(self, now: float) -> None:
        """The peer sees us elsewhere: what it has said meanwhile went where nobody was.

        So its silence was no reason to back off.
        """
        if self.flight.rtt.backoffs:
            self.flight.rtt.on_path_changed(False, None, self.snd_nxt, now)
            self.flight.rto_from = now
            if self.flight_size and self._timers.loss_kind is not LossTimer.PERSIST:
                self._set_loss_timer(now)

    def on_syn_timeout(self, now: float) -> None:
        """The SYN, or our SYN,ACK, was not answered: back off (RFC 6298 §5.5)."""
        self.flight.rtt.back_off()

    def on_persist_timeout(self, now: float) -> tuple[int, int] | None:
        """Return the probe to be sent: one octet, or what the override releases (ZWP-2, SWS-2).

        The first probe moves SND.NXT, later ones repeat the same octet.
        """
        una, nxt = self.snd_una, self.snd_nxt
        if not self.snd_wnd:
            self._persists += 1
        if nxt > una:
            probe = una, una + 1
        elif self.snd_wnd:
            probe = nxt, nxt + min(self.unsent, self.snd_wnd, self.smss)
        else:
            probe = nxt, nxt + 1
        if not self._has_backlog and nxt == una:
            return None
        return probe

    def on_probe_sent(self, seq: int, end: int, now: float) -> None:
        """Record the probe ``[seq, end)`` and wait twice as long for the next (SHLD-30)."""
        if self.snd_wnd:  # what the override released is data like any
            self.on_sent(seq, end, now)
            return
        self.flight.on_sent(seq, end, now)
        self._timers.loss_kind = LossTimer.PERSIST
        self._timers.loss = self._not_after_r2(now + self._probe_wait)

    @property
    def _probe_wait(self) -> float:
        """Seconds until the next probe of a shut window (SHLD-30)."""
        return min(self.flight.rtt.rto * (1 << min(self._persists, 16)), self._config.max_rto)

    @property
    def is_troubled(self) -> bool:
        """Whether R1 is reached: one segment was retransmitted three times or more."""
        return self.flight.rtt.backoffs >= R1
