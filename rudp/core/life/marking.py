"""ECN in the life of a connection: agreed on with the SYNs, told of by all else (RFC 9768, 3168).

The rooms of :mod:`rudp.core.ecn` know what words and counters mean; here is when they are asked.
Once an end has settled on a kind of feedback it keeps to it, whatever SYNs come later.
"""

from typing import Final

from rudp.core.congestion.controller import Signal
from rudp.core.ecn.accurate import Accurate
from rudp.core.life.errors import aborted
from rudp.core.life.tcb import Opened, Tcb
from rudp.core.receive.receiver import Receiver
from rudp.core.segment import ace
from rudp.core.segment.ace import FIRST_ACE, SEEN, arrived_changed, bits, word
from rudp.core.segment.transmit import CE, ECT_0
from rudp.core.segment.wire import ACK, CWR, ECE, Run
from rudp.core.send.news import News
from rudp.core.terms.counters import Count
from rudp.core.terms.feedback import Fallback, Feedback
from rudp.core.terms.why import Why

ACCURATE_SYNS: Final = 2
"""SYNs, and SYN,ACKs, that speak of accurate feedback before one goes without (§3.1.4)."""

_MARKED_SYN: Final = 0b110


def first_offer(tcb: Tcb) -> Feedback:
    """Return what our first SYN asks for."""
    if not tcb.around.ecn_capable or tcb.opened is not Opened.ACTIVE:
        return Feedback.NONE
    if tcb.config.ecn == "accurate":
        return Feedback.ACCURATE
    return Feedback.CLASSIC if tcb.config.ecn in ("classic", "on") else Feedback.NONE


def offer_less(tcb: Tcb) -> None:
    """A SYN was not answered: ask for the same once more if it was accurate, else for nothing.

    There are middleboxes that drop what they do not know (AECN-3, ECN-7).
    """
    if tcb.offers is not Feedback.ACCURATE or tcb.syn_transmissions >= ACCURATE_SYNS:
        tcb.offers = Feedback.NONE


def offer_bits(tcb: Tcb) -> int:
    """Return the flags with which our SYN makes its offer."""
    if tcb.offers is Feedback.ACCURATE:
        return bits(ace.ACCURATE_OFFER)
    return ECE | CWR if tcb.offers is Feedback.CLASSIC else 0


# -- settling --------------------------------------------------------------------------------------


def syn_came(tcb: Tcb, receiver: Receiver, syn: Run, now: float) -> None:
    """A SYN without ACK is for us: in LISTEN, as a crossing one, or again (§3.1.2 to §3.1.5)."""
    asked = _asked(tcb, syn.flags)
    if tcb.feedback is None:
        _settle(tcb, receiver, asked, now)
    elif asked is not tcb.feedback and Feedback.NONE not in (asked, tcb.feedback):
        reset(tcb, now)
        return
    if tcb.accurate is not None:
        tcb.accurate.syn_ecn = syn.ecn
        if asked is Feedback.NONE:
            fall_back(tcb, Fallback.PLAIN_SYN, now)
    elif tcb.feedback is Feedback.CLASSIC:
        active = tcb.opened is Opened.ACTIVE
        tcb.ecn = asked is Feedback.CLASSIC and (not active or tcb.offers is not Feedback.NONE)


def _asked(tcb: Tcb, flags: int) -> Feedback:
    """Return what a SYN asks for, as far as we are ready for it."""
    if not tcb.around.ecn_capable:
        return Feedback.NONE
    if tcb.opened is Opened.ACTIVE and first_offer(tcb) is Feedback.NONE:
        return Feedback.NONE  # the peer has seen a plain SYN from us
    return ace.asks_for(flags, tcb.config.ecn)


def answer_came(tcb: Tcb, receiver: Receiver, run: Run, now: float) -> None:
    """SYN,ACK answers our SYN: what it says settles the matter (§3.1.2)."""
    offered = first_offer(tcb)
    answer = Feedback.NONE
    if offered is Feedback.ACCURATE:
        answer = ace.accepted(run.flags)
    elif offered is Feedback.CLASSIC:
        answer = ace.accepted_classic(run.flags)
    crossed = tcb.feedback is not None
    if not crossed:
        _settle(tcb, receiver, answer, now)
    elif answer is not tcb.feedback and Feedback.NONE not in (answer, tcb.feedback):
        reset(tcb, now)
        return
    if tcb.feedback is Feedback.CLASSIC:
        # If we have taken the offer back, the peer may not have seen that: its marks are answered,
        # but our own data goes without (ECN-7).
        tcb.ecn = answer is Feedback.CLASSIC and tcb.offers is not Feedback.NONE
    if tcb.accurate is not None and answer is Feedback.ACCURATE:
        answered(tcb.accurate, run)
        if crossed:
            tcb.accurate.reflects = None  # our SYN,ACK was the acknowledgement
        if arrived_changed(word(run.flags), 0):
            fall_back(tcb, Fallback.HANDSHAKE_MANGLED, now)
        tcb.syn_marked = tcb.syn_marked or word(run.flags) == _MARKED_SYN
        tcb.accurate.marked.first_option(run.options.accurate_ecn)


def answered(accurate: Accurate, run: Run) -> None:
    """A SYN,ACK has come, for the first time or again: a pure ACK tells how (§3.2.2.1, AECN-4)."""
    accurate.reflects = run.ecn
    if run.ecn == CE and accurate.counts.ce == FIRST_ACE:
        accurate.counts.ce += 1  # once, however many there are


