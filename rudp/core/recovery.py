"""Which sent octets are lost (RFC 6675 with SACK, RFC 6582 without, RFC 6298 after a time-out).

Recovery only judges: it calls ranges of the scoreboard lost and says when an episode begins and
ends.  How much may be sent then is congestion control's affair, what goes next the sender's.
An episode lasts until everything that was outstanding at its start is acknowledged, so one
bad round trip is answered by one reduction.
"""

import enum
from typing import Final

from rudp.core.scoreboard import Scoreboard

DUP_THRESH: Final = 3
"""Duplicate acknowledgements, or SACKed stretches above it, that make a segment lost."""


class Phase(enum.Enum):
    """Whether losses are being repaired, and what revealed them."""

    OPEN = "no loss is known"
    FAST = "fast recovery"
    TIMEOUT = "after a retransmission time-out"


class Verdict(enum.Enum):
    """What an acknowledgement meant for the episode."""

    NOTHING = "no change"
    ENTER = "an episode of fast recovery begins"
    EXIT = "the episode of fast recovery is over"


class Recovery:
    """Loss detection for one connection; *sack*: both sides negotiated it."""

    __slots__ = ("_dup_acks", "_examined", "_partial_acks", "phase", "recover", "sack")

    def __init__(self, iss: int, *, sack: bool) -> None:
        self.sack = sack
        self.phase = Phase.OPEN
        self.recover = iss  # RFC 6582 §3.1: SND.NXT when the latest episode began
        self._dup_acks = 0
        self._partial_acks = 0
        self._examined = iss  # with SACK: below this, losses were called already

    @property
    def is_impatient(self) -> bool:
        """Whether the RTO timer must go on running although an acknowledgement moved SND.UNA.

        Without SACK only one hole is repaired in a round trip; if there are many, the time-out is
        the quicker way out (the impatient variant of RFC 6582 §4).
        """
        return self._partial_acks > 1

    def on_ack(
        self, board: Scoreboard, acked: int, newly_sacked: int, dup_acks: int, smss: int
    ) -> Verdict:
        """Judge the scoreboard *board* after an acknowledgement was entered into it.

        *acked*: octets by which SND.UNA moved; *newly_sacked*: octets SACKed for the first time;
        *dup_acks*: 1 for a duplicate acknowledgement in the sense of RFC 5681 §2, else 0.
        """
        if self.phase is not Phase.OPEN and board.snd_una >= self.recover:
            # After a time-out there is nothing to leave: slow start goes on as it is.
            verdict = Verdict.EXIT if self.phase is Phase.FAST else Verdict.NOTHING
            self.phase = Phase.OPEN
            self._dup_acks = self._partial_acks = 0
            board.duplicates = 0
            if self.sack and newly_sacked:
                self._judge_by_sack(board, smss)
            if not board.lost.octets:
                return verdict
            # What was sent during the episode has holes too: a new signal (RFC 5681 §4.3).
            self.phase = Phase.FAST
            self.recover = board.snd_nxt
            return Verdict.ENTER
        if self.sack:
            if not newly_sacked:
                return Verdict.NOTHING
            self._judge_by_sack(board, smss)
        else:
            self._judge_by_duplicates(board, acked, dup_acks, smss)
        if self.phase is Phase.OPEN and board.lost.octets:
            self.phase = Phase.FAST
            self.recover = board.snd_nxt
            return Verdict.ENTER
        return Verdict.NOTHING

    def on_timeout(self, board: Scoreboard) -> None:
        """The retransmission timer expired: all that is not SACKed is lost (RTO-16, NR-7)."""
        if board.sacked.octets and board.snd_una in board.sacked:
            board.sacked.clear()  # the receiver took back what it had SACKed (RFC 2018 §8)
        board.duplicates = 0
        board.mark_lost(board.snd_una, board.snd_nxt)
        self._dup_acks = self._partial_acks = 0
        self._examined = board.snd_nxt
        self.recover = board.snd_nxt
        self.phase = Phase.TIMEOUT

    def _judge_by_sack(self, board: Scoreboard, smss: int) -> None:
        """Call lost what has enough SACKed above it: IsLost() of RFC 6675 §4."""
        sacked = board.sacked
        octets = 0
        below = 0
        for n in range(1, len(sacked) + 1):
            octets += sacked.rights[-n] - sacked.lefts[-n]
            if n >= DUP_THRESH or octets > (DUP_THRESH - 1) * smss:
                below = sacked.lefts[-n]
                break
        start = max(self._examined, board.snd_una)
        if below <= start:
            return
        # A retransmission that is lost again is left to the timer: RFC 6675 cannot see it.
        for left, right in board.sent_once(start, below):
            board.mark_lost(left, right)
        self._examined = below

    def _judge_by_duplicates(self, board: Scoreboard, acked: int, dup_acks: int, smss: int) -> None:
        """Count duplicates and partial acknowledgements: RFC 6582 §3.2."""
        una = board.snd_una
        first = min(una + smss, board.snd_nxt)
        if acked:
            self._dup_acks = 0
            if self.phase is Phase.FAST:  # a partial acknowledgement: the next hole begins at once
                self._partial_acks += 1
                back = smss if acked >= smss else 0
                board.duplicates = max(board.duplicates - acked + back, 0)
                board.mark_lost(una, first)
            else:
                board.duplicates = 0
            return
        if not dup_acks or una == board.snd_nxt or self.phase is Phase.TIMEOUT:
            return
        self._dup_acks += dup_acks
        # No more segments can have left than were outstanding when recovery began, however many
        # duplicates somebody invents (RFC 5681 §13).
        most = (board.snd_nxt if self.phase is Phase.OPEN else self.recover) - una
        if self.phase is Phase.OPEN:
            if self._dup_acks >= DUP_THRESH and una > self.recover:
                board.mark_lost(una, first)
            else:  # limited transmit: two segments beyond the window, no more (RFC 3042 §2)
                most = min(most, (DUP_THRESH - 1) * smss)
        board.duplicates = min(board.duplicates + smss * dup_acks, most)
