"""What leaves: everything that a connection may owe the peer, in the order in which it goes.

The counterpart of :mod:`rudp.core.life.arrival`, whose steps note what is owed: a RST, our SYN, a
probe, data that is lost or new, our FIN, an acknowledgement.  Here it is asked for, and becomes
segments (RFC 9293 §3.8, §3.10.8).
"""

from collections.abc import Sequence
from typing import Final

from rudp.core.life import marking, parting
from rudp.core.life.progress import SYN_MAX_RTO
from rudp.core.life.roaming import Roaming
from rudp.core.life.tcb import (
    KEEP_ALIVE_PROBE,
    WINDOW_PROBE,
    WRITABLE,
    Opened,
    Tcb,
)
from rudp.core.receive.receiver import AckDue, Receiver, largest_buffer, window_shift
from rudp.core.segment import options, wire
from rudp.core.segment.isn import timestamp
from rudp.core.segment.options import PathWord
from rudp.core.segment.seqnum import from_wire, to_wire
from rudp.core.segment.transmit import RUN_OCTETS_MAX, Path, Transmit
from rudp.core.segment.wire import (
    ACK,
    CWR,
    ECE,
    FIN,
    HEADER_SIZE,
    PSH,
    STAMPED_SIZE,
    SYN,
    URG,
)
from rudp.core.send.sender import PROBE_BACKING
from rudp.core.send.train import NO_TRAIN, TRAIN_RUNS, cut
from rudp.core.terms.counters import Count
from rudp.core.terms.state import State
from rudp.core.terms.timers import OFF
from rudp.core.terms.why import Why

_WHY_PATH: Final = {
    PathWord.TOKEN: Why.PATH_TOKEN,
    PathWord.CHALLENGE: Why.PATH_CHALLENGE,
    PathWord.RESPONSE: Why.PATH_RESPONSE,
}


def segment_leaves(tcb: Tcb, now: float, max_segments: int) -> Transmit | None:
    """Return the next run to be sent, None if there is nothing; call until None.

    These are all that may be due, in their order.
    """
    if tcb.state is State.CLOSED and tcb.reset is None:
        tcb.train = NO_TRAIN
        return None
    if tcb.train:
        return tcb.train.pop()  # a reset comes after it, as its number does
    if tcb.reset is not None:
        return _reset(tcb, tcb.reset, now)
    if tcb.syn_due is not None:
        return _syn(tcb, tcb.syn_due, now)
    receiver, sender = tcb.receiver, tcb.sender
    if receiver is None:
        return None
    if sender.board.snd_una == sender.iss and not tcb.is_early:  # our SYN is not acknowledged
        return _pure_ack(tcb, receiver, now) if receiver.ack_due is AckDue.NOW else None
    if tcb.roaming is not None and tcb.roaming.has_word:
        word = _path_word(tcb, tcb.roaming, receiver, now)
        if word is not None:
            return word
    if tcb.accurate is not None and tcb.accurate.reflects and not receiver.has_sack_news:
        # Something on the way has changed what nobody may, and data cannot say so (decision 68).
        return _pure_ack(tcb, receiver, now)
    if tcb.probes_due and (probe := _probe(tcb, receiver, now)) is not None:
        return probe
    if sender.has_work and (run := _data(tcb, receiver, now, max_segments)) is not None:
        return run
    if tcb.last_word is not None:
        if receiver.ack_due is AckDue.NOW and receiver.ack_why is Why.ACK_OF_SYN:
            return _pure_ack(tcb, receiver, now)  # else the peer never hears of what is reset
        if parting.say_last_word(tcb, now):
            return segment_leaves(tcb, now, max_segments)
    if receiver.ack_due is AckDue.NOW:
        return _pure_ack(tcb, receiver, now)
    sender.watch_window(now)
    return None


