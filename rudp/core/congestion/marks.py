"""The answer to ECE: the peer says that a router has marked what we sent (RFC 3168 §6.1.2).

A mark stands for a loss, but nothing is missing.  It is answered once for each window of data, and
not in a recovery, which is an answer already.  A window of one segment cannot be halved: then
nothing leaves for an RTO, and for twice as long each time the next segment is marked too (RFC 3168
§6.1.2, RFC 9438 §4.6).
"""

from typing import Final

from rudp.core.congestion.pacing import LONG_AGO

DOUBLINGS_MAX: Final = 16
"""How often a pause is doubled at most."""


class Marks:
    """What a connection remembers of them, if it has agreed on ECN (ECN-5, ECN-8).

    Numbers are growing ints, times seconds.  *una*: SND.UNA at the beginning.  ``received``:
    acknowledgements with ECE.  ``held_until``: nothing leaves before.  ``holds``: pauses in a row.
    """

    __slots__ = ("_answered_until", "held_until", "holds", "received")

    def __init__(self, una: int) -> None:
        self.received = 0
        self.held_until = LONG_AGO
        self.holds = 0
        self._answered_until = una  # SND.NXT when a mark was answered last

    def is_answered(self, seq: int) -> bool:
        """Return whether the window of data that *seq* belongs to has had its answer."""
        return seq < self._answered_until

    def answer(self, snd_nxt: int) -> None:
        """The window is reduced, for all that has been sent up to *snd_nxt*."""
        self._answered_until = snd_nxt

    def hold(self, rto: float, longest: float, now: float) -> None:
        """The window is as small as it can be: let nothing leave for an *rto*, or more."""
        self.held_until = now + min(rto * (1 << min(self.holds, DOUBLINGS_MAX)), longest)
        self.holds += 1
