"""Arguments as people write them: ``20ms``, ``100M`` (bits a second), ``1%``, ``1bdp``.

Each function suits ``type=`` of argparse, which turns the error into a message and status 2.
"""

import argparse
import math
import re
from collections.abc import Callable
from typing import Final

PACKET: Final = 1500
"""Octets of IP in a full packet of the links measured here."""

QUEUE_FLOOR: Final = 30 * PACKET
"""Octets.  A queue of one bandwidth-delay product is not made smaller than this: at 2 ms and
10 Mbit/s it would hold a packet and a half."""

_NUMBER: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([a-zA-Z%/]*)")


def _scaled(
    form: str, units: dict[str, float], low: float = 0.0, high: float = math.inf
) -> Callable[[str], float]:
    def parse(text: str) -> float:
        found = _NUMBER.fullmatch(text.strip())
        unit = None if found is None else units.get(found[2].lower())
        if found is None or unit is None:
            raise argparse.ArgumentTypeError(f"{text!r} is not {form}")
        value = float(found[1]) * unit
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} is not between {low:g} and {high:g}")
        return value

    return parse


_BITS: Final = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9}

milliseconds: Final = _scaled(
    "a time such as 20, 20ms or 0.2s", {"": 1e-3, "ms": 1e-3, "s": 1.0, "us": 1e-6}, high=10.0
)
"""Return seconds of a time written in milliseconds, ``20`` or ``20ms``, or ``0.02s``."""

seconds: Final = _scaled("a time such as 10, 10s or 500ms", {"": 1.0, "s": 1.0, "ms": 1e-3})
"""Return seconds of a time written in seconds, ``10`` or ``10s``, or ``500ms``."""

percent: Final = _scaled("a percentage such as 1 or 0.1%", {"": 0.01, "%": 0.01}, high=1.0)
"""Return a share between 0 and 1 of a percentage, ``1`` or ``0.1%``."""

rate: Final = _scaled(
    "a rate such as 20M (bits a second)",
    _BITS
    | {f"{unit}bit": factor for unit, factor in _BITS.items()}
    | {f"{unit}bit/s": factor for unit, factor in _BITS.items()},
    low=1e3,
    high=1e11,
)
"""Return bits a second: ``20M``, ``1.5Mbit/s``; k, M and G are powers of 1000."""

megabits: Final = _scaled("a number of Mbit/s", {"": 1e6, "m": 1e6, "mbit": 1e6, "mbit/s": 1e6})
"""Return bits a second of a number of Mbit/s."""


def buffer(text: str) -> str:
    """Check a size that :func:`octets` understands; it needs to know the path to say how much."""
    octets(text, rtt=0.0, rate=1e6)
    return text


def octets(text: str, *, rtt: float, rate: float) -> int:
    """Return the octets of *text*: ``64000``, ``64k``, ``50p`` (full packets) or ``1bdp``.

    A *bdp* is what is under way when the link is full: *rate* (bit/s) times *rtt* (s), and no less
    than ``QUEUE_FLOOR``.
    """
    found = _NUMBER.fullmatch(text.strip())
    units = {"": 1.0, "k": 1e3, "m": 1e6, "p": float(PACKET), "bdp": rate * rtt / 8}
    unit = None if found is None else units.get(found[2].lower())
    if found is None or unit is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a buffer such as 1bdp, 0.5bdp, 50p (packets) or 64k (octets)"
        )
    size = int(float(found[1]) * unit)
    return max(size, QUEUE_FLOOR) if found[2].lower() == "bdp" else size
