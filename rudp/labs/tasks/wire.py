"""The lab ``wire``: octets of segments, and segments of octets."""

import random
from typing import Any

from rudp.core.segment import wire
from rudp.core.segment.transmit import Path
from rudp.core.terms.counters import Counters
from rudp.labs.between import Between
from rudp.labs.header import Header
from rudp.labs.lab import Setup, Wrong, config, same
from rudp.sim.network import Table


class Reference:
    """What the package does."""

    def parse(self, datagram: bytes) -> tuple[Header, bytes] | None:
        """Return header and data."""
        run = wire.read_segment(memoryview(datagram), Counters())
        if run is None:
            return None
        ports = run.ports >> 16, run.ports & 0xFFFF
        opts = run.header()[wire.HEADER_SIZE :]
        header = Header(*ports, run.seq, run.ack, run.flags & 0xFF, run.window, run.urgent, opts)
        return header, run.octets(0, run.length)

    def build(self, header: Header, data: bytes) -> bytes:
        """Return the octets."""
        ports = header.source << 16 | header.destination
        return (
            wire.pack_segment(
                ports,
                header.seq,
                header.ack,
                header.flags,
                header.window,
                header.options,
                header.urgent,
            )
            + data
        )


def ask(cls: Any, chance: random.Random) -> None:
    """Read and write, and hand in what is no segment."""
    mine, right = cls(), Reference()
    for _ in range(20):
        header = Header(
            chance.randint(1, 0xFFFF),
            chance.randint(1, 0xFFFF),
            chance.randrange(1 << 32),
            chance.randrange(1 << 32),
            chance.randrange(256),
            chance.randrange(1 << 16),
            chance.choice([0, chance.randrange(1 << 16)]),
            b"\x01" * (4 * chance.choice([0, 0, 1, 3, 10])),
        )
        data = chance.randbytes(chance.choice([0, 1, 100]))
        octets = right.build(header, data)
        same(f"build({header}, {data.hex()!r})", mine.build(header, data).hex(), octets.hex())
        noisy = bytearray(octets)
        noisy[12] |= chance.randrange(16)
        noisy[16:18] = chance.randbytes(2)
        asked = f"parse() of {bytes(noisy).hex()}"
        given = mine.parse(bytes(noisy))
        if given is None:
            raise Wrong(f"{asked} is {(header, data)!r}, not None")
        same(asked, (Header(*given[0]), bytes(given[1])), (header, data))
    whole = right.build(header, b"data")
    for size in range(len(whole) - 4):
        same(f"parse() of {whole[:size].hex()!r}", mine.parse(whole[:size]), None)
    for offset in (0, 4):
        broken = whole[:12] + bytes([offset << 4]) + whole[13:]
        same(
            f"parse() of {broken.hex()}, of which the data offset is {offset}",
            mine.parse(broken),
            None,
        )


class _Codec(Between):
    """Has all segments read and written."""

    def __init__(self, table: Table, mine: Any) -> None:
        super().__init__(table)
        self._mine = mine
        self._right = Reference()

    def leave(self, datagram: bytes, path: Path) -> bytes:
        read = self._right.parse(datagram)
        assert read is not None, "the table sends segments"
        return bytes(self._mine.build(*read))

    def enter(self, datagram: bytes, path: Path) -> bytes | None:
        read = self._mine.parse(datagram)
        return None if read is None else self._right.build(Header(*read[0]), read[1])


def build(cls: Any) -> Setup:
    """Let a class read and write all that the client gets and sends."""
    mine = cls()
    return Setup(config(), wrapped=lambda table: _Codec(table, mine))
