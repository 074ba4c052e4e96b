"""Lab wire: from octets to a header and back (RFC 9293 §3.1).

Twenty octets, in network byte order:

    source port (2), destination port (2),
    sequence number (4),
    acknowledgment number (4),
    data offset (upper 4 bits: the length of the header in words of four octets) and reserved bits
    (lower 4 bits, sent as 0),
    control bits (1): CWR ECE URG ACK PSH RST SYN FIN from bit 7 to bit 0,
    window (2),
    checksum (2, sent as 0 here, as UDP has one), urgent pointer (2);

then options, a multiple of four octets and at most forty, then the data.
"""

from rudp.labs.header import Header


class Codec:
    """Reads and writes segments."""

    def parse(self, datagram: bytes) -> tuple[Header, bytes] | None:
        """Return the header and the data of a segment, None for what is none.

        That is what is shorter than a header, or than its own data offset says, or whose data
        offset is below 5.  Reserved bits and the checksum are not looked at.
        """
        raise NotImplementedError

    def build(self, header: Header, data: bytes) -> bytes:
        """Return the octets of a segment."""
        raise NotImplementedError
