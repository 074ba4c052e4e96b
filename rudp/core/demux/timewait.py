"""TIME-WAIT as a record of a few numbers (RFC 9293 §3.10.7.4, RFC 1337, RFC 6191).

Who closes first must remember the connection for twice the maximum segment lifetime: to answer a
repeated FIN whose ACK was lost, and to keep old duplicates out of a successor.  That takes no
buffers, no timers and no object of the connection's size; the record says how to react and the
table does it.  There may be tens of thousands for four minutes, so between segments a record is 52
octets of bytes: with its key and its place in the queue some 300, where objects took 1200.
"""

import enum
from collections import OrderedDict
from struct import Struct
from typing import Final, Self

from rudp.core.congestion.pacing import LONG_AGO
from rudp.core.life.ackthrottle import INVALID_PERIOD
from rudp.core.life.guard import Guard
from rudp.core.segment import options, wire
from rudp.core.segment.isn import timestamp
from rudp.core.segment.seqnum import SEQ_HALF, SEQ_MASK, wire_after
from rudp.core.segment.transmit import Path
from rudp.core.segment.wire import ACK, FIN, RST, SYN, Run
from rudp.core.terms.state import Cause, State
from rudp.core.terms.timers import OFF, TIME_WAIT
from rudp.core.watch.tracer import Tracer

SUCCESSOR_STEP: Final = 65_537
"""How far a successor's ISS lies above the old SND.NXT, as in Linux (TW-5)."""

_PACKED: Final = Struct("<6IH?3d?")
_EXPIRES: Final = 8  # the index of that field


SETTLED: Final = 1.0
"""Seconds in TIME-WAIT after which we may open anew from the same ports, as in Linux: by then both
our timestamps and our initial numbers are above all that was used (RFC 6191, TW-7)."""


CHALLENGE_LIFE: Final = 5.0
"""Seconds for which a RST may be the answer to a challenge: any round trip is over by then."""


class Reaction(enum.Enum):
    """What the table does about a segment for a record."""

    DROP = "nothing"
    ACKNOWLEDGE = "send an ACK"
    CHALLENGE = "send an ACK and believe the RST that answers it"
    RESTART = "send an ACK and wait 2 MSL anew"
    REOPEN = "let a listener have the SYN"
    DELETE = "forget the record"


