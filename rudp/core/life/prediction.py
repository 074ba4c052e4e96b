"""Header prediction: what a connection that runs well receives, dealt with in one step.

Nearly all segments are the next data in order, or the acknowledgement of something, or both, and
nothing else about them is remarkable; §3.10.7.4 of RFC 9293 asks two dozen questions to find that
out.  Here they are asked at once, as Van Jacobson did in the BSD kernel of 1990.  What passes is
taken as :mod:`rudp.core.life.arrival` would take it; everything else is left to that, untouched.
"""

from rudp.core.life.tcb import READABLE, WRITABLE, Tcb
from rudp.core.receive.receiver import Receiver
from rudp.core.segment.seqnum import SEQ_HALF, SEQ_MASK
from rudp.core.segment.wire import ACK, PSH, Run
from rudp.core.terms.state import State


def as_predicted(tcb: Tcb, receiver: Receiver, run: Run, now: float) -> bool:
    """Process *run* if it is what was to be expected; return whether it was, else do nothing."""
    tsval = run.options.tsval
    recent = receiver.ts_recent
    if (
        tcb.state is not State.ESTABLISHED
        or run.flags | PSH != ACK | PSH
        or tsval is None
        or recent is None
        or (tsval - recent) & SEQ_MASK >= SEQ_HALF  # an old duplicate, perhaps (PAWS)
        or run.options.sack_blocks
        or run.ce
        or not receiver.takes(run)
    ):
        return False
    sender = tcb.sender
    board = sender.board
    una = board.snd_una
    acked = (run.ack - una) & SEQ_MASK
    outstanding = board.snd_nxt - una
    if acked > outstanding or not (acked or run.length):
        return False  # an old acknowledgement, an impossible one, a duplicate or a new window

    tcb.last_heard = now
    seq, seg_ack = receiver.rcv_nxt, una + acked
    tsecr = tcb.tsecr(run, now)
    if run.length and tsecr is not None:
        receiver.note_tsecr(tsecr, now)
    if outstanding:
        sender.on_ack(tcb.around.news.begin(seg_ack, tsecr), now)
        if sender.flight.pmtu_moved:
            tcb.follow_pmtu()
    if sender.update_window(seq, seg_ack, run.window << tcb.snd_shift, now) or acked:
        tcb.events |= WRITABLE
    receiver.note_timestamp(tsval, seq, now)
    if run.length:
        receiver.take(run, now)
        tcb.events |= READABLE
    return True
