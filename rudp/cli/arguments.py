"""Arguments as people write them: ``10M``, ``2%``, ``20ms``.

Each function suits ``type=`` of argparse, which turns the error into a message and status 2.
"""

import argparse
import re
from typing import Final

SIZE_MAX: Final = 1 << 40
"""Octets.  More than anybody waits for."""

SECONDS_MAX: Final = 10.0

_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)([KMGT]?)(?:I?B)?", re.IGNORECASE)
_UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def size(text: str) -> int:
    """Return a number of octets: ``500``, ``64K``, ``1.5MiB``; K, M and G are powers of 1024."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 500, 64K or 10M")
    octets = int(float(found[1]) * _UNITS[found[2].upper()])
    if octets > SIZE_MAX:
        raise argparse.ArgumentTypeError(f"{text} is more than 1T")
    return octets


def share(text: str) -> float:
    """Return a share between 0 and 1 that is written in percent: ``2``, ``0.5%``."""
    percent = _number(text.strip().removesuffix("%"), text, "a percentage such as 2 or 0.5%")
    if not 0 <= percent <= 100:
        raise argparse.ArgumentTypeError(f"{text} is not between 0% and 100%")
    return percent / 100


def seconds(text: str) -> float:
    """Return a time in seconds that is written in milliseconds, ``20`` or ``20ms``, or ``0.1s``."""
    bare = text.strip()
    form = "a time such as 20ms or 0.1s"
    if bare.endswith("s") and not bare.endswith("ms"):
        value = _number(bare.removesuffix("s"), text, form)
    else:
        value = _number(bare.removesuffix("ms"), text, form) / 1000
    if not 0 <= value <= SECONDS_MAX:
        raise argparse.ArgumentTypeError(f"{text} is not between 0s and {SECONDS_MAX:g}s")
    return value


def _number(bare: str, text: str, form: str) -> float:
    try:
        return float(bare)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not {form}") from None
