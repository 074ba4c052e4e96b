"""The flight recorder: the last few things that happened to a connection.

It is for the day on which a connection dies, and until then it must cost next to nothing: an event
is 23 octets in a ring that grows with the events up to its limit; for a run they tell of its first
header, without options, and of no octet of data.  Each takes about half a microsecond to keep: a
bulk transfer takes 1 to 2 % more CPU time with Ethernet's segments, 4 % in datagrams of 64 KiB.
Nobody makes anything of them before there is an error to explain; see :mod:`rudp.trace.recall`.
"""

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from rudp.core.segment.transmit import Path, Transmit
from rudp.core.segment.wire import AE, Run
from rudp.core.terms.counters import Count
from rudp.core.terms.state import Cause, State
from rudp.core.terms.timers import DELAYED_ACK, IDLE, PATIENCE, LossTimer
from rudp.core.terms.why import Why
from rudp.core.watch.witness import Witness

SENT: Final = 1
RECEIVED: Final = 2
DROPPED: Final = 3
"""What was received last was dropped."""
MOVED: Final = 4
FIRED: Final = 5
ROAMED: Final = 6
"""The address of one end is another; which, nobody keeps."""

# Seconds since the event before (seven digits of them, in half the room), the numbers, octets of
# data in all and in the first segment, window, kind << 4 | state, flags, and what is told besides.
RECORD: Final = struct.Struct("<fIIIHHBBB")
_pack_into: Final = RECORD.pack_into
_pack_four_into: Final = struct.Struct("<" + 4 * "fIIIHHBBB").pack_into
_FOUR_NUMBERS: Final = 4 * 9

_AE: Final = 0x80
"""Of the octet of kind and state: AE is set, for which an octet of flags has no room."""

SIZE: Final = RECORD.size
"""Octets of an event."""

GROWTH: Final = 4
"""The ring grows by so many events at a time."""

_COUNTS: Final = tuple(Count)
_CAUSES: Final = tuple(Cause)
_STATES: Final = tuple(State)
_TIMERS: Final = (*(each.value for each in LossTimer), DELAYED_ACK, IDLE, PATIENCE)
_WHYS: Final = tuple(Why)


class Record(NamedTuple):
    """An event: ``kind``, as above, at ``time``, seconds on the endpoint's clock, in ``state``.

    SENT and RECEIVED: ``seq``, ``ack``, ``flags`` and ``window`` as they stand in the header, the
    flags being those of the last segment; ``length`` octets of data in all, ``room`` of them in
    each segment but the last.  ``why``: of what was sent.  ``dropped``: of DROPPED, the reason.
    ``after`` and ``cause``: of MOVED.  ``timer``: of FIRED.
    """

    kind: int
    time: float
    state: State
    seq: int = 0
    ack: int = 0
    length: int = 0
    room: int = 0
    window: int = 0
    flags: int = 0
    why: Why | None = None
    dropped: Count | None = None
    after: State = State.CLOSED
    cause: Cause = Cause.DELETE
    timer: str = ""


