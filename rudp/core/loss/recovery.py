"""Which sent ranges are lost, and when to look again.

Three ways to judge, of which a connection has one for life: RACK with SACK (RFC 8985); the rules of
RFC 6675, for comparison; duplicate acknowledgements where the peer has no SACK (RFC 6582).
Recovery calls runs of the scoreboard lost and knows when an episode ends.  How much may be sent
then is congestion control's affair, what goes next the sender's.  An episode lasts until everything
that was outstanding at its start is acknowledged, so one bad round trip is answered by one
reduction.
"""

import enum
from typing import Final

from rudp.core.loss.rack import Rack
from rudp.core.loss.rtt import Rtt
from rudp.core.loss.scoreboard import IN_FLIGHT, SACKED, Scoreboard, SentRun
from rudp.core.terms.why import Why

DUP_THRESH: Final = 3
"""Duplicate acknowledgements, or SACKed stretches above it, that make a segment lost."""


class Phase(enum.Enum):
    """Whether losses are being repaired, and what revealed them."""

    OPEN = "no loss is known"
    FAST = "fast recovery"
    TIMEOUT = "after a retransmission time-out"


class Recovery:
    """Loss detection for one connection.

    *iss*: a number below all that is in flight.  *sack*: both sides negotiated it; *rack*: judge by
    time (RFC 8985) where there is SACK.  *rtt*: the latest round trip in seconds, 0 before the
    first.
    """

    __slots__ = (
        "_dup_acks",
        "_examined",
        "_expired_at",
        "_partial_acks",
        "phase",
        "rack",
        "recover",
        "sack",
    )

    def __init__(self, iss: int, *, sack: bool, rack: bool = True, rtt: float = 0.0) -> None:
        self.sack = sack
        self.rack = Rack(iss, rtt) if sack and rack else None
        self.phase = Phase.OPEN
        self.recover = iss  # RFC 6582 §3.1: SND.NXT when the latest episode began
        self._dup_acks = 0
        self._partial_acks = 0
        self._expired_at = 0.0  # when the retransmission timer did last
        self._examined = iss  # by RFC 6675: below this, losses were called already

    def own(self, rtt: float) -> "Recovery":
        """Return what its connection has to itself; to be asked before anything here changes.

        *rtt*: see above, where that is made now.
        """
        return Recovery(0, sack=True, rtt=rtt) if self is NOTHING_MISSING else self

    @property
    def is_impatient(self) -> bool:
        """Whether the RTO timer must go on running although an acknowledgement moved SND.UNA.

        Without SACK only one hole is repaired in a round trip; if there are many, the time-out is
        the quicker way out (the impatient variant of RFC 6582 §4).
        """
        return self._partial_acks > 1

    @property
    def deadline(self) -> float | None:
        """When something that may be late will be lost for good (RACK-10), None if nothing may."""
        return self.rack.deadline if self.rack is not None else None

    @property
    def verdict(self) -> Why:
        """Why :meth:`on_ack` has called something lost."""
        if self.sack:
            return Why.RETRANSMIT_SACK if self.rack is None else Why.RETRANSMIT_RACK
        first = self.phase is Phase.OPEN
        return Why.RETRANSMIT_DUPACK if first else Why.RETRANSMIT_PARTIAL_ACK

    # -- judging ---------------------------------------------------------------------------------

    def on_ack(
        self,
        board: Scoreboard,
        acked: int,
        sacked: list[SentRun],
        duplicate: bool,
        smss: int,
        rtt: Rtt,
        now: float,
    ) -> list[SentRun]:
        """Judge *board* after an acknowledgement was entered into it; return what it shows lost.

        *acked*: octets by which SND.UNA moved; *sacked*: runs SACKed for the first time;
        *duplicate*: a duplicate acknowledgement in the sense of RFC 5681 §2.
        """
        if self.rack is not None:
            self.rack.on_sacked(sacked, smss, board.sacked)
            if not self.rack.is_ahead(board):
                self.rack.deadline = None
                return []
            return self.rack.detect(board, self._reo_wnd(self.rack, rtt), now)
        if self.sack:
            return self._judge_by_sack(board, smss) if sacked else []
        return self._judge_by_duplicates(board, acked, duplicate, smss)

    def on_reordering_timeout(self, board: Scoreboard, rtt: Rtt, now: float) -> list[SentRun]:
        """What might have been late is not going to come (RACK-10); return it."""
        if self.rack is None:
            return []
        return self.rack.detect(board, self._reo_wnd(self.rack, rtt), now)

    def _reo_wnd(self, rack: Rack, rtt: Rtt) -> float:
        return rack.reo_wnd(self.phase is not Phase.OPEN, rtt.min_rtt, rtt.srtt)

    # -- episodes --------------------------------------------------------------------------------

    def enter(self, board: Scoreboard) -> None:
        """A loss was found: fast recovery begins (RACK-12, NR-3)."""
        self.phase = Phase.FAST
        self.recover = board.snd_nxt

    def leave(self, board: Scoreboard) -> None:
        """All that was outstanding at the start is acknowledged, or was never lost."""
        self.phase = Phase.OPEN
        self._dup_acks = self._partial_acks = 0
        board.duplicates = 0
        if self.rack is not None:
            self.rack.on_recovered()

    def on_timeout(
        self, board: Scoreboard, smss: int, rtt: Rtt, question: bool, now: float
    ) -> None:
        """The retransmission timer expired: call lost what it settles.

        That is the first segment, whatever else is known; if it is still a *question* whether
        the time-out was needed (F-RTO), nothing more until that is answered.
        """
        if board.runs and board.runs[0].fate == SACKED:
            board.forget_sacks()  # the receiver took back what it had SACKed (SB-3)
        board.duplicates = 0
        una = board.snd_una
        board.mark_range_lost(una, min(una + smss, board.snd_nxt))
        self._expired_at = now
        if not question:
            self.settle_timeout(board, rtt, now)
        self._dup_acks = self._partial_acks = 0
        self.recover = board.snd_nxt
        self.phase = Phase.TIMEOUT

    def settle_timeout(self, board: Scoreboard, rtt: Rtt, now: float) -> None:
        """The time-out was needed: all that is not SACKed is lost, or what is old enough for RACK.

        RTO-16, RACK-13, NR-7.  What was sent after the time-out is another matter.
        """
        if self.rack is not None:
            self.rack.overdue(board, self._reo_wnd(self.rack, rtt), now)
            return
        for run in board.oldest_first():
            if run.sent_at >= self._expired_at:
                break
            board.mark_lost(run)
        self._examined = board.snd_nxt

    # -- RFC 6675 --------------------------------------------------------------------------------

    def _judge_by_sack(self, board: Scoreboard, smss: int) -> list[SentRun]:
        """Call lost what has enough SACKed above it: IsLost() of RFC 6675 §4."""
        octets = ranges = 0
        below = 0
        for run in reversed(board.runs):
            if run.fate != SACKED:
                continue
            octets += run.end - run.seq
            ranges += 1
            if ranges >= DUP_THRESH or octets > (DUP_THRESH - 1) * smss:
                below = run.seq
                break
        start = max(self._examined, board.snd_una)
        if below <= start:
            return []
        # A retransmission that is lost again is left to the timer: RFC 6675 cannot see it.
        lost = [
            run
            for run in board.runs
            if run.fate == IN_FLIGHT and start <= run.seq < below and run.transmissions == 1
        ]
        for run in lost:
            board.mark_lost(run)
        self._examined = below
        return lost

    # -- RFC 6582 --------------------------------------------------------------------------------

    def _judge_by_duplicates(
        self, board: Scoreboard, acked: int, duplicate: bool, smss: int
    ) -> list[SentRun]:
        """Count duplicates and partial acknowledgements: RFC 6582 §3.2."""
        una = board.snd_una
        first = min(una + smss, board.snd_nxt)
        if acked:
            self._dup_acks = 0
            if self.phase is Phase.FAST:  # a partial acknowledgement: the next hole begins at once
                self._partial_acks += 1
                back = smss if acked >= smss else 0
                board.duplicates = max(board.duplicates - acked + back, 0)
                return board.mark_range_lost(una, first)
            board.duplicates = 0
            return []
        if not duplicate or una == board.snd_nxt or self.phase is Phase.TIMEOUT:
            return []
        self._dup_acks += 1
        lost = []
        # No more segments can have left than were outstanding when recovery began, however many
        # duplicates somebody invents (RFC 5681 §13).
        most = (board.snd_nxt if self.phase is Phase.OPEN else self.recover) - una
        if self.phase is Phase.OPEN:
            if self._dup_acks >= DUP_THRESH and una > self.recover:
                lost = board.mark_range_lost(una, first)
            else:  # limited transmit: two segments beyond the window, no more (RFC 3042 §2)
                most = min(most, (DUP_THRESH - 1) * smss)
        board.duplicates = min(board.duplicates + smss, most)
        return lost


UNOPENED: Final = Recovery(0, sack=False)
"""That of a connection whose handshake is under way."""

NOTHING_MISSING: Final = Recovery(0, sack=True)
"""That of all connections with RACK which were never told of a gap and never sent anything twice.

It answers every question, and nobody changes it: until then RACK is a no-op, as what arrives is
what was sent first (decision 66)."""


def first_recovery(iss: int, *, sack: bool, rack: bool) -> Recovery:
    """Return that of a connection that begins to send; the arguments are those of Recovery."""
    return NOTHING_MISSING if sack and rack else Recovery(iss, sack=sack, rack=rack)
