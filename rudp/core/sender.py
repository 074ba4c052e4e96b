"""SND.*: everything about octets going out (RFC 9293 §3.3.1, §3.8).

Three questions meet here and stay apart.  Recovery says what is lost, congestion control how much
may be in flight, and this class what goes next: lost ranges first, then new octets, as far as the
peer's window, cwnd, Nagle's algorithm and silly-window avoidance let them.  SND.NXT never moves
back; what is sent again is a range that the scoreboard calls lost, cut to the MSS of the moment.
SYN and FIN are octets of the same line: ISS, and the number after the last octet of data.
"""

from typing import Final

from rudp.config import Config
from rudp.core.congestion.controller import Controller
from rudp.core.congestion.newreno import NewReno
from rudp.core.recovery import Phase, Recovery, Verdict
from rudp.core.rtt import GRANULARITY, Rtt
from rudp.core.scoreboard import Scoreboard
from rudp.core.sendbuffer import SendBuffer
from rudp.core.timers import OFF, LossTimer, Timers

INITIAL_WINDOW_SEGMENTS: Final = 10
INITIAL_WINDOW_OCTETS: Final = 14_600
"""RFC 6928: IW = min(10 * SMSS, max(2 * SMSS, 14600))."""

SWS_OVERRIDE: Final = 0.2
"""Seconds that a segment too small for any other rule waits (RFC 9293 §3.8.6.2.1: 0.1 to 1.0)."""

R1: Final = 3
"""Retransmissions of one segment before the application hears of trouble (RFC 9293 SHLD-10)."""


def initial_window(smss: int) -> int:
    """Return IW in octets (RFC 6928 §2, CC-1)."""
    return min(INITIAL_WINDOW_SEGMENTS * smss, max(2 * smss, INITIAL_WINDOW_OCTETS))


