"""Lab receiver: what is in the window, and what window is announced (RFC 9293 §3.4, §3.8.6).

The base class keeps the variables, all of them octets or sequence numbers, which grow and never
wrap here.  Those you need:

    rcv_nxt         RCV.NXT, the next number that is expected
    right_edge      the number after the last octet that the peer may send
    promised        the right edge that was granted; right_edge is this, rounded up to the scale
    receive_buffer  how much is kept for the reader
    ready_octets    how much of that waits to be read
    shift           the window scale: the field of a segment counts units of 2**shift octets
    rmss            the largest segment seen
    fin_seq         where the peer's FIN stands, None as long as that is not known
"""

from rudp.core.receive.receiver import Receiver


class Window(Receiver):
    """The receiving half of a connection."""

    def is_acceptable(self, seq: int, length: int) -> bool:
        """Return whether a segment lies in the window: the four cases of §3.4, table 5.

        *length*: octets of data, plus one for SYN and one for FIN.  An empty segment at RCV.NXT is
        acceptable with a shut window too.
        """
        raise NotImplementedError

    def window_field(self) -> int:
        """Return SEG.WND for a segment sent now, 0 to 65535, and remember what it promises.

        The window is what the buffer has room for.  Its right edge never moves to the left
        (``promised`` stands), and to the right only in steps worth the while: by ``rmss`` or half
        of what can be promised at most, ``min(receive_buffer, 65535 << shift)`` (§3.8.6.2.2).  New
        space is rounded down to units of the scale; what was promised before is rounded up.  Then
        ``right_edge`` is the furthest edge that a field has ever shown.
        """
        raise NotImplementedError

    def take_fin(self) -> bool:
        """Move RCV.NXT over the FIN if it is next, and return whether it was.

        If so call ``self.end()`` and ``self.ack_now(Why.FIN_RECEIVED)`` (of rudp.core.terms.why).
        """
        raise NotImplementedError
