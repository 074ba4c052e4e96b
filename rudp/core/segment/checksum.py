"""The Internet checksum (RFC 1071) without a loop over octets.

It adds 16-bit words with the carries added back in.  2**16 is 1 modulo 65535, so that sum is the
whole message, read as one big number, modulo 65535: one conversion and one division, both in C.
Only one thing is lost on the way.  The remainder 0 stands for two sums: 0, which only octets that
are all zero have, and 0xFFFF, which every other multiple of 65535 has.

rudp's own segments carry zero here (W-9); the checksum of UDP protects them.  It is needed where
another TCP is to be spoken to, or a capture is to look like plain TCP.
"""

import struct
from typing import Final

PROTOCOL_TCP: Final = 6

CHECKSUM_OFFSET: Final = 16
"""Where the checksum field stands in a TCP header (RFC 9293 §3.1)."""

_IPV4_SIZE: Final = 4
_IPV6_SIZE: Final = 16


def internet_checksum(data: bytes | memoryview) -> int:
    """Return the checksum of *data*, 0 to 0xFFFF; an odd last octet is padded with zero.

    Over data that holds its own checksum it is 0, unless there is damage.
    """
    return 0xFFFF - _fold(_number(data))


def pseudo_header(source: bytes, destination: bytes, length: int) -> bytes:
    """Return what a TCP checksum covers besides the segment of *length* octets.

    The addresses are 4 octets each (RFC 9293 §3.1) or 16 (RFC 8200 §8.1); ValueError otherwise.
    """
    if len(source) == len(destination) == _IPV4_SIZE:
        return struct.pack("!4s4sBBH", source, destination, 0, PROTOCOL_TCP, length)
    if len(source) == len(destination) == _IPV6_SIZE:
        return struct.pack("!16s16sI3xB", source, destination, length, PROTOCOL_TCP)
    raise ValueError("both addresses must have 4 octets, or both 16")


def tcp_checksum(source: bytes, destination: bytes, segment: bytes | memoryview) -> int:
    """Return what belongs into the checksum field of *segment*, whatever stands there now.

    *segment* is header, options and data, at least as long as the fixed header.
    """
    field = int.from_bytes(segment[CHECKSUM_OFFSET : CHECKSUM_OFFSET + 2], "big")
    return 0xFFFF - _fold(_tcp_number(source, destination, segment) + 0xFFFF - field)


def tcp_checksum_valid(source: bytes, destination: bytes, segment: bytes | memoryview) -> bool:
    """Return whether the checksum field of *segment* agrees with the rest of it."""
    return _tcp_number(source, destination, segment) % 0xFFFF == 0


def _tcp_number(source: bytes, destination: bytes, segment: bytes | memoryview) -> int:
    size = len(segment)
    return _number(pseudo_header(source, destination, size)) + _number(segment)


def _number(data: bytes | memoryview) -> int:
    number = int.from_bytes(data, "big")
    return number << 8 if len(data) % 2 else number


def _fold(number: int) -> int:
    """Return the ones'-complement sum of the 16-bit words of *number*."""
    return number % 0xFFFF or (0xFFFF if number else 0)
