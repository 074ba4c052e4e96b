"""Connections out of a capture: the events of one end, told by somebody who only saw the packets.

A capture was made somewhere.  If the file says which packets came in and which went out, that is at
one of the ends, and its events are those that the end itself would have told, save for what nobody
sees from outside: timers, windows of congestion, and reasons.  Our own captures bear the reasons as
comments.  If the file does not say, the place is taken to be the client's, or the server's.

What the capture does not show as it was on the wire is counted: segments that were joined, and
packets that cannot be read.

States follow from the segments by the same table that the core uses.
"""

import bisect
import collections
import dataclasses
from collections.abc import Iterable
from typing import Final, Literal

from rudp.core.segment.addresses import name_of
from rudp.core.segment.seqnum import from_wire
from rudp.core.segment.transmit import Address, Transmit
from rudp.core.segment.wire import ACK, FIN, RST, SYN, Run
from rudp.core.terms.counters import Count
from rudp.core.terms.state import MOVES, Cause, State
from rudp.core.terms.why import Why
from rudp.core.watch.tracer import Nobody, Tracer
from rudp.trace import events, packet, segment
from rudp.trace.pcapfile import CaptureError, Packet
from rudp.trace.stream import EventLog

CONNECTIONS_MAX: Final = 4096
"""Connections that are told apart; segments of others are counted only."""

SEGMENTS_MAX: Final = 1_000_000
"""Segments of one file."""

HELD_MAX: Final = 1024
"""Ranges beyond a hole that are remembered; of the others it is forgotten that they came."""

Place = Literal["client", "server"]

_End = tuple[Address, int]  # UDP address and TCP port; for plain TCP the port stands in both


@dataclasses.dataclass(frozen=True, slots=True)
class _Seen:
    """A segment of a conversation: its header and how many octets of data followed."""

    time: int
    from_first: bool
    header: bytes
    length: int
    comment: str
    ecn: int


@dataclasses.dataclass
class Conversation:
    """What two ends sent each other; ``ends``: the sender of the first segment, and the other.

    ``tunnelled``: in UDP datagrams.  ``octets``: of data, what was sent again too.  ``joined``:
    segments that are longer than their receiver's MSS allows, so they are several.
    """

    ends: tuple[_End, _End]
    tunnelled: bool
    octets: int = 0
    joined: int = 0
    _mss: list[int | None] = dataclasses.field(default_factory=lambda: [None, None])
    _segments: list[_Seen] = dataclasses.field(default_factory=list)
    _opener: int | None = None
    _local: int | None = None
    _name: str = ""
    _answered: bool = False

    @property
    def segments(self) -> int:
        """How many there are."""
        return len(self._segments)

    def __str__(self) -> str:
        opener = self._opener or 0
        first, other = (_name(self.ends[n], self.tunnelled) for n in (opener, 1 - opener))
        return f"{first} -> {other}"

    def recording(self, place: Place = "client") -> events.Recording:
        """Return the events of one end: that where the capture was made.

        *place*: which one, if the file does not say.
        """
        opener = self._opener or 0
        role = opener if place == "client" else 1 - opener
        local = role if self._local is None else self._local
        name = self._name if self._local is not None else ""
        log = EventLog()
        tracer = log.tracer(name or ("client" if local == opener else "server"))
        start = min((seen.time for seen in self._segments), default=0)
        observer = _Observer(tracer, self.ends[local], self.ends[1 - local])
        now = 0.0
        for seen in self._segments:
            now = max(now, (seen.time - start) / 1e9)  # several interfaces: not always in order
            run = segment.parse(seen.header + bytes(seen.length))
            assert run is not None, "it was read before"
            run.ecn = seen.ecn
            if seen.from_first == (local == 0):
                observer.sent(run, seen, now)
            else:
                observer.received(run, seen.comment, now)
        return log.recording

    def is_plausible(self) -> bool:
        """Is it TCP?  In a UDP datagram anything may look like a segment, but not for long."""
        return not self.tunnelled or self._opener is not None or self._answered

    def add(self, seen: _Seen, run: Run, inbound: bool | None, interface: str) -> None:
        """Add a segment."""
        sender = 0 if seen.from_first else 1
        self._segments.append(seen)
        self.octets += seen.length
        if run.flags & SYN:
            self._mss[sender] = run.options.mss
        self.joined += seen.length > (self._mss[1 - sender] or seen.length)
        self._answered = self._answered or sender == 1
        if self._opener is None and run.flags & SYN:
            self._opener = 1 - sender if run.flags & ACK else sender
        if self._local is None and inbound is not None:
            self._local = 1 - sender if inbound else sender
            self._name = interface


