"""What the acknowledgement at hand says."""

from collections.abc import Sequence


class News:
    """One acceptable acknowledgement: SND.UNA <= ``seg_ack`` <= SND.NXT.

    The connections of a socket share one of these, written anew each time, so that nothing is
    made for an acknowledgement: read it, do not keep it.  Numbers are growing ints.

    ``tsecr``: TSecr as a time in ms of our clock, None without timestamps.  ``sack_blocks``: valid
    blocks above ``seg_ack`` (RFC 2018 §4).  ``dsack``: octets reported to have come twice (RFC 2883
    §4).  ``duplicate``: it is a duplicate (RFC 5681 §2).  ``ece``: it tells of marks of routers, by
    ECE (RFC 3168 §6.1.2) or newly counted (RFC 9768): then ``marked`` segments with
    ``marked_octets`` of data, else 0.

    Who makes sense of it adds: ``una``, which is SND.UNA as it was before, ``acked``, the octets by
    which that moved, and for F-RTO ``can_try``: there is new data, and room in the peer's window.
    """

    __slots__ = (
        "acked",
        "can_try",
        "dsack",
        "duplicate",
        "ece",
        "marked",
        "marked_octets",
        "sack_blocks",
        "seg_ack",
        "tsecr",
        "una",
    )

    def __init__(self) -> None:
        self.seg_ack = 0
        self.tsecr: int | None = None
        self.sack_blocks: Sequence[tuple[int, int]] = ()
        self.dsack: tuple[int, int] | None = None
        self.duplicate = False
        self.ece = False
        self.marked = 0
        self.marked_octets = 0
        self.una = 0
        self.acked = 0
        self.can_try = False

    def begin(self, seg_ack: int, tsecr: int | None) -> "News":
        """Begin anew: with SEG.ACK and a timestamp, and nothing else yet."""
        self.seg_ack = seg_ack
        self.tsecr = tsecr
        self.sack_blocks = ()
        self.dsack = None
        self.duplicate = False
        self.ece = False
        self.marked = 0
        return self
