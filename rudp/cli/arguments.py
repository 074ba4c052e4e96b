"""Arguments as people write them: ``10M``, ``2%``, ``20ms``, ``5m``.

Each function suits ``type=`` of argparse, which turns the error into a message and status 2.
"""

import argparse
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import rudp

SIZE_MAX: Final = 1 << 40
"""Octets.  More than anybody waits for."""

SECONDS_MAX: Final = 10.0

DURATION_MAX: Final = 86_400.0
"""Seconds: a day."""

_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)([KMGT]?)(?:I?B)?", re.IGNORECASE)
_UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}

RATE_MAX: Final = 1e13

_RATE: Final = re.compile(r"(\d+(?:\.\d+)?)([KMGT]?)", re.IGNORECASE)
_THOUSANDS: Final = {"": 1.0, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|)")
_TIMES: Final = {"": 1.0, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def size(text: str) -> int:
    """Return a number of octets: ``500``, ``64K``, ``1.5MiB``; K, M and G are powers of 1024."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 500, 64K or 10M")
    octets = float(found[1]) * _UNITS[found[2].upper()]
    if octets > SIZE_MAX:
        raise argparse.ArgumentTypeError(f"{text} is more than 1T")
    return int(octets)


def rate(text: str) -> float:
    """Return bits per second: ``500k``, ``10M``, ``1.5G``; here they are powers of 1000."""
    found = _RATE.fullmatch(text.strip())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a rate such as 500k, 10M or 1G")
    bits = float(found[1]) * _THOUSANDS[found[2].upper()]
    if not 1 <= bits <= RATE_MAX:
        raise argparse.ArgumentTypeError(f"{text} is not between 1 and 10T bits per second")
    return bits


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


def duration(text: str) -> float:
    """Return a time in seconds: ``10``, ``10s``, ``500ms``, ``5m``, ``1h``; more than none."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 10s, 500ms or 5m")
    value = float(found[1]) * _TIMES[found[2]]
    if not 0 < value <= DURATION_MAX:
        raise argparse.ArgumentTypeError(f"{text} is not between 1ms and 24h")
    return value


def grace(text: str) -> float:
    """Return a time in seconds as :func:`duration` does, or 0 for none."""
    return 0.0 if text.strip() == "0" else duration(text)


def port(text: str) -> int:
    """Return a port to connect to or to listen on; 0 lets the system choose."""
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: a number from 0 to 65535")
    if len(text) > 5 or int(text) > 65_535:
        raise argparse.ArgumentTypeError(
            f"port {text} is out of range: it is not within 0 to 65535"
        )
    return int(text)


def host(text: str) -> str:
    """Return the name or the address of a host, if it can be asked for (RFC 1035 §2.3.1)."""
    try:
        encoded = text.encode("idna")
    except UnicodeError:
        encoded = b""
    if not encoded or b"\0" in encoded or b"/" in encoded:
        raise argparse.ArgumentTypeError(f"{text!r} is not the name of a host")
    return text


def count(low: int, high: int) -> Callable[[str], int]:
    """Return a function for whole numbers from *low* to *high*."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {low} to {high}")
        return int(text)

    return parse


def mss(text: str) -> int:
    """Return a maximum segment size, checked as :class:`rudp.Config` does."""
    try:
        number = int(text)
        rudp.Config(mss=number)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return number


KEY_FILE_MAX: Final = 1024
"""Octets that are read of a file with a key: more than any key has."""


def key(name: str) -> tuple[rudp.MasterKey, ...]:
    """Return the keys of connections: of the file *name*, or, if that is empty, of RUDP_KEY.

    A newline at the end does not count.  There is no option for the key itself: everybody on a
    machine sees the arguments of its processes.
    """
    try:
        secret = _beginning(name) if name else os.fsencode(os.environ.get("RUDP_KEY", ""))
    except OSError as error:
        raise argparse.ArgumentTypeError(f"cannot read {name}: {error.strerror}") from None
    secret = secret.removesuffix(b"\r\n" if secret.endswith(b"\r\n") else b"\n")
    if not name and not secret:
        return ()
    try:
        return (rudp.MasterKey(secret=secret),)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{name or 'RUDP_KEY'}: {error}") from None


def _beginning(name: str) -> bytes:
    """Return the file *name*, or, of what is no key, as much as shows that."""
    with Path(name).open("rb") as file:
        return file.read(KEY_FILE_MAX)


def _number(bare: str, text: str, form: str) -> float:
    try:
        return float(bare)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not {form}") from None
