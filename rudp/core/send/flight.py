"""What is in the network, what became of it, and how much more may go (ACKP-2 to ACKP-9).

The sender asks here how much room there is and tells what it sent; acknowledgements and time-outs
come here to be made sense of.  The parts each answer one question and do not know each other: the
scoreboard what is outstanding, the round-trip estimator how long to wait, recovery what is lost,
undo and F-RTO whether that was a mistake, PRR and the controller how large the window is, the pacer
when the next burst may leave.  This class asks them in the right order.
"""

from typing import Final

from rudp.config import Config
from rudp.core.congestion.controller import Ack, Controller, Signal, initial_window
from rudp.core.congestion.marks import Marks
from rudp.core.congestion.newreno import NewReno
from rudp.core.congestion.pacing import LONG_AGO, Pacer, pacer, window_rate
from rudp.core.congestion.prr import Prr
from rudp.core.congestion.rate import DeliveryRate
from rudp.core.congestion.registry import controller_factory
from rudp.core.congestion.usage import Usage
from rudp.core.loss.frto import NEW_SEGMENTS, Frto, Outcome
from rudp.core.loss.recovery import NOTHING_MISSING, UNOPENED, Phase, first_recovery
from rudp.core.loss.roundtrips import RoundTrips
from rudp.core.loss.scoreboard import Scoreboard, SentRun
from rudp.core.loss.tailprobe import TailProbe, pto
from rudp.core.loss.undo import Proof, Undo
from rudp.core.segment.wire import HEADER_SIZE, STAMPED_SIZE
from rudp.core.send.news import News
from rudp.core.send.pmtu import PAUSE_MAX, PathMtu
from rudp.core.terms.bounds import WINDOW_MAX
from rudp.core.terms.timers import LossTimer
from rudp.core.terms.why import Why

UNLIMITED: Final = 1 << 62
"""Octets: more than any window."""

_NO_RUNS: Final[list[SentRun]] = []
_NO_WINDOW: Final = NewReno(536, initial_window(536))
"""What nobody changes: where nothing has arrived, and while the handshake is under way."""