class Sender:
    """The sending half of a connection; sequence numbers are growing ints."""

    __slots__ = (
        "_config",
        "_last_sent",
        "_limited_by_cwnd",
        "_persists",
        "_resend_now",
        "_sample_from",
        "_stalled_since",
        "_timed_out_at",
        "_timers",
        "_waiting_small",
        "board",
        "buffer",
        "controller",
        "fin_seq",
        "iss",
        "max_snd_wnd",
        "nodelay",
        "octets_resent",
        "recovery",
        "rtt",
        "send_buffer",
        "smss",
        "snd_sml",
        "snd_up",
        "snd_wl1",
        "snd_wl2",
        "snd_wnd",
        "user_timeout",
    )

    def __init__(self, iss: int, config: Config, timers: Timers) -> None:
        self._config = config
        self._timers = timers
        self.iss = iss
        self.board = Scoreboard(iss)
        self.buffer = SendBuffer(iss + 1)
        self.rtt = Rtt(config.min_rto, config.max_rto, config.rto_form)
        self.recovery = Recovery(iss, sack=False)
        self.smss = 536
        self.controller: Controller = NewReno(self.smss, initial_window(self.smss))
        self.snd_wnd = 0
        self.max_snd_wnd = 0
        self.snd_wl1 = 0
        self.snd_wl2 = 0
        self.snd_up = iss
        self.snd_sml = iss  # Minshall: the end of the last small segment sent
        self.fin_seq: int | None = None  # the sequence number of our FIN, once CLOSE was called
        self.nodelay = config.nodelay
        self.user_timeout = config.user_timeout
        self.send_buffer = config.send_buffer
        self.octets_resent = 0
        self._sample_from = iss  # an ACK above this may give the next RTT sample
        self._stalled_since: float | None = None  # outstanding since then without progress
        self._last_sent = 0.0
        self._limited_by_cwnd = False
        self._resend_now = False  # the fast retransmission waits for no window
        self._waiting_small = False  # data waits that only the override timer may release
        self._persists = 0
        self._timed_out_at = -1  # SND.UNA when the RTO expired last

    # -- what others ask -------------------------------------------------------------------------

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
    def flight_size(self) -> int:
        """Octets sent and not cumulatively acknowledged (RFC 5681 §2)."""
        return self.board.snd_nxt - self.board.snd_una

    @property
    def unsent(self) -> int:
        """Octets of data that were never sent."""
        return max(self.buffer.end - max(self.board.snd_nxt, self.buffer.start), 0)

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
        return bool(self.board.lost.octets) or self._has_backlog

    @property
    def _has_backlog(self) -> bool:
        last = self.buffer.end - 1 if self.fin_seq is None else self.fin_seq
        return self.board.snd_nxt <= last

    # -- opening ---------------------------------------------------------------------------------

    def syn_sent(self, now: float) -> None:
        """The SYN goes out, for the first time or again."""
        if self.board.snd_nxt == self.iss:
            self.board.on_sent(self.iss, self.iss + 1, now)
            self._stalled_since = now
        else:
            self.board.on_resent(self.iss, self.iss + 1, now)

    def established(self, smss: int, *, sack: bool, syn_transmissions: int, now: float) -> None:
        """The handshake is over: set up for data segments of *smss* octets."""
        self.smss = smss
        window = initial_window(smss) if syn_transmissions <= 2 else smss  # CC-2
        choice = self._config.congestion
        make = NewReno if isinstance(choice, str) else choice
        self.controller = make(smss, window)
        self.recovery = Recovery(self.iss, sack=sack)
        self._sample_from = self.board.snd_nxt
        self._last_sent = now
        if syn_transmissions > 1 and self.rtt.srtt is None:
            self.rtt.syn_was_lost()

    def resize(self, smss: int) -> None:
        """Use segments of *smss* octets from now on."""
        self.smss = smss

    # -- acknowledgements ------------------------------------------------------------------------

    def on_ack(
        self,
        seg_ack: int,
        sack_blocks: list[tuple[int, int]],
        echo_rtt: float | None,
        duplicate: bool,
        now: float,
    ) -> int:
        """Enter an acceptable acknowledgement, SND.UNA <= *seg_ack* <= SND.NXT.

        *sack_blocks*: valid blocks above *seg_ack*.  *echo_rtt*: the measurement by timestamp, if
        there is one.  *duplicate*: a duplicate in the sense of RFC 5681 §2.  Return the octets by
        which SND.UNA moved.
        """
        board = self.board
        una = board.snd_una
        flight_size = board.snd_nxt - una
        acked = seg_ack - una
        delivered = 0
        if acked:
            delivered, sent_at, resent = board.acknowledge(seg_ack)
            self.buffer.release(seg_ack)
            self._sample_rtt(seg_ack, sent_at, resent, echo_rtt, now)
            self._stalled_since = now
            self._persists = 0
        newly_sacked = board.sack(sack_blocks) if sack_blocks else 0
        if self._timers.loss_kind is LossTimer.PERSIST:
            duplicate = False  # the answer to a window probe says nothing about loss (ZWP-4)

        verdict = self.recovery.on_ack(board, acked, newly_sacked, int(duplicate), self.smss)
        if verdict is Verdict.ENTER:
            # Limited transmit went beyond cwnd and is not counted (RFC 5681 §3.2, step 2).
            self.controller.on_loss(min(flight_size, self.controller.cwnd), now)
            self._resend_now = True
        elif acked and self.recovery.phase is Phase.FAST and not self.recovery.sack:
            self._resend_now = True  # a partial acknowledgement names the next hole (NR-5)
        elif verdict is Verdict.EXIT:
            self.controller.on_recovered(board.snd_nxt - board.snd_una, now)
        elif delivered and self.recovery.phase is not Phase.FAST and una > self.iss:
            self.controller.on_ack(delivered, self._limited_by_cwnd, now)
            self._limited_by_cwnd = False

        if acked:
            if board.snd_una == board.snd_nxt:
                self._timers.loss = OFF
                self._stalled_since = None
            elif not self.recovery.is_impatient:
                self._start_loss_timer(now)
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
        changed = window != self.snd_wnd
        opened = window > self.snd_wnd
        # What was sent, or sent again, while the window was shut has been refused.
        refused = self._timers.loss_kind is LossTimer.PERSIST or (
            not self.snd_wnd and self.rtt.backoffs > 0
        )
        self.snd_wnd = window
        self.snd_wl1 = max(self.snd_wl1, seg_seq)
        self.snd_wl2 = seg_ack
        self.max_snd_wnd = max(self.max_snd_wnd, window)
        if self._stalled_since is not None and seg_ack + window <= self.snd_nxt - bool(window):
            # The peer lives and has no room: that may last for ever (MUST-37, SHLD-17).
            self._stalled_since = now
        if opened and refused:
            self._persists = 0
            self._timers.loss = OFF
            if self.flight_size:  # send it again at once (ZWP-5)
                self.board.mark_lost(self.snd_una, self.snd_nxt)
                self._resend_now = True
                self._start_loss_timer(now)
        return changed

    def _sample_rtt(
        self,
        seg_ack: int,
        sent_at: float | None,
        resent: bool,
        echo_rtt: float | None,
        now: float,
    ) -> None:
        """Take at most one sample per round trip, so that the plain gains hold (RTO-4).

        What was *resent* needs an echo, and one of the copy sent last (RTO-7).  That of an earlier
        copy would measure our own time-out if not the data but its acknowledgement was lost.
        """
        if seg_ack <= self._sample_from and self.rtt.srtt is not None and not self.rtt.backoffs:
            return
        if sent_at is None:
            return
        if not resent:
            self.rtt.sample(now - sent_at)
        elif echo_rtt is not None and echo_rtt <= now - sent_at + GRANULARITY:
            self.rtt.sample(echo_rtt)
        else:
            return
        self._sample_from = self.board.snd_nxt

    # -- what goes next --------------------------------------------------------------------------

    def next_run(self, now: float, max_segments: int, mss: int) -> tuple[int, int] | None:
        """Return the sequence numbers ``(seq, end)`` to be sent now, or None.

        The range holds at most *max_segments* segments of *mss* octets (Eff.snd.MSS: ``smss``, or
        less beside SACK blocks) and may end with our FIN.  The caller sends it and says so with
        :meth:`on_sent`.
        """
        board = self.board
        lost = board.lost
        if lost.octets:
            left, right = lost.lefts[0], lost.rights[0]
            # An octet in flight more or less matters little; a partial segment costs a header.
            room = self.controller.cwnd - board.in_flight
            segments = max(room // self.smss, 1 if self._resend_now or not board.in_flight else 0)
            # A window that shrank keeps all back but the first segment (SHLD-15, SHLD-16).
            edge = max(board.snd_una + self.snd_wnd, board.snd_una + self.smss)
            end = min(right, edge, left + min(segments, max_segments) * mss)
            return (left, end) if end > left else None
        return self._next_new(now, max_segments, mss)

    def _next_new(self, now: float, max_segments: int, mss: int) -> tuple[int, int] | None:
        board = self.board
        buffer = self.buffer
        nxt = board.snd_nxt
        unsent = buffer.end - nxt
        self._waiting_small = False
        if self.fin_seq is not None and nxt > self.fin_seq:
            return None
        if unsent <= 0:
            if self.fin_seq is not None and nxt < board.snd_una + self.snd_wnd:
                return nxt, nxt + 1
            return None
        if nxt == board.snd_una:
            self._restart_after_idle(now)
        usable = board.snd_una + self.snd_wnd - nxt
        budget = max(self.send_buffer, 2 * mss) - (nxt - board.snd_una)
        room = self.controller.cwnd - board.in_flight
        size = min(unsent, usable, budget, max_segments * mss)
        if size > room:
            self._limited_by_cwnd = True
            size = room // mss * mss
            if not size and not board.in_flight:
                size = min(unsent, usable, mss)  # cwnd below one segment still sends one
        if size <= 0:
            return None
        if size >= mss:
            if size < unsent or not self._may_send_small(size % mss):
                size -= size % mss
        elif size < unsent:
            # The rest is too small to be worth a segment, unless the peer never offers more.
            if size * 2 < self.max_snd_wnd or (nxt > board.snd_una and not self.nodelay):
                self._waiting_small = usable < mss and nxt == board.snd_una
                return None
        elif not self._may_send_small(size):
            return None
        end = nxt + size
        if end == self.fin_seq and size < usable:
            end += 1
        return nxt, end

    def _may_send_small(self, size: int) -> bool:
        """Nagle's algorithm in Minshall's form: one small segment in flight at a time (NAG-2)."""
        if not size or self.nodelay or self.fin_seq is not None:
            return True
        return self.snd_sml <= self.board.snd_una

    def _restart_after_idle(self, now: float) -> None:
        if self._config.slow_start_after_idle and now - self._last_sent > self.rtt.rto:
            self.controller.on_idle(now)

    def on_sent(self, seq: int, end: int, now: float) -> None:
        """Record that ``[seq, end)`` left, and set the retransmission timer if it is off."""
        board = self.board
        if seq == board.snd_nxt:
            if self._stalled_since is None:
                self._stalled_since = now
            board.on_sent(seq, end, now)
            if (end - seq) % self.smss:
                self.snd_sml = end
        else:
            board.on_resent(seq, end, now)
            self.octets_resent += end - seq
            self._resend_now = False
        self._last_sent = now
        if self._fills_window():
            self._limited_by_cwnd = True
        if self._timers.loss == OFF or self._timers.loss_kind is LossTimer.PERSIST:
            self._start_loss_timer(now)

    def _fills_window(self) -> bool:
        """Return whether cwnd is in use: half of it in slow start, later all of it (CC-6)."""
        cwnd = self.controller.cwnd
        in_flight = self.board.in_flight
        if cwnd < self.controller.ssthresh:
            return 2 * in_flight >= cwnd
        return in_flight + self.smss > cwnd

    def urgent_pointer(self, seq: int) -> int:
        """Return the urgent pointer of a segment at *seq*, 0 if nothing urgent is ahead (URG-1)."""
        return min(self.snd_up - seq, 0xFFFF) if self.snd_up > seq else 0

    # -- timers ----------------------------------------------------------------------------------

    def _start_loss_timer(self, now: float) -> None:
        self._timers.loss_kind = LossTimer.RTO
        self._timers.loss = self._not_after_r2(now + self.rtt.rto)

    def _not_after_r2(self, deadline: float) -> float:
        """Return *deadline*, or the end of the user timeout if that comes first."""
        if self.user_timeout is not None and self._stalled_since is not None:
            return min(deadline, self._stalled_since + self.user_timeout)
        return deadline

    def watch_window(self, now: float) -> None:
        """Start the persist timer if data waits and nothing in flight will bring news (ZWP-1).

        One timer serves the closed window and the override of silly-window avoidance (SWS-3).
        """
        if self._timers.loss != OFF or self.snd_una != self.snd_nxt or not self._has_backlog:
            return
        if self.snd_wnd and not self._waiting_small:
            return
        if self._stalled_since is None:
            self._stalled_since = now
        wait = SWS_OVERRIDE if self.snd_wnd else min(self.rtt.rto, self._config.max_rto)
        self._timers.loss_kind = LossTimer.PERSIST
        self._timers.loss = self._not_after_r2(now + wait)

    def gave_up(self, now: float) -> bool:
        """Return whether R2 has passed: no progress for the user timeout (FAIL-2)."""
        return (
            self.user_timeout is not None
            and self._stalled_since is not None
            and now >= self._stalled_since + self.user_timeout
        )

    def on_retransmission_timeout(self, now: float) -> None:
        """The RTO expired: back off, and call everything outstanding lost (RFC 6298 §5)."""
        if self.snd_wnd:  # else it is a window probe that was lost, and no sign of congestion
            first = self._timed_out_at != self.snd_una
            self.controller.on_timeout(self.flight_size, first, now)
            self._timed_out_at = self.snd_una
        self.recovery.on_timeout(self.board)
        self.rtt.back_off()
        self._resend_now = True
        self._start_loss_timer(now)

    def on_syn_timeout(self, now: float) -> None:
        """The SYN, or our SYN,ACK, was not answered: back off (RFC 6298 §5.5)."""
        self.rtt.back_off()

    def on_persist_timeout(self, now: float) -> tuple[int, int] | None:
        """Return the probe to be sent: one octet, or what the override releases (ZWP-2, SWS-2).

        The first probe moves SND.NXT, later ones repeat the same octet.
        """
        una, nxt = self.snd_una, self.snd_nxt
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
        if seq == self.snd_nxt:
            self.board.on_sent(seq, end, now)
        else:
            self.board.on_resent(seq, end, now)
        wait = min(self.rtt.rto * (1 << min(self._persists, 16)), self._config.max_rto)
        self._timers.loss_kind = LossTimer.PERSIST
        self._timers.loss = self._not_after_r2(now + wait)

    @property
    def is_troubled(self) -> bool:
        """Whether R1 is reached: one segment was retransmitted three times or more."""
        return self.rtt.backoffs >= R1
