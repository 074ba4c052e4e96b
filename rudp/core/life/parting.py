"""CLOSE and ABORT (RFC 9293 §3.10.4, §3.10.5): how a user leaves a connection, and what goes first.

A reset takes from the peer what it has not got yet.  So one that is due while octets of ours are
under way is noted as the connection's last word, and is said when they have left, or better, have
arrived.
"""

from rudp.core.life.tcb import LastWord, Tcb, aborted
from rudp.core.terms.state import Cause, State
from rudp.core.terms.why import Why


def owe_last_word(tcb: Tcb, why: Why, now: float) -> None:
    """A RST is due once what was written has gone; if the peer takes none of it, all the same.

    A peer that writes and does not read would otherwise wait for us, and we for it, for ever.
    """
    tcb.last_word = LastWord(why, tcb.sender.snd_una)
    tcb.timers.idle = now + tcb.config.fin_wait2_timeout


def say_last_word(tcb: Tcb, now: float) -> bool:
    """Reset, if what goes before it has been sent (an abort) or has arrived; return whether."""
    assert tcb.last_word is not None
    why = tcb.last_word.why
    abort = why is Why.RST_ABORT
    due = not tcb.sender.unsent if abort else tcb.sender.data_acked
    if due:
        tcb.kill(why, aborted() if abort else None, now)
    return due


def watch_last_word(tcb: Tcb, now: float) -> None:
    """Reset if nothing was acknowledged for the time that FIN-WAIT-2 may last, else wait on."""
    assert tcb.last_word is not None
    why, una = tcb.last_word
    if tcb.sender.snd_una != una:
        owe_last_word(tcb, why, now)
    else:
        tcb.owe_reset(why)
        tcb.die(aborted(), now)


def shutdown(tcb: Tcb, now: float) -> None:
    """CLOSE of our half: FIN follows what is queued, and reading goes on.  Idempotent."""
    if tcb.is_closing or tcb.state is State.CLOSED:
        return
    if tcb.state is State.SYN_SENT:
        tcb.die(aborted(), now)  # no segment (RFC 9293 §3.10.4); a late SYN,ACK finds nobody
        return
    tcb.sender.fin_seq = tcb.sender.buffer.end
    tcb.move(Cause.CLOSE, now)


def close(tcb: Tcb, now: float) -> None:
    """CLOSE, and nobody will read any more (MAY-1).  Idempotent.

    Octets that were received and not read make it a RST, so that the peer learns that they are
    lost (RFC 9293 §3.6.1, MUST-12); so does what it sends later.  The RST waits until the peer has
    all that we have written.
    """
    receiver = tcb.receiver
    if not tcb.reading or tcb.state is State.CLOSED:
        return
    if receiver is not None and receiver.ready_octets:
        if tcb.sender.data_acked:
            tcb.kill(Why.RST_DATA_UNREAD, None, now)
        else:
            tcb.reading = False
            owe_last_word(tcb, Why.RST_DATA_UNREAD, now)
        return
    tcb.reading = False
    if receiver is not None:
        receiver.discard()
    shutdown(tcb, now)
    if tcb.state is State.FIN_WAIT_2:
        tcb.timers.idle = now + tcb.config.fin_wait2_timeout


def abort(tcb: Tcb, now: float) -> None:
    """ABORT: everything queued is forgotten and the peer gets a RST (ST-6)."""
    if tcb.state is not State.CLOSED:
        tcb.kill(Why.RST_ABORT, aborted(), now)


def let_go(tcb: Tcb, broken: bool, now: float) -> None:
    """End it without waiting for a window: ABORT, as far as something is lost by it.

    What the windows let go now is still sent.  If something is dropped, octets of ours or unread
    ones of the peer's, or if it is *broken* in a way that only the user knows of, a RST follows;
    else it is :func:`close`.
    """
    receiver, sender = tcb.receiver, tcb.sender
    sender.held_back = 0
    tcb.was_let_go = True
    if receiver is None or not (tcb.syn_acked or tcb.is_early):
        abort(tcb, now)
    elif tcb.state is State.CLOSED:
        pass
    elif sender.cut() or broken or (tcb.reading and receiver.ready_octets):
        tcb.reading = False
        owe_last_word(tcb, Why.RST_ABORT, now)
    else:
        close(tcb, now)


def leave(tcb: Tcb, now: float) -> None:
    """Deliver what was written, then reset: the program ends, and the user has not closed.

    A half that the user has closed ends in order.
    """
    if tcb.receiver is None or not (tcb.syn_acked or tcb.is_early):
        abort(tcb, now)
    elif tcb.sender.fin_seq is not None:
        close(tcb, now)
    elif tcb.last_word is None and tcb.state is not State.CLOSED:
        tcb.sender.held_back = 0  # a writer that was paused will not go on
        tcb.reading = False
        owe_last_word(tcb, Why.RST_PROGRAM_ENDS, now)
