"""TIMEOUTS (RFC 9293 §3.10.8): what becomes of a connection when one of its deadlines has passed.

As with the arrival of a segment, nothing is sent from here: what is owed (a SYN, a probe, a RST) is
noted in the TCB, and the connection sends it when it is asked next.
"""

from typing import Final

from rudp.core.life import marking
from rudp.core.life.errors import timed_out
from rudp.core.life.parting import watch_last_word
from rudp.core.life.progress import SYN_MAX_RTO
from rudp.core.life.tcb import KEEP_ALIVE_PROBE, WINDOW_PROBE, Opened, Tcb
from rudp.core.segment.options import PathWord
from rudp.core.terms.state import State
from rudp.core.terms.timers import DELAYED_ACK, IDLE, OFF, LossTimer
from rudp.core.terms.why import Why

SYN_ACK_RETRIES: Final = 5
"""SYN,ACK retransmissions; a half-open child is dropped after 63 s (FAIL-4)."""


def timers_expire(tcb: Tcb, now: float) -> None:
    """Do what is due for *tcb* at *now*."""
    timers = tcb.timers
    if timers.patience <= now:
        tcb.watch_progress(now)
    if timers.ack <= now and tcb.receiver is not None:
        tcb.fired(DELAYED_ACK, now)
        tcb.receiver.on_ack_timeout()
    if timers.pace <= now:
        timers.pace = OFF
    if timers.loss <= now:
        timers.loss = OFF
        tcb.fired(timers.loss_kind.value, now)
        _loss_timeout(tcb, now)
    if timers.idle <= now:
        timers.idle = OFF
        tcb.fired(IDLE, now)
        _idle_timeout(tcb, now)


def _loss_timeout(tcb: Tcb, now: float) -> None:
    sender = tcb.sender
    if not tcb.syn_acked:
        _syn_timeout(tcb, now)
        return
    if sender.gave_up(now):
        # A courtesy; nothing more is said if it is lost.
        tcb.owe_reset(Why.RST_USER_TIMEOUT)
        tcb.die(tcb.timed_out(), now)
        return
    kind = tcb.timers.loss_kind
    if kind is LossTimer.PERSIST:
        tcb.probes_due |= WINDOW_PROBE
        return
    if kind is LossTimer.REORDERING:
        sender.on_reordering_timeout(now)
    elif kind is LossTimer.PTO:
        sender.on_probe_timeout(now)
    else:
        _retransmission_timeout(tcb, now)
    if sender.flight.pmtu_moved:
        tcb.follow_pmtu()


def _retransmission_timeout(tcb: Tcb, now: float) -> None:
    sender = tcb.sender
    sender.on_retransmission_timeout(now)
    if sender.is_troubled:  # R1: tell the user, the connection goes on (SHLD-9)
        tcb.report(timed_out())
        if tcb.roaming is not None:  # is it that the peer does not know from where we speak?
            tcb.roaming.owe(PathWord.TOKEN, None, tcb.roaming.token)
        # From R1 on each time-out tries a smaller size: its wait has doubled three times (PMTU-9).
        if sender.snd_wnd:
            sender.flight.suspect_size(now)


def _syn_timeout(tcb: Tcb, now: float) -> None:
    passive = tcb.opened is Opened.PASSIVE
    retries = SYN_ACK_RETRIES if passive else tcb.config.syn_retries
    # Time-outs count, not transmissions: a peer that repeats its SYN, or one whose SYN has paid
    # for no more answers, makes the two differ.
    if tcb.sender.flight.rtt.backoffs >= retries:
        if passive:
            tcb.fail_to_open(tcb.timed_out(), now)
        else:
            tcb.die(tcb.timed_out(), now)
        return
    tcb.sender.on_syn_timeout(now)
    if tcb.fast_open is not None:
        tcb.fast_open.unanswered(now)
    marking.offer_less(tcb)
    tcb.syn_due = Why.RETRANSMIT_RTO
    tcb.syn_hurried = False
    tcb.timers.loss = now + min(tcb.sender.flight.rtt.rto, SYN_MAX_RTO)


def _idle_timeout(tcb: Tcb, now: float) -> None:
    if tcb.last_word is not None:
        watch_last_word(tcb, now)
        return
    if not tcb.reading and tcb.state is State.FIN_WAIT_2:
        tcb.die(None, now)  # ST-46: the peer had its time to close
        return
    keepalive = tcb.keepalive
    if keepalive is None or not keepalive.on:
        return
    due = tcb.last_heard + keepalive.idle
    probes = keepalive.unanswered(tcb.last_heard)
    if tcb.sender.flight_size or (not probes and now < due):
        # Something was heard, or the retransmission timer finds out by itself (KA-2).
        tcb.timers.idle = max(due, now + keepalive.interval) if now >= due else due
        return
    if probes >= keepalive.count:
        tcb.owe_reset(Why.RST_KEEP_ALIVE)
        tcb.die(tcb.timed_out(), now)
        return
    keepalive.probe(tcb.last_heard, now)
    tcb.probes_due |= KEEP_ALIVE_PROBE
    tcb.timers.idle = now + keepalive.interval