class FlightRecorder(Witness):
    """Keeps the last *most* events of a connection that begins at *now*."""

    __slots__ = ("_limit", "at", "latest", "ring")

    def __init__(self, most: int, now: float) -> None:
        self._limit = most * SIZE
        self.ring = bytearray()
        self.at = 0  # where the next one goes
        self.latest = now

    def sent(
        self,
        state: State,
        seq: int,
        ack: int,
        flags: int,
        window: int,
        length: int,
        room: int,
        why: Why,
        now: float,
        transmits: Sequence[Transmit] = (),
    ) -> None:
        """A run leaves: *length* octets of data, *room* in a full segment; numbers of 32 bits."""
        at = self.at
        if at == len(self.ring):
            at = self.turn()
        _pack_into(
            self.ring, at, now - self.latest, seq, ack, length, room, window,
            SENT << 4 | state | flags >> 1 & _AE, flags & 0xFF, why.number,
        )  # fmt: skip
        self.at = at + SIZE
        self.latest = now

    def received(self, state: State, run: Run, now: float) -> None:
        """*run* came."""
        at = self.at
        if at == len(self.ring):
            at = self.turn()
        length = run.length
        room = length if run.segments == 1 else run.segment_octets
        _pack_into(
            self.ring, at, now - self.latest, run.seq, run.ack, length, room & 0xFFFF, run.window,
            RECEIVED << 4 | state | run.flags >> 1 & _AE, run.flags & 0xFF, 0,
        )  # fmt: skip
        self.at = at + SIZE
        self.latest = now

    def processed(self, run: Run, dropped: Count | None, now: float) -> None:
        """What came last was processed; *dropped*: why nothing, or not all, of it was heeded."""
        if dropped is not None:
            self._keep(DROPPED, State.CLOSED, 0, _COUNTS.index(dropped), now)

    def moved(self, before: State, after: State, cause: Cause, now: float) -> None:
        """The connection went along an arrow of the state diagram."""
        at = self.at
        if at == len(self.ring):
            at = self.turn()
        _pack_into(
            self.ring, at, now - self.latest, 0, 0, 0, 0, 0,
            MOVED << 4 | before, after, _CAUSES.index(cause),
        )  # fmt: skip
        self.at = at + SIZE
        self.latest = now

    def roamed(self, before: Path, after: Path, state: State, now: float) -> None:
        """The connection goes another way."""
        self._keep(ROAMED, state, 0, int(before[0] == after[0]), now)

    def fired(self, state: State, timer: str, now: float) -> None:
        """A timer expired."""
        self._keep(FIRED, state, 0, _TIMERS.index(timer), now)

    def keep_all(self, numbers: list[float]) -> None:
        """Enter events of a steady connection: time, and the eight numbers of a record, for each.

        Four, which are as many as the ring grows by, are packed in one step.
        """
        latest = self.latest
        self.latest = numbers[-9]
        for n in range(len(numbers) - 9, 0, -9):
            numbers[n] -= numbers[n - 9]
        numbers[0] -= latest
        at = self.at
        if at == len(self.ring):
            at = self.turn()
        if len(numbers) == _FOUR_NUMBERS and at + 4 * SIZE <= len(self.ring):
            _pack_four_into(self.ring, at, *numbers)
            self.at = at + 4 * SIZE
            return
        for n in range(0, len(numbers), 9):
            if at == len(self.ring):
                at = self.turn()
            _pack_into(self.ring, at, *numbers[n : n + 9])
            at += SIZE
        self.at = at

    def _keep(self, kind: int, state: State, flags: int, code: int, now: float) -> None:
        at = self.at
        if at == len(self.ring):
            at = self.turn()
        _pack_into(self.ring, at, now - self.latest, 0, 0, 0, 0, 0, kind << 4 | state, flags, code)
        self.at = at + SIZE
        self.latest = now

    def turn(self) -> int:
        """The ring has come to its end: let it grow, or begin again; return where."""
        at = len(self.ring)
        if at == self._limit:
            return 0
        # Not in place: a bytearray that grows takes more than it is asked for.
        self.ring = self.ring + bytes(min(GROWTH * SIZE, self._limit - at))
        return at

    def records(self) -> tuple[Record, ...]:
        """Return the events, oldest first."""
        at = self.at
        time = self.latest
        found = []
        latest_first = list(RECORD.iter_unpack(self.ring[at:] + self.ring[:at]))
        latest_first.reverse()
        for fields in latest_first:
            if fields[6]:  # else nothing was written there yet
                found.append(_record(time, fields))
                time -= fields[0]
        return tuple(reversed(found))


def _record(time: float, fields: tuple[float, int, int, int, int, int, int, int, int]) -> Record:
    """Return the event of *time* that was packed as *fields*."""
    _, seq, ack, length, room, window, kind, flags, code = fields
    state = _STATES[kind & 0xF]
    if kind & _AE:
        flags |= AE
    kind = kind >> 4 & 7
    if kind == SENT:
        return Record(kind, time, state, seq, ack, length, room, window, flags, _WHYS[code])
    if kind == RECEIVED:
        return Record(kind, time, state, seq, ack, length, room, window, flags)
    if kind == DROPPED:
        return Record(kind, time, state, dropped=_COUNTS[code])
    if kind == MOVED:
        return Record(kind, time, state, after=_STATES[flags], cause=_CAUSES[code])
    if kind == ROAMED:
        return Record(kind, time, state, why=Why.PATH_REBOUND if code else Why.PATH_PROVED)
    return Record(kind, time, state, timer=_TIMERS[code])