class Flight:
    """Loss recovery and congestion control of one connection.

    Numbers are growing ints, sizes octets, times seconds; *tsecr* is the time in milliseconds of
    our clock that an acknowledgement echoes, None without timestamps.  ``resend_now``: the first
    lost segment waits for no window.  ``dsacks``: reports of octets that came twice; ``undone``:
    needless reductions.  ``cwr_due``: the next new data says that the window was reduced.  *ack*:
    what is written anew at each acknowledgement; connections may share it.
    """

    __slots__ = (
        "_burst", "_config", "_pacer", "_prr", "_syn_sent_at", "_tail", "_timed_out_at",
        "_timestamps", "_unpaced", "ack", "board", "controller", "cwr_due", "dsacks", "ecn",
        "extra_new", "frto", "last_sent", "marks", "octets_resent", "pace", "pmtu", "pmtu_moved",
        "rate", "recovery", "resend_now", "rto_from", "rtt", "smss", "tail_due", "undo", "undone",
        "usage", "why_lost",
    )  # fmt: skip

    def __init__(self, iss: int, config: Config, ack: Ack | None = None) -> None:
        self._config = config
        self.smss = _NO_WINDOW.smss
        self.board = Scoreboard(iss)
        self.rate = DeliveryRate()
        self.recovery = UNOPENED
        self.rtt = self.new_rtt(config, iss)
        self.undo: Undo | None = None  # the latest reduction, and whether it was for nothing
        self.frto: Frto | None = None  # the same of a time-out, while that is open
        self.controller: Controller = _NO_WINDOW
        self._pacer: Pacer | None = None  # there is one once the pace was asked for
        self._unpaced = 0  # the octets that it lets go first
        self.pmtu: PathMtu | None = None  # told what became of its probes
        self.pmtu_moved = False  # the last acknowledgement, or its absence, changed the size
        self.resend_now = False
        self.tail_due = False  # a tail-loss probe is to be sent
        self._tail: TailProbe | None = None  # the one that is on its way
        self.extra_new = 0  # segments of new data that F-RTO may send beyond the window
        self.octets_resent = 0
        self.dsacks = 0
        self.undone = 0
        self.why_lost = Why.RETRANSMIT_RTO  # what was called lost last, was for this reason
        self.ecn = False
        self.cwr_due = False
        self.marks: Marks | None = None  # where ECN was agreed on
        self.ack = Ack() if ack is None else ack
        self.pace: float | None = None  # the pacing rate when we asked last, and
        self._burst = 0  # the octets that may leave at once at that rate
        self._prr: Prr | None = None  # what leads the window through fast recovery
        self._timestamps = False  # both SYNs had them, so TSecr tells which copy is answered
        self._syn_sent_at = 0.0
        self.last_sent = 0.0
        self.rto_from = 0.0  # when the retransmission timer was started last
        self._timed_out_at = -1  # SND.UNA when the RTO expired last
        self.usage = Usage(iss)

    def new_rtt(self, config: Config, iss: int) -> RoundTrips:
        """Return the estimate of the round trip, with which it begins."""
        return RoundTrips(config.min_rto, config.max_rto, config.rto_form, iss)

    # -- opening ---------------------------------------------------------------------------------

    def syn_sent(self, iss: int, now: float) -> None:
        """The SYN goes out, for the first time or again."""
        self._syn_sent_at = self.rto_from = now
        if self.board.snd_nxt == iss:
            self.board.on_sent(iss, iss + 1, now)
        else:
            self.board.on_resent(iss, iss + 1, now)

    def early_data_sent(self, upto: int, now: float) -> None:
        """The SYN took octets below *upto* along; until now nobody knew whether that counts."""
        self.board.on_sent(self.board.snd_nxt, upto, self._syn_sent_at)

    def syn_acked(self, seg_ack: int, tsecr: int | None, now: float) -> None:
        """The SYN is acknowledged; that says nothing about data but how far away the peer is."""
        runs, resent = self.board.acknowledge(seg_ack)
        self.rtt.measure(seg_ack, self.board.snd_nxt, runs, resent, [], tsecr, now)

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

        *announced*: what it would be if only the two ends counted; the initial window has as many
        octets as if the path carried that, in whole segments.  *ecn*: marks are echoed (RFC 3168);
        *accurate*: they are counted (RFC 9768).  If *tsecr* is older than the SYN that was sent
        last, the time-outs were for nothing (UNDO-9).
        """
        config = self._config
        self.smss = smss
        self._timestamps = timestamps
        self.ecn = ecn
        self.marks = Marks(self.board.snd_una) if ecn or accurate else None
        spurious = tsecr is not None and tsecr < int(self._syn_sent_at * 1000)
        troubled = syn_transmissions > 2 and not spurious  # CC-2
        octets = initial_window(max(smss, announced))
        window = smss if troubled else -(-octets // smss) * smss
        self._begin(window)
        rack = config.loss_detection == "rack"
        self.recovery = first_recovery(self.board.snd_una - 1, sack=sack, rack=rack)
        self.rtt.begin(self.board.snd_nxt)
        self.last_sent = now
        if syn_transmissions > 1 and self.rtt.srtt is None:
            self.rtt.syn_was_lost()

    def _begin(self, window: int) -> None:
        """Congestion control begins with a *window* of so many octets."""
        self.controller = controller_factory(self._config.congestion)(self.smss, window)
        self._unpaced = window
        if self._pacer is not None:
            self._pacer = pacer(window, self.controller.burst_seconds)
        self.usage.note(0, False, self.board.snd_nxt)

    def resize(self, smss: int) -> None:
        """Use segments of *smss* octets from now on."""
        self.smss = smss
        if self.controller is not _NO_WINDOW:
            self.controller.resize(smss)

    # -- how much may go -------------------------------------------------------------------------

    @property
    def window(self) -> int:
        """Octets that may be in flight: cwnd, or what PRR makes of it in fast recovery (CC-7)."""
        return self.controller.cwnd if self._prr is None else self._prr.cwnd

    @property
    def holds_lost(self) -> bool:
        """Whether lost octets wait because F-RTO tries new ones first."""
        return self.extra_new > 0 or (self.frto is not None and not self.resend_now)

    @property
    def reordering_seen(self) -> bool:
        """Whether segments have arrived later than their successors (RACK-5)."""
        return self.recovery.rack is not None and self.recovery.rack.reordering_seen

    def pacing_rate(self) -> float | None:
        """Return octets a second, None for no pacing (PACE-1)."""
        if not self._config.pacing:
            return None
        it = self.controller
        return it.pacing_rate or window_rate(it.cwnd, it.ssthresh, self.rtt.spread)

    def paced_room(self, now: float) -> int:
        """Return the octets that pacing lets go now; 0 means: not before :attr:`silent_until`."""
        if self.marks is not None and now < self.marks.held_until:
            return 0
        rate = self.pace = self.pacing_rate()
        if rate is None:
            return UNLIMITED
        if self._pacer is None:
            self._pacer = pacer(self._unpaced, self.controller.burst_seconds)
        self._burst = self._pacer.least(self.controller.pacing_rate, self.smss)
        return self._pacer.room(rate, self._burst, now)

    @property
    def silent_until(self) -> float:
        """When pacing, or a mark at the smallest window, lets something go again."""
        marks, paced = self.marks, LONG_AGO if self._pacer is None else self._pacer.next_at
        return paced if marks is None or marks.held_until < paced else marks.held_until

    @property
    def may_probe(self) -> bool:
        """Whether nothing is being repaired, so that the loss of a probe could be told (PMTU-4)."""
        recovery, board = self.recovery, self.board
        calm = recovery.phase is Phase.OPEN and not board.lost.octets and not board.sacked
        return calm and recovery.sack  # without SACK the loss of one costs a round trip, or the RTO

    @property
    def may_probe_tail(self) -> bool:
        """Whether a tail-loss probe may go: one at a time, and one for each sample (TLP-3)."""
        return self._tail is None and self.rtt.was_sampled

    @property
    def is_calm(self) -> bool:
        """Whether no loss, mark, probe or change of size is being dealt with."""
        busy = self.tail_due or self.extra_new or self.resend_now or self.cwr_due or self.pmtu_moved
        busy = busy or (self.marks is not None and self.marks.holds > 0) or self._prr is not None
        busy = busy or self.frto is not None or not self.may_probe_tail
        pmtu = self.pmtu
        return not busy and (pmtu is None or not (pmtu.full_losses or pmtu.probing is not None))

    def pace_sent(self, octets: int, now: float) -> None:
        """*octets* have left at the pace that was asked for last."""
        if self.pace is not None and self._pacer is not None:
            self._pacer.on_sent(octets, self.pace, self._burst, now)

    @property
    def probe_pause(self) -> float:
        """Seconds to leave a path alone after a size has failed: some round trips (PMTU-12)."""
        segments = max(self.controller.cwnd // self.smss, 1)
        return (self.rtt.spread or 1.0) * min(segments, PAUSE_MAX)

    def mark_probe(self) -> None:
        """The run that was sent last tries a larger segment size."""
        self.board.runs[-1].is_probe = True

    def on_refused(self, seq: int, now: float) -> None:
        """The system did not take what was sent from *seq* on: it is lost, and no sign of it."""
        if (left := max(seq, self.board.snd_una)) < self.board.snd_nxt:
            self.board.mark_range_lost(left, self.board.snd_nxt)
            self.why_lost = Why.RETRANSMIT_REFUSED
            self.resend_now = True

    def limited_by_cwnd(self) -> None:
        """There was more to send than cwnd let go (CC-6)."""
        self.usage.note(self.board.in_flight, True, self.board.snd_nxt)

    def ran_dry(self) -> None:
        """There is nothing to send, though the network may take more."""
        in_flight = self.board.in_flight
        if in_flight < self.window:
            self.rate.on_app_limited(in_flight)

    # -- sending ---------------------------------------------------------------------------------

    def before_new(self, now: float) -> None:
        """New data leaves with nothing in flight: was there a pause? (RFC 5681 §4.1, CC-8)"""
        idle = now - self.last_sent if self._config.slow_start_after_idle else 0.0
        self.controller.on_restart(idle, self.rtt.rto, now)

    def on_sent(self, seq: int, end: int, now: float, mss: int = 0) -> bool:
        """Record that ``[seq, end)`` left in segments of *mss* (0: SMSS); is it new?"""
        board = self.board
        new = seq == board.snd_nxt
        if new:
            if seq == board.snd_una:
                self.rto_from = now
            run = board.on_sent(seq, end, now, mss or self.smss)
            in_flight = board.in_flight
            self.rate.on_sent(run, in_flight, now)
            if self.extra_new:
                self.extra_new -= 1
        else:
            self.recovery = self.recovery.own(self.rtt.latest)
            resent = board.on_resent(seq, end, now)
            in_flight = board.in_flight
            for run in resent:
                self.rate.on_sent(run, in_flight, now)
            self.octets_resent += end - seq
            if seq == board.snd_una and self.recovery.sack:
                self.rto_from = now  # its acknowledgement is a round trip away again
            if not self.tail_due and self.undo is not None:
                self.undo.on_resent(seq, end, now)
            self.resend_now = False
        if self.tail_due:
            self.tail_due = False
            self._tail = TailProbe(board.snd_nxt, is_retrans=not new)
            self.rtt.was_sampled = False
            self.rto_from = now  # TLP-5
        if self._prr is not None:
            self._prr.on_sent(end - seq)
        self.last_sent = now
        self.pace_sent(end - seq, now)
        limited = in_flight + self.smss > self.controller.cwnd
        self.usage.on_sent(in_flight, limited, board.snd_una, board.snd_nxt, now)
        return new

    # -- acknowledgements ------------------------------------------------------------------------

    def on_ack(self, news: News, now: float) -> None:
        """Make sense of *news*; each step sees the connection as those before have left it."""
        board, recovery, rtt, ack = self.board, self.recovery, self.rtt, self.ack
        seg_ack, dsack = news.seg_ack, news.dsack
        self.pmtu_moved = False

        # First, ECE: did a router mark what we sent?  (RFC 3168 §6.1.2)
        marks = self.marks
        if marks is None:
            pass
        elif news.ece:
            self._answer_mark(marks, news, now)
        else:
            marks.holds = 0

        # Second, the octets: what has arrived that we did not know of?  (RFC 9293 §3.10.7.4,
        # fifth step; RFC 6675 §4, Update())
        una = news.una = board.snd_una
        acked = news.acked = seg_ack - una
        ack.prior_in_flight = board.in_flight
        had_sacked = board.sacked
        runs, resent = board.acknowledge(seg_ack) if acked else (_NO_RUNS, False)
        sacked = board.sack(news.sack_blocks) if news.sack_blocks else _NO_RUNS
        arrived = runs + sacked if sacked else runs
        if sacked or resent or dsack is not None:
            recovery = self.recovery = recovery.own(rtt.latest)
        rack = recovery.rack

        # Third, the path: does it carry segments of this size?  (RFC 8899 §4.2, §4.3)
        pmtu = self.pmtu
        if board.torn:
            self._give_up_torn(now)
        if pmtu is not None and (pmtu.full_losses or pmtu.probing is not None):
            self.pmtu_moved |= pmtu.on_arrived(arrived, self.smss)

        # Fourth, the clock: how long does a round trip take?  (RFC 6298 §3, RFC 7323 §4)
        ack.rtt = rtt.measure(seg_ack, board.snd_nxt, runs, resent, sacked, news.tsecr, now)
        min_rtt = ack.min_rtt = rtt.min_rtt

        # Fifth, the order: what was sent before something that has arrived?  (RFC 8985 §6.2, steps
        # 1 to 3)  And the rate of delivery (draft-cheng-iccrg-delivery-rate-estimation §3.3).
        self.rate.sample(arrived, ack, min_rtt, now)
        if arrived and rack is not None and recovery is not NOTHING_MISSING:
            rack.on_delivered(arrived, news.tsecr, seg_ack, min_rtt, now)

        # Sixth, copies: has a tail-loss probe repaired something?  (RFC 8985 §7.4)  Does a segment
        # that came twice ask for more patience?  (RFC 8985 §6.2, step 4)
        tail, repaired = self._tail, False
        if tail is not None and tail.is_over(seg_ack, dsack, news.duplicate and not sacked):
            repaired = tail.has_repaired(seg_ack, dsack)
            self._tail = None
        if dsack is not None:
            self.dsacks += 1
            if rack is not None:
                rack.on_dsack(una, board.snd_nxt)

        # Seventh, was the latest reduction for nothing?  (RFC 3522 §3.2, RFC 3708, RFC 5682 §2.1)
        undo = self.undo
        if (
            undo is not None
            and (dsack is not None or undo.awaits_tsecr or self.frto is not None)
            and self._config.undo
        ):
            proof = self._was_needless(undo, news, arrived, now)
            if proof is not None:
                self._undo(undo, proof, news, now)

        # Eighth, is the episode over?  (RFC 6582 §3.2, step 3; RFC 6675 §5)  After a time-out there
        # is nothing to leave: slow start goes on as it is.
        phase = recovery.phase
        if phase is not Phase.OPEN and seg_ack >= recovery.recover:
            self._recovered(now)

        # Ninth, what does it show to be lost?  (RFC 8985 §6.2, step 5; RFC 6675 §4, IsLost();
        # RFC 6582 §3.2)  RACK has an opinion only if something arrived out of the order in which it
        # was sent.
        lost = _NO_RUNS
        if rack is None or had_sacked or sacked or resent or rack.deadline is not None:
            lost = recovery.on_ack(board, acked, sacked, news.duplicate, self.smss, rtt, now)
        ack.lost = 0
        if lost or repaired or not recovery.sack:
            self._answer_losses(lost, repaired, news, now)

        # Tenth, the window: PRR leads it through fast recovery (RFC 9937 §6), else the controller
        # lets it grow (RFC 5681 §3.1).  What is only SACKed grows nothing while it may be the sign
        # of a loss, and ECE is the opposite of a reason to grow (RFC 3168 §6.1.2).
        if self._prr is not None and ack.delivered:
            self._prr.on_ack(ack.delivered, board.in_flight, acked > 0 and not lost)
        if ack.delivered or lost:
            fast = phase is Phase.FAST or recovery.phase is Phase.FAST
            held = news.ece and not (news.marked and self.controller.answers_marks)
            grows = not fast and (acked or self.reordering_seen) and not held
            if grows or not self.controller.uses_prr:
                self._tell_controller(now)

        # Eleventh, the timer: what is outstanding now has a whole RTO (RFC 6298 §5.2, §5.3).
        if seg_ack == board.snd_nxt:
            self.tail_due = False
        elif acked and not recovery.is_impatient:
            self.rto_from = now

    def _answer_losses(self, lost: list[SentRun], repaired: bool, news: News, now: float) -> None:
        """Do what the runs *lost*, a repair by a tail-loss probe, or a partial ACK ask for."""
        board, recovery, ack = self.board, self.recovery, self.ack
        flight_size = board.snd_nxt - news.una
        if lost:
            ack.lost = self._count_lost(lost, now)
            self.why_lost = recovery.verdict
        if lost and recovery.phase is Phase.OPEN and not all(run.is_probe for run in lost):
            if news.acked and self.controller.uses_prr:
                flight_size += self._growth_before(min(news.acked, ack.delivered), now)
            self._enter_recovery(flight_size, ack.delivered, now)
        elif news.acked and recovery.phase is Phase.FAST and not recovery.sack:
            # A partial acknowledgement names the next hole (RFC 6582 §3.2, NR-5).
            self.resend_now = True
        elif repaired and recovery.phase is Phase.OPEN:
            # The probe was the retransmission; its loss is answered as any other (RFC 8985 §7.4,
            # TLP-6).
            self.controller.on_congestion(Signal.LOSS, self._used(flight_size, now), now)
            self.controller.on_recovered(WINDOW_MAX, now)
            self.cwr_due = self.ecn

    def _tell_controller(self, now: float) -> None:
        """Let the window grow, or whatever the controller makes of it."""
        ack, board, rtt = self.ack, self.board, self.rtt
        ack.now = now
        ack.in_flight = board.in_flight
        ack.in_recovery = self.recovery.phase is Phase.FAST
        ack.snd_una = board.snd_una
        ack.snd_nxt = board.snd_nxt
        ack.srtt = rtt.srtt
        controller = self.controller
        cwnd = controller.cwnd
        usage = self.usage
        ack.cwnd_limited = usage.cwnd_limited or (
            cwnd < controller.ssthresh and cwnd < 2 * usage.most
        )
        controller.on_ack(ack)

    def _growth_before(self, acked: int, now: float) -> int:
        """Grow the window by *acked* octets below the first hole; return by how much it grew.

        One acknowledgement covers a batch.  If each segment had its own, those of the segments
        before the hole would have come before anything showed the loss, and as much more would
        have been sent.  In the first flights that makes half of what the reduction leaves.
        """
        cwnd = self.controller.cwnd
        delivered, self.ack.delivered = self.ack.delivered, acked
        self._tell_controller(now)
        self.ack.delivered = delivered
        return max(self.controller.cwnd - cwnd, 0)

    # -- episodes of recovery --------------------------------------------------------------------

    def _count_lost(self, lost: list[SentRun], now: float) -> int:
        """Tell the controller of the runs *lost*; return their octets."""
        octets = 0
        for run in lost:
            size = run.end - run.seq
            octets += size
            if run.is_probe and self.pmtu is not None:
                self.pmtu.on_probe_lost(self.probe_pause, now)
                continue  # it says nothing about congestion (PMTU-6)
            self.rate.lost += size
            self.controller.on_range_lost(
                size, run.tx_in_flight, self.rate.lost - run.lost_before, run.app_limited, now
            )
        smss = self.smss
        if self.pmtu is not None and any(
            run.end - run.seq >= smss <= run.mss and not run.is_probe for run in lost
        ):
            # Smaller ones have arrived, or nobody would know.
            self.pmtu = self.pmtu.own()
            self.pmtu_moved |= self.pmtu.on_full_lost(self.probe_pause, now)
        return octets

    def _give_up_torn(self, now: float) -> None:
        """Segments have arrived in part: something on the way cuts datagrams (decision 30).

        The rest is lost, and that is no sign of congestion.  What has arrived of a datagram shows
        how much passes.  Where the size is one that any path carries it takes more to believe it:
        something sent later must have arrived, for a peer may acknowledge in slices.
        """
        board, pmtu = self.board, self.pmtu
        torn, board.torn = board.torn, ()
        if pmtu is None:
            return
        header = STAMPED_SIZE if self._timestamps else HEADER_SIZE
        sent = max(right - begin for begin, _, right in torn)
        later = board.sacked or self.recovery.phase is not Phase.OPEN
        if sent + header <= pmtu.base and not later:
            return
        for _, left, right in torn:
            board.mark_range_lost(left, right)
        self.why_lost = Why.RETRANSMIT_CUT
        self.resend_now = True
        self.pmtu = pmtu.own()
        self.pmtu.on_cut(
            min(left - begin for begin, left, _ in torn) + header, self.probe_pause, now
        )
        self.pmtu_moved = True

    def suspect_size(self, now: float) -> None:
        """Segments of this size seem to fall into a black hole: try smaller ones (PMTU-9)."""
        if self.pmtu is not None:
            self.pmtu = self.pmtu.own()
            self.pmtu_moved |= self.pmtu.on_black_hole(self.probe_pause, now)

    def _enter_recovery(self, flight_size: int, delivered: int, now: float) -> None:
        """A loss was found: reduce, and send again what is missing (RACK-12, PRR-1, NR-3)."""
        board, controller = self.board, self.controller
        self.recovery = self.recovery.own(self.rtt.latest)
        self.recovery.enter(board)
        self._tail = None  # TLP-7
        if self.marks is not None and self.marks.is_answered(board.snd_una):
            self._keep_reduction()  # a mark was answered already in this window of data
        else:
            self.undo = Undo(board.snd_una, by_timeout=False)
            controller.on_congestion(Signal.LOSS, self._used(flight_size, now), now)
        self.cwr_due = self.ecn
        if controller.uses_prr and self.recovery.sack and self._config.prr:
            recover_fs = board.flight_size - board.sacked + delivered
            self._prr = Prr(controller.ssthresh, recover_fs, self.smss)
        self.resend_now = True

    def _used(self, flight_size: int, now: float) -> int:
        """Return the octets from which to reduce (CC-9)."""
        it = self.controller
        return self.usage.before_reduction(flight_size, max(it.cwnd, it.earned), now)

    def _recovered(self, now: float) -> None:
        """What was outstanding when the episode began is acknowledged: it is over."""
        fast = self.recovery.phase is Phase.FAST
        self.recovery.leave(self.board)
        self.frto = None
        self.extra_new = 0
        if not fast:
            return
        self._prr = None
        # Without SACK much may be sent at once; what is in flight is the measure (NR-6).
        most = WINDOW_MAX
        if not self.recovery.sack:
            most = max(self.board.flight_size, self.smss) + self.smss
        self.controller.on_recovered(most, now)

    def _was_needless(
        self, undo: Undo, news: News, arrived: list[SentRun], now: float
    ) -> Proof | None:
        """Return what shows that the latest reduction was for nothing (UNDO-2, 3, 6)."""
        board, dsack = self.board, news.dsack
        advanced = news.acked > 0
        reported = dsack is not None and undo.on_dsack(*dsack)
        all_acked = board.snd_una == board.snd_nxt
        if advanced:
            proof = undo.on_advance(news.una, news.tsecr, all_acked, dsack)
            if proof is not None:
                return proof
        if self.frto is not None:
            highest = arrived[-1].end if arrived else 0
            idle = news.duplicate and not self.recovery.sack
            outcome = self.frto.on_ack(board.snd_una, advanced, idle, highest, news.can_try)
            if outcome is Outcome.TRY_NEW:
                self.extra_new = NEW_SEGMENTS
            elif outcome is Outcome.GENUINE:
                self.frto = None
                self.extra_new = 0
                self.why_lost = Why.RETRANSMIT_RTO
                self.recovery.settle_timeout(board, self.rtt, now)
            elif outcome is Outcome.SPURIOUS:
                return Proof.LATE
        return Proof.TWICE if reported else None

    def _undo(self, undo: Undo, proof: Proof, news: News, now: float) -> None:
        """Take the latest reduction back (UNDO-7, RFC 4015 §3.2).

        The window too, at once: pacing sees to it that no burst follows, and without it only what
        left the network now may be sent in one.  But the round trip is measured anew only where
        the original was late (UNDO-8).
        """
        board = self.board
        undo.forget()
        self.undone += 1
        if self.recovery.phase is not Phase.OPEN:
            self.recovery.leave(board)
            board.forget_losses()
        self._prr = None
        self.resend_now = False
        self.frto = None
        self.extra_new = 0
        most = WINDOW_MAX
        if not undo.by_timeout:
            self.recovery = self.recovery.own(self.rtt.latest)
            if self.recovery.rack is not None:
                self.recovery.rack.reordering_seen = True  # what else can have made it late
        else:
            if not self._config.pacing:
                burst = max(min(news.acked, initial_window(self.smss)), self.smss)
                most = board.flight_size + burst
            if proof is Proof.TWICE:
                self.rtt.was_answered(now - undo.last_resent)
            else:
                self.rtt.was_spurious()
                if news.tsecr is not None:
                    self.rtt.sample(now - news.tsecr / 1000)
        self.controller.on_undo(most, now)

    def _keep_reduction(self) -> None:
        """The latest reduction stands, whatever is found out about it."""
        if self.undo is not None:
            self.undo.forget()

    # -- marks -----------------------------------------------------------------------------------

    def _answer_mark(self, marks: Marks, news: News, now: float) -> None:
        """A router has marked what we sent: do as after a loss, but nothing is missing."""
        board, controller = self.board, self.controller
        marks.received += 1
        if news.marked:
            controller.on_marks(news.marked, news.marked_octets, now)
            if controller.answers_marks:
                return
        if marks.is_answered(news.seg_ack) or self.recovery.phase is not Phase.OPEN:
            return
        marks.answer(board.snd_nxt)
        self.cwr_due = self.ecn
        self._keep_reduction()
        if controller.cwnd <= self.smss:
            marks.hold(self.rtt.rto, self._config.max_rto, now)
        controller.on_congestion(Signal.ECN, self._used(board.flight_size, now), now)

    def take_cwr(self) -> bool:
        """Return whether new data that leaves now has to carry CWR, and see it as sent (ECN-6)."""
        due, self.cwr_due = self.cwr_due, False
        return due

    # -- time-outs -------------------------------------------------------------------------------

    def loss_deadline(self, now: float) -> tuple[LossTimer, float]:
        """Return which of RTO, PTO and reordering timer runs, and when it expires (RFC 8985 §8)."""
        recovery, board = self.recovery, self.board
        rto = self.rto_from + self.rtt.rto
        reordering = recovery.deadline
        if reordering is not None and reordering < rto:
            return LossTimer.REORDERING, reordering
        if (
            recovery.sack
            and recovery.phase is Phase.OPEN
            and not board.sacked
            and self.may_probe_tail
            and not self.tail_due
            and self._config.tail_loss_probe
        ):
            alone = board.snd_nxt - board.snd_una <= self.smss
            probe = now + pto(self.rtt.srtt, alone)
            return LossTimer.PTO, probe if probe < rto else rto  # never later, but in its place
        return LossTimer.RTO, rto

    def on_reordering_timeout(self, now: float) -> None:
        """What might have been late is lost (RACK-10)."""
        board = self.board
        self.pmtu_moved = False
        lost = self.recovery.on_reordering_timeout(board, self.rtt, now)
        if lost:
            self.why_lost = Why.RETRANSMIT_REORDERING
            self._count_lost(lost, now)
            if self.recovery.phase is Phase.OPEN and not all(run.is_probe for run in lost):
                self._enter_recovery(board.flight_size, 0, now)

    def on_probe_timeout(self, now: float) -> None:
        """It has been quiet for two round trips: a probe is due, and then the RTO (TLP-5)."""
        self.tail_due = True
        self.rto_from = now

    def on_retransmission_timeout(self, window_open: bool, now: float) -> None:
        """The RTO expired: back off, and send the first segment again (RFC 6298 §5).

        With the peer's window shut it is a window probe that was lost, and no sign of congestion.
        """
        board, una = self.board, self.board.snd_una
        recovery = self.recovery = self.recovery.own(self.rtt.latest)
        repeated = self._timed_out_at == una
        question = False
        if window_open:
            # F-RTO is for a time-out that comes out of the blue, or again for the same segment.
            blue = recovery.phase is Phase.OPEN or repeated
            question = self._config.undo and not self._timestamps and blue
            if not repeated:
                self.undo = Undo(una, by_timeout=True)
            flight_size = board.flight_size
            flight_size = max(flight_size, self._used(flight_size, now))
            self.controller.on_timeout(flight_size, not repeated, now)
            self.cwr_due = self.ecn
            self._timed_out_at = una
        self.pmtu_moved = False
        pmtu = self.pmtu
        if pmtu is not None and (pmtu.full_losses or pmtu.probing is not None):
            pmtu.on_probe_lost(self.probe_pause, now)
            if pmtu.full_losses:
                self.pmtu_moved = pmtu.on_full_lost(self.probe_pause, now)
        recovery.on_timeout(board, self.smss, self.rtt, question, now)
        self._start_over(Why.RETRANSMIT_RTO, now)
        end = min(una + self.smss, board.snd_nxt)
        self.frto = Frto(end, board.snd_nxt) if question else None
        self.rtt.back_off()

    def _start_over(self, why: Why, now: float) -> None:
        """Nothing of what went on before counts: send again what is lost, for reason *why*."""
        self.why_lost = why
        self._prr = None
        self.frto = None
        self._tail = None
        self.tail_due = False
        self.extra_new = 0
        self.resend_now = True
        self.rto_from = now

    def on_path_changed(self, anew: bool, rtt: float | None, now: float) -> None:
        """There is another path: all that is outstanding goes again (RFC 9000 §9.4).

        *anew*: nothing is known of it but a round trip of *rtt* seconds, if that; window and round
        trip begin as after the handshake.  Else it is the old one but for a port.
        """
        board = self.board
        board.mark_range_lost(board.snd_una, board.snd_nxt)
        self.recovery = self.recovery.own(self.rtt.latest)
        self.recovery.leave(board)
        self._keep_reduction()
        self.cwr_due = False
        self._start_over(Why.RETRANSMIT_PATH, now)
        self.rtt.on_path_changed(anew, rtt, board.snd_nxt, now)
        if anew:
            self._begin(initial_window(self.smss))

    def send_again(self, now: float) -> None:
        """The peer had no room for what is outstanding, and has some now (ZWP-5)."""
        self.board.mark_range_lost(self.board.snd_una, self.board.snd_nxt)
        self.why_lost = Why.RETRANSMIT_WINDOW_OPENED
        self.resend_now = True
        self.rto_from = now
