"""How often one connection answers what proves nothing (RFC 5961 §7, RFC 9293 §3.10.7.4).

An answer to each segment would let a stranger make us send, and two sides that disagree acknowledge
each other for ever.  A connection that has met no such segment has no such object.
"""

from typing import Final

from rudp.core.congestion.pacing import LONG_AGO

CHALLENGES: Final = 10
CHALLENGE_PERIOD: Final = 5.0
"""At most 10 challenge ACKs in 5 seconds, counted for each connection alone (RFC 5961 §7)."""

INVALID_PERIOD: Final = 0.5
"""Seconds between answers to segments outside the window that carry nothing (CHAL-4)."""


class AckThrottle:
    """Counts the answers; times in seconds."""

    __slots__ = ("_answered", "_challenges", "_since")

    def __init__(self) -> None:
        self._answered = LONG_AGO
        self._challenges = 0
        self._since = LONG_AGO  # the period that they are counted in

    def allows_answer(self, now: float) -> bool:
        """Return whether a segment without content may be answered now; it is counted if so."""
        if now - self._answered < INVALID_PERIOD:
            return False
        self._answered = now
        return True

    def allows_challenge(self, now: float) -> bool:
        """Return whether a challenge ACK may leave now; it is counted if so."""
        if now - self._since >= CHALLENGE_PERIOD:
            self._since = now
            self._challenges = 0
        if self._challenges >= CHALLENGES:
            return False
        self._challenges += 1
        return True
