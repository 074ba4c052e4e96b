"""Lab reassembly: octets that arrived ahead of their time (RFC 9293 §3.10.7.4, RFC 2018 §4).

A segment that arrives above a gap is kept until the gap is filled.  Segments may overlap, come
again in other pieces and touch each other; an octet that is here already is never replaced by a
later copy, or anybody who can send a segment could rewrite what was received.

Sequence numbers grow here and never wrap: the core has seen to that.
"""


class Queue:
    """The out-of-order queue of a receiver."""

    def insert(self, seq: int, data: bytes) -> None:
        """Keep those octets of *data*, whose first has the number *seq*, that are not here yet."""
        raise NotImplementedError

    def take(self, rcv_nxt: int) -> bytes:
        """Return and forget the octets that follow on from *rcv_nxt* without a gap, b"" if none.

        Forget what lies below *rcv_nxt* as well: it has arrived in order.
        """
        raise NotImplementedError

    def ranges(self) -> list[tuple[int, int]]:
        """Return what is here: half-open ranges, ascending; such as touch are one."""
        raise NotImplementedError

    def blocks(self, most: int) -> list[tuple[int, int]]:
        """Return up to *most* of the ranges for SACK: that which holds the latest insert first.

        Then those that held the inserts before, latest first (RFC 2018 §4).
        """
        raise NotImplementedError
