"""Which segments are to be lost: ``c:data:2`` is the client's second segment with data.

What is counted are segments as they leave, those that are sent again too.
"""

import argparse
import dataclasses

from rudp.trace.kinds import KINDS, NTH_MAX, SIDES, kinds


@dataclasses.dataclass(frozen=True)
class Fault:
    """The *nth* segment of a *kind* that a *side*, ``client`` or ``server``, sends."""

    side: str
    kind: str
    nth: int

    def __str__(self) -> str:
        return f"{self.side[0]}:{self.kind}:{self.nth}"

    @classmethod
    def parse(cls, text: str) -> "Fault":
        """Read ``c:data:2``; for ``type=`` of argparse."""
        match text.split(":"):
            case [side, kind, nth] if (
                side in SIDES and kind in KINDS and nth.isascii() and nth.isdigit()
            ):
                number = int(nth[: len(str(NTH_MAX)) + 1])
                if 0 < number <= NTH_MAX:
                    return cls(SIDES[side], kind, number)
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a segment such as c:data:2: c or s for client or server, "
            f"{', '.join(KINDS[:-1])} or {KINDS[-1]}, and which one, from 1 on"
        )


class Losses:
    """Counts the segments that one *side* sends, and says which are to be lost."""

    def __init__(self, faults: tuple[Fault, ...], side: str) -> None:
        self._lost = {(fault.kind, fault.nth) for fault in faults if fault.side == side}
        self._sent = dict.fromkeys(KINDS, 0)

    def drop(self, datagram: bytes, now: float) -> bool:
        """Is *datagram* lost?  For the option ``drop`` of a :class:`rudp.sim.Link`."""
        lost = False
        for kind in kinds(datagram):
            self._sent[kind] += 1
            lost = lost or (kind, self._sent[kind]) in self._lost
        return lost
