"""The lab ``checksum``: it fills the field of what leaves, and drops what arrives damaged."""

import ipaddress
import random
from typing import Any, Final

from rudp.core.segment.checksum import CHECKSUM_OFFSET, tcp_checksum, tcp_checksum_valid
from rudp.core.segment.transmit import Path
from rudp.labs.between import Between
from rudp.labs.lab import Setup, config, same
from rudp.sim.network import Table

_OURS: Final = ipaddress.ip_address("10.0.0.1").packed

_EDGES: Final = (bytes(20), b"\xff" * 20, b"\xff" * 21, bytes(19) + b"\x01" + b"\xfe")


class Reference:
    """What the package does."""

    def compute(self, source: bytes, destination: bytes, segment: bytes) -> int:
        """Return the checksum."""
        return tcp_checksum(source, destination, segment)

    def is_valid(self, source: bytes, destination: bytes, segment: bytes) -> bool:
        """Return whether it is right."""
        return tcp_checksum_valid(source, destination, segment)


def ask(cls: Any, chance: random.Random) -> None:
    """Compare checksums, of short segments first."""
    mine = cls()
    sizes = sorted(chance.choice([20, 21, 24, 40, 61, 1000, 1460]) for _ in range(20))
    for segment in [*_EDGES, *map(chance.randbytes, sizes)]:
        width = chance.choice([4, 4, 16])
        source, destination = chance.randbytes(width), chance.randbytes(width)
        of = f"of source {source.hex()}, destination {destination.hex()}, segment {segment.hex()}"
        right = tcp_checksum(source, destination, segment)
        same(f"the checksum {of}", mine.compute(source, destination, segment), right)
        whole = _filled(segment, right)
        of = of.replace(segment.hex(), whole.hex())
        same(f"whether it is valid {of}", mine.is_valid(source, destination, whole), True)
        at = chance.randrange(len(whole))
        damaged = bytearray(whole)
        damaged[at] ^= 1 << chance.randrange(8)
        of = of.replace(whole.hex(), damaged.hex())
        given = mine.is_valid(source, destination, bytes(damaged))
        same(f"whether it is valid {of}", given, False)


def _filled(segment: bytes, checksum: int) -> bytes:
    field = checksum.to_bytes(2, "big")
    return segment[:CHECKSUM_OFFSET] + field + segment[CHECKSUM_OFFSET + 2 :]


class _Guard(Between):
    """Has all segments that arrive looked at; damage on the way is made here, by a rule."""

    def __init__(self, table: Table, mine: Any) -> None:
        super().__init__(table)
        self._mine = mine
        self._count = 0

    def leave(self, datagram: bytes, path: Path) -> bytes:
        peer = ipaddress.ip_address(path[0][0]).packed
        whole = _filled(datagram, self._mine.compute(_OURS, peer, datagram))
        # The peer takes what is valid, as one with a checksum would.
        return _filled(datagram, 0) if tcp_checksum_valid(_OURS, peer, whole) else bytes(len(whole))

    def enter(self, datagram: bytes, path: Path) -> bytes | None:
        peer = ipaddress.ip_address(path[0][0]).packed
        whole = _filled(datagram, tcp_checksum(peer, _OURS, datagram))
        self._count += 1
        if self._count % 7 == 0:  # an octet is damaged: of the data if there is some
            at = len(whole) - 1
            whole = whole[:at] + bytes([whole[at] ^ 0x40])
        valid = self._mine.is_valid(peer, _OURS, whole)
        return _filled(whole, 0) if valid else None


def build(cls: Any) -> Setup:
    """Let a class guard the client."""
    mine = cls()
    return Setup(config(), wrapped=lambda table: _Guard(table, mine))
