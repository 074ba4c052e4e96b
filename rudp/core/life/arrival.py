"""SEGMENT ARRIVES (RFC 9293 §3.10.7), in the RFC's order, step by step.

This is the specification of how a connection reacts to a segment: SYN-SENT here, the other
states from §3.10.7.4 on; CLOSED and LISTEN belong to the table and the listener, TIME-WAIT to its
record.  Each step either passes the segment on or ends the matter.  Nothing is sent from here:
steps note what is owed (an ACK, a RST) and the connection sends it when the batch is done.
"""

from collections.abc import Sequence

from rudp.core.life import marking, parting
from rudp.core.life.errors import open_refused, reset_by_peer
from rudp.core.life.progress import FirstWord
from rudp.core.life.tcb import (
    ACKED_FIN,
    AMPLIFICATION,
    EOF,
    READABLE,
    URGENT,
    WRITABLE,
    Opened,
    Tcb,
)
from rudp.core.receive.receiver import Receiver
from rudp.core.segment.options import SynOptions
from rudp.core.segment.seqnum import from_wire
from rudp.core.segment.transmit import CE
from rudp.core.segment.wire import ACK, CWR, ECE, FIN, RST, SYN, URG, Run
from rudp.core.terms.counters import Count
from rudp.core.terms.feedback import Feedback
from rudp.core.terms.state import Cause, State
from rudp.core.terms.timers import OFF
from rudp.core.terms.why import Why

_TAKES_DATA = frozenset({State.ESTABLISHED, State.FIN_WAIT_1, State.FIN_WAIT_2})


def segment_arrives(tcb: Tcb, run: Run, now: float) -> None:
    """Process *run*, which came for the connection *tcb*."""
    tcb.segments_in += run.segments
    witness = tcb.witness
    if witness is not None:
        witness.received(tcb.state, run, now)
    if tcb.credit is not None:
        tcb.credit += AMPLIFICATION * run.size
    receiver = tcb.receiver
    if tcb.state is State.SYN_SENT or (run.flags & SYN and _belies_crossing_syn(tcb, run)):
        _syn_sent(tcb, run, now)
    elif receiver is None or tcb.state is State.CLOSED:
        pass
    else:
        _otherwise(tcb, receiver, run, now)
    if tcb.dropped is not None or tcb.tracer is not None:  # else there is nothing to tell
        if witness is not None:
            witness.processed(run, tcb.dropped, now)
        tcb.dropped = None


def _syn_sent(tcb: Tcb, run: Run, now: float) -> None:
    """§3.10.7.3."""
    sender = tcb.sender
    flags = run.flags
    seg_ack = from_wire(run.ack, sender.snd_una)

    # First, the ACK bit: does it acknowledge our SYN, and data that went with it?
    if flags & ACK and not (sender.iss < seg_ack <= sender.snd_nxt or _acks_early_data(tcb, run)):
        if not flags & RST:
            tcb.refuse_ack(run.ack)
            if not flags & SYN and not tcb.syn_hurried:
                # The RST ends what is left of a connection that we have forgotten, from the same
                # ports, so the SYN finds its way now.  Once for each time-out: it may be forged.
                tcb.syn_hurried = True
                tcb.syn_due = Why.RETRANSMIT_SYN_CHALLENGED
        tcb.drop(Count.ACK_UNACCEPTABLE)
        return

    # Second, the RST bit: with an acceptable ACK it refuses us, without one it proves nothing.
    if flags & RST:
        if flags & ACK and tcb.offers is Feedback.CLASSIC:
            tcb.offers = Feedback.NONE  # perhaps it was these bits that are not liked (ECN-7)
            tcb.syn_due = Why.RETRANSMIT_WITHOUT_ECN
        elif flags & ACK:
            tcb.die(open_refused(), now)
        else:
            tcb.drop(Count.RST_IGNORED)
        return

    # Third is security: none here.  Fourth, the SYN bit; fifth, neither SYN nor RST: drop.
    if not flags & SYN:
        tcb.drop(Count.UNACCEPTABLE)
        return
    receiver = tcb.meet(run.seq, run.options, now)
    tcb.last_heard = now
    if flags & ACK:
        marking.answer_came(tcb, receiver, run, now)
        tsecr = tcb.tsecr(run, now)
        if tcb.fast_open is not None:
            _heed_fast_open(tcb, run, seg_ack, now)
        sender.on_ack(tcb.around.news.begin(seg_ack, tsecr), now)
        tcb.syn_due = None
        known = tcb.state is State.SYN_RECEIVED
        tcb.move(Cause.RCV_ACK_OF_SYN if known else Cause.RCV_SYN_ACK, now)
        tcb.first_word = FirstWord(now)
        # The window of a SYN is not scaled.
        tcb.establish(run.window, receiver.irs, seg_ack, tsecr, now)
        marking.settled(tcb, now)
        receiver.syn_window_field()
        receiver.ack_now(Why.ACK_OF_SYN)
        _data_and_fin(tcb, receiver, run, receiver.irs + 1, now)
        return
    # Simultaneous open: our SYN crossed theirs (§3.5, Figure 7).
    marking.syn_came(tcb, receiver, run, now)
    tcb.move(Cause.RCV_SYN, now)
    sender.snd_wnd = sender.max_snd_wnd = run.window
    sender.snd_wl1 = receiver.irs
    tcb.syn_due = Why.SYN_ANSWERED
    receiver.syn_window_field()
    if run.length:
        receiver.accept(receiver.irs + 1, run, now)


