"""The octets of a bulk transfer: a random block, again and again, that a reader can verify."""

import functools
import random
from typing import Final

READ: Final = 256 * 1024
"""Octets that a reader asks for."""

CHUNK: Final = 64 * 1024
"""Octets of one write."""

# Put together from small parts: to free a large one would tell glibc's malloc to keep such blocks
# from then on, after which asyncio's recv(256 KiB) is several times as fast as in other programs.
_random = random.Random(9293)
_PARTS: Final = [_random.randbytes(4096) for _ in range(256)]
BLOCK: Final = b"".join(_PARTS)
_PATTERN: Final = b"".join(_PARTS + _PARTS[: READ // 4096])


@functools.cache
def chunks(size: int = CHUNK) -> list[bytes]:
    """Return what is written, over and over, in writes of *size* octets."""
    return [BLOCK[at : at + size] for at in range(0, len(BLOCK), size)]


def fits(data: bytes, at: int) -> bool:
    """Return whether *data*, at most :data:`READ` octets, is what stands *at* octets in.

    ``bytes.startswith`` with a place is a memcmp without a copy: 25 µs for a MiB, where a hash
    would take longer than asyncio's TCP for the whole transfer.
    """
    return _PATTERN.startswith(data, at % len(BLOCK))