class TimeWaitRecord:
    """What is left of a closed connection; numbers are 32-bit, times in seconds.

    *ports*: local TCP port << 16 | remote TCP port.  *facts*: SND.NXT, RCV.NXT, TS.Recent or None,
    the timestamp offset, the window field and RCV.WND.  *lifetime*: 2 MSL.  *guard*: who signs and
    checks its segments, and :meth:`~rudp.core.life.guard.Guard.rest` has been told.
    """

    __slots__ = (
        "_answered",
        "_challenged",
        "_rcv_wnd",
        "_rfc1337",
        "_ts_offset",
        "_ts_recent",
        "_window",
        "expires",
        "guard",
        "lifetime",
        "path",
        "ports",
        "rcv_nxt",
        "snd_nxt",
        "tracer",
    )

    def __init__(
        self,
        path: Path,
        ports: int,
        facts: tuple[int, int, int | None, int, int, int],
        lifetime: float,
        rfc1337: bool,
        now: float,
        tracer: Tracer | None = None,
        guard: Guard | None = None,
    ) -> None:
        snd_nxt, rcv_nxt, self._ts_recent, self._ts_offset, self._window, self._rcv_wnd = facts
        self.path = path
        self.ports = ports
        self.snd_nxt = snd_nxt & SEQ_MASK
        self.rcv_nxt = rcv_nxt & SEQ_MASK
        self.lifetime = lifetime
        self.expires = now + lifetime
        self.tracer = tracer
        self.guard = guard
        self._rfc1337 = rfc1337
        self._answered = LONG_AGO
        self._challenged = LONG_AGO

    @property
    def state(self) -> State:
        """The state of RFC 9293 §3.3.2."""
        return State.TIME_WAIT

    def blocks(self) -> None:
        """There are none any more."""

    @property
    def has_company(self) -> bool:
        """Whether objects belong to it, beside numbers: somebody watches it, or it has keys."""
        return self.tracer is not None or self.guard is not None

    def pack(self) -> bytes:
        """Return its numbers: all but the path, the lifetime, the tracer and the guard."""
        return _PACKED.pack(
            self.ports,
            self.snd_nxt,
            self.rcv_nxt,
            self._ts_recent or 0,
            self._ts_offset,
            self._rcv_wnd,
            self._window,
            self._ts_recent is not None,
            self.expires,
            self._answered,
            self._challenged,
            self._rfc1337,
        )

    @classmethod
    def unpack(cls, path: Path, packed: bytes, lifetime: float, like: Self | None) -> Self:
        """Return the record that :meth:`pack` made *packed* of, with the objects of *like*."""
        ports, snd_nxt, rcv_nxt, recent, offset, wnd, window, stamped, *rest = _PACKED.unpack(
            packed
        )
        expires, answered, challenged, fix = rest
        facts = snd_nxt, rcv_nxt, recent if stamped else None, offset, window, wnd
        record = cls(path, ports, facts, lifetime, fix, expires - lifetime)
        if like is not None:
            record.tracer, record.guard = like.tracer, like.guard
        record.expires = expires
        record._answered = answered
        record._challenged = challenged
        return record

    def react(self, run: Run, now: float) -> Reaction:
        """Return what *run* calls for.

        Old content is answered each time, for the peer repeats it for want of an ACK; what is empty
        now and then, or two ends that disagree would never fall silent (CHAL-4).
        """
        flags = run.flags
        tsval = run.options.tsval
        if flags & RST:
            believed = run.seq == self.rcv_nxt and self._may_be_reset(flags, now)
            return Reaction.DELETE if believed else Reaction.DROP
        if flags & SYN:
            if flags & ACK:
                return self._answer(True, now)
            if not flags & FIN and self._is_new(run):
                return Reaction.REOPEN
            return self.challenge(now)
        empty = not run.length and not flags & FIN
        if self._ts_recent is not None:
            if tsval is None:
                return Reaction.DROP
            if wire_after(self._ts_recent, tsval):
                return self._answer(empty, now)
        end = run.seq + run.length + (flags & FIN) & SEQ_MASK
        if flags & FIN and end == self.rcv_nxt:
            self.expires = now + self.lifetime
            return Reaction.RESTART
        ahead = (run.seq - self.rcv_nxt) & SEQ_MASK
        if ahead == 0 or ahead < self._rcv_wnd:
            return Reaction.DROP  # no honest peer sends anything beyond its FIN
        return self._answer(empty, now)

    def _answer(self, empty: bool, now: float) -> Reaction:
        if empty:
            if now - self._answered < INVALID_PERIOD:
                return Reaction.DROP
            self._answered = now
        return Reaction.ACKNOWLEDGE

    def challenge(self, now: float) -> Reaction:
        """Return what a SYN calls for that opens nothing (RFC 9293 §3.10.7.4, RFC 5961 §4.2)."""
        if now - self._challenged < INVALID_PERIOD:
            return Reaction.DROP
        self._challenged = now
        return Reaction.CHALLENGE

    def _may_be_reset(self, flags: int, now: float) -> bool:
        """Return whether a RST with the right number ends TIME-WAIT.

        RFC 1337's fix ignores it, unless it answers a challenge: then the peer has forgotten the
        connection, and wants another, perhaps.  Such a RST acknowledges nothing.
        """
        return not self._rfc1337 or (not flags & ACK and now - self._challenged < CHALLENGE_LIFE)

    def _is_new(self, syn: Run) -> bool:
        """Return whether *syn* cannot be an old duplicate (RFC 6191 §2, TW-4a to TW-4d)."""
        tsval = syn.options.tsval
        above = (syn.seq - self.rcv_nxt) & SEQ_MASK < SEQ_HALF
        if tsval is None:
            return above
        if self._ts_recent is None:
            return True
        if tsval == self._ts_recent:
            return above
        return wire_after(tsval, self._ts_recent)

    def acknowledgment(self, now: float) -> bytes:
        """Return the segment that acknowledges all the peer ever sent (TW-10)."""
        opts = b""
        if self._ts_recent is not None:
            opts = options.encode((timestamp(now, self._ts_offset), self._ts_recent))
        guard = self.guard
        if guard is not None:
            opts += guard.option(now)
        segment = wire.pack_segment(self.ports, self.snd_nxt, self.rcv_nxt, ACK, self._window, opts)
        return segment if guard is None else guard.sign_last(segment)

    def may_be_followed(self, now: float) -> bool:
        """Return whether we may open a connection with the same ports ourselves (RFC 6191)."""
        return now >= self.expires - self.lifetime + SETTLED

    def successor_iss(self, iss: int) -> int:
        """Return *iss*, or a number safely above what the old connection used (MAY-2, TW-5)."""
        if wire_after(iss, self.snd_nxt):
            return iss
        return (self.snd_nxt + SUCCESSOR_STEP) & SEQ_MASK


