"""Numbers as people read them: octets, seconds and rates with their units."""

from typing import Final

_BINARY: Final = ("octets", "KiB", "MiB", "GiB", "TiB")
_DECIMAL: Final = ("B/s", "kB/s", "MB/s", "GB/s")


def octets(count: int) -> str:
    """Return ``512 octets``, ``64 KiB`` or ``1.5 MiB``."""
    if count == 1:
        return "1 octet"
    value = float(count)
    unit = 0
    while value >= 1024.0 and unit < len(_BINARY) - 1:
        value /= 1024.0
        unit += 1
    return f"{_short(value)} {_BINARY[unit]}"


def seconds(time: float) -> str:
    """Return ``120 s``, ``0.85 s``, ``12.3 ms`` or ``45 µs``."""
    if time >= 0.1 or time <= 0.0:
        return f"{_short(time)} s"
    if time >= 1e-3:
        return f"{_short(time * 1e3)} ms"
    return f"{_short(time * 1e6)} µs"


def rate(octets_a_second: float) -> str:
    """Return ``12.5 MB/s``: decimal, as links are sold."""
    value = octets_a_second
    unit = 0
    while value >= 1000.0 and unit < len(_DECIMAL) - 1:
        value /= 1000.0
        unit += 1
    return f"{_short(value)} {_DECIMAL[unit]}"


def _short(value: float) -> str:
    """Return *value* with three digits, and no more zeros than needed."""
    if value >= 100.0:
        return f"{value:.0f}"
    text = f"{value:.2f}" if value < 10.0 else f"{value:.1f}"
    return text.rstrip("0").rstrip(".")