@dataclasses.dataclass
class Decoded:
    """What was found in a capture.

    ``others``: packets without a segment, or of connections beyond the bound.  ``trouble``: why
    the file could not be read to its end, "" if it was.  ``reasons``: what the packets were that
    have no segment, and how many.
    """

    conversations: list[Conversation]
    others: int
    trouble: str
    reasons: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)

    def refused(self) -> str:
        """Say what there was that cannot be read, "" if nothing."""
        return ", ".join(f"{name} ({count})" for name, count in self.reasons.most_common(5))


def decode(packets: Iterable[Packet]) -> Decoded:
    """Return the connections in *packets*, in the order in which they begin.

    Raises :class:`CaptureError` if nothing can be read at all.
    """
    found: dict[tuple[frozenset[_End], bool], Conversation] = {}
    count = beyond = 0
    reasons: collections.Counter[str] = collections.Counter()
    trouble = ""
    source = iter(packets)
    while True:
        try:
            each = next(source)
        except StopIteration:
            break
        except CaptureError as error:
            if not count and not beyond and not reasons:
                raise
            trouble = str(error)
            break
        if count == SEGMENTS_MAX:
            trouble = f"only the first {SEGMENTS_MAX} segments are read"
            break
        try:
            segments = packet.find(each.link, each.data, each.size)
        except packet.OtherError as error:
            reasons[str(error)] += 1
            continue
        for here in segments:
            run = segment.parse(here.header)
            if run is None:
                reasons["broken TCP headers" if here.header else "segments cut off a batch"] += 1
            elif _take(each, here, run, found):
                count += 1
            else:
                beyond += 1
    plausible = [each for each in found.values() if each.is_plausible()]
    strange = sum(each.segments for each in found.values() if not each.is_plausible())
    if strange:
        reasons["UDP"] += strange
    return Decoded(plausible, beyond + reasons.total(), trouble, reasons)


def _take(
    each: Packet,
    here: packet.Found,
    run: Run,
    found: dict[tuple[frozenset[_End], bool], Conversation],
) -> bool:
    """Add a segment to its conversation, unless there are too many of these."""
    ends = (here.source, run.ports >> 16), (here.destination, run.ports & 0xFFFF)
    key = frozenset(ends), here.tunnelled
    conversation = found.get(key)
    if conversation is None:
        if len(found) == CONNECTIONS_MAX:
            return False
        conversation = found[key] = Conversation(ends, here.tunnelled)
    first = ends[0] == conversation.ends[0]
    seen = _Seen(each.time, first, here.header, here.length, each.comment, here.ecn)
    conversation.add(seen, run, each.inbound, each.interface)
    return True


