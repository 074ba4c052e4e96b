"""TIME-WAIT as a record of a few numbers (RFC 9293 §3.10.7.4, RFC 1337, RFC 6191).

Who closes first must remember the connection for twice the maximum segment lifetime: to answer a
repeated FIN whose ACK was lost, and to keep old duplicates out of a successor.  That takes no
buffers, no timers and no object of the connection's size; the record says how to react and the
table does it.
"""

import enum
from typing import Final

from rudp.core import options, wire
from rudp.core.isn import timestamp
from rudp.core.seqnum import SEQ_HALF, SEQ_MASK, wire_after
from rudp.core.state import State
from rudp.core.tcb import INVALID_PERIOD
from rudp.core.tracer import Tracer
from rudp.core.transmit import Path
from rudp.core.wire import ACK, FIN, RST, SYN, Run

SUCCESSOR_STEP: Final = 65_537
"""How far a successor's ISS lies above the old SND.NXT, as in Linux (TW-5)."""


class Reaction(enum.Enum):
    """What the table does about a segment for a record."""

    DROP = "nothing"
    ACKNOWLEDGE = "send an ACK"
    RESTART = "send an ACK and wait 2 MSL anew"
    REOPEN = "let a listener have the SYN"
    DELETE = "forget the record"


class TimeWaitRecord:
    """What is left of a closed connection; numbers are 32-bit, times in seconds."""

    __slots__ = (
        "_answered",
        "_rcv_wnd",
        "_rfc1337",
        "_ts_offset",
        "_ts_recent",
        "_window",
        "expires",
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
    ) -> None:
        snd_nxt, rcv_nxt, self._ts_recent, self._ts_offset, self._window, self._rcv_wnd = facts
        self.path = path
        self.ports = ports
        self.snd_nxt = snd_nxt & SEQ_MASK
        self.rcv_nxt = rcv_nxt & SEQ_MASK
        self.lifetime = lifetime
        self.expires = now + lifetime
        self.tracer = tracer
        self._rfc1337 = rfc1337
        self._answered = now - INVALID_PERIOD

    @property
    def state(self) -> State:
        """The state of RFC 9293 §3.3.2."""
        return State.TIME_WAIT

    def blocks(self) -> None:
        """There are none any more."""

    def react(self, run: Run, now: float) -> Reaction:
        """Return what *run* calls for."""
        flags = run.flags
        tsval = run.options.tsval
        if flags & RST:
            exact = run.seq == self.rcv_nxt and not self._rfc1337
            return Reaction.DELETE if exact else Reaction.DROP
        if flags & SYN:
            if flags & ACK:
                return self._answer(now)
            return Reaction.REOPEN if self._is_new(run) else Reaction.DROP
        if self._ts_recent is not None:
            if tsval is None:
                return Reaction.DROP
            if wire_after(self._ts_recent, tsval):
                return self._answer(now)
        end = run.seq + run.length + (flags & FIN) & SEQ_MASK
        if flags & FIN and end == self.rcv_nxt:
            return Reaction.RESTART
        ahead = (run.seq - self.rcv_nxt) & SEQ_MASK
        if ahead == 0 or ahead < self._rcv_wnd:
            return Reaction.DROP
        return self._answer(now)

    def _answer(self, now: float) -> Reaction:
        if now - self._answered < INVALID_PERIOD:
            return Reaction.DROP
        self._answered = now
        return Reaction.ACKNOWLEDGE

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
        return wire.pack_segment(self.ports, self.snd_nxt, self.rcv_nxt, ACK, self._window, opts)

    def successor_iss(self, iss: int) -> int:
        """Return *iss*, or a number safely above what the old connection used (MAY-2, TW-5)."""
        if wire_after(iss, self.snd_nxt):
            return iss
        return (self.snd_nxt + SUCCESSOR_STEP) & SEQ_MASK
