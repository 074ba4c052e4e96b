"""Lab checksum: the Internet checksum over a TCP segment (RFC 9293 §3.1, RFC 1071).

The checksum is the ones' complement of the ones'-complement sum of all 16-bit words of a pseudo
header and of the segment.  The pseudo header is, for IPv4: source address, destination address, an
octet 0, an octet 6, and the length of the segment in 16 bits; for IPv6 (RFC 8200 §8.1): source,
destination, the length in 32 bits, three octets 0 and an octet 6.  A segment of odd length counts
as if an octet 0 followed.  While the sum is taken the checksum field, octets 16 and 17 of the
segment, counts as 0.

Ones'-complement addition carries around: what overflows 16 bits is added at the lower end.
"""


class Checksum:
    """Guards the segments of a connection against damage on the way."""

    def compute(self, source: bytes, destination: bytes, segment: bytes) -> int:
        """Return what belongs into the checksum field of *segment*, whatever stands there now.

        *source*, *destination*: 4 octets each, or 16.
        """
        raise NotImplementedError

    def is_valid(self, source: bytes, destination: bytes, segment: bytes) -> bool:
        """Return whether the checksum field of *segment* agrees with the rest of it."""
        raise NotImplementedError