def _belies_crossing_syn(tcb: Tcb, run: Run) -> bool:
    """Return whether *run* answers our SYN, and another SYN than the one we took for the peer's.

    A bare SYN proves nothing about its sender, and may be old or forged; SYN,ACK with the number
    after our ISS comes from somebody who has seen our SYN (decision 23).
    """
    return (
        tcb.state is State.SYN_RECEIVED
        and tcb.opened is Opened.ACTIVE
        and run.flags & (SYN | RST) == SYN
        and _acks_our_syn(tcb, run)
        and tcb.receiver is not None
        and from_wire(run.seq, tcb.receiver.irs) != tcb.receiver.irs
    )


def _otherwise(tcb: Tcb, receiver: Receiver, run: Run, now: float) -> None:
    """§3.10.7.4: every state from SYN-RECEIVED to LAST-ACK."""
    flags = run.flags
    seq = from_wire(run.seq, receiver.rcv_nxt)
    length = run.length + (flags & SYN and 1) + (flags & FIN and 1)

    # Before all else, timestamps: is this an old duplicate? (RFC 7323 §5.3, R1)
    if tcb.timestamps and not flags & RST:
        tsval = run.options.tsval
        if tsval is None:
            tcb.drop(Count.TIMESTAMP_MISSING, run.segments)
            return
        if receiver.is_old(tsval, receiver.may_be_late(seq, run.length), now):
            bare = not length and flags & ACK and seq == receiver.rcv_nxt
            if bare and run.options.sack_blocks and not receiver.is_old(tsval, True, now):
                _overtaken(tcb, run, now)  # Linux makes an exception for such, too (decision 20)
                return
            tcb.drop(Count.PAWS, run.segments)
            # Most often it is an original that comes after the copy that was sent for nothing.
            if length and not flags & SYN and seq + length <= receiver.rcv_nxt:
                receiver.note_duplicates(seq, seq + length, run.segments)
            tcb.answer(not length, now)
            return

    # First, the sequence number.  A SYN that comes again is known by its own, data or not.
    repeated = flags & (SYN | RST) == SYN and not tcb.syn_acked and seq == receiver.irs
    if repeated and not flags & ACK:
        tcb.syn_due = Why.RETRANSMIT_SYN  # the peer lacks our SYN,ACK
        marking.syn_came(tcb, receiver, run, now)  # it may have given up on ECN meanwhile
        return
    if repeated and _ends_simultaneous_open(tcb, run):
        marking.answer_came(tcb, receiver, run, now)
        flags = ACK
        if tcb.state is State.CLOSED:
            return
    elif not receiver.is_acceptable(seq, length):
        flags = _unacceptable(tcb, receiver, run, seq, length, now)
        if not flags:
            return
    tcb.last_heard = now

    # Second, the RST bit; only the exact number counts (RFC 5961 §3.2).
    if flags & RST:
        if not receiver.is_acceptable(seq, 0):
            tcb.drop(Count.RST_IGNORED)  # its data reaches into the window, it does not
        elif seq != receiver.rcv_nxt:
            tcb.challenge(now)
        elif tcb.state is State.SYN_RECEIVED and tcb.opened is Opened.PASSIVE:
            tcb.fail_to_open(reset_by_peer(), now)
        elif tcb.state is State.SYN_RECEIVED and not _acks_our_syn(tcb, run):
            tcb.drop(Count.RST_IGNORED)
            tcb.forget_peer(now)  # whoever sent the SYN that crossed ours knows this number too
        elif tcb.state is State.SYN_RECEIVED:
            tcb.die(open_refused(), now)
        else:
            # Once all we sent is acknowledged and nobody reads, the user has let go.
            let_go = tcb.sender.fin_acked and not tcb.reading
            tcb.die(None if let_go else reset_by_peer(), now)
        return

    # Fourth, the SYN bit (RFC 5961 §4.2).
    if flags & SYN:
        if tcb.state is State.SYN_RECEIVED and tcb.opened is Opened.PASSIVE:
            tcb.fail_to_open(reset_by_peer(), now)
        else:
            tcb.challenge(now)
        return

    # Fifth, the ACK field.  Without ACK the segment says nothing.
    if not flags & ACK:
        tcb.drop(Count.ACK_MISSING, run.segments)
        return
    if not _ack_field(tcb, run, seq, now):
        return
    if tcb.accurate is not None and not run.flags & SYN:
        marking.count(tcb, tcb.accurate, receiver, run)
    # Only now: a forged TS.Recent would make PAWS drop everything that the peer sends, and the
    # numbers of ACK are as hard to guess as those of SEQ.
    if tcb.timestamps and run.options.tsval is not None:
        receiver.note_timestamp(run.options.tsval, seq, now)

    # Sixth, seventh, eighth: URG, data, FIN.
    _data_and_fin(tcb, receiver, run, seq, now)


