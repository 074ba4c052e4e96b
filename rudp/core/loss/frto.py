"""F-RTO finds out whether a time-out was needed (RFC 5682).

After a time-out only the first segment is sent again.  If the next acknowledgements advance, new
segments are tried in place of old ones; what is acknowledged then was never sent twice, so it must
have been in flight all the time, and the time-out was a mistake about the delay.  With timestamps
one acknowledgement answers the question (see :mod:`rudp.core.loss.undo`), and this is not needed.
"""

import enum
from typing import Final

NEW_SEGMENTS: Final = 2
"""New segments that are sent to find out (RFC 5682 §2.1, step 2b)."""


class Outcome(enum.Enum):
    """What an acknowledgement after a time-out says."""

    NOTHING = "nothing yet"
    TRY_NEW = "send new segments and see what they bring"
    SPURIOUS = "what was given up has arrived"
    GENUINE = "segments were lost: recover as always"


class _Step(enum.Enum):
    RESENT = "the first segment was sent again"
    TRIED = "new segments were sent"


class Frto:
    """The steps of RFC 5682 §2.1 and §3.1, while it is open whether a time-out was needed.

    The timer expired with SND.NXT at *snd_nxt*, and the first segment, up to *resent_end*, is sent
    again (step 1).  Numbers are growing ints.
    """

    __slots__ = ("_recover", "_resent_end", "_step")

    def __init__(self, resent_end: int, snd_nxt: int) -> None:
        self._step = _Step.RESENT
        self._resent_end = resent_end
        self._recover = snd_nxt

    def on_ack(
        self, seg_ack: int, advanced: bool, duplicate: bool, highest: int, can_try: bool
    ) -> Outcome:
        """Judge an acknowledgement that answers what was in flight at the time-out or later.

        *advanced*: it moved SND.UNA to *seg_ack*; *duplicate*: it is a duplicate that brings no
        SACK news; *highest*: the end of the octets that it delivers, 0 if it delivers none;
        *can_try*: there is new data and room for it in the peer's window.  Nothing is left to be
        asked after GENUINE or SPURIOUS.
        """
        if self._step is _Step.RESENT:
            if not advanced:  # with SACK, duplicates are only noted (UNDO-4)
                return Outcome.GENUINE if duplicate else Outcome.NOTHING
            if not self._resent_end <= seg_ack < self._recover or not can_try:
                return Outcome.GENUINE
            self._step = _Step.TRIED
            return Outcome.TRY_NEW
        if highest > self._recover or duplicate:
            return Outcome.GENUINE
        if advanced or highest:
            return Outcome.SPURIOUS
        return Outcome.NOTHING
