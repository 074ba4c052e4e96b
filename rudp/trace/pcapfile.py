"""Packets out of a capture file, pcapng or the classic pcap, whoever wrote it.

A file may come from anywhere, so nothing in it is believed before it is checked, and every size
has a bound.  What cannot be read raises :class:`CaptureError` with the place in the file; what came
before it has been handed out by then.
"""

import dataclasses
import struct
from collections.abc import Iterator
from typing import BinaryIO, Final

BLOCK_MAX: Final = 16 << 20
"""Octets of a block of a pcapng file."""

PACKET_MAX: Final = 1 << 18
"""Octets of a packet: the largest snapshot length that libpcap writes."""

INTERFACES_MAX: Final = 1024
"""Interfaces of a section."""

_SECOND: Final = 10**9

_SECTION: Final = 0x0A0D0D0A
_INTERFACE: Final = 1
_OLD_PACKET: Final = 2
_SIMPLE: Final = 3
_PACKET: Final = 6

_END: Final = 0
_COMMENT: Final = 1
_IF_NAME: Final = 2
_IF_RESOLUTION: Final = 9
_IF_OFFSET: Final = 14
_FLAGS: Final = 2

_CLASSIC: Final = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}
"""What a pcap file begins with: the order of its octets, and the nanoseconds of its time unit."""


_REFUSED: Final = {
    b"\x1f\x8b": "compressed with gzip",
    b"\x28\xb5\x2f\xfd": "compressed with zstd",
    b"\x04\x22\x4d\x18": "compressed with lz4",
    b"\xfd7zX": "compressed with xz",
    b"\x34\xcd\xb2\xa1": "a pcap file in Kuznetzov's form",
    b"\xa1\xb2\xcd\x34": "a pcap file in Kuznetzov's form",
    b"snoo": "a snoop file",
    b"GMBU": "a file of Microsoft's Network Monitor",
    b"RTSS": "a file of Microsoft's Network Monitor",
}
"""What files begin with that are known and not read."""


class CaptureError(ValueError):
    """The file is not a capture, or not from here on."""


@dataclasses.dataclass(frozen=True, slots=True)
class Packet:
    """A packet: when it was seen, in nanoseconds since 1970, and its octets from the first header.

    *link*: what that header is, a LINKTYPE.  *inbound*: True or False if the file says so.
    *comment*: the first one.  *interface*: the name of the interface, "" if it has none.  *size*:
    octets that it had when *data* was kept of it, if that is more.
    """

    time: int
    link: int
    data: bytes
    inbound: bool | None = None
    comment: str = ""
    interface: str = ""
    size: int = 0


@dataclasses.dataclass(slots=True)
class _Interface:
    link: int
    snap: int
    name: str = ""
    ticks_per_second: int = 10**6
    offset: int = 0


def packets(file: BinaryIO) -> Iterator[Packet]:
    """Yield the packets of *file*, which is open for reading in binary.

    Raises :class:`CaptureError`, :class:`OSError`.
    """
    magic = file.read(4)
    if magic in _CLASSIC:
        yield from _pcap(file, *_CLASSIC[magic])
    elif magic == _SECTION.to_bytes(4, "little"):  # the same in both orders
        yield from _pcapng(file)
    else:
        known = (name for start, name in _REFUSED.items() if magic.startswith(start))
        raise CaptureError(f"this is {next(known, 'neither a pcapng nor a pcap file')}")


def _pcap(file: BinaryIO, order: str, unit: int) -> Iterator[Packet]:
    head = file.read(20)
    if len(head) < 20:
        raise CaptureError("the file ends within its header")
    link = struct.unpack(f"{order}16xI", head)[0] & 0xFFFF
    at = 24
    record = struct.Struct(f"{order}IIII")
    while head := file.read(16):
        if len(head) < 16:
            raise CaptureError(f"the file ends within the packet at octet {at}")
        seconds, fraction, size, whole = record.unpack(head)
        if size > PACKET_MAX:
            raise CaptureError(f"a packet of {size} octets at octet {at}")
        data = file.read(size)
        if len(data) < size:
            raise CaptureError(f"the file ends within the packet at octet {at}")
        yield Packet(seconds * _SECOND + fraction * unit, link, data, size=whole)
        at += 16 + size