def _ends_simultaneous_open(tcb: Tcb, run: Run) -> bool:
    """Return whether *run*, a repeated SYN with ACK, is the peer's answer to our crossing SYN.

    It repeats the SYN that we have, so the window test fails by one; its ACK is what Figure 7
    expects to establish us.
    """
    return tcb.opened is Opened.ACTIVE and not run.length and _acks_our_syn(tcb, run)


def _acks_our_syn(tcb: Tcb, run: Run) -> bool:
    """Return whether *run* acknowledges our SYN, of whose number only the peer can know."""
    seg_ack = from_wire(run.ack, tcb.sender.snd_una)
    its_own = seg_ack == tcb.sender.snd_nxt or _acks_early_data(tcb, run)
    return bool(run.flags & ACK) and its_own


def _acks_early_data(tcb: Tcb, run: Run) -> bool:
    """Return whether *run* acknowledges data that has gone with our SYN (RFC 7413 §4.2.1)."""
    fast_open = tcb.fast_open
    return fast_open is not None and fast_open.is_acked_by(run.ack, tcb.sender.snd_una)


def _heed_fast_open(tcb: Tcb, run: Run, seg_ack: int, now: float) -> None:
    """The answer to our SYN is here: keep its cookie, and see what it took of our data."""
    fast_open, opts = tcb.fast_open, run.options
    assert fast_open is not None
    fast_open.heed(opts.fast_open if isinstance(opts, SynOptions) else None, tcb.peer_mss)
    if seg_ack > tcb.sender.snd_nxt:
        fast_open.used = True
        tcb.sender.early_data_taken(seg_ack, now)


def _unacceptable(tcb: Tcb, receiver: Receiver, run: Run, seq: int, length: int, now: float) -> int:
    """Deal with a segment outside the window; return the flags that are to be heeded all the same.

    0 means: drop it.
    """
    flags = run.flags
    if flags & RST:
        if seq == receiver.rcv_nxt:
            return flags  # it carries data for which there is no room (MUST-66, SHLD-2)
        tcb.drop(Count.RST_IGNORED)
        return 0
    if not receiver.rcv_wnd and seq == receiver.rcv_nxt and not flags & SYN:
        # The window is shut: the data is refused, but ACK and URG count (MUST-66).
        receiver.ack_now(Why.ACK_WINDOW_SHUT)
        return flags
    tcb.drop(Count.UNACCEPTABLE, run.segments)
    if flags & (SYN | ACK) == SYN | ACK and tcb.accurate is not None and seq == receiver.irs:
        marking.answered(tcb.accurate, run)
    if length and not flags & SYN and seq + length <= receiver.rcv_nxt:
        receiver.note_duplicates(seq, seq + length, run.segments)
    tcb.answer(not length or bool(flags & SYN), now)
    if (
        tcb.sender.has_filled_window
        and flags & (ACK | SYN) == ACK
        and not length
        and receiver.just_missed_by(seq)
    ):
        # Our own ACKs may miss the peer's window as well, and one of us must hear (RFC 9293 A.2).
        _ack_field(tcb, run, seq, now)
    return 0


