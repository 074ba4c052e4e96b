"""A connection moves: the address of one end has changed, or somebody would like us to think so.

A segment that is authentic, and newer than all before, from elsewhere makes us ask there, and no
more; only the answer moves the connection.  So what is replayed or late moves nothing, and who
copies segments to an address of his own must go on carrying every one, as with QUIC (RFC 9000
§9.3).  What is outstanding goes again on the new path, and what was learnt about the old one is
forgotten where the host has changed, and not only its port (§9.4).
"""

from rudp.core.life.tcb import WRITABLE, Tcb
from rudp.core.segment.addresses import host_of
from rudp.core.segment.options import PathWord, SignedOptions
from rudp.core.segment.seqnum import from_wire, wire_after
from rudp.core.segment.transmit import Path
from rudp.core.segment.wire import Run
from rudp.core.send.train import NO_TRAIN
from rudp.core.terms.counters import Count
from rudp.core.terms.why import Why


def hear_from(tcb: Tcb, run: Run, path: Path, now: float) -> bool:
    """*run*, which is authentic, came from *path*, where the peer was not; does it move there?"""
    roaming = tcb.roaming
    assert roaming is not None
    opts = run.options
    assert isinstance(opts, SignedOptions)
    answers = opts.word is PathWord.RESPONSE and path == roaming.asked
    if answers and opts.value == roaming.nonce:
        rtt = now - roaming.said_at if roaming.said_once else None
        roaming.settle()
        tcb.count(Count.PATH_MOVED)
        _move(tcb, path, rtt, now)
        if tcb.receiver is not None:
            tcb.receiver.ack_now(Why.ACK_PATH)
    elif _is_news(tcb, run, opts):
        _ask(tcb, path, run.size, now)
        tcb.watch_progress(now)
    return tcb.path == path


def heed(tcb: Tcb, run: Run, opts: SignedOptions, now: float) -> None:
    """*run*, which is authentic, came from where the peer is, and its *opts* say something."""
    roaming = tcb.roaming
    if roaming is None or not _is_news(tcb, run, opts):
        return
    if opts.word is PathWord.CHALLENGE:
        roaming.owe(PathWord.RESPONSE, None, opts.value)
        tcb.sender.on_challenged(now)
        if roaming.announces:  # the peer knows where we are
            if roaming.said_once:
                tcb.sender.flight.rtt.sample(now - roaming.said_at)
            roaming.settle()
    elif opts.word is PathWord.RESPONSE:
        if opts.value == roaming.nonce and roaming.asked is not None:
            roaming.settle()  # it was asked elsewhere, and is here
    elif opts.value == roaming.their_token and roaming.asked is None:
        roaming.owe(PathWord.CHALLENGE, None, _nonce(tcb, now))


def rebind(tcb: Tcb, local_host: str, now: float) -> None:
    """We have another socket, whose host is *local_host*: go on from there, and tell the peer."""
    _move(tcb, (tcb.path[0], local_host), None, now)
    if tcb.roaming is not None:
        tcb.roaming.begin_to_announce()


def _is_news(tcb: Tcb, run: Run, opts: SignedOptions) -> bool:
    """Return whether *run* fits the window, and is no copy of what came before.

    What says something about paths may be of the same millisecond as that.
    """
    receiver = tcb.receiver
    if receiver is None or from_wire(run.seq, receiver.rcv_nxt) > receiver.right_edge:
        return False
    recent, tsval = receiver.ts_recent, opts.tsval
    if not tcb.timestamps or recent is None:
        return from_wire(run.seq, receiver.rcv_nxt) >= receiver.rcv_nxt - 1  # or keep-alive
    if tsval is None:
        return False
    return wire_after(tsval, recent) or (tsval == recent and opts.word is not None)


def _ask(tcb: Tcb, path: Path, octets: int, now: float) -> None:
    """So many *octets* came from *path*: is the peer there?"""
    roaming = tcb.roaming
    assert roaming is not None
    if roaming.asked != path:
        roaming.ask(path, _nonce(tcb, now))
    roaming.heard(octets, now)


def _nonce(tcb: Tcb, now: float) -> bytes:
    drawn = tcb.roaming.numbers_drawn if tcb.roaming is not None else 0
    return tcb.around.isn.nonce(tcb.path, tcb.ports, drawn, now)


def _move(tcb: Tcb, path: Path, rtt: float | None, now: float) -> None:
    """Send on *path* from now on; a challenge there and its response took *rtt* seconds."""
    before, tcb.path = tcb.path, tcb.around.kept(path)
    if tcb.roaming is not None:
        tcb.roaming.former = before
        tcb.roaming.moves += 1
    if not tcb.syn_acked:
        return
    anew = host_of(path) != host_of(before) or path[1] != before[1]
    tcb.train = NO_TRAIN  # it was for the old path, and goes again with all else
    if anew:
        tcb.measure_path()
    tcb.sender.on_path_changed(anew, rtt, now)
    tcb.obstacle = None
    tcb.events |= WRITABLE
    tcb.watch_progress(now)
    if tcb.witness is not None:
        tcb.witness.roamed(before, tcb.path, tcb.state, now)
