"""Numbers as people read them."""

from rudp.core.wire import FLAG_NAMES


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