def _reset(tcb: Tcb, reset: tuple[int, int, int, Why], now: float) -> Transmit:
    """Return the RST that is due: its SEG.SEQ, SEG.ACK and flags, and why."""
    seq, ack, flags, why = reset
    tcb.reset = None
    tcb.count(Count.RST_SENT)
    if flags & ACK and tcb.accurate is not None and tcb.receiver is not None:
        flags |= marking.feedback_bits(tcb, tcb.receiver)
    opts = _timestamps(tcb, now) if tcb.timestamps and flags & ACK else b""
    return _segment(tcb, seq, ack, flags, 0, opts, why, now)


def _path_word(tcb: Tcb, roaming: Roaming, receiver: Receiver, now: float) -> Transmit | None:
    """Return an ACK that says what is owed about paths, None if it has not been paid for."""
    word, path, value = roaming.next_word()
    opts = _timestamps(tcb, now) + options.encode_roaming(word, value)
    size = HEADER_SIZE + len(opts) + options.AUTHENTICATION_SIZE
    if path is not None and not roaming.may_say(word, size):
        tcb.count(Count.AMPLIFICATION_LIMIT)
        return None
    if word is PathWord.CHALLENGE:
        tcb.count(Count.PATH_CHALLENGED)
    roaming.said(word, tcb.sender.flight.rtt.rto, now)
    tcb.watch_progress(now)
    numbers = to_wire(tcb.sender.ack_seq), to_wire(receiver.rcv_nxt)
    window = receiver.window_field()
    return _segment(tcb, *numbers, ACK, window, opts, _WHY_PATH[word], now, path)


def _probe(tcb: Tcb, receiver: Receiver, now: float) -> Transmit | None:
    """Return a probe of a shut window, or one of a quiet peer; None if neither is any use."""
    sender = tcb.sender
    if tcb.probes_due & WINDOW_PROBE:
        tcb.probes_due &= ~WINDOW_PROBE
        probe = sender.on_persist_timeout(now)
        if probe is not None:
            seq, end = probe
            why = Why.SWS_OVERRIDE if sender.snd_wnd else Why.PROBE_ZERO_WINDOW
            sender.on_probe_sent(seq, end, now)
            opts = _options(tcb, receiver, now)
            if tcb.guard is not None:
                opts += tcb.guard.option(now)
            mss = tcb.segment_limit - len(opts)
            return _run(tcb, receiver, seq, end, mss, 1, opts, False, why, now)
    if tcb.probes_due & KEEP_ALIVE_PROBE:
        tcb.probes_due &= ~KEEP_ALIVE_PROBE
        seq = to_wire(sender.snd_nxt - 1)  # KA-3: outside the window, so it is answered
        return _ack_segment(tcb, receiver, seq, Why.KEEP_ALIVE, now)
    return None


