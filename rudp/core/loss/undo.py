"""Finding out that a reduction was for nothing (RFC 3522, 4015, 2883).

A segment that was only late looks like one that was lost until its retransmission has been made.
Two witnesses tell the difference afterwards.  The echoed timestamp: if the acknowledgement answers
what was sent before the first retransmission, the original had arrived (Eifel).  And D-SACK: if
the peer reports every octet that was sent again as a duplicate, none of it was needed.  Then the
congestion window may be what it was before.  About the delay the two say different things: what
was late took long; but where a copy came on top of the original, it was the acknowledgement that
was lost, and the time until then is no round trip.
"""

import enum


class Proof(enum.Enum):
    """What shows that a reduction was for nothing."""

    LATE = "the original arrived, later than the timer allows"
    TWICE = "the original arrived, and the copy too"


class Undo:
    """What is remembered of a reduction of the window, until the next (UNDO-1).

    Octets from *snd_una* on will be sent again.  ``by_timeout``: it was the retransmission timer
    that asked for it, not an acknowledgement.  ``last_resent``: when octets were last sent again.
    """

    __slots__ = (
        "_dsack_seen",
        "_first_resent",
        "_first_seq",
        "_open",
        "_resent",
        "_start",
        "by_timeout",
        "last_resent",
    )

    def __init__(self, snd_una: int, by_timeout: bool) -> None:
        self.by_timeout = by_timeout
        self.last_resent = 0.0
        self._open = True
        self._start = snd_una
        self._resent = 0  # octets sent again and not reported as duplicates
        self._first_seq = 0  # the number of the first that was
        self._first_resent: int | None = None  # when it left, in ms, while Eifel may ask
        self._dsack_seen = False

    @property
    def awaits_tsecr(self) -> bool:
        """Whether an acknowledgement that advances may prove by its echo what was for nothing."""
        return self._first_resent is not None

    def forget(self) -> None:
        """The reduction stands: it was undone already, or a mark of the network confirms it."""
        self._open = False

    def on_resent(self, left: int, right: int, now: float) -> None:
        """``[left, right)`` was sent again."""
        if self._open:
            if not self._resent:
                self._first_seq = left
                self._first_resent = int(now * 1000)
            self._resent += right - left
            self.last_resent = now

    def on_dsack(self, left: int, right: int) -> bool:
        """Return whether this report completes those on all that was sent again (UNDO-6)."""
        self._dsack_seen = True
        if not self._open or left < self._start or not self._resent:
            return False
        self._resent -= min(right - left, self._resent)
        return not self._resent

    def on_advance(
        self, una: int, tsecr: int | None, all_acked: bool, dsack: tuple[int, int] | None
    ) -> Proof | None:
        """Return what an acknowledgement that moved SND.UNA on from *una* proves.

        Only the first one that answers the first retransmission can (UNDO-2): it filled the gap
        at *una*, so what it echoes came with that segment.  *tsecr*: the time in ms of our clock.
        With everything acknowledged it may be that the originals arrived but all their
        acknowledgements were lost; that alone is no proof.
        """
        if una < self._first_seq:
            return None
        first, self._first_resent = self._first_resent, None
        if not self._open or first is None or tsecr is None or tsecr >= first:
            return None
        if dsack is not None:
            return Proof.TWICE if dsack[0] <= self._first_seq < dsack[1] else None
        if not all_acked:
            return Proof.LATE
        return Proof.TWICE if self._dsack_seen else None
