"""What one connection keeps that tells of marks accurately: both halves, and the handshake."""

from rudp.core.ecn.counts import Counts
from rudp.core.ecn.feedback import Marked


class Accurate:
    """``counts``: what came; ``marked``: what the peer says of what we sent.

    ``syn_ecn``: the ECN bits with which the peer's SYN came last; ``reflects``: those of its
    SYN,ACK, which a pure ACK has yet to tell, None if that is not due.  ``trial``: where our first
    octets with an option began, None if there were none.  ``lent_at``: the RCV.NXT up to which what
    came is counted, while a lane serves the connection.
    """

    __slots__ = ("counts", "lent_at", "marked", "reflects", "syn_ecn", "trial")

    def __init__(self) -> None:
        self.counts = Counts()
        self.marked = Marked()
        self.syn_ecn = 0
        self.reflects: int | None = None
        self.trial: int | None = None
        self.lent_at = 0

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is to be told but the same number, and all tests are over."""
        return self.reflects is None and self.counts.is_quiet and self.marked.is_settled
