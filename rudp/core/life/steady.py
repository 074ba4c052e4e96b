"""When a connection is steady, and how its numbers go to the lane and come back.

:func:`is_steady` asks the questions of RFC 9293 §3.10.7.4, RFC 8985 and the others once, whose
answers :mod:`rudp.core.life.lane` then takes for granted.  :func:`enter` lends the numbers of all
rooms to a lane, :func:`leave` brings them back, so that nobody can tell whether there was one.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, Final

from rudp.core.congestion.cubic import Cubic
from rudp.core.congestion.newreno import NewReno
from rudp.core.congestion.resume import CarefulResume
from rudp.core.life.lane import Lane
from rudp.core.life.numbers import ANY_ECN, Sent
from rudp.core.life.signedlane import SignedLane
from rudp.core.life.tcb import Tcb
from rudp.core.loss.recovery import NOTHING_MISSING, Phase
from rudp.core.loss.scoreboard import IN_FLIGHT, SentRun
from rudp.core.receive.receiver import AckDue, Receiver
from rudp.core.segment.ace import ACE, bits
from rudp.core.segment.wire import ACK, PSH
from rudp.core.send.sender import Sender
from rudp.core.terms.state import State
from rudp.core.terms.timers import LossTimer

try:
    from rudp import _lane

    BEST: Callable[[], Any] = _lane.Lane
except ImportError:  # not compiled, or not wanted (rudp.build)
    BEST = Lane

LANES: Final[dict[str, Callable[[], Any] | None]] = {
    "auto": BEST,
    "python": Lane,
    "off": None,
}
"""What :attr:`rudp.Config.lane` names."""

NOTHING_CAME: Final = 4
"""ECN bits that nothing has: no data came yet, so the first ends the lane, and is counted."""

_DUE: Final[tuple[AckDue, ...]] = (AckDue.NO, AckDue.LATER, AckDue.NOW)


def lane_for(tcb: Tcb) -> Any | None:
    """Return a new lane for *tcb*, None if it is not steady, or is to have none."""
    kind = LANES[tcb.config.lane]
    if kind is None or not is_steady(tcb):
        return None
    guard = tcb.guard
    if guard is None:
        return kind()
    signed = SignedLane() if kind is Lane or not guard.is_plain else kind()
    signed.guard = guard
    return signed


def is_steady(tcb: Tcb) -> bool:
    """Return whether nothing but data and acknowledgements is to be expected of *tcb*."""
    receiver = tcb.receiver
    return (
        receiver is not None
        and tcb.state is State.ESTABLISHED
        and tcb.timestamps
        and tcb.reading
        and tcb.tracer is None
        and tcb.syn_due is None
        and tcb.reset is None
        and tcb.last_word is None
        and tcb.credit is None
        and tcb.dropped is None
        and not tcb.probes_due
        and (tcb.roaming is None or not tcb.roaming.has_word)
        and not tcb.train
        and _receives(receiver)
        and _sends(tcb.sender)
        and (tcb.accurate is None or tcb.accurate.is_quiet)
        and tcb.sender.snd_wl1 <= receiver.rcv_nxt
    )


def _receives(receiver: Receiver) -> bool:
    """Nothing waits behind a gap, was marked, came twice or has ended."""
    return (
        receiver.fin_seq is None
        and receiver.ts_recent is not None
        and not receiver.queue.held.octets
        and not receiver.has_duplicate
        and not receiver.duplicate_acks
        and not receiver.ece_due
        and receiver.rcv_up <= receiver.rcv_nxt
    )


def _sends(sender: Sender) -> bool:
    """What is in flight was sent once, and nothing is missing, probed for, urgent or held up."""
    flight, board = sender.flight, sender.board
    recovery, rtt, undo = flight.recovery, flight.rtt, flight.undo
    rack = recovery.rack
    return (
        sender.snd_wnd > 0
        and sender.fin_seq is None
        and sender.nodelay
        and sender.snd_up <= board.snd_una
        and sender.iss < board.snd_una
        and sender.snd_wl2 <= board.snd_una
        and not sender.awaits_window
        and not (board.sacked or board.lost.octets or board.duplicates or board.torn)
        and recovery.phase is Phase.OPEN
        and recovery.sack
        and not recovery.is_impatient
        and rack is not None
        and rack.deadline is None
        and rack.is_behind(board.snd_una, board.runs[0] if board.runs else None)
        and rtt.is_settled
        and flight.is_calm
        and type(flight.controller) is not CarefulResume
        and (undo is None or not undo.awaits_tsecr)
        and all(
            run.fate == IN_FLIGHT and run.transmissions == 1 and not run.is_probe
            for run in board.runs
        )
    )


def enter(tcb: Tcb, lane: Any) -> None:
    """Lend the numbers of *tcb*, which is steady, to *lane*."""
    receiver, sender, timers, config = tcb.receiver, tcb.sender, tcb.timers, tcb.config
    assert receiver is not None
    assert receiver.ts_recent is not None
    flight, board = sender.flight, sender.board
    rtt, rate, usage, controller = flight.rtt, flight.rate, flight.usage, flight.controller
    assert rtt.srtt is not None

    lane.steady = True
    lane.more = False
    lane.events = tcb.events
    lane.path = tcb.path
    lane.ports = tcb.ports
    lane.dscp = tcb.dscp
    lane.ttl = tcb.ttl
    lane.ecn = tcb.ect
    _lend_feedback(tcb, lane, receiver.rcv_nxt)
    lane.segments_in = tcb.segments_in
    lane.segments_out = tcb.segments_out
    lane.last_heard = tcb.last_heard
    lane.others = min(timers.idle, timers.patience)
    lane.recorder = tcb.recorder
    lane.train = tcb.train

    lane.snd_una = board.snd_una
    lane.snd_nxt = board.snd_nxt
    lane.sends = board.sends
    lane.runs = deque(
        (
            run.seq, run.end, run.sent_at, run.order, run.mss, run.origin, run.delivered,
            run.delivered_at, run.first_sent_at, run.app_limited, run.tx_in_flight, run.lost_before,
        )
        for run in board.runs
    )  # fmt: skip
    lane.snd_wnd = sender.snd_wnd
    lane.snd_wl1 = sender.snd_wl1
    lane.snd_wl2 = sender.snd_wl2
    lane.snd_sml = sender.snd_sml
    lane.max_snd_wnd = sender.max_snd_wnd
    lane.snd_shift = tcb.snd_shift
    lane.smss = sender.smss
    lane.buffer = sender.buffer
    lane.buffer_limit = sender.buffer_limit
    lane.counted = sender.counted
    lane.gives_back = sender.gives_back
    lane.held_back = sender.held_back
    lane.stalled_since = sender.stalled_since
    lane.user_timeout = sender.user_timeout
    lane.timer_set_at = sender.timer_set_at
    lane.pmtu = tcb.pmtu
    lane.flight = flight
    lane.last_sent = flight.last_sent
    lane.rto_from = flight.rto_from
    lane.idle_restart = bool(config.slow_start_after_idle)
    lane.silent_until = flight.silent_until
    lane.paces = flight.pace is not None
    lane.loss = timers.loss
    lane.pace = timers.pace
    lane.timer_was_set = False
    lane.probes_tail = bool(config.tail_loss_probe and flight.may_probe_tail)

    lane.estimator = rtt
    lane.srtt = rtt.srtt
    lane.rttvar = rtt.rttvar
    lane.rto = rtt.rto
    lane.minima = rtt.minima
    lane.sample_from = rtt.sample_from
    lane.linux_form = config.rto_form == "linux"
    lane.floor = config.min_rto
    lane.ceiling = config.max_rto
    lane.delivered = rate.delivered
    lane.delivered_at = rate.delivered_at
    lane.first_sent_at = rate.first_sent_at
    lane.app_limited = rate.app_limited
    lane.rate = rate.rate
    lane.lost = rate.lost
    lane.delivered_end = 0
    lane.delivered_order = 0
    lane.delivered_sent_at = 0.0
    lane.delivered_rtt = 0.0

    lane.controller = controller
    lane.ack = flight.ack
    lane.asks_always = type(controller) not in (Cubic, NewReno)
    lane.cwnd = controller.cwnd
    lane.ssthresh = controller.ssthresh
    lane.unused = 0
    lane.unused_since = None
    lane.cwnd_limited = usage.cwnd_limited
    lane.most = usage.most
    lane.usage_end = usage.end
    lane.peak = usage.peak
    lane.peak_before = usage.before
    lane.turn_at = usage.until

    lane.receiver = receiver
    lane.stake = receiver.stake
    lane.rcv_nxt = receiver.rcv_nxt
    lane.rcv_edge = receiver.right_edge
    lane.promised = receiver.promised
    lane.looked_at = receiver.looked_at
    lane.worth_asking = receiver.worth_asking
    lane.shift = receiver.shift
    lane.rmss = receiver.rmss
    lane.rmss_max = receiver.rmss_max
    lane.ready = receiver.take_ready()
    lane.ready_octets = receiver.ready_octets
    lane.octets_read = receiver.delivered
    lane.receive_buffer = receiver.receive_buffer
    lane.may_grow = receiver.receive_buffer < receiver.receive_buffer_max
    lane.wanted = 0
    lane.ack_due = _DUE.index(receiver.ack_due)
    lane.ack_why = receiver.ack_why
    lane.ack_at = timers.ack
    lane.delayed_ack = config.delayed_ack
    lane.last_ack_sent = receiver.last_ack_sent
    lane.unacked = receiver.unacked_octets
    lane.quick_acks = receiver.quick_acks
    lane.last_data = receiver.last_data
    lane.ts_recent = receiver.ts_recent
    lane.ts_recent_at = receiver.ts_recent_at
    lane.ts_offset = tcb.ts_offset
    lane.ts_start = tcb.ts_start
    echoed = receiver.autotune.tsecr
    lane.echoed = -1 if echoed is None else echoed
    lane.begin()


def _lend_feedback(tcb: Tcb, lane: Any, rcv_nxt: int) -> None:
    """Lend what is told of marks: as long as there are none it stays the same."""
    accurate = tcb.accurate
    lane.flags = ACK
    lane.notable = (0xFF & ~PSH) << 16
    lane.expected_flags = ACK << 16
    lane.expected_ecn = ANY_ECN
    lane.ts_latest = -1
    if accurate is None:
        return
    counts = accurate.counts
    lane.flags |= bits(counts.ace)
    lane.notable |= ACE << 16
    lane.expected_flags |= bits(accurate.marked.ce & 7) << 16
    lane.expected_ecn = NOTHING_CAME if counts.came is None else counts.came
    accurate.lent_at = rcv_nxt


def leave(tcb: Tcb, lane: Any) -> None:
    """Bring the numbers of *lane* back to *tcb*."""
    receiver, sender, timers = tcb.receiver, tcb.sender, tcb.timers
    assert receiver is not None
    flight, board = sender.flight, sender.board
    rtt, rate, usage = flight.rtt, flight.rate, flight.usage
    if tcb.accurate is not None:
        tcb.accurate.counts.count_on(lane.rcv_nxt - tcb.accurate.lent_at)
        tcb.accurate.marked.resume(lane.ts_latest, acked=lane.snd_una > board.snd_una)

    tcb.events = lane.events
    tcb.train = lane.train
    tcb.segments_in = lane.segments_in
    tcb.segments_out = lane.segments_out
    tcb.last_heard = lane.last_heard

    sender.snd_wnd = lane.snd_wnd
    sender.snd_wl1 = lane.snd_wl1
    sender.snd_wl2 = lane.snd_wl2
    sender.snd_sml = lane.snd_sml
    sender.max_snd_wnd = lane.max_snd_wnd
    sender.held_back = lane.held_back
    sender.stalled_since = lane.stalled_since
    sender.timer_set_at = lane.timer_set_at
    if lane.timer_was_set:
        timers.loss_kind = LossTimer.PTO if lane.probes_tail else LossTimer.RTO
    timers.loss = lane.loss
    timers.pace = lane.pace
    flight.last_sent = lane.last_sent
    flight.rto_from = lane.rto_from
    runs = [_sent_run(Sent(*run)) for run in lane.runs]
    board.restore(lane.snd_una, lane.snd_nxt, lane.sends, runs)

    rtt.srtt = lane.srtt
    rtt.rttvar = lane.rttvar
    rtt.rto = lane.rto
    rtt.sample_from = lane.sample_from
    rate.delivered = lane.delivered
    rate.delivered_at = lane.delivered_at
    rate.first_sent_at = lane.first_sent_at
    rate.app_limited = lane.app_limited
    rate.rate = lane.rate
    if lane.delivered_end:
        rtt.latest = lane.delivered_rtt
        recovery = flight.recovery
        if recovery is not NOTHING_MISSING and recovery.rack is not None:
            recovery.rack.note_latest(
                lane.delivered_end, lane.delivered_order, lane.delivered_sent_at, lane.delivered_rtt
            )
    lane.finish()
    usage.cwnd_limited = lane.cwnd_limited
    usage.most = lane.most
    usage.end = lane.usage_end
    usage.peak = lane.peak
    usage.before = lane.peak_before
    usage.until = lane.turn_at

    receiver.rcv_nxt = lane.rcv_nxt
    receiver.right_edge = lane.rcv_edge
    receiver.rmss = lane.rmss
    receiver.give_ready(lane.ready)
    receiver.ready_octets = lane.ready_octets
    receiver.delivered = lane.octets_read
    receiver.ack_due = _DUE[lane.ack_due]
    receiver.ack_why = lane.ack_why
    timers.ack = lane.ack_at
    receiver.last_ack_sent = lane.last_ack_sent
    receiver.unacked_octets = lane.unacked
    receiver.quick_acks = lane.quick_acks
    receiver.last_data = lane.last_data
    receiver.ts_recent = lane.ts_recent
    receiver.ts_recent_at = lane.ts_recent_at
    if lane.wanted:
        receiver.grow(lane.wanted)


def _sent_run(sent: Sent) -> SentRun:
    """Return *sent* as the scoreboard keeps it."""
    run = SentRun(sent.seq, sent.end, sent.sent_at, 1, sent.mss, sent.origin)
    run.order = sent.order
    run.delivered = sent.delivered
    run.delivered_at = sent.delivered_at
    run.first_sent_at = sent.first_sent_at
    run.app_limited = sent.app_limited
    run.tx_in_flight = sent.tx_in_flight
    run.lost_before = sent.lost_before
    return run