class _Observer:
    """Follows one end by what it sends and receives, and tells a tracer."""

    def __init__(self, tracer: Tracer, local: _End, peer: _End) -> None:
        self._tracer = tracer
        self._who = Nobody((peer[0], str(local[0][0])), local[1] << 16 | peer[1], State.CLOSED)
        self._begun = False
        self._forget()

    def _forget(self) -> None:
        """Know nothing of any number."""
        self._snd_nxt: int | None = None
        self._rcv_nxt: int | None = None
        self._syn_end: int | None = None  # the number after our SYN, and after our FIN
        self._fin_end: int | None = None
        self._peer_end: int | None = None  # the number after all that the peer has sent
        self._peer_fin: int | None = None
        self._held: list[tuple[int, int]] = []

    def sent(self, run: Run, seen: _Seen, now: float) -> None:
        """The end sends a segment."""
        who = self._who
        if run.flags & SYN:
            self._open(run, now)
        elif not self._begun:
            who.state = State.ESTABLISHED
        self._begun = True
        seq = run.seq if self._snd_nxt is None else from_wire(run.seq, self._snd_nxt)
        end = seq + run.length + bool(run.flags & SYN) + bool(run.flags & FIN)
        new = self._snd_nxt is None or end > self._snd_nxt
        if run.flags & SYN and new:
            self._syn_end = end
        if run.flags & FIN:
            self._fin_end = end
            self._move(Cause.CLOSE, now)
        if run.flags & RST and seq == self._snd_nxt:  # else it answers a stray
            self._move(Cause.DELETE, now)
        self._snd_nxt = end if self._snd_nxt is None else max(end, self._snd_nxt)
        whole = Transmit(who.path, [seen.header], run.size, run.size, ecn=seen.ecn)
        self._tracer.run_sent(who, whole, _why(run, seen.comment, new=new), now)
        if run.flags & ACK:  # all before it came, seen or not
            near = run.ack if self._rcv_nxt is None else self._rcv_nxt
            self._rcv_nxt = max(from_wire(run.ack, near), near)
            self._look_for_fin(now)

    def received(self, run: Run, comment: str, now: float) -> None:
        """The end gets a segment."""
        who = self._who
        if run.flags & SYN and not run.flags & ACK and who.state in (State.CLOSED, State.TIME_WAIT):
            self._restart()
            self._move(Cause.OPEN_PASSIVE, now)
        elif not self._begun:
            who.state = State.ESTABLISHED
        self._begun = True
        dropped = _dropped(comment)
        self._tracer.run_received(who, run, now)
        if dropped is None:
            self._heed(run, now)
        self._tracer.run_processed(who, run, dropped, now)

    def _open(self, run: Run, now: float) -> None:
        """A SYN leaves."""
        state = self._who.state
        again = self._syn_end is not None and from_wire(run.seq + 1, self._syn_end) == self._syn_end
        if state in (State.CLOSED, State.TIME_WAIT) or not (again or run.flags & ACK):
            self._restart()  # in other states the end has forgotten all: it has crashed
            if run.flags & ACK:  # nobody saw the SYN that it answers
                self._move(Cause.OPEN_PASSIVE, now)
                self._move(Cause.RCV_SYN, now)
            else:
                self._move(Cause.OPEN_ACTIVE, now)

    def _restart(self) -> None:
        self._who.state = State.CLOSED
        self._forget()

    def _heed(self, run: Run, now: float) -> None:
        """Do what SEGMENT ARRIVES does to the state (RFC 9293 §3.10.7)."""
        acked = run.ack if self._snd_nxt is None else from_wire(run.ack, self._snd_nxt)
        acks_syn = bool(run.flags & ACK and self._syn_end is not None and acked >= self._syn_end)
        near = run.seq if self._rcv_nxt is None else self._rcv_nxt
        seq = from_wire(run.seq, near)
        if run.flags & RST:
            if acks_syn or seq in (self._rcv_nxt, self._peer_end):
                self._move(Cause.DELETE, now)
            return
        if run.flags & SYN and self._who.state in (State.LISTEN, State.SYN_SENT):
            self._rcv_nxt = self._peer_end = seq + 1
            self._move(Cause.RCV_SYN_ACK if acks_syn else Cause.RCV_SYN, now)
        if acks_syn:
            self._move(Cause.RCV_ACK_OF_SYN, now)
        if run.flags & ACK and self._fin_end is not None and acked >= self._fin_end:
            self._move(Cause.RCV_ACK_OF_FIN, now)
        if run.flags & FIN:
            self._peer_fin = seq + run.length
        if not run.flags & SYN:
            self._peer_end = max(seq + run.length, self._peer_end or seq)
            self._came(seq, seq + run.length)
            self._look_for_fin(now)

    def _came(self, left: int, right: int) -> None:
        """Octets from *left* to *right* are here."""
        if self._rcv_nxt is None:
            self._rcv_nxt = left
        if left > self._rcv_nxt:
            if left < right and len(self._held) < HELD_MAX:
                bisect.insort(self._held, (left, right))
            return
        self._rcv_nxt = max(self._rcv_nxt, right)
        while self._held and self._held[0][0] <= self._rcv_nxt:
            self._rcv_nxt = max(self._rcv_nxt, self._held.pop(0)[1])

    def _look_for_fin(self, now: float) -> None:
        """Has the FIN come, and all before it?"""
        if self._peer_fin is not None and (self._rcv_nxt or 0) >= self._peer_fin:
            self._move(Cause.RCV_FIN, now)

    def _move(self, cause: Cause, now: float) -> None:
        """Go along an arrow of the state diagram, if there is one."""
        before = self._who.state
        after = MOVES.get((before, cause))
        if after is not None:
            self._who.state = after
            self._tracer.state_moved(self._who, before, after, cause, now)


def _why(run: Run, comment: str, *, new: bool) -> Why:
    """Return why a segment was sent: what our own captures say, or what its header proves."""
    known = Why.__members__.get(comment.partition(":")[0])
    if known is not None:
        return known
    if not new or run.flags & RST:
        return Why.UNKNOWN
    if run.flags & SYN:
        return Why.SYN_ANSWERED if run.flags & ACK else Why.SYN_OPEN
    if run.length:
        return Why.NEW_DATA
    return Why.FIN_CLOSE if run.flags & FIN else Why.UNKNOWN


def _dropped(comment: str) -> Count | None:
    """Return why the end dropped a segment, if our own capture says so."""
    reason = comment.removeprefix("dropped: ")
    return next((count for count in Count if count.value == reason), None)


def _name(end: _End, tunnelled: bool) -> str:
    (host, port), inner = end
    place = name_of((host, port))
    return f"{place} ({inner})" if tunnelled and inner != port else place