def _data(tcb: Tcb, receiver: Receiver, now: float, max_segments: int) -> Transmit | None:
    """Return octets that are lost, or were never sent; None if no window lets any go."""
    sender = tcb.sender
    board = sender.board
    plain = _sacked_options(tcb, receiver, now)
    # What is sent again goes without, if that was what did not get through (§3.2.3.2.2, AECN-8).
    counts = _counts(tcb, len(plain)) if not board.lost.octets else b""
    opts = plain + counts
    if tcb.guard is not None:
        opts += tcb.guard.option(now)
    mss = sender.smss
    header = HEADER_SIZE + len(opts)
    # Each header points to the urgent octet from where it stands.
    alone = sender.snd_up > board.snd_una or bool(counts)
    if header > STAMPED_SIZE or not tcb.timestamps:
        mss = min(mss, tcb.segment_limit - len(opts))  # SACK blocks take some of it
        # All headers of a run have the same options: a duplicate would count once for each.
        alone = alone or receiver.has_duplicate
    if not alone and sender.buffer.end - board.snd_nxt > PROBE_BACKING * mss:
        size = tcb.pmtu.next_probe(now)
        if size is not None and sender.may_probe(size - header, now):  # else none may go out
            return _path_probe(tcb, receiver, size, size - header, opts, now)
    if alone or (sender.flight.cwr_due and not board.lost.octets):
        segments = 1  # CWR is said by one, and not by a whole run (ECN-6)
    else:
        segments = min(max_segments, RUN_OCTETS_MAX // (mss + header)) or 1
    run = sender.next_run(now, segments, mss, TRAIN_RUNS if segments > 1 else 1)
    if run is None:
        return None
    seq, end = run
    ect = tcb.ecn and seq == board.snd_nxt
    if tcb.accurate is not None:
        marking.on_data(tcb, tcb.accurate, seq, bool(counts))
    why = Why.NEW_DATA if tcb.witness is None else sender.why(seq)
    sender.on_sent(seq, end, now, mss)
    tcb.events |= WRITABLE
    return _run(tcb, receiver, seq, end, mss, segments, opts, ect, why, now)


def _path_probe(
    tcb: Tcb, receiver: Receiver, size: int, octets: int, opts: bytes, now: float
) -> Transmit:
    """Return *octets* of new data in a datagram of *size*: does the path carry it? (PMTU-3)"""
    sender = tcb.sender
    tcb.own_pmtu.on_probe_sent(size)
    seq = sender.snd_nxt
    end = seq + octets
    sender.on_sent(seq, end, now, octets)
    sender.flight.mark_probe()
    return _run(tcb, receiver, seq, end, size, 1, opts, tcb.ecn, Why.PROBE_PATH_MTU, now)


def _options(tcb: Tcb, receiver: Receiver, now: float) -> bytes:
    """Return the options of a segment without SYN: timestamps, SACK and AccECN if there is news."""
    opts = _sacked_options(tcb, receiver, now)
    return opts + _counts(tcb, len(opts))


def _counts(tcb: Tcb, used: int) -> bytes:
    """Return the AccECN option, if it is due and fits beside *used* octets of others."""
    if tcb.accurate is None:
        return b""
    signature = 0 if tcb.guard is None else options.AUTHENTICATION_SIZE
    return tcb.accurate.counts.option(options.OPTIONS_MAX - used - signature)


def _sacked_options(tcb: Tcb, receiver: Receiver, now: float) -> bytes:
    """Return timestamps, and SACK if there is news.

    Where marks are to be told of, they take the place of the third block, but of none before it
    (RFC 9768 §3.2.3.3).
    """
    if not receiver.has_sack_news:
        return _timestamps(tcb, now)
    most = options.sack_room(tcb.timestamps, tcb.guard is not None)
    if most > 2 and tcb.accurate is not None and tcb.accurate.counts.is_due:
        most -= 1
    stamps = (tcb.ts_clock(now), receiver.ts_recent or 0) if tcb.timestamps else None
    return options.encode(stamps, receiver.sack_blocks(most))


def _timestamps(tcb: Tcb, now: float) -> bytes:
    """Return the timestamps option alone, nothing if it was not negotiated."""
    if not tcb.timestamps or tcb.receiver is None:
        return b""
    stamp = timestamp(now, tcb.ts_offset)  # as ts_clock(), which would be one call more
    return options.encode((stamp, tcb.receiver.ts_recent or 0))


def _run(
    tcb: Tcb,
    receiver: Receiver,
    seq: int,
    end: int,
    mss: int,
    segments: int,
    opts: bytes,
    ect: bool,
    why: Why,
    now: float,
) -> Transmit:
    """Return octets ``[seq, end)``, our FIN perhaps among them, as a run.

    If they are more than *segments* of *mss* octets, it is the first of several runs; the
    others are what is polled next.  *ect*: they may be marked by a router, being sent for the
    first time (ECN-3).  A FIN carries no data (decision 30).
    """
    sender = tcb.sender
    flags = ACK
    right = end
    if sender.fin_seq is not None and end > sender.fin_seq:
        right = sender.fin_seq
        if right == seq:
            flags |= FIN
    if right == sender.buffer.end and right > seq:
        flags |= PSH  # the last of what is buffered (MUST-61)
    urgent = sender.urgent_pointer(seq)
    if urgent:
        flags |= URG
    length = right - seq
    ect = ect and length > 0
    if ect and sender.flight.take_cwr():
        flags |= CWR
    flags |= marking.feedback_bits(tcb, receiver)
    window = receiver.window_field()
    receiver.ack_sent()
    if tcb.accurate is not None:
        tcb.accurate.counts.acknowledged()
    ack = to_wire(receiver.rcv_nxt)
    ecn = tcb.ect if ect else 0
    train = cut(
        sender.buffer, seq, right, segments * mss, mss,
        tcb.ports, ack, flags, window, opts, urgent, tcb.path, tcb.dscp, tcb.ttl, ecn,
    )  # fmt: skip
    if tcb.guard is not None:
        tcb.guard.sign(train, seq)
    for each in train:
        tcb.segments_out += -(-each.total // each.size)
    if tcb.witness is not None:
        first = to_wire(seq)
        tcb.witness.sent(tcb.state, first, ack, flags, window, length, mss, why, now, train)
    if seq < right < end:
        fin = _fin(tcb, right, ack, flags, window, why, now)
        last = train[-1]
        alone = last.total <= last.size
        if alone and not ecn and last.total + fin.total <= RUN_OCTETS_MAX:
            last.size = last.total  # one system call for both
            last.total += fin.total
            last.buffers += fin.buffers
        else:
            train.append(fin)
    train.reverse()
    transmit = train.pop()
    if train:
        tcb.train = train
    return transmit


def _fin(tcb: Tcb, seq: int, ack: int, flags: int, window: int, why: Why, now: float) -> Transmit:
    """Return our FIN, which is octet *seq*, to follow data sent with *flags* for reason *why*.

    What SACK has to say is said there: each duplicate is reported once.
    """
    why = Why.FIN_CLOSE if why is Why.NEW_DATA else why
    flags &= ~(PSH | URG) if tcb.accurate is not None else ACK | ECE
    flags |= FIN
    return _segment(tcb, to_wire(seq), ack, flags, window, _timestamps(tcb, now), why, now)


def _pure_ack(tcb: Tcb, receiver: Receiver, now: float) -> Transmit:
    return _ack_segment(tcb, receiver, to_wire(tcb.sender.ack_seq), receiver.ack_why, now)


def _ack_segment(tcb: Tcb, receiver: Receiver, seq: int, why: Why, now: float) -> Transmit:
    if why is Why.KEEP_ALIVE and tcb.roaming is not None:  # it may come from another address
        opts = _timestamps(tcb, now) + options.encode_roaming(PathWord.TOKEN, tcb.roaming.token)
    else:
        opts = _options(tcb, receiver, now)
        if tcb.accurate is not None:
            tcb.accurate.counts.acknowledged()
    window = receiver.window_field()
    receiver.ack_sent()
    if why is Why.KEEP_ALIVE:
        flags = ACK | marking.feedback_bits(tcb, receiver)
    else:
        flags = marking.pure_ack_bits(tcb, receiver)
    return _segment(tcb, seq, to_wire(receiver.rcv_nxt), flags, window, opts, why, now)


def _syn(tcb: Tcb, why: Why, now: float) -> Transmit | None:
    """Return our SYN, or SYN,ACK once the peer's SYN is here."""
    tcb.syn_due = None
    config = tcb.config
    receiver = tcb.receiver
    if receiver is None:
        flags, ack = SYN | marking.offer_bits(tcb), 0
        window = tcb.first_window
        shift = window_shift(largest_buffer(config)) if config.window_scaling else None
        sack = config.sack
        stamps = (tcb.ts_clock(now), 0) if config.timestamps else None
    else:
        flags, ack = SYN | ACK | marking.answer_bits(tcb, now), to_wire(receiver.rcv_nxt)
        window = receiver.syn_window_field()
        shift = receiver.shift if tcb.scaling else None  # only what the SYN offered (W-30)
        sack = receiver.sack
        stamps = (tcb.ts_clock(now), receiver.ts_recent or 0) if tcb.timestamps else None
    opts = options.encode_syn(
        tcb.announced_mss,
        window_scale=shift,
        sack_permitted=sack,
        timestamps=stamps,
        signed=tcb.guard is not None or tcb.accurate is not None,
        roaming=tcb.may_roam if receiver is None else tcb.roaming is not None,
        fast_open=_fast_open_word(tcb),
    )
    if tcb.accurate is not None and not tcb.syn_transmissions:
        opts += _counts(tcb, len(opts))  # does it get through? (RFC 9768 §3.2.3.2.1)
        tcb.accurate.counts.owed = 0
    size = HEADER_SIZE + len(opts)
    if tcb.guard is not None:
        size += options.AUTHENTICATION_SIZE
    if tcb.credit is not None and tcb.credit < size:
        tcb.count(Count.AMPLIFICATION_LIMIT)
        return None
    data = _early_data(tcb, len(opts)) if receiver is None else []
    if data:
        why = Why.SYN_WITH_DATA
    tcb.syn_transmissions += 1
    tcb.sender.syn_sent(now)
    if tcb.timers.loss == OFF:
        tcb.timers.loss = now + min(tcb.sender.flight.rtt.rto, SYN_MAX_RTO)
    if receiver is not None:
        receiver.ack_sent()
    return _segment(tcb, to_wire(tcb.sender.iss), ack, flags, window, opts, why, now, data=data)


def _fast_open_word(tcb: Tcb) -> bytes | None:
    """Return what our SYN says of fast opens: asks for a cookie, brings it, or gives one.

    A SYN that goes again says nothing, in case that this was why it had no answer (RFC 7413
    §4.1.3.1); None for nothing.
    """
    fast_open = tcb.fast_open
    if fast_open is None:
        return None
    if tcb.opened is Opened.PASSIVE:
        return fast_open.cookie or None
    return None if tcb.syn_transmissions or tcb.receiver is not None else fast_open.cookie


def _early_data(tcb: Tcb, opts: int) -> list[memoryview]:
    """Return the octets that go with our first SYN, whose options take *opts* (RFC 7413 §4.2.1)."""
    fast_open, buffer = tcb.fast_open, tcb.sender.buffer
    if fast_open is None or not fast_open.cookie or tcb.syn_transmissions:
        return []
    fast_open.end = min(buffer.end, buffer.start + tcb.segment_limit - opts)
    return buffer.slices(buffer.start, fast_open.end)


def _segment(
    tcb: Tcb,
    seq: int,
    ack: int,
    flags: int,
    window: int,
    opts: bytes,
    why: Why,
    now: float,
    path: Path | None = None,
    data: Sequence[memoryview] = (),
) -> Transmit:
    """Return a segment; *path*: if it does not go where all goes; *data*: of a SYN."""
    guard = tcb.guard
    if guard is None:
        head = wire.pack_segment(tcb.ports, seq, ack, flags, window, opts)
    else:
        opts += guard.option(now)
        head = wire.pack_segment(tcb.ports, seq, ack, flags, window, opts)
        head = guard.sign_segment(head, from_wire(seq, tcb.sender.snd_nxt))
    if tcb.credit is not None:
        tcb.credit -= len(head)  # ACKs and RSTs count too (UDP-21)
    tcb.segments_out += 1
    size, length = len(head), 0
    buffers: list[bytes | memoryview] = [head]
    if data:
        buffers += data
        length = sum(map(len, data))
        size += length
    sent = Transmit(path or tcb.path, buffers, size, size, tcb.dscp, tcb.ttl)
    if tcb.witness is not None:
        tcb.witness.sent(tcb.state, seq, ack, flags, window, length, 0, why, now, [sent])
    return sent
