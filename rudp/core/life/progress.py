"""Whether a connection gets on: what is looked at now and then, and not noted with each segment."""

from typing import Final

FIRST_RTO: Final = 1.0
"""Seconds until a SYN goes again, and an ACK of SYN,ACK that may be lost (RFC 6298 §2.1)."""

SYN_MAX_RTO: Final = 60.0
"""Seconds: the longest wait for the answer to a SYN."""


class Progress:
    """For ``Config.idle_timeout``: when anything was received or acknowledged last.

    *here*: SND.UNA + RCV.NXT.  The time is that of the first look which found it moved.
    """

    __slots__ = ("_here", "_since")

    def __init__(self, here: int, now: float) -> None:
        self._here = here
        self._since = now

    def since(self, here: int, now: float) -> float:
        """Look at *here*; return since when it has been seen to stand there."""
        if here != self._here:
            self._here = here
            self._since = now
        return self._since

    def stood_still(self, seconds: float) -> None:
        """For so long nobody could act: it does not count."""
        self._since += seconds


class FirstWord:
    """All that the peer has from us is the ACK of its SYN,ACK, or not even that.

    If it is lost, and the peer has kept nothing of us (RFC 4987) or repeats its SYN,ACK no more, it
    cannot speak and we do not: both would wait for ever (as in RFC 9002 §6.2.2.1).  So it goes
    again when a SYN would, and the last ones find out whether the peer has given up.  ``due``: when
    next.
    """

    __slots__ = ("_repeats", "due")

    def __init__(self, now: float) -> None:
        self._repeats = 0
        self.due = now + FIRST_RTO

    def repeat(self, retries: int, now: float) -> bool:
        """It goes again; return whether it may once more, being no more than *retries*."""
        self._repeats += 1
        self.due = now + min(FIRST_RTO * 2**self._repeats, SYN_MAX_RTO)
        return self._repeats < retries
