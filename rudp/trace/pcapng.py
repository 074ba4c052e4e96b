"""The few blocks of a pcapng file that a capture of ours needs (draft-ietf-opsawg-pcapng).

A file is a section header, an interface, names of addresses, and packets with comments.  All of
them are little-endian, and padded to four octets.
"""

import struct
from collections.abc import Iterable
from typing import Final

LINKTYPE_RAW: Final = 101
"""Packets begin with an IPv4 or IPv6 header."""

_SECTION: Final = 0x0A0D0D0A
_INTERFACE: Final = 1
_NAMES: Final = 4
_PACKET: Final = 6

_END: Final = 0
_COMMENT: Final = 1
_APPLICATION: Final = 4  # in a section header
_IF_NAME: Final = 2
_IF_DESCRIPTION: Final = 3
_IF_RESOLUTION: Final = 9
_FLAGS: Final = 2  # in a packet

_NANOSECONDS: Final = 9
_INBOUND: Final = 1
_OUTBOUND: Final = 2


def section(application: str) -> bytes:
    """Return the block that a file begins with."""
    body = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)
    return _block(_SECTION, body + _options([(_APPLICATION, application.encode())]))


def interface(name: str, description: str) -> bytes:
    """Return the block of the one interface; times will be in nanoseconds."""
    body = struct.pack("<HHI", LINKTYPE_RAW, 0, 0)
    options = [
        (_IF_NAME, name.encode()),
        (_IF_DESCRIPTION, description.encode()),
        (_IF_RESOLUTION, bytes([_NANOSECONDS])),
    ]
    return _block(_INTERFACE, body + _options(options))


def names(known: Iterable[tuple[bytes, str]]) -> bytes:
    """Return a block that gives names to IP addresses, of 4 octets or 16."""
    records = b""
    for address, name in known:
        value = address + name.encode() + b"\0"
        records += struct.pack("<HH", 1 if len(address) == 4 else 2, len(value)) + _padded(value)
    return _block(_NAMES, records + bytes(4))


def packet(seconds: float, data: bytes, length: int, *, inbound: bool, comment: str) -> bytes:
    """Return a packet that was *length* octets long, of which *data* is kept.

    *seconds*: since 1970.  *comment*: "" for none.
    """
    stamp = round(seconds * 1_000_000_000)
    head = struct.pack("<IIIII", 0, stamp >> 32, stamp & 0xFFFF_FFFF, len(data), length)
    options = [(_FLAGS, struct.pack("<I", _INBOUND if inbound else _OUTBOUND))]
    if comment:
        options.append((_COMMENT, comment.encode()))
    return _block(_PACKET, head + _padded(data) + _options(options))


def _options(given: list[tuple[int, bytes]]) -> bytes:
    parts = [struct.pack("<HH", code, len(value)) + _padded(value) for code, value in given]
    return b"".join(parts) + struct.pack("<HH", _END, 0)


def _block(kind: int, body: bytes) -> bytes:
    size = 12 + len(body)
    return struct.pack("<II", kind, size) + body + struct.pack("<I", size)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