def handshake_over(tcb: Tcb, run: Run, now: float) -> None:
    """The ACK of our SYN,ACK has come: what does it tell of that?  (Table 4, AECN-4)"""
    accurate = tcb.accurate
    if accurate is None:
        return
    marked, said = accurate.marked, word(run.flags)
    marked.first_option(run.options.accurate_ecn)
    if not said:
        fall_back(tcb, Fallback.ACE_ZERO, now, heeds=False)
    elif not run.length and not run.options.sack_blocks:
        if said == _MARKED_SYN:
            marked.ce += 1
            tcb.syn_marked = True
        if arrived_changed(said, 0):
            fall_back(tcb, Fallback.HANDSHAKE_MANGLED, now)


def _settle(tcb: Tcb, receiver: Receiver, feedback: Feedback, now: float) -> None:
    """From here on *feedback* is what both directions use."""
    tcb.feedback = feedback
    tcb.ecn = feedback is not Feedback.NONE
    receiver.ecn = feedback is Feedback.CLASSIC
    tcb.accurate = Accurate() if feedback is Feedback.ACCURATE else None
    if tcb.ecn and tcb.witness is not None:
        tcb.witness.ecn_settled(feedback, None, now)


def settled(tcb: Tcb, now: float) -> None:
    """Both SYNs are acknowledged: what our data is marked with is settled, too."""
    controller = tcb.sender.flight.controller
    if tcb.syn_marked:
        controller.on_marks(1, 0, now)
        if not controller.answers_marks:
            controller.on_congestion(Signal.ECN, controller.cwnd, now)
    if tcb.accurate is not None and tcb.ecn:
        tcb.ect = controller.ect
    else:
        tcb.ect = ECT_0 if tcb.ecn else 0


def fall_back(tcb: Tcb, fallback: Fallback, now: float, *, heeds: bool = True) -> None:
    """Send nothing that is ECN-capable any more; *heeds*: marks are answered all the same."""
    assert tcb.accurate is not None
    if tcb.accurate.marked.give_up(fallback, heeds=heeds):
        _fell_back(tcb, fallback, now)


def _fell_back(tcb: Tcb, fallback: Fallback, now: float) -> None:
    tcb.ecn = False
    tcb.ect = 0
    tcb.count(Count.ECN_FALLBACK)
    if tcb.witness is not None:
        tcb.witness.ecn_settled(Feedback.ACCURATE, fallback, now)


def reset(tcb: Tcb, now: float) -> None:
    """The peer has asked for both kinds: nobody knows what the other has settled on (§3.1.5)."""
    tcb.owe_reset(Why.RST_ECN_TWICE)
    if tcb.opened is Opened.PASSIVE:
        tcb.fail_to_open(aborted(), now)
    else:
        tcb.die(aborted(), now)


# -- the connection stands -------------------------------------------------------------------------


def count(tcb: Tcb, accurate: Accurate, receiver: Receiver, run: Run) -> None:
    """*run* is acceptable: count its marks, and tell of them at once if that is due."""
    unacked = run.length > 0 or receiver.unacked_octets > 0
    if accurate.counts.count(run.ecn, run.segments, run.length, unacked):
        receiver.ack_now(Why.ACK_MARKS)
    if run.ecn == CE:
        receiver.ce_received += run.segments


def heed(tcb: Tcb, accurate: Accurate, run: Run, news: News, now: float) -> None:
    """*run* acknowledges what *news* says: put what it tells of marks there, too."""
    sender = tcb.sender
    marked, seg_ack = accurate.marked, news.seg_ack
    reason = marked.news(
        word(run.flags),
        run.options.accurate_ecn,
        seg_ack - sender.snd_una,
        sender.smss,
        run.options.tsval if tcb.timestamps else None,
        (seg_ack, sender.snd_nxt),
        bare=seg_ack == sender.iss + 1 and not run.length and not run.options.sack_blocks,
    )
    if reason is not None:
        _fell_back(tcb, reason, now)
    news.ece = marked.segments > 0
    news.marked, marked.segments = marked.segments, 0
    news.marked_octets, marked.octets = marked.octets, 0


# -- what leaves -----------------------------------------------------------------------------------


def answer_bits(tcb: Tcb, now: float) -> int:
    """Return the flags with which our SYN,ACK answers an offer; the third one does no more.

    What was sent twice in vain may not have got through for these bits (§3.2.3.2.2, AECN-3).
    """
    if tcb.accurate is None:
        return ECE if tcb.ecn else 0
    if tcb.syn_transmissions < ACCURATE_SYNS:
        return bits(SEEN[tcb.accurate.syn_ecn])
    fall_back(tcb, Fallback.PLAIN_SYN, now)
    return 0


def on_data(tcb: Tcb, accurate: Accurate, seq: int, told: bool) -> None:
    """Octets from *seq* on leave, with an option (*told*) or without (§3.2.3.2.2, AECN-8).

    If the first that had one are sent again, something drops what has options it does not know.
    """
    accurate.reflects = None  # nobody misses it, or it was told before
    if told and accurate.trial is None:
        accurate.trial = seq
    elif accurate.trial == seq != tcb.sender.snd_nxt and not accurate.counts.silent:
        accurate.counts.silent = True
        tcb.count(Count.ECN_OPTION_LOST)


def feedback_bits(tcb: Tcb, receiver: Receiver) -> int:
    """Return what all segments without SYN tell of marks, as flags."""
    if tcb.accurate is not None:
        return bits(tcb.accurate.counts.ace)
    return ECE if receiver.ece_due else 0


def pure_ack_bits(tcb: Tcb, receiver: Receiver) -> int:
    """Return the flags of a pure ACK, which tells of the SYN,ACK, if that is due (Table 3)."""
    accurate = tcb.accurate
    if accurate is None or accurate.reflects is None or receiver.has_sack_news:
        return ACK | feedback_bits(tcb, receiver)
    came, accurate.reflects = accurate.reflects, None
    return ACK | bits(SEEN[came])
