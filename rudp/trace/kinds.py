"""What kind of segment a datagram holds: the words that faults are named with.

``c:data:2`` is the client's second segment with data.  What is counted are segments as they leave,
those that are sent again too.
"""

from typing import Final

from rudp.core.segment.wire import FIN, RST, SYN, Run
from rudp.trace import segment

SIDES: Final = {"c": "client", "s": "server"}

KINDS: Final = ("any", "syn", "ack", "data", "fin", "rst")
"""``ack``: an acknowledgement and nothing else; ``any``: every segment."""

NTH_MAX: Final = 1_000_000


def kinds(datagram: bytes) -> list[str]:
    """Return which of KINDS a segment is."""
    run = segment.parse(datagram)
    return ["any"] if run is None else kinds_of(run)


def kinds_of(run: Run) -> list[str]:
    """Return which of KINDS a segment that was read is."""
    found = [name for bit, name in _MARKS if run.flags & bit]
    if run.length:
        found.append("data")
    return ["any", *(found or ["ack"])]


_MARKS: Final = ((SYN, "syn"), (FIN, "fin"), (RST, "rst"))