def _ack_field(tcb: Tcb, run: Run, seq: int, now: float) -> bool:
    """The fifth step; return whether to go on with the segment."""
    sender = tcb.sender
    una, nxt = sender.snd_una, sender.snd_nxt
    seg_ack = from_wire(run.ack, una)
    window = run.window << tcb.snd_shift if not run.flags & SYN else run.window
    tsecr = tcb.tsecr(run, now)

    early = False
    if una == sender.iss:  # SYN-RECEIVED, or FIN-WAIT-1 after CLOSE in SYN-RECEIVED
        if not (una < seg_ack <= nxt or _acks_early_data(tcb, run)):
            tcb.drop(Count.ACK_UNACCEPTABLE)
            tcb.refuse_ack(run.ack)
            return False
        early = tcb.is_early
        if tcb.fast_open is not None and not early:
            _heed_fast_open(tcb, run, seg_ack, now)
        sender.on_ack(tcb.around.news.begin(una + 1 if early else seg_ack, tsecr), now)
        if tcb.state is State.SYN_RECEIVED:
            tcb.move(Cause.RCV_ACK_OF_SYN, now)
        tcb.syn_due = None
        if not run.flags & SYN:
            marking.handshake_over(tcb, run, now)
        if not early:
            tcb.establish(window, seq, seg_ack, tsecr, now)
            marking.settled(tcb, now)
            if tcb.receiver is not None and tcb.receiver.ready_octets:
                tcb.events |= READABLE
            return True
        # The answer to what came with the SYN is under way, and may be acknowledged as well.
        marking.settled(tcb, now)
        tcb.believe(now)
        una = sender.snd_una
        if seg_ack == una:
            sender.update_window(seq, seg_ack, window, now)
            return True

    if seg_ack > nxt or seg_ack < una - sender.max_snd_wnd:  # RFC 5961 §5.2
        tcb.drop(Count.ACK_UNACCEPTABLE, run.segments)
        tcb.answer(not run.length and not run.flags & FIN, now)
        return False
    if tsecr is not None and run.length and tcb.receiver is not None:
        tcb.receiver.note_tsecr(tsecr, tcb.receiver.rcv_nxt, now)
    if seg_ack < una:
        _overtaken(tcb, run, now)
        return True  # old news, but its data may be new

    news = tcb.around.news.begin(seg_ack, tsecr)
    if run.options.sack_blocks and tcb.receiver is not None and tcb.receiver.sack:
        news.sack_blocks, news.dsack = _sack_news(tcb, run.options.sack_blocks, seg_ack)
    news.duplicate = (
        seg_ack == una
        and una < nxt
        and not run.length
        and not run.flags & FIN
        and window == sender.snd_wnd
    )
    if tcb.accurate is None:
        news.ece = tcb.ecn and bool(run.flags & ECE)
    elif not run.flags & SYN and not (early and not run.length):  # that told of our SYN,ACK
        marking.heed(tcb, tcb.accurate, run, news, now)
    had_acked_fin = sender.fin_acked
    acked = sender.on_ack(news, now)
    if sender.flight.pmtu_moved:
        tcb.follow_pmtu()
    if sender.update_window(seq, seg_ack, window, now) or acked:
        tcb.events |= WRITABLE
    if sender.fin_acked and not had_acked_fin:
        sender.end()
        tcb.events |= ACKED_FIN
        tcb.move(Cause.RCV_ACK_OF_FIN, now)
        if tcb.state is State.CLOSED:
            tcb.bury(None)
            return False
        if tcb.state is State.TIME_WAIT:
            tcb.timers.stop()
        elif not tcb.reading:
            tcb.timers.idle = now + tcb.config.fin_wait2_timeout
    return True