def _pcapng(file: BinaryIO) -> Iterator[Packet]:
    order, interfaces = "<", list[_Interface]()
    at = 0
    kind_octets = _SECTION.to_bytes(4, "little")
    while kind_octets:
        head = file.read(4)
        if len(kind_octets) + len(head) < 8:
            raise CaptureError(f"the file ends within the block at octet {at}")
        section = kind_octets == _SECTION.to_bytes(4, "little")
        magic = file.read(4) if section else b""
        if section:
            order, interfaces = _order(magic, at), []
        kind, size = struct.unpack(f"{order}II", kind_octets + head)
        if size % 4 or not 12 + len(magic) <= size <= BLOCK_MAX:
            raise CaptureError(f"a block of {size} octets at octet {at}")
        rest = file.read(size - 8 - len(magic))
        if len(rest) < size - 8 - len(magic):
            raise CaptureError(f"the file ends within the block at octet {at}")
        if rest[-4:] != head:
            raise CaptureError(f"the two lengths of the block at octet {at} differ")
        body = rest[:-4]
        if kind == _INTERFACE:
            if len(interfaces) == INTERFACES_MAX:
                raise CaptureError(f"more than {INTERFACES_MAX} interfaces at octet {at}")
            interfaces.append(_interface(body, order, at))
        elif kind in (_PACKET, _SIMPLE, _OLD_PACKET):
            yield _packet(kind, body, order, interfaces, at)
        at += size
        kind_octets = file.read(4)


def _order(magic: bytes, at: int) -> str:
    if magic == b"\x4d\x3c\x2b\x1a":
        return "<"
    if magic == b"\x1a\x2b\x3c\x4d":
        return ">"
    raise CaptureError(f"the section at octet {at} has no byte-order magic")


def _interface(body: bytes, order: str, at: int) -> _Interface:
    if len(body) < 8:
        raise CaptureError(f"the interface at octet {at} is too short")
    link, _, snap = struct.unpack_from(f"{order}HHI", body)
    interface = _Interface(link, snap)
    for code, value in _options(body[8:], order):
        if code == _IF_NAME:
            interface.name = _text(value)
        elif code == _IF_RESOLUTION and len(value) == 1:
            exponent = value[0] & 0x7F
            interface.ticks_per_second = (2 if value[0] & 0x80 else 10) ** exponent
        elif code == _IF_OFFSET and len(value) == 8:
            interface.offset = struct.unpack(f"{order}q", value)[0]
    return interface


def _packet(kind: int, body: bytes, order: str, interfaces: list[_Interface], at: int) -> Packet:
    """Return the packet of an enhanced or a simple block, or of one in the form before these."""
    number = ticks = 0
    if kind != _SIMPLE and len(body) >= 20:
        form = "IIIII" if kind == _PACKET else "HxxIIII"  # the old one counts drops there
        number, high, low, kept, whole = struct.unpack_from(order + form, body)
        ticks, start = high << 32 | low, 20
    elif kind == _SIMPLE and len(body) >= 4 and interfaces:
        (whole,) = struct.unpack_from(f"{order}I", body)
        kept, start = min(whole, interfaces[0].snap or whole, len(body) - 4), 4
    else:
        raise CaptureError(f"the packet at octet {at} is too short, or has no interface")
    if number >= len(interfaces):
        raise CaptureError(f"the packet at octet {at} is of interface {number}, which is unknown")
    if kept > PACKET_MAX or start + kept > len(body):
        raise CaptureError(f"a packet of {kept} octets at octet {at}")
    interface = interfaces[number]
    inbound, comment = None, ""
    if kind != _SIMPLE:
        for code, value in _options(body[start + kept + -kept % 4 :], order):
            if code == _COMMENT and not comment:
                comment = _text(value)
            elif code == _FLAGS and len(value) == 4:
                inbound = {1: True, 2: False}.get(struct.unpack(f"{order}I", value)[0] & 3)
    when = 0  # what a simple block does not know
    if kind != _SIMPLE:
        when = ticks * _SECOND // interface.ticks_per_second + interface.offset * _SECOND
    data = body[start : start + kept]
    return Packet(when, interface.link, data, inbound, comment, interface.name, whole)


def _options(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Yield the options of a block, as far as they can be read."""
    at = 0
    while at + 4 <= len(data):
        code, size = struct.unpack_from(f"{order}HH", data, at)
        if code == _END or at + 4 + size > len(data):
            return
        yield code, data[at + 4 : at + 4 + size]
        at += 4 + size + -size % 4


def _text(value: bytes) -> str:
    """Return *value* as text that can be shown on a terminal."""
    text = value.decode(errors="replace")
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
