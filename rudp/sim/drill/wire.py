"""Between the segments of a drill, which count from 0, and octets as they are on the wire.

Sequence numbers are relative: 0 is the SYN, 1 the first octet of data.  Timestamps are milliseconds
since the drill began, on either side.  Data is a pattern over its numbers, checked in both
directions.
"""

import dataclasses
import struct
from typing import Final

from rudp.core.segment.options import ACCURATE_ECN_0, ACCURATE_ECN_1
from rudp.core.segment.transmit import ECT_0, ECT_1, Path
from rudp.sim.drill.language import LETTERS, Segment

OUR_PORT: Final = 80
"""The TCP port of whoever is drilled."""

PEER_PORT: Final = 1000
"""That of its peer, unless a flow has another."""

MASK: Final = 0xFFFF_FFFF

_ECN_KINDS: Final = {"ecn0": ACCURATE_ECN_0, "ecn1": ACCURATE_ECN_1}

_PATTERN: Final = bytes((i * 31 + (i >> 8) * 7) & 0xFF for i in range(1 << 16))


def pattern(seq: int, length: int) -> bytes:
    """Return the *length* octets of data whose first has the relative number *seq*."""
    at = seq % len(_PATTERN)
    return (_PATTERN * (2 + length // len(_PATTERN)))[at : at + length]


class SegmentError(Exception):
    """What came out is no segment that a TCP would send here."""


@dataclasses.dataclass(eq=False)
class Flow:
    """One pair of ports between the one who is drilled and one UDP address; what is known of it."""

    path: Path
    port: int
    irs: int
    peer_clock: int
    iss: int = 0
    iss_known: bool = False
    our_clock: int | None = None
    peer_offers_timestamps: bool = False
    we_offer_timestamps: bool = False
    last_tsval: int = 0
    newest_peer_tsval: int = 0
    sent: int = 0
    read: int = 0

    def anew(self, seq: int) -> None:
        """Count from the peer's number *seq* and our next SYN."""
        self.irs = self.irs + seq & MASK
        self.iss_known = self.peer_offers_timestamps = self.we_offer_timestamps = False
        self.our_clock = None
        self.sent = self.read = 0

    def encode(self, segment: Segment, time: float) -> bytes:
        """Return the octets of a segment from the peer, *time* seconds after the beginning."""
        options = list(segment.options or [])
        syn, ack = segment.has("S"), segment.has("A")
        if syn:
            self.peer_offers_timestamps |= any(one.startswith("TS ") for one in options)
        elif "noTS" in options:
            options.remove("noTS")
        elif (
            not (segment.has("R") or any(one.startswith("TS ") for one in options))
            and self.peer_offers_timestamps
            and self.we_offer_timestamps
        ):
            echo = self.last_tsval - (self.our_clock or 0)
            tsval = max(int(time * 1000) + 1, self.newest_peer_tsval)
            options.insert(0, f"TS {tsval} {echo if ack else 0}")
        packed = b"".join(self._encode_option(one, ack=ack) for one in options)
        packed += bytes(-len(packed) % 4)
        header = struct.pack(
            "!HHIIBBHHH",
            self.port,
            OUR_PORT,
            (self.irs + segment.seq) & MASK,
            (self.iss + segment.ack) & MASK if segment.ack is not None else 0,
            (20 + len(packed)) // 4 << 4 & 0xF0
            | (0xE if "res" in segment.extras else 0)
            | segment.flags >> 8,
            segment.flags & 0xFF,
            65535 if segment.win is None else segment.win,
            0xBEEF if "sum" in segment.extras else 0,
            segment.urg or 0,
        )
        # Data on a SYN begins one number after it.
        return header + packed + pattern(segment.seq + syn, segment.length)

    def decode(self, data: bytes, ecn: int, time: float) -> Segment:
        """Return the segment whose octets came out *time* seconds after the beginning.

        Raises :class:`SegmentError`.
        """
        _, _, seq, ack, offset, flags, win, checksum, urg = struct.unpack_from("!HHIIBBHHH", data)
        flags |= (offset & 1) << 8
        syn, acked, urgent = (flags >> LETTERS.index(x) & 1 for x in "SAU")
        if checksum or offset & 0xE or (ack and not acked) or (urg and not urgent):
            raise SegmentError("a field is set that should be 0")
        if syn and not self.iss_known:
            self.iss, self.iss_known = seq, True
        payload = data[(offset >> 4) * 4 :]
        seq = relative(seq, self.iss)
        if payload != pattern(seq + syn, len(payload)):
            raise SegmentError(f"wrong data at {seq}")
        return Segment(
            flags,
            seq,
            len(payload),
            relative(ack, self.irs) if acked else None,
            win,
            urg if urgent else None,
            self._decode_options(data[20 : (offset >> 4) * 4], time, syn=syn, acked=acked) or None,
            frozenset({ECT_0: {"ect"}, ECT_1: {"ect1"}}.get(ecn, ())),
        )

    def _encode_option(self, text: str, *, ack: bool) -> bytes:
        name, *values = text.split()
        match name:
            case "mss":
                return struct.pack("!BBH", 2, 4, int(values[0]) & 0xFFFF)
            case "ws":
                return struct.pack("!BBB", 3, 3, int(values[0]) & 0xFF)
            case "sackOK":
                return b"\x04\x02"
            case "TS":
                tsval, tsecr = (0 if one == "*" else int(one) for one in values)
                self.newest_peer_tsval = max(self.newest_peer_tsval, tsval)
                echo = (self.our_clock or 0) + tsecr if ack else tsecr
                return struct.pack("!BBII", 8, 10, (self.peer_clock + tsval) & MASK, echo & MASK)
            case "sack":
                edges = [(self.iss + int(one)) & MASK for two in values for one in two.split(":")]
                return struct.pack(f"!BB{len(edges)}I", 5, (2 + 4 * len(edges)) & 0xFF, *edges)
            case "ecn0" | "ecn1":
                fields = b"".join([int(one).to_bytes(3, "big") for one in values])
                return bytes((_ECN_KINDS[name], 2 + len(fields))) + fields
            case "nop":
                return b"\x01"
            case "raw":
                return bytes.fromhex(values[0])
            case _:
                return b""

    def _decode_options(self, data: bytes, time: float, *, syn: int, acked: int) -> list[str]:
        found = []
        at = 0
        while at < len(data) and data[at]:
            if data[at] == 1:
                at += 1
                continue
            kind, value = data[at], data[at + 2 : at + data[at + 1]]
            at += data[at + 1]
            if kind == 2:
                found.append(f"mss {int.from_bytes(value, 'big')}")
            elif kind == 3:
                found.append(f"ws {value[0]}")
            elif kind == 4:
                found.append("sackOK")
            elif kind == 8:
                tsval, tsecr = struct.unpack("!II", value)
                if syn:
                    self.we_offer_timestamps = True
                    self.our_clock = (tsval - int(time * 1000)) & MASK
                self.last_tsval = tsval
                clock = relative(tsval, self.our_clock) if self.our_clock is not None else tsval
                echo = relative(tsecr, self.peer_clock) if tsecr or acked else 0
                found.append(f"TS {clock} {echo}")
            elif kind == 5:
                edges = [
                    relative(edge, self.irs)
                    for edge in struct.unpack(f"!{len(value) // 4}I", value)
                ]
                pairs = zip(edges[::2], edges[1::2], strict=True)
                found.append("sack " + " ".join(f"{left}:{right}" for left, right in pairs))
            elif kind in _ECN_KINDS.values():
                name = "ecn0" if kind == ACCURATE_ECN_0 else "ecn1"
                fields = [int.from_bytes(value[n : n + 3], "big") for n in range(0, len(value), 3)]
                found.append(" ".join([name, *map(str, fields)]))
            else:
                found.append(f"kind {kind}")
        if any(data[at:]):
            raise SegmentError("what follows the end of the options is not zero")
        return found


def relative(number: int, base: int) -> int:
    """Return by how much *number* is beyond *base*, or below it."""
    return ((number - base + (1 << 31)) & MASK) - (1 << 31)