def _overtaken(tcb: Tcb, run: Run, now: float) -> None:
    """Take from an acknowledgement that another has overtaken what it SACKs, and nothing else.

    The later one need not say the same: any ACK counts (RFC 6675 §5, RFC 2883 §4).
    """
    sender = tcb.sender
    una = sender.snd_una
    seg_ack = from_wire(run.ack, una)
    if (
        not run.options.sack_blocks
        or tcb.receiver is None
        or not tcb.receiver.sack
        or una == sender.iss
        or not una - sender.max_snd_wnd <= seg_ack <= una
    ):
        return
    blocks, dsack = _sack_news(tcb, run.options.sack_blocks, seg_ack)
    blocks = [(max(left, una), right) for left, right in blocks if right > una]
    if blocks or dsack is not None:
        news = tcb.around.news.begin(una, None)
        news.sack_blocks, news.dsack = blocks, dsack
        sender.on_ack(news, now)
        if sender.flight.pmtu_moved:
            tcb.follow_pmtu()


def _sack_news(
    tcb: Tcb, wire_blocks: Sequence[tuple[int, int]], seg_ack: int
) -> tuple[list[tuple[int, int]], tuple[int, int] | None]:
    """Return the blocks that make sense, as growing numbers, and the duplicate they report (M-11).

    A duplicate is a first block that lies below SEG.ACK or inside the second (SB-2).
    """
    sender = tcb.sender
    nxt = sender.snd_nxt
    blocks = []
    dsack = None
    for n, (left_bits, right_bits) in enumerate(wire_blocks):
        left = from_wire(left_bits, seg_ack)
        right = from_wire(right_bits, seg_ack)
        if seg_ack < left < right <= nxt:
            blocks.append((left, right))
        elif n == 0 and max(seg_ack - sender.max_snd_wnd, sender.iss) < left < right <= seg_ack:
            dsack = left, right
        elif not left < right <= seg_ack:
            tcb.count(Count.SACK_INVALID)
    if len(blocks) > 1 and len(blocks) == len(wire_blocks):
        (left, right), (around_left, around_right) = blocks[:2]
        if around_left <= left and right <= around_right:
            return blocks[1:], (left, right)
    return blocks, dsack


def _data_and_fin(tcb: Tcb, receiver: Receiver, run: Run, seq: int, now: float) -> None:
    """The sixth step to the eighth: the urgent pointer, the data, the FIN."""
    flags = run.flags
    if tcb.state not in _TAKES_DATA:
        return

    if flags & URG:
        rcv_up = seq + run.urgent
        consumed = receiver.rcv_nxt - receiver.ready_octets
        if rcv_up > max(receiver.rcv_up, consumed):  # what was read is not urgent any more (M-15)
            receiver.rcv_up = rcv_up
            tcb.events |= URGENT

    if run.length:
        if not tcb.reading and seq + run.length > receiver.rcv_nxt:
            # Nobody will read this any more, and the peer must learn that it is lost (SHLD-3), but
            # not lose what we have written by that.
            if tcb.sender.data_acked:
                tcb.owe_reset(Why.RST_NOBODY_READS)
                tcb.die(None, now)
            else:
                if tcb.last_word is None:
                    parting.owe_last_word(tcb, Why.RST_NOBODY_READS, now)
                tcb.drop(Count.NOT_READ, run.segments)
            return
        if not receiver.accept(seq, run, now):
            tcb.drop(Count.REASSEMBLY_OVERFLOW)
        if receiver.ecn:
            receiver.note_marks(run.segments if run.ecn == CE else 0, bool(flags & CWR))
        if receiver.ready_octets:
            tcb.events |= READABLE

    if flags & FIN:
        fin_seq = seq + run.length
        if fin_seq < receiver.right_edge:
            receiver.note_fin(fin_seq)
            if fin_seq > receiver.rcv_nxt and not run.length:
                # Its data, if there is any, has seen to that.
                receiver.ack_now(Why.ACK_OUT_OF_ORDER)
    if receiver.take_fin():
        tcb.events |= EOF
        tcb.move(Cause.RCV_FIN, now)
        if tcb.state is State.TIME_WAIT:
            tcb.timers.stop()
        elif tcb.state is not State.CLOSE_WAIT:
            tcb.timers.idle = OFF
