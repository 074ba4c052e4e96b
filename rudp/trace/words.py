"""Numbers and headers as people read them."""

from rudp.core.segment.seqnum import to_wire
from rudp.core.segment.wire import FLAG_NAMES
from rudp.trace.events import Segment


def flags(bits: int) -> str:
    """Return control bits in the order in which people say them: ``"SYN,ACK"``, ``"FIN,ACK"``."""
    return ",".join(name for bit, name in reversed(FLAG_NAMES) if bits & bit)


def octets(count: float) -> str:
    """Return a size in words: ``"812 B"``, ``"1.1 MiB"``."""
    units = ["GiB", "MiB", "KiB", "B"]
    while count >= 1024 and len(units) > 1:
        count /= 1024
        units.pop()
    return f"{count:.0f} B" if units[-1] == "B" else f"{count:.1f} {units[-1]}"


def segment(header: Segment, *, absolute: bool = False) -> str:
    """Return a header in words; *absolute*: with the sequence numbers of the wire."""
    parts = [header.flags or "none", f"seq={header.wire_seq if absolute else header.seq}"]
    if header.ack is not None:
        parts.append(f"ack={header.wire_ack if absolute else header.ack}")
    if header.length:
        parts.append(f"len={header.length}")
    parts.append(f"win={header.window}")
    if header.mss is not None:
        parts.append(f"mss={header.mss}")
    if header.sack:
        left, right = header.sack[0]
        if absolute:
            start = header.wire_ack - (header.ack or 0)  # what its numbers are counted from
            left, right = to_wire(left + start), to_wire(right + start)
        parts.append(f"sack={left}-{right}")
    return " ".join(parts)


def seconds(count: float) -> str:
    """Return a time in words: ``"20 ms"``, ``"1.2 s"``, ``"4 min"``."""
    if count >= 60:
        return f"{count / 60:.3g} min"
    return f"{count:.3g} s" if count >= 1 else f"{count * 1000:.3g} ms"