class TimeWaitQueue:
    """The records of a table, packed: found by their connection, forgotten when their time is over.

    Records of equal lifetime expire in the order in which they were made or began anew, so a queue
    for each lifetime needs no heap.  ``next_expiry``: when :meth:`expire` has work to do; infinity
    if never.
    """

    __slots__ = ("_queues", "_watched", "next_expiry")

    def __init__(self) -> None:
        self._queues: dict[float, OrderedDict[bytes, bytes]] = {}
        self._watched: dict[bytes, TimeWaitRecord] = {}  # those that have company
        self.next_expiry = OFF

    def __len__(self) -> int:
        """Return the number of records."""
        return sum(map(len, self._queues.values()))

    def _note_expiry(self) -> None:
        """Note what is asked for far more often than it changes: which record expires first."""
        self.next_expiry = min(map(_first_expiry, self._queues.values()), default=OFF)

    def find(self, path: Path, ports: int) -> TimeWaitRecord | None:
        """Return the record of a connection, None if it has none."""
        if not self._queues:
            return None
        key = _key(path, ports)
        for lifetime, queue in self._queues.items():
            packed = queue.get(key)
            if packed is not None:
                return TimeWaitRecord.unpack(path, packed, lifetime, self._watched.get(key))
        return None

    def keep(self, record: TimeWaitRecord) -> None:
        """Enter *record*, which is new or begins anew, at the end of its queue."""
        queue = self._queues.setdefault(record.lifetime, OrderedDict())
        key = _key(record.path, record.ports)
        queue[key] = record.pack()
        queue.move_to_end(key)
        self._note_expiry()
        if record.has_company:
            self._watched[key] = record

    def update(self, record: TimeWaitRecord) -> None:
        """Note what has changed in *record*, found before; it keeps its place."""
        self._queues[record.lifetime][_key(record.path, record.ports)] = record.pack()
        self._note_expiry()

    def forget(self, path: Path, ports: int) -> None:
        """The record of a connection, if it has one, has served its turn."""
        key = _key(path, ports)
        for lifetime, queue in self._queues.items():
            if key in queue:
                self._remove(lifetime, key)
                return

    def succeed(self, record: TimeWaitRecord, now: float) -> None:
        """A connection of ours takes the place of *record*."""
        self._close(record.lifetime, _key(record.path, record.ports), Cause.DELETE, now)

    def forget_oldest(self, now: float) -> None:
        """Forget the record, of one or more, that would expire first (TW-8)."""
        self._close(*self._oldest(), Cause.DELETE, now)

    def expire(self, now: float) -> None:
        """Forget the records whose time is over."""
        while self.next_expiry <= now:
            self._close(*self._oldest(), Cause.TIMEOUT_2MSL, now)

    def _oldest(self) -> tuple[float, bytes]:
        """Return lifetime and key of the record that expires first."""
        lifetime, queue = min(self._queues.items(), key=lambda item: _first_expiry(item[1]))
        return lifetime, next(iter(queue))

    def _close(self, lifetime: float, key: bytes, cause: Cause, now: float) -> None:
        """Remove a record, and tell whoever watches it."""
        watched = self._remove(lifetime, key)
        if watched is None or watched.tracer is None:
            return
        if cause is Cause.TIMEOUT_2MSL:
            watched.tracer.timer_fired(watched, TIME_WAIT, now)
        watched.tracer.state_moved(watched, State.TIME_WAIT, State.CLOSED, cause, now)

    def _remove(self, lifetime: float, key: bytes) -> TimeWaitRecord | None:
        queue = self._queues[lifetime]
        del queue[key]
        if not queue:
            del self._queues[lifetime]
        self._note_expiry()
        return self._watched.pop(key, None)


def _key(path: Path, ports: int) -> bytes:
    """Return a name for a connection that takes less room than the tuples it is made of."""
    return repr((path, ports)).encode()


def _first_expiry(queue: OrderedDict[bytes, bytes]) -> float:
    """Return when the first record of *queue*, which is not empty, expires."""
    expires: float = _PACKED.unpack(next(iter(queue.values())))[_EXPIRES]
    return expires
