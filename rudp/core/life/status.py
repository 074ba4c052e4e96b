"""STATUS: what one connection knows of itself, as a snapshot (RFC 9293 §3.10.6)."""

from rudp.core.life.tcb import Tcb
from rudp.core.segment.ace import FIRST_ACE
from rudp.core.terms.state import State
from rudp.core.watch.info import ConnectionInfo


def status(tcb: Tcb) -> ConnectionInfo:
    """Return a snapshot of the connection whose variables are *tcb*."""
    sender, receiver = tcb.sender, tcb.receiver
    flight = sender.flight
    rtt = flight.rtt
    accurate = tcb.accurate
    return ConnectionInfo(
        state=tcb.state,
        state_since=tcb.history[-1],
        state_times=times(tcb),
        mss=sender.smss,
        pmtu=tcb.pmtu.plpmtu,
        peer_mss=tcb.peer_mss,
        srtt=rtt.srtt,
        rttvar=rtt.rttvar if rtt.srtt is not None else None,
        min_rtt=rtt.min_rtt,
        rto=rtt.rto,
        cwnd=flight.window,
        ssthresh=flight.controller.ssthresh,
        snd_wnd=sender.snd_wnd,
        rcv_wnd=receiver.rcv_wnd if receiver is not None else 0,
        receive_buffer=receiver.receive_buffer
        if receiver is not None
        else tcb.config.receive_buffer,
        rcv_rtt=receiver.autotune.rtt if receiver is not None else None,
        in_flight=flight.board.in_flight,
        unacked=sender.flight_size,
        unsent=sender.unsent,
        unread=receiver.ready_octets if receiver is not None else 0,
        lost=flight.board.lost.octets,
        lost_total=flight.rate.lost,
        resent=flight.octets_resent,
        dsacks=flight.dsacks,
        undone=flight.undone,
        reordering_seen=flight.reordering_seen,
        delivery_rate=flight.rate.rate,
        pacing_rate=flight.pacing_rate(),
        bytes_sent=min(max(sender.snd_nxt - sender.iss - 1, 0), sender.buffer.end - sender.iss - 1),
        bytes_acked=max(sender.snd_una - sender.iss - 1 - sender.fin_acked, 0),
        bytes_received=(
            receiver.rcv_nxt - receiver.irs - 1 - receiver.fin_received if receiver else 0
        ),
        segments_in=tcb.segments_in,
        segments_out=tcb.segments_out,
        backoffs=rtt.backoffs,
        sack=receiver is not None and receiver.sack,
        timestamps=tcb.timestamps,
        window_scaling=tcb.scaling,
        snd_shift=tcb.snd_shift,
        rcv_shift=receiver.shift if receiver is not None else 0,
        congestion=type(flight.controller).__name__,
        key_ids=None if tcb.guard is None else tcb.guard.key_ids,
        moves=None if tcb.roaming is None else tcb.roaming.moves,
        fast_open=tcb.fast_open is not None and tcb.fast_open.used,
        ecn=tcb.ecn,
        ecn_feedback="none" if tcb.feedback is None else tcb.feedback.value,
        ecn_fallback=None if accurate is None else accurate.marked.reason,
        delivered_ce=0 if accurate is None else accurate.marked.ce - FIRST_ACE,
        ce_received=receiver.ce_received if receiver is not None else 0,
        ece_received=0 if flight.marks is None else flight.marks.received,
        soft_error=tcb.soft_error,
    )


def times(tcb: Tcb) -> dict[State, float]:
    """Return how long the connection was in each state that it has left."""
    states, since = tcb.history[::2], tcb.history[1::2]
    times: dict[State, float] = {}
    for state, came, left in zip(states, since, since[1:], strict=False):
        times[state] = times.get(state, 0.0) + left - came
    return times
